"""List the stored tokens: user, account, scope, expiry and last error, but not the token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from ...exceptions import SealBroken
from ...tokens import Token, clean_words
from ..arguments import add_owner_arguments, user_id_of
from ..token_tables import batches, columns, tables, token_rows

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
#: The columns that the list is made of, as far as a table has them.
_COLUMNS = {
    "provider",
    "place",
    "user",
    "account",
    "scope",
    "expires_at",
    "last_error",
    "state",
    "reason",
}


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
            describe = partial(_describe, model, columns(model))
            found = (
                [
                    token
                    for token in map(describe, batch)
                    if not (unreadable and token["readable"])
                    and not (expired and (token["expires_at"] is None or token["expires_at"] > now))
                ]
                for batch in batches(rows.values_list(*_needed(model), named=True))
            )
            if as_json:
                self._lines(found)
            else:
                self._table(model._meta.label, found)

    def _lines(self, batches: Iterable[list[dict[str, Any]]]) -> None:
        encode = DjangoJSONEncoder().encode
        for batch in batches:
            for token in batch:
                self.stdout.write(encode(token))

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


def _needed(model: Any) -> list[str]:
    """The columns that the command reads. The rows are not loaded as instances, which cost more."""
    fields, token = columns(model), model._meta.get_field("token")
    bound = token.identity_columns(model)
    user = {_username_column(model)} if "user" in fields else set()
    return sorted({"pk", "token", *bound, *user, *(_COLUMNS & fields)})


@lru_cache(maxsize=64)
def _username_column(model: Any) -> str:
    return f"user__{model._meta.get_field('user').related_model.USERNAME_FIELD}"


def _describe(model: Any, fields: frozenset[str], row: Any) -> dict[str, Any]:
    """The facts about a row that the command prints."""
    field = model._meta.get_field("token")
    has_states = {"state", "reason", "state_changed_at", "notified_at"} <= fields
    readable, token = True, None
    if row.token:  # not if it was wiped
        try:
            token = field.unsealed(row.token, row, model)
        except SealBroken:
            readable = False
    if "expires_at" in fields:
        expires_at = row.expires_at
    else:
        moment = token and Token(token).expires_at
        # Aware or naive like timezone.now(), by the setting USE_TZ.
        expires_at = moment and datetime.fromtimestamp(moment, tz=timezone.now().tzinfo)
    user_id = row.user if "user" in fields else None
    username = None if user_id is None else getattr(row, _username_column(model))
    words = token and token.get("last_error_description")
    return {
        "table": model._meta.label,
        "id": _key(row.pk),
        "provider": row.provider,
        "place": getattr(row, "place", ""),
        "user": None if user_id is None else _key(user_id),
        "username": username,
        "account": getattr(row, "account", ""),
        "scope": row.scope if "scope" in fields else " ".join(sorted(_scopes(token))),
        "expires_at": expires_at,
        "refreshable": None if token is None else bool(token.get("refresh_token")),
        "last_error": getattr(row, "last_error", ""),
        "last_error_description": (words and clean_words(words)) or "",
        "readable": readable,
        "state": row.state if has_states else "active",
        "reason": row.reason if has_states else "",
    }


def _scopes(token: dict[str, Any] | None) -> frozenset[str]:
    return (token and Token(token).scopes) or frozenset()


def _key(value: Any) -> int | str:
    return value if isinstance(value, int) else str(value)


def _cells(token: dict[str, Any]) -> list[str]:
    expires_at = token["expires_at"]
    refreshable = {True: "yes", False: "no", None: ""}[token["refreshable"]]
    cells = [
        str(token["id"]),
        f"{token['provider']} at {token['place']}" if token["place"] else token["provider"],
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
