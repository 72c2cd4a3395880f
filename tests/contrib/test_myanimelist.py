"""MyAnimeList: plain PKCE."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from ..catalogue import PRESETS
from ..conftest import Dance
from .conftest import GRANTED, form_fields

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def test_myanimelist_is_refused_until_plain_pkce_is_allowed():
    (problem,) = PRESETS["myanimelist"]("myanimelist").problems()
    assert problem.id == "django_dance.E004"
    assert "set ALLOW_PLAIN_PKCE to True" in problem.hint


def test_myanimelist_cannot_be_used_without_plain_pkce():
    with pytest.raises(ImproperlyConfigured, match="ALLOW_PLAIN_PKCE"):
        PRESETS["myanimelist"]("myanimelist").current()


def test_myanimelist_gets_the_verifier_as_challenge(site, member, responses):
    responses.post(site("myanimelist").token_url, json=GRANTED)
    dance = Dance(member, "myanimelist")
    assert dance.asked["code_challenge_method"] == "plain"
    dance.callback()
    assert form_fields(responses.calls[0])["code_verifier"] == dance.asked["code_challenge"]
    assert 43 <= len(dance.asked["code_challenge"]) <= 128
