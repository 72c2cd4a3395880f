"""A site with the language in each address, also in those of the dance."""

from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path

urlpatterns = i18n_patterns(path("login/", include("django_dance.urls")))
