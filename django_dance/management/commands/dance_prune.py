"""Wipe tokens that cannot be used any more, and revoke the tokens of deleted users."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import router, transaction
from django.db.models import Q
from django.utils import timezone

from ...connections import end_connection, revoke_pending
from ...models import PendingRevocation
from ...providers import providers
from ...storage import is_unreadable
from ...tokens import NEEDS_RECONNECT, REJECTED
from ..bars import ProgressBar
from ..token_tables import batches, columns, session_of, tables, token_of, token_rows

_EXPIRED = "expired"
_REJECTED = "rejected"
_UNREADABLE = "unreadable"
_UNCONFIGURED = "of a provider that is not configured"
#: A token that the provider rejects is kept for this time, because it may become usable again.
_REJECTED_FOR = timedelta(days=30)


class Command(BaseCommand):
    help = (
        "Wipes tokens that have expired and cannot be refreshed, and revokes the tokens of "
        "deleted users."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--unconfigured",
            action="store_true",
            help="Also all tokens of providers that DANCE_PROVIDERS does not name",
        )
        parser.add_argument(
            "--unreadable", action="store_true", help="Also tokens that no configured key opens"
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Count the tokens that would be deleted, and delete nothing",
        )

    def handle(
        self,
        *,
        unconfigured: bool,
        unreadable: bool,
        dry_run: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        wanted = [_EXPIRED, _REJECTED] + [_UNCONFIGURED] * unconfigured + [_UNREADABLE] * unreadable
        deleted: Counter[str] = Counter()
        candidates = [
            _candidates(model, unconfigured=unconfigured, unreadable=unreadable)
            for model in tables()
        ]
        total = sum(rows.count() for rows in candidates)
        with ProgressBar(total, self.stderr, verbosity) as progress:
            for rows in candidates:
                for batch in batches(rows):
                    for row in batch:
                        reason = next((reason for reason in wanted if _applies(reason, row)), None)
                        if reason and (dry_run or _end(row, reason)):
                            deleted[reason] += 1
                        progress.update()
        self.stdout.write(
            f"{'Would delete' if dry_run else 'Deleted'} {deleted.total()} tokens: "
            + ", ".join(f"{deleted[reason]} {reason}" for reason in wanted)
        )
        self._revoke_pending(dry_run)

    def _revoke_pending(self, dry_run: bool) -> None:
        pending = PendingRevocation.objects.using(router.db_for_write(PendingRevocation))
        due = pending.filter(next_attempt_at__lte=timezone.now())
        if not due.exists():
            return
        if dry_run:
            self.stdout.write(f"Would revoke {due.count()} tokens of deleted users.")
            return
        counts: Counter[str] = Counter()
        for batch in batches(due):
            counts.update(revoke_pending(batch))
        self.stdout.write(
            f"Revoked {counts['revoked']} tokens of deleted users; {counts['failed']} could not be "
            f"revoked yet, {counts['given_up']} are given up after 30 days."
        )


def _candidates(model: Any, *, unconfigured: bool, unreadable: bool) -> Any:
    """The rows of a table whose tokens may have to be wiped."""
    rows = token_rows(model)
    if "expires_at" not in columns(model) or unreadable:
        return rows
    due = Q(expires_at__lte=timezone.now())
    if "state" in columns(model):
        due |= Q(state=NEEDS_RECONNECT, reason=REJECTED) & ~Q(token="")
    if unconfigured:
        due |= ~Q(provider__in=list(providers))
    return rows.filter(due)


def _applies(reason: str, row: Any) -> bool:
    """Whether the reason applies to the row."""
    if reason == _UNCONFIGURED:
        return row.provider not in providers
    if reason == _UNREADABLE:
        return is_unreadable(row)
    token = token_of(row)
    if reason == _REJECTED:
        return (
            token is not None
            and getattr(row, "reason", "") == REJECTED
            and row.state_changed_at is not None
            and row.state_changed_at <= timezone.now() - _REJECTED_FOR
        )
    if token is None or row.provider not in providers:
        return False
    return token.expired and not providers[row.provider].is_usable(token)


def _end(row: Any, reason: str) -> bool:
    """Wipe the token of a row, or delete a row that cannot be reconnected."""
    session = session_of(row)
    table = None if session is None else session.storage.model_storage
    if session is None or table is None or not table.has_states:
        return _delete(row)
    end_connection(session, token_of(row), reason)
    return bool(token_rows(type(row)).filter(pk=row.pk, token="").exists())


def _delete(row: Any) -> bool:
    """Delete a row, unless its token has changed since the row was read."""
    rows = token_rows(type(row)).filter(pk=row.pk, token=row.__dict__["token"])
    with transaction.atomic(using=rows.db):
        if not rows.select_for_update().exists():
            return False
        rows.delete()
        return True
