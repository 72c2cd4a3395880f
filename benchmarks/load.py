"""Put load on our server and on django-oauth-toolkit's: the same site, database and workers.

``python -m benchmarks.load --host 127.0.0.1`` creates a database in PostgreSQL, and drops it at the
end. The requests alternate between the servers: other work on the machine affects both alike.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPConnection
from importlib.metadata import version
from typing import Any
from urllib.parse import urlencode

import django
from django.core.management import call_command

from .measure import Target, Timings, run_interleaved, table
from .million import create_databases

OURS, TOOLKIT = "django-dance", "django-oauth-toolkit"
FAST, SLOW = "SHA-256", "PBKDF2"
CREDENTIALS, REFRESH = "client credentials", "refresh"
INTROSPECTION, PAGE = "introspection", "protected view"

WORKERS = 2
#: Requests at the same time.
CONNECTIONS = 4
ROUNDS = {FAST: 60, SLOW: 6}
#: Requests of one connection in a round.
BATCH = {FAST: 10, SLOW: 1}
#: By how much a server with generated secrets must be ahead of one that hashes them slowly.
FACTOR = 20
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def basic(client_id: str, secret: str) -> dict[str, str]:
    pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {**_FORM, "Authorization": f"Basic {pair}"}


@dataclass
class Peer:
    """One of the two servers, with a client whose secret is hashed in one way."""

    root: str
    headers: dict[str, str]
    access_token: str
    #: One for each connection. Each refresh replaces it.
    refresh_tokens: list[str] = field(default_factory=list)

    def request(self, kind: str, connection: HTTPConnection, number: int) -> None:
        """Send a request of a kind.

        :raises RuntimeError: the server has not granted it.
        """
        if kind == PAGE:
            bearer = {"Authorization": f"Bearer {self.access_token}"}
            connection.request("GET", f"{self.root}page/", headers=bearer)
        else:
            where, form = self._form(kind, number)
            connection.request("POST", f"{self.root}{where}/", urlencode(form), self.headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{self.root} answered a {kind} with {response.status}: {body!r}")
        if kind == PAGE:
            return
        fields = json.loads(body)
        if kind == REFRESH:
            self.refresh_tokens[number] = fields["refresh_token"]
        if not fields["active" if kind == INTROSPECTION else "access_token"]:
            raise RuntimeError(f"{self.root} answered a {kind} with {body!r}")

    def _form(self, kind: str, number: int) -> tuple[str, dict[str, str]]:
        if kind == CREDENTIALS:
            return "token", {"grant_type": "client_credentials", "scope": "read"}
        if kind == REFRESH:
            token = self.refresh_tokens[number]
            return "token", {"grant_type": "refresh_token", "refresh_token": token}
        return "introspect", {"token": self.access_token}


# --- the rows -----------------------------------------------------------------------------------


def our_peer(user: Any, hashing: str) -> Peer:
    from django.contrib.auth.hashers import make_password

    from django_dance.server.models import Client

    from .load_urls import server

    client = Client(
        name=hashing,
        scope="read",
        grant_types="authorization_code refresh_token client_credentials",
    )
    secret = str(client.rotate_secret())
    if hashing == SLOW:
        # A secret that is not generated here is hashed slowly at each request, as all secrets were
        # in commit 433a6b7.
        secret = secrets.token_hex(32)
        client.client_secret = make_password(secret)
    client.save()
    tokens = [
        server.create_token(user, client, ["read"], with_refresh_token=True)
        for _ in range(CONNECTIONS + 1)
    ]
    return Peer(
        "/ours/",
        basic(client.client_id, secret),
        str(tokens[0]["access_token"]),
        [str(token["refresh_token"]) for token in tokens[1:]],
    )


def toolkit_peer(user: Any, hashing: str) -> Peer:
    from django.contrib.auth.hashers import make_password
    from django.utils import timezone
    from oauth2_provider.models import AccessToken, Application, RefreshToken

    secret = secrets.token_urlsafe(32)
    hasher = "plain_sha256" if hashing == FAST else "default"
    application = Application.objects.create(
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        client_secret=make_password(secret, hasher=hasher),
    )
    expires = timezone.now() + timedelta(hours=1)
    access = [
        AccessToken.objects.create(
            token=secrets.token_urlsafe(32),
            application=application,
            user=user,
            scope="read",
            expires=expires,
        )
        for _ in range(CONNECTIONS + 1)
    ]
    refresh = [
        RefreshToken.objects.create(
            token=secrets.token_urlsafe(32), application=application, user=user, access_token=token
        )
        for token in access[1:]
    ]
    return Peer(
        "/toolkit/",
        basic(application.client_id, secret),
        access[0].token,
        [token.token for token in refresh],
    )


# --- the load -----------------------------------------------------------------------------------


@contextmanager
def run_site() -> Iterator[int]:
    """Run the site during the context. The value is its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        command = [
            *(sys.executable, "-m", "gunicorn", "django.core.wsgi:get_wsgi_application()"),
            *("--bind", f"fd://{listener.fileno()}", "--workers", str(WORKERS)),
            *("--log-level", "warning", "--no-control-socket"),
        ]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()])
        try:
            yield listener.getsockname()[1]
        finally:
            process.terminate()
            process.wait()


class Load:
    """Several connections that send requests at the same time."""

    def __init__(self, port: int) -> None:
        self._connections = [
            HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(CONNECTIONS)
        ]
        self._threads = ThreadPoolExecutor(CONNECTIONS)

    def sampler(self, peer: Peer, kind: str, each: int) -> Callable[[], float]:
        """Sends requests; returns the seconds of a request, which are the inverse of the rate.

        :param each: the requests of each connection.
        """

        def send(number: int) -> None:
            for _ in range(each):
                peer.request(kind, self._connections[number], number)

        def sample() -> float:
            began = time.perf_counter()
            list(self._threads.map(send, range(CONNECTIONS)))
            return (time.perf_counter() - began) / (each * CONNECTIONS)

        return sample

    def compare(self, peers: dict[str, Peer], kind: str, hashing: str) -> Timings:
        each = BATCH[hashing]
        samplers = {name: self.sampler(peer, kind, each) for name, peer in peers.items()}
        for sample in samplers.values():
            sample()  # the first requests of a worker import modules
        return run_interleaved(samplers, rounds=ROUNDS[hashing])


def settings_line() -> str:
    """The settings of the run, for the head of the table."""
    from django.conf import settings
    from django.contrib.auth.hashers import PBKDF2PasswordHasher
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (server_version,) = cursor.fetchone()
    versions = (
        f"Python {platform.python_version()}, Django {django.get_version()}, "
        f"{TOOLKIT} {version(TOOLKIT)}, gunicorn {version('gunicorn')}"
    )
    hashers = ", ".join(path.rpartition(".")[2] for path in settings.PASSWORD_HASHERS)
    return "\n".join(
        [
            versions,
            f"one site for both: {WORKERS} sync workers on {os.cpu_count()} processors, "
            f"{CONNECTIONS} connections; PostgreSQL {server_version.split()[0]}, CONN_MAX_AGE=None",
            f"PASSWORD_HASHERS: {hashers} ({PBKDF2PasswordHasher.iterations:,} iterations)",
            f"{FAST}: CLIENT_SECRET_HASHER is PlainSHA256; ours is a generated secret, the default",
            f"{SLOW}: CLIENT_SECRET_HASHER is its default; ours is a secret that a person chose,",
            "        hashed at each request, as commit 433a6b7 did with every secret",
        ]
    )


def measure(load: Load, peers: dict[str, dict[str, Peer]]) -> list[Target]:
    """Measure all kinds of requests, print the table, and return the targets."""
    rows, ahead, rates = [], {}, {}
    for hashing, kinds in (
        (FAST, (CREDENTIALS, REFRESH, INTROSPECTION, PAGE)),
        (SLOW, (CREDENTIALS, REFRESH, INTROSPECTION)),
    ):
        for kind in kinds:
            took = load.compare(peers[hashing], kind, hashing)
            ahead[kind, hashing] = 1 / took.ratio(OURS, TOOLKIT)
            rates[kind, hashing] = 1 / took[OURS]
            rows.append(
                (
                    f"{kind}, {hashing}" if kind != PAGE else kind,
                    f"{1 / took[OURS]:.1f}",
                    f"{1 / took[TOOLKIT]:.1f}",
                    f"{ahead[kind, hashing]:.2f}",
                )
            )
    print(settings_line())
    print(table("Requests per second", ("", OURS, TOOLKIT, "× the toolkit's"), rows))
    fast = {kind: ratio for (kind, hashing), ratio in ahead.items() if hashing == FAST}
    gained = {
        kind: rates[kind, FAST] / rates[kind, SLOW] for kind, hashing in rates if hashing == SLOW
    }
    return [
        Target(
            f"with equal hashing ({FAST}), our server is ahead in each",
            ", ".join(f"{kind} {ratio:.2f} ×" for kind, ratio in fast.items()),
            min(fast.values()) > 1,
        ),
        Target(
            f"our server answers at least {FACTOR} × the requests that it answers with {SLOW}",
            ", ".join(f"{kind} {ratio:.0f} ×" for kind, ratio in gained.items()),
            min(gained.values()) >= FACTOR,
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="5432")
    parser.add_argument("--user", default="postgres")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    arguments = parser.parse_args()
    database = {
        "HOST": arguments.host,
        "PORT": arguments.port,
        "USER": arguments.user,
        "NAME": f"django_dance_load_{os.getpid()}",
    }
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "benchmarks.load_settings",
        "BENCHMARK_DATABASE": json.dumps(database),
    }
    django.setup()
    with create_databases({"default": database}):
        call_command("migrate", verbosity=0)
        from django.contrib.auth import get_user_model

        user = get_user_model().objects.create_user("ada")
        peers = {
            hashing: {OURS: our_peer(user, hashing), TOOLKIT: toolkit_peer(user, hashing)}
            for hashing in (FAST, SLOW)
        }
        with run_site() as port:
            targets = measure(Load(port), peers)
    print(*targets, sep="\n")
    return int(arguments.check and not all(target.held for target in targets))


if __name__ == "__main__":
    sys.exit(main())
