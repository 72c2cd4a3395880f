"""URLs of a site whose one provider is an issuer."""

from django.urls import include, path

urlpatterns = [path("login/", include("django_dance.urls"))]
