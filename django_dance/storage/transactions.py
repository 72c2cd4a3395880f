"""What must outlive a transaction that may yet be rolled back.

A refresh token that rotates is spent when the provider answers. If the new one went with a view's
transaction, nobody would have either.
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

#: How a connection is told not to wait for ever for a row: it may be locked by the very
#: transaction that waits for us, which no database can see.
_PATIENCE = {
    "postgresql": "SET lock_timeout TO '10s'",
    "mysql": "SET SESSION innodb_lock_wait_timeout = 10",
}


def in_transaction(using: str) -> bool:
    """Whether a transaction is open on this thread's connection."""
    connection = connections[using]
    return connection.in_atomic_block or (
        connection.connection is not None and not connection.autocommit
    )


def may_roll_back(using: str) -> bool:
    """The same, but for a test case's own transaction, which is all that its test will ever see.

    Django tells them apart in the same way for ``atomic(durable=True)``.
    """
    blocks: Any = connections[using].atomic_blocks
    return in_transaction(using) and not any(block._from_testcase for block in blocks)


def has_one_writer(using: str) -> bool:
    """Whether another connection could not write while this one's transaction is open."""
    return connections[using].vendor == "sqlite"


def on_a_connection_of_its_own(
    using: str,
    work: Callable[[], _Result],
    prepare: Callable[[Any, Any], object] = lambda connection, beside: None,
) -> _Result:
    """Call ``work`` in a thread, where Django's connections are others than here.

    :param prepare: called with the connection, and the one that it is beside.
    :raises StorageError: it has to wait for a row that the transaction here has locked.
    """
    beside = connections[using]
    results: list[_Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            connection = connections[using]
            # Not from a pool: those who hold its connections may all wait for this one.
            options = {k: v for k, v in connection.settings_dict["OPTIONS"].items() if k != "pool"}
            connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}
            connection.ensure_connection()
            connection.set_autocommit(True)
            prepare(connection, beside)
            if patience := _PATIENCE.get(connection.vendor):
                with connection.cursor() as cursor:
                    cursor.execute(patience)
            results.append(work())
        except BaseException as error:  # noqa: BLE001  it is raised below
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
                "The token could not be stored beside the transaction that is open. If that has "
                "locked its row, by select_for_update() or update(), let go of it first."
            ) from failure
        raise failure
    return results[0]


def after_the_transaction(request: Any, again: Callable[[], object]) -> None:
    """Have ``OAuthMiddleware`` call ``again`` when the view, and its transaction, are over."""
    if request is not None:
        request.__dict__.setdefault("_dance_again", []).append(again)


def settle(request: Any) -> None:
    """Do again what the view's transaction may have undone."""
    for again in request.__dict__.pop("_dance_again", ()):
        try:
            again()
        except Exception:
            # The view has answered; that stands.
            logger.exception("a refreshed token could not be stored again after the view")
