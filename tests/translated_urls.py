"""A site with a translated route before the addresses of the dance."""

from django.urls import include, path
from django.utils.functional import lazy
from django.utils.translation import get_language

translated_route = lazy(lambda: {"de": "anmelden/"}.get(get_language(), "login/"), str)

urlpatterns = [path("", include([path(translated_route(), include("django_dance.urls"))]))]
