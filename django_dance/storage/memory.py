"""MemoryStorage and NullStorage: for tests, and for sites that keep nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from ..cache import cache_name
from ..exceptions import OwnerRequired
from ..tokens import ResourceOwner
from .base import BaseStorage


class MemoryStorage(BaseStorage):
    """Keeps tokens in this process until it ends.

    :param token: what an owner has who was given nothing else; for tests.
    """

    def __init__(self, token: Mapping[str, Any] | None = None) -> None:
        self._default = token
        self._tokens: dict[str, Mapping[str, Any] | None] = {}

    def get(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        key = _key(owner)
        token = self._default if key is None else self._tokens.get(key, self._default)
        return None if token is None else dict(token)

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        session = getattr(owner.request, "session", None)
        if owner.key is None and session is not None:
            session.save()  # gives the visitor's session its key
        key = _key(owner)
        if key is None:
            raise OwnerRequired("There is no user and no session to keep the token for.")
        self._tokens[key] = dict(token)

    def delete(self, owner: ResourceOwner) -> None:
        key = _key(owner)
        if key is not None:
            self._tokens[key] = None


def _key(owner: ResourceOwner) -> str | None:
    """Names the owner among those of all tenants; ``None`` as for ``owner.key``."""
    return None if owner.key is None else cache_name(DEFAULT_DB_ALIAS, owner.key)


class NullStorage(BaseStorage):
    """Keeps nothing: for a site that uses a token during ``oauth_authorized`` and never again."""

    def get(self, owner: ResourceOwner) -> None:
        return None

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        pass

    def delete(self, owner: ResourceOwner) -> None:
        pass
