"""The token cache in a Redis that fails over: its Sentinels promote a replica."""

import os
import signal
from contextlib import ExitStack, contextmanager

import pytest
from django.core.cache import caches

from django_dance.cache import generations
from django_dance.providers import providers
from django_dance.storage import ModelStorage

from ..clusters import redis_sentinels, start_or_skip, wait_until
from ..contention import (
    Callers,
    api,
    assert_refreshed_once,
    owner_of,
    store_expiring_token,
)
from ..loopback import Loopback
from .guide import settings_of

pytestmark = [
    pytest.mark.interop,
    pytest.mark.repository,
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database("The servers are those of the cache"),
]


@pytest.fixture
def sentinels(settings):
    """The Sentinels, their Redis, and the cache that the guide configures."""
    with ExitStack() as stack:
        group = start_or_skip(stack, redis_sentinels)
        entry = settings_of("Redis Sentinel")["CACHES"]["default"]
        location = entry["LOCATION"].replace("//dance/", f"//{group.service}/")
        options = {**entry["OPTIONS"], "SENTINELS": group.addresses}
        settings.CACHES = {
            **settings.CACHES,
            "sentinel": {**entry, "LOCATION": location, "OPTIONS": options},
        }
        settings.DANCE_CACHE = "sentinel"
        yield group


def fresh(number=0):
    token = f"access-{number}"
    return {"access_token": token, "refresh_token": f"refresh-{number}", "expires_in": 3600}


@contextmanager
def freeze(server):
    """The server gets no time meanwhile, so it receives no changes."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def wait_for_cache():
    """Wait until the cache works again: its client has to find the new primary."""
    wait_until(lambda: caches["sentinel"].get("any") is None, "the cache does not come back")


def test_64_threads_refresh_once_while_the_primary_dies(
    sentinels, user, tmp_path_factory, settings, django_assert_num_queries
):
    store_expiring_token(user, ends_in=30)
    assert sentinels.primary.connect().dbsize()
    options = {"CACHES": settings.CACHES, "DANCE_CACHE": "sentinel"}
    with Callers.of(user, tmp_path_factory) as callers:
        # The processes end before there is a primary.
        kill = sentinels.primary.kill
        assert_refreshed_once(callers, after=kill, invalidated=False, **options)
    sentinels.wait_for_promotion()
    wait_for_cache()
    ModelStorage().set(owner_of(user), fresh(2))
    with django_assert_num_queries(0):
        assert ModelStorage().get(owner_of(user))["access_token"] == "access-2"


def test_no_old_token_is_read_after_a_fail_over(sentinels, user, django_assert_num_queries):
    owner = owner_of(user)
    for number in range(3):
        ModelStorage().set(owner, fresh(number))
    wait_until(
        lambda: sentinels.replica.connect().dbsize() == sentinels.primary.connect().dbsize(),
        "the replica lags",
    )
    sentinels.fail_over()
    wait_for_cache()
    assert ModelStorage().get(owner)["access_token"] == "access-2"
    ModelStorage().set(owner, fresh(3))
    with django_assert_num_queries(0):
        assert ModelStorage().get(owner)["access_token"] == "access-3"


def test_the_cache_reads_from_the_primary(sentinels, user):
    """A replica that lags would return an entry that is not valid any more."""
    owner = owner_of(user)
    ModelStorage().set(owner, fresh(0))
    with freeze(sentinels.replica):
        for number in range(1, 4):
            ModelStorage().set(owner, fresh(number))
            assert ModelStorage().get(owner)["access_token"] == f"access-{number}"


def test_look_ups_read_the_table_while_there_is_no_primary(sentinels, user, make_user):
    owner = owner_of(user)
    ModelStorage().set(owner, fresh(0))
    sentinels.primary.kill()
    assert ModelStorage().get(owner)["access_token"] == "access-0"
    ModelStorage().set(owner, fresh(1))
    assert ModelStorage().get(owner)["access_token"] == "access-1"
    sentinels.wait_for_promotion()
    wait_for_cache()
    # The new primary has the entry of the first token. The invalidation that no server has received
    # is repeated at the first look-up, of whichever owner, so that other processes see it.
    ModelStorage().get(owner_of(make_user("grace")))
    assert not generations._pending_invalidations
    assert ModelStorage().get(owner)["access_token"] == "access-1"


def test_look_ups_do_not_wait_while_no_server_answers(sentinels, user, monkeypatch):
    def refuse(seconds):
        raise AssertionError(f"a look-up slept for {seconds} s")

    owner = owner_of(user)
    ModelStorage().set(owner, fresh(0))
    for server in (*sentinels.sentinels, sentinels.primary, sentinels.replica):
        server.kill()
    monkeypatch.setattr("redis.retry.sleep", refuse)
    assert ModelStorage().get(owner)["access_token"] == "access-0"


def test_a_call_recovers_from_an_entry_that_the_fail_over_revives(sentinels, user, settings):
    """The guide says that it may be read for five minutes."""
    owner = owner_of(user)
    ModelStorage().set(owner, fresh(0))
    wait_until(lambda: sentinels.replica.connect().dbsize() == 2, "the replica lags")
    with freeze(sentinels.replica):
        sentinels.primary.connect().client_kill_filter(_type="replica")
        ModelStorage().set(owner, fresh(1))
        sentinels.primary.kill()
    sentinels.wait_for_promotion()
    wait_for_cache()
    assert ModelStorage().get(owner)["access_token"] == "access-0", "nothing was lost: no test"

    def answer(received):
        if received.headers["Authorization"] != "Bearer access-1":
            return 401, {}, "{}"
        return 200, {}, '{"token": "accepted"}'

    with Loopback(answer) as server:
        settings.DEBUG, settings.DANCE_PROVIDERS = True, api(server.url, 0)
        session = providers["github"].session(user=user)
        assert session.get("/me").json()["token"] == "accepted"
        assert [each.path for each in server.received] == ["/api/me", "/api/me"]
