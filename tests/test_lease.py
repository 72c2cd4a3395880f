"""Refreshed once, whoever asks: threads, processes, and a process that dies."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from django_dance.models import OAuthToken
from django_dance.owner import ResourceOwner
from django_dance.registry import providers
from django_dance.storage import ModelStorage

from .loopback import Loopback

pytestmark = pytest.mark.django_db(transaction=True)


class RotatingProvider:
    """Rotates refresh tokens, and ends the grant when one is used twice (RFC 9700 §4.14.2)."""

    def __init__(self, seconds=0.2):
        self.current, self.dead, self.refreshes, self.seconds = "refresh-0", False, 0, seconds
        self.lock = threading.Lock()

    def __call__(self, received):
        if received.path == "/api/me":
            return 200, {}, json.dumps({"token": received.headers["Authorization"]})
        with self.lock:
            self.refreshes += 1
            if self.dead or dict(received.form)["refresh_token"] != self.current:
                self.dead = True
                return 400, {}, '{"error": "invalid_grant"}'
            self.current = f"refresh-{self.refreshes}"
            grant = {
                "access_token": f"access-{self.refreshes}",
                "refresh_token": self.current,
                "token_type": "bearer",
                "expires_in": 3600,
            }
        time.sleep(self.seconds)
        return 200, {}, json.dumps(grant)


WORKER = """
import json, os, sys, threading
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
from django.conf import settings
django.setup()
url, user_id, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
settings.DEBUG = True
settings.DANCE_PROVIDERS = {"github": {
    "PROVIDER": "django_dance.providers.OAuth2Provider",
    "BASE_URL": f"{url}/api/",
    "AUTHORIZATION_URL": f"{url}/authorize",
    "TOKEN_URL": f"{url}/token",
}}
from django.db import connections
from django_dance.registry import providers
answers, barrier = [], threading.Barrier(count)

def call():
    session = providers["github"].session(user_id=user_id)
    barrier.wait()
    try:
        answers.append(session.get("/me").json()["token"])
    except Exception as error:
        answers.append(repr(error))
    finally:
        connections.close_all()

print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=call) for _ in range(count)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(answers), flush=True)
"""


@pytest.fixture
def work(user):
    """Starts processes that all call the API at once, each from some threads."""
    started = []

    def work(url, processes, threads):
        for _ in range(processes):
            started.append(
                subprocess.Popen(
                    [sys.executable, "-c", WORKER, url, str(user.pk), str(threads)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={
                        **os.environ,
                        "DANCE_TEST_DATABASE": str(connection.settings_dict["NAME"]),
                    },
                )
            )
        for process in started:
            assert process.stdout.readline() == "ready\n"
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        return started

    yield work
    for process in started:
        process.kill()
        process.communicate()


def expired(user):
    owner = ResourceOwner(providers["github"], user=user)
    token = {"access_token": "access-0", "refresh_token": "refresh-0", "expires_in": 3600}
    ModelStorage().set(owner, {**token, "expires_at": time.time() - 5})
    return owner


def test_processes_and_threads_refresh_once(user, work):
    expired(user)
    with Loopback(RotatingProvider()) as provider:
        workers = work(provider.url, processes=3, threads=4)
        answers = [answer for w in workers for answer in json.loads(w.stdout.readline())]
        refreshes = [call for call in provider.received if call.path == "/token"]
    assert answers == ["Bearer access-1"] * 12
    assert len(refreshes) == 1
    row = OAuthToken.objects.get()
    assert (row.lease, row.lease_until) == ("", None)


def test_the_lease_of_a_process_that_died_runs_out(user, work, settings):
    expired(user)
    with Loopback(RotatingProvider(seconds=1)) as provider:
        (worker,) = work(provider.url, processes=1, threads=1)
        while not provider.received:
            time.sleep(0.01)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        assert OAuthToken.objects.get().lease
        # The provider rotated, and nobody heard it: what is left is to have tried.
        OAuthToken.objects.update(lease_until=timezone.now() + timedelta(seconds=0.5))
        started = time.monotonic()
        with ModelStorage().lease(ResourceOwner(providers["github"], user=user), 5):
            assert 0.2 < time.monotonic() - started < 3
            assert OAuthToken.objects.get().lease
        assert OAuthToken.objects.get().lease == ""


def test_a_lease_that_another_has_taken_over_is_not_released(user):
    owner = expired(user)
    with ModelStorage().lease(owner, 5):
        OAuthToken.objects.update(lease="another's")
    assert OAuthToken.objects.get().lease == "another's"


def test_a_row_that_is_gone_keeps_nobody_waiting(user):
    owner = ResourceOwner(providers["github"], user=user)
    with ModelStorage().lease(owner, 5):
        assert not OAuthToken.objects.exists()


def test_storing_a_token_does_not_end_the_lease(user):
    owner = expired(user)
    with ModelStorage().lease(owner, 5):
        ModelStorage().set(owner, {"access_token": "newer"})
        assert OAuthToken.objects.get().lease
