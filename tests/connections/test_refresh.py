"""Refreshing a token: its results, and when they are stored."""

import asyncio
import json
import threading
import time
from urllib.parse import parse_qsl

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, connections, transaction
from django.utils.http import http_date

from django_dance.exceptions import (
    AuthorizationRequired,
    ProviderError,
    ProviderUnavailable,
    StorageError,
)
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.signals import token_refreshed
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner, Token

from ..conftest import API, GRANTED, TOKEN_URL, Browser, make_session


def store_token(user, account="", **fields):
    """Store a token that has expired, unless ``fields`` say otherwise; return its owner."""
    owner = ResourceOwner(providers["github"], user=user, account=account)
    token = {**GRANTED, "expires_at": time.time() - 5, "scope": ["read:user"], **fields}
    ModelStorage().set(owner, {k: v for k, v in token.items() if v is not None})
    return owner


def count_refreshes(responses):
    return sum(call.request.url == TOKEN_URL for call in responses.calls)


@pytest.fixture
def api(responses):
    responses.get(API, json={"id": 1})
    return responses


pytestmark = pytest.mark.django_db


# --- stored fields --------------------------------------------------------------------------------


def test_fields_that_the_refresh_response_omits_are_kept(user, api):
    store_token(user, "1", connected_account="1", connected_as="ada")
    api.post(TOKEN_URL, json={"access_token": "new", "token_type": "bearer"})
    make_session(user).get(API)
    token = user.oauth_tokens.get().token
    assert token["access_token"] == "new"
    assert token["refresh_token"] == GRANTED["refresh_token"]
    assert token.scopes == {"read:user"}
    assert (token["connected_account"], token["connected_as"]) == ("1", "ada")


def test_the_leeway_is_a_setting(user, api, settings):
    store_token(user, expires_in=3600, expires_at=time.time() + 200)
    api.post(TOKEN_URL, json={"access_token": "new"})
    make_session(user).get(API)
    assert count_refreshes(api) == 0
    settings.DANCE_REFRESH_LEEWAY = 300
    make_session(user).get(API)
    assert count_refreshes(api) == 1


def test_the_leeway_is_at_most_a_tenth_of_the_lifetime(clock):
    stale = [
        Token({"access_token": "x", "expires_in": life, "expires_at": clock.now + left}).stale
        for life, left in ((100, 15), (100, 8), (3600, 70), (3600, 50))
    ]
    assert stale == [False, True, False, True]


# --- temporary failures ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 500}, "provider_unavailable"),
        ({"status": 429}, "provider_unavailable"),
        ({"status": 408}, "provider_unavailable"),
        ({"status": 400, "json": {"error": "temporarily_unavailable"}}, "temporarily_unavailable"),
        ({"status": 401, "json": {"error": "invalid_client"}}, "invalid_client"),
        ({"body": "<html>"}, "token_response_invalid"),
    ],
)
def test_after_a_failed_refresh_the_next_one_must_wait(clock, user, api, answer, error):
    store_token(user)
    api.post(TOKEN_URL, **answer)
    for _ in range(3):
        with pytest.raises(ProviderError):
            make_session(user).get(API)
    assert count_refreshes(api) == 1
    row = user.oauth_tokens.get()
    assert row.last_error == error
    assert row.token["access_token"] == GRANTED["access_token"]
    with pytest.raises(ProviderUnavailable, match=rf"\({error}\)\. The next attempt is in 5 sec"):
        make_session(user).get(API)


def test_a_valid_token_is_used_while_the_refresh_must_wait(clock, user, api):
    store_token(user, expires_in=3600, expires_at=clock.now + 30)
    api.post(TOKEN_URL, status=503)
    for _ in range(3):
        assert make_session(user).get(API).ok
    assert count_refreshes(api) == 1


def test_each_failure_doubles_the_pause_up_to_five_minutes(clock, user, api):
    store_token(user)
    api.post(TOKEN_URL, status=503)
    pauses = []
    for _ in range(9):
        with pytest.raises(ProviderUnavailable):
            make_session(user).get(API)
        row = user.oauth_tokens.get()
        pauses.append(row.token.retry_at - clock.now)
        row.token = {**row.token, "retry_at": 1}
        row.save()
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("120", 120),
        (lambda now: http_date(now + 90), 90),
        ("999999", 3600),
        ("0", 5),
        ("-1", 5),
        ("soon", 5),
        ("²", 5),
    ],
)
def test_retry_after_sets_the_pause(clock, user, api, header, pause):
    store_token(user)
    value = header(clock.now) if callable(header) else header
    api.post(TOKEN_URL, status=429, headers={"Retry-After": value})
    with pytest.raises(ProviderUnavailable):
        make_session(user).get(API)
    assert user.oauth_tokens.get().token.retry_at - clock.now == pause


def test_a_successful_refresh_clears_the_failure(user, api):
    store_token(user, last_error="provider_unavailable", failures=3, retry_at=1)
    api.post(TOKEN_URL, json={"access_token": "new"})
    make_session(user).get(API)
    row = user.oauth_tokens.get()
    assert row.last_error == ""
    assert not {"last_error", "failures", "retry_at"} & set(row.token)


def test_a_401_during_the_pause_is_returned_to_the_caller(user, responses):
    store_token(
        user, expires_at=time.time() + 3000, last_error="x", failures=1, retry_at=time.time() + 300
    )
    responses.get(API, status=401)
    assert make_session(user).get(API).status_code == 401
    assert count_refreshes(responses) == 0


def test_a_provider_cannot_set_internal_fields(user, api):
    store_token(user)
    api.post(TOKEN_URL, json={"access_token": "new", "retry_at": 2**40, "connected_account": "2"})
    make_session(user).get(API)
    assert not {"retry_at", "connected_account"} & set(user.oauth_tokens.get().token)


# --- revoked grants -------------------------------------------------------------------------------


def test_a_revoked_token_is_wiped_and_not_refreshed_again(user, api, events):
    store_token(user)
    api.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    with pytest.raises(AuthorizationRequired, match="revoked"):
        make_session(user).get(API)
    with pytest.raises(AuthorizationRequired, match="revoked"):
        make_session(user).get(API)
    assert count_refreshes(api) == 1
    assert user.oauth_tokens.values_list("token", flat=True).get() == ""
    (revoked,) = events.named("token_revoked")
    assert revoked["reason"] == "invalid_grant"


# --- changes during a refresh ---------------------------------------------------------------------


def during_refresh(responses, what, answer=None):
    def callback(request):
        what()
        return 200, {}, json.dumps(answer or {**GRANTED, "access_token": "refreshed"})

    responses.add_callback("POST", TOKEN_URL, callback)


def test_a_token_that_is_disconnected_during_its_refresh_is_not_stored_again(user, api, events):
    owner = store_token(user)
    during_refresh(api, lambda: ModelStorage().delete(owner))
    revoked = api.delete("https://api.github.com/applications/github-client/token", status=204)
    with pytest.raises(AuthorizationRequired, match="revoked"):
        make_session(user).get(API)
    assert not user.oauth_tokens.exists()
    assert revoked.call_count == 1
    assert "refreshed" in revoked.calls[0].request.body.decode()


def test_a_token_of_a_dance_during_the_refresh_is_kept(user, api):
    owner = store_token(user)
    newer = {**GRANTED, "access_token": "newer"}
    during_refresh(api, lambda: ModelStorage().set(owner, newer))
    make_session(user).get(API)
    assert api.calls[-1].request.headers["Authorization"] == "Bearer newer"
    assert user.oauth_tokens.get().token["access_token"] == "newer"


def test_connecting_another_account_does_not_disturb_a_refresh(user, api):
    first = store_token(user, "1", connected_account="1")
    other = {**GRANTED, "access_token": "other", "connected_account": "2"}
    during_refresh(api, lambda: ModelStorage().set(first.for_account("2"), other))
    make_session(user).get(API)
    assert api.calls[-1].request.headers["Authorization"] == "Bearer refreshed"
    found = {row.account: row.token["access_token"] for row in user.oauth_tokens.all()}
    assert found == {"1": "refreshed", "2": "other"}


def test_a_refreshed_token_is_stored_if_the_row_was_reencrypted_meanwhile(user, api):
    store_token(user)

    def reseal():
        row = OAuthToken.objects.get()
        row.token = dict(row.token)
        row.save()

    during_refresh(api, reseal)
    make_session(user).get(API)
    assert user.oauth_tokens.get().token["access_token"] == "refreshed"


def test_a_receiver_is_called_in_the_thread_of_the_caller(user, api, events):
    store_token(user)
    api.post(TOKEN_URL, json={"access_token": "new"})
    threads = []

    def receiver(sender, **kwargs):
        threads.append(threading.get_ident())

    token_refreshed.connect(receiver)
    try:
        make_session(user).get(API)
    finally:
        token_refreshed.disconnect(receiver)
    assert threads == [threading.get_ident()]


# --- on demand ------------------------------------------------------------------------------------


def test_refresh_refreshes_a_valid_token(user, api):
    store_token(user, expires_at=time.time() + 3000)
    api.post(TOKEN_URL, json={"access_token": "new"})
    github = make_session(user)
    assert github.refresh()["access_token"] == "new"
    assert github.access_token == "new"


def test_refresh_within_keeps_a_token_that_lasts_longer(user, api):
    store_token(user, expires_at=time.time() + 3000)
    api.post(TOKEN_URL, json={"access_token": "new"})
    assert make_session(user).refresh(within=600)["access_token"] == GRANTED["access_token"]
    assert count_refreshes(api) == 0
    assert make_session(user).refresh(within=3600)["access_token"] == "new"


def test_refresh_uses_a_token_that_another_process_refreshed(user, api):
    owner = store_token(user)
    github = make_session(user)
    assert github.token
    ModelStorage().set(owner, {**GRANTED, "access_token": "theirs"})
    assert github.refresh()["access_token"] == "theirs"
    assert count_refreshes(api) == 0


def test_refresh_raises_an_error_if_it_is_not_possible(user, api):
    with pytest.raises(AuthorizationRequired, match="no_token"):
        make_session(user).refresh()
    store_token(user, refresh_token=None, expires_at=time.time() + 3000)
    with pytest.raises(AuthorizationRequired, match="expired"):
        make_session(user).refresh()
    store_token(user, expires_at=time.time() + 3000)
    api.post(TOKEN_URL, status=500)
    with pytest.raises(ProviderUnavailable):
        make_session(user).refresh()


# --- in the session -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file", "signed_cookies"])
class TestSessions:
    @pytest.fixture(autouse=True)
    def _engine(self, engine, settings, tmp_path):
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        settings.SESSION_FILE_PATH = str(tmp_path)

    @pytest.fixture
    def visitor(self, client, dance, api):
        """A visitor whose token expires soon; the provider rotates refresh tokens."""
        about_to_end = {"expires_in": None, "expires_at": time.time() + 30}
        assert dance(client, granted=about_to_end).callback().status_code == 302
        api.remove("POST", TOKEN_URL)
        self.refreshed_with = []

        def rotate(request):
            sent = dict(parse_qsl(request.body))["refresh_token"]
            if sent in self.refreshed_with:
                return 400, {}, '{"error": "invalid_grant"}'
            self.refreshed_with.append(sent)
            time.sleep(0.1)
            new = {"access_token": "new", "refresh_token": "rotated", "expires_in": 3600}
            return 200, {}, json.dumps({**GRANTED, **new})

        api.add_callback("POST", TOKEN_URL, rotate)
        return client

    def test_a_view_that_fails_does_not_lose_the_refreshed_token(self, visitor, api):
        visitor.raise_request_exception = False
        assert visitor.get("/failing/").status_code == 500
        assert visitor.get("/profile/").status_code == 200
        assert self.refreshed_with == [GRANTED["refresh_token"]]
        assert api.calls[-1].request.headers["Authorization"] == "Bearer new"

    def test_parallel_requests_of_one_visitor_refresh_once(self, visitor, api):
        browsers = [Browser() for _ in range(4)]
        for browser in browsers:
            browser.cookies.update(visitor.cookies)
        statuses = []

        def visit(browser):
            try:
                statuses.append(browser.get("/profile/").status_code)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=visit, args=[browser]) for browser in browsers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 4
        assert self.refreshed_with == [GRANTED["refresh_token"]]

    def test_a_session_that_ends_during_a_refresh_is_not_created_again(
        self, visitor, api, engine, rf
    ):
        if engine == "signed_cookies":
            assert not hasattr(visitor.session, "model")
            pytest.skip("A session in a signed cookie cannot be ended by the server")
        request = rf.get("/")
        request.session = visitor.session
        github = providers["github"].session(request)
        key = request.session.session_key
        api.remove("POST", TOKEN_URL)
        during_refresh(api, lambda: type(request.session)(key).delete(key))
        api.delete("https://api.github.com/applications/github-client/token", status=204)
        with pytest.raises(AuthorizationRequired, match="revoked"):
            github.refresh()
        assert not request.session.exists(key)


# --- beside the view's transaction ----------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    @pytest.fixture(autouse=True)
    def _atomic_requests(self, settings, api):
        connection.settings_dict["ATOMIC_REQUESTS"] = True
        api.post(TOKEN_URL, json={**GRANTED, "access_token": "new", "refresh_token": "rotated"})
        yield
        connection.settings_dict["ATOMIC_REQUESTS"] = False

    def test_a_view_that_fails_does_not_lose_the_refreshed_token(self, member, user, api):
        store_token(user)
        member.raise_request_exception = False
        assert member.get("/failing/").status_code == 500
        assert user.oauth_tokens.get().token["refresh_token"] == "rotated"
        assert member.get("/profile/").status_code == 200
        assert count_refreshes(api) == 1

    def test_a_view_that_fails_does_not_lose_a_visitors_refreshed_token(
        self, client, api, dance, settings
    ):
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
        api.remove("POST", TOKEN_URL)
        about_to_end = {"expires_in": None, "expires_at": time.time() + 30}
        assert dance(client, granted=about_to_end).callback().status_code == 302
        api.replace("POST", TOKEN_URL, json={**GRANTED, "access_token": "new"})
        client.raise_request_exception = False
        assert client.get("/failing/").status_code == 500
        assert client.get("/profile/").status_code == 200
        assert count_refreshes(api) == 2  # the login, and one refresh

    def test_a_failed_refresh_is_stored_though_the_view_fails(self, member, user, api):
        store_token(user)
        api.replace("POST", TOKEN_URL, status=503)
        for _ in range(2):
            assert member.get("/profile/").status_code == 503
        assert count_refreshes(api) == 1
        assert user.oauth_tokens.get().last_error == "provider_unavailable"

    def test_a_token_that_the_view_stored_is_rolled_back_with_its_refresh(self, user, api):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            store_token(user)
            assert make_session(user).get(API).ok
            assert make_session(user).access_token == "new"
            raise ZeroDivisionError
        assert not user.oauth_tokens.exists()

    def test_a_row_that_the_view_created_itself_is_refreshed(self, user, api):
        with transaction.atomic():
            OAuthToken.objects.create(
                user=user,
                provider="github",
                token={**GRANTED, "expires_at": time.time() - 5},
            )
            assert make_session(user).get(API).ok
        assert user.oauth_tokens.get().token["access_token"] == "new"

    def test_a_refreshed_token_is_stored_once_if_the_view_commits(self, member, user, api):
        store_token(user)
        assert member.get("/profile/").status_code == 200
        assert user.oauth_tokens.get().token["access_token"] == "new"
        assert count_refreshes(api) == 1

    def test_a_refreshed_token_survives_a_failing_view_under_asgi(self, user, api, settings):
        from django.test import AsyncClient

        store_token(user)
        browser = AsyncClient(raise_request_exception=False)
        browser.force_login(user)
        response = async_to_sync(browser.get)("/failing/", secure=True)
        assert response.status_code == 500
        assert user.oauth_tokens.get().token["refresh_token"] == "rotated"

    def test_refreshing_a_row_that_the_view_locked_raises_an_error_with_the_cure(
        self, several_writers, short_lock_timeout, user, api
    ):
        store_token(user)
        with (
            pytest.raises(StorageError, match="end the transaction first"),
            transaction.atomic(),
        ):
            OAuthToken.objects.select_for_update().get()
            make_session(user).get(API)


@pytest.mark.django_db(transaction=True)
def test_concurrent_async_calls_refresh_once(user, api):
    store_token(user)
    api.post(TOKEN_URL, json={**GRANTED, "access_token": "new"})

    async def page():
        sessions = [make_session(user) for _ in range(8)]
        return await asyncio.gather(*(each.aget(API) for each in sessions))

    assert [answer.status_code for answer in async_to_sync(page)()] == [200] * 8
    assert count_refreshes(api) == 1


def test_a_model_without_accounts_has_one_token_for_all_accounts(user, make_user):
    owner = ResourceOwner(providers["github"], user=user, account="7")
    storage = ModelStorage(model="tests.TeamToken")
    storage.set(owner, GRANTED)
    assert storage.get(owner)["access_token"] == GRANTED["access_token"]
    assert storage.get(owner.for_account(""))["access_token"] == GRANTED["access_token"]


def test_an_invalid_error_code_of_the_provider_is_not_stored(user, api, caplog):
    store_token(user)
    words = f"there is no token {GRANTED['refresh_token']}"
    api.post(TOKEN_URL, status=400, json={"error": words})
    with pytest.raises(ProviderError) as refusal:
        make_session(user).get(API)
    assert user.oauth_tokens.get().last_error == "invalid_response"
    assert "planted" not in str(refusal.value) + caplog.text
