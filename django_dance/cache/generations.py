"""TokenCache: tokens on Django's cache framework, in front of the table.

All accounts of a user at a provider are a *shelf*. A shelf has an edition, a random name, and what
lies on it is sealed for that edition. Whoever changes the table puts up a new edition after the
commit, and with it all that lay there is void. Whoever reads the table notes the edition first, and
lays what was read on that edition's shelf: if the table has changed in between, or the cache has
been flushed, nobody will ever look there. So a slow reader cannot bring an old token back, whatever
the cache forgets, and no operation is needed that caches do not have.

A cache that is down is a miss. What it was not told then, this process tells it later; others may
see a token of before for :data:`LIFETIME` at the most, and a token that was refreshed or revoked
is found out by the API's ``401``, since a refresh reads past the cache.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.core.cache import caches

from ..exceptions import SealBroken
from ..tokens import Token, seal, unseal

logger = logging.getLogger("django_dance")

#: Seconds that a token is kept; that there is none, for less.
LIFETIME = 300
LIFETIME_OF_NOTHING = 60
#: Longer than anything that is sealed for the edition.
_LIFETIME_OF_EDITION = 24 * 3600

#: What :meth:`TokenCache.look_up` found, if nothing.
MISS: Any = object()

_MOST_OWED = 10_000
#: Shelves whose new edition the cache was not told: (alias, shelf) → until when it matters.
_owed: dict[tuple[str, str], float] = {}
_complained = 0.0


@dataclass(frozen=True)
class Place:
    """Where to lay what is read from the table from now on."""

    shelf: str
    edition: str


class TokenCache:
    """Tokens in the cache of this alias."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def look_up(self, shelf: str, account: str) -> tuple[Any, Place | None]:
        """The token, or ``None`` if there is none, or :data:`MISS` and the place to lay it."""
        if _owed and self._owes(shelf) and not self.announce(shelf):
            return MISS, None
        keys = _key(shelf), _key(shelf, account)
        try:
            found = self._cache.get_many(keys) or {}
            edition = found.get(keys[0])
            if edition is None:
                edition = secrets.token_hex(8)
                if not self._cache.add(keys[0], edition, _LIFETIME_OF_EDITION):
                    edition = self._cache.get(keys[0])
        except Exception as error:  # noqa: BLE001  whatever the backend's library raises
            _complain(error)
            return MISS, None
        if not isinstance(edition, str):
            return MISS, None
        place = Place(shelf, edition)
        sealed = found.get(keys[1])
        if isinstance(sealed, str):
            try:
                return json.loads(
                    unseal(sealed, purpose="cache", identity=_lot(place, account))
                ), place
            except (SealBroken, ValueError):
                pass  # of another edition, or not by us
        return MISS, place

    def lay(self, place: Place, tokens: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Keep what was read from the table: account → token, or ``None`` for none."""
        now = time.time()
        for account, token in tokens.items():
            lifetime = float(LIFETIME_OF_NOTHING if token is None else LIFETIME)
            if token is not None and isinstance(
                expires_at := token.get("expires_at"), (int, float)
            ):
                lifetime = min(lifetime, expires_at - now)
            if lifetime < 1:
                continue
            fields = None if token is None else Token(token).fields_to_store
            sealed = seal(
                json.dumps(fields).encode(), purpose="cache", identity=_lot(place, account)
            )
            try:
                self._cache.set(_key(place.shelf, account), sealed, int(lifetime))
            except Exception as error:  # noqa: BLE001
                _complain(error)
                return

    def announce(self, shelf: str) -> Place | None:
        """Put up a new edition: what is cached of this owner is void. ``None`` if that failed."""
        edition = secrets.token_hex(8)
        try:
            self._cache.set(_key(shelf), edition, _LIFETIME_OF_EDITION)
            # A cache that swallows its errors says nothing; so it is asked.
            told = self._cache.get(_key(shelf)) == edition
        except Exception as error:  # noqa: BLE001
            _complain(error)
            told = False
        if told:
            _owed.pop((self.alias, shelf), None)
            return Place(shelf, edition)
        _owed.pop((self.alias, shelf), None)
        while len(_owed) >= _MOST_OWED:
            _owed.pop(next(iter(_owed)), None)  # the oldest
        _owed[self.alias, shelf] = time.monotonic() + LIFETIME
        return None

    def _owes(self, shelf: str) -> bool:
        until = _owed.get((self.alias, shelf))
        if until is not None and until < time.monotonic():
            _owed.pop((self.alias, shelf), None)
            return False
        return until is not None

    @property
    def _cache(self) -> Any:
        return caches[self.alias]


@lru_cache(maxsize=1024)
def _key(shelf: str, account: str | None = None) -> str:
    if account is None:
        return f"django_dance:edition:{shelf}"
    return f"django_dance:token:{shelf}:{hashlib.sha256(account.encode()).hexdigest()[:16]}"


def _lot(place: Place, account: str) -> str:
    return f"{place.shelf} {place.edition} {account}"


def _complain(error: Exception) -> None:
    """One line a minute: a cache that is down is asked by every request."""
    global _complained
    if time.monotonic() - _complained > 60 or not _complained:
        _complained = time.monotonic()
        logger.warning(
            "the token cache does not answer (%s); tokens are read from the table",
            type(error).__name__,
        )
