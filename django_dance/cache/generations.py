"""GenerationalCache: cached values that are valid until a group that they belong to changes.

Each group, such as all tokens of one user at one provider, has a *generation* in the cache: a
random value. An entry contains the generations of its groups, and is valid only while these are
still in the cache. A writer replaces the generation of a group after the commit, which invalidates
every entry of the group. A reader fetches the generations *before* it queries the table, and writes
its entry with them, so that a slow reader cannot revive an old value, even if the cache has been
flushed meanwhile. Django's caches need no other operations than ``get``, ``add`` and ``set`` for
this.

A cache that is down counts as empty. A process that could not invalidate a group does so at its
first look-up when the cache is back: a replica that was promoted may still have the old entries.
Until then, other processes may use an old value, but not for longer than :data:`LIFETIME`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from .entries import MISS, open_entry, seal_entry
from .failures import ask_cache

#: The longest lifetime of an entry, in seconds.
LIFETIME = 300
#: The lifetime of a generation, in seconds. When it ends, the entries of the group are invalid.
_GENERATION_LIFETIME = 24 * 3600

#: The number of pending invalidations that a process remembers.
_MAX_PENDING = 10_000
#: The invalidations that failed: (alias, group) → the time at which the last entry expires.
_pending_invalidations: dict[tuple[str, str], float] = {}
#: The number of pending invalidations that one look-up repeats.
_AT_ONCE = 20
#: Alias → the earliest time of the next attempt, after one that has failed.
_next_attempt: dict[str, float] = {}

#: Group → generation.
Generations = Mapping[str, str]
_Result = TypeVar("_Result")


class GenerationalCache:
    """The entries of one kind in a cache.

    :param alias: the cache's alias in ``CACHES``.
    :param purpose: the purpose of the entries' seals.
    :param effect: the consequence if the cache is down, for the log.
    :param generation_lifetime: seconds; more than the lifetime of any entry.
    """

    def __init__(
        self,
        alias: str,
        *,
        purpose: str,
        effect: str,
        generation_lifetime: int = _GENERATION_LIFETIME,
    ) -> None:
        self.alias = alias
        self._purpose = purpose
        self._effect = effect
        self._generation_lifetime = generation_lifetime

    def get(self, key: str, groups: Iterable[str] = ()) -> tuple[Any, Generations | None]:
        """Return a value, or :data:`MISS`, and the current generations of ``groups``.

        :param key: the cache key of the entry.
        :param groups: the groups of the entry, as far as they are known before it is read. The
            entry names all its groups.
        :returns: the generations are for :meth:`put`; ``None`` if the cache is down.
        """
        groups = list(groups)
        if not self._retry_invalidations(groups):
            return MISS, None
        found = self._fetch([key], groups)
        current = {group: found[group] for group in groups if isinstance(found.get(group), str)}
        generations = current if len(current) == len(groups) else None
        match open_entry(found.get(key), purpose=self._purpose, key=key):
            case [dict() as needed, value] if self._are_valid(needed, current):
                return value, generations
        return MISS, generations

    def put(self, generations: Generations, entries: Mapping[str, tuple[Any, float]]) -> None:
        """Store values that were read from the table after the generations were fetched.

        :param entries: cache key → value, and the lifetime in seconds. A value with less than a
            second is not stored.
        """
        sealed = [
            (key, seal_entry([generations, value], purpose=self._purpose, key=key), int(lifetime))
            for key, (value, lifetime) in entries.items()
            if lifetime >= 1
        ]

        def store(cache: Any) -> None:
            for key, entry, lifetime in sealed:
                cache.set(key, entry, lifetime)

        self._ask(store, None)

    def generations(self, groups: Iterable[str], *, unchanged_since: float) -> Generations | None:
        """Return the current generations of groups that were known only after the query.

        :param unchanged_since: seconds since the epoch, a moment before the query.
        :returns: ``None`` if a group has changed since then, or the cache is down.
        """
        groups = list(groups)
        if not self._retry_invalidations(groups):
            return None
        found = self._fetch([], groups)
        current = {
            group: found[group] for group in groups if _is_older(found.get(group), unchanged_since)
        }
        return current if len(current) == len(groups) else None

    def invalidate(self, *groups: str) -> Generations | None:
        """Invalidate the entries of the groups.

        :returns: the new generations; ``None`` if the cache is down. Then this process tries again
            before it reads an entry of these groups.
        """
        new = {group: f"{secrets.token_hex(8)}@{time.time()}" for group in groups}

        def store(cache: Any) -> bool:
            for group, generation in new.items():
                cache.set(group, generation, self._generation_lifetime)
            # Some caches ignore their errors: only reading shows whether the value was written.
            return bool(cache.get_many(groups) == new)

        stored = self._ask(store, False)
        for group in groups:
            _pending_invalidations.pop((self.alias, group), None)
            if not stored:
                while len(_pending_invalidations) >= _MAX_PENDING:
                    _pending_invalidations.pop(next(iter(_pending_invalidations)), None)
                _pending_invalidations[self.alias, group] = time.monotonic() + LIFETIME
        return new if stored else None

    def _fetch(self, keys: list[str], groups: list[str]) -> dict[str, Any]:
        """Read keys and generations, and create the generations that are missing."""

        def fetch(cache: Any) -> dict[str, Any]:
            found = dict(cache.get_many([*keys, *groups]) or {})
            for group in groups:
                if group not in found:
                    new = secrets.token_hex(8)
                    added = cache.add(group, new, self._generation_lifetime)
                    found[group] = new if added else cache.get(group)
            return found

        found: dict[str, Any] = self._ask(fetch, {})
        if _pending_invalidations and any(isinstance(found.get(each), str) for each in groups):
            self._repeat_invalidations()
        return found

    def _are_valid(self, needed: Generations, current: Generations) -> bool:
        """Whether the generations of an entry are the current ones, and there is at least one."""
        others = list(needed.keys() - current.keys())
        if others and self._retry_invalidations(others):
            current = {**current, **self._fetch(others, [])}
        return bool(needed) and all(current.get(group) == needed[group] for group in needed)

    def _retry_invalidations(self, groups: Iterable[str]) -> bool:
        """Invalidate the groups whose invalidation has failed; return whether none is left."""
        if not _pending_invalidations:
            return True
        pending = [group for group in groups if self._is_pending(group)]
        return not pending or self.invalidate(*pending) is not None

    def _repeat_invalidations(self) -> None:
        """Invalidate groups whose invalidation has failed. The cache has just answered.

        In a cluster the node of a group may still be down. Then the next attempt is a second later.
        """
        now = time.monotonic()
        if now < _next_attempt.get(self.alias, 0):
            return
        pending = [group for alias, group in list(_pending_invalidations) if alias == self.alias]
        for group in pending[:_AT_ONCE]:
            if self._is_pending(group) and self.invalidate(group) is None:
                _next_attempt[self.alias] = now + 1
                return

    def _is_pending(self, group: str) -> bool:
        until = _pending_invalidations.get((self.alias, group))
        if until is not None and until < time.monotonic():
            _pending_invalidations.pop((self.alias, group), None)
            return False
        return until is not None

    def _ask(self, question: Callable[[Any], _Result], otherwise: _Result) -> _Result:
        return ask_cache(self.alias, question, otherwise, effect=self._effect)


def _is_older(generation: Any, moment: float) -> bool:
    """Whether the last writer of a generation wrote it before a time.

    A generation that a reader created has no time: no change of its group is known.
    """
    if not isinstance(generation, str):
        return False
    try:
        return float(generation.partition("@")[2] or 0) < moment
    except ValueError:
        return False
