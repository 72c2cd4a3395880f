"""PgBouncer in transaction mode, with the settings of the guide."""

import json
import threading
from contextlib import ExitStack
from functools import partial
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections, transaction

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage

from ..clusters import pgbouncer, start_or_skip
from ..conftest import run_concurrently, store_expired_token
from ..contention import (
    Callers,
    api,
    assert_nothing_is_lost,
    assert_refreshed_once,
    owner_of,
    store_expiring_token,
)
from ..databases import further_database
from ..loopback import Loopback
from ..servers import HOST
from .guide import pgbouncer_options, settings_of

pytestmark = [pytest.mark.interop, pytest.mark.repository]

#: The connections of the pool, fewer than the callers have threads.
POOL = 4


@pytest.fixture(scope="module")
def bouncer():
    with ExitStack() as stack:
        options = {**pgbouncer_options(), "default_pool_size": str(POOL)}
        yield start_or_skip(stack, pgbouncer, options)


@pytest.fixture
def pooled(bouncer, databases, settings):
    """The default database, behind PgBouncer, as the guide configures it."""
    shown = settings_of("PgBouncer")
    place = {"NAME": "pooled", "USER": bouncer.user, "HOST": HOST}
    direct = {
        **connections.settings["default"],
        **shown["DATABASES"]["direct"],
        **place,
        "PORT": bouncer.target.port,
    }
    settings.DANCE_DIRECT_DATABASES = shown["DANCE_DIRECT_DATABASES"]
    settings.DANCE_CACHE = None
    bouncer.target.create("pooled")
    try:
        entry = {**shown["DATABASES"]["default"], **place, "PORT": bouncer.port}
        with further_database("direct", direct), databases.borrow(entry):
            yield bouncer
    finally:
        bouncer.target.drop("pooled")


@pytest.fixture
def user(pooled):
    return get_user_model().objects.create_user("ada")


def assert_pool_was_shared(bouncer):
    """Threads have shared the connections of the pool."""
    (pool,) = [each for each in bouncer.show("POOLS") if each["database"] == "pooled"]
    assert pool["pool_mode"] == "transaction"
    with bouncer.target.connect() as console:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'pooled'"
        (count,) = console.execute(query).fetchone()
    assert count <= POOL


def test_64_threads_refresh_once(pooled, user, tmp_path_factory):
    store_expiring_token(user)
    with Callers.of(user, tmp_path_factory) as callers:
        assert_refreshed_once(callers, DANCE_CACHE=None)
    assert_pool_was_shared(pooled)


def test_64_threads_refresh_once_in_transactions_that_fill_the_pool(
    pooled, user, tmp_path_factory, settings
):
    """They hold all connections of the pool while the refresh waits for a second one."""
    store_expiring_token(user)
    options = {"DANCE_CACHE": None, "DANCE_DIRECT_DATABASES": settings.DANCE_DIRECT_DATABASES}
    with Callers.of(user, tmp_path_factory) as callers:
        assert_refreshed_once(callers, in_transactions=True, **options)
    assert_pool_was_shared(pooled)
    assert lock_timeouts(pooled) == {"0"}


def lock_timeouts(bouncer):
    """The limits of the wait for locks on the connections to the server.

    The next transaction on each of them may be another application's.
    """
    with ExitStack() as stack:
        found = set()
        for _ in range(POOL):
            connection = stack.enter_context(bouncer.connect("pooled"))
            stack.enter_context(connection.transaction())
            found.add(connection.execute("SHOW lock_timeout").fetchone()[0])
        return found


def test_users_whose_transactions_fill_the_pool_refresh_at_the_same_time(pooled, settings):
    users = [get_user_model().objects.create_user(f"user-{number}") for number in range(POOL)]
    began = threading.Barrier(POOL)

    def answer(received):
        if received.path.startswith("/api/"):
            return 200, {}, json.dumps({"token": received.headers["Authorization"]})
        (old,) = [value for name, value in received.form if name == "refresh_token"]
        granted = {"access_token": f"new-{old}", "refresh_token": f"new-{old}", "expires_in": 3600}
        return 200, {}, json.dumps({**granted, "token_type": "bearer"})

    def call(user):
        with transaction.atomic():
            assert OAuthToken.objects.filter(user=user).exists()
            began.wait(60)  # each transaction has its connection, and the pool has no other
            return providers["github"].session(user=user).get("/me").json()["token"]

    with Loopback(answer) as server:
        settings.DEBUG, settings.DANCE_PROVIDERS = True, api(server.url, 0)
        for user in users:
            store_expired_token(user, refresh_token=f"of-{user.pk}")
        answers = run_concurrently(*[partial(call, user) for user in users])
    assert answers == [f"Bearer new-of-{user.pk}" for user in users]
    stored = {row.user_id: row.token["access_token"] for row in OAuthToken.objects.all()}
    assert stored == {user.pk: f"new-of-{user.pk}" for user in users}


def test_a_refreshed_token_is_stored_after_the_pooler_was_restarted(pooled, user, tmp_path_factory):
    def restart():
        pooled.kill()
        pooled.launch()

    store_expiring_token(user)
    with Callers.of(user, tmp_path_factory) as callers:
        assert_nothing_is_lost(callers, restart, DANCE_CACHE=None)


@pytest.mark.parametrize(
    "command",
    [
        ("dance_tokens", "--json"),
        ("dance_reencrypt",),
        ("dance_refresh",),
        ("dance_prune",),
        ("dance_server_prune",),
    ],
    ids=" ".join,
)
def test_the_commands_need_no_session(pooled, user, command):
    """A cursor of the server and a prepared statement would end with their transaction."""
    for number in range(30):
        ModelStorage().set(owner_of(user).for_account(str(number)), {"access_token": "token"})
    call_command(*command, stdout=StringIO())
    assert OAuthToken.objects.count() == 30
