"""A refreshed token is not lost if database connections are cut, or the database is away."""

import json
import time
from contextlib import contextmanager, nullcontext, suppress

import pytest
from django.core.cache import caches
from django.db import Error, connection, connections, transaction

from django_dance.cache import parking
from django_dance.exceptions import AuthorizationRequired, ProviderUnavailable
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner

from ..conftest import (
    TOKEN_URL,
    Dance,
    make_session,
    run_concurrently,
    store_expired_token,
    store_token,
    token_fields,
    token_requests,
    tokens_of,
)
from ..database_proxy import DatabaseProxy, kill_connections

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("several_writers"),
]

REVOKE_URL = "https://api.github.com/applications/github-client/token"


@pytest.fixture
def answers(responses):
    """Lets the provider do something before it answers a refresh."""

    def answers(action, status=200, **fields):
        def answer(request):
            action()
            granted = token_fields("renewed", refresh_token="planted-rotated", **fields)
            return status, {}, json.dumps(granted if status == 200 else {"error": "busy"})

        responses.add_callback("POST", TOKEN_URL, answer)

    return answers


@pytest.fixture
def proxy(monkeypatch):
    """The way to the database."""
    configuration = connections.settings["default"]
    default = {"postgresql": 5432, "mysql": 3306}[connection.vendor]
    proxy = DatabaseProxy((configuration["HOST"], int(configuration["PORT"] or default)))
    connection.close()
    monkeypatch.setitem(configuration, "HOST", "127.0.0.1")
    monkeypatch.setitem(configuration, "PORT", proxy.port)
    yield proxy
    with suppress(Error):
        connection.close()
    proxy.go_away()


class Pauses:
    """Takes the place of the clock: only ``time.sleep()`` lets time pass. ``at[n]`` runs then."""

    def __init__(self, monkeypatch):
        self.count, self.passed, self.at = 0, 0.0, {}
        monotonic = time.monotonic
        monkeypatch.setattr(time, "sleep", self)
        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + self.passed)

    def __call__(self, seconds):
        self.count += 1
        self.passed += seconds
        self.at.pop(self.count, lambda: None)()


@pytest.fixture
def pauses(monkeypatch):
    return Pauses(monkeypatch)


@pytest.fixture
def shared_cache(settings):
    """A cache that counts as one that processes share."""
    settings.CACHES = {
        **settings.CACHES,
        "shared": {"BACKEND": "tests.caches.RecordingCache", "LOCATION": "lost connections"},
    }
    settings.DANCE_CACHE = "shared"
    caches["shared"].clear()
    return caches["shared"]


@pytest.fixture(autouse=True)
def _forget_parked():
    parking._kept.clear()
    yield
    parking._kept.clear()


def in_view(atomic):
    """A transaction whose connection may be lost, or none."""
    return lost_transaction() if atomic else nullcontext()


@contextmanager
def lost_transaction():
    try:
        with transaction.atomic():
            OAuthToken.objects.exists()
            yield
    except Error:
        pass
    finally:
        connection.close()


def assert_stored(user, text="renewed"):
    row = user.oauth_tokens.get()
    assert (row.token["access_token"], row.lease, row.lease_until) == (text, "", None)


def parked_keys(cache):
    return [key for key in cache._cache if ":parked:" in key]


@pytest.fixture
def parked(user, answers, proxy, pauses, settings, responses):
    """Lets the database be away from the answer of the provider to the end of the lease."""

    def parked(account="", **fields):
        owner = store_expired_token(user, account=account)
        answers(proxy.go_away, **fields)
        session = make_session(user, account)
        assert session.refresh()["access_token"] == "renewed"
        assert pauses.count > 10
        proxy.come_back()
        assert tokens_of(user) == {account: "planted"}
        # The lease ends by its time.
        OAuthToken.objects.update(lease="", lease_until=None)
        responses.remove("POST", TOKEN_URL)
        return owner

    return parked


# --- connections that are cut ---------------------------------------------------------------------


@pytest.mark.parametrize("atomic", [False, True])
def test_a_token_is_stored_although_all_connections_are_cut(user, answers, atomic):
    store_expired_token(user)
    answers(kill_connections)
    with in_view(atomic):
        assert make_session(user).refresh()["access_token"] == "renewed"
    assert_stored(user)
    assert user.oauth_tokens.get().token["refresh_token"] == "planted-rotated"


def become_standby():
    """Let the server at the other end of the connection accept no writes, as after a fail-over."""
    with connections["default"].cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET default_transaction_read_only = on")
        else:
            cursor.execute("SET SESSION TRANSACTION READ ONLY")


@pytest.mark.parametrize("atomic", [False, True])
def test_a_token_is_stored_although_the_server_has_become_a_standby(user, answers, atomic):
    """The connection is open. A new one leads to the new primary."""
    store_expired_token(user)
    answers(become_standby)
    with in_view(atomic):
        assert make_session(user).refresh()["access_token"] == "renewed"
    assert_stored(user)


def test_the_view_goes_on_after_its_connection_was_cut(user, answers):
    store_expired_token(user)
    answers(kill_connections)
    make_session(user).refresh()
    assert OAuthToken.objects.count() == 1


def test_a_token_of_a_row_that_the_transaction_has_written_is_stored(user, answers):
    """The transaction is lost with its connection, and the row is as before."""
    store_expired_token(user)
    answers(kill_connections)
    with lost_transaction():
        OAuthToken.objects.get().save()
        assert make_session(user).refresh()["access_token"] == "renewed"
    assert_stored(user)


@pytest.mark.parametrize("atomic", [False, True])
def test_the_lease_ends_when_the_provider_fails_and_the_connections_are_cut(user, answers, atomic):
    store_expired_token(user)
    answers(kill_connections, status=503)
    with in_view(atomic), pytest.raises(ProviderUnavailable):
        make_session(user).refresh()
    assert_stored(user, "planted")


@pytest.mark.parametrize("atomic", [False, True])
def test_a_lease_ends_when_the_work_fails_and_the_connections_are_cut(user, atomic):
    owner = store_expired_token(user)

    def work(until):
        kill_connections()
        raise ZeroDivisionError

    with in_view(atomic), pytest.raises(ZeroDivisionError):
        ModelStorage().run_alone(owner, 30, work, lambda: None)
    assert_stored(user, "planted")


def test_a_session_in_the_database_is_saved_although_its_connection_is_cut(
    visitor_request, answers, make_request
):
    answers(kill_connections)
    assert visitor_request.oauth.github.refresh()["access_token"] == "renewed"
    again = make_request(key=visitor_request.session.session_key)
    assert again.oauth.github.access_token == "renewed"


# --- a database that is away ----------------------------------------------------------------------


@pytest.mark.parametrize("atomic", [False, True])
def test_a_token_is_stored_when_the_database_has_come_back(
    user, answers, proxy, pauses, atomic, shared_cache, caplog
):
    store_expired_token(user)
    answers(proxy.go_away)
    pauses.at[8] = proxy.come_back
    with in_view(atomic):
        assert make_session(user).refresh()["access_token"] == "renewed"
    assert pauses.count >= 8
    assert_stored(user)
    assert not parked_keys(shared_cache)
    assert "cannot be stored" not in caplog.text


def test_a_lease_ends_as_soon_as_the_database_answers(user, answers, proxy, pauses):
    store_expired_token(user)
    answers(proxy.go_away, status=503)
    pauses.at[5] = proxy.come_back
    with pytest.raises(ProviderUnavailable):
        make_session(user).refresh()
    assert_stored(user, "planted")


@pytest.mark.parametrize("atomic", [False, True])
def test_a_token_that_cannot_be_stored_is_found_by_the_next_refresh_of_any_process(
    user, responses, answers, proxy, pauses, atomic, shared_cache, caplog
):
    store_expired_token(user)
    answers(proxy.go_away)
    with in_view(atomic):
        assert make_session(user).refresh()["access_token"] == "renewed"
    proxy.come_back()
    OAuthToken.objects.update(lease="", lease_until=None)
    (key,) = parked_keys(shared_cache)
    assert "planted" not in str(shared_cache._cache[key])
    assert "renewed" not in str(shared_cache._cache[key])
    assert not parking._kept
    assert "It is in the cache" in caplog.text
    assert "ERROR" not in [record.levelname for record in caplog.records]
    assert tokens_of(user) == {"": "planted"}
    with in_view(atomic):
        assert make_session(user).refresh()["access_token"] == "renewed"
    assert_stored(user)
    assert len(token_requests(responses)) == 1
    assert not parked_keys(shared_cache)


def test_a_token_that_cannot_be_stored_lives_in_the_cache_for_a_day_at_most(
    parked, shared_cache, clock
):
    parked()
    (key,) = parked_keys(shared_cache)
    assert shared_cache._expire_info[key] == clock.now + 24 * 3600


@pytest.mark.parametrize("cache", [None, "default", "raising", "same database"])
def test_without_a_shared_cache_the_process_keeps_the_token_and_reports_what_may_be_lost(
    user, parked, settings, responses, cache, caplog
):
    settings.CACHES = {
        **settings.CACHES,
        "raising": {"BACKEND": "tests.caches.RaisingCache"},
        "same database": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "no_such_table",
        },
    }
    settings.DANCE_CACHE = cache
    caplog.set_level("DEBUG")
    parked()
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "must connect again" in error.getMessage()
    for secret in ("renewed", "planted-rotated", "planted-refresh"):
        assert secret not in caplog.text
    assert "renewed" not in str(parking._kept)
    assert make_session(user).refresh()["access_token"] == "renewed"
    assert_stored(user)
    assert not parking._kept
    assert len(token_requests(responses)) == 1


def test_a_process_keeps_a_token_for_a_day_at_most(user, parked, pauses, responses):
    parked()
    pauses.passed += 24 * 3600
    responses.post(TOKEN_URL, json=token_fields("asked"))
    assert make_session(user).refresh()["access_token"] == "asked"


def test_a_parked_token_that_has_expired_meanwhile_is_stored_and_refreshed(
    user, parked, responses, shared_cache
):
    parked(expires_in=-5)
    responses.post(TOKEN_URL, json=token_fields("next"))
    assert make_session(user).refresh()["access_token"] == "next"
    (_, request) = token_requests(responses)
    assert "refresh_token=planted-rotated" in request.body
    assert_stored(user, "next")


# --- a parked token is used for its row only ------------------------------------------------------


def park(owner, replaces="planted", text="parked", refresh_token="planted-refresh-token"):
    """Park a token that replaces the stored one."""
    storage = ModelStorage()
    old = token_fields(replaces, refresh_token=refresh_token)
    storage._cache.park(storage._where(owner), owner.account, old, token_fields(text))
    assert storage.find_parked(owner, old)["access_token"] == text


def test_a_parked_token_is_not_used_if_the_row_has_another_refresh_token(user, api, shared_cache):
    park(store_expired_token(user), refresh_token="planted-earlier")
    assert make_session(user).refresh()["access_token"] == "renewed"
    assert not parked_keys(shared_cache)


def test_a_parked_token_is_not_used_for_another_owner(user, make_user, api, shared_cache):
    park(store_expired_token(user))
    grace = make_user("grace")
    store_expired_token(grace)
    store_expired_token(user, account="2")
    assert make_session(grace).refresh()["access_token"] == "renewed"
    assert make_session(user, "2").refresh()["access_token"] == "renewed"
    assert len(token_requests(api)) == 2


def test_a_disconnection_revokes_and_deletes_the_parked_token(user, revoked_tokens, shared_cache):
    park(store_expired_token(user))
    make_session(user).disconnect()
    assert revoked_tokens == ["parked"]
    assert not parked_keys(shared_cache)
    assert not OAuthToken.objects.exists()


@pytest.mark.parametrize("account", ["", "1"])
def test_a_disconnection_of_the_default_account_deletes_its_parked_token(
    user, revoked_tokens, shared_cache, account
):
    park(store_expired_token(user, account=account))
    make_session(user).disconnect()
    assert not parked_keys(shared_cache)


def test_a_new_dance_deletes_the_parked_token(user, member, api, shared_cache):
    park(store_expired_token(user))
    assert Dance(member).callback().status_code == 302
    assert not parked_keys(shared_cache)


def test_a_dead_grant_deletes_the_parked_token(user, responses, shared_cache):
    park(store_expired_token(user), refresh_token="planted-earlier")
    responses.post(TOKEN_URL, json={"error": "invalid_grant"}, status=400)
    with pytest.raises(AuthorizationRequired):
        make_session(user).refresh()
    assert not parked_keys(shared_cache)


@pytest.mark.parametrize("cache", ["shared", None])
def test_the_deletion_of_a_user_deletes_the_parked_token(user, shared_cache, settings, cache):
    settings.DANCE_CACHE = cache
    park(store_expired_token(user, account="1"))
    with transaction.atomic():
        user.delete()
        assert parked_keys(shared_cache) or parking._kept
    assert not parked_keys(shared_cache)
    assert not parking._kept


def test_a_deletion_that_is_rolled_back_keeps_the_parked_token(user, shared_cache):
    park(store_expired_token(user))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ModelStorage().delete(ResourceOwner(providers["github"], user=user))
        raise ZeroDivisionError
    assert parked_keys(shared_cache)


def test_a_row_that_is_gone_is_not_written_again(user, shared_cache, responses):
    park(store_expired_token(user))
    session = make_session(user)
    assert session.token
    OAuthToken.objects.all()._raw_delete("default")  # without a signal
    with pytest.raises(AuthorizationRequired):
        session.refresh()
    assert not OAuthToken.objects.exists()
    assert not responses.calls


def test_a_connection_that_ended_while_the_database_was_away_is_not_made_again(
    user, answers, proxy, pauses, revoked_tokens, shared_cache
):
    owner = store_expired_token(user)
    answers(proxy.go_away)

    def disconnect_on_another_host():
        proxy.come_back()
        run_concurrently(lambda: ModelStorage().delete(owner))

    pauses.at[3] = disconnect_on_another_host
    with pytest.raises(AuthorizationRequired):
        make_session(user).refresh()
    assert revoked_tokens == ["renewed"]
    assert not OAuthToken.objects.exists()
    assert not parked_keys(shared_cache)


def test_a_parked_token_is_not_open_to_a_program_that_moves_it(user, make_user, shared_cache, api):
    park(store_expired_token(user))
    (key,) = parked_keys(shared_cache)
    grace = make_user("grace")
    storage, owner = ModelStorage(), store_expired_token(grace)
    hers = storage._cache._parking_key(storage._where(owner), "")
    shared_cache.set(hers, shared_cache.get(key.partition(":1:")[2] or key))
    assert make_session(grace).refresh()["access_token"] == "renewed"


def test_a_token_that_is_still_valid_is_used_while_the_database_is_away(user, api, proxy):
    store_token(user)
    session = make_session(user)
    assert session.token
    proxy.go_away()
    with pytest.raises(Error):
        OAuthToken.objects.count()
    assert session.get("https://api.github.com/user").ok
