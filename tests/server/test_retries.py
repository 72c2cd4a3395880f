"""A client repeats a refresh because the response was lost (``DANCE_SERVER_REFRESH_RETRY``)."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from django_dance.server.models import Token

from .conftest import assert_invalid_grant, is_alive


@pytest.fixture(autouse=True)
def _allow_a_retry(settings):
    settings.DANCE_SERVER_REFRESH_RETRY = 60


def later(seconds):
    """Move the times of all rows into the past."""
    names = ("created_at", "spent_at")
    Token.objects.update(**{name: F(name) - timedelta(seconds=seconds) for name in names})


@pytest.mark.parametrize("seconds", [0, 59])
def test_a_refresh_can_be_repeated_once(app, granted, seconds):
    lost = app.refresh(granted["refresh_token"]).json()
    later(seconds)
    second = app.refresh(granted["refresh_token"])
    assert second.status_code == 200
    assert not is_alive(app, lost["access_token"])
    assert is_alive(app, second.json()["access_token"])
    assert is_alive(app, app.refresh(second.json()["refresh_token"]).json()["access_token"])


def test_a_second_repetition_is_refused(app, granted):
    app.refresh(granted["refresh_token"])
    second = app.refresh(granted["refresh_token"]).json()
    later(11)
    assert_invalid_grant(app.refresh(granted["refresh_token"]))
    assert not is_alive(app, second["access_token"])


def test_a_repetition_after_the_time_revokes_the_family(app, granted):
    first = app.refresh(granted["refresh_token"]).json()
    later(60)
    assert_invalid_grant(app.refresh(granted["refresh_token"]))
    assert not is_alive(app, first["access_token"])


def test_a_repetition_after_the_response_was_used_revokes_the_family(app, granted):
    first = app.refresh(granted["refresh_token"]).json()
    second = app.refresh(first["refresh_token"]).json()
    later(11)
    assert_invalid_grant(app.refresh(granted["refresh_token"]))
    assert not is_alive(app, second["access_token"])


def test_the_response_that_counted_as_lost_revokes_the_family_when_it_is_used(app, granted):
    """The owner of the token has it, so the repetition came from an attacker."""
    first = app.refresh(granted["refresh_token"]).json()
    second = app.refresh(granted["refresh_token"]).json()
    assert_invalid_grant(app.refresh(first["refresh_token"]))
    assert not is_alive(app, second["access_token"])


@pytest.mark.parametrize("seconds", [1, 3, 9, 10, 60])
def test_a_short_time_for_the_retry_revokes_the_family_too(
    app, granted, settings, seconds, monkeypatch
):
    settings.DANCE_SERVER_REFRESH_RETRY = seconds
    moment = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)
    first = app.refresh(granted["refresh_token"]).json()
    second = app.refresh(granted["refresh_token"]).json()
    assert_invalid_grant(app.refresh(first["refresh_token"]))
    assert not is_alive(app, second["access_token"])


def test_another_client_cannot_repeat_a_refresh(app, granted, register):
    first = app.refresh(granted["refresh_token"]).json()
    assert_invalid_grant(register("Other").refresh(granted["refresh_token"]))
    assert is_alive(app, first["access_token"])


def test_without_the_setting_a_repetition_is_refused(app, granted, settings):
    settings.DANCE_SERVER_REFRESH_RETRY = 0
    first = app.refresh(granted["refresh_token"]).json()
    assert_invalid_grant(app.refresh(granted["refresh_token"]))
    assert is_alive(app, first["access_token"])


def test_a_code_cannot_be_repeated(app, member):
    code = app.code(member)
    first = app.redeem(code).json()
    assert_invalid_grant(app.redeem(code))
    assert not is_alive(app, first["access_token"])
