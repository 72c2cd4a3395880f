"""Measure the cost of a connection, a look-up and a refresh at a million connections.

``python -m benchmarks.capacity`` starts a PostgreSQL and a Redis of its own, and ends them. The
statements are those of the storage, recorded once and repeated by pgbench; the keys and values are
those of the token cache, read by redis-benchmark. The costs are bytes, and the processor time of
the servers, which depends little on other work on the machine. The wait for the disk is not in it.
Look-ups by the storage, with tables of a thousand to a million rows, are timed too.
``--figures FILE`` writes the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from tests.servers import HOST, PostgreSQL, Redis, program, throw_away

from . import million
from .million import Router, create_databases, fill

ROWS = 1_000_000
SIZES = {"default": 1_000, "rows4": 10_000, "rows5": 100_000, "rows6": ROWS}
ALIAS = "rows6"
#: Clients of PostgreSQL, and how often each sends the statements of a look-up and of a refresh.
CLIENTS, LOOK_UPS, REFRESHES = 8, 5_000, 1_000
#: The user whose statements are recorded. The key of the user's row is the same.
USER = 777_777
#: How often each of 200 tokens is looked up.
ROUNDS = 3
#: The number of commands to Redis.
COMMANDS = 100_000


def record(work: Callable[[], object]) -> list[str]:
    """The statements that ``work`` sends, with a variable in place of the user."""
    statements: list[str] = []

    def wrapper(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        cursor = connections[ALIAS].connection.cursor()
        statements.append(cursor.mogrify(sql, parameters))
        return execute(sql, parameters, many, context)

    with connections[ALIAS].execute_wrapper(wrapper):
        work()
    return [re.sub(rf"\b{USER}\b", ":user", each) for each in statements]


def pgbench(server: PostgreSQL, database: str, statements: list[str], times: int) -> float:
    """The microseconds of processor time that the server takes for these statements."""
    lines = [rf"\set user random(1, {ROWS})", *(f"{each};" for each in statements)]
    before = processor_seconds(server)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("\n".join(lines) + "\n")
        script.flush()
        command = [
            *(program("pgbench"), "-n", "-h", HOST, "-p", str(server.port), "-U", server.user),
            *("-c", str(CLIENTS), "-t", str(times), "-f", script.name, database),
        ]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"processed: {CLIENTS * times}/{CLIENTS * times}" in answer, answer
    time.sleep(1)  # the server has to notice that its processes have ended
    return (processor_seconds(server) - before) / (CLIENTS * times) * 1e6


def processor_seconds(server: PostgreSQL) -> float:
    """The processor time of those processes of the server that have ended."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def look_up_times(cache: dict[str, Any] | None) -> dict[str, float]:
    """Rows → the median milliseconds of a look-up by the storage."""
    changes = {"CACHES": {"default": cache}, "DANCE_CACHE": "default"} if cache else {}
    with override_settings(**changes):
        taken = million.look_ups(SIZES, dict.fromkeys(SIZES, 0))
    return {str(SIZES[alias]): median for alias, median in taken.items()}


def measure_postgresql(server: PostgreSQL, cache: Redis) -> dict[str, Any]:
    where = {"HOST": HOST, "PORT": str(server.port), "USER": server.user}
    databases = {alias: {**where, "NAME": f"capacity_{alias}"} for alias in SIZES}
    million._ROUNDS = ROUNDS
    million.configure(databases)

    from django_dance.connections.refresh import lease_seconds
    from django_dance.models import OAuthToken
    from django_dance.providers import providers
    from django_dance.storage import ModelStorage
    from django_dance.tokens import ResourceOwner

    with create_databases(databases):
        for alias, size in SIZES.items():
            Router.here = alias
            call_command("migrate", database=alias, verbosity=0)
            fill(alias, size)
        times = {"PostgreSQL": look_up_times(None), "Redis": look_up_times(cache.cache())}
        Router.here = ALIAS
        provider = providers[million._PROVIDER].variant(million.place_of(USER, 0))
        storage, owner = ModelStorage(), ResourceOwner(provider, user_id=USER)
        token = storage.get(owner)
        assert token is not None and OAuthToken.objects.get(user_id=USER).pk == USER
        sealed = OAuthToken.objects.values_list("token", flat=True).get(pk=USER)

        def refresh() -> None:
            def work(until: float) -> bool:
                return storage.store_refreshed(owner, token, {**token, "access_token": "y"}, until)

            assert storage.run_alone(owner, lease_seconds(), work, lambda: None)

        look_up, refreshed = record(lambda: storage.get(owner)), record(refresh)
        # The condition that the row has the token that was read holds for each user.
        refreshed = [each.replace(f"'{sealed}'", '"token"') for each in refreshed]
        assert sum('"token" = "token"' in each for each in refreshed) == 1
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(
                "SELECT pg_table_size('django_dance_oauthtoken'),"
                " pg_indexes_size('django_dance_oauthtoken')"
            )
            table, indexes = cursor.fetchone()
        name = databases[ALIAS]["NAME"]
        return {
            "milliseconds of a look-up by rows": times,
            "bytes of a row": table / ROWS,
            "bytes in indexes": indexes / ROWS,
            "µs of a look-up": pgbench(server, name, look_up, LOOK_UPS),
            "statements of a refresh": len(refreshed),
            "µs of a refresh": pgbench(server, name, refreshed, REFRESHES),
        }


def measure_redis(server: Redis) -> dict[str, Any]:
    """A million entries with their generations, of the lengths that the token cache writes."""
    from django_dance.cache import TokenCache
    from django_dance.tokens import Token

    client = redis.Redis(host=HOST, port=server.port)
    client.flushall()
    token = {"access_token": "gho_" + "x" * 36, "refresh_token": "ghr_" + "x" * 72}
    facts = {"token_type": "bearer", "scope": ["read:user"], "expires_in": 28800}
    owner = "0" * 64  # a SHA-256 digest
    with override_settings(CACHES={"default": server.cache()}):
        generations = TokenCache("default").invalidate(owner)
        assert generations is not None
        TokenCache("default").put(owner, generations, {"": Token({**token, **facts})})
    values = {key.decode(): client.get(key) for key in client.scan_iter()}
    client.flushall()
    before = client.info("memory")["used_memory"]
    for start in range(0, ROWS, 10_000):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, start + 10_000):
            for key, value in values.items():
                pipeline.set(key.replace(owner, f"{number:064}"), value, 3600)
        pipeline.execute()
    used = client.info("memory")["used_memory"] - before
    # redis-benchmark puts a random number of twelve digits in place of the word.
    keys = [key.replace(owner, "0" * 52 + "__rand_int__") for key in values]
    command = [program("redis-benchmark"), "-p", str(server.port), "-n", str(COMMANDS)]
    costs = {}
    for name, words in {
        "µs of a look-up": ["MGET", *keys],
        "µs of an invalidation": ["SET", keys[0], "x" * 40, "EX", "3600"],
    }.items():
        cpu = client.info("cpu")
        subprocess.run([*command, "-r", str(ROWS), *words], capture_output=True, check=True)
        spent = {each: value - cpu[each] for each, value in client.info("cpu").items()}
        costs[name] = (spent["used_cpu_user"] + spent["used_cpu_sys"]) / COMMANDS * 1e6
    assert len(keys) == 2, "a look-up reads the entry and the generation"
    return {"bytes of a connection": used / ROWS, **costs}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--figures", type=Path, help="the file to write the figures to")
    arguments = parser.parse_args()
    # So that the servers end if the benchmark is terminated.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with ExitStack() as stack:
        cache = stack.enter_context(throw_away(Redis))
        database = stack.enter_context(throw_away(PostgreSQL))
        measured = {
            "PostgreSQL": measure_postgresql(database, cache),
            "Redis": measure_redis(cache),
        }
    text = json.dumps(measured, indent=2) + "\n"
    print(text)
    if arguments.figures:
        arguments.figures.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
