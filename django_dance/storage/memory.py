"""MemoryStorage and NullStorage: for tests, and for sites that store no tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from ..cache import cache_name
from ..exceptions import OwnerRequired
from ..tokens import ResourceOwner, Token, same_token
from .base import BaseStorage, plain_fields
from .session import VISITOR, name_visitor, renew_key


class MemoryStorage(BaseStorage):
    """Stores tokens in the memory of this process until it ends.

    :param token: the token of every owner for whom no other token was stored; for tests.
    """

    def __init__(self, token: Mapping[str, Any] | None = None) -> None:
        self._default = token
        self._tokens: dict[str, Mapping[str, Any] | None] = {}

    def get(self, owner: ResourceOwner) -> Token | None:
        key = self._key(owner)
        token = self._default if key is None else self._tokens.get(key, self._default)
        return None if token is None else Token(token)

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        session = getattr(owner.request, "session", None)
        if owner.user_id is None and session is not None:
            name_visitor(session)
            renew_key(session)
        key = self._key(owner)
        if key is None:
            raise OwnerRequired("MemoryStorage needs a user or a session.")
        self._tokens[key] = plain_fields(token)

    def replace(
        self, owner: ResourceOwner, old: Mapping[str, Any], new: Mapping[str, Any] | None
    ) -> bool:
        key = self._key(owner)
        if key is None or not same_token(self.get(owner), old):
            return False
        self._tokens[key] = None if new is None else plain_fields(new)
        return True

    def delete(self, owner: ResourceOwner) -> None:
        key = self._key(owner)
        if key is not None:
            self._tokens[key] = None

    def _key(self, owner: ResourceOwner) -> str | None:
        """Identify the owner among those of all tenants; ``None`` for a visitor without a session.

        The result for a visitor stays the same when the session gets a new session key.
        """
        if owner.user_id is not None:
            return cache_name(DEFAULT_DB_ALIAS, owner.key)
        session = getattr(owner.request, "session", None)
        visitor = None if session is None else session.get(VISITOR)
        if visitor is None:
            return None
        parts = [owner.provider.name, "visitor", visitor, owner.account]
        parts += [owner.place] if owner.place else []
        return cache_name(DEFAULT_DB_ALIAS, json.dumps(parts))


class NullStorage(BaseStorage):
    """Stores nothing. For a site that uses a token only in a receiver of ``oauth_authorized``."""

    def get(self, owner: ResourceOwner) -> None:
        return None

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        pass

    def delete(self, owner: ResourceOwner) -> None:
        pass
