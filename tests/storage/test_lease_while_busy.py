"""The lease of a token: how long it lasts, and how a storage waits for it."""

import sqlite3
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import caches
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from django_dance.exceptions import DanceError, ProviderUnavailable
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.storage import lease as lease_module
from django_dance.tokens import ResourceOwner

from ..conftest import GRANTED, TOKEN_URL

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 8, 5, 12, tzinfo=UTC)


@pytest.fixture
def owner(user):
    owner = ResourceOwner(providers["github"], user=user)
    ModelStorage().set(owner, GRANTED)
    return owner


@pytest.fixture
def now(monkeypatch):
    """The time stands still."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    return NOW


@pytest.fixture
def clock(monkeypatch):
    """The clock of the storage: only the sleep of the storage moves it."""
    clock = SimpleNamespace(now=1000.0, slept=[])

    def sleep(seconds):
        clock.slept.append(seconds)
        clock.now += seconds

    clock.sleep, clock.monotonic = sleep, lambda: clock.now
    monkeypatch.setattr(lease_module, "time", clock)
    return clock


# --- how long ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("timeout", "seconds"), [(10, 35), (2, 11), (2.5, 12.5)])
def test_the_lease_is_longer_than_a_refresh_can_take(
    owner, responses, settings, now, timeout, seconds
):
    """To connect, to shake hands and to answer: each may take as long as the timeout."""
    settings.DANCE_TIMEOUT = timeout
    leased = []

    def answer(request):
        row = OAuthToken.objects.get()
        leased.append((bool(row.lease), row.lease_until))
        return 200, {}, '{"access_token": "new", "token_type": "bearer"}'

    responses.add_callback("POST", TOKEN_URL, answer)
    providers["github"].session(user_id=owner.user_id).refresh()
    assert leased == [(True, now + timedelta(seconds=seconds))]
    row = OAuthToken.objects.get()
    assert (row.lease, row.lease_until) == ("", None)
    assert row.token["access_token"] == "new"


@pytest.mark.parametrize("outcome", ["refused", "unavailable", "dead"])
def test_the_lease_ends_when_the_refresh_fails(owner, responses, outcome):
    status, error = {
        "refused": (400, "invalid_scope"),
        "unavailable": (503, "temporarily_unavailable"),
        "dead": (400, "invalid_grant"),
    }[outcome]
    responses.post(TOKEN_URL, json={"error": error}, status=status)
    session = providers["github"].session(user_id=owner.user_id)
    with pytest.raises(DanceError):
        session.refresh()
    assert not OAuthToken.objects.exclude(lease="", lease_until=None).exists()
    assert OAuthToken.objects.active().exists() is (outcome != "dead")


def test_a_lease_ends_when_the_work_fails(owner):
    with pytest.raises(ZeroDivisionError), ModelStorage().lease(owner, 5):
        assert OAuthToken.objects.get().lease
        raise ZeroDivisionError
    assert OAuthToken.objects.get().lease == ""


def test_each_lease_has_a_name_of_its_own(owner):
    names = []
    for _ in range(3):
        with ModelStorage().lease(owner, 5):
            names.append(OAuthToken.objects.get().lease)
    assert len(set(names)) == 3
    assert {len(name) for name in names} == {32}


# --- whether it is free --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "free"),
    [
        (timedelta(seconds=-1), True),
        (timedelta(0), False),
        (timedelta(seconds=1), False),
        (timedelta(seconds=50), False),
        # No lease is so long: the clock of its holder was wrong.
        (timedelta(seconds=51), True),
        (None, True),
    ],
)
def test_an_expired_lease_is_free(owner, now, clock, until, free):
    until = None if until is None else now + until
    OAuthToken.objects.update(lease="another's", lease_until=until)
    with ExitStack() as stack:
        if not free:
            stack.enter_context(
                pytest.raises(ProviderUnavailable, match="Another thread or process")
            )
        with ModelStorage().lease(owner, 5):
            assert clock.slept == []
            row = OAuthToken.objects.get()
            assert row.lease != "another's"
            assert row.lease_until == now + timedelta(seconds=5)
    assert bool(clock.slept) is not free


def test_a_lease_without_a_name_is_free(owner, now, clock):
    OAuthToken.objects.update(lease="", lease_until=now + timedelta(seconds=1))
    with ModelStorage().lease(owner, 5):
        assert OAuthToken.objects.get().lease
    assert clock.slept == []


# --- waiting for another holder ------------------------------------------------------------------


def test_the_storage_waits_twice_as_long_as_a_lease_can_last(owner, now, clock):
    OAuthToken.objects.update(lease="another's", lease_until=now + timedelta(seconds=9))
    with pytest.raises(ProviderUnavailable, match="Another thread or process is refreshing"):
        with ModelStorage().lease(owner, 5):
            pytest.fail("the lease is another's")
    waited = sum(clock.slept)
    assert 10 < waited <= 10.25
    # First quickly, then a few times a second, and not all at the same moments.
    assert 0.005 <= clock.slept[0] <= 0.01
    assert max(clock.slept) <= 0.25
    assert 40 <= len(clock.slept) <= 100
    assert len(set(clock.slept)) > 20
    assert OAuthToken.objects.get().lease == "another's"


def test_a_waiting_storage_takes_the_lease_when_it_is_released(owner, now, clock):
    OAuthToken.objects.update(lease="another's", lease_until=now + timedelta(seconds=9))
    sleep = clock.sleep

    def give_back(seconds):
        sleep(seconds)
        if len(clock.slept) == 3:
            OAuthToken.objects.update(lease="", lease_until=None)

    clock.sleep = give_back
    with ModelStorage().lease(owner, 5):
        assert OAuthToken.objects.get().lease not in ("", "another's")
    assert len(clock.slept) == 3


def test_a_waiting_storage_stops_when_the_row_is_deleted(owner, now, clock):
    OAuthToken.objects.update(lease="another's", lease_until=now + timedelta(seconds=9))
    sleep = clock.sleep

    def delete(seconds):
        sleep(seconds)
        OAuthToken.objects.all().delete()

    clock.sleep = delete
    with ModelStorage().lease(owner, 5):
        assert len(clock.slept) == 1


def test_a_transaction_that_wrote_the_row_does_not_wait_for_the_lease(owner, now, clock):
    OAuthToken.objects.update(lease="another's", lease_until=now + timedelta(seconds=9))
    with transaction.atomic():
        ModelStorage().set(owner, GRANTED)
        with pytest.raises(ProviderUnavailable, match="Commit or roll back"):
            with ModelStorage().lease(owner, 5):
                pytest.fail("the lease is another's")
    assert clock.slept == []


# --- a database with one writer ------------------------------------------------------------------


class OtherWriter:
    """Another connection in the middle of a transaction.

    It commits before our statement of this number; statements of other kinds are not counted.
    """

    def __init__(self, verb, number):
        self.verb, self.number, self.refused = verb, number, 0
        name = str(connection.settings_dict["NAME"])
        self.connection = sqlite3.connect(name, isolation_level=None)

    def __enter__(self):
        self.connection.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, *failure):
        self.connection.close()

    def __call__(self, execute, sql, *args):
        counted = sql.startswith(self.verb)
        if counted and self.refused + 1 == self.number:
            self.connection.rollback()
        try:
            return execute(sql, *args)
        except OperationalError:
            self.refused += counted
            raise


@pytest.fixture
def busy(one_writer, owner):
    """Lets another connection write; ours is refused at once, instead of after some seconds."""
    with ExitStack() as stack:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 0")

        def busy(verb, number):
            writer = stack.enter_context(OtherWriter(verb, number))
            stack.enter_context(connection.execute_wrapper(writer))
            return writer

        yield busy
    connection.close()  # with its busy_timeout


@pytest.mark.parametrize("number", [1, 2, 5])
def test_taking_a_lease_is_retried_while_another_connection_writes(busy, owner, clock, number):
    writer = busy("UPDATE", number)
    with ModelStorage().lease(owner, 5):
        assert OAuthToken.objects.get().lease
    assert writer.refused == len(clock.slept) == number - 1
    assert OAuthToken.objects.get().lease == ""


def test_taking_a_lease_is_retried_for_three_seconds(busy, owner, clock):
    writer = busy("UPDATE", None)
    with pytest.raises(ProviderUnavailable, match=r"^The database is busy\.$") as caught:
        with ModelStorage().lease(owner, 5):
            pytest.fail("there is no lease")
    assert isinstance(caught.value.__cause__, OperationalError)
    assert 3 < sum(clock.slept) <= 3.25
    assert writer.refused == len(clock.slept) + 1


def test_a_token_is_refreshed_after_the_other_connection_commits(busy, owner, responses, clock):
    responses.post(TOKEN_URL, json={**GRANTED, "access_token": "new"})
    session = providers["github"].session(user_id=owner.user_id)
    assert session.authorized
    writer = busy("UPDATE", 3)
    session.refresh()
    assert writer.refused == 2
    row = OAuthToken.objects.get()
    assert (row.token["access_token"], row.lease) == ("new", "")
    assert len(responses.calls) == 1


def test_no_refresh_request_is_sent_while_the_database_is_busy(busy, owner, responses, clock):
    """The refresh token would be spent, and the new one could not be stored."""
    session = providers["github"].session(user_id=owner.user_id)
    token = session.token
    busy("UPDATE", None)
    with pytest.raises(ProviderUnavailable, match=r"^The database is busy\.$"):
        session.refresh()
    assert session.token == token
    assert not responses.calls


@pytest.mark.parametrize("number", [1, 2, 10])
def test_a_refreshed_token_is_stored_after_the_other_connection_commits(busy, owner, number):
    storage = ModelStorage()
    old = storage.get(owner)
    writer = busy("UPDATE", number)
    assert storage.replace(owner, old, {"access_token": "new"})
    assert writer.refused == number - 1
    assert storage.get(owner)["access_token"] == "new"


def test_storing_a_refreshed_token_fails_after_ten_attempts(busy, owner):
    storage = ModelStorage()
    old = storage.get(owner)
    writer = busy("UPDATE", 11)
    with pytest.raises(OperationalError, match="locked"):
        storage.replace(owner, old, {"access_token": "new"})
    assert writer.refused == 10


def test_a_revoked_token_is_deleted_after_the_other_connection_commits(busy, owner):
    storage = ModelStorage()
    old = storage.get(owner)
    writer = busy("BEGIN", 3)
    assert storage.replace(owner, old, None)
    assert writer.refused == 2
    assert not OAuthToken.objects.exists()


def test_a_lease_is_released_after_the_other_connection_commits(busy, owner):
    with ExitStack() as stack:
        stack.enter_context(ModelStorage().lease(owner, 5))
        writer = busy("UPDATE", 4)
    assert writer.refused == 3
    assert OAuthToken.objects.get().lease == ""


def refuse_update(execute, sql, *args):
    """A database that takes no UPDATE."""
    if sql.startswith("UPDATE"):
        raise OperationalError("the connection is lost")
    return execute(sql, *args)


def test_a_lost_connection_is_not_retried(several_writers, owner, clock):
    with pytest.raises(OperationalError, match="lost"), connection.execute_wrapper(refuse_update):
        with ModelStorage().lease(owner, 5):
            pytest.fail("there is no lease")
    assert clock.slept == []


# --- the lease of a token in a session -----------------------------------------------------------


def test_the_lease_of_a_session_token_lasts_as_long(rf, responses, settings, monkeypatch):
    settings.DANCE_STORAGE = "django_dance.storage.SessionStorage"
    request = rf.get("/")
    request.session = SessionStore()
    request.session.create()
    session = providers["github"].session(request)
    session.token = GRANTED
    request.session.save()
    cache, leased = caches["default"], []

    def answer(request):
        leased.extend(cache._expire_info[key] for key in cache._cache if ":lease:" in key)
        return 200, {}, '{"access_token": "new", "token_type": "bearer"}'

    responses.add_callback("POST", TOKEN_URL, answer)
    monkeypatch.setattr("time.time", lambda: NOW.timestamp())
    session.refresh()
    assert leased == [NOW.timestamp() + 36]
    assert not [key for key in cache._cache if ":lease:" in key]
    assert session.access_token == "new"
