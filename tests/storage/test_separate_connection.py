"""The second connection of a refresh in a transaction: when it is opened, and its state."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from django_dance.connections import refresh_token
from django_dance.exceptions import ProviderUnavailable, StorageError
from django_dance.models import OAuthToken
from django_dance.storage import ModelStorage, model
from django_dance.storage.transactions import NoConnection

from ..conftest import (
    API,
    TOKEN_URL,
    make_session,
    run_concurrently,
    store_expired_token,
    store_token,
    token_fields,
    token_requests,
    tokens_of,
)
from ..loopback import reserved_port

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("several_writers"),
]


class PreparedStorage(ModelStorage):
    """Calls the functions in ``on_connect`` with each separate connection."""

    on_connect = []

    def prepare_connection(self, connection, beside):
        super().prepare_connection(connection, beside)
        for function in self.on_connect:
            function(connection)


@pytest.fixture
def connected(settings):
    """The separate connections that were opened."""
    settings.DANCE_STORAGE = PreparedStorage
    opened = []
    PreparedStorage.on_connect = [opened.append]
    yield opened
    PreparedStorage.on_connect = []


class Pauses:
    """Takes the place of ``time.sleep()`` while a thread waits: ``at(n)`` runs in the nth pause."""

    def __init__(self, monkeypatch):
        self.count, self.actions = 0, {}
        monkeypatch.setattr(model.time, "sleep", self)

    def __call__(self, seconds):
        self.count += 1
        names = [thread.name for thread in threading.enumerate()]
        assert "django-dance" not in names, "a thread that waits has a second connection"
        self.actions.get(self.count, lambda: None)()


@pytest.fixture
def pauses(monkeypatch):
    return Pauses(monkeypatch)


def take_lease():
    OAuthToken.objects.update(lease="another", lease_until=timezone.now() + timedelta(hours=1) / 60)


# --- when it is opened ----------------------------------------------------------------------------


def test_threads_that_wait_for_a_refresh_open_no_second_connection(user, api, connected):
    store_expired_token(user)
    loaded = threading.Barrier(8)

    def refresh():
        with transaction.atomic():
            session = make_session(user)
            assert session.token.expired
            loaded.wait(60)
            return session.refresh()["access_token"]

    assert run_concurrently(*[refresh] * 8) == ["renewed"] * 8
    assert len(connected) == 1
    assert len(token_requests(api)) == 1


def test_a_thread_that_waits_for_another_process_has_no_second_connection(
    user, api, connected, pauses
):
    store_expired_token(user)
    take_lease()
    pauses.actions[3] = lambda: run_concurrently(
        lambda: OAuthToken.objects.update(lease="", lease_until=None)
    )
    with transaction.atomic():
        assert make_session(user).get(API).ok
    assert pauses.count == 3
    # Four attempts to refresh, and one to store that the account call accepted the token.
    assert len(connected) == 5
    assert tokens_of(user) == {"": "renewed"}


def test_a_token_that_another_process_stores_ends_the_wait(user, api, connected, pauses):
    owner = store_expired_token(user)
    take_lease()
    theirs = token_fields("theirs")
    pauses.actions[2] = lambda: run_concurrently(lambda: ModelStorage().set(owner, theirs))
    with transaction.atomic():
        session = make_session(user)
        assert refresh_token(session, session.token)["access_token"] == "theirs"
    assert not token_requests(api)
    assert len(connected) == 2


def test_the_wait_for_another_process_ends(user, api, connected, pauses, monkeypatch):
    store_expired_token(user)
    take_lease()
    now = 0.0
    monkeypatch.setattr(model.time, "monotonic", lambda: now + pauses.count * 10)
    with pytest.raises(ProviderUnavailable, match="Another thread or process"):
        with transaction.atomic():
            make_session(user).get(API)
    assert pauses.count == 8
    assert not token_requests(api)


def test_a_second_connection_that_the_database_refuses_is_tried_again(
    user, api, connected, pauses, monkeypatch
):
    store_expired_token(user)
    configuration = connections.settings["default"]
    with transaction.atomic(), reserved_port() as port:
        session = make_session(user)
        assert session.token
        monkeypatch.setitem(configuration, "PORT", port)
        pauses.actions[2] = monkeypatch.undo
        assert session.get(API).ok
    assert pauses.count >= 2
    assert tokens_of(user) == {"": "renewed"}


def test_an_error_says_that_the_database_gives_no_second_connection(user, api, monkeypatch):
    store_expired_token(user)
    configuration = connections.settings["default"]
    monkeypatch.setattr(model, "_PATIENCE", 0)
    with transaction.atomic(), reserved_port() as port:
        session = make_session(user)
        assert session.token
        monkeypatch.setitem(configuration, "PORT", port)
        with pytest.raises(NoConnection, match="second connection") as caught:
            session.get(API)
        monkeypatch.undo()
    assert isinstance(caught.value, StorageError)
    assert not token_requests(api)


def test_it_is_opened_without_the_pooler(user, api, connected, settings, monkeypatch):
    store_expired_token(user)
    direct = {**connections.settings["default"], "NAME": "of the pooler's own", "CONN_MAX_AGE": 7}
    monkeypatch.setitem(connections.settings, "direct", direct)
    settings.DANCE_DIRECT_DATABASES = {"default": "direct"}
    with transaction.atomic():
        assert make_session(user).get(API).ok
    used = connected[0].settings_dict
    assert used["CONN_MAX_AGE"] == 7
    assert used["NAME"] == connections["default"].settings_dict["NAME"]
    assert tokens_of(user) == {"": "renewed"}


# --- its state ------------------------------------------------------------------------------------


def test_the_limit_of_the_wait_for_locks_does_not_stay_on_the_server(user, responses, connected):
    """Behind PgBouncer, other applications use the server's connection after the transaction."""
    store_expired_token(user)
    statements, limits = [], []

    def record(connection):
        def recorded(execute, sql, *args):
            statements.append((connection.in_atomic_block, sql))
            return execute(sql, *args)

        connection.execute_wrappers.append(recorded)

    def answer(request):
        with connections["default"].cursor() as cursor:
            if connections["default"].vendor == "postgresql":
                cursor.execute("SHOW lock_timeout")
            else:
                cursor.execute("SELECT @@SESSION.innodb_lock_wait_timeout")
            limits.extend(cursor.fetchone())
        return 200, {}, json.dumps(token_fields("renewed"))

    PreparedStorage.on_connect.append(record)
    responses.add_callback("POST", TOKEN_URL, answer)
    with transaction.atomic():
        make_session(user).refresh()
    settings = [(atomic, sql) for atomic, sql in statements if sql.startswith("SET ")]
    if connections["default"].vendor == "postgresql":
        assert limits == ["0"]
        assert set(settings) == {(True, "SET LOCAL lock_timeout = '10s'")}
        assert len(settings) == 3  # to take the lease, to store the token and to end the lease
    else:
        assert limits == [10]
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT @@SESSION.innodb_lock_wait_timeout")
            (usual,) = cursor.fetchone()
        assert settings == [
            (False, "SET SESSION innodb_lock_wait_timeout = 10"),
            (False, f"SET SESSION innodb_lock_wait_timeout = {usual}"),
        ]


def test_the_trial_of_a_rejected_token_does_not_wait_for_its_own_transaction(
    user, api, short_lock_timeout, clock
):
    rejected = {"verdict": "rejected", "verdict_at": clock.now - 7200, "trials": 0}
    store_token(user, **rejected)
    with transaction.atomic():
        assert make_session(user).get(API).ok
    row = user.oauth_tokens.get()
    assert "verdict" not in row.token
    assert row.lease == ""
