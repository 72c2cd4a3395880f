"""Invalidation: the rows that an open transaction has written, and the entries to invalidate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import connections, transaction
from django.db.models.signals import post_delete

from ..conf import settings
from .names import cache_name
from .parking import forget_parked, parking_key
from .token_cache import TokenCache

#: The aliases of the caches that storages name for themselves, besides the one in the settings.
CACHES: set[str] = set()

#: Of this thread: the owner whose rows a storage is writing, and the marks of its transactions.
_thread = threading.local()


def owner_key(model: Any, using: str, provider: str, user_id: Any, place: str = "") -> str:
    """Name the rows of one user at one provider, or at one place of it, for the current tenant.

    :param using: the alias of the database.
    """
    label = model._meta.concrete_model._meta.label_lower
    return cache_name(using, label, provider, str(user_id), *filter(None, [place]))


def place_of(row: Any) -> str:
    """Return the place of a row; ``""`` if its model stores no places."""
    fields = row._meta.concrete_fields
    return next((str(getattr(row, f.name)) for f in fields if hasattr(f, "is_place")), "")


@contextmanager
def writing(owner_key: str) -> Iterator[None]:
    """Mark writes that a storage makes, so that :func:`invalidate_row` ignores them."""
    outer, _thread.writing = getattr(_thread, "writing", None), owner_key
    try:
        yield
    finally:
        _thread.writing = outer


def mark_written(using: str, owner_key: str, account: str) -> None:
    """Remember that the open transaction, if there is one, has written an account's row."""
    if not connections[using].in_atomic_block:
        return
    written = _marks(using)
    if not written:
        mark = partial(written.clear)
        transaction.on_commit(mark, using=using)
        _thread.marks[using] = mark, written
    written.update({owner_key, (owner_key, account)})


def was_written(using: str, owner_key: str, account: str | None) -> bool:
    """Whether the open transaction has written the account's row; ``None``: any of the owner's."""
    written = _marks(using)
    if not account:
        return owner_key in written
    return bool(written & {(owner_key, account), (owner_key, "")})


def on_commit_or_now(using: str | None, function: Callable[[], object]) -> None:
    """Call a function after the commit, or now if no transaction is open."""
    if transaction.get_connection(using).in_atomic_block:
        # Django logs the name of a function that fails, which a partial does not have.
        transaction.on_commit(lambda: function(), using=using, robust=True)
    else:
        function()


def _marks(using: str) -> set[Any]:
    """The owner keys, and pairs of owner key and account, that the open transaction has written."""
    marks = _thread.__dict__.setdefault("marks", {})
    mark, written = marks.get(using, (None, set()))
    # Django drops an on_commit hook when its transaction or savepoint ends, by a commit or a
    # rollback. Without the hook, the set belongs to an earlier transaction.
    if not any(hook[1] is mark for hook in connections[using].run_on_commit):
        written = set()
        marks[using] = None, written
    found: set[Any] = written
    return found


def invalidate_row(sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
    """Receive ``post_save`` and ``post_delete`` of the token models.

    It invalidates the entries of a row that other code than a storage has changed: a view, the
    admin, or the deletion of a user.
    """
    user_id, place = getattr(instance, "user_id", ""), place_of(instance)
    key = owner_key(sender, using, instance.provider, user_id, place)
    if getattr(_thread, "writing", None) == key:
        return
    account = getattr(instance, "account", "")
    mark_written(using, key, account)
    for alias in CACHES | {settings.token_cache}:
        if alias:
            on_commit_or_now(using, partial(TokenCache(alias).invalidate, key))
        if kwargs.get("signal") is post_delete:
            on_commit_or_now(using, partial(forget_parked, alias, using, parking_key(key, account)))
