"""The options ``--provider`` and ``--user``, which select the tokens of a command."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser


def add_owner_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--provider",
        action="append",
        dest="names",
        metavar="NAME",
        help="Only tokens of this provider; may be given several times",
    )
    parser.add_argument(
        "--user", metavar="USER", help="Only tokens of this user: the login name or the primary key"
    )


def user_id_of(text: str | None) -> Any:
    """The primary key of the user whom ``--user`` names; ``None`` without ``--user``.

    :param text: the login name or the primary key.
    :raises CommandError: no user has this name or key, or two users have it.
    """
    if text is None:
        return None
    model = get_user_model()
    users = model._default_manager
    found = set(users.filter(**{model.USERNAME_FIELD: text}).values_list("pk", flat=True))
    with suppress(ValueError, ValidationError):  # the text cannot be a primary key
        found |= set(users.filter(pk=text).values_list("pk", flat=True))
    if len(found) > 1:
        raise CommandError(
            f"{text!r} is the name of one user and the primary key of another: to select one of "
            "them, pass the primary key of the first or the name of the second."
        )
    if not found:
        raise CommandError(f"There is no user {text!r}: give a {model.USERNAME_FIELD} or a pk.")
    return found.pop()
