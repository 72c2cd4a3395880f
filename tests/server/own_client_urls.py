"""The site of the server, which is its own client as well."""

from django.urls import include, path

from .urls import urlpatterns as the_server

urlpatterns = [path("login/", include("django_dance.urls")), *the_server]
