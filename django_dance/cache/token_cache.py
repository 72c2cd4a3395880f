"""TokenCache: the client's tokens, in front of the table.

All tokens of one (user, provider) are a group, which the owner key names. There is an entry for
each account. The owner key stands in braces, a *hash tag*: a cluster of Valkey or Redis keeps all
keys with the same tag at one node, so that a look-up asks one node.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..tokens import Token
from .entries import MISS
from .generations import LIFETIME, GenerationalCache, Generations

#: The lifetime of an entry that says that there is no token, in seconds.
LIFETIME_OF_NOTHING = 60


class TokenCache:
    """The tokens in one cache.

    :param alias: the cache's alias in ``CACHES``.
    """

    def __init__(self, alias: str) -> None:
        self._cache = GenerationalCache(
            alias,
            purpose="cache",
            effect="the token cache is empty; tokens are read from the table",
        )

    def get(self, owner_key: str, account: str) -> tuple[Any, Generations | None]:
        """Return a :class:`Token`, ``None`` if the owner has none, or ``MISS``; and the generations
        for :meth:`put`, or ``None`` if the cache is down."""
        value, generations = self._cache.get(
            _entry_key(owner_key, account), [_generation_key(owner_key)]
        )
        return (value if value in (None, MISS) else Token(value)), generations

    def put(
        self, owner_key: str, generations: Generations, tokens: Mapping[str, Token | None]
    ) -> None:
        """Store the tokens that were read from the table.

        :param tokens: account → token, or ``None`` if the account has none.
        """
        self._cache.put(
            generations,
            {
                _entry_key(owner_key, account): (
                    None if token is None else token.fields_to_store,
                    _lifetime(token),
                )
                for account, token in tokens.items()
            },
        )

    def invalidate(self, owner_key: str) -> Generations | None:
        """Invalidate the entries of an owner; ``None`` if the cache is down."""
        return self._cache.invalidate(_generation_key(owner_key))


def _lifetime(token: Token | None) -> float:
    """The lifetime of an entry, in seconds."""
    if token is None:
        return LIFETIME_OF_NOTHING
    if token.expires_at is None:
        return LIFETIME
    return min(LIFETIME, token.expires_at - time.time())


def _generation_key(owner_key: str) -> str:
    return f"django_dance:generation:{{{owner_key}}}"


@lru_cache(maxsize=1024)
def _entry_key(owner_key: str, account: str) -> str:
    # The account is not in the seal, so the digest has 128 bits.
    digest = hashlib.sha256(account.encode()).hexdigest()[:32]
    return f"django_dance:token:{{{owner_key}}}:{digest}"
