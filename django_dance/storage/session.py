"""SessionStorage: in the visitor's Django session."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import caches
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, router, transaction

from ..cache import cache_name
from ..conf import settings
from ..exceptions import OwnerRequired, SealBroken, TokenTooLarge
from ..tokens import ResourceOwner, same_token, seal, unseal
from .base import BaseStorage
from .transactions import (
    after_the_transaction,
    has_one_writer,
    may_roll_back,
    on_a_connection_of_its_own,
)

logger = logging.getLogger("django_dance")

#: What browsers keep of a cookie, its name and attributes included (RFC 6265 §6.1).
MAX_COOKIE = 4096
#: With `signed_cookies`: how long the cache remembers what took a token's place, in seconds, and
#: how many of them are followed.
_REMEMBERED = 3600
_FOLLOWED = 5
#: Where a session keeps the random value that names its visitor. Django's ``cycle_key()`` keeps
#: it, ``flush()`` removes it.
VISITOR = "_dance_visitor"

_Result = TypeVar("_Result")


class SessionStorage(BaseStorage):
    """Keeps tokens, sealed, in ``request.session``: they go when the session goes.

    A token that enters a session gives it a new session key, and a seal opens in its own session
    only.

    :param key: the session key, formatted with ``provider``.
    """

    def __init__(self, key: str = "{provider.name}_oauth_token") -> None:
        self.key = key

    def get(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        session = getattr(owner.request, "session", None)
        return None if session is None else self._read(owner, session)

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        self._put(owner, token)
        renew_key(self._session(owner))

    def _put(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        """Write the token into the session, and leave the session key as it is."""
        session, key = self._session(owner), self._key(owner)
        before = {name: session[name] for name in (key, VISITOR) if name in session}
        self._write(owner, session, token)
        if _in_a_cookie(session) and len(session._get_session_key()) > MAX_COOKIE - 200:
            del session[key], session[VISITOR]
            session.update(before)
            raise TokenTooLarge(
                f"{owner.provider.label}'s token does not fit into a cookie: choose another "
                "SESSION_ENGINE than signed_cookies, or another DANCE_STORAGE."
            )

    def delete(self, owner: ResourceOwner) -> None:
        session = getattr(owner.request, "session", None)
        if session is not None:
            session.pop(self._key(owner), None)

    # --- for refreshing -----------------------------------------------------------------------

    def reread(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        """As the session's store has it: a parallel request of this visitor may have changed it."""
        token = self.get(owner)
        session = getattr(owner.request, "session", None)
        if session is None:
            return token
        if _in_a_cookie(session):
            # The browser has the store; what a parallel request refreshed is noted in the cache.
            for _ in range(_FOLLOWED):
                follower = None if token is None else self._follower(owner, token)
                if follower is None:
                    break
                token = follower
            return token
        if session.session_key is None:
            return token  # it is not saved yet
        stored = _stored(session)
        if stored is None:
            return None  # the visitor has logged out meanwhile
        if session.modified and (token is None or self._key(owner) not in stored):
            return token  # this very request has deleted or set it, and is not saved yet
        return self._read(owner, stored)

    def replace(
        self, owner: ResourceOwner, old: Mapping[str, Any], new: Mapping[str, Any] | None
    ) -> bool:
        """At once: a request that ends in a server error does not save its session.

        The session key stays: whoever knows it has the old token already, and parallel requests,
        or a browser that gets a server error and no cookie, would lose the session.
        """
        if not same_token(self.reread(owner), old):
            return False
        if new is None:
            self.delete(owner)
        else:
            self._put(owner, new)
        session = self._session(owner)
        if _in_a_cookie(session):
            if new is not None:
                self._note_follower(owner, old, new)
            return True
        stored = _stored(session)
        if stored is not None:
            if new is None:
                stored.pop(self._key(owner), None)
            else:
                self._write(owner, stored, new)
            using = _database(session)
            try:
                stored.save()
            except UpdateError:
                if not session.exists(session.session_key):
                    return False  # the visitor has logged out meanwhile
                again = True  # the row is locked
            else:
                again = using is not None and may_roll_back(using)
            if again:
                after_the_transaction(owner.request, lambda: self.replace(owner, old, new))
        return True

    def durably(self, owner: ResourceOwner, work: Callable[[], _Result]) -> _Result:
        session: Any = getattr(owner.request, "session", None)
        using = _database(session)
        if using is None or not may_roll_back(using) or has_one_writer(using):
            return work()

        def can_be_saved() -> bool:
            rows = session.model._default_manager.using(using)
            if connections[using].features.has_select_for_update_nowait:
                rows = rows.select_for_update(nowait=True)
            try:
                with transaction.atomic(using=using):
                    return bool(rows.filter(session_key=session.session_key).exists())
            except OperationalError:
                return False

        # A session that this very transaction has made, or saved, nobody else can write.
        outside = on_a_connection_of_its_own(using, can_be_saved)
        return on_a_connection_of_its_own(using, work) if outside else work()

    @contextmanager
    def lease(self, owner: ResourceOwner, seconds: float) -> Iterator[None]:
        """Also holds off the processes that share the cache."""
        with super().lease(owner, seconds):
            name, pause, until = secrets.token_hex(16), 0.01, time.monotonic() + seconds
            key = f"django_dance:lease:{cache_name(DEFAULT_DB_ALIAS, owner.key or name)}"
            try:
                # A cache that is down may answer "not added" instead of raising.
                while not _cache().add(key, name, int(seconds) + 1) and _cache().get(key):
                    if time.monotonic() > until:
                        break
                    time.sleep(pause)
                    pause = min(pause * 1.5, 0.25)
            except Exception as error:  # noqa: BLE001  whatever the backend's library raises
                logger.warning("the cache does not answer (%s)", type(error).__name__)
            try:
                yield
            finally:
                with suppress(Exception):
                    if _cache().get(key) == name:
                        _cache().delete(key)

    def _follower(self, owner: ResourceOwner, token: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What a parallel request has put in this token's place."""
        session = self._session(owner)
        key = self._follower_key(owner, session, token)
        try:
            sealed = _cache().get(key)
        except Exception as error:  # noqa: BLE001
            logger.warning("the cache does not answer (%s)", type(error).__name__)
            return None
        return self._opened(owner, session, sealed, key)

    def _note_follower(
        self, owner: ResourceOwner, token: Mapping[str, Any], follower: Mapping[str, Any]
    ) -> None:
        session = self._session(owner)
        key = self._follower_key(owner, session, token)
        with suppress(Exception):
            _cache().set(key, self._sealed(owner, session, follower, key), _REMEMBERED)

    def _follower_key(self, owner: ResourceOwner, session: Any, token: Mapping[str, Any]) -> str:
        parts = self._identity(owner, session), str(token.get("access_token"))
        return f"django_dance:follows:{cache_name(DEFAULT_DB_ALIAS, *parts)}"

    def _session(self, owner: ResourceOwner) -> Any:
        session = getattr(owner.request, "session", None)
        if session is None:
            raise OwnerRequired(
                "SessionStorage needs a request with a session: add "
                "django.contrib.sessions.middleware.SessionMiddleware to MIDDLEWARE, or use "
                "ModelStorage for work without a request."
            )
        return session

    def _key(self, owner: ResourceOwner) -> str:
        return self.key.format(provider=owner.provider) + (
            f":{owner.account}" * bool(owner.account)
        )

    def _read(self, owner: ResourceOwner, session: Any) -> Mapping[str, Any] | None:
        return self._opened(owner, session, session.get(self._key(owner)))

    def _write(self, owner: ResourceOwner, session: Any, token: Mapping[str, Any]) -> None:
        name_visitor(session)
        session[self._key(owner)] = self._sealed(owner, session, token)

    def _sealed(
        self,
        owner: ResourceOwner,
        session: Any,
        token: Mapping[str, Any],
        cache_key: str | None = None,
    ) -> str:
        """The token, sealed for the session or for a cache entry.

        :param cache_key: the key of the cache entry; ``None`` for the session.
        """
        return seal(json.dumps(token).encode(), **self._seal_of(owner, session, cache_key))

    def _opened(
        self, owner: ResourceOwner, session: Any, sealed: Any, cache_key: str | None = None
    ) -> Mapping[str, Any] | None:
        if sealed is None:
            return None
        try:
            token: dict[str, Any] = json.loads(
                unseal(str(sealed), **self._seal_of(owner, session, cache_key))
            )
        except (SealBroken, ValueError):
            # Also the token of an anonymous visitor who has logged in since: it is not carried
            # over unless the site says so. And a token that an older version has sealed: its
            # session kept the session key that it had before the token entered.
            logger.debug("%s: the session's token does not open here", owner.provider.name)
            return None
        return token

    def _seal_of(self, owner: ResourceOwner, session: Any, cache_key: str | None) -> dict[str, str]:
        if cache_key is not None:
            return {"purpose": "cache", "identity": cache_key}
        return {"purpose": "session", "identity": self._identity(owner, session)}

    def _identity(self, owner: ResourceOwner, session: Any) -> str:
        who = "" if owner.user_id is None else str(owner.user_id)
        return json.dumps([owner.provider.name, who, owner.account, session.get(VISITOR)])


def name_visitor(session: Any) -> None:
    """Give the session's visitor a random name, if there is none."""
    session.setdefault(VISITOR, secrets.token_urlsafe(16))


def renew_key(session: Any) -> None:
    """Give the session a new session key, and keep what it holds.

    Against session fixation: somebody may have planted the session key in this browser, and would
    use the token with it. Django's ``login()`` and ``update_session_auth_hash()`` do the same.
    A session that another request has ended meanwhile stays ended.
    """
    key = session.session_key
    if key is not None and session.exists(key):
        session.cycle_key()


def _in_a_cookie(session: Any) -> bool:
    return type(session).__module__ == "django.contrib.sessions.backends.signed_cookies"


def _stored(session: Any) -> Any:
    """The session as its store has it now; ``None`` if it is not there."""
    key = session.session_key
    if key is None or not session.exists(key):
        return None
    return type(session)(key)


def _database(session: Any) -> str | None:
    """The database that the session is kept in, if in any."""
    model = getattr(type(session), "model", None)
    return None if model is None else router.db_for_write(model)


def _cache() -> Any:
    return caches[settings.cache or "default"]
