"""Seal every token and client secret with the first key, so that older keys can be removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections, transaction
from django.db.models import Q

from ...exceptions import SealBroken
from ...models import PendingRevocation
from ...tokens import current_key_starts, seal, unseal, uses_current_key
from ..bars import ProgressBar
from ..registrations import reseal_registrations
from ..token_tables import batches, tables, token_rows


class Command(BaseCommand):
    help = (
        "Encrypts all tokens, those of deleted users that are not revoked yet, and the secrets of "
        "client registrations, with the first key. Can be interrupted and run again: it skips "
        "those that are already encrypted with the first key."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Count the tokens that would be encrypted, and write nothing",
        )

    def handle(self, *, dry_run: bool, verbosity: int, **options: Any) -> None:
        models = [*tables(), PendingRevocation]
        done_before = sum(token_rows(model).filter(_is_done()).count() for model in models)
        total = sum(_waiting(model).count() for model in models)
        outcomes = reseal_registrations(self.stderr, dry_run=dry_run)
        done_before += outcomes.pop("done before", 0)
        with ProgressBar(total, self.stderr, verbosity) as progress:
            for model in models:
                for batch in batches(_waiting(model)):
                    for pk, outcome in _reseal(model, batch, dry_run=dry_run).items():
                        outcomes[outcome] += 1
                        if outcome == "unreadable":
                            progress.clear()
                            self.stderr.write(f"{model._meta.label} {pk} cannot be decrypted")
                    progress.update(len(batch))
        self.stdout.write(
            f"{'Would re-encrypt' if dry_run else 'Re-encrypted'} {outcomes['done']}, "
            f"already with the first key {done_before}, "
            f"unreadable {outcomes['unreadable']}"
        )
        if outcomes["unreadable"]:
            raise CommandError(
                "The unreadable tokens were not changed. Add the key that encrypted them at the "
                "end of DANCE_ENCRYPTION_KEYS (or to SECRET_KEY_FALLBACKS), and run this command "
                "again; or delete them with dance_prune --unreadable. Those of deleted users "
                "(PendingRevocation) are given up by dance_prune after 30 days."
            )


def _is_done() -> Q:
    """The condition of the rows whose token is sealed with the first key."""
    condition = Q()
    for start in current_key_starts(purpose="token"):
        condition |= Q(token__startswith=start)
    return condition


def _waiting(model: Any) -> Any:
    """The rows that have a token, which is not sealed with the first key."""
    bound = model._meta.get_field("token").identity_columns(model)
    rows = token_rows(model).filter(token__gt="")  # not those whose token was wiped
    return rows.exclude(_is_done()).only("pk", "token", *bound)


def _reseal(model: Any, batch: list[Any], *, dry_run: bool) -> dict[Any, str]:
    """Seal the rows with the first key; return for each key "done", "unreadable" or "gone"."""
    outcomes, changes = {}, {}
    for row in batch:
        try:
            changes[row.pk] = _resealed(row)
            outcomes[row.pk] = "done"
        except SealBroken:
            outcomes[row.pk] = "unreadable"
    if changes and not dry_run:
        _write(model, changes)
        for row in list(_waiting(model).filter(pk__in=list(changes))):
            # It was locked, or another process has replaced the token since it was read.
            outcomes[row.pk] = _reseal_alone(row)
    return outcomes


def _resealed(row: Any) -> tuple[str, str]:
    """The sealed text of a row's token, and the one that replaces it.

    :raises SealBroken: no configured key opens the token.
    """
    sealed, identity = row.__dict__["token"], row._meta.get_field("token").identity(row)
    plain = unseal(sealed, purpose="token", identity=identity)
    return sealed, seal(plain, purpose="token", identity=identity)


def _write(model: Any, changes: Mapping[Any, tuple[str, str]]) -> None:
    """Replace the tokens of those rows that are not locked, by one statement and in one commit."""
    rows = token_rows(model)
    connection = connections[rows.db]
    with transaction.atomic(using=rows.db):
        keys = list(changes)
        if connection.features.has_select_for_update:
            if not connection.features.has_select_for_update_skip_locked:
                return
            # Do not wait for a lock while this transaction holds others: the transaction that has
            # locked the row may wait for one of these.
            free = rows.filter(pk__in=keys).order_by().select_for_update(skip_locked=True)
            keys = list(free.values_list("pk", flat=True))
        token = model._meta.get_field("token")
        pk = token.model._meta.pk
        quote = connection.ops.quote_name
        table, column = quote(token.model._meta.db_table), quote(token.column)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {table} SET {column} = %s"  # noqa: S608  these are names of the model
                f" WHERE {quote(pk.column)} = %s AND {column} = %s",
                [
                    (changes[key][1], pk.get_db_prep_value(key, connection), str(changes[key][0]))
                    for key in keys
                ],
            )


def _reseal_alone(row: Any) -> str:
    """Seal one row with the first key; return "done", "unreadable" or "gone"."""
    rows = token_rows(type(row)).filter(pk=row.pk)
    while row is not None and row.__dict__["token"]:
        if uses_current_key(row.__dict__["token"], purpose="token"):
            return "done"
        try:
            sealed, resealed = _resealed(row)
        except SealBroken:
            return "unreadable"
        if rows.filter(token=sealed).update(token=resealed):
            return "done"
        row = rows.first()  # another process has replaced the token since the row was read
    return "gone"
