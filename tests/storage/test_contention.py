"""A token is refreshed once for all threads and processes, even if servers or processes die."""

import time
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner

from ..contention import (
    Callers,
    RotatingProvider,
    assert_refreshed_once,
    store_expiring_token,
)
from ..loopback import Loopback
from ..servers import Redis, start

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def callers(user, tmp_path_factory):
    with Callers.of(user, tmp_path_factory) as callers:
        yield callers


@pytest.fixture
def expired(user, settings):
    """Stores a token that has expired or will soon, and reads it with the current settings."""
    return partial(store_expiring_token, user)


# --- 4 processes of 16 threads ------------------------------------------------------------------


def test_64_threads_refresh_once_without_a_cache(callers, expired, settings):
    settings.DANCE_CACHE = None
    expired()
    assert_refreshed_once(callers, DANCE_CACHE=None)


def test_64_threads_refresh_once_with_redis(callers, expired, redis_cache, settings):
    expired(ends_in=30)  # a token that is over already is in no cache
    assert redis_cache.keys("*")
    assert_refreshed_once(callers, CACHES=settings.CACHES, DANCE_CACHE="redis")


def test_64_threads_refresh_once_while_redis_dies(callers, expired, settings):
    with ExitStack() as stack:
        redis = start(Redis, stack)
        settings.CACHES = {**settings.CACHES, "redis": redis.cache()}
        settings.DANCE_CACHE = "redis"
        expired(ends_in=30)
        caches = {"CACHES": settings.CACHES, "DANCE_CACHE": "redis"}
        assert_refreshed_once(callers, after=redis.kill, **caches)
        assert not redis.answers()


# --- the process that refreshes dies ------------------------------------------------------------


def kill_first_caller(callers, provider, server):
    """Kill the process that asks first, and let its lease end soon."""
    callers.call(server.url, processes=4, threads=4, DANCE_CACHE=None)
    callers.wait_for_a_death()
    row = OAuthToken.objects.get()
    assert row.lease
    # A refresh is over by then: DANCE_TIMEOUT each to connect, to shake hands and to answer.
    assert row.lease_until - timezone.now() < timedelta(seconds=40)
    OAuthToken.objects.update(lease_until=timezone.now() + timedelta(seconds=0.5))
    answers = callers.answers()
    assert len(answers) == 12
    assert len(provider.asked) == 2
    return answers


@pytest.fixture
def kill_first(callers, settings):
    """Kills the process that asks first."""
    settings.DANCE_CACHE = None
    killed = []

    def die(number):
        if not killed:
            killed.append(number)
            callers.kill(number)
            raise ConnectionAbortedError

    return die


def test_other_processes_refresh_if_one_is_killed_before_the_provider_rotates(
    callers, expired, kill_first
):
    expired()
    provider = RotatingProvider(before=kill_first)
    with Loopback(provider) as server:
        assert kill_first_caller(callers, provider, server) == ["Bearer access-1"] * 12
    row = OAuthToken.objects.get()
    assert (row.token["refresh_token"], row.lease, row.lease_until) == ("refresh-1", "", None)


def test_other_processes_refresh_if_the_provider_accepts_the_old_refresh_token(
    callers, expired, kill_first
):
    expired()
    provider = RotatingProvider(after=kill_first, forgives=True)
    with Loopback(provider) as server:
        assert kill_first_caller(callers, provider, server) == ["Bearer access-2"] * 12
    assert OAuthToken.objects.get().token["refresh_token"] == "refresh-2"


def test_authorization_is_required_if_the_provider_refuses_the_old_refresh_token(
    callers, expired, kill_first
):
    expired()
    provider = RotatingProvider(after=kill_first)
    with Loopback(provider) as server:
        answers = kill_first_caller(callers, provider, server)
    assert {answer.partition("(")[0] for answer in answers} == {"AuthorizationRequired"}
    assert callers.losses == ["connection_lost: revoked"]
    assert OAuthToken.objects.get().token is None


# --- 4 processes of 13 threads lose one connection ------------------------------------------------


def lose_connection(callers, provider, **settings):
    """Let 52 threads make a call; return their answers."""
    with Loopback(provider) as server:
        callers.call(server.url, processes=4, threads=13, DANCE_TIMEOUT=30, **settings)
        answers = callers.answers()
    assert len(answers) == 52
    return answers


@pytest.mark.parametrize("cached", [False, True], ids=["no-cache", "redis"])
def test_threads_that_meet_a_dead_grant_change_the_state_once(
    callers, expired, cached, request, settings
):
    settings.DANCE_CACHE = None
    if cached:
        request.getfixturevalue("redis_cache")
    expired()
    row = OAuthToken.objects.get()
    provider = RotatingProvider()
    provider.dead = True
    caches = {"CACHES": settings.CACHES, "DANCE_CACHE": settings.DANCE_CACHE}
    answers = lose_connection(callers, provider, **caches)
    assert all("revoked" in answer for answer in answers)
    assert callers.losses == ["connection_lost: revoked"]
    assert len(provider.asked) == 1
    lost = OAuthToken.objects.get()
    assert (lost.pk, lost.state, lost.reason) == (row.pk, "needs_reconnect", "revoked")
    assert OAuthToken.objects.values_list("token", flat=True).get() == ""
    owner = ResourceOwner(providers["github"], user=callers.user)
    ModelStorage().set(owner, {"access_token": "access-9", "refresh_token": "refresh-9"})
    again = OAuthToken.objects.active().get()
    assert (again.pk, again.token["access_token"]) == (row.pk, "access-9")


def test_threads_whose_token_the_api_rejects_change_the_state_once(callers, user):
    """No lease lets one of these threads go first: the conditional UPDATE decides."""

    def refuse(received):
        time.sleep(0.2)  # so that the answers arrive together
        return 401, {}, "{}"

    owner = ResourceOwner(providers["github"], user=user)
    ModelStorage().set(owner, {"access_token": "access-0", "account_accepted": True})
    lose_connection(callers, refuse)
    assert callers.losses == ["connection_lost: rejected"]
    row = OAuthToken.objects.get()
    assert (row.state, row.reason) == ("needs_reconnect", "rejected")
    assert row.token["access_token"] == "access-0"
