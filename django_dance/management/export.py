"""The export of a user's connections, for the user (GDPR, article 15)."""

from __future__ import annotations

from typing import Any

from ..exceptions import OwnerRequired
from ..tokens import without_secrets
from .token_tables import batches, columns, tables, token_of, token_rows

#: The columns of an export, as far as a table has them.
_COLUMNS = (
    "provider",
    "place",
    "account",
    "label",
    "scope",
    "created_at",
    "connected_at",
    "state",
    "reason",
    "state_changed_at",
    "may_sign_in",
    "issuer",
)


def export_connections(user: Any) -> list[dict[str, Any]]:
    """Return what the tables store about a user's connections, without secrets.

    :param user: the user.
    :returns: an object for each connection. ``details`` has the fields of the token, such as the
        claims of an ID token, and ``authorized_for_team`` says that it belongs to a team.
    :raises OwnerRequired: the user is anonymous, or not stored.
    """
    if user.pk is None:  # a query without a user would find the connections of all users
        raise OwnerRequired("export_connections() needs a user who is stored and not anonymous.")
    found = []
    for model in tables():
        for rows, for_team in _rows_of(model, user):
            for batch in batches(rows):
                found += [_describe(row, for_team=for_team) for row in batch]
    return found


def _rows_of(model: Any, user: Any) -> list[tuple[Any, bool]]:
    """The rows of a user, and those that the user has authorized for a team."""
    found = [(token_rows(model, user_id=user.pk), False)]
    if "authorized_by" in columns(model):
        found.append((token_rows(model).filter(authorized_by=user), True))
    return found


def _describe(row: Any, *, for_team: bool) -> dict[str, Any]:
    there, token = columns(type(row)), token_of(row)
    return {
        **{name: getattr(row, name) for name in _COLUMNS if name in there},
        "authorized_for_team": for_team,
        "details": None if token is None else without_secrets(token.fields_to_store),
    }
