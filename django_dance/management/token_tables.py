"""Read the rows of every table that stores tokens, in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import router

from ..cache import place_of
from ..conf import settings
from ..exceptions import ProviderNotConfigured, SealBroken
from ..providers import providers
from ..storage import build

if TYPE_CHECKING:
    from ..sessions import DanceSession
    from ..tokens import Token

#: The largest number of rows that are in memory at the same time.
BATCH = 500


def tables(names: Collection[str] | None = None) -> dict[Any, list[str]]:
    """Each model that stores tokens, with the names of the providers that use it.

    :param names: only the models of these providers. ``None``: the models of all providers, and
        the model of ``DANCE_STORAGE`` even if no provider uses it.
    :raises CommandError: ``DANCE_PROVIDERS`` does not have one of the names.
    """
    found: dict[Any, list[str]] = {}
    if names is None:
        default = build(settings.storage).model_storage
        if default is not None:
            found[default.model] = []
    for name in providers if names is None else names:
        try:
            storage = providers[name].token_storage.model_storage
        except ProviderNotConfigured as error:
            raise CommandError(str(error)) from error
        if storage is not None:
            found.setdefault(storage.model, []).append(name)
    return found


def token_rows(
    model: Any,
    *,
    names: Collection[str] | None = None,
    user_id: Any = None,
    expires_by: datetime | None = None,
    failing: bool = False,
) -> Any:
    """The rows of a token table that meet every given condition, as a queryset.

    The rows are read from the database for writes, because a replica may lag behind.

    :param names: only tokens of these providers.
    :param user_id: only tokens of this user; no row if the table has no column for users.
    :param expires_by: only tokens that expire at this time or earlier. A table without a column
        for the expiry returns all its rows: only the token itself has the time.
    :param failing: only tokens whose last refresh failed; no row if the table does not store it.
    """
    fields = columns(model)
    rows = model._default_manager.using(router.db_for_write(model))
    if names is not None:
        rows = rows.filter(provider__in=names)
    if user_id is not None:
        rows = rows.filter(user_id=user_id) if "user" in fields else rows.none()
    if expires_by is not None and "expires_at" in fields:
        rows = rows.filter(expires_at__lte=expires_by)
    if failing:
        rows = rows.exclude(last_error="") if "last_error" in fields else rows.none()
    return rows


def batches(rows: Any, size: int = BATCH) -> Iterator[list[Any]]:
    """Yield the rows in the order of their primary keys: one query per batch, without a cursor."""
    rows = rows.order_by("pk")
    batch = list(rows[:size])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:size])


def columns(model: Any) -> frozenset[str]:
    """The names of the fields of a token table: a site's own model may lack some of ours."""
    return frozenset(field.name for field in model._meta.concrete_fields)


def token_of(row: Any) -> Token | None:
    """The token of a row; ``None`` if it was wiped, or no configured key opens it."""
    try:
        token: Token | None = row.token
    except SealBroken:
        return None
    return token


def server_of(row: Any) -> str:
    """The name of the server that granted the token of a row: the provider, with the place."""
    place = place_of(row)
    return f"{row.provider} at {place}" if place else str(row.provider)


def session_of(row: Any) -> DanceSession | None:
    """A session for the owner of a row; ``None`` if no configured provider uses the row.

    The place may be one that PLACES does not allow any more: see :attr:`Provider.is_allowed`.
    """
    try:
        provider = providers[row.provider].variant(place_of(row))
    except (ProviderNotConfigured, ImproperlyConfigured):
        return None
    storage = provider.token_storage.model_storage
    if storage is None or storage.model is not type(row):
        return None
    return provider.session(
        user_id=getattr(row, "user_id", None), account=getattr(row, "account", "")
    )
