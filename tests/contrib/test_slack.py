"""Slack: the tokens of a bot and of its user."""

import pytest

from django_dance.providers import providers

from ..conftest import Dance
from .conftest import assert_refused

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


SLACK = {
    "ok": True,
    "app_id": "A0KRD7HC3",
    "access_token": "planted-bot",
    "token_type": "bot",
    "scope": "chat:write",
    "bot_user_id": "U0KRQLJ9H",
    "team": {"name": "Analytical Engines", "id": "T9TK3CUKW"},
    "enterprise": None,
    "authed_user": {
        "id": "U1234",
        "scope": "search:read",
        "access_token": "planted-user",
        "token_type": "user",
    },
}


SLACK_USER = {name: SLACK[name] for name in ("ok", "app_id", "team", "enterprise", "authed_user")}


@pytest.fixture
def slack_dance(site, member, responses, user):
    def dance(answer, **options):
        responses.post(site("slack", **options).token_url, json=answer)
        assert Dance(member, "slack").callback().status_code == 302
        return providers["slack"].session(user=user)

    return dance


def test_slacks_bot_token_is_used(slack_dance, responses):
    session = slack_dance(SLACK, user_scope="search:read")
    responses.post("https://slack.com/api/auth.test", json={})
    session.post("auth.test")
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer planted-bot"


def test_slacks_user_token_is_stored_beside_the_bot_token(slack_dance):
    session = slack_dance(SLACK, user_scope="search:read")
    assert session.token["authed_user"]["access_token"] == "planted-user"
    assert session.scopes == {"chat:write"}


def test_slacks_user_token_is_used_if_there_is_no_bot_token(slack_dance, responses):
    session = slack_dance(SLACK_USER, scope="", user_scope="search:read")
    responses.post("https://slack.com/api/auth.test", json={})
    session.post("auth.test")
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer planted-user"
    assert session.scopes == {"search:read"}


@pytest.mark.parametrize("answer", [SLACK, SLACK_USER], ids=["bot", "user"])
def test_a_slack_token_names_the_user_who_installed_the_app(slack_dance, answer):
    info = slack_dance(answer).account_info()
    assert (info.id, info.label) == ("U1234", "Analytical Engines")


def test_nested_slack_tokens_are_not_printed(slack_dance):
    token = slack_dance(SLACK).token
    printed = f"{token!r} {token} {token['authed_user']!r} {list(token.values())!r}"
    assert "planted" not in printed


def test_slack_refuses_with_status_200(site, member, responses, events):
    responses.post(site("slack").token_url, json={"ok": False, "error": "invalid_code"})
    assert_refused(Dance(member, "slack").callback(), events, "token_refused")


def test_slacks_user_scopes_are_requested_beside_the_bot_scopes(site, member):
    site("slack", user_scope="search:read,users:read", scope=["chat:write", "channels:read"])
    asked = Dance(member, "slack").asked
    assert asked["scope"] == "chat:write,channels:read"
    assert asked["user_scope"] == "search:read,users:read"
