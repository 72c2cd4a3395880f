"""ask_cache: a cache that fails counts as empty."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from django.core.cache import BaseCache, caches
from django.db import connections, router, transaction

from ..exceptions import failure_fields

logger = logging.getLogger("django_dance")

#: Seconds between two warnings about the same effect.
_QUIET = 60
#: Effect → the time of the last warning, on the monotonic clock.
_warned: dict[str, float] = {}

_Result = TypeVar("_Result")


def ask_cache(
    cache: str | BaseCache,
    question: Callable[[Any], _Result],
    otherwise: _Result,
    *,
    effect: str,
    apart: bool = False,
) -> _Result:
    """Call ``question`` with the cache, and return its result.

    If the cache fails, log a warning, at most once a minute, and return ``otherwise``. Django does
    not wrap the errors of the libraries behind its caches, so that they have no common base class.

    :param cache: a cache, or its alias in ``CACHES``.
    :param effect: the consequence for the site. It is part of the warning.
    :param apart: whether the changes survive a rollback of the open transaction. This concerns
        Django's ``DatabaseCache`` only, and no database with one writer.
    """
    try:
        found = caches[cache] if isinstance(cache, str) else cache
        using = database_of(found)
        if using is None or not connections[using].in_atomic_block:
            return question(found)
        if apart and _can_write_apart(using):
            return _on_separate_connection(using, partial(question, found))
        # If a statement fails, such as that for a missing table, the transaction goes on.
        with transaction.atomic(using=using):
            return question(found)
    except Exception as error:  # noqa: BLE001  see above
        now = time.monotonic()
        if effect not in _warned or now - _warned[effect] >= _QUIET:
            _warned[effect] = now
            logger.warning(
                "the cache is down (%s): %s",
                type(error).__name__,
                effect,
                extra=failure_fields(code="cache_failed"),
            )
        return otherwise


def database_of(cache: Any) -> str | None:
    """The alias of the database that a cache is in; ``None`` for another cache."""
    model = getattr(cache, "cache_model_class", None)  # of Django's DatabaseCache
    return None if model is None else router.db_for_write(model)


def _can_write_apart(using: str) -> bool:
    """Whether another connection can write, and the transaction is not that of a test case."""
    connection: Any = connections[using]
    in_test_case = any(block._from_testcase for block in connection.atomic_blocks)
    return connection.vendor != "sqlite" and not in_test_case


def _on_separate_connection(using: str, question: Callable[[], _Result]) -> _Result:
    """Call ``question`` in a new thread, which has a database connection of its own."""
    beside: Any = connections[using]
    results: list[_Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            connection: Any = connections[using]
            if hasattr(beside, "tenant") and hasattr(connection, "set_tenant"):
                connection.set_tenant(beside.tenant)  # of django-tenants
            results.append(question())
        except BaseException as error:  # noqa: BLE001  the caller's thread raises it
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=copy_context().run, args=(run,), name="django-dance cache")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
