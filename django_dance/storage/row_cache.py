"""RowCache: the token cache in front of the rows of one storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connections

from ..cache import (
    MISS,
    TokenCache,
    find_parked,
    forget_parked,
    invalidation,
    on_commit_or_now,
    park,
    parking_key,
)
from ..conf import settings
from ..tokens import Token
from .transactions import in_transaction

if TYPE_CHECKING:
    from .model import ModelStorage

#: The value of the option ``cache`` if there is none: ``DANCE_CACHE`` names the cache.
UNSET: Any = object()


class RowCache:
    """The cache is filled when the storage reads rows, and invalidated when it writes rows.

    :param storage: the storage that reads the rows.
    :param alias: the alias of the cache; ``None`` for no cache.
    """

    def __init__(self, storage: ModelStorage, alias: str | None) -> None:
        self._storage = storage
        self._alias = alias
        if isinstance(alias, str):
            invalidation.CACHES.add(alias)

    def get(self, where: Mapping[str, Any], account: str) -> Token | None:
        """Return a token from the cache, or else from the table.

        :param where: the conditions that select the owner's rows.
        """
        cache, using = self._cache, self._storage.using
        if cache is None or self.was_written(where):
            return self._storage.read(where, account)
        owner_key = self.owner_key(where)
        found, generations = cache.get(owner_key, account)
        if found is not MISS:
            token: Token | None = found
            return token
        token = self._storage.read(where, account)
        if not in_transaction(using):
            if generations is not None:
                cache.put(owner_key, generations, {account: token})
        elif connections[using].in_atomic_block:
            # This transaction may see older rows than the generations' readers.
            on_commit_or_now(using, partial(self._read, owner_key, where, account))
        return token

    @contextmanager
    def writing(self, where: Mapping[str, Any], account: str) -> Iterator[None]:
        """Write rows within this context: it updates the cache after the commit, and once."""
        owner_key, using = self.owner_key(where), self._storage.using
        with invalidation.writing(owner_key):
            yield
        invalidation.mark_written(using, owner_key, account)
        if self._cache is not None:
            on_commit_or_now(using, partial(self._renew, owner_key, where))

    def park(
        self, where: Mapping[str, Any], account: str, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> bool:
        """Park a token that the table cannot store; return whether other processes can find it."""
        return park(self._name, self._storage.using, self._parking_key(where, account), old, new)

    def find_parked(
        self, where: Mapping[str, Any], account: str, old: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Return the parked token that replaces ``old``, if there is one."""
        key = self._parking_key(where, account)
        return find_parked(self._name, self._storage.using, key, old)

    def forget_parked(self, where: Mapping[str, Any], *accounts: str) -> None:
        """Delete the parked tokens of the accounts, after the commit."""
        using, keys = self._storage.using, [self._parking_key(where, each) for each in accounts]
        on_commit_or_now(using, partial(forget_parked, self._name, using, *keys))

    def _parking_key(self, where: Mapping[str, Any], account: str) -> str:
        return parking_key(self.owner_key(where), account)

    def was_written(self, where: Mapping[str, Any], account: str | None = None) -> bool:
        """Whether the open transaction has written the account's row; ``None``: any of the owner's.

        No other connection sees these rows before the commit.
        """
        using = self._storage.using
        return connections[using].in_atomic_block and invalidation.was_written(
            using, self.owner_key(where), account
        )

    def owner_key(self, where: Mapping[str, Any]) -> str:
        """Name the owner's rows, for the current tenant."""
        storage = self._storage
        name, user_id = where["provider"], where.get("user_id", "")
        place = where.get("place", "")
        return invalidation.owner_key(storage.model, storage.using, name, user_id, place)

    @property
    def _name(self) -> str | None:
        """The alias of the cache."""
        return settings.token_cache if self._alias is UNSET else self._alias

    @property
    def _cache(self) -> TokenCache | None:
        return TokenCache(self._name) if self._name else None

    def _read(self, owner_key: str, where: Mapping[str, Any], account: str) -> None:
        """Read an account's row into the cache."""
        # If the tenant has changed before the commit, a query finds the rows of another tenant.
        if (cache := self._cache) is not None and owner_key == self.owner_key(where):
            found, generations = cache.get(owner_key, account)
            if found is MISS and generations is not None:
                cache.put(owner_key, generations, {account: self._storage.read(where, account)})

    def _renew(self, owner_key: str, where: Mapping[str, Any]) -> None:
        """Invalidate the owner's entries, and read the rows into the cache."""
        if (cache := self._cache) is not None:
            generations = cache.invalidate(owner_key)
            # The tenant may have changed: see _read().
            if generations is not None and owner_key == self.owner_key(where):
                cache.put(owner_key, generations, self._storage.read_accounts(where))
