"""A refreshed token is stored even if the transaction of the view rolls back."""

from types import SimpleNamespace

import pytest
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import OperationalError, connection, connections, transaction
from django.http import HttpResponse

from django_dance.exceptions import AuthorizationRequired, StorageError
from django_dance.middleware import OAuthMiddleware
from django_dance.models import OAuthToken
from django_dance.sessions import OAuth
from django_dance.storage import FallbackStorage, ModelStorage
from django_dance.storage.transactions import defer_write, has_one_writer

from ..conftest import (
    API,
    before_first,
    in_failing_transaction,
    make_session,
    store_expired_token,
    store_token,
    token_fields,
    token_requests,
    tokens_of,
)
from ..models import TeamToken

pytestmark = pytest.mark.django_db(transaction=True)


# --- beside a transaction that is rolled back -----------------------------------------------------


@pytest.mark.parametrize("storage", ["ModelStorage", "FallbackStorage"])
def test_a_token_refreshed_before_a_logout_survives_the_rollback(
    user, api, storage, settings, make_request
):
    settings.DANCE_STORAGE = f"django_dance.storage.{storage}"
    store_expired_token(user)

    @in_failing_transaction
    def view(request):
        request.oauth.github.get(API)
        logout(request)

    OAuthMiddleware(view)(make_request(user))
    assert tokens_of(user) == {"": "renewed"}


def test_writing_another_account_does_not_lose_the_refreshed_token(user, api, make_request):
    store_expired_token(user, "a", account="A")
    store_token(user, "b", account="B")

    @in_failing_transaction
    def view(request):
        request.oauth.github.account("B").token = token_fields("b2")
        request.oauth.github.account("A").get(API)

    OAuthMiddleware(view)(make_request(user))
    assert tokens_of(user) == {"A": "renewed", "B": "b"}


def test_the_refreshed_token_of_a_row_that_the_view_saved_is_stored_again(user, api, make_request):
    store_expired_token(user)

    @in_failing_transaction
    def view(request):
        OAuthToken.objects.get().save()
        request.oauth.github.get(API)

    OAuthMiddleware(view)(make_request(user))
    assert tokens_of(user) == {"": "renewed"}
    assert len(token_requests(api)) == 1


def test_a_refreshed_token_survives_the_rollback_of_a_write_to_another_account(
    several_writers, user, api
):
    store_expired_token(user, "a", account="A")
    other = store_token(user, "b", account="B")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ModelStorage().delete(other)
        make_session(user, "A").get(API)
        raise ZeroDivisionError
    assert tokens_of(user) == {"A": "renewed", "B": "b"}


@pytest.mark.parametrize("fails", [True, False])
def test_a_session_that_the_view_saved_has_the_refreshed_token(
    visitor_request, api, rf, make_request, fails
):
    key = visitor_request.session.session_key

    def work(request):
        request.session["seen"] = 1
        request.session.save()
        request.oauth.github.get(API)

    def passes(request):
        with transaction.atomic():
            work(request)
        return HttpResponse()

    def view(request):
        request.user = AnonymousUser()
        return (in_failing_transaction(work) if fails else passes)(request)

    request = rf.get("/")
    request.COOKIES["sessionid"] = key
    SessionMiddleware(OAuthMiddleware(view))(request)
    assert make_request(key=key).oauth.github.access_token == "renewed"
    assert len(token_requests(api)) == 1


def test_a_session_that_cannot_be_saved_at_once_is_saved_after_the_view(
    visitor_request, api, make_request, monkeypatch
):
    save, raise_locked = SessionStore.save, [UpdateError]

    def save_later(self, must_create=False):
        if raise_locked:
            raise raise_locked.pop()
        save(self, must_create)

    key = visitor_request.session.session_key
    monkeypatch.setattr(SessionStore, "save", save_later)
    OAuthMiddleware(lambda request: request.oauth.github.get(API))(make_request(key=key))
    assert make_request(key=key).oauth.github.access_token == "renewed"


def test_a_refreshed_token_is_revoked_if_its_session_has_ended(
    visitor_request, api, monkeypatch, revoked_tokens
):
    def end(self, must_create=False):
        self.delete()
        raise UpdateError

    monkeypatch.setattr(SessionStore, "save", end)
    with pytest.raises(AuthorizationRequired, match="revoked"):
        OAuth(visitor_request).github.get(API)
    assert revoked_tokens == ["renewed"]


def test_a_refreshed_token_is_stored_without_autocommit_too(
    several_writers, user, api, monkeypatch
):
    store_expired_token(user)
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)
    transaction.set_autocommit(False)
    try:
        assert make_session(user).get(API).ok
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert tokens_of(user) == {"": "renewed"}


def test_a_deferred_write_that_fails_does_not_change_the_response(rf, caplog):
    done = []

    def fail():
        raise OperationalError("the disk is full")

    def view(request):
        defer_write(request, fail)
        defer_write(request, lambda: done.append("the other"))
        return HttpResponse("fine")

    assert OAuthMiddleware(view)(rf.get("/")).content == b"fine"
    assert done == ["the other"]
    assert "a write could not be repeated after the view" in caplog.text


# --- a connection of its own ----------------------------------------------------------------------


class PreparedStorage(ModelStorage):
    """Records the arguments of ``prepare_connection``."""

    prepared = []

    def prepare_connection(self, connection, beside):
        self.prepared.append((connection, beside))


class PreparedFallbackStorage(FallbackStorage):
    """Records the arguments of ``prepare_connection``."""

    prepared = PreparedStorage.prepared

    def prepare_connection(self, connection, beside):
        self.prepared.append((connection, beside))


PREPARED = [
    PreparedStorage,
    PreparedFallbackStorage,
    {"BACKEND": PreparedStorage, "OPTIONS": {"user_required": False}},
]


@pytest.mark.parametrize("storage", PREPARED, ids=["table", "fallback", "no required user"])
def test_a_storage_may_prepare_the_separate_connection(
    several_writers, user, api, settings, storage
):
    PreparedStorage.prepared.clear()
    settings.DANCE_STORAGE = storage
    store_expired_token(user)
    with transaction.atomic():
        assert make_session(user).get(API).ok
    # One for the refresh, and one to store that the account call accepted the token.
    assert len(PreparedStorage.prepared) == 2
    for own, beside in PreparedStorage.prepared:
        assert beside is connections["default"]
        assert own is not beside


def test_the_separate_connection_gets_the_tenant_of_django_tenants():
    handed = []
    beside = SimpleNamespace(tenant="acme")
    for storage in (ModelStorage(), FallbackStorage()):
        storage.prepare_connection(SimpleNamespace(set_tenant=handed.append), beside)
    assert handed == ["acme", "acme"]


def test_the_separate_connection_needs_no_free_connection_of_the_pool(
    connection_pools, user, api, monkeypatch
):
    store_expired_token(user)
    pool = {"pool": {"min_size": 1, "max_size": 1, "timeout": 60}}
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", pool)
    try:
        with transaction.atomic():
            assert OAuthToken.objects.exists()
            assert make_session(user).get(API).ok
    finally:
        connection.close()
        connection.close_pool()
        monkeypatch.undo()
    assert tokens_of(user) == {"": "renewed"}


def test_a_row_locked_by_the_view_raises_an_error_before_the_refresh_request(
    several_writers, short_lock_timeout, user, api, settings, make_request
):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"model": "tests.TeamToken"},
    }
    make_session(user).token = token_fields(expires_in=-5)
    with pytest.raises(StorageError, match="end the transaction first"), transaction.atomic():
        TeamToken.objects.select_for_update().get()
        make_session(user).get(API)
    assert not token_requests(api)


# --- a database with one writer -------------------------------------------------------------------


def test_storing_a_refreshed_token_is_retried_when_the_database_is_locked(one_writer, user, api):
    owner = store_expired_token(user)

    def raise_locked():
        raise OperationalError("database is locked")

    github = make_session(user)
    with ModelStorage().lease(owner, 5), before_first("UPDATE", raise_locked):
        old = github.token
        assert ModelStorage().replace(owner, old, token_fields("renewed"))
    assert tokens_of(user) == {"": "renewed"}


def test_storing_a_refreshed_token_is_not_retried_for_ever(user):
    owner, refused = store_token(user), []

    def raise_locked(execute, sql, *args):
        if sql.startswith("UPDATE"):
            refused.append(sql)
            raise OperationalError("database is locked")
        return execute(sql, *args)

    with pytest.raises(OperationalError, match="locked"), connection.execute_wrapper(raise_locked):
        ModelStorage().replace(owner, token_fields(), token_fields("new"))
    assert len(refused) == (10 if has_one_writer("default") else 1)


# --- transactions and savepoints ------------------------------------------------------------------


def test_two_transactions_of_one_decorator_are_told_apart(user, api):
    job = transaction.atomic(lambda work: work())
    job(lambda: store_expired_token(user))

    def fail():
        make_session(user).get(API)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        job(fail)
    # With one writer the new token is stored within the transaction, and is rolled back with it.
    assert tokens_of(user) == {"": "planted" if has_one_writer("default") else "renewed"}


def test_a_rolled_back_savepoint_leaves_no_mark_of_its_write(user):
    owner, storage = store_token(user, "before"), ModelStorage()
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            storage.set(owner, token_fields("within"))
            assert storage._cache.was_written({"provider": "github", "user_id": user.pk})
            raise ZeroDivisionError
        assert not storage._cache.was_written({"provider": "github", "user_id": user.pk})
