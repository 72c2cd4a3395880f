"""The token that a session uses after other processes, receivers and accounts changed it."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore

from django_dance.exceptions import AuthorizationRequired
from django_dance.models import OAuthToken
from django_dance.sessions import OAuth
from django_dance.signals import token_refreshed

from ..conftest import (
    API,
    GRANTED,
    TOKEN_URL,
    make_session,
    store_expired_token,
    store_token,
    token_fields,
    token_requests,
    tokens_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_disconnect_ends_the_account_that_the_session_used(user, revoked_tokens):
    store_token(user, "a", account="A")
    github = make_session(user)
    assert github.authorized
    store_token(user, "b", account="B")
    github.disconnect()
    assert (revoked_tokens, tokens_of(user)) == (["a"], {"B": "b"})


def test_setting_a_token_replaces_the_token_of_the_account_that_the_session_used(user):
    store_token(user, "a", account="A")
    github = make_session(user)
    assert github.account_id == "A"
    store_token(user, "b", account="B")
    github.token = token_fields("a2")
    assert tokens_of(user) == {"A": "a2", "B": "b"}


def test_disconnect_revokes_the_current_token_of_the_row(user, revoked_tokens):
    store_token(user, "old", account="A")
    github = make_session(user)
    assert github.authorized
    store_token(user, "new", account="A")  # another process has refreshed it
    github.disconnect()
    assert revoked_tokens == ["new"]


def test_disconnect_deletes_an_unreadable_token(user, settings):
    store_token(user)
    settings.DANCE_ENCRYPTION_KEYS = ["another key, and not the one that it was sealed with"]
    make_session(user).disconnect()
    assert not OAuthToken.objects.exists()


def test_a_session_drops_a_revoked_token(user, api):
    store_expired_token(user)
    api.replace("POST", TOKEN_URL, status=400, json={"error": "invalid_grant"})
    github = make_session(user)
    with pytest.raises(AuthorizationRequired, match="revoked"):
        github.get(API)
    assert not github.authorized


def test_a_receiver_may_disconnect_a_refreshed_token(user, api, revoked_tokens):
    store_expired_token(user)
    github = make_session(user)

    def receiver(sender, **arguments):
        github.disconnect()

    token_refreshed.connect(receiver)
    try:
        github.get(API)
    finally:
        token_refreshed.disconnect(receiver)
    assert revoked_tokens == ["renewed"]
    assert not OAuthToken.objects.exists()
    assert not github.authorized


def test_a_refresh_may_return_the_same_access_token(user, api):
    store_expired_token(user, GRANTED["access_token"])
    api.replace("POST", TOKEN_URL, json=GRANTED)
    first, second = make_session(user), make_session(user)
    assert first.token and second.token
    assert first.get(API).ok and second.get(API).ok
    assert len(token_requests(api)) == 1


def test_a_visitor_with_an_unsaved_session_gets_the_refreshed_token(rf, api):
    request = rf.get("/")
    request.session, request.user = SessionStore(), AnonymousUser()
    OAuth(request).github.token = token_fields(expires_in=-5)
    assert OAuth(request).github.get(API).ok
    assert OAuth(request).github.access_token == "renewed"


def test_a_token_with_a_refresh_token_only_is_refreshed(user, api):
    make_session(user).token = {"refresh_token": "planted-refresh-token", "expires_in": -5}
    assert make_session(user).get(API).ok
    assert tokens_of(user) == {"": "renewed"}
