"""A token is refreshed once for all threads and processes, even if servers or processes die."""

import fcntl
import json
import threading
import time
from contextlib import ExitStack, suppress
from datetime import timedelta
from multiprocessing.connection import wait

import pytest
from django.db import connections
from django.utils import timezone

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner

from .. import caller
from ..loopback import Loopback
from ..servers import Redis, start

pytestmark = pytest.mark.django_db(transaction=True)


class RotatingProvider:
    """Rotates refresh tokens, and ends the grant when one is used twice (RFC 9700 §4.14.2).

    :param before: called first, with the number of the process that sent the request (0, 1, …).
    :param after: the same when the token is rotated, before that is answered.
    :param forgives: a refresh token that was used may be used again.
    """

    def __init__(self, before=None, after=None, forgives=False):
        self.before, self.after, self.forgives = before, after, forgives
        self.current, self.dead, self.asked, self.rotated = "refresh-0", False, [], 0
        self.lock = threading.Lock()

    def __call__(self, received):
        place, _, number = received.path.strip("/").partition("/")
        if place == "api":
            return 200, {}, json.dumps({"token": received.headers["Authorization"]})
        self.asked.append(int(number))
        if self.before:
            self.before(int(number))
        with self.lock:
            if self.dead or dict(received.form)["refresh_token"] != self.current:
                self.dead = not self.forgives
            if self.dead:
                return 400, {}, '{"error": "invalid_grant"}'
            self.rotated += 1
            self.current = f"refresh-{self.rotated}"
            grant = {
                "access_token": f"access-{self.rotated}",
                "refresh_token": self.current,
                "token_type": "bearer",
                "expires_in": 3600,
            }
        if self.after:
            self.after(int(number))
        return 200, {}, json.dumps(grant)


class Callers:
    """Processes that all call the API at once, each from some threads."""

    def __init__(self, user):
        self.user, self.processes, self.pipes = user, [], []

    def call(self, url, processes, threads, **settings):
        for number in range(processes):
            settings = {**settings, "DEBUG": True, "DANCE_PROVIDERS": api(url, number)}
            pipe, its_pipe = caller.processes.Pipe()
            process = caller.processes.Process(
                target=caller.run,
                args=(its_pipe, connections.settings["default"], settings, self.user.pk, threads),
            )
            process.start()
            its_pipe.close()  # so that ours ends when the process does
            self.processes.append(process)
            self.pipes.append(pipe)
        for pipe in self.pipes:
            assert pipe.recv() == "ready"
        for pipe in self.pipes:
            pipe.send("go")

    def kill(self, number):
        self.processes[number].kill()
        self.processes[number].join()

    def wait_for_a_death(self):
        wait([process.sentinel for process in self.processes])

    def answers(self):
        """The answers that the threads got; the threads of a killed process have none.

        ``losses`` has the signals ``connection_lost`` that the processes sent.
        """
        answers = []
        for pipe in self.pipes:
            with suppress(EOFError):
                answers += pipe.recv()
        self.losses = [answer for answer in answers if answer.startswith("connection_lost")]
        return [answer for answer in answers if answer not in self.losses]

    def close(self):
        for process, pipe in zip(self.processes, self.pipes, strict=True):
            process.kill()
            process.join()
            pipe.close()


def api(url, number):
    """The provider, for a process of this number."""
    return {
        "github": {
            "PROVIDER": "django_dance.providers.OAuth2Provider",
            "BASE_URL": f"{url}/api/",
            "ACCOUNT_URL": "me",
            "AUTHORIZATION_URL": f"{url}/authorize",
            "TOKEN_URL": f"{url}/token/{number}",
        }
    }


@pytest.fixture
def callers(user, tmp_path_factory):
    """For one process of the tests at a time: the callers open 64 connections to the database."""
    with (tmp_path_factory.getbasetemp().parent / "callers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        callers = Callers(user)
        yield callers
        callers.close()


@pytest.fixture
def expired(user, settings):
    """Stores a token that has expired or will soon, and reads it with the current settings."""

    def expired(ends_in=-5):
        owner = ResourceOwner(providers["github"], user=user)
        token = {"access_token": "access-0", "refresh_token": "refresh-0", "expires_in": 3600}
        ModelStorage().set(owner, {**token, "expires_at": time.time() + ends_in})
        assert ModelStorage().get(owner)["access_token"] == "access-0"

    return expired


# --- 4 processes of 16 threads ------------------------------------------------------------------


def assert_refreshed_once(callers, after=None, **settings):
    def pause(number):
        time.sleep(0.3)  # so that each thread finds the token expired
        if after:
            after()

    provider = RotatingProvider(after=pause)
    with Loopback(provider) as server:
        callers.call(server.url, processes=4, threads=16, DANCE_TIMEOUT=60, **settings)
        answers = callers.answers()
    assert answers == ["Bearer access-1"] * 64
    assert len(provider.asked) == 1
    row = OAuthToken.objects.get()
    assert (row.lease, row.lease_until) == ("", None)
    owner = ResourceOwner(providers["github"], user=callers.user)
    assert ModelStorage().get(owner)["access_token"] == "access-1"


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
