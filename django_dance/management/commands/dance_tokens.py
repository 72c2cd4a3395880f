"""List the stored tokens: user, account, scope, expiry and last error, but not the token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from ...storage import is_unreadable
from ...tokens import clean_words
from ..arguments import add_owner_arguments, user_id_of
from ..token_tables import batches, columns, tables, token_of, token_rows

_HEADINGS = [
    "id",
    "provider",
    "user",
    "account",
    "scope",
    "expires",
    "refreshable",
    "state",
    "last error",
]


class Command(BaseCommand):
    help = "Lists the stored tokens with user, account, scope and expiry. Prints no token."

    def add_arguments(self, parser: CommandParser) -> None:
        add_owner_arguments(parser)
        parser.add_argument("--expired", action="store_true", help="Only expired tokens")
        parser.add_argument(
            "--failing",
            action="store_true",
            help="Only tokens that cannot be refreshed now: the last refresh failed",
        )
        parser.add_argument(
            "--unreadable", action="store_true", help="Only tokens that no configured key opens"
        )
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="One JSON object on each line"
        )

    def handle(
        self,
        *,
        names: list[str] | None,
        user: str | None,
        expired: bool,
        failing: bool,
        unreadable: bool,
        as_json: bool,
        **options: Any,
    ) -> None:
        user_id = user_id_of(user)
        now = timezone.now()
        for model in tables():
            rows = token_rows(
                model,
                names=names,
                user_id=user_id,
                expires_by=now if expired else None,
                failing=failing,
            )
            if "user" in columns(model):
                rows = rows.select_related("user")
            found = (
                [
                    token
                    for token in map(_describe, batch)
                    if not (unreadable and token["readable"])
                    and not (expired and (token["expires_at"] is None or token["expires_at"] > now))
                ]
                for batch in batches(rows)
            )
            if as_json:
                self._lines(found)
            else:
                self._table(model._meta.label, found)

    def _lines(self, batches: Iterable[list[dict[str, Any]]]) -> None:
        for batch in batches:
            for token in batch:
                self.stdout.write(json.dumps(token, cls=DjangoJSONEncoder))

    def _table(self, label: str, batches: Iterator[list[dict[str, Any]]]) -> None:
        """Print a table. The first batch sets the widths, so a later line may be wider."""
        widths: list[int] = []
        for batch in batches:
            lines = [_cells(token) for token in batch]
            if lines and not widths:
                self.stdout.write(self.style.MIGRATE_HEADING(label))
                lines.insert(0, _HEADINGS)
                widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
            for line in lines:
                padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
                self.stdout.write("  ".join(padded).rstrip())


def _describe(row: Any) -> dict[str, Any]:
    """The facts about a row that the command prints."""
    fields, token = columns(type(row)), token_of(row)
    has_states = {"state", "reason", "state_changed_at", "notified_at"} <= fields
    user = row.user if "user" in fields else None
    words = token and token.get("last_error_description")
    if "expires_at" in fields:
        expires_at = row.expires_at
    else:
        moment = token and token.expires_at
        # Aware or naive like timezone.now(), by the setting USE_TZ.
        expires_at = moment and datetime.fromtimestamp(moment, tz=timezone.now().tzinfo)
    return {
        "table": row._meta.label,
        "id": _key(row.pk),
        "provider": row.provider,
        "user": user and _key(user.pk),
        "username": user and user.get_username(),
        "account": getattr(row, "account", ""),
        "scope": row.scope
        if "scope" in fields
        else " ".join(sorted((token and token.scopes) or ())),
        "expires_at": expires_at,
        "refreshable": None if token is None else bool(token.get("refresh_token")),
        "last_error": getattr(row, "last_error", ""),
        "last_error_description": (words and clean_words(words)) or "",
        "readable": not is_unreadable(row),
        "state": row.state if has_states else "active",
        "reason": row.reason if has_states else "",
    }


def _key(value: Any) -> int | str:
    return value if isinstance(value, int) else str(value)


def _cells(token: dict[str, Any]) -> list[str]:
    expires_at = token["expires_at"]
    refreshable = {True: "yes", False: "no", None: ""}[token["refreshable"]]
    cells = [
        str(token["id"]),
        token["provider"],
        token["username"] or "",
        token["account"],
        token["scope"],
        "" if expires_at is None else expires_at.isoformat(" ", "seconds"),
        refreshable if token["readable"] else "unreadable",
        token["state"] + f" ({token['reason']})" * bool(token["reason"]),
        ": ".join(filter(None, [token["last_error"], token["last_error_description"]])),
    ]
    # Control characters in an account or a user name must not move the cursor of a terminal.
    return ["".join(c if c.isprintable() else "?" for c in cell) for cell in cells]
