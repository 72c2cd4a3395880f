"""What a refused call means for the connection: a refresh, a verdict, or nothing."""

import json
import logging
from contextlib import suppress

import pytest
import requests
from asgiref.sync import async_to_sync
from django.utils.module_loading import import_string

from django_dance.connections import health
from django_dance.exceptions import (
    AuthorizationRequired,
    InvalidResponse,
    ProviderUnavailable,
    StorageError,
)
from django_dance.http import ProtocolResponse
from django_dance.models import OAuthToken
from django_dance.providers import OAuth1Provider, OAuth2Provider, OIDCProvider, providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner, Token

from ..loopback import Loopback

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database("These tests differ in what the API answers, not in rows"),
]

HOUR, DAY = 3600, 24 * 3600


class Api(Loopback):
    """An API with the token endpoint beside it. ``account`` and ``others`` are its statuses."""

    def __init__(self):
        self.account, self.others, self.challenge = 200, 200, 'Bearer error="invalid_token"'
        #: The access token that is accepted whatever the statuses are.
        self.accepted = None
        self.refreshes = 0
        self.error_status, self.error = None, {"ok": False, "error": {"code": 190}}
        self.token_status = 200
        super().__init__()

    def answer(self, received):
        if received.path == "/token":
            if self.token_status != 200:
                return self.token_status, {}, '{"error": "temporarily_unavailable"}'
            self.refreshes += 1
            granted = {
                "access_token": f"planted-{self.refreshes}",
                "refresh_token": f"planted-r{self.refreshes}",
                "token_type": "bearer",
                "expires_in": 3600,
            }
            return 200, {}, json.dumps(granted)
        accepted = received.headers["Authorization"] == f"Bearer {self.accepted}"
        status = self.account if received.path == "/v1/me" else self.others
        status = 200 if accepted else status
        headers = {"WWW-Authenticate": self.challenge} if status in (401, 403) else {}
        if status == 302:
            headers = {"Location": "/v1/elsewhere"}
        body = {"id": 7, "sub": "7", "message": "planted"}
        return (
            status,
            headers,
            json.dumps(body if accepted or status != self.error_status else self.error),
        )

    def count(self, path):
        return sum(received.path == path for received in self.received)

    @property
    def questions(self):
        return self.count("/v1/me")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def api():
    with Api() as server:
        yield server


@pytest.fixture
def connect(api, settings, user):
    """Stores a token of a user, and returns a function that makes a session of that user."""

    def connect(owner=None, kind=OAuth2Provider, token=(), **options):
        endpoints = ["TOKEN_URL"]
        if issubclass(kind, OAuth1Provider):
            endpoints = ["REQUEST_TOKEN_URL", "ACCESS_TOKEN_URL"]
        entries = {
            "api": {
                "PROVIDER": kind,
                "BASE_URL": f"{api.url}/v1/",
                "AUTHORIZATION_URL": f"{api.url}/authorize",
                "ACCOUNT_URL": "me",
                "ACCOUNT_ID": "id",
                **dict.fromkeys(endpoints, f"{api.url}/token"),
                **options,
            }
        }
        # Not once for each of many tokens: Django nests the changes of a setting.
        if entries != settings.DANCE_PROVIDERS:
            settings.DEBUG = True  # allows plain http to loopback
            settings.API_OAUTH_CLIENT_ID = "client"
            settings.API_OAUTH_CLIENT_SECRET = "planted-secret"
            settings.DANCE_PROVIDERS = entries
        owner = owner or user
        fields = {"access_token": "planted", "account_accepted": True, **dict(token)}
        where = ResourceOwner(providers["api"], user=owner)
        ModelStorage().set(where, {k: v for k, v in fields.items() if v is not None})
        return lambda: providers["api"].session(user=owner)

    return connect


REFRESHABLE = {"refresh_token": "planted-r0", "expires_in": 3600}


@pytest.fixture(params=["sync", "async"])
def call(request):
    """Makes a call by ``session.request``, or by its async twin."""

    def call(session, method, url, **kwargs):
        if request.param == "sync":
            return session.request(method, url, **kwargs)
        return async_to_sync(session.arequest)(method, url, **kwargs)

    return call


def stored(user):
    return user.oauth_tokens.get().token


# --- a token without a refresh token --------------------------------------------------------------


def test_a_token_that_the_account_address_refuses_too_is_rejected(call, api, connect, user):
    session = connect()
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="rejected") as caught:
        call(session(), "GET", "/things")
    assert caught.value.reason == "rejected"
    assert api.questions == 1
    assert stored(user)["access_token"] == "planted"  # the row stays, with its token


def test_a_rejected_token_is_logged_with_the_provider(call, api, connect, caplog):
    session = connect()
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired):
        call(session(), "GET", "/things")
    (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert record.getMessage().startswith("api: ")
    assert (record.code, record.provider) == ("rejected", "api")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_call_that_cannot_be_repeated_is_judged_too(call, api, connect, method):
    session = connect()
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), method, "/things", json={})
    assert api.count("/v1/things") == 1


def test_a_rejected_token_is_not_sent(call, api, connect):
    session = connect()
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired):
        call(session(), "GET", "/things")
    before = len(api.received)
    for _ in range(20):
        with pytest.raises(AuthorizationRequired, match="rejected"):
            call(session(), "GET", "/things")
    assert len(api.received) == before
    assert not session().authorized
    with pytest.raises(AuthorizationRequired, match="rejected"):
        session().require()


def test_a_call_without_the_token_is_made_all_the_same(call, api, connect):
    session = connect(token={"verdict": "rejected", "verdict_at": 9e9})
    assert call(session(), "GET", "/things", withhold_token=True).status_code == 200


def test_the_apis_own_401_is_passed_on(call, api, connect, user):
    session = connect()
    api.others = 401
    assert call(session(), "GET", "/things").json()["message"] == "planted"
    assert session().authorized
    assert stored(user)["verdict"] == "api_only"


@pytest.mark.parametrize("account", [200, 403, 404, 400])
def test_twenty_refused_calls_ask_for_the_account_once(call, api, connect, account):
    session = connect()
    api.account, api.others = account, 401
    for _ in range(20):
        assert call(session(), "GET", "/things").status_code == 401
    assert api.questions == 1


def test_after_an_hour_a_refused_call_is_judged_again(clock, call, api, connect):
    session = connect()
    api.others = 401
    call(session(), "GET", "/things")
    clock.now += HOUR - 1
    call(session(), "GET", "/things")
    assert api.questions == 1
    clock.now += 1
    api.account = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")
    assert api.questions == 2


def test_a_token_that_was_never_accepted_at_the_account_address_is_not_judged(
    call, api, connect, user
):
    session = connect(token={"account_accepted": None})
    api.account = api.others = 401
    for _ in range(20):
        assert call(session(), "GET", "/things").status_code == 401
    assert api.questions == 0
    assert "verdict" not in stored(user)
    with pytest.raises(InvalidResponse):
        session().account_info()


class Silent(OAuth2Provider):
    """Its hook finds no address to ask for the account."""

    def account_request(self):
        return None


def test_a_call_succeeds_though_a_hook_names_no_request_for_the_account(call, connect):
    session = connect(kind=Silent, token={"account_accepted": None})
    assert call(session(), "GET", "/things").status_code == 200


def test_a_token_of_a_dance_that_asked_for_the_account_counts_as_accepted(call, api, connect):
    session = connect(token={"account_accepted": None, "connected_as": "ada"})
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")


@pytest.mark.parametrize("status", [302, 408, 429, 500, 503])
def test_no_verdict_comes_from_an_answer_that_proves_nothing(clock, call, api, connect, status):
    session = connect()
    api.account, api.others = status, 401
    for _ in range(20):
        assert call(session(), "GET", "/things").status_code == 401
    assert session().authorized
    assert api.questions == 1
    clock.now += 60
    api.account = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")


def test_the_account_is_asked_for_with_the_body_that_the_facts_state(call, api, connect):
    question = {"query": "{ me { id } }"}
    session = connect(ACCOUNT_METHOD="POST", ACCOUNT_JSON=question)
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")
    asked = api.received[-1]
    assert (asked.method, asked.path, json.loads(asked.body)) == ("POST", "/v1/me", question)
    assert asked.headers["Authorization"] == "Bearer planted"


def test_no_verdict_comes_from_a_server_that_does_not_answer(call, api, connect, settings):
    session = connect(ACCOUNT_URL="https://127.0.0.1:9/me")
    settings.DANCE_TIMEOUT = 0.5
    api.others = 401
    assert call(session(), "GET", "/things").status_code == 401
    assert session().authorized


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_only_a_401_is_examined(call, api, connect, status):
    session = connect()
    api.account, api.others = 401, status
    assert call(session(), "GET", "/things").status_code == status
    assert api.questions == 0


def test_the_account_is_not_asked_for_with_a_token_that_was_replaced(call, api, connect, user):
    session = connect()()
    assert session.token
    connect(token={"access_token": "planted-new"})
    api.others, api.accepted = 401, "planted-new"
    assert call(session, "GET", "/things").status_code == 200
    assert api.questions == 0


def test_a_token_that_was_deleted_meanwhile_is_not_brought_back(call, api, connect, user):
    session = connect()()
    assert session.token
    user.oauth_tokens.all().delete()
    api.account = api.others = 401
    assert call(session, "GET", "/things").status_code == 401
    assert not user.oauth_tokens.exists()


def test_account_info_does_not_blame_the_provider_for_a_revoked_token(api, connect):
    session = connect()
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        session().account_info()


def test_a_token_of_oauth_1_is_judged_too(call, api, connect):
    fields = {"access_token": None, "oauth_token": "planted", "oauth_token_secret": "planted-s"}
    session = connect(kind=OAuth1Provider, token=fields)
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")
    assert api.questions == 1


class OwnUserinfo(OIDCProvider):
    """A provider whose facts name all endpoints."""


def test_an_openid_provider_is_asked_at_its_userinfo_endpoint(call, api, connect):
    session = connect(
        kind=OwnUserinfo,
        token={"account_accepted": None},
        ISSUER=api.url,
        USERINFO_URL=f"{api.url}/v1/me",
        JWKS_URL=f"{api.url}/keys",
        ACCOUNT_URL="",
        ACCOUNT_ID="sub",
    )
    api.account = 200
    assert session().userinfo()["sub"] == "7"
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")


@pytest.fixture
def openid(api, connect):
    """Makes sessions of a provider that answers at its userinfo endpoint."""

    def openid(**token):
        return connect(
            kind=OwnUserinfo,
            token=token,
            ISSUER=api.url,
            USERINFO_URL=f"{api.url}/v1/me",
            JWKS_URL=f"{api.url}/keys",
            ACCOUNT_URL="",
            ACCOUNT_ID="sub",
        )

    return openid


def test_userinfo_does_not_blame_the_provider_for_a_revoked_token(api, openid):
    session = openid()
    api.account = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        session().userinfo()
    assert api.questions == 1


def test_userinfo_refreshes_a_token_that_is_over(api, openid):
    session = openid(**REFRESHABLE)
    api.account, api.accepted = 401, "planted-1"
    assert session().userinfo()["sub"] == "7"
    assert api.refreshes == 1


def test_a_userinfo_endpoint_that_never_accepted_the_token_proves_nothing(api, openid):
    session = openid(account_accepted=None)
    api.account = 401
    with pytest.raises(InvalidResponse, match="401"):
        session().userinfo()
    assert session().authorized


def test_a_token_that_is_refused_right_after_the_dance_ends_in_no_redirect_loop(
    clock, call, api, connect
):
    session = connect(token={"granted_at": clock.now - 59})
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="revoked_at_once"):
        call(session(), "GET", "/things")


# --- that the account address has accepted the token ----------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda session: session.account_info(),
        lambda session: session.get("/me"),
        lambda session: session.get("me", params={"fields": "id"}),
        lambda session: async_to_sync(session.aget)("/me"),
    ],
)
def test_an_answer_that_names_the_account_is_noted(api, connect, user, use):
    session = connect(token={"account_accepted": None})
    use(session())
    assert stored(user)["account_accepted"] is True
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        session().get("/things")


@pytest.mark.parametrize(
    ("status", "method", "url", "kwargs"),
    [
        (200, "GET", "/things", {}),
        (404, "GET", "/me", {}),
        (200, "POST", "/me", {}),
        (200, "GET", "/me", {"stream": True}),
        (200, "GET", "/me", {"withhold_token": True}),
    ],
)
def test_other_answers_are_not_noted(call, api, connect, user, status, method, url, kwargs):
    session = connect(token={"account_accepted": None})
    api.account = status
    call(session(), method, url, **kwargs)
    assert "account_accepted" not in stored(user)


def test_it_is_noted_with_a_token_that_is_not_stored_yet(api, connect):
    session = connect()()
    session.current_token.use_unsaved(Token({"access_token": "planted-granted"}))
    session.account_info()
    assert session.current_token.unsaved["account_accepted"] is True


def test_a_provider_cannot_set_our_notes(connect):
    connect()
    granted = {"access_token": "planted", "token_type": "bearer"}
    ours = {"account_accepted": True, "verdict": "rejected", "verdict_at": 1, "refreshed_at": 1}
    answer = ProtocolResponse(200, {}, json.dumps(granted | ours).encode())
    assert providers["api"].token_fields(answer) == granted


# --- a token with a refresh token -----------------------------------------------------------------


def test_twenty_refused_calls_refresh_once(clock, call, api, connect, user):
    session = connect(token=REFRESHABLE)
    api.others = 401
    for _ in range(20):
        assert call(session(), "GET", "/things").status_code == 401
        clock.now += 65
    assert api.refreshes == 1
    assert api.questions == 1


def test_twenty_refused_calls_refresh_once_without_an_account_address(clock, call, api, connect):
    session = connect(token=REFRESHABLE, ACCOUNT_URL="", ACCOUNT_ID="")
    api.others = 401
    for _ in range(20):
        assert call(session(), "GET", "/things").status_code == 401
        clock.now += 65
    assert api.refreshes == 1


def test_twenty_refused_posts_refresh_once(clock, call, api, connect):
    session = connect(token=REFRESHABLE)
    api.others = 401
    for _ in range(20):
        assert call(session(), "POST", "/things", json={}).status_code == 401
        clock.now += 65
    assert api.refreshes == 1
    assert api.questions == 1


def test_the_token_that_a_refused_post_has_brought_is_used(clock, call, api, connect):
    session = connect(token=REFRESHABLE)
    api.others, api.accepted = 401, "planted-1"
    assert call(session(), "POST", "/things", json={}).status_code == 401
    assert call(session(), "POST", "/things", json={}).status_code == 200
    clock.now += HOUR
    api.accepted = "planted-2"
    assert call(session(), "GET", "/things").status_code == 200


def test_a_token_that_was_granted_seconds_ago_is_not_refreshed(clock, call, api, connect):
    session = connect(token={**REFRESHABLE, "granted_at": clock.now - 59})
    api.others = 401
    assert call(session(), "GET", "/things").status_code == 401
    assert api.refreshes == 0
    assert api.questions == 1


def test_a_token_that_lives_for_seconds_is_refreshed_if_it_may_have_expired_on_its_way(
    clock, call, api, connect
):
    session = connect(token={**REFRESHABLE, "granted_at": clock.now, "expires_in": 3})
    api.others, api.accepted = 401, "planted-1"
    clock.now += 2
    assert call(session(), "GET", "/things").status_code == 200
    assert api.refreshes == 1


def test_a_token_that_lives_for_seconds_is_not_refreshed_in_the_first_half_of_them(
    clock, call, api, connect
):
    session = connect(token={**REFRESHABLE, "granted_at": clock.now, "expires_in": 3})
    api.others = 401
    clock.now += 1
    assert call(session(), "GET", "/things").status_code == 401
    assert api.refreshes == 0


def test_a_new_token_that_is_refused_too_is_rejected(call, api, connect, user):
    session = connect(token=REFRESHABLE)
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")
    assert api.refreshes == 1
    assert stored(user)["refresh_token"] == "planted-r1"
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")
    assert api.refreshes == 1


def test_a_new_token_that_is_accepted_has_no_verdict(call, api, connect, user):
    session = connect(token=REFRESHABLE)
    api.account = api.others = 401
    api.accepted = "planted-1"
    assert call(session(), "GET", "/things").status_code == 200
    assert api.questions == 0
    assert "verdict" not in stored(user)


def test_a_provider_that_grants_the_same_access_token_again_is_asked_once(call, api, connect):
    session = connect(token={**REFRESHABLE, "access_token": "planted-1"})
    api.others = 401
    for _ in range(20):
        assert call(session(), "GET", "/things").status_code == 401
    assert api.refreshes == 1
    assert api.questions == 1


def test_no_verdict_while_the_token_cannot_be_refreshed(call, api, connect, user):
    session = connect(token=REFRESHABLE)
    api.account = api.others = 401
    api.token_status = 503
    assert call(session(), "GET", "/things").status_code == 401
    assert session().authorized
    assert api.questions == 0


def test_the_verdict_outlasts_a_refresh(clock, call, api, connect):
    session = connect(token={**REFRESHABLE, "expires_in": 600})
    api.others = 401
    call(session(), "GET", "/things")
    clock.now += 65
    session().refresh()
    clock.now += 65
    call(session(), "GET", "/things")
    assert api.refreshes == 2
    assert api.questions == 1


# --- trials ---------------------------------------------------------------------------------------


@pytest.fixture
def rejected(clock, api, connect):
    """Makes sessions of a connection that has just been judged as rejected."""
    session = connect()
    api.account = api.others = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        session().get("/things")
    del api.received[:]
    return session


def test_a_rejected_token_is_tried_after_an_hour_and_then_each_day(clock, call, api, rejected):
    for pause in (HOUR, DAY, DAY):
        clock.now += pause - 1
        assert not rejected().authorized
        with pytest.raises(AuthorizationRequired, match="rejected"):
            call(rejected(), "GET", "/things")
        assert api.count("/v1/things") == 0
        clock.now += 1
        assert rejected().authorized
        with pytest.raises(AuthorizationRequired, match="rejected"):
            call(rejected(), "GET", "/things")
        assert api.count("/v1/things") == 1
        del api.received[:]


def test_a_trial_that_succeeds_makes_the_connection_active_again(clock, call, api, rejected, user):
    clock.now += HOUR
    api.account = api.others = 200
    assert call(rejected(), "GET", "/things").status_code == 200
    assert call(rejected(), "GET", "/things").status_code == 200
    assert {"verdict", "verdict_at", "trials"}.isdisjoint(stored(user))


def test_a_trial_is_made_by_one_caller(clock, call, api, rejected):
    clock.now += HOUR
    first, second = rejected(), rejected()
    assert first.authorized and second.authorized
    first.ready_token()
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(second, "GET", "/things")
    api.others = 200
    assert call(first, "GET", "/things").status_code == 200


def test_account_info_may_be_the_trial(clock, api, rejected):
    clock.now += HOUR
    api.account = api.others = 200
    assert rejected().account_info().id == "7"
    assert rejected().get("/things").status_code == 200


def test_a_trial_that_says_nothing_ends_nothing(clock, call, api, rejected):
    clock.now += HOUR
    api.others = 503
    assert call(rejected(), "GET", "/things").status_code == 503
    assert not rejected().authorized


def test_a_trial_that_finds_the_apis_own_answer_makes_the_connection_active(
    clock, call, api, rejected
):
    clock.now += HOUR
    api.account = 200
    assert call(rejected(), "GET", "/things").status_code == 401
    assert rejected().authorized


def test_a_clock_that_was_wrong_does_not_withhold_the_token(clock, call, api, connect):
    session = connect(token={"verdict": "rejected", "verdict_at": clock.now + 1})
    assert call(session(), "GET", "/things").status_code == 200


def test_a_new_dance_ends_the_verdict(clock, rejected, api):
    session = rejected()
    session.token = {"access_token": "planted-new"}
    assert rejected().authorized


# --- too many verdicts ----------------------------------------------------------------------------


@pytest.fixture
def reject(api, connect, make_user):
    """Judges the tokens of new users, and returns the results."""
    made = iter(range(1000))

    def reject(number):
        results = []
        for _ in range(number):
            session = connect(make_user(f"user{next(made)}"))
            try:
                results.append(session().get("/things").status_code)
            except AuthorizationRequired as error:
                results.append(error.reason)
        return results

    return reject


def test_the_tenth_verdict_within_ten_minutes_is_held_back(clock, api, reject, caplog):
    api.account = api.others = 401
    assert reject(9) == ["rejected"] * 9
    assert reject(3) == [401] * 3
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.provider == "api"
    assert "10 tokens were rejected in 10 minutes" in error.getMessage()


def test_verdicts_that_are_held_back_cost_no_question_for_ten_minutes(clock, api, reject, user):
    api.account = api.others = 401
    reject(10)
    del api.received[:]
    last = providers["api"].session(user_id=user.pk + 10)
    for _ in range(20):
        assert last.get("/things").status_code == 401
    assert api.questions == 0


def test_a_tenth_of_many_connections_may_be_rejected(clock, api, reject, connect, make_user):
    api.account = api.others = 401
    for number in range(150):
        connect(make_user(f"more{number}"))
    assert reject(14) == ["rejected"] * 14
    assert reject(5)[-1] == 401


@pytest.mark.parametrize("token_status", [200, 401, 503])
def test_ten_minutes_of_401_answers_cost_no_connection(
    clock, api, connect, make_user, events, token_status
):
    sessions = [
        connect(make_user(f"user{number}"), token=REFRESHABLE if number % 2 else {})
        for number in range(2 * health.FEW)
    ]
    api.account = api.others = 401
    api.token_status = token_status
    for _ in range(4):
        for session in sessions:
            with suppress(AuthorizationRequired):
                assert session().get("/things").status_code == 401
        clock.now += 150
    assert not OAuthToken.objects.filter(token="").exists()
    assert len(events.named("connection_lost")) == health.FEW - 1
    api.account = api.others = api.token_status = 200
    # The first few were judged before there were too many. They are tried again after an hour.
    clock.now += HOUR
    for session in sessions:
        assert session().get("/things").status_code == 200
    assert OAuthToken.objects.active().count() == len(sessions)


def test_many_calls_of_one_connection_count_once(clock, api, connect, user, caplog):
    session = connect()
    api.account = api.others = 401
    waiting = [session() for _ in range(health.FEW + 2)]
    token = waiting[0].token
    for each in waiting:
        assert each.token
        with suppress(AuthorizationRequired):
            health.judge(each, token, 401, asked=True)
    assert OAuthToken.objects.get().reason == "rejected"
    assert not any(record.levelno == logging.ERROR for record in caplog.records)


def test_without_a_cache_the_verdicts_are_not_counted(api, reject, settings):
    api.account = api.others = 401
    dummy = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
    settings.CACHES = {**settings.CACHES, "default": dummy}
    assert reject(12) == ["rejected"] * 12


# --- rows and errors ------------------------------------------------------------------------------


def test_a_storage_that_cannot_note_it_does_not_spoil_the_call(api, connect, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    session = connect(token={"account_accepted": None})

    def fail(*args, **kwargs):
        raise StorageError("down")

    monkeypatch.setattr(ModelStorage, "replace", fail)
    assert session().get("/me").status_code == 200
    assert [record.provider for record in caplog.records if hasattr(record, "provider")] == ["api"]


def test_an_expired_token_that_cannot_be_refreshed_is_no_verdict(api, connect):
    session = connect(token={**REFRESHABLE, "expires_at": 1.0})
    api.token_status = 503
    with pytest.raises(ProviderUnavailable):
        session().get("/things")


def test_a_row_without_our_new_fields_reads_as_before():
    token = Token({"access_token": "planted"})
    assert (token.verdict, token.trials) == ("", 0)
    assert not health.is_withheld(token)


# --- challenges -----------------------------------------------------------------------------------

STEP_UP = 'Bearer error="insufficient_user_authentication", acr_values="urn:high", max_age="5"'
SCOPE = 'Bearer realm="api", error="insufficient_scope", scope="read write"'


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_login_that_the_api_demands_is_asked_for_and_nothing_is_refreshed(
    call, api, connect, method
):
    session = connect(token=REFRESHABLE)
    api.others, api.challenge = 401, STEP_UP
    for _ in range(20):
        with pytest.raises(AuthorizationRequired, match="step_up") as caught:
            call(session(), method, "/things")
    required = caught.value
    assert (required.reason, required.acr_values, required.max_age) == ("step_up", "urn:high", 5)
    assert (api.refreshes, api.questions) == (0, 0)
    assert session().authorized


@pytest.mark.parametrize(
    ("challenge", "acr_values", "max_age"),
    [
        ("Bearer error=insufficient_user_authentication", "", None),
        ('DPoP error="insufficient_user_authentication", max_age=0', "", 0),
        ('Bearer error="insufficient_user_authentication", max_age="soon"', "", None),
        ('Bearer error="insufficient_user_authentication", max_age="-1"', "", None),
        ('Basic realm="x, Bearer error=y", ' + STEP_UP, "urn:high", 5),
        (STEP_UP + ', DPoP error="invalid_token"', "urn:high", 5),
    ],
)
def test_the_challenge_is_read_with_care(api, connect, challenge, acr_values, max_age):
    session = connect()
    api.others, api.challenge = 401, challenge
    with pytest.raises(AuthorizationRequired, match="step_up") as caught:
        session().get("/things")
    assert (caught.value.acr_values, caught.value.max_age) == (acr_values, max_age)


def test_a_login_that_the_dance_has_just_asked_for_is_not_asked_for_again(
    clock, call, api, connect
):
    asked = {"acr_values": "urn:high", "max_age": "5"}
    session = connect(token={"granted_at": clock.now, "asked_authentication": asked})
    api.others, api.challenge = 401, STEP_UP
    assert call(session(), "GET", "/things").status_code == 401
    clock.now += 60
    with pytest.raises(AuthorizationRequired, match="step_up"):
        call(session(), "GET", "/things")


@pytest.mark.parametrize("status", [401, 403])
def test_scopes_that_the_api_demands_are_asked_for(call, api, connect, status):
    session = connect(token={**REFRESHABLE, "scope": ["read"]})
    api.others, api.challenge = status, SCOPE
    with pytest.raises(AuthorizationRequired, match="missing_scopes") as caught:
        call(session(), "GET", "/things")
    assert caught.value.missing_scopes == ("write",)
    assert (api.refreshes, api.questions) == (0, 0)


@pytest.mark.parametrize(
    ("method", "scope", "challenge"),
    [
        ("POST", ["read"], SCOPE),
        ("GET", ["read", "write"], SCOPE),
        ("GET", ["read"], 'Bearer error="insufficient_scope"'),
        ("GET", ["read"], 'Basic error="insufficient_scope", scope="write"'),
        ("GET", ["read"], 'Bearer scope="write"'),
    ],
    ids=["not idempotent", "granted", "no scope", "another scheme", "no error"],
)
def test_a_403_is_passed_on_otherwise(call, api, connect, method, scope, challenge):
    session = connect(token={"scope": scope})
    api.others, api.challenge = 403, challenge
    assert call(session(), method, "/things").status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_scopes_are_asked_for_after_a_prepared_request_that_may_be_repeated(api, connect, method):
    session = connect(token={"scope": ["read"]})()
    api.others, api.challenge = 403, SCOPE
    url = session.absolute_url("/things")
    prepared = session.prepare_request(requests.Request(method, url))
    if method == "POST":
        assert session.send(prepared).status_code == 403
    else:
        with pytest.raises(AuthorizationRequired, match="missing_scopes"):
            session.send(prepared)


def test_scopes_that_were_declined_are_not_asked_for_without_an_end(call, api, connect):
    session = connect(token={"scope": ["read"], "declined_scope": ["write"]})
    api.others, api.challenge = 403, SCOPE
    with pytest.raises(AuthorizationRequired, match="declined_scopes"):
        call(session(), "GET", "/things")


def test_a_dpop_nonce_is_the_callers_business(call, api, connect):
    session = connect(token=REFRESHABLE)
    api.others, api.challenge = 401, 'DPoP error="use_dpop_nonce"'
    assert call(session(), "GET", "/things").status_code == 401
    assert (api.refreshes, api.questions) == (0, 0)


# --- APIs that tell it in another way -------------------------------------------------------------

OVER = {"TOKEN_OVER": {"error.code": ["190"]}}


@pytest.fixture(params=[200, 400, 403])
def telling(request, api):
    """The status with which the API tells that a token is over."""
    api.error_status = api.others = request.param
    api.account = 401
    return request.param


def test_an_answer_that_tells_that_the_token_is_over_refreshes_it(call, api, connect, telling):
    session = connect(token=REFRESHABLE, **OVER)
    api.account = 404
    api.accepted = "planted-1"
    assert call(session(), "GET", "/things").status_code == 200
    assert api.refreshes == 1


def test_an_answer_that_tells_that_the_token_is_over_is_judged(call, api, connect, telling):
    session = connect(**OVER)
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")
    assert api.questions == 1


def test_the_account_address_may_tell_it_in_the_same_way(call, api, connect, telling):
    session = connect(**OVER)
    api.account = telling
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")
    with pytest.raises(AuthorizationRequired, match="rejected"):
        session().account_info()


def test_without_the_fact_it_is_the_apis_own_answer(call, api, connect, telling):
    assert call(connect()(), "GET", "/things").status_code == telling


def test_another_error_is_the_apis_own_answer(call, api, connect, telling):
    api.error = {"error": {"code": 4}}
    assert call(connect(**OVER)(), "GET", "/things").status_code == telling


def test_a_streamed_answer_is_not_read(call, api, connect, telling):
    response = call(connect(**OVER)(), "GET", "/things", stream=True)
    assert response.json()["error"] == {"code": 190}


class Telling(OAuth2Provider):
    def token_is_over(self, status, body):
        return super().token_is_over(status, body) or (status == 403 and b"190" in body)


def test_a_class_may_tell_it_by_a_hook(call, api, connect):
    session = connect(kind=Telling)
    api.error_status = api.others = 403
    api.account = 401
    with pytest.raises(AuthorizationRequired, match="rejected"):
        call(session(), "GET", "/things")


@pytest.mark.parametrize(
    ("preset", "status", "answer"),
    [
        ("slack.Slack", 200, {"ok": False, "error": "token_revoked"}),
        ("facebook.Facebook", 400, {"error": {"type": "OAuthException", "code": 190}}),
        ("amazon.Amazon", 400, {"error": "invalid_token"}),
        ("withings.Withings", 200, {"status": 401, "error": "XRequestID: invalid token"}),
    ],
)
def test_presets_know_how_their_api_tells_it(preset, status, answer):
    provider = import_string(f"django_dance.contrib.{preset}")("x")
    assert provider.token_is_over(status, json.dumps(answer).encode())
    assert not provider.token_is_over(200, b'{"ok": true, "status": 0}')
    assert not provider.token_is_over(500, b"[" * 10_000)
