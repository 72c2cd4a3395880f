"""Parked tokens: refreshed tokens that the database could not store.

If the provider rotates refresh tokens, its answer ends the old one. If the database does not answer
then, the new token is *parked*, sealed, in the cache, where the next refresh on any host looks
before it asks the provider. A parked token names the token that it replaces, and is used only if
the row still has that one. It is deleted when the row is written or deleted.

A cache that belongs to one process, or is in the same database, does not help. Then the token stays
in the memory of the process.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from django.core.cache import caches

from ..conf import is_shared
from .entries import open_entry, seal_entry
from .failures import ask_cache, database_of

#: The longest time that a token is parked, in seconds.
LIFETIME = 24 * 3600
#: The number of tokens that a process keeps in its memory.
_MAX_KEPT = 1000
_EFFECT = "refreshed tokens that the database cannot store are not found by other processes"

#: Key → the sealed entry, and the end of its lifetime on the monotonic clock.
_kept: dict[str, tuple[str, float]] = {}
_kept_lock = threading.Lock()


def parking_key(owner_key: str, account: str) -> str:
    """The cache key of the parked token of an account, with the owner's hash tag."""
    digest = hashlib.sha256(account.encode()).hexdigest()[:32]
    return f"django_dance:parked:{{{owner_key}}}:{digest}"


def park(
    alias: str | None, using: str, key: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> bool:
    """Park a token, and return whether other processes can find it.

    :param alias: the alias of the cache; ``None`` for no cache.
    :param using: the alias of the database that cannot store the token.
    :param old: the token that it replaces.
    """
    entry = seal_entry([_digest(old), dict(new)], purpose="cache", key=key)

    def store(cache: Any) -> bool:
        cache.set(key, entry, LIFETIME)
        # Some caches ignore their errors: only reading shows whether the value was written.
        return bool(cache.get(key) == entry)

    if _can_share(alias, using) and ask_cache(str(alias), store, False, effect=_EFFECT):
        return True
    with _kept_lock:
        while len(_kept) >= _MAX_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = entry, time.monotonic() + LIFETIME
    return False


def find_parked(
    alias: str | None, using: str, key: str, old: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the parked token that replaces ``old``, if there is one."""
    kept, until = _kept.get(key, ("", 0.0))
    if until >= time.monotonic() and (found := _successor(kept, key, old)) is not None:
        return found
    if not _can_share(alias, using):
        return None
    shared = ask_cache(str(alias), lambda cache: cache.get(key), None, effect=_EFFECT)
    return _successor(shared, key, old)


def _successor(entry: Any, key: str, old: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the token in an entry, if it replaces ``old``."""
    match open_entry(entry, purpose="cache", key=key):
        case [str(replaces), dict(fields)] if replaces == _digest(old):
            return fields
    return None


def forget_parked(alias: str | None, using: str, *keys: str) -> None:
    """Delete the parked tokens."""
    with _kept_lock:
        for key in keys:
            _kept.pop(key, None)
    if _can_share(alias, using):
        ask_cache(str(alias), lambda cache: cache.delete_many(keys), None, effect=_EFFECT)


def _can_share(alias: str | None, using: str) -> bool:
    """Whether other processes can read the cache, while the database does not answer."""
    if alias not in caches.settings or not is_shared(caches.settings[alias]):
        return False

    return ask_cache(alias, lambda cache: database_of(cache) != using, False, effect=_EFFECT)


def _digest(token: Mapping[str, Any]) -> str:
    named = [str(token.get(name) or "") for name in ("refresh_token", "access_token")]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()
