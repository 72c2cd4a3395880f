"""Refreshing: what may come of it, what is stored of it, and what it costs."""

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


def stored(user, account="", **fields):
    """An owner whose token is over, or as ``fields`` say."""
    owner = ResourceOwner(providers["github"], user=user, account=account)
    token = {**GRANTED, "expires_at": time.time() - 5, "scope": ["read:user"], **fields}
    ModelStorage().set(owner, {k: v for k, v in token.items() if v is not None})
    return owner


def asked(responses):
    return sum(call.request.url == TOKEN_URL for call in responses.calls)


@pytest.fixture
def api(responses):
    responses.get(API, json={"id": 1})
    return responses


pytestmark = pytest.mark.django_db


# --- what stays -----------------------------------------------------------------------------------


def test_what_the_answer_leaves_out_stays(user, api):
    stored(user, "1", connected_account="1", connected_as="ada")
    api.post(TOKEN_URL, json={"access_token": "new", "token_type": "bearer"})
    make_session(user).get(API)
    token = user.oauth_tokens.get().token
    assert token["access_token"] == "new"
    assert token["refresh_token"] == GRANTED["refresh_token"]
    assert token.scopes == {"read:user"}
    assert (token["connected_account"], token["connected_as"]) == ("1", "ada")


def test_the_leeway_is_a_setting(user, api, settings):
    stored(user, expires_in=3600, expires_at=time.time() + 200)
    api.post(TOKEN_URL, json={"access_token": "new"})
    make_session(user).get(API)
    assert asked(api) == 0
    settings.DANCE_REFRESH_LEEWAY = 300
    make_session(user).get(API)
    assert asked(api) == 1


def test_the_leeway_is_at_most_a_tenth_of_the_life(clock):
    stale = [
        Token({"access_token": "x", "expires_in": life, "expires_at": clock.now + left}).stale
        for life, left in ((100, 15), (100, 8), (3600, 70), (3600, 50))
    ]
    assert stale == [False, True, False, True]


# --- not now --------------------------------------------------------------------------------------


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
def test_after_a_failure_the_provider_is_left_alone(clock, user, api, answer, error):
    stored(user)
    api.post(TOKEN_URL, **answer)
    for _ in range(3):
        with pytest.raises(ProviderError):
            make_session(user).get(API)
    assert asked(api) == 1
    row = user.oauth_tokens.get()
    assert row.last_error == error
    assert row.token["access_token"] == GRANTED["access_token"]
    with pytest.raises(ProviderUnavailable, match=rf"\({error}\)\. The next attempt is in 5 sec"):
        make_session(user).get(API)


def test_a_token_with_some_life_left_is_used_meanwhile(clock, user, api):
    stored(user, expires_in=3600, expires_at=clock.now + 30)
    api.post(TOKEN_URL, status=503)
    for _ in range(3):
        assert make_session(user).get(API).ok
    assert asked(api) == 1


def test_each_failure_doubles_the_pause_up_to_five_minutes(clock, user, api):
    stored(user)
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
def test_a_provider_may_say_how_long(clock, user, api, header, pause):
    stored(user)
    value = header(clock.now) if callable(header) else header
    api.post(TOKEN_URL, status=429, headers={"Retry-After": value})
    with pytest.raises(ProviderUnavailable):
        make_session(user).get(API)
    assert user.oauth_tokens.get().token.retry_at - clock.now == pause


def test_the_next_refresh_that_succeeds_forgets_the_failure(user, api):
    stored(user, last_error="provider_unavailable", failures=3, retry_at=1)
    api.post(TOKEN_URL, json={"access_token": "new"})
    make_session(user).get(API)
    row = user.oauth_tokens.get()
    assert row.last_error == ""
    assert not {"last_error", "failures", "retry_at"} & set(row.token)


def test_a_401_during_the_pause_is_the_apis_own_answer(user, responses):
    stored(
        user, expires_at=time.time() + 3000, last_error="x", failures=1, retry_at=time.time() + 300
    )
    responses.get(API, status=401)
    assert make_session(user).get(API).status_code == 401
    assert asked(responses) == 0


def test_a_provider_cannot_set_our_notes(user, api):
    stored(user)
    api.post(TOKEN_URL, json={"access_token": "new", "retry_at": 2**40, "connected_account": "2"})
    make_session(user).get(API)
    assert not {"retry_at", "connected_account"} & set(user.oauth_tokens.get().token)


# --- never again ----------------------------------------------------------------------------------


def test_a_dead_grant_is_deleted_once_and_nobody_is_asked_again(user, api, events):
    stored(user)
    api.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    with pytest.raises(AuthorizationRequired, match="revoked"):
        make_session(user).get(API)
    with pytest.raises(AuthorizationRequired, match="no_token"):
        make_session(user).get(API)
    assert asked(api) == 1
    assert not user.oauth_tokens.exists()
    (revoked,) = events.named("token_revoked")
    assert revoked["reason"] == "invalid_grant"


# --- meanwhile ------------------------------------------------------------------------------------


def while_the_provider_answers(responses, what, answer=None):
    def callback(request):
        what()
        return 200, {}, json.dumps(answer or {**GRANTED, "access_token": "refreshed"})

    responses.add_callback("POST", TOKEN_URL, callback)


def test_a_token_that_is_disconnected_during_its_refresh_stays_so(user, api, events):
    owner = stored(user)
    while_the_provider_answers(api, lambda: ModelStorage().delete(owner))
    revoked = api.delete("https://api.github.com/applications/github-client/token", status=204)
    with pytest.raises(AuthorizationRequired, match="revoked"):
        make_session(user).get(API)
    assert not user.oauth_tokens.exists()
    assert revoked.call_count == 1
    assert "refreshed" in revoked.calls[0].request.body.decode()


def test_a_login_during_a_refresh_wins(user, api):
    owner = stored(user)
    newer = {**GRANTED, "access_token": "newer"}
    while_the_provider_answers(api, lambda: ModelStorage().set(owner, newer))
    make_session(user).get(API)
    assert api.calls[-1].request.headers["Authorization"] == "Bearer newer"
    assert user.oauth_tokens.get().token["access_token"] == "newer"


def test_another_account_that_is_connected_during_a_refresh_changes_nothing(user, api):
    first = stored(user, "1", connected_account="1")
    other = {**GRANTED, "access_token": "other", "connected_account": "2"}
    while_the_provider_answers(api, lambda: ModelStorage().set(first.for_account("2"), other))
    make_session(user).get(API)
    assert api.calls[-1].request.headers["Authorization"] == "Bearer refreshed"
    found = {row.account: row.token["access_token"] for row in user.oauth_tokens.all()}
    assert found == {"1": "refreshed", "2": "other"}


def test_a_row_that_is_encrypted_anew_meanwhile_is_still_the_same_token(user, api):
    stored(user)

    def reseal():
        row = OAuthToken.objects.get()
        row.token = dict(row.token)
        row.save()

    while_the_provider_answers(api, reseal)
    make_session(user).get(API)
    assert user.oauth_tokens.get().token["access_token"] == "refreshed"


def test_a_receiver_is_told_in_the_thread_that_asked(user, api, events):
    stored(user)
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


def test_refresh_refreshes_now(user, api):
    stored(user, expires_at=time.time() + 3000)
    api.post(TOKEN_URL, json={"access_token": "new"})
    github = make_session(user)
    assert github.refresh()["access_token"] == "new"
    assert github.access_token == "new"


def test_refresh_within_passes_over_what_lasts_longer(user, api):
    stored(user, expires_at=time.time() + 3000)
    api.post(TOKEN_URL, json={"access_token": "new"})
    assert make_session(user).refresh(within=600)["access_token"] == GRANTED["access_token"]
    assert asked(api) == 0
    assert make_session(user).refresh(within=3600)["access_token"] == "new"


def test_refresh_takes_what_somebody_else_has_refreshed(user, api):
    owner = stored(user)
    github = make_session(user)
    assert github.token
    ModelStorage().set(owner, {**GRANTED, "access_token": "theirs"})
    assert github.refresh()["access_token"] == "theirs"
    assert asked(api) == 0


def test_refresh_says_what_it_cannot_do(user, api):
    with pytest.raises(AuthorizationRequired, match="no_token"):
        make_session(user).refresh()
    stored(user, refresh_token=None, expires_at=time.time() + 3000)
    with pytest.raises(AuthorizationRequired, match="expired"):
        make_session(user).refresh()
    stored(user, expires_at=time.time() + 3000)
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
        """A visitor whose token is about to end, and a provider that rotates refresh tokens."""
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

    def test_a_visitor_who_logs_out_meanwhile_has_no_session_again(self, visitor, api, engine, rf):
        if engine == "signed_cookies":
            assert not hasattr(visitor.session, "model")
            pytest.skip("A session in a signed cookie cannot be ended by the server")
        request = rf.get("/")
        request.session = visitor.session
        github = providers["github"].session(request)
        key = request.session.session_key
        api.remove("POST", TOKEN_URL)
        while_the_provider_answers(api, lambda: type(request.session)(key).delete(key))
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
        stored(user)
        member.raise_request_exception = False
        assert member.get("/failing/").status_code == 500
        assert user.oauth_tokens.get().token["refresh_token"] == "rotated"
        assert member.get("/profile/").status_code == 200
        assert asked(api) == 1

    def test_a_visitors_too(self, client, api, dance, settings):
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
        api.remove("POST", TOKEN_URL)
        about_to_end = {"expires_in": None, "expires_at": time.time() + 30}
        assert dance(client, granted=about_to_end).callback().status_code == 302
        api.replace("POST", TOKEN_URL, json={**GRANTED, "access_token": "new"})
        client.raise_request_exception = False
        assert client.get("/failing/").status_code == 500
        assert client.get("/profile/").status_code == 200
        assert asked(api) == 2  # the login, and one refresh

    def test_a_failure_is_remembered_too(self, member, user, api):
        stored(user)
        api.replace("POST", TOKEN_URL, status=503)
        for _ in range(2):
            assert member.get("/profile/").status_code == 503
        assert asked(api) == 1
        assert user.oauth_tokens.get().last_error == "provider_unavailable"

    def test_what_the_view_has_stored_itself_goes_with_its_transaction(self, user, api):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            stored(user)
            assert make_session(user).get(API).ok
            assert make_session(user).access_token == "new"
            raise ZeroDivisionError
        assert not user.oauth_tokens.exists()

    def test_a_row_that_the_view_has_made_without_us_is_found(self, user, api):
        with transaction.atomic():
            OAuthToken.objects.create(
                user=user,
                provider="github",
                token={**GRANTED, "expires_at": time.time() - 5},
            )
            assert make_session(user).get(API).ok
        assert user.oauth_tokens.get().token["access_token"] == "new"

    def test_a_commit_keeps_it_as_well(self, member, user, api):
        stored(user)
        assert member.get("/profile/").status_code == 200
        assert user.oauth_tokens.get().token["access_token"] == "new"
        assert asked(api) == 1

    def test_an_async_site_settles_it_too(self, user, api, settings):
        from django.test import AsyncClient

        stored(user)
        browser = AsyncClient(raise_request_exception=False)
        browser.force_login(user)
        response = async_to_sync(browser.get)("/failing/", secure=True)
        assert response.status_code == 500
        assert user.oauth_tokens.get().token["refresh_token"] == "rotated"

    def test_a_row_that_the_view_has_locked_is_an_error_that_says_so(
        self, several_writers, short_lock_timeout, user, api
    ):
        stored(user)
        with (
            pytest.raises(StorageError, match="end the transaction first"),
            transaction.atomic(),
        ):
            OAuthToken.objects.select_for_update().get()
            make_session(user).get(API)


@pytest.mark.django_db(transaction=True)
def test_calls_that_are_awaited_together_refresh_once(user, api):
    stored(user)
    api.post(TOKEN_URL, json={**GRANTED, "access_token": "new"})

    async def page():
        sessions = [make_session(user) for _ in range(8)]
        return await asyncio.gather(*(each.aget(API) for each in sessions))

    assert [answer.status_code for answer in async_to_sync(page)()] == [200] * 8
    assert asked(api) == 1


def test_a_model_without_accounts_has_one_token_for_any(user, make_user):
    owner = ResourceOwner(providers["github"], user=user, account="7")
    storage = ModelStorage(model="tests.TeamToken")
    storage.set(owner, GRANTED)
    assert storage.get(owner)["access_token"] == GRANTED["access_token"]
    assert storage.get(owner.for_account(""))["access_token"] == GRANTED["access_token"]


def test_a_providers_own_words_are_no_error_code(user, api, caplog):
    stored(user)
    words = f"there is no token {GRANTED['refresh_token']}"
    api.post(TOKEN_URL, status=400, json={"error": words})
    with pytest.raises(ProviderError) as refusal:
        make_session(user).get(API)
    assert user.oauth_tokens.get().last_error == "invalid_response"
    assert "planted" not in str(refusal.value) + caplog.text
