"""A thousand tokens and a million, in PostgreSQL: what a look-up costs, and what commands hold.

``python -m benchmarks.million --host 127.0.0.1`` makes two databases of its own, and drops them.
The look-ups take turns in them, so that what else the machine does hits both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from .measure import Target

_COMMANDS = (("dance_tokens", "--json"), ("dance_reencrypt", "--dry-run"))
#: Database → rows.
_SIZES = {"default": 1_000, "million": 1_000_000}
#: A look-up may cost so many times as much among a million.
_LIMIT = 1.2
#: Users whose tokens are looked up, spread over the table.
_ASKED = 200
_ROUNDS = 40


class Router:
    """Leads to the database whose turn it is."""

    here = "default"

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return Router.here

    db_for_write = db_for_read


def name_of(alias: str) -> str:
    return f"django_dance_{alias}_{os.getpid()}"


def configure(databases: dict[str, dict[str, Any]]) -> None:
    """A site that has nothing but tokens."""
    settings.configure(
        SECRET_KEY="a-key-for-the-benchmark-and-for-nothing-else",
        USE_TZ=True,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django_dance",
        ],
        DATABASES={
            alias: {"ENGINE": "django.db.backends.postgresql", **where}
            for alias, where in databases.items()
        },
        DATABASE_ROUTERS=[Router()],
        DANCE_PROVIDERS={"github": {"PROVIDER": "django_dance.contrib.github.GitHub"}},
        DANCE_CACHE=None,  # it is the table that is measured
    )
    django.setup()


@contextmanager
def made(databases: dict[str, dict[str, Any]]) -> Iterator[None]:
    import psycopg

    where = databases["default"]
    server = {"host": where["HOST"], "port": where["PORT"], "user": where["USER"]}
    with psycopg.connect(**server, dbname="postgres", autocommit=True) as maintenance:
        try:
            for database in databases.values():
                maintenance.execute(f'CREATE DATABASE "{database["NAME"]}"')
            yield
        finally:
            connections.close_all()
            for database in databases.values():
                maintenance.execute(f'DROP DATABASE IF EXISTS "{database["NAME"]}" WITH (FORCE)')


def fill(alias: str, size: int) -> None:
    """So many rows. They are as large as real ones; those that are asked for are real."""
    from django_dance.models import OAuthToken
    from django_dance.providers import providers
    from django_dance.storage import ModelStorage
    from django_dance.tokens import ResourceOwner

    token = {
        "access_token": "gho_" + "x" * 36,
        "refresh_token": "ghr_" + "x" * 72,
        "token_type": "bearer",
        "scope": ["read:user"],
        "expires_in": 28800,
        "expires_at": time.time() + 28800,
    }
    Router.here = alias
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email,"
            " is_staff, is_active, date_joined) SELECT 'user-' || n, '', false, '', '', '', false,"
            " true, now() FROM generate_series(%s, %s) AS n",
            [1, size],
        )
        owner = ResourceOwner(providers["github"], user_id=1)
        ModelStorage().set(owner, token)
        sealed = OAuthToken.objects.values_list("token", flat=True).get(user_id=1)
        cursor.execute(
            "INSERT INTO django_dance_oauthtoken (provider, created_at, token, account,"
            " connected_at, scope, expires_at, last_error, lease, user_id) SELECT 'github', now(),"
            " %s, '', now(), 'read:user', now() + interval '8 hours', '', '', n"
            " FROM generate_series(%s, %s) AS n",
            [str(sealed), 2, size],
        )
        cursor.execute("VACUUM ANALYZE")
    for user_id in asked(size):
        ModelStorage().set(ResourceOwner(providers["github"], user_id=user_id), token)


def asked(size: int) -> range:
    return range(1, size + 1, size // _ASKED)


def look_ups() -> dict[str, float]:
    """Database → the median of a look-up, in milliseconds."""
    from django_dance.providers import providers
    from django_dance.storage import ModelStorage
    from django_dance.tokens import ResourceOwner

    storage = ModelStorage()
    times: dict[str, list[float]] = {alias: [] for alias in _SIZES}
    for _ in range(_ROUNDS):
        for alias, size in _SIZES.items():
            Router.here = alias
            for user_id in asked(size):
                owner = ResourceOwner(providers["github"], user_id=user_id)
                began = time.perf_counter()
                token = storage.get(owner)
                times[alias].append(time.perf_counter() - began)
                assert token is not None
    return {alias: statistics.median(taken) * 1000 for alias, taken in times.items()}


def held(where: dict[str, Any], command: tuple[str, ...]) -> tuple[float, float]:
    """The seconds that a command takes, and the most memory that its process holds, in MiB."""
    began = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.million", "--run", json.dumps([where, command])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - began, int(process.stderr.split()[-1]) / 1024


def run(where: dict[str, Any], command: list[str]) -> None:
    configure({"default": where})
    call_command(*command, verbosity=0)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="5432")
    parser.add_argument("--user", default="postgres")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(*json.loads(arguments.run))
        return 0
    server = {"HOST": arguments.host, "PORT": arguments.port, "USER": arguments.user}
    databases = {alias: {**server, "NAME": name_of(alias)} for alias in _SIZES}
    configure(databases)
    measured: dict[str, list[float]] = {}
    with made(databases):
        for alias, size in _SIZES.items():
            call_command("migrate", database=alias, verbosity=0)
            fill(alias, size)
        measured["look-up, median, ms"] = list(look_ups().values())
        for command in _COMMANDS:
            for where in databases.values():
                seconds, memory = held(where, command)
                measured.setdefault(f"{' '.join(command)}, s", []).append(seconds)
                measured.setdefault(f"{' '.join(command)}, MiB at most", []).append(memory)
    print(f"{'':36}" + "".join(f"{size:>12,}" for size in _SIZES.values()) + f"{'ratio':>8}")
    for name, (few, many) in measured.items():
        print(f"{name:36}{few:12.2f}{many:12.2f}{many / few:8.2f}")
    few, many = measured["look-up, median, ms"]
    target = Target(
        f"a look-up costs at most {_LIMIT} times as much among a million",
        f"{many / few:.2f}",
        many / few <= _LIMIT,
    )
    print(target)
    return int(arguments.check and not target.held)


if __name__ == "__main__":
    sys.exit(main())
