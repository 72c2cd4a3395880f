"""Measure ``.authorized`` with tokens in PostgreSQL, with a cache in Redis and without.

The benchmark needs a separate process, because a process has one default database.
``python -m benchmarks.vault`` prints the seconds of each round as JSON for :func:`authorized`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import django
from django.conf import settings
from django.http import HttpRequest

from tests.servers import PostgreSQL, Redis

from .measure import Target, Timings, run_interleaved, seconds, table

#: Provider → the place where its tokens are stored.
VAULTS = {"table": "PostgreSQL", "cached": "PostgreSQL, with the token cache in Redis"}
#: The largest allowed ratio of the time with the cache to the time without it.
LIMIT = 1 / 3

_NAME = f"django_dance_vault_{os.getpid()}"


def authorized() -> list[Target]:
    """Measure in another process, and print the result, or the server that is missing."""
    title = "Is there a token? (the first time on a request)"
    servers = [kind(kind.usual_port) for kind in (PostgreSQL, Redis)]
    if missing := [server for server in servers if not server.answers()]:
        where = " and ".join(f"no {server.name} at {server.url}" for server in missing)
        print(f"{title}: left out, there is {where}.\n")
        return []
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks.vault"],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        check=True,
    )
    took = Timings(json.loads(answer.stdout))
    ratio = took.ratio("cached", "table")
    rows: list[tuple[str, ...]] = [
        (vault, f"{took[name] * 1e6:.0f}") for name, vault in VAULTS.items()
    ]
    print(table(title, ("", "µs"), rows))
    return [
        Target(
            "with Redis .authorized takes at most a third of its time without",
            f"{ratio:.2f}",
            ratio <= LIMIT,
        )
    ]


def configure(database: PostgreSQL, cache: Redis) -> None:
    """Configure a site with two providers: one with the token cache, one without."""
    provider = {
        "PROVIDER": "django_dance.contrib.github.GitHub",
        "CLIENT_ID": "a-client",
        "CLIENT_SECRET": "a-client-secret",
    }
    storage = "django_dance.storage.ModelStorage"
    settings.configure(
        SECRET_KEY="a-key-for-the-benchmarks-and-for-nothing-else",
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_dance"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": "127.0.0.1",
                "PORT": database.port,
                "USER": database.user,
                "NAME": _NAME,
            }
        },
        CACHES={"default": cache.cache()},
        DANCE_PROVIDERS={
            "table": {**provider, "STORAGE": {"BACKEND": storage, "OPTIONS": {"cache": None}}},
            "cached": {
                **provider,
                "STORAGE": {"BACKEND": storage, "OPTIONS": {"cache": "default"}},
            },
        },
    )
    django.setup()


def measure() -> dict[str, list[float]]:
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from django_dance.providers import providers

    call_command("migrate", verbosity=0)
    request = HttpRequest()
    request.user = get_user_model().objects.create_user("ada")

    def sampler(name: str) -> Callable[[], float]:
        make = partial(providers[name].session, request)
        make().token = {"access_token": "an-access-token", "token_type": "bearer"}

        def sample() -> float:
            session = make()
            return seconds(lambda: session.authorized)

        return sample

    took = run_interleaved({name: sampler(name) for name in VAULTS}, rounds=300, batch=3)
    return dict(took.rounds)


def main() -> None:
    database, cache = PostgreSQL(PostgreSQL.usual_port), Redis(Redis.usual_port)
    configure(database, cache)
    with database.connect() as maintenance:
        maintenance.execute(f'CREATE DATABASE "{_NAME}"')
    try:
        print(json.dumps(measure()))
    finally:
        from django.core.cache import caches
        from django.db import connection

        connection.close()
        database.drop(_NAME)
        with suppress(Exception):
            caches["default"].delete_pattern("*")


if __name__ == "__main__":
    main()
