"""Client registrations, for the commands."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import CommandError
from django.db import router

from ..exceptions import SealBroken
from ..models import ClientRegistration
from ..tokens import uses_current_key
from .token_tables import batches


def registration_rows() -> Any:
    """The registrations, from the database for writes: a replica may lag behind."""
    return ClientRegistration.objects.using(router.db_for_write(ClientRegistration))


def registration_of(text: str) -> ClientRegistration:
    """Return the registration that an id names.

    :param text: the id, or its beginning.
    :raises CommandError: no registration has it, or several have.
    """
    rows = [row for row in registration_rows() if str(row.pk).startswith(text.lower())]
    if len(rows) == 1:
        return rows[0]  # type: ignore[no-any-return]
    number = "several registrations" if rows else "no registration"
    raise CommandError(f'{text!r} is the id of {number}: "dance_clients list" shows the ids.')


def reseal_registrations(stderr: Any, *, dry_run: bool) -> Counter[str]:
    """Seal the secrets of all registrations with the first key, and return the outcomes."""
    outcomes: Counter[str] = Counter()
    rows = registration_rows()
    for batch in batches(rows.exclude(sealed="")):
        for row in batch:
            outcome = _reseal(rows, row, dry_run=dry_run)
            outcomes[outcome] += 1
            if outcome == "unreadable":
                stderr.write(f"{row._meta.label} {row.pk} cannot be decrypted")
    return outcomes


def _reseal(rows: Any, row: ClientRegistration, *, dry_run: bool) -> str:
    if uses_current_key(row.sealed, purpose=row.PURPOSE):
        return "done before"
    before = row.sealed
    try:
        row.secrets = row.secrets
    except SealBroken:
        return "unreadable"
    # A secret that was rotated meanwhile is sealed with the first key already.
    if not dry_run:
        rows.filter(pk=row.pk, sealed=before).update(sealed=row.sealed)
    return "done"
