"""What a token can be lost by, or be mixed up with: transactions, threads, and other accounts."""

import copy
import json
import os
import pickle
import signal
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.models.signals import post_save, pre_save
from django.http import HttpResponse
from django.utils import timezone

from django_dance.connections import store_connection
from django_dance.exceptions import (
    AuthorizationRequired,
    DanceError,
    FlowError,
    OwnerRequired,
    ProviderUnavailable,
    StorageError,
    TokenRequestRefused,
)
from django_dance.middleware import OAuthMiddleware
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.sessions import OAuth
from django_dance.signals import oauth_authorized, token_refreshed
from django_dance.storage import FallbackStorage, ModelStorage
from django_dance.storage.lease import thread_lock
from django_dance.storage.transactions import defer_write, has_one_writer
from django_dance.tokens import ResourceOwner, Token

from ..conftest import GRANTED, TOKEN_URL, Dance
from ..models import SiteToken, TeamToken
from ..test_secrets import assert_clean, report

API = "https://api.github.com/user"
REVOCATION = "https://api.github.com/applications/github-client/token"

pytestmark = pytest.mark.django_db(transaction=True)


def granted(text="planted", **fields):
    return {**GRANTED, "access_token": text, "expires_at": time.time() + 3600, **fields}


def put(user, text="planted", account="", **fields):
    """Store a token, as if it had been danced for; the owner."""
    owner = ResourceOwner(providers["github"], user=user, account=account)
    known = {"connected_account": account} if account else {}
    ModelStorage().set(owner, granted(text, **{**known, **fields}))
    return owner


def over(user, text="planted", account="", **fields):
    return put(user, text, account, **{"expires_at": time.time() - 5, **fields})


def session(user, account=""):
    return providers["github"].session(user_id=user.pk, account=account)


def kept(user):
    return {row.account: row.token["access_token"] for row in user.oauth_tokens.all()}


def asked(responses):
    return [call.request for call in responses.calls if call.request.url == TOKEN_URL]


@pytest.fixture
def api(responses):
    """An API that answers, and a provider that rotates refresh tokens."""
    responses.get(API, json={"id": 1})
    renewed = {"access_token": "renewed", "refresh_token": "planted-rotated", "expires_in": 3600}
    responses.post(TOKEN_URL, json={**GRANTED, **renewed})
    return responses


@pytest.fixture
def request_of(rf):
    """A request, with a session that is stored."""

    def request_of(user=None, key=None):
        request = rf.get("/")
        request.session = SessionStore(key)
        if key is None:
            request.session.create()
        request.user = user or AnonymousUser()
        request.oauth = OAuth(request)
        return request

    return request_of


@pytest.fixture
def visitor(request_of):
    """A request of a visitor whose token is over."""
    request = request_of()
    request.oauth.github.token = granted("visitors", expires_in=-5)
    request.session.save()
    return request


def rolled_back(work):
    """A view that does this in a transaction of its own, and fails."""

    def view(request):
        try:
            with transaction.atomic():
                work(request)
                raise ZeroDivisionError
        except ZeroDivisionError:
            return HttpResponse(status=500)

    return view


def together(*jobs):
    """What each job returns, or raises, in a thread of its own."""
    outcomes = [None] * len(jobs)

    def run(place, job):
        try:
            outcomes[place] = job()
        except Exception as error:
            outcomes[place] = error
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=run, args=numbered, daemon=True) for numbered in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    return outcomes


def at_the_first(verb, what):
    """Calls ``what`` before the first statement of this kind on this thread's connection."""
    todo = [what]

    def wrapper(execute, sql, *args):
        if sql.startswith(verb) and todo:
            todo.pop()()
        return execute(sql, *args)

    return connection.execute_wrapper(wrapper)


# --- while it is asked whose token it is ----------------------------------------------------------


def whose(responses, refused, accounts):
    """The API refuses one access token, and says whose the others are."""

    def callback(request):
        text = request.headers["Authorization"].split()[-1]
        if text == refused:
            return 401, {}, "{}"
        return 200, {}, json.dumps({"id": accounts[text]})

    responses.add_callback("GET", API, callback)


def grants(responses, *texts):
    for text in texts:
        answer = {**GRANTED, "access_token": text, "refresh_token": f"planted-refresh-{text}"}
        responses.post(TOKEN_URL, json=answer)


def test_a_token_that_is_refreshed_meanwhile_is_the_one_that_is_kept(member, user, responses):
    grants(responses, "first", "second")
    whose(responses, "first", {"second": 1})
    assert Dance(member).callback().status_code == 302
    token = user.oauth_tokens.get().token
    assert token["access_token"] == "second"
    assert token["refresh_token"] == "planted-refresh-second"


def test_a_granted_token_is_refreshed_by_itself_and_not_by_another_accounts(
    member, user, responses
):
    put(user, "a", account="A")
    grants(responses, "b", "b2")
    whose(responses, "b", {"a": "A", "b2": "B"})
    assert Dance(member).callback().status_code == 302
    assert kept(user) == {"A": "a", "B": "b2"}
    assert "planted-refresh-b" in asked(responses)[-1].body


def test_what_a_receivers_call_has_refreshed_is_kept(member, user, responses):
    grants(responses, "first", "second")
    whose(responses, "first", {"second": 1})

    def receiver(sender, session, **arguments):
        assert session.get("/user").ok

    oauth_authorized.connect(receiver)
    try:
        assert Dance(member).callback().status_code == 302
    finally:
        oauth_authorized.disconnect(receiver)
    assert kept(user) == {"1": "second"}


def test_a_granted_token_that_cannot_be_refreshed_meanwhile_is_kept(member, user, responses):
    responses.post(TOKEN_URL, json=GRANTED)
    responses.post(TOKEN_URL, status=503)
    responses.get(API, status=401)
    assert Dance(member).callback().status_code == 302
    assert kept(user) == {"": GRANTED["access_token"]}


def test_a_granted_token_that_dies_takes_no_stored_one_along(user, responses):
    put(user, "a", account="A")
    responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    github = session(user)
    github.current_token.use_unsaved(Token(granted("b", expires_at=time.time() - 5)))
    with pytest.raises(AuthorizationRequired, match="revoked"):
        github.get(API)
    assert kept(user) == {"A": "a"}


def test_a_visitors_token_that_is_over_is_adopted_as_it_was_renewed(visitor, user, api):
    visitor.user = user
    assert visitor.oauth.adopt("github") == ["github"]
    token = user.oauth_tokens.get().token
    assert (token["access_token"], token["refresh_token"]) == ("renewed", "planted-rotated")


def test_a_visitors_token_is_adopted_beside_the_users_other_account(visitor, user, responses):
    put(user, "a", account="A")
    visitor.user = user
    grants(responses, "b2")
    whose(responses, None, {"a": "A", "b2": "B"})
    visitor.oauth.adopt("github")
    assert kept(user) == {"A": "a", "B": "b2"}


def test_a_visitor_whose_account_is_taken_keeps_the_renewed_token(
    visitor, user, make_user, api, request_of
):
    put(make_user("grace"), "theirs", account="1")
    visitor.user = user
    with pytest.raises(FlowError, match="account_taken"):
        visitor.oauth.adopt("github")
    visitor.session.save()
    again = request_of(key=visitor.session.session_key)
    assert again.oauth.github.access_token == "renewed"


# --- to adopt, with other storages ----------------------------------------------------------------


def test_to_adopt_within_the_session_makes_it_the_users(request_of, user, settings):
    settings.DANCE_STORAGE = "django_dance.storage.SessionStorage"
    request = request_of()
    request.oauth.github.token = granted()
    request.user = user
    assert request.oauth.adopt("github") == ["github"]
    assert OAuth(request).github.access_token == "planted"
    request.user = AnonymousUser()
    assert OAuth(request).github.token is None


def test_a_sites_token_is_nobodys_to_adopt(request_of, user, settings):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"model": "tests.SiteToken"},
    }
    request = request_of(user)
    request.oauth.github.token = granted()
    assert request.oauth.adopt() == []
    assert SiteToken.objects.count() == 1


def test_a_teams_token_is_nobodys_to_adopt(request_of, user, make_user, settings):
    team = make_user("team")
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"user_id": team.pk},
    }
    request = request_of(user)
    request.oauth.github.token = granted()
    assert request.oauth.adopt() == []
    assert kept(team) == {"": "planted"}


# --- two users, one account -----------------------------------------------------------------------


def test_of_two_who_connect_an_account_at_once_not_both_have_it(user, make_user, api):
    grace = make_user("grace")

    def just_now(sender, **arguments):
        post_save.disconnect(just_now, sender=OAuthToken)
        put(grace, "theirs", account="1")

    post_save.connect(just_now, sender=OAuthToken)
    with pytest.raises(FlowError, match="another user is connecting this account at the same time"):
        store_connection(session(user), Token(granted()))
    assert (kept(user), kept(grace)) == ({}, {"1": "theirs"})


# --- another account became the default -----------------------------------------------------------


@pytest.fixture
def revoked(responses):
    """The access tokens that were revoked."""
    texts = []

    def revoke(request):
        texts.append(json.loads(request.body)["access_token"])
        return 204, {}, ""

    responses.add_callback("DELETE", REVOCATION, revoke)
    return texts


def test_to_disconnect_ends_the_account_that_was_acted_for(user, revoked):
    put(user, "a", account="A")
    github = session(user)
    assert github.authorized
    put(user, "b", account="B")
    github.disconnect()
    assert (revoked, kept(user)) == (["a"], {"B": "b"})


def test_a_token_that_is_set_is_the_accounts_that_was_acted_for(user):
    put(user, "a", account="A")
    github = session(user)
    assert github.account_id == "A"
    put(user, "b", account="B")
    github.token = granted("a2")
    assert kept(user) == {"A": "a2", "B": "b"}


def test_to_disconnect_revokes_the_token_that_is_living(user, revoked):
    put(user, "old", account="A")
    github = session(user)
    assert github.authorized
    put(user, "new", account="A")  # another process has refreshed it
    github.disconnect()
    assert revoked == ["new"]


def test_to_disconnect_ends_a_token_that_cannot_be_read_too(user, settings):
    put(user)
    settings.DANCE_ENCRYPTION_KEYS = ["another key, and not the one that it was sealed with"]
    session(user).disconnect()
    assert not OAuthToken.objects.exists()


# --- what a session uses afterwards ---------------------------------------------------------------


def test_a_session_forgets_a_token_that_has_died(user, api):
    over(user)
    api.replace("POST", TOKEN_URL, status=400, json={"error": "invalid_grant"})
    github = session(user)
    with pytest.raises(AuthorizationRequired, match="revoked"):
        github.get(API)
    assert not github.authorized


def test_a_receiver_may_disconnect_what_was_refreshed(user, api, revoked):
    over(user)
    github = session(user)

    def receiver(sender, **arguments):
        github.disconnect()

    token_refreshed.connect(receiver)
    try:
        github.get(API)
    finally:
        token_refreshed.disconnect(receiver)
    assert revoked == ["renewed"]
    assert not OAuthToken.objects.exists()
    assert not github.authorized


def test_the_same_access_token_for_longer_is_a_renewed_one(user, api):
    over(user, GRANTED["access_token"])
    api.replace("POST", TOKEN_URL, json=GRANTED)
    first, second = session(user), session(user)
    assert first.token and second.token
    assert first.get(API).ok and second.get(API).ok
    assert len(asked(api)) == 1


def test_a_visitor_whose_session_is_not_saved_yet_has_the_renewed_token(rf, api):
    request = rf.get("/")
    request.session, request.user = SessionStore(), AnonymousUser()
    OAuth(request).github.token = granted(expires_in=-5)
    assert OAuth(request).github.get(API).ok
    assert OAuth(request).github.access_token == "renewed"


# --- beside a transaction that is rolled back -----------------------------------------------------


@pytest.mark.parametrize("storage", ["ModelStorage", "FallbackStorage"])
def test_a_view_that_logs_out_keeps_what_was_renewed(user, api, storage, settings, request_of):
    settings.DANCE_STORAGE = f"django_dance.storage.{storage}"
    over(user)

    @rolled_back
    def view(request):
        request.oauth.github.get(API)
        logout(request)

    OAuthMiddleware(view)(request_of(user))
    assert kept(user) == {"": "renewed"}


def test_another_account_that_was_written_changes_nothing(user, api, request_of):
    over(user, "a", account="A")
    put(user, "b", account="B")

    @rolled_back
    def view(request):
        request.oauth.github.account("B").token = granted("b2")
        request.oauth.github.account("A").get(API)

    OAuthMiddleware(view)(request_of(user))
    assert kept(user) == {"A": "renewed", "B": "b"}


def test_a_row_that_the_view_has_saved_is_written_again_after_it(user, api, request_of):
    over(user)

    @rolled_back
    def view(request):
        OAuthToken.objects.get().save()
        request.oauth.github.get(API)

    OAuthMiddleware(view)(request_of(user))
    assert kept(user) == {"": "renewed"}
    assert len(asked(api)) == 1


def test_a_job_that_wrote_another_account_keeps_what_was_renewed(several_writers, user, api):
    over(user, "a", account="A")
    other = put(user, "b", account="B")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ModelStorage().delete(other)
        session(user, "A").get(API)
        raise ZeroDivisionError
    assert kept(user) == {"A": "renewed", "B": "b"}


@pytest.mark.parametrize("fails", [True, False])
def test_a_session_that_the_view_has_saved_keeps_the_renewed_token(
    visitor, api, rf, request_of, fails
):
    key = visitor.session.session_key

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
        return (rolled_back(work) if fails else passes)(request)

    request = rf.get("/")
    request.COOKIES["sessionid"] = key
    SessionMiddleware(OAuthMiddleware(view))(request)
    assert request_of(key=key).oauth.github.access_token == "renewed"
    assert len(asked(api)) == 1


def test_a_session_that_is_locked_is_saved_after_the_view(visitor, api, request_of, monkeypatch):
    save, locked = SessionStore.save, [UpdateError]

    def save_later(self, must_create=False):
        if locked:
            raise locked.pop()
        save(self, must_create)

    key = visitor.session.session_key
    monkeypatch.setattr(SessionStore, "save", save_later)
    OAuthMiddleware(lambda request: request.oauth.github.get(API))(request_of(key=key))
    assert request_of(key=key).oauth.github.access_token == "renewed"


def test_a_session_that_ends_while_it_is_saved_stays_ended(visitor, api, monkeypatch, revoked):
    def end(self, must_create=False):
        self.delete()
        raise UpdateError

    monkeypatch.setattr(SessionStore, "save", end)
    with pytest.raises(AuthorizationRequired, match="revoked"):
        OAuth(visitor).github.get(API)
    assert revoked == ["renewed"]


def test_without_autocommit_it_is_stored_beside_as_well(several_writers, user, api, monkeypatch):
    over(user)
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)
    transaction.set_autocommit(False)
    try:
        assert session(user).get(API).ok
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert kept(user) == {"": "renewed"}


def test_what_cannot_be_stored_again_replaces_no_response(rf, caplog):
    done = []

    def fail():
        raise OperationalError("the disk is full")

    def view(request):
        defer_write(request, fail)
        defer_write(request, lambda: done.append("the other"))
        return HttpResponse("fine")

    assert OAuthMiddleware(view)(rf.get("/")).content == b"fine"
    assert done == ["the other"]
    assert "a refreshed token could not be stored again after the view" in caplog.text


# --- a connection of its own ----------------------------------------------------------------------


class PreparedStorage(ModelStorage):
    """Notes what it was called with."""

    prepared = []

    def prepare_connection(self, connection, beside):
        self.prepared.append((connection, beside))


class PreparedFallbackStorage(FallbackStorage):
    """Notes what it was called with."""

    prepared = PreparedStorage.prepared

    def prepare_connection(self, connection, beside):
        self.prepared.append((connection, beside))


PREPARED = [
    PreparedStorage,
    PreparedFallbackStorage,
    {"BACKEND": PreparedStorage, "OPTIONS": {"user_required": False}},
]


@pytest.mark.parametrize("storage", PREPARED, ids=["table", "fallback", "no required user"])
def test_a_site_may_prepare_it(several_writers, user, api, settings, storage):
    PreparedStorage.prepared.clear()
    settings.DANCE_STORAGE = storage
    over(user)
    with transaction.atomic():
        assert session(user).get(API).ok
    ((own, beside),) = PreparedStorage.prepared
    assert beside is connections["default"]
    assert own is not beside


def test_a_tenant_of_django_tenants_is_handed_on():
    handed = []
    beside = SimpleNamespace(tenant="acme")
    for storage in (ModelStorage(), FallbackStorage()):
        storage.prepare_connection(SimpleNamespace(set_tenant=handed.append), beside)
    assert handed == ["acme", "acme"]


def test_it_is_not_from_a_pool_that_the_views_have_emptied(
    connection_pools, user, api, monkeypatch
):
    over(user)
    pool = {"pool": {"min_size": 1, "max_size": 1, "timeout": 60}}
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", pool)
    try:
        with transaction.atomic():
            assert OAuthToken.objects.exists()
            assert session(user).get(API).ok
    finally:
        connection.close()
        connection.close_pool()
        monkeypatch.undo()
    assert kept(user) == {"": "renewed"}


def test_a_locked_row_of_a_model_without_a_lease_is_found_out_before_the_provider_is_asked(
    several_writers, short_lock_timeout, user, api, settings, request_of
):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"model": "tests.TeamToken"},
    }
    session(user).token = granted(expires_in=-5)
    with pytest.raises(StorageError, match="end the transaction first"), transaction.atomic():
        TeamToken.objects.select_for_update().get()
        session(user).get(API)
    assert not asked(api)


# --- who must not wait ----------------------------------------------------------------------------


def has_written_and_refreshes(user):
    def job():
        with transaction.atomic():
            OAuthToken.objects.get().save()
            return session(user).get(API)

    return job


def test_who_has_written_the_row_does_not_wait_for_another_thread(user, api):
    with thread_lock(over(user)):
        (outcome,) = together(has_written_and_refreshes(user))
    assert isinstance(outcome, ProviderUnavailable)
    assert "Commit or roll back" in str(outcome)


def test_who_has_written_the_row_does_not_wait_for_another_process(user, api):
    over(user)
    another = {"lease": "another's", "lease_until": timezone.now() + timedelta(seconds=30)}
    OAuthToken.objects.update(**another)
    (outcome,) = together(has_written_and_refreshes(user))
    assert isinstance(outcome, ProviderUnavailable)
    assert "Commit or roll back" in str(outcome)


def test_two_who_wait_for_each_other_come_to_an_end(user, api):
    over(user)
    written, waits = threading.Event(), threading.Event()

    def writes():
        with transaction.atomic():
            OAuthToken.objects.get().save()
            written.set()
            assert waits.wait(30)
            return session(user).get(API)

    def refreshes():
        assert written.wait(30)
        with at_the_first("UPDATE", waits.set):  # the lease, when the threads are held off already
            return session(user).get(API)

    refused, answered = together(writes, refreshes)
    assert isinstance(refused, ProviderUnavailable)
    assert answered.ok
    assert kept(user) == {"": "renewed"}


# --- leases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("until", [None, timedelta(days=365)], ids=["never", "in a year"])
def test_a_lease_that_nobody_can_mean_keeps_nobody_waiting(user, api, until):
    over(user)
    OAuthToken.objects.update(lease="another's", lease_until=until and timezone.now() + until)
    (answer,) = together(lambda: session(user).get(API))
    assert answer.ok


def test_a_lease_is_not_waited_for_for_ever(user):
    owner = put(user)
    until = timezone.now() + timedelta(seconds=9.5)
    OAuthToken.objects.update(lease="another's", lease_until=until)

    def wait():
        with ModelStorage().lease(owner, 1):
            pass

    (outcome,) = together(wait)
    assert isinstance(outcome, ProviderUnavailable)
    assert "Another thread or process is refreshing GitHub's token" in str(outcome)


def test_who_waits_for_a_row_that_is_deleted_goes_on(user):
    owner, waits = put(user), threading.Event()
    until = timezone.now() + timedelta(seconds=50)
    OAuthToken.objects.update(lease="another's", lease_until=until)

    def wait():
        with at_the_first("UPDATE", waits.set), ModelStorage().lease(owner, 60):
            return ModelStorage().reread(owner)

    def delete():
        assert waits.wait(30)
        ModelStorage().delete(owner)

    assert together(wait, delete) == [None, None]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that is what is shown to be safe
def test_a_child_process_does_not_wait_for_a_thread_of_its_parent(fork, user):
    owner, inside, go = put(user), threading.Event(), threading.Event()

    def hold():
        with thread_lock(owner):
            inside.set()
            assert go.wait(60)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert inside.wait(30)
    child = fork()
    if not child:
        try:
            signal.alarm(60)
            with thread_lock(owner):
                os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    go.set()
    thread.join(60)
    assert status == 0


# --- rows -----------------------------------------------------------------------------------------


def test_to_save_an_instance_that_was_read_before_brings_no_old_token_back(user):
    owner = put(user, "old")
    row = OAuthToken.objects.get()
    put(user, "new", expires_at=1, scope="repo")
    row.last_error = "old"
    row.save()
    assert ModelStorage().get(owner)["access_token"] == "new"
    row.refresh_from_db()
    assert (row.scope, row.expires_at.timestamp(), row.last_error) == ("repo", 1, "")


def test_to_save_an_instance_that_was_read_before_ends_no_lease(user):
    owner = put(user)
    row = OAuthToken.objects.get()
    with ModelStorage().lease(owner, 5):
        row.save()
        assert OAuthToken.objects.get().lease


def test_to_save_an_instance_writes_the_token_that_it_was_given(user):
    put(user, "old")
    row = OAuthToken.objects.get()
    row.token = granted("new")
    row.save()
    assert kept(user) == {"": "new"}


def test_to_save_an_instance_fetches_no_deferred_column(user):
    put(user)
    row = OAuthToken.objects.defer("token").get()
    row.save()
    assert row.get_deferred_fields() == {"token"}


def test_a_row_that_was_deleted_is_not_made_again_by_saving_it(user):
    owner = put(user)
    row = OAuthToken.objects.get()
    ModelStorage().delete(owner)
    with pytest.raises(DatabaseError, match="did not affect any rows"):
        row.save()
    assert not OAuthToken.objects.exists()


def test_a_row_that_vanishes_while_it_is_written_is_made_anew(user):
    owner = put(user)

    def vanish(sender, instance, **arguments):
        pre_save.disconnect(vanish, sender=OAuthToken)
        OAuthToken.objects.filter(pk=instance.pk)._raw_delete("default")

    pre_save.connect(vanish, sender=OAuthToken)
    with transaction.atomic():
        ModelStorage().set(owner, granted("new"))
    assert kept(user) == {"": "new"}


def test_a_database_that_fails_is_not_taken_for_a_row_that_is_gone(user):
    owner = put(user)

    def fail():
        raise DatabaseError("the disk is full") from OSError()

    with pytest.raises(DatabaseError, match="the disk is full"), at_the_first("UPDATE", fail):
        ModelStorage().set(owner, granted("new"))


# --- a database with one writer -------------------------------------------------------------------


def test_what_was_renewed_is_stored_though_another_was_writing_for_long(one_writer, user, api):
    owner = over(user)

    def locked():
        raise OperationalError("database is locked")

    github = session(user)
    with ModelStorage().lease(owner, 5), at_the_first("UPDATE", locked):
        old = github.token
        assert ModelStorage().replace(owner, old, granted("renewed"))
    assert kept(user) == {"": "renewed"}


def test_a_database_that_stays_locked_is_not_asked_for_ever(user):
    owner, refused = put(user), []

    def locked(execute, sql, *args):
        if sql.startswith("UPDATE"):
            refused.append(sql)
            raise OperationalError("database is locked")
        return execute(sql, *args)

    with pytest.raises(OperationalError, match="locked"), connection.execute_wrapper(locked):
        ModelStorage().replace(owner, granted(), granted("new"))
    assert len(refused) == (10 if has_one_writer("default") else 1)


# --- odd notes, odd owners ------------------------------------------------------------------------


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
def test_a_field_of_ours_that_is_odd_breaks_no_refresh(user, api, odd, answer):
    over(user, **odd)
    api.replace("POST", TOKEN_URL, **answer)
    with pytest.raises(DanceError):
        session(user).refresh()


def test_declined_scopes_that_are_no_list_are_none(user):
    put(user, declined_scope=None)
    with pytest.raises(AuthorizationRequired, match="missing_scopes"):
        session(user).require("repo")


def test_a_refresh_token_alone_brings_an_access_token(user, api):
    session(user).token = {"refresh_token": "planted-refresh-token", "expires_in": -5}
    assert session(user).get(API).ok
    assert kept(user) == {"": "renewed"}


def test_a_pause_that_a_clock_of_the_future_has_noted_is_passed_over(user, api):
    over(user, retry_at=time.time() + 10**8, failures=1, last_error="x")
    assert session(user).get(API).ok


def test_who_is_no_key_of_a_user_is_nobody():
    owner = ResourceOwner(providers["github"], user_id="ada")
    with pytest.raises(OwnerRequired, match="'ada' is not a valid primary key"):
        ModelStorage().get(owner)


def test_a_copy_of_an_owner_is_the_owner(user):
    owner = ResourceOwner(providers["github"], user_id=user.pk)
    assert copy.copy(owner) is owner


@pytest.mark.parametrize(
    "make",
    [
        lambda: AuthorizationRequired(providers["github"], "missing_scopes", ("repo",)),
        lambda: ProviderUnavailable("not now"),
        lambda: StorageError("the row is locked"),
        lambda: FlowError("account_taken", "by another user"),
        lambda: TokenRequestRefused("refused", error="invalid_client"),
    ],
    ids=["required", "unavailable", "storage", "flow", "refused"],
)
def test_an_error_comes_back_from_a_queue_as_it_was(make):
    error = make()
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert isinstance(again, DanceError)
    assert vars(again) == vars(error)


# --- what prints ----------------------------------------------------------------------------------


@pytest.mark.parametrize("storage", ["ModelStorage", "SessionStorage"])
def test_a_token_that_cannot_be_sealed_is_not_reported(user, settings, request_of, storage):
    settings.DANCE_STORAGE = f"django_dance.storage.{storage}"
    github = request_of(user).oauth.github
    settings.DANCE_ENCRYPTION_KEYS = "no list"
    try:
        github.token = Token.granted(GRANTED)
    except Exception as error:
        text = report(error)
    assert "DANCE_ENCRYPTION_KEYS" in text
    assert_clean(text)


# --- one after the other --------------------------------------------------------------------------


def test_a_transaction_of_the_same_decorator_is_another_one(user, api):
    job = transaction.atomic(lambda work: work())
    job(lambda: over(user))

    def fail():
        session(user).get(API)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        job(fail)
    # With one writer the new token is stored within the transaction, and is rolled back with it.
    assert kept(user) == {"": "planted" if has_one_writer("default") else "renewed"}


def test_what_a_savepoint_has_written_is_forgotten_with_it(user):
    owner, storage = put(user, "before"), ModelStorage()
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            storage.set(owner, granted("within"))
            assert storage._cache.was_written({"provider": "github", "user_id": user.pk})
            raise ZeroDivisionError
        assert not storage._cache.was_written({"provider": "github", "user_id": user.pk})


def test_a_token_that_dies_while_the_account_is_asked_for_ends_the_dance(member, responses, events):
    answers = iter([(200, GRANTED), (400, {"error": "invalid_grant"})])

    def answer(request):
        status, fields = next(answers)
        return status, {}, json.dumps(fields)

    responses.add_callback("POST", TOKEN_URL, answer)
    responses.get(API, status=401)
    assert Dance(member).callback().status_code == 400
    assert events.codes == ["account_unknown"]
    assert not OAuthToken.objects.exists()


def test_a_visitors_token_that_is_dead_is_not_adopted(visitor, user, responses):
    responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    visitor.user = user
    with pytest.raises(FlowError, match="account_unknown"):
        visitor.oauth.adopt("github")
    assert not OAuthToken.objects.exists()
    assert "github_oauth_token" not in visitor.session


def test_saving_a_row_whose_token_was_not_loaded_changes_nothing_of_it(user):
    owner = put(user, "before", scope=["old"])
    row = OAuthToken.objects.defer("token").get()
    ModelStorage().set(owner, granted("after", scope=["new"]))
    row.save()
    row = OAuthToken.objects.get()
    assert (row.token["access_token"], row.scope) == ("after", "new")
