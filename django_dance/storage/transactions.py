"""Transactions: a refreshed token is stored even if the view's transaction rolls back.

If the provider rotates refresh tokens, its answer ends the old refresh token. If the new one were
stored in the view's transaction and this rolled back, both would be lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

from django.db import OperationalError, connections

from ..exceptions import StorageError

logger = logging.getLogger("django_dance")

_Result = TypeVar("_Result")

#: Limits the wait for row locks. The lock may be held by the transaction that is waiting for this
#: thread, a deadlock that the database cannot detect.
_PATIENCE = {
    "postgresql": "SET lock_timeout TO '10s'",
    "mysql": "SET SESSION innodb_lock_wait_timeout = 10",
}
#: How often a write is tried while another connection writes.
_ATTEMPTS = 10


def in_transaction(using: str) -> bool:
    """Whether a transaction is open on this thread's connection."""
    connection = connections[using]
    return connection.in_atomic_block or (
        connection.connection is not None and not connection.autocommit
    )


def may_roll_back(using: str) -> bool:
    """Whether a transaction is open that is not the one of a Django test case.

    A test case never commits its own transaction. Django makes the same distinction for
    ``atomic(durable=True)``.
    """
    blocks: Any = connections[using].atomic_blocks
    return in_transaction(using) and not any(block._from_testcase for block in blocks)


def has_one_writer(using: str) -> bool:
    """Whether no other connection can write while this one's transaction is open."""
    return connections[using].vendor == "sqlite"


def retry_while_busy(using: str, write: Callable[[], _Result]) -> _Result:
    """Write, and repeat the write while another connection is the database's only writer.

    :param write: the function that writes. It is called up to ten times.
    :raises OperationalError: the last attempt failed, or it is of no use to repeat the write.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return write()
        except OperationalError:
            if not has_one_writer(using) or in_transaction(using):
                raise
    return write()


def share_tenant(connection: Any, beside: Any) -> None:
    """Set the tenant of django-tenants on a connection, as another connection has it."""
    if hasattr(beside, "tenant") and hasattr(connection, "set_tenant"):
        connection.set_tenant(beside.tenant)


def on_separate_connection(
    using: str,
    work: Callable[[], _Result],
    prepare: Callable[[Any, Any], object] = lambda connection, beside: None,
) -> _Result:
    """Call ``work`` in a new thread, which has database connections of its own.

    :param prepare: it is called with the new connection and with this thread's connection.
    :raises StorageError: the open transaction has locked the row that ``work`` needs.
    """
    beside = connections[using]
    results: list[_Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            connection = connections[using]
            # Not from a pool: the threads that hold its connections may all wait for this one.
            options = {k: v for k, v in connection.settings_dict["OPTIONS"].items() if k != "pool"}
            connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
            connection.ensure_connection()
            connection.set_autocommit(True)
            prepare(connection, beside)
            if patience := _PATIENCE.get(connection.vendor):
                with connection.cursor() as cursor:
                    cursor.execute(patience)
            results.append(work())
        except BaseException as error:  # noqa: BLE001  the caller's thread raises it
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=copy_context().run, args=(run,), name="django-dance")
    thread.start()
    thread.join()
    if failures:
        failure = failures[0]
        if isinstance(failure, OperationalError):
            raise StorageError(
                "The token could not be stored on a separate connection. If the open transaction "
                "has locked its row, by select_for_update() or update(), end the transaction first."
            ) from failure
        raise failure
    return results[0]


def defer_write(request: Any, write: Callable[[], object]) -> None:
    """Let ``OAuthMiddleware`` repeat a write after the view, when its transaction has ended.

    :param request: the request, or ``None``. Without one there is no view to wait for.
    """
    if request is not None:
        request.__dict__.setdefault("_oauth_deferred_writes", []).append(write)


def run_deferred_writes(request: Any) -> None:
    """Repeat the writes that the view's transaction may have rolled back."""
    for write in request.__dict__.pop("_oauth_deferred_writes", ()):
        try:
            write()
        except Exception:
            # The view's response is sent in any case.
            logger.exception("a refreshed token could not be stored again after the view")
