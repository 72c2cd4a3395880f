"""Presets that exchange the token of the dance for one that lives longer."""

import logging

import pytest
from responses.matchers import query_param_matcher

from django_dance.exceptions import AuthorizationRequired
from django_dance.http import protocol_call
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.tokens import Secret

from ..conftest import Dance
from ..loopback import Loopback
from .conftest import assert_refused

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

DAY = 24 * 3600
LONG = {"access_token": "planted-long", "token_type": "bearer", "expires_in": 60 * DAY}
SHORT = {"access_token": "planted-short", "user_id": 17841405793187218}
#: Preset → its options, the answer to the code, and the request that exchanges it.
EXCHANGES = {
    "instagram": (
        {},
        {"data": [{**SHORT, "permissions": "instagram_business_basic"}]},
        "https://graph.instagram.com/access_token",
        {
            "grant_type": "ig_exchange_token",
            "client_secret": "planted-client-secret",
            "access_token": "planted-short",
        },
    ),
    "threads": (
        {},
        SHORT,
        "https://graph.threads.net/access_token",
        {
            "grant_type": "th_exchange_token",
            "client_secret": "planted-client-secret",
            "access_token": "planted-short",
        },
    ),
    "facebook": (
        {"long_lived": True},
        {**SHORT, "token_type": "bearer", "expires_in": 3600},
        "https://graph.facebook.com/v24.0/oauth/access_token",
        {
            "grant_type": "fb_exchange_token",
            "client_id": "the client",
            "client_secret": "planted-client-secret",
            "fb_exchange_token": "planted-short",
        },
    ),
}
REFRESHES = {
    "instagram": ("https://graph.instagram.com/refresh_access_token", "ig_refresh_token"),
    "threads": ("https://graph.threads.net/refresh_access_token", "th_refresh_token"),
}


@pytest.fixture
def long_lived(site, member, responses, user):
    def dance(name):
        options, answer, url, params = EXCHANGES[name]
        responses.post(site(name, **options).token_url, json=answer)
        responses.get(url, json=LONG, match=[query_param_matcher(params)])
        assert Dance(member, name).callback().status_code == 302
        return providers[name].session(user=user)

    return dance


def set_days_left(session, days, clock):
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": clock.now + days * DAY}
    row.save()
    return providers[session.provider.name].session(user=session.owner.user)


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_token_of_the_dance_is_exchanged(long_lived, name):
    token = long_lived(name).token
    assert token["access_token"] == "planted-long"
    assert token["expires_in"] > 59 * DAY
    assert token["user_id"] == SHORT["user_id"]
    assert "planted-short" not in token.values()


def test_the_permissions_of_instagram_are_the_scopes(long_lived):
    assert long_lived("instagram").scopes == {"instagram_business_basic"}


def test_instagram_names_the_account_with_the_token(long_lived):
    assert long_lived("instagram").account_info().id == "17841405793187218"


def test_facebook_exchanges_no_token_without_the_option(site, member, responses, user):
    responses.post(site("facebook").token_url, json={**SHORT, "token_type": "bearer"})
    Dance(member, "facebook").callback()
    assert providers["facebook"].session(user=user).access_token == "planted-short"


def test_a_dance_whose_exchange_is_refused_stores_nothing(site, member, responses, events):
    _, answer, url, _ = EXCHANGES["instagram"]
    responses.post(site("instagram").token_url, json=answer)
    responses.get(url, status=400, json={"error": {"message": "planted-short is bad", "code": 100}})
    response = Dance(member, "instagram").callback()
    assert_refused(response, events, "token_refused")
    assert b"planted" not in response.content


@pytest.mark.parametrize("name", REFRESHES)
def test_the_access_token_refreshes_itself_in_its_last_month(long_lived, responses, clock, name):
    url, grant_type = REFRESHES[name]
    params = {"grant_type": grant_type, "access_token": "planted-long"}
    responses.get(
        url, json={**LONG, "access_token": "planted-new"}, match=[query_param_matcher(params)]
    )
    session = set_days_left(long_lived(name), 31, clock)
    assert session.ready_token()["access_token"] == "planted-long"
    session = set_days_left(session, 29, clock)
    token = session.ready_token()
    assert token["access_token"] == token["refresh_token"] == "planted-new"
    assert token["expires_in"] > 59 * DAY


@pytest.mark.parametrize("name", REFRESHES)
def test_a_token_that_cannot_be_refreshed_yet_is_used(long_lived, responses, clock, name):
    responses.get(REFRESHES[name][0], status=500)
    session = set_days_left(long_lived(name), 29, clock)
    assert session.ready_token()["access_token"] == "planted-long"


@pytest.mark.parametrize("name", REFRESHES)
def test_an_expired_token_cannot_refresh_itself(long_lived, responses, clock, name):
    responses.get(
        REFRESHES[name][0],
        status=400,
        json={"error": {"message": "Session has expired", "type": "OAuthException", "code": 190}},
    )
    session = set_days_left(long_lived(name), -1, clock)
    with pytest.raises(AuthorizationRequired):
        session.ready_token()
    assert OAuthToken.objects.get().state == "needs_reconnect"


def test_secrets_in_a_query_are_not_logged(settings, caplog):
    settings.DEBUG = True  # allows plain http to loopback
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3")
    with Loopback() as server:
        protocol_call("GET", f"{server.url}/token", query={"access_token": Secret("planted-x")})
    assert ("access_token", "planted-x") in server.received[0].query
    assert '"GET /token HTTP' in caplog.text
    assert "planted" not in caplog.text
