"""Leases: one process refreshes a token, and the others wait for it."""

from __future__ import annotations

import logging
import os
import random
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, OperationalError, models
from django.utils import timezone

from ..cache import ask_cache, cache_name
from ..exceptions import ProviderUnavailable, StorageError, failure_fields
from ..tokens import ResourceOwner
from .transactions import (
    CONNECTION_ERRORS,
    has_one_writer,
    limit_lock_wait,
    pauses,
    retry_while_busy,
    write_on_new_connection,
    write_to_primary,
)

logger = logging.getLogger("django_dance")

#: Seconds to wait for a database with one writer while another connection writes.
_PATIENCE = 3

_locks: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
_locks_lock = threading.Lock()


@contextmanager
def thread_lock(
    owner: ResourceOwner, *, wait: bool = True, using: str = DEFAULT_DB_ALIAS
) -> Iterator[None]:
    """Let one thread of this process at a time refresh the owner's token.

    :param wait: whether to wait for another thread.
    :param using: the alias of the database that the token is in.
    :raises ProviderUnavailable: another thread has the lock, and ``wait`` is false.
    """
    key = owner.key
    if key is None:
        yield
        return
    with _locks_lock:
        lock = _locks.setdefault(cache_name(using, key), threading.Lock())
    if not lock.acquire(blocking=wait):
        raise lock_busy_error(owner)
    try:
        yield
    finally:
        lock.release()


def lock_busy_error(owner: ResourceOwner) -> ProviderUnavailable:
    """The error for a caller that must not wait: the wait could last for ever."""
    return ProviderUnavailable(
        f"Another thread or process is refreshing {owner.provider.label}'s token, and may be "
        "waiting for the transaction that is open here. Commit or roll back this transaction, then "
        "retry."
    )


def _forget_locks() -> None:
    """Forget the locks in a forked child: the threads that hold them do not exist there."""
    global _locks_lock
    _locks_lock = threading.Lock()
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


@contextmanager
def row_lease(
    rows: Any,
    owner: ResourceOwner,
    seconds: float,
    *,
    wait: bool,
    prepare: Callable[[Any, Any], object] = lambda connection, beside: None,
) -> Iterator[None]:
    """Lease a row, so that other processes and hosts wait.

    A conditional ``UPDATE`` takes the lease, which every database supports. No lock is held during
    the call to the provider, and the lease of a process that died expires.

    :param rows: the query set with the row.
    :param seconds: the longest time that the lease is held.
    :param wait: whether to wait for another process that has the lease.
    :param prepare: prepares a new connection, if this one is lost.
    :raises ProviderUnavailable: another process has the lease, and ``wait`` is false or the wait
        was too long; or the database is busy.
    """
    name, started = secrets.token_hex(16), time.monotonic()
    for pause in pauses():
        try:
            if _acquire(rows, name, seconds) or not rows.exists():
                break
        except OperationalError as error:
            # SQLite: another connection is writing, perhaps one that waits for this thread.
            if not has_one_writer(rows.db):
                raise
            if time.monotonic() > started + _PATIENCE:
                raise ProviderUnavailable("The database is busy.") from error
        if not wait or time.monotonic() > started + 2 * seconds:
            raise lock_busy_error(owner)
        time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  only spreads the load
    until = time.monotonic() + seconds
    try:
        yield
    finally:
        try:
            retry_while_busy(rows.db, lambda: _release(rows, name))
        except CONNECTION_ERRORS:
            # Others wait for the lease, so it is released as soon as the database answers.
            try:
                write_on_new_connection(rows.db, lambda: _release(rows, name), until, prepare)
            except CONNECTION_ERRORS as error:
                logger.warning(
                    "%s: a lease ends by its time, because the database does not answer (%s)",
                    owner.provider.name,
                    type(error).__name__,
                    extra=failure_fields(provider=owner.provider.name, code=StorageError.code),
                )


def _acquire(rows: Any, name: str, seconds: float) -> bool:
    """Take the lease if it is free, and return whether it was."""
    now = timezone.now()
    until = now + timedelta(seconds=seconds)
    free = models.Q(lease="") | models.Q(lease_until__lt=now)
    # A lease that ends so late comes from a wrong clock.
    free |= models.Q(lease_until=None) | models.Q(lease_until__gt=now + 10 * (until - now))
    with limit_lock_wait(rows.db):
        values = {"lease": name, "lease_until": until}
        return bool(write_to_primary(lambda: rows.filter(free).update(**values)))


def _release(rows: Any, name: str) -> None:
    with limit_lock_wait(rows.db):
        rows.filter(lease=name).update(lease="", lease_until=None)


@contextmanager
def cache_lease(alias: str, owner: ResourceOwner, seconds: float) -> Iterator[None]:
    """Lease an owner's token, so that the processes that share a cache wait.

    :param seconds: the longest time that the lease is held, and the longest wait.
    """
    name, until = secrets.token_hex(16), time.monotonic() + seconds
    key = f"django_dance:lease:{cache_name(DEFAULT_DB_ALIAS, owner.key or name)}"

    def acquire(cache: Any) -> None:
        for pause in pauses():
            # A cache that is down may answer "not added" instead of raising. Then it has no value.
            if cache.add(key, name, int(seconds) + 1) or not cache.get(key):
                return
            if time.monotonic() > until:
                return
            time.sleep(pause)

    def release(cache: Any) -> None:
        if cache.get(key) == name:
            cache.delete(key)

    effect = "parallel requests may refresh the token of a session twice"
    ask_cache(alias, acquire, None, effect=effect)
    try:
        yield
    finally:
        ask_cache(alias, release, None, effect=effect)
