"""Compare tables of a thousand and a million tokens in PostgreSQL: look-ups and memory.

``python -m benchmarks.million --host 127.0.0.1`` creates two databases, and drops them at the end.
The look-ups alternate between them: other work on the machine affects both alike. With
``--places`` both have a million rows, and those of the second one are spread over ten thousand
places.
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

#: The last command runs twice: at first each token needs the new key, and then no token does.
_COMMANDS = (
    ("dance_tokens", "--json"),
    ("dance_reencrypt", "--dry-run"),
    ("dance_reencrypt",),
    ("dance_reencrypt",),
)
_PROVIDER = "mastodon"
_KEY = "a-key-for-the-benchmark-and-for-nothing-else"
#: Database alias → number of rows.
_SIZES = {"default": 1_000, "million": 1_000_000}
#: With ``--places``: the number of rows of both, and of the places in the second.
_ROWS, _PLACES = 1_000_000, 10_000
#: The largest allowed ratio of a look-up in a million rows to one in a thousand rows.
_LIMIT = 1.2
#: The number of users whose tokens are looked up, spread over the table.
_USERS = 200
_ROUNDS = 40


class Router:
    """Routes all queries to the database in ``here``."""

    here = "default"

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return Router.here

    db_for_write = db_for_read


def name_of(alias: str) -> str:
    return f"django_dance_{alias}_{os.getpid()}"


def configure(databases: dict[str, dict[str, Any]], *new_keys: str) -> None:
    """Configure a site that stores tokens and nothing else."""
    settings.configure(
        SECRET_KEY=_KEY,
        DANCE_ENCRYPTION_KEYS=[*new_keys, _KEY],
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
        DANCE_PROVIDERS={
            "mastodon": {"PROVIDER": "django_dance.contrib.mastodon.Mastodon", "PLACES": "any"}
        },
        DANCE_CACHE=None,  # the benchmark measures the table
    )
    django.setup()


@contextmanager
def create_databases(databases: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Create the databases, and drop them at the end of the context."""
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


def place_of(user_id: int, places: int) -> str:
    """The place of a user's row."""
    return f"m{user_id % places}.example.com" if places else ""


def fill(alias: str, size: int, places: int = 0) -> None:
    """Insert this number of rows, each with a readable token of another user.

    :param places: the number of places that the rows are spread over.
    """
    from django_dance.models import OAuthToken
    from django_dance.tokens import Token

    token = Token(
        {
            "access_token": "gho_" + "x" * 36,
            "refresh_token": "ghr_" + "x" * 72,
            "token_type": "bearer",
            "scope": ["read:user"],
            "expires_in": 28800,
            "expires_at": time.time() + 28800,
        }
    )
    field = OAuthToken._meta.get_field("token")
    Router.here = alias
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email,"
            " is_staff, is_active, date_joined) SELECT 'user-' || n, '', false, '', '', '', false,"
            " true, now() FROM generate_series(%s, %s) AS n",
            [1, size],
        )
        cursor.execute("CREATE TEMPORARY TABLE sealed (user_id integer, place text, token text)")
        with cursor.copy("COPY sealed FROM STDIN") as rows:
            for user_id in range(1, size + 1):
                place = place_of(user_id, places)
                row = OAuthToken(provider=_PROVIDER, user_id=user_id, place=place)
                rows.write_row((user_id, place, str(field.sealed(row, token))))
        cursor.execute(
            "INSERT INTO django_dance_oauthtoken (provider, place, created_at, token, account,"
            " connected_at, scope, expires_at, last_error, lease, user_id) SELECT %s, place, now(),"
            " token, '', now(), 'read:user', now() + interval '8 hours', '', '', user_id"
            " FROM sealed ORDER BY user_id",
            [_PROVIDER],
        )
        cursor.execute("VACUUM ANALYZE")


def user_ids(size: int) -> range:
    return range(1, size + 1, size // _USERS)


def look_ups(sizes: dict[str, int], places: dict[str, int]) -> dict[str, float]:
    """Return for each database alias the median time of a look-up, in milliseconds.

    :param places: the number of places in each database.
    """
    from django_dance.providers import providers
    from django_dance.storage import ModelStorage
    from django_dance.tokens import ResourceOwner

    storage = ModelStorage()
    times: dict[str, list[float]] = {alias: [] for alias in sizes}
    for _ in range(_ROUNDS):
        for alias, size in sizes.items():
            Router.here = alias
            for user_id in user_ids(size):
                place = place_of(user_id, places[alias])
                began = time.perf_counter()
                provider = providers[_PROVIDER].variant(place)
                owner = ResourceOwner(provider, user_id=user_id)
                token = storage.get(owner)
                times[alias].append(time.perf_counter() - began)
                assert token is not None
    return {alias: statistics.median(taken) * 1000 for alias, taken in times.items()}


def run_command(where: dict[str, Any], command: tuple[str, ...]) -> tuple[float, float]:
    """Run a command in a process; return its seconds and its peak memory in MiB."""
    began = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.million", "--run", json.dumps([where, command])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.perf_counter() - began, int(process.stderr.split()[-1]) / 1024


def peak_memory(where: dict[str, Any], places: int) -> float:
    """Return the peak memory, in MiB, of a process that looks up a token at each place."""
    return run_command(where, ("look-ups", str(places)))[1]


def look_up_each(places: int) -> None:
    """Look up the tokens of the first users, whose places differ."""
    from django_dance.providers import providers
    from django_dance.storage import ModelStorage
    from django_dance.tokens import ResourceOwner

    storage = ModelStorage()
    for user_id in range(1, _PLACES + 1):
        provider = providers[_PROVIDER].variant(place_of(user_id, places))
        assert storage.get(ResourceOwner(provider, user_id=user_id)) is not None


def run(where: dict[str, Any], command: list[str]) -> None:
    new_keys = ["a-new-key"] if command[0] == "dance_reencrypt" else []
    configure({"default": where}, *new_keys)
    if command[0] == "look-ups":
        look_up_each(int(command[1]))
    else:
        call_command(*command, verbosity=0)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="5432")
    parser.add_argument("--user", default="postgres")
    parser.add_argument("--places", action="store_true", help="compare with and without places")
    parser.add_argument("--rows", type=int, default=_ROWS, help="with --places: the rows of each")
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
    if arguments.places:
        return compare_places(databases, arguments.rows, check=arguments.check)
    with create_databases(databases):
        for alias, size in _SIZES.items():
            call_command("migrate", database=alias, verbosity=0)
            fill(alias, size)
        nowhere = dict.fromkeys(_SIZES, 0)
        measured["look-up, median, ms"] = list(look_ups(_SIZES, nowhere).values())
        for number, command in enumerate(_COMMANDS):
            again = ", again" * (command in _COMMANDS[:number])
            for where in databases.values():
                seconds, memory = run_command(where, command)
                measured.setdefault(f"{' '.join(command)}{again}, s", []).append(seconds)
                measured.setdefault(f"{' '.join(command)}{again}, MiB", []).append(memory)
    print(f"{'':36}" + "".join(f"{size:>12,}" for size in _SIZES.values()) + f"{'ratio':>8}")
    for name, (few, many) in measured.items():
        print(f"{name:36}{few:12.2f}{many:12.2f}{many / few:8.2f}")
    few, many = measured["look-up, median, ms"]
    target = Target(
        f"a look-up in a million rows takes at most {_LIMIT} × the time in a thousand",
        f"{many / few:.2f}",
        many / few <= _LIMIT,
    )
    print(target)
    return int(arguments.check and not target.held)


def compare_places(databases: dict[str, dict[str, Any]], rows: int, *, check: bool) -> int:
    """Compare the same number of rows without and with places; return the exit code."""
    sizes, places = dict.fromkeys(databases, rows), {"default": 0, "million": _PLACES}
    with create_databases(databases):
        for alias in databases:
            call_command("migrate", database=alias, verbosity=0)
            fill(alias, rows, places[alias])
        times = list(look_ups(sizes, places).values())
        memory = [peak_memory(where, places[alias]) for alias, where in databases.items()]
    print(f"{rows:,} rows{'':24}{'one server':>12}{f'{_PLACES:,} places':>16}{'ratio':>8}")
    held = True
    for name, (one, many) in {"look-up, median, ms": times, "peak memory, MiB": memory}.items():
        print(f"{name:36}{one:12.2f}{many:16.2f}{many / one:8.2f}")
        held = held and many / one <= _LIMIT
    print(Target(f"places cost at most {_LIMIT} × time and memory", "see above", held))
    return int(check and not held)


if __name__ == "__main__":
    sys.exit(main())
