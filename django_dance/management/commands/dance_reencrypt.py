"""Seal every token with the first key, so that older keys can be removed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...exceptions import SealBroken
from ...tokens import seal, unseal, uses_current_key
from ..progress import Progress
from ..token_tables import batches, columns, tables, token_rows


class Command(BaseCommand):
    help = (
        "Encrypts all tokens with the first key. Can be interrupted and run again: it skips the "
        "tokens that are already encrypted with the first key."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Count the tokens that would be encrypted, and write nothing",
        )

    def handle(self, *, dry_run: bool, verbosity: int, **options: Any) -> None:
        models = list(tables())
        outcomes: Counter[str] = Counter()
        with Progress(
            sum(token_rows(m).count() for m in models), self.stderr, verbosity
        ) as progress:
            for model in models:
                bound = set(model._meta.get_field("token").bound_to) & columns(model)
                for batch in batches(token_rows(model).only("pk", "token", *bound)):
                    for row in batch:
                        outcome = _reseal(row, dry_run=dry_run)
                        outcomes[outcome] += 1
                        if outcome == "unreadable":
                            self.stderr.write(f"{model._meta.label} {row.pk} cannot be decrypted")
                        progress.step()
        self.stdout.write(
            f"{'Would re-encrypt' if dry_run else 'Re-encrypted'} {outcomes['done']}, "
            f"already with the first key {outcomes['done before']}, "
            f"unreadable {outcomes['unreadable']}"
        )
        if outcomes["unreadable"]:
            raise CommandError(
                "The unreadable tokens were not changed. Add the key that encrypted them at the "
                "end of DANCE_ENCRYPTION_KEYS (or to SECRET_KEY_FALLBACKS), and run this command "
                "again; or delete them with dance_prune --unreadable."
            )


def _reseal(row: Any, *, dry_run: bool) -> str:
    """Seal a row with the first key; return "done", "done before", "unreadable" or "gone"."""
    rows = token_rows(type(row)).filter(pk=row.pk)
    field = row._meta.get_field("token")
    while row is not None:
        sealed = row.__dict__["token"]
        if not sealed:
            return "gone"  # the token was wiped
        if uses_current_key(sealed, purpose="token"):
            return "done before"
        identity = field.identity(row)
        try:
            plain = unseal(sealed, purpose="token", identity=identity)
        except SealBroken:
            return "unreadable"
        if dry_run or rows.filter(token=sealed).update(
            token=seal(plain, purpose="token", identity=identity)
        ):
            return "done"
        # Another process has replaced the token since the row was read: read the row again.
        row = rows.first()
    return "gone"
