"""Slack: the tokens of a bot and of its user."""

import pytest
from responses.matchers import urlencoded_params_matcher

from django_dance.models import OAuthToken
from django_dance.providers import providers

from ..conftest import Dance
from .conftest import assert_refused, expire_token

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
    assert (info.id, info.label) == ("T9TK3CUKW:U1234", "Analytical Engines")


def test_an_organization_takes_the_place_of_the_slack_workspace(slack_dance):
    enterprise = {"id": "E12345", "name": "Engines"}
    info = slack_dance({**SLACK, "team": None, "enterprise": enterprise}).account_info()
    assert (info.id, info.label) == ("E12345:U1234", "Engines")


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


# --- token rotation -------------------------------------------------------------------------------

ROTATING = {
    **SLACK,
    "refresh_token": "planted-bot-refresh",
    "expires_in": 43200,
    "authed_user": {
        **SLACK["authed_user"],
        "refresh_token": "planted-user-refresh",
        "expires_in": 43200,
    },
}
BOT = {
    "ok": True,
    "access_token": "planted-bot-2",
    "refresh_token": "planted-bot-refresh-2",
    "expires_in": 43200,
    "token_type": "bot",
    "authed_user": {"id": "U1234"},
}
USER = {
    "ok": True,
    "access_token": "planted-user-2",
    "refresh_token": "planted-user-refresh-2",
    "expires_in": 43200,
    "token_type": "user",
}


@pytest.fixture
def rotated(slack_dance, responses):
    """Refreshes an expired token; the argument answers the request for the user's token."""

    def refresh(answer, status=200):
        session = expire_token(slack_dance(ROTATING, user_scope="search:read"))
        url = session.provider.token_url
        responses.replace(
            "POST", url, json=BOT, match=[urlencoded_params_matcher(asked("planted-bot-refresh"))]
        )
        responses.post(
            url,
            status=status,
            json=answer,
            match=[urlencoded_params_matcher(asked("planted-user-refresh"))],
        )
        return session.ready_token()

    def asked(refresh_token):
        return {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
        }

    return refresh


@pytest.mark.parametrize(
    "answer", [USER, {"ok": True, "authed_user": {"id": "U1234", **USER}}], ids=["flat", "nested"]
)
def test_the_users_token_is_refreshed_with_the_bots(rotated, answer):
    token = rotated(answer)
    assert (token["access_token"], token["refresh_token"]) == (
        "planted-bot-2",
        "planted-bot-refresh-2",
    )
    user = token["authed_user"]
    assert (user["id"], user["scope"]) == ("U1234", "search:read")
    assert user["access_token"] == "planted-user-2"
    assert user["refresh_token"] == "planted-user-refresh-2"
    assert OAuthToken.objects.get().token["authed_user"]["access_token"] == "planted-user-2"


def test_a_users_token_that_slack_does_not_refresh_is_removed(rotated):
    token = rotated({"ok": False, "error": "invalid_refresh_token"})
    assert token["access_token"] == "planted-bot-2"
    assert token["authed_user"].keys() & {"access_token", "refresh_token"} == set()
    assert token["authed_user"]["id"] == "U1234"


def test_a_users_token_that_cannot_be_refreshed_now_is_tried_again_soon(rotated, clock):
    token = rotated({"ok": False, "error": "internal_error"})
    assert token["access_token"] == "planted-bot-2"
    assert token["authed_user"]["refresh_token"] == "planted-user-refresh"
    assert token.expires_at == clock.now + 60


def test_a_bots_token_without_a_users_token_is_refreshed(slack_dance, responses):
    answer = {**ROTATING, "authed_user": {"id": "U1234"}}
    session = expire_token(slack_dance(answer))
    responses.replace("POST", session.provider.token_url, json=BOT)
    asked = len(responses.calls)
    assert session.ready_token()["authed_user"] == {"id": "U1234"}
    assert len(responses.calls) == asked + 1


def test_a_call_can_use_the_users_token(slack_dance, responses):
    session = slack_dance(SLACK, user_scope="search:read")
    responses.get("https://slack.com/api/search.messages", json={})
    token = session.ready_token()["authed_user"]["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    session.get("search.messages", headers=headers, withhold_token=True)
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer planted-user"
