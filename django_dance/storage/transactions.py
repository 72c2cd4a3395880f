"""Transactions: a refreshed token is stored even if the view's transaction rolls back.

If the provider rotates refresh tokens, its answer ends the old refresh token. If the new one were
stored in the view's transaction and this rolled back, both would be lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any, TypeVar

from django.db import (
    Error,
    InterfaceError,
    InternalError,
    OperationalError,
    connections,
    transaction,
)

from ..conf import settings
from ..exceptions import StorageError, failure_fields

logger = logging.getLogger("django_dance")

_Result = TypeVar("_Result")

#: The longest wait for a row lock on a separate connection, in seconds. The lock may be held by the
#: transaction that is waiting for this thread, a deadlock that the database cannot detect.
_LOCK_TIMEOUT = 10
#: How often a write is tried while another connection writes.
_ATTEMPTS = 10
#: The errors of such a wait: PostgreSQL's SQLSTATE and MySQL's number.
_LOCK_NOT_AVAILABLE, _LOCK_WAIT_TIMEOUT = "55P03", 1205
#: PostgreSQL's SQLSTATE of a write to a server that accepts none. Django calls it InternalError.
_READ_ONLY = "25006"

#: Of a thread that has a separate connection: ``using``, the alias of the database, and
#: ``connect``, the function that has opened the connection.
_thread = threading.local()


class NoConnection(StorageError):
    """The database gives no separate connection."""


#: The errors of a connection that is lost, or of a database that does not answer.
CONNECTION_ERRORS = (OperationalError, InterfaceError, NoConnection)


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
            return write_to_primary(write)
        except OperationalError:
            if not has_one_writer(using) or in_transaction(using):
                raise
    return write_to_primary(write)


def write_to_primary(write: Callable[[], _Result]) -> _Result:
    """Write; a server that is a standby now counts as a lost connection.

    After a fail-over or a switch-over the connection may lead to such a server. A new connection
    leads to the new primary.

    :raises OperationalError: the connection is lost, or its server does not accept writes.
    """
    try:
        return write()
    except InternalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _READ_ONLY:
            raise
        raise OperationalError("The database server does not accept writes any more.") from error


def pauses() -> Iterator[float]:
    """Seconds to sleep between two attempts, without end."""
    pause = 0.01
    while True:
        yield pause
        pause = min(pause * 1.5, 0.25)


@contextmanager
def limit_lock_wait(using: str) -> Iterator[None]:
    """Limit the wait for row locks of the writes within this context, on a separate connection.

    On PostgreSQL the limit ends with a transaction. Behind a pooler such as PgBouncer, the
    connection to the server may serve another application after the transaction.
    """
    if getattr(_thread, "using", None) != using or connections[using].vendor != "postgresql":
        yield
        return
    with transaction.atomic(using=using):
        with connections[using].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}s'")
        yield


@contextmanager
def _limit_session_lock_wait(connection: Any) -> Iterator[None]:
    """On MySQL, limit the wait for row locks, and put the earlier limit back."""
    if connection.vendor != "mysql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@SESSION.innodb_lock_wait_timeout")
        (before,) = cursor.fetchone()
        cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {_LOCK_TIMEOUT}")
    try:
        yield
    finally:
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {int(before)}")


def write_on_new_connection(
    using: str,
    write: Callable[[], _Result],
    until: float,
    prepare: Callable[[Any, Any], object] = lambda connection, beside: None,
) -> _Result:
    """Write on a new connection, and repeat it on further connections until it succeeds.

    :param write: the function that has failed on the connection of this thread.
    :param until: the time of the last attempt, on the monotonic clock.
    :param prepare: see :func:`on_separate_connection`.
    :raises OperationalError: the last attempt has failed, or it is of no use to repeat the write.
    :raises InterfaceError: the same.
    :raises NoConnection: the same.
    """
    for pause in pauses():
        try:
            return _once_on_new_connection(using, lambda: write_to_primary(write), prepare)
        except CONNECTION_ERRORS:
            if time.monotonic() + pause > until or (
                has_one_writer(using) and in_transaction(using)
            ):
                raise
        time.sleep(pause)
    raise AssertionError  # there is always another pause


def _once_on_new_connection(
    using: str, write: Callable[[], _Result], prepare: Callable[[Any, Any], object]
) -> _Result:
    if has_one_writer(using):
        return write()  # the database is a file: there is no connection to lose
    if in_transaction(using):
        return _in_new_thread(using, write, prepare)
    with suppress(Error):
        connections[using].close()
    if getattr(_thread, "using", None) == using:
        _thread.connect()
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
    :raises NoConnection: the database gives no connection.
    :raises StorageError: the open transaction has locked the row that ``work`` needs.
    """
    try:
        return _in_new_thread(using, work, prepare)
    except OperationalError as error:
        if _is_lock_timeout(error):
            raise StorageError(
                "The token could not be stored on a separate connection. If the open transaction "
                "has locked its row, by select_for_update() or update(), end the transaction first."
            ) from error
        raise StorageError(
            "The token could not be stored on a separate connection: the database does not answer "
            "there."
        ) from error


def _is_lock_timeout(error: OperationalError) -> bool:
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return sqlstate == _LOCK_NOT_AVAILABLE or error.args[:1] == (_LOCK_WAIT_TIMEOUT,)


def _in_new_thread(
    using: str, work: Callable[[], _Result], prepare: Callable[[Any, Any], object]
) -> _Result:
    beside = connections[using]
    results: list[_Result] = []
    failures: list[BaseException] = []

    def connect() -> Any:
        connection = connections[using]
        # Not from a pool: the threads that hold its connections may all wait for this one.
        name, direct = connection.settings_dict["NAME"], settings.direct_databases.get(using)
        entry = connections.settings[direct] if direct else connection.settings_dict
        options = {k: v for k, v in entry["OPTIONS"].items() if k != "pool"}
        # The cache keys name the database by this thread's NAME.
        connection.settings_dict = {**entry, "NAME": name, "OPTIONS": options}
        try:
            connection.ensure_connection()
        except (OperationalError, InterfaceError) as error:
            raise NoConnection(
                "A refresh while a transaction is open needs a second connection to the database, "
                "and the database gives none. Allow one more connection for each process."
            ) from error
        connection.set_autocommit(True)
        prepare(connection, beside)
        return connection

    def run() -> None:
        try:
            with _limit_session_lock_wait(connect()):
                _thread.using, _thread.connect = using, connect
                results.append(work())
        except BaseException as error:  # noqa: BLE001  the caller's thread raises it
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=copy_context().run, args=(run,), name="django-dance")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def defer_write(request: Any, write: Callable[[], object]) -> None:
    """Let ``OAuthMiddleware`` repeat a write after the view, when its transaction has ended.

    :param request: the request, or ``None``. Without one there is no view to wait for.
    """
    if request is not None:
        request.__dict__.setdefault("_oauth_deferred_writes", []).append(write)


def runs_deferred_writes(request: Any) -> bool:
    """Whether ``OAuthMiddleware`` has the request, and so runs its deferred writes."""
    return hasattr(request, "oauth")


def after_view_or_now(using: str | None, request: Any, function: Callable[[], object]) -> None:
    """Call a function after the view if the view's transaction is open and may roll back.

    Then the writes of the function survive. Otherwise the function is called now.
    """
    if using is not None and may_roll_back(using) and runs_deferred_writes(request):
        defer_write(request, function)
    else:
        function()


def run_deferred_writes(request: Any) -> None:
    """Repeat the writes that the view's transaction may have rolled back."""
    for write in request.__dict__.pop("_oauth_deferred_writes", ()):
        try:
            write()
        except Exception:
            # The view's response is sent in any case.
            logger.exception(
                "a write could not be repeated after the view",
                extra=failure_fields(code="storage_failed"),
            )
