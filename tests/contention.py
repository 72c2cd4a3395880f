"""Processes that all ask for one token at once, and a provider that rotates refresh tokens."""

from __future__ import annotations

import fcntl
import json
import threading
import time
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait

from django.db import connections

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner

from . import caller
from .loopback import Loopback


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

    @classmethod
    @contextmanager
    def of(cls, user, tmp_path_factory):
        """For one process of the tests at a time: the callers open 64 connections to the database.

        :param tmp_path_factory: the fixture of pytest.
        """
        with (tmp_path_factory.getbasetemp().parent / "callers.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            callers = cls(user)
            try:
                yield callers
            finally:
                callers.close()

    def call(self, url, processes, threads, *, in_transactions=False, **settings):
        """Start the processes, and let all their threads call at once.

        :param in_transactions: each call is made in a transaction, as with ``ATOMIC_REQUESTS``.
        """
        for number in range(processes):
            settings = {**settings, "DEBUG": True, "DANCE_PROVIDERS": api(url, number)}
            pipe, its_pipe = caller.processes.Pipe()
            process = caller.processes.Process(
                target=caller.run,
                args=(its_pipe, dict(connections.settings), settings, self.user.pk, threads),
                kwargs={"in_transactions": in_transactions},
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


def owner_of(user):
    return ResourceOwner(providers["github"], user=user)


def store_expiring_token(user, ends_in=-5):
    """Store a token that expires in some seconds, and read it with the current settings."""
    token = {"access_token": "access-0", "refresh_token": "refresh-0", "expires_in": 3600}
    ModelStorage().set(owner_of(user), {**token, "expires_at": time.time() + ends_in})
    assert ModelStorage().get(owner_of(user))["access_token"] == "access-0"


def assert_nothing_is_lost(callers, after, **options):
    """Let 64 threads of 4 processes call while ``after`` cuts their connections to the database.

    A thread whose own connection is cut meanwhile gets an error of the database. One of the threads
    refreshes the token, it is stored, and all threads that call afterwards use it.
    """
    provider = RotatingProvider(after=lambda number: after())
    with Loopback(provider) as server:
        callers.call(server.url, processes=4, threads=16, **{"DANCE_TIMEOUT": 60, **options})
        answers = callers.answers()
        assert "Bearer access-1" in answers
        failed = {answer.partition("(")[0] for answer in answers} - {"Bearer access-1"}
        assert failed <= {"OperationalError", "InterfaceError", "StorageError"}
        assert len(provider.asked) == 1
        again = Callers(callers.user)
        again.call(server.url, processes=2, threads=16, **{"DANCE_TIMEOUT": 60, **options})
        assert again.answers() == ["Bearer access-1"] * 32
        again.close()
    assert len(provider.asked) == 1
    connections.close_all()  # that of this thread was cut, too
    row = OAuthToken.objects.get()
    assert (row.token["refresh_token"], row.state, row.lease) == ("refresh-1", "active", "")


def assert_refreshed_once(callers, after=None, *, invalidated=True, **options):
    """Let 64 threads of 4 processes call, and assert that one of them refreshes the token.

    :param after: called when the token is rotated, before that is answered.
    :param invalidated: whether the cache can have been told of the change. Otherwise its entry is
        valid until the old token expires.
    :param options: those of :meth:`Callers.call`, and settings of the processes.
    """

    def pause(number):
        time.sleep(0.3)  # so that each thread finds the token expired
        if after:
            after()

    provider = RotatingProvider(after=pause)
    with Loopback(provider) as server:
        options = {"DANCE_TIMEOUT": 60, **options}
        callers.call(server.url, processes=4, threads=16, **options)
        answers = callers.answers()
    assert answers == ["Bearer access-1"] * 64
    assert len(provider.asked) == 1
    row = OAuthToken.objects.get()
    assert (row.lease, row.lease_until) == ("", None)
    storage, owner = ModelStorage(), owner_of(callers.user)
    assert storage.reread(owner)["access_token"] == "access-1"
    if invalidated:
        assert storage.get(owner)["access_token"] == "access-1"
