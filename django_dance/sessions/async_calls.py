"""The threads in which the calls of async code wait for the network.

They are threads of their own, because asyncio's default executor has few threads, which the whole
process uses. No database, no cache and no signal is used in them.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

import requests
from django.core.signals import setting_changed

from ..conf import settings
from ..http import TimedCall, running_call

_Result = TypeVar("_Result")

#: The names of the threads begin with this text.
THREADS = "django_dance"

_lock = threading.Lock()
_threads: ThreadPoolExecutor | None = None


def _executor() -> ThreadPoolExecutor:
    """Return the threads of this process. They are made when they are first needed."""
    global _threads
    with _lock:
        if _threads is None:
            _threads = ThreadPoolExecutor(int(settings.async_calls), thread_name_prefix=THREADS)
        return _threads


async def run_in_thread(
    work: Callable[[], _Result], *, until: float | None = None, discard: Any = None
) -> _Result:
    """Call ``work`` in a thread, and wait for the result without blocking the event loop.

    A cancelled task returns at once. Then the thread ends with the call, and the result is
    discarded.

    :param until: the end of the calls that ``work`` makes, on the monotonic clock.
    :param discard: called with a result that nobody waits for.
    :raises requests.ConnectTimeout: no thread was free until then.
    """

    def timed() -> _Result:
        if until is not None:
            if time.monotonic() > until:
                raise requests.ConnectTimeout(
                    "The call had to wait too long for a thread. A process makes at most "
                    "DANCE_ASYNC_CALLS calls at the same time."
                )
            running_call.set(TimedCall(until))
        return work()

    future = _executor().submit(copy_context().run, timed)
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if discard is not None:
            future.add_done_callback(lambda done: _discard(done, discard))
        raise


def _discard(done: Future[Any], discard: Callable[[Any], object]) -> None:
    if not done.cancelled() and done.exception() is None:
        discard(done.result())


def run_later(work: Callable[[], object]) -> None:
    """Call ``work`` in a thread, and do not wait for it."""
    with suppress(RuntimeError):  # the process ends
        _executor().submit(work)


def _forget_threads(**kwargs: Any) -> None:
    """Let the next call make new threads."""
    global _threads, _lock
    _threads, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    # The threads do not exist in a forked child, and another thread may have held the lock.
    os.register_at_fork(after_in_child=_forget_threads)


def _read_setting_again(*, setting: str, **kwargs: Any) -> None:
    if setting == "DANCE_ASYNC_CALLS":
        _forget_threads()


setting_changed.connect(_read_setting_again, dispatch_uid="django_dance.sessions.async_calls")
