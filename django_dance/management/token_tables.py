"""The rows of every table that tokens are kept in, a batch at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.db import router

from ..conf import settings
from ..exceptions import ProviderNotConfigured, SealBroken
from ..providers import providers
from ..storage import ModelStorage, build

if TYPE_CHECKING:
    from ..sessions import DanceSession
    from ..tokens import Token

#: Rows in memory at a time.
BATCH = 500


def tables(names: Collection[str] | None = None) -> dict[Any, list[str]]:
    """Each model that tokens are kept in, and which of the providers keep theirs there.

    :param names: these providers only; else all, and also the table of ``DANCE_STORAGE`` if there
        is no provider left that uses it.
    :raises CommandError: there is no such provider.
    """
    found: dict[Any, list[str]] = {}
    if names is None:
        default = build(settings.storage)
        if isinstance(default, ModelStorage):
            found[default.model] = []
    for name in providers if names is None else names:
        try:
            storage = providers[name].token_storage
        except ProviderNotConfigured as error:
            raise CommandError(str(error)) from error
        if isinstance(storage, ModelStorage):
            found.setdefault(storage.model, []).append(name)
    return found


def rows_of(model: Any) -> Any:
    """All rows, as the database has them that is written to: a replica may lag behind."""
    return model._default_manager.using(router.db_for_write(model))


def batches(rows: Any, size: int = BATCH) -> Iterator[list[Any]]:
    """The rows by their primary keys. Each batch is a query of its own, and holds nothing open."""
    rows = rows.order_by("pk")
    batch = list(rows[:size])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:size])


def columns(model: Any) -> frozenset[str]:
    """The fields of a token table, which need not have all that ours has."""
    return frozenset(field.name for field in model._meta.concrete_fields)


def opened(row: Any) -> Token | None:
    """The token of a row; ``None`` if it does not open."""
    try:
        token: Token = row.token
    except SealBroken:
        return None
    return token


def session_of(row: Any) -> DanceSession | None:
    """The session that acts for a row's owner; ``None`` if no provider looks into the row."""
    try:
        provider = providers[row.provider]
    except ProviderNotConfigured:
        return None
    storage = provider.token_storage
    if not isinstance(storage, ModelStorage) or storage.model is not type(row):
        return None
    return provider.session(
        user_id=getattr(row, "user_id", None), account=getattr(row, "account", "")
    )
