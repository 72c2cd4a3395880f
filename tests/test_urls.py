"""The URLs of the providers are those of the settings of the moment."""

import types

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.test import override_settings
from django.urls import NoReverseMatch, Resolver404, include, path, resolve, reverse

from django_dance.providers import providers

from .conftest import query

OTHER = {"other": {"PROVIDER": "django_dance.contrib.github.GitHub"}}


def assert_served(provider):
    assert reverse(f"{provider}:login").endswith(f"login/{provider}/")
    assert resolve(f"/login/{provider}/").view_name == f"{provider}:login"


def assert_not_served(provider):
    with pytest.raises(NoReverseMatch):
        reverse(f"{provider}:login")
    with pytest.raises(Resolver404):
        resolve(f"/login/{provider}/")


def test_the_urls_follow_overridden_providers():
    assert_served("github")
    with override_settings(DANCE_PROVIDERS=OTHER):
        assert_served("other")
        assert_not_served("github")
    assert_served("github")
    assert_not_served("other")


def test_the_urls_follow_providers_in_an_included_urlconf(settings):
    urls = types.ModuleType("urls")
    urls.urlpatterns = [path("", include([path("login/", include("django_dance.urls"))]))]
    settings.ROOT_URLCONF = urls
    assert_served("github")
    settings.DANCE_PROVIDERS = OTHER
    assert_served("other")
    assert_not_served("github")


def test_a_urlconf_that_was_used_before_follows_the_settings(settings):
    with override_settings(ROOT_URLCONF="tests.oidc_urls", DANCE_PROVIDERS=OTHER):
        assert_served("other")
    settings.ROOT_URLCONF = "tests.oidc_urls"
    assert_served("github")
    assert_not_served("other")


def test_settings_may_be_overridden_where_there_is_no_urlconf(settings):
    settings.ROOT_URLCONF = "tests.not_there"
    settings.DANCE_PROVIDERS = OTHER
    del settings.ROOT_URLCONF
    settings.DANCE_PROVIDERS = {}


def test_they_follow_providers_below_a_language_prefix(settings):
    urls = types.ModuleType("urls")
    urls.urlpatterns = i18n_patterns(path("login/", include("django_dance.urls")))
    settings.ROOT_URLCONF = urls
    assert reverse("github:login") == "/en-us/login/github/"
    settings.DANCE_PROVIDERS = OTHER
    assert reverse("other:login") == "/en-us/login/other/"
    assert_not_served("github")


@pytest.mark.django_db
def test_the_views_of_a_provider_that_is_included_by_itself_follow_the_settings(settings, client):
    urls = types.ModuleType("urls")
    urls.urlpatterns = [path("login/", include(providers["github"].urls))]
    settings.ROOT_URLCONF = urls
    for scope in ("read:user", "repo"):
        settings.DANCE_PROVIDERS = {"github": {**OTHER["other"], "SCOPE": scope}}
        begun = client.get("/login/github/")
        assert query(begun["Location"])["scope"] == scope
