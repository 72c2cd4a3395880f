"""A thousand tokens and a million, in PostgreSQL: what a look-up costs, and what commands hold.

``python -m benchmarks.million --host 127.0.0.1`` makes a database of its own, and drops it.
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
from django.db import connection

_NAME = f"django_dance_million_{os.getpid()}"
_COMMANDS = (("dance_tokens", "--json"), ("dance_reencrypt", "--dry-run"))
_SIZES = (1_000, 1_000_000)
#: Users whose tokens are looked up, spread over the table.
_ASKED = 200
_ROUNDS = 5


def configure(where: dict[str, Any]) -> None:
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
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **where}},
        DANCE_PROVIDERS={"github": {"PROVIDER": "django_dance.contrib.github.GitHub"}},
        DANCE_CACHE=None,  # it is the table that is measured
    )
    django.setup()


@contextmanager
def database(where: dict[str, Any]) -> Iterator[None]:
    import psycopg

    server = {"host": where["HOST"], "port": where["PORT"], "user": where["USER"]}
    with psycopg.connect(**server, dbname="postgres", autocommit=True) as maintenance:
        maintenance.execute(f'CREATE DATABASE "{_NAME}"')
        try:
            yield
        finally:
            connection.close()
            maintenance.execute(f'DROP DATABASE "{_NAME}" WITH (FORCE)')


def fill(size: int) -> None:
    """Rows up to this many. They are as large as real ones; those that are asked for are real."""
    from django_dance.models import OAuthToken
    from django_dance.owner import ResourceOwner
    from django_dance.registry import providers
    from django_dance.storage import ModelStorage

    token = {
        "access_token": "gho_" + "x" * 36,
        "refresh_token": "ghr_" + "x" * 72,
        "token_type": "bearer",
        "scope": ["read:user"],
        "expires_in": 28800,
        "expires_at": time.time() + 28800,
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM auth_user")
        (there,) = cursor.fetchone()
        cursor.execute(
            "INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email,"
            " is_staff, is_active, date_joined) SELECT 'user-' || n, '', false, '', '', '', false,"
            " true, now() FROM generate_series(%s, %s) AS n",
            [there + 1, size],
        )
        owner = ResourceOwner(providers["github"], user_id=there + 1)
        ModelStorage().set(owner, token)
        sealed = OAuthToken.objects.values_list("token", flat=True).get(user_id=there + 1)
        cursor.execute(
            "INSERT INTO django_dance_oauthtoken (provider, created_at, token, account,"
            " connected_at, scope, expires_at, last_error, lease, user_id) SELECT 'github', now(),"
            " %s, '', now(), 'read:user', now() + interval '8 hours', '', '', n"
            " FROM generate_series(%s, %s) AS n",
            [str(sealed), there + 2, size],
        )
        cursor.execute("VACUUM ANALYZE")
    for user_id in asked(size):
        ModelStorage().set(ResourceOwner(providers["github"], user_id=user_id), token)


def asked(size: int) -> range:
    return range(1, size + 1, size // _ASKED)


def look_up(size: int) -> float:
    """The median of a look-up, in milliseconds."""
    from django_dance.owner import ResourceOwner
    from django_dance.registry import providers
    from django_dance.storage import ModelStorage

    storage, times = ModelStorage(), []
    for _ in range(_ROUNDS):
        for user_id in asked(size):
            owner = ResourceOwner(providers["github"], user_id=user_id)
            began = time.perf_counter()
            token = storage.get(owner)
            times.append(time.perf_counter() - began)
            assert token is not None
    return statistics.median(times) * 1000


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
    configure(where)
    call_command(*command, verbosity=0)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="5432")
    parser.add_argument("--user", default="postgres")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(*json.loads(arguments.run))
        return
    where = {
        "HOST": arguments.host,
        "PORT": arguments.port,
        "USER": arguments.user,
        "NAME": _NAME,
    }
    configure(where)
    measured: dict[str, list[float]] = {}
    with database(where):
        call_command("migrate", verbosity=0)
        for size in _SIZES:
            fill(size)
            measured.setdefault("look-up, median, ms", []).append(look_up(size))
            for command in _COMMANDS:
                seconds, memory = held(where, command)
                measured.setdefault(f"{' '.join(command)}, s", []).append(seconds)
                measured.setdefault(f"{' '.join(command)}, MiB at most", []).append(memory)
    print(f"{'':36}" + "".join(f"{size:>12,}" for size in _SIZES) + f"{'ratio':>8}")
    for name, (few, many) in measured.items():
        print(f"{name:36}{few:12.2f}{many:12.2f}{many / few:8.2f}")


if __name__ == "__main__":
    main()
