"""Changes of the token tables: what an open transaction has written, and who must hear of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import connections, transaction

from ..conf import settings
from .generations import TokenCache
from .names import cache_name

#: Caches that storages have for themselves, beside the one that the settings name.
CACHES: set[str] = set()

#: What this thread is doing: for whom a storage writes, and what its transactions have written.
_here = threading.local()


def shelf(model: Any, using: str, provider: str, user_id: Any) -> str:
    """Where the tokens of these rows lie in the cache, for the tenant of now."""
    label = model._meta.concrete_model._meta.label_lower
    return cache_name(using, label, provider, str(user_id))


@contextmanager
def own_write(shelf: str) -> Iterator[None]:
    """A storage writes, and will see to what follows from it."""
    outer, _here.writing = getattr(_here, "writing", None), shelf
    try:
        yield
    finally:
        _here.writing = outer


def note(using: str, shelf: str, account: str) -> None:
    """The open transaction, if there is one, has written an account's row."""
    if not connections[using].in_atomic_block:
        return
    written = _written(using)
    if not written:
        mark = partial(written.clear)
        transaction.on_commit(mark, using=using)
        _here.notes[using] = mark, written
    written.update({shelf, (shelf, account)})


def noted(using: str, shelf: str, account: str | None) -> bool:
    """Whether the open transaction has written this account's row, or without one, any."""
    written = _written(using)
    return bool(written & {(shelf, account), (shelf, "")}) if account else shelf in written


def when_committed(using: str, tell: Callable[[], object]) -> None:
    if connections[using].in_atomic_block:
        transaction.on_commit(tell, using=using, robust=True)
    else:
        tell()


def _written(using: str) -> set[Any]:
    """What the transaction that is open has written: shelves, and accounts on them."""
    connection = connections[using]
    notes = _here.__dict__.setdefault("notes", {})
    mark, written = notes.get(using, (None, set()))
    # A hook on the commit is forgotten with its transaction, or savepoint, however that ends.
    if not any(hook[1] is mark for hook in connection.run_on_commit):
        written = set()
        notes[using] = None, written
    found: set[Any] = written
    return found


def row_changed(sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
    """Receives ``post_save`` and ``post_delete`` of the token models.

    Somebody else than a storage has changed a row: a view, the admin, a user's end.
    """
    name = shelf(sender, using, instance.provider, getattr(instance, "user_id", ""))
    if getattr(_here, "writing", None) == name:
        return
    note(using, name, getattr(instance, "account", ""))
    for alias in CACHES | ({settings.token_cache} if settings.token_cache else set()):
        when_committed(using, partial(TokenCache(alias).announce, name))
