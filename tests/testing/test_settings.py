"""``override_providers``: other providers for a test, with their URLs."""

import pytest
from django.conf import settings as django_settings
from django.test import SimpleTestCase, override_settings
from django.urls import NoReverseMatch, reverse

from django_dance.exceptions import ProviderNotConfigured
from django_dance.providers import providers
from django_dance.testing import fake_provider, override_providers

HEROKU = {"PROVIDER": "django_dance.contrib.heroku.Heroku"}


def test_an_added_provider_has_urls_until_the_end():
    with override_providers(heroku=HEROKU):
        assert reverse("heroku:login") == "/login/heroku/"
        assert set(providers) > {"github", "heroku"}
    with pytest.raises(NoReverseMatch):
        reverse("heroku:login")
    with pytest.raises(ProviderNotConfigured):
        providers["heroku"]


def test_options_are_added_to_those_of_the_settings(override_providers):
    override_providers(github={"SCOPE": "repo"})
    override_providers(github={"REDIRECT_URL": "/done/"})
    github = providers["github"].current()
    assert github.configured_scope == ["repo"]
    assert (github.after_url(), github.label) == ("/done/", "GitHub")


def test_a_provider_can_be_removed():
    with override_providers(github=None):
        assert "github" not in providers
        with pytest.raises(NoReverseMatch):
            reverse("github:login")
    assert reverse("github:login") == "/login/github/"


@override_providers(heroku=HEROKU)
def test_it_decorates_a_function():
    assert "heroku" in providers


@override_providers(heroku=HEROKU)
class DecoratedTests(SimpleTestCase):
    def test_it_decorates_a_class(self):
        assert "heroku" in providers


def test_the_settings_are_read_when_it_begins():
    later = override_providers(heroku=HEROKU)
    with override_settings(DANCE_PROVIDERS={}), later:
        assert list(providers) == ["heroku"]


def test_an_override_that_began_earlier_may_end_first():
    """As that of the fixture ``settings``, if its name is the last one in the test's arguments."""
    earlier = override_settings(DANCE_TIMEOUT=3)
    earlier.enable()
    with fake_provider("github"), override_providers(heroku=HEROKU):
        earlier.disable()
    assert django_settings.DANCE_PROVIDERS["github"] == {
        "PROVIDER": "django_dance.contrib.github.GitHub",
        "SCOPE": "read:user",
    }
    assert "heroku" not in providers
    assert not hasattr(django_settings, "DANCE_TIMEOUT")


def test_an_override_that_began_later_may_end_later():
    later = override_settings(DANCE_TIMEOUT=3)
    with override_providers(heroku=HEROKU):
        later.enable()
    assert "heroku" not in providers
    assert django_settings.DANCE_TIMEOUT == 3
    later.disable()
    assert "heroku" not in providers
    assert not hasattr(django_settings, "DANCE_TIMEOUT")
