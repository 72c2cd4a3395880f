"""The outcomes of a refresh: each rule alone, at its limit, while the clock stands still."""

import json
import time
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest
from django.utils import timezone

from django_dance.connections import refresh, refresh_or_keep
from django_dance.exceptions import (
    AuthorizationRequired,
    DanceError,
    InvalidResponse,
    ProviderUnavailable,
    TokenRequestRefused,
)
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner, Token

from ..conftest import API, GRANTED, TOKEN_URL, make_session, store_expired_token, token_requests

pytestmark = pytest.mark.django_db

REVOKE_URL = "https://api.github.com/applications/github-client/token"
DEAD = {"status": 400, "json": {"error": "invalid_grant"}}
BUSY = {"status": 503}
NEW = {"json": {"access_token": "planted-new", "token_type": "bearer", "expires_in": 3600}}


@pytest.fixture
def now(monkeypatch):
    """The moment at which the clock of refreshes stands still."""
    moment = int(time.time())
    monkeypatch.setattr(refresh, "time", SimpleNamespace(time=lambda: float(moment)))
    return moment


@pytest.fixture
def connected(user):
    """Stores an expired token, and makes a session that has read it."""

    def connected(account="", request=None, **fields):
        owner = ResourceOwner(providers["github"], user=user, account=account)
        token = {**GRANTED, "expires_in": None, "expires_at": 1.0, **fields}
        ModelStorage().set(owner, {k: v for k, v in token.items() if v is not None})
        session = providers["github"].session(request, user=user, account=account)
        assert session.token
        return session

    return connected


# --- the lease ------------------------------------------------------------------------------------


def test_the_lease_lasts_longer_than_the_provider_may_take(connected, responses, settings):
    settings.DANCE_TIMEOUT = 1000
    lease = timedelta(seconds=3 * 1000 + 5)
    leases = []

    def answer(request):
        leases.append((OAuthToken.objects.get().lease_until, timezone.now()))
        return 200, {}, json.dumps(GRANTED)

    responses.add_callback("POST", TOKEN_URL, answer)
    session = connected()
    before = timezone.now()
    session.refresh()
    ((until, meanwhile),) = leases
    assert before + lease <= until <= meanwhile + lease
    assert OAuthToken.objects.get().lease_until is None


# --- a token that has changed since it was read ---------------------------------------------------


def test_a_deleted_token_is_not_refreshed(connected, responses):
    session = connected()
    OAuthToken.objects.all().delete()
    with pytest.raises(AuthorizationRequired, match="revoked"):
        session.refresh()
    assert not responses.calls
    assert session.token is None


@pytest.mark.parametrize(
    ("stale", "stored"),
    [
        ({}, {"access_token": "planted-theirs"}),
        ({}, {"access_token": "planted-theirs", "expires_at": None}),
        ({"expires_at": 5.0}, {"access_token": "planted-theirs", "expires_at": 4.0}),
        ({}, {"expires_at": 2.0}),
        ({"expires_at": None}, {"expires_at": 1.0}),
    ],
)
def test_a_token_that_another_process_replaced_or_extended_is_used(
    connected, responses, events, stale, stored
):
    session = connected(**stale)
    connected(**stored)
    token = session.refresh()
    assert token is session.token
    assert token["access_token"] == stored.get("access_token", GRANTED["access_token"])
    assert token.expires_at == {"expires_at": 1.0, **stored}["expires_at"]
    assert not responses.calls
    assert not events


@pytest.mark.parametrize(
    ("stale", "stored"),
    [
        ({}, {}),
        ({}, {"expires_at": 0.5}),
        ({}, {"expires_at": None}),
        ({"expires_at": None}, {"expires_at": None}),
        ({}, {"scope": "repo", "refresh_token": "planted-other"}),
    ],
)
def test_an_unchanged_token_is_refreshed_with_its_stored_fields(
    connected, responses, stale, stored
):
    responses.post(TOKEN_URL, **NEW)
    session = connected(**stale)
    connected(**stored)
    assert session.refresh()["access_token"] == "planted-new"
    (request,) = token_requests(responses)
    expected = {**GRANTED, **stored}["refresh_token"]
    assert dict(parse_qsl(request.body)) == {
        "grant_type": "refresh_token",
        "refresh_token": expected,
        "client_id": "github-client",
        "client_secret": "planted-github-client-secret",
    }


# --- what is told ---------------------------------------------------------------------------------


def test_a_refreshed_token_sends_token_refreshed(connected, responses, events, rf):
    responses.post(TOKEN_URL, **NEW)
    request = rf.get("/")
    session = connected(request=request)
    token = session.refresh()
    ((name, heard),) = events
    assert name == "token_refreshed"
    assert heard["sender"] is type(providers["github"])
    assert heard["provider"] is session.provider
    assert heard["request"] is request
    assert heard["owner"].user_id == session.owner.user_id
    assert heard["token"] is token is session.token


def test_a_revoked_token_sends_token_revoked(connected, responses, events, rf):
    responses.post(TOKEN_URL, **DEAD)
    request = rf.get("/")
    session = connected(request=request)
    with pytest.raises(AuthorizationRequired):
        session.refresh()
    ((name, heard), (then, _)) = events
    assert (name, then) == ("token_revoked", "connection_lost")
    assert heard["reason"] == "invalid_grant"
    assert heard["sender"] is type(providers["github"])
    assert heard["provider"] is session.provider
    assert heard["request"] is request
    assert heard["owner"].user_id == session.owner.user_id


def test_a_revoked_token_names_its_account_and_is_logged_with_the_error(
    connected, responses, caplog
):
    responses.post(TOKEN_URL, **DEAD)
    with pytest.raises(AuthorizationRequired) as required:
        connected("7").refresh()
    assert required.value.account == "7"  # the one to connect again
    (record,) = caplog.records
    assert record.getMessage().startswith("github: the refresh token is dead")
    assert (record.provider, record.error) == ("github", "invalid_grant")


def test_a_failed_refresh_sends_no_signal(connected, responses, events, caplog):
    responses.post(TOKEN_URL, **BUSY)
    with pytest.raises(ProviderUnavailable):
        connected().refresh()
    assert not events
    assert caplog.messages == ["github: the token could not be refreshed: github.com answered 503."]
    (record,) = caplog.records
    assert (record.provider, record.code) == ("github", "provider_unavailable")
    assert record.status == 503


# --- dead -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "reason"),
    [(0, "revoked_at_once"), (59, "revoked_at_once"), (60, "revoked"), (10**6, "revoked")],
)
def test_the_reason_of_a_refused_refresh_depends_on_the_age_of_the_token(
    connected, responses, now, caplog, age, reason
):
    responses.post(TOKEN_URL, **DEAD)
    with pytest.raises(AuthorizationRequired) as required:
        connected(granted_at=now - age).refresh()
    assert required.value.reason == reason
    assert required.value.provider.name == "github"
    assert isinstance(required.value.__cause__, TokenRequestRefused)
    row = OAuthToken.objects.get()
    assert (row.token, row.state, row.reason) == (None, "needs_reconnect", "revoked")
    assert caplog.messages == [
        "github: the refresh token is dead; the token is wiped: "
        "GitHub refused: invalid_grant (status 400)."
    ]


def test_a_refused_token_without_granted_at_is_revoked(connected, responses):
    responses.post(TOKEN_URL, **DEAD)
    with pytest.raises(AuthorizationRequired) as required:
        connected().refresh()
    assert required.value.reason == "revoked"


# --- a failure that may pass ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failures", "retry_after", "pause", "counted"),
    [
        (0, None, 5, 1),
        (1, None, 10, 2),
        (5, None, 160, 6),
        (6, None, 300, 7),
        (29, None, 300, 30),
        (30, None, 300, 31),
        (10**9, None, 300, 31),
        (0, "4", 5, 1),
        (0, "6", 6, 1),
        (0, "3599", 3599, 1),
        (0, "3601", 3600, 1),
        (3, "39", 40, 4),
        (9, "301", 301, 10),
    ],
)
def test_the_pause_after_a_failure_grows_unless_the_provider_names_one(
    connected, responses, now, failures, retry_after, pause, counted
):
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    responses.post(TOKEN_URL, status=503, headers=headers)
    with pytest.raises(ProviderUnavailable) as failure:
        connected(failures=failures).refresh()
    assert failure.value.status == 503
    token = OAuthToken.objects.get().token
    assert (token["last_error"], token["failures"], token["retry_at"]) == (
        "provider_unavailable",
        counted,
        now + pause,
    )
    assert token["access_token"] == GRANTED["access_token"]
    assert token["refresh_token"] == GRANTED["refresh_token"]


@pytest.mark.parametrize(
    ("answer", "kind", "noted"),
    [
        ({"status": 400, "json": {"error": "invalid_client"}}, TokenRequestRefused, None),
        ({"status": 400, "json": {"error": "server_error"}}, ProviderUnavailable, None),
        ({"json": []}, InvalidResponse, "token_response_invalid"),
        ({"status": 429, "json": {}}, ProviderUnavailable, "provider_unavailable"),
    ],
)
def test_a_failure_stores_the_error_code_of_the_provider_or_ours(
    connected, responses, answer, kind, noted
):
    responses.post(TOKEN_URL, **answer)
    with pytest.raises(kind):
        connected().refresh()
    noted = noted or answer["json"]["error"]
    assert OAuthToken.objects.get().token["last_error"] == noted


@pytest.mark.parametrize("left", [1, 5, 3600])
def test_no_refresh_request_is_sent_during_the_pause(connected, responses, now, left):
    session = connected(last_error="some\ncode", failures=2, retry_at=now + left)
    with pytest.raises(ProviderUnavailable) as failure:
        session.refresh()
    assert str(failure.value).endswith(f"(some code). The next attempt is in {left} seconds.")
    assert str(failure.value).startswith("GitHub ")
    assert failure.value.error == "some code"
    assert not responses.calls
    assert OAuthToken.objects.get().token["failures"] == 2


@pytest.mark.parametrize("left", [0, -1, 3601, 10**8])
def test_a_refresh_request_is_sent_after_the_pause_or_if_the_pause_is_impossible(
    connected, responses, now, left
):
    responses.post(TOKEN_URL, **NEW)
    session = connected(last_error="code", failures=2, retry_at=now + left)
    assert session.refresh()["access_token"] == "planted-new"


def test_a_token_that_is_not_expired_is_used_while_the_provider_is_down(connected, responses):
    responses.post(TOKEN_URL, **BUSY)
    token = Token({**GRANTED, "expires_at": time.time() + 3000})
    session = connected(expires_at=token.expires_at)
    assert refresh_or_keep(session, token) is token


def test_a_forced_refresh_that_fails_returns_the_old_token(connected, responses):
    responses.post(TOKEN_URL, **BUSY)
    session = connected()
    stale = session.token
    with pytest.raises(ProviderUnavailable):
        refresh_or_keep(session, stale)
    session.token = stale
    assert refresh_or_keep(session, stale, forced=True) is stale


# --- a row that changes during the refresh --------------------------------------------------------


def meanwhile(responses, happens):
    """Let this happen while the provider answers."""

    def answer(request):
        happens()
        return 200, {}, json.dumps({**GRANTED, "access_token": "planted-late"})

    responses.add_callback("POST", TOKEN_URL, answer)


def test_the_new_token_of_a_deleted_connection_is_revoked(connected, responses, events):
    revocation = responses.delete(REVOKE_URL, status=204)
    meanwhile(responses, lambda: OAuthToken.objects.all().delete())
    with pytest.raises(AuthorizationRequired) as required:
        connected().refresh()
    assert required.value.reason == "revoked"
    assert json.loads(revocation.calls[0].request.body) == {"access_token": "planted-late"}
    assert not OAuthToken.objects.exists()
    assert not events


def test_a_new_token_that_cannot_be_revoked_is_logged(connected, responses, caplog):
    responses.delete(REVOKE_URL, status=503)
    meanwhile(responses, lambda: OAuthToken.objects.all().delete())
    with pytest.raises(AuthorizationRequired, match="revoked"):
        connected().refresh()
    assert caplog.messages == [
        "github: the token could not be revoked: api.github.com answered 503."
    ]
    (record,) = caplog.records
    assert (record.provider, record.code) == ("github", "provider_unavailable")


def test_a_token_of_a_later_dance_is_used_instead_of_the_refreshed_one(
    connected, responses, events
):
    session = connected()
    meanwhile(responses, lambda: connected(access_token="planted-dance"))
    assert session.refresh()["access_token"] == "planted-dance"
    assert OAuthToken.objects.get().token["access_token"] == "planted-dance"
    assert not events
    assert len(responses.calls) == 1


def test_a_new_token_whose_write_was_reported_as_lost_counts_as_refreshed(
    connected, responses, events
):
    # A write on a lost connection may have been committed: its repetition finds the new token.
    session = connected()
    meanwhile(responses, lambda: connected(access_token="planted-late"))
    assert session.refresh()["access_token"] == "planted-late"
    ((name, told),) = events
    assert name == "token_refreshed"
    assert told["token"]["access_token"] == "planted-late"


def test_a_refusal_deletes_nothing_if_another_process_used_the_refresh_token(
    connected, responses, events
):
    session = connected()

    def answer(request):
        connected(access_token="planted-theirs")
        return 400, {}, '{"error": "invalid_grant"}'

    responses.add_callback("POST", TOKEN_URL, answer)
    assert session.refresh()["access_token"] == "planted-theirs"
    assert OAuthToken.objects.get().token["access_token"] == "planted-theirs"
    assert not events


def test_a_refused_token_whose_row_is_deleted_requires_authorization(connected, responses, events):
    session = connected()

    def answer(request):
        OAuthToken.objects.all().delete()
        return 400, {}, '{"error": "invalid_grant"}'

    responses.add_callback("POST", TOKEN_URL, answer)
    with pytest.raises(AuthorizationRequired, match="revoked"):
        session.refresh()
    assert [name for name, _ in events] == ["token_revoked"]


# --- a token that is not stored -------------------------------------------------------------------


@pytest.fixture
def carrying(connected):
    """A session that uses another token than the one that is stored, as in a dance."""
    session = connected(access_token="planted-stored")
    session.current_token.use_unsaved(Token({**GRANTED, "expires_at": 1.0, "granted_at": 1}))
    return session


def stored_token():
    return OAuthToken.objects.get().token


def test_an_unsaved_token_is_refreshed_without_changing_the_stored_one(carrying, responses, events):
    responses.post(TOKEN_URL, **NEW)
    assert carrying.refresh()["access_token"] == "planted-new"
    assert carrying.current_token.unsaved is carrying.token
    assert stored_token()["access_token"] == "planted-stored"
    assert [name for name, _ in events] == ["token_refreshed"]


def test_a_failed_refresh_of_an_unsaved_token_is_not_stored(carrying, responses):
    responses.post(TOKEN_URL, **BUSY)
    with pytest.raises(ProviderUnavailable):
        carrying.refresh()
    assert "last_error" not in stored_token()


def test_a_revoked_unsaved_token_does_not_delete_the_stored_one(carrying, responses):
    responses.post(TOKEN_URL, **DEAD)
    with pytest.raises(AuthorizationRequired, match="revoked"):
        carrying.refresh()
    assert stored_token()["access_token"] == "planted-stored"


# --- accounts -------------------------------------------------------------------------------------


def test_a_refresh_is_for_the_account_of_the_token_and_not_for_the_default(
    connected, responses, user
):
    responses.post(TOKEN_URL, **NEW)
    connected("1", connected_account="1", access_token="planted-1")
    session = providers["github"].session(user=user)
    assert session.account_id == "1"
    connected("2", connected_account="2", access_token="planted-2")
    session.refresh()
    found = {row.account: row.token["access_token"] for row in OAuthToken.objects.all()}
    assert found == {"1": "planted-new", "2": "planted-2"}


def test_a_refresh_is_for_the_account_of_the_session(connected, responses):
    responses.post(TOKEN_URL, **NEW)
    session = connected("1", connected_account="other", access_token="planted-1")
    connected("other", connected_account="other", access_token="planted-2")
    session.refresh()
    found = {row.account: row.token["access_token"] for row in OAuthToken.objects.all()}
    assert found == {"1": "planted-new", "other": "planted-2"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "odd",
    [
        {"failures": "abc"},
        {"failures": [1]},
        {"failures": float("inf")},
        {"failures": -5000},
        {"retry_at": True},
        {"retry_at": "x"},
        {"retry_at": 10**400},
        {"granted_at": "yesterday"},
        {"granted_at": None},
        {"declined_scope": None},
        {"connected_account": 7},
        {"connected_account": ["a"]},
        {"expires_at": 10**400},
        {"expires_at": "soon"},
    ],
    ids=lambda odd: str(odd)[:40],
)
@pytest.mark.parametrize(
    "answer",
    [{"status": 500}, {"status": 400, "json": {"error": "invalid_grant"}}],
    ids=["unavailable", "dead"],
)
def test_an_invalid_internal_field_does_not_break_a_refresh(user, api, odd, answer):
    store_expired_token(user, **odd)
    api.replace("POST", TOKEN_URL, **answer)
    with pytest.raises(DanceError):
        make_session(user).refresh()


@pytest.mark.django_db(transaction=True)
def test_an_impossibly_long_pause_is_ignored(user, api):
    store_expired_token(user, retry_at=time.time() + 10**8, failures=1, last_error="x")
    assert make_session(user).get(API).ok


# --- the limit for refusals in unknown words ------------------------------------------------------

DAY = 24 * 3600
ODD = {"status": 400, "json": {"error": "odd", "error_description": "No such thing"}}


@pytest.fixture
def refuse(user, responses, clock, monkeypatch):
    """Refreshes at each of the given times, in seconds, and returns the last error.

    Each time has an answer: by default the provider refuses in unknown words.
    """

    def refuse(*times, **other):
        start = clock.now
        for moment in times:
            clock.now = start + moment
            responses.reset()
            responses.post(TOKEN_URL, **other.get(f"at_{moment}", ODD))
            with pytest.raises(DanceError) as caught:
                providers["github"].session(user=user).refresh()
            if isinstance(caught.value, AuthorizationRequired):
                break
        assert clock.now == start + times[-1], "The connection ended too early"
        return caught.value

    return refuse


def test_an_expired_token_that_is_refused_for_a_day_ends(connected, refuse, events, caplog):
    connected()
    error = refuse(0, 1000, 2000, 3000, DAY)
    assert isinstance(error, AuthorizationRequired)
    assert error.reason == "refused"
    assert isinstance(error.__cause__, TokenRequestRefused)
    row = OAuthToken.objects.get()
    assert (row.token, row.state, row.reason) == (None, "needs_reconnect", "refused")
    assert [heard["reason"] for heard in events.named("token_revoked")] == ["refused"]
    assert "odd" in caplog.messages[-1] and "No such thing" in caplog.messages[-1]


@pytest.mark.parametrize(
    "times",
    [(0, 1000, 2000, DAY), (0, 1000, 2000, 3000, 4000, DAY - 1)],
    ids=["four-times", "less-than-a-day"],
)
def test_fewer_refusals_or_a_shorter_time_end_nothing(connected, refuse, times):
    connected()
    assert isinstance(refuse(*times), TokenRequestRefused)
    assert OAuthToken.objects.get().token["access_token"] == GRANTED["access_token"]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 400, "json": {"error": "access_denied"}},
        {"status": 400, "json": {"error": "authorization_pending"}},
        {"status": 404, "json": {"message": "no"}},
        {"status": 403, "body": "no"},
        {"status": 200, "json": {"error": "odd"}},
    ],
)
def test_refusals_of_other_forms_count_too(connected, refuse, answer):
    connected()
    times = (0, 1000, 2000, 3000, DAY)
    error = refuse(*times, **{f"at_{moment}": answer for moment in times})
    assert isinstance(error, AuthorizationRequired)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 429, "json": {"error": "odd"}},
        {"status": 500, "json": {"error": "odd"}},
        {"status": 503},
        {"status": 403, "body": "<!doctype html><h1>Forbidden</h1>"},
        {"status": 403, "body": "Forbidden", "content_type": "text/html"},
        {"status": 400, "body": ""},
        {"status": 400, "json": {"error": "temporarily_unavailable"}},
        {"status": 401, "json": {"error": "invalid_client"}},
        {"status": 302, "headers": {"Location": "https://github.com/"}},
        {"status": 200, "body": "<html>"},
        {"body": ConnectionError()},
    ],
)
def test_failures_that_say_nothing_about_the_token_do_not_count(connected, refuse, answer):
    connected()
    times = (0, 1000, 2000, 3000, 4000, 5000, DAY, 2 * DAY)
    error = refuse(*times, **{f"at_{moment}": answer for moment in times})
    assert not isinstance(error, AuthorizationRequired)
    token = OAuthToken.objects.get().token
    assert (token.failures, token.refusals) == (8, 0)


def test_other_failures_between_refusals_do_not_reset_the_count(connected, refuse):
    connected()
    times = (0, 1000, 2000, 3000, 4000, DAY)
    assert isinstance(refuse(*times, at_2000=BUSY), AuthorizationRequired)


def test_a_success_resets_the_count(connected, refuse, responses, clock, user):
    connected()
    refuse(0, 1000, 2000, 3000)
    clock.now += 1000
    responses.reset()
    responses.post(TOKEN_URL, json={**GRANTED, "expires_in": 60})
    session = providers["github"].session(user=user)
    session.refresh()
    assert not {"refusals", "refused_since"} & set(session.token)
    assert isinstance(refuse(DAY, DAY + 1000, DAY + 2000, DAY + 3000), TokenRequestRefused)


def test_a_refresh_by_an_earlier_version_resets_the_count(connected, refuse):
    fields = {"refusals": 4, "refused_since": 1.0}  # that version removes the other fields
    connected(**fields)
    assert isinstance(refuse(0), TokenRequestRefused)
    assert OAuthToken.objects.get().token.refusals == 1


def test_refusals_of_a_token_that_has_not_expired_do_not_count(connected, refuse, clock):
    connected(expires_at=clock.now + 2 * DAY)
    assert isinstance(refuse(0, 1000, 2000, 3000, DAY), TokenRequestRefused)
    assert OAuthToken.objects.get().token.refusals == 0


def test_the_words_of_the_provider_are_noted_in_short(connected, refuse):
    connected()
    refuse(0, at_0={"status": 400, "json": {"error": "odd", "error_description": "x" * 1000}})
    assert OAuthToken.objects.get().token["last_error_description"] == "x" * 100


def test_a_failure_is_noted_with_the_words_of_the_provider(connected, refuse, user):
    connected()
    refuse(0)
    with pytest.raises(ProviderUnavailable) as waiting:
        providers["github"].session(user=user).refresh()
    assert (waiting.value.error, waiting.value.error_description) == ("odd", "No such thing")


def test_a_refresh_that_is_answered_with_created_is_stored(connected, responses):
    responses.post(TOKEN_URL, status=201, **NEW)
    connected().refresh()
    assert OAuthToken.objects.get().token["access_token"] == "planted-new"
