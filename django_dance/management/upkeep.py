"""Upkeep: asks the providers about connections, and tells users about the lost ones.

The commands ``dance_check`` and ``dance_notify`` and the tasks in :mod:`django_dance.tasks` call
these functions. Several hosts may call them at the same time: each row is taken by one of them.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.utils import timezone

from ..conf import settings
from ..connections import question
from ..exceptions import AuthorizationRequired, DanceError, failure_fields
from ..notices import CONNECTION_LOST, Notice, NotSent
from ..storage import is_unreadable
from ..tokens import NEEDS_RECONNECT, REJECTED, UNREADABLE, Token
from .token_tables import batches, columns, server_of, session_of, tables, token_rows

if TYPE_CHECKING:
    from ..sessions import DanceSession

logger = logging.getLogger("django_dance")

#: The outcomes of a check.
ACTIVE, LOST, UNKNOWN, TAKEN = "active", "lost", "unknown", "taken"
OUTCOMES = (ACTIVE, LOST, UNREADABLE, UNKNOWN, TAKEN)
#: A provider that fails this many times in a row is not asked again in this run.
PATIENCE = 5


def rows_to_check(
    names: Collection[str] | None = None, user_id: Any = None, older_than: timedelta | None = None
) -> list[Any]:
    """Return the connections to check, as one queryset for each table.

    They are active, or were rejected because of 401 answers.

    :param names: only connections to these providers.
    :param user_id: only connections of this user.
    :param older_than: only connections that were not checked for this time; default: one day.
    """
    before = timezone.now() - (timedelta(days=1) if older_than is None else older_than)
    return [
        token_rows(model, names=of_table, user_id=user_id)
        .filter(Q(checked_at=None) | Q(checked_at__lte=before))
        .exclude(Q(state=NEEDS_RECONNECT) & ~Q(reason=REJECTED))
        .defer("token")
        for model, of_table in tables(names).items()
        if {"checked_at", "state"} <= columns(model)
    ]


def check_connections(
    rows: Collection[Any], *, rate: float = 5.0, limit: int | None = None
) -> Iterator[str]:
    """Ask the provider about each connection, and yield the outcome, one of ``OUTCOMES``.

    A token whose refresh is due, or whose refresh token has passed half of its lifetime, is
    refreshed. For any other, the address of the account is called, and a 401 is examined.

    :param rows: querysets, from :func:`rows_to_check`.
    :param rate: the number of connections of one provider that are checked in a second.
    :param limit: the largest number of connections to check.
    """
    last: dict[str, float] = {}
    failures: Counter[str] = Counter()
    count = 0
    for table in rows:
        for batch in batches(table):
            for row in batch:
                if limit is not None and count >= limit:
                    return
                if failures[server_of(row)] >= PATIENCE:
                    yield UNKNOWN
                    continue
                if not _take(row):
                    yield TAKEN
                    continue
                count += 1
                _wait(last, server_of(row), rate)
                outcome, failed = _check(row)
                failures[server_of(row)] = failures[server_of(row)] + 1 if failed else 0
                yield outcome


def _take(row: Any) -> bool:
    rows = _rows_of(row).filter(checked_at=row.checked_at)
    return bool(rows.update(checked_at=timezone.now()))


def _rows_of(row: Any) -> Any:
    return type(row)._default_manager.using(row._state.db).filter(pk=row.pk)


def _wait(last: dict[str, float], server: str, rate: float) -> None:
    """Sleep until the next connection to a server may be checked."""
    now = time.monotonic()
    at = max(now, last.get(server, 0.0) + 1 / rate)
    last[server] = at
    if at > now:
        time.sleep(at - now)


def _check(row: Any) -> tuple[str, bool]:
    """Return the outcome for a row, and whether the provider failed."""
    try:
        session = session_of(row)
        token = None if session is None else session.token
        if session is None or not session.provider.is_allowed:
            return UNKNOWN, False
        if token is None:
            return (UNREADABLE if is_unreadable(row) else UNKNOWN), False
        if _refresh_is_due(session, token):
            session.refresh()
            return ACTIVE, False
        asked = question(session, token)
        if asked is None:
            return UNKNOWN, False
        session.current_token.on_trial = token.verdict == REJECTED
        method, url, body = asked
        answer = session.protocol_call(method, url, json=body)
    except AuthorizationRequired:
        return LOST, False
    except (DanceError, ImproperlyConfigured, OSError) as error:
        logger.info(
            "%s: a connection cannot be checked now: %s",
            row.provider,
            error if isinstance(error, DanceError) else type(error).__name__,
            extra=failure_fields(error, provider=row.provider),
        )
        return UNKNOWN, True
    except Exception:
        # A mistake in a provider class of the site must not end the checks of other connections.
        logger.exception(
            "%s: a connection cannot be checked",
            row.provider,
            extra=failure_fields(provider=row.provider, code="check_failed"),
        )
        return UNKNOWN, True
    return (ACTIVE if answer.status < 400 else UNKNOWN), False


def _refresh_is_due(session: DanceSession, token: Token) -> bool:
    if not session.provider.is_refreshable(token) or token.verdict == REJECTED:
        return False
    days = getattr(session.provider, "refresh_token_lifetime", None)
    return session.provider.is_stale(token) or (
        days is not None and token.age > days * 24 * 3600 / 2
    )


# --- notices --------------------------------------------------------------------------------------


def rows_to_notify(names: Collection[str] | None = None, user_id: Any = None) -> list[Any]:
    """Return the lost connections whose users were not told yet, a queryset for each table."""
    return [
        token_rows(model, names=of_table, user_id=user_id)
        .filter(state=NEEDS_RECONNECT, notified_at=None)
        .select_related("user")
        .defer("token")
        for model, of_table in tables(names).items()
        if {"notified_at", "state", "user"} <= columns(model)
    ]


def notify_users(rows: Collection[Any]) -> Iterator[str]:
    """Tell the user of each lost connection; yield ``"sent"``, ``"skipped"`` or ``"failed"``.

    The row is marked before the notice is sent, so a user gets at most one notice for each loss.
    If the mail server cannot be reached at all, the mark is removed, and this function ends.

    :param rows: querysets, from :func:`rows_to_notify`.
    :raises ImproperlyConfigured: ``DANCE_NOTIFY`` names no function.
    :raises NotSent: the mail server cannot be reached.
    """
    send = settings.notify
    if send is None:
        raise ImproperlyConfigured(
            "DANCE_NOTIFY names no function, so no user can be told. To send mails: "
            'DANCE_NOTIFY = "django_dance.notices.send_mail".'
        )
    for table in rows:
        for batch in batches(table):
            for row in batch:
                now = timezone.now()
                if row.user.is_active and _mark(row, None, now):
                    yield _notify(row, now, send)
                else:
                    yield "skipped"


def _mark(row: Any, before: datetime | None, after: datetime | None) -> bool:
    # Not the state, which is indexed: MariaDB would wait for the rows of other connections.
    rows = _rows_of(row).filter(reason=row.reason, notified_at=before)
    return bool(rows.update(notified_at=after))


def _notify(row: Any, now: datetime, send: Callable[[Notice], object]) -> str:
    session = session_of(row)
    connection = None if session is None else session.connection
    if session is None or connection is None or connection.active:
        return "skipped"
    try:
        sent = send(Notice.about(CONNECTION_LOST, row.user, session.provider, connection))
    except NotSent:
        _mark(row, now, None)
        raise
    except Exception:
        logger.exception(
            "%s: the user of a lost connection could not be told",
            row.provider,
            extra=failure_fields(provider=row.provider, code="notice_failed"),
        )
        return "failed"
    return "skipped" if sent is False else "sent"
