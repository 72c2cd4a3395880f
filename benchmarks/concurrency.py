"""Measure many calls at the same time, to a server that takes 200 ms for each."""

from __future__ import annotations

import asyncio
import re
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import httpx2
from django.conf import settings
from django.http import HttpRequest

from django_dance.interop import httpx_auth
from django_dance.sessions import DanceSession, OAuth

from .measure import Target, Timings, table
from .server import Server

HTTPX, HTTPX2 = "httpx.AsyncClient", "httpx2.AsyncClient"
OURS, AUTH = "django-dance, aget()", "httpx2 with httpx_auth()"
#: The number of calls at the same time → the contestants, and the largest allowed ratio to the
#: first one. With hundreds of open connections, a call of httpx 0.28 takes many milliseconds.
LIMITS = {
    100: {HTTPX2: 1, HTTPX: None, OURS: 1.5},
    300: {HTTPX2: 1, OURS: 1.5},
    1000: {HTTPX2: 1, AUTH: 1.2},
}
#: The number of calls → the number of connections of a client, if it is smaller.
CONNECTIONS = {1000: 50}

Call = Callable[[], Awaitable[Any]]


def memory() -> int:
    """The resident memory of this process, in KiB; 0 if the system does not tell it."""
    status = Path("/proc/self/status")
    found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) if found else 0


def allow_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def seconds(call: Call, calls: int) -> float:
    start = time.perf_counter()
    answers = await asyncio.gather(*(call() for _ in range(calls)))
    taken = time.perf_counter() - start
    assert {answer.status_code for answer in answers} == {200}
    return taken


async def measure(server: Server, session: DanceSession, calls: int, rounds: int) -> Timings:
    """Measure the contestants in turns, with warm connections."""
    url = f"{server.url}slow"
    token = {"Authorization": f"Bearer {settings.TOKEN['access_token']}"}
    options: dict[str, Any] = {
        "verify": server.ssl_context(),
        "timeout": 60,
        "trust_env": False,
    }
    most = CONNECTIONS.get(calls, calls)
    sizes = {"max_connections": most, "max_keepalive_connections": most, "keepalive_expiry": 600}
    old, new = httpx.Limits(**sizes), httpx2.Limits(**sizes)
    async with (
        httpx.AsyncClient(**options, limits=old, headers=token) as first,
        httpx2.AsyncClient(**options, limits=new, headers=token) as second,
        httpx2.AsyncClient(**options, limits=new, auth=httpx_auth(session)) as with_auth,
    ):
        all_calls: dict[str, Call] = {
            HTTPX: lambda: first.get(url),
            HTTPX2: lambda: second.get(url),
            OURS: lambda: session.aget("/slow", timeout=60),
            AUTH: lambda: with_auth.get(url),
        }
        contestants = {name: all_calls[name] for name in LIMITS[calls]}
        taken: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(rounds + 1):
            for name, call in contestants.items():
                found = await seconds(call, calls)
                if number:  # the first round opens the connections
                    taken[name].append(found)
    return Timings(taken)


def compare(server: Server, calls: int, *, rounds: int) -> list[Target]:
    """Measure this number of calls at the same time, for all contestants."""
    allow_many_files()
    session = OAuth(HttpRequest()).memory
    before = memory()
    took = asyncio.run(measure(server, session, calls, rounds))
    used = (memory() - before) / calls
    print(
        table(
            f"{calls} calls of 200 ms at the same time ({rounds} rounds)",
            ("", "s", "× httpx2"),
            [
                (name, f"{took[name]:.2f}", f"{took.ratio(name, HTTPX2):.2f}")
                for name in took.rounds
            ],
        )
    )
    print(f"Memory: {used:.0f} KiB for each call of all contestants together.\n")
    return [
        Target(
            f"{calls} calls at the same time take at most {limit} × httpx2: {name}",
            f"{took.ratio(name, HTTPX2):.2f}",
            took.ratio(name, HTTPX2) <= limit,
        )
        for name, limit in LIMITS[calls].items()
        if limit is not None and name != HTTPX2
    ]
