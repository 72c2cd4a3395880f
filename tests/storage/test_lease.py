"""The lease of a token: it delays other refreshes, and it ends."""

import os
import signal
import threading
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from django_dance.exceptions import ProviderUnavailable
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.storage.lease import thread_lock
from django_dance.tokens import ResourceOwner

from ..conftest import (
    API,
    before_first,
    make_session,
    run_concurrently,
    store_expired_token,
    store_token,
    tokens_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner(user):
    owner = ResourceOwner(providers["github"], user=user)
    ModelStorage().set(owner, {"access_token": "planted"})
    return owner


def test_a_lease_whose_holder_died_expires(owner):
    OAuthToken.objects.update(
        lease="another's", lease_until=timezone.now() + timedelta(seconds=0.3)
    )
    with ModelStorage().lease(owner, 60):
        row = OAuthToken.objects.get()
        assert row.lease not in ("", "another's")
        assert row.lease_until > timezone.now()
    assert OAuthToken.objects.get().lease == ""


def test_a_lease_that_another_process_took_is_not_released(owner):
    with ModelStorage().lease(owner, 5):
        OAuthToken.objects.update(lease="another's")
    assert OAuthToken.objects.get().lease == "another's"


def test_the_lease_of_a_deleted_row_is_free(owner):
    ModelStorage().delete(owner)
    with ModelStorage().lease(owner, 5):
        assert not OAuthToken.objects.exists()


def test_storing_a_token_does_not_end_the_lease(owner):
    with ModelStorage().lease(owner, 5):
        ModelStorage().set(owner, {"access_token": "newer"})
        assert OAuthToken.objects.get().lease


# --- a thread that has written the row does not wait ----------------------------------------------


def write_row_and_refresh(user):
    def job():
        with transaction.atomic():
            OAuthToken.objects.get().save()
            return make_session(user).get(API)

    return job


def test_a_transaction_that_wrote_the_row_does_not_wait_for_another_thread(user, api):
    with thread_lock(store_expired_token(user)):
        (outcome,) = run_concurrently(write_row_and_refresh(user))
    assert isinstance(outcome, ProviderUnavailable)
    assert "Commit or roll back" in str(outcome)


def test_a_transaction_that_wrote_the_row_does_not_wait_for_another_process(user, api):
    store_expired_token(user)
    another = {"lease": "another's", "lease_until": timezone.now() + timedelta(seconds=30)}
    OAuthToken.objects.update(**another)
    (outcome,) = run_concurrently(write_row_and_refresh(user))
    assert isinstance(outcome, ProviderUnavailable)
    assert "Commit or roll back" in str(outcome)


def test_two_threads_that_wait_for_each_other_end(user, api):
    store_expired_token(user)
    written, waits = threading.Event(), threading.Event()

    def writes():
        with transaction.atomic():
            OAuthToken.objects.get().save()
            written.set()
            assert waits.wait(30)
            return make_session(user).get(API)

    def refreshes():
        assert written.wait(30)
        with before_first(
            "UPDATE", waits.set
        ):  # of the lease: the lock of the threads is taken already
            return make_session(user).get(API)

    refused, answered = run_concurrently(writes, refreshes)
    assert isinstance(refused, ProviderUnavailable)
    assert answered.ok
    assert tokens_of(user) == {"": "renewed"}


# --- odd leases, deleted rows, forks --------------------------------------------------------------


@pytest.mark.parametrize("until", [None, timedelta(days=365)], ids=["never", "in a year"])
def test_an_impossible_lease_delays_no_refresh(user, api, until):
    store_expired_token(user)
    OAuthToken.objects.update(lease="another's", lease_until=until and timezone.now() + until)
    (answer,) = run_concurrently(lambda: make_session(user).get(API))
    assert answer.ok


def test_waiting_for_a_lease_ends_with_an_error(user):
    owner = store_token(user)
    until = timezone.now() + timedelta(seconds=9.5)
    OAuthToken.objects.update(lease="another's", lease_until=until)

    def wait():
        with ModelStorage().lease(owner, 1):
            pass

    (outcome,) = run_concurrently(wait)
    assert isinstance(outcome, ProviderUnavailable)
    assert "Another thread or process is refreshing GitHub's token" in str(outcome)


def test_waiting_for_a_lease_ends_when_the_row_is_deleted(user):
    owner, waits = store_token(user), threading.Event()
    until = timezone.now() + timedelta(seconds=50)
    OAuthToken.objects.update(lease="another's", lease_until=until)

    def wait():
        with before_first("UPDATE", waits.set), ModelStorage().lease(owner, 60):
            return ModelStorage().reread(owner)

    def delete():
        assert waits.wait(30)
        ModelStorage().delete(owner)

    assert run_concurrently(wait, delete) == [None, None]


@pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # the test shows that forking is safe
def test_a_forked_process_does_not_wait_for_a_thread_of_its_parent(fork, user):
    owner, inside, go = store_token(user), threading.Event(), threading.Event()

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
