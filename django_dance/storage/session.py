"""SessionStorage: tokens in the visitor's Django session."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from django.contrib.sessions.backends import signed_cookies
from django.contrib.sessions.backends.base import UpdateError
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, router, transaction

from ..cache import MISS, ask_cache, cache_name, open_entry, seal_entry
from ..conf import settings
from ..exceptions import OwnerRequired, SealBroken, TokenTooLarge, failure_fields
from ..tokens import ResourceOwner, Token, same_token, seal, unseal
from .base import BaseStorage, plain_fields
from .lease import cache_lease
from .transactions import (
    CONNECTION_ERRORS,
    after_view_or_now,
    defer_write,
    has_one_writer,
    limit_lock_wait,
    may_roll_back,
    on_separate_connection,
    write_on_new_connection,
    write_to_primary,
)

logger = logging.getLogger("django_dance")

#: Bytes of a cookie that browsers store, with its name and attributes (RFC 6265 §6.1).
MAX_COOKIE = 4096
#: With ``signed_cookies``: the lifetime of a cache entry with the successor of a token, in seconds,
#: and the number of successors that are looked up one after the other.
_SUCCESSOR_LIFETIME = 3600
_MAX_SUCCESSORS = 5
_EFFECT = "parallel requests do not find the refreshed token of a session in a cookie"
#: The key in a session of the random value that identifies its visitor. Django's ``cycle_key()``
#: keeps this value, ``flush()`` removes it.
VISITOR = "_dance_visitor"

_Result = TypeVar("_Result")


class SessionStorage(BaseStorage):
    """Stores tokens, sealed, in ``request.session``. They are deleted with the session.

    When a token is stored, the session gets a new session key. A seal opens in its own session
    only.

    :param key: the session key, formatted with ``provider``.
    """

    def __init__(self, key: str = "{provider.name}_oauth_token") -> None:
        self.key = key

    def get(self, owner: ResourceOwner) -> Token | None:
        session = getattr(owner.request, "session", None)
        if session is None or not _is_visitor(owner):
            return None
        return self._read(owner, session)

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        self._put(owner, token)
        renew_key(self._session(owner))

    def _put(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        """Write the token into the session, without a new session key.

        :raises TokenTooLarge: the session is stored in a cookie, and the token does not fit.
        """
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
        if getattr(owner.request, "session", None) is not None:
            self._session(owner).pop(self._key(owner), None)

    # --- for refreshing -----------------------------------------------------------------------

    def reread(self, owner: ResourceOwner) -> Token | None:
        """Read the session's store: a parallel request of this visitor may have changed it."""
        token = self.get(owner)
        session = getattr(owner.request, "session", None)
        if session is None:
            return token
        if _in_a_cookie(session):
            # The store is in the browser. A parallel request notes a refreshed token in the cache.
            for _ in range(_MAX_SUCCESSORS):
                successor = None if token is None else self._successor(owner, token)
                if successor is None:
                    break
                token = successor
            return token
        if session.session_key is None:
            return token  # the session is not saved yet
        stored = _session_in_store(session)
        if stored is None:
            return None  # the visitor has logged out
        if session.modified and (token is None or self._key(owner) not in stored):
            return token  # this request has set or deleted the token, and has not saved the session
        return self._read(owner, stored)

    def replace(
        self, owner: ResourceOwner, old: Mapping[str, Any], new: Mapping[str, Any] | None
    ) -> bool:
        """Replace the token and save it now: Django saves no session after a server error.

        The session keeps its key. A client that knows the key has the old token already. With a new
        key, parallel requests would lose the session, and so would a browser that gets a server
        error and therefore no cookie.
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
                self._note_successor(owner, old, new)
            return True
        stored = _session_in_store(session)
        if stored is not None:
            if new is None:
                stored.pop(self._key(owner), None)
            else:
                self._write(owner, stored, new)
            using = _database(session)
            try:
                with limit_lock_wait(using) if using else nullcontext():
                    stored.save()
            except UpdateError:
                if not session.exists(session.session_key):
                    return False  # the visitor has logged out
                again = True  # the row is locked
            else:
                again = using is not None and may_roll_back(using)
            if again:
                defer_write(owner.request, lambda: self.replace(owner, old, new))
        return True

    def store_refreshed(
        self,
        owner: ResourceOwner,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        until: float,
    ) -> bool:
        using = _database(getattr(owner.request, "session", None))
        try:
            return write_to_primary(lambda: self.replace(owner, old, new))
        except CONNECTION_ERRORS:
            if using is None:
                raise
            return write_on_new_connection(using, lambda: self.replace(owner, old, new), until)

    def call_after_commit(
        self, owner: ResourceOwner, function: Callable[[], object], repeat: Callable[[], bool]
    ) -> None:
        # replace() repeats its write itself.
        using = _database(getattr(owner.request, "session", None))
        after_view_or_now(using, owner.request, function)

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

        # If this transaction has created or saved the session, no other connection can write it.
        outside = on_separate_connection(using, can_be_saved)
        return on_separate_connection(using, work) if outside else work()

    def run_alone(
        self,
        owner: ResourceOwner,
        seconds: float,
        work: Callable[[float], _Result],
        look: Callable[[], _Result | None],
    ) -> _Result:
        # A thread that waits for the lease needs no connection.
        with self.lease(owner, seconds):
            until = time.monotonic() + seconds
            return self.durably(owner, lambda: work(until))

    @contextmanager
    def lease(self, owner: ResourceOwner, seconds: float) -> Iterator[None]:
        """Let the processes that share the cache wait, too."""
        with super().lease(owner, seconds), cache_lease(_cache_alias(), owner, seconds):
            yield

    # --- sessions in a cookie -------------------------------------------------------------------

    def _successor(self, owner: ResourceOwner, token: Token) -> Token | None:
        """The token that a parallel request has replaced this one with."""
        key = self._successor_key(owner, token)
        entry = ask_cache(_cache_alias(), lambda cache: cache.get(key), None, effect=_EFFECT)
        fields = open_entry(entry, purpose="cache", key=key)
        return None if fields is MISS else Token(fields)

    def _note_successor(
        self, owner: ResourceOwner, token: Mapping[str, Any], successor: Mapping[str, Any]
    ) -> None:
        key = self._successor_key(owner, token)
        entry = seal_entry(plain_fields(successor), purpose="cache", key=key)
        ask_cache(
            _cache_alias(),
            lambda cache: cache.set(key, entry, _SUCCESSOR_LIFETIME),
            None,
            effect=_EFFECT,
        )

    def _successor_key(self, owner: ResourceOwner, token: Mapping[str, Any]) -> str:
        parts = self._identity(owner, self._session(owner)), str(token.get("access_token"))
        return f"django_dance:follows:{cache_name(DEFAULT_DB_ALIAS, *parts)}"

    # --- the session ----------------------------------------------------------------------------

    def _session(self, owner: ResourceOwner) -> Any:
        session = getattr(owner.request, "session", None)
        if session is None:
            raise OwnerRequired(
                "SessionStorage needs a request with a session: add "
                "django.contrib.sessions.middleware.SessionMiddleware to MIDDLEWARE, or use "
                "ModelStorage for work without a request."
            )
        if not _is_visitor(owner):
            raise OwnerRequired(
                "A session stores the tokens of its own visitor only, and this is the token of "
                f"user {owner.user_id}. For the tokens of other users, use ModelStorage or "
                "FallbackStorage."
            )
        return session

    def _key(self, owner: ResourceOwner) -> str:
        # A place has no space, and an account has none at its beginning or end.
        place = f" {owner.place} " if owner.place else ""
        account = f":{owner.account}" if owner.account else ""
        return self.key.format(provider=owner.provider) + place + account

    def places(self, owner: ResourceOwner) -> Sequence[str]:
        session: Any = getattr(owner.request, "session", None)
        if session is None or not _is_visitor(owner):
            return ()
        start = self.key.format(provider=owner.provider) + " "
        keys = [key for key, _ in session.items() if str(key).startswith(start)]
        return tuple(dict.fromkeys(key[len(start) :].partition(" ")[0] for key in reversed(keys)))

    def _read(self, owner: ResourceOwner, session: Any) -> Token | None:
        sealed = session.get(self._key(owner))
        if sealed is None:
            return None
        identity = self._identity(owner, session)
        try:
            return Token(json.loads(unseal(str(sealed), purpose="session", identity=identity)))
        except (SealBroken, ValueError):
            # This is also the case for the token of an anonymous visitor who has logged in since,
            # because a login does not move it; and for a token that an older version has sealed,
            # because its session kept the session key that it had before.
            logger.debug(
                "%s: the session's token does not open here",
                owner.provider.name,
                extra=failure_fields(provider=owner.provider.name, code="seal_broken"),
            )
            return None

    def _write(self, owner: ResourceOwner, session: Any, token: Mapping[str, Any]) -> None:
        name_visitor(session)
        session[self._key(owner)] = seal(
            json.dumps(plain_fields(token)).encode(),
            purpose="session",
            identity=self._identity(owner, session),
        )

    def _identity(self, owner: ResourceOwner, session: Any) -> str:
        who = "" if owner.user_id is None else str(owner.user_id)
        place = [owner.place] if owner.place else []
        return json.dumps([owner.provider.name, who, owner.account, session.get(VISITOR), *place])


def visitor_of(request: Any) -> str | None:
    """The random value in the session of a request that identifies its visitor, if there is one."""
    session = getattr(request, "session", None)
    value: str | None = None if session is None else session.get(VISITOR)
    return value


def name_visitor(session: Any) -> None:
    """Store a random value in the session that identifies its visitor, if there is none."""
    session.setdefault(VISITOR, secrets.token_urlsafe(16))


def renew_key(session: Any) -> None:
    """Give the session a new session key, and keep its contents.

    This prevents session fixation: an attacker may have set the session key in this browser, and
    would use the token with it. Django's ``login()`` and ``update_session_auth_hash()`` do the
    same. If another request has deleted the session, it stays deleted.
    """
    key = session.session_key
    if key is not None and session.exists(key):
        session.cycle_key()


def _is_visitor(owner: ResourceOwner) -> bool:
    """Whether the owner is the visitor of the request, as a user or before the login."""
    nothing = object()
    visitor: Any = getattr(owner.request, "user", nothing)
    if visitor is nothing or owner.user_id is None:
        return True
    # Some frameworks have None in place of an anonymous user.
    return bool(visitor and visitor.is_authenticated and str(visitor.pk) == str(owner.user_id))


def _in_a_cookie(session: Any) -> bool:
    """Whether the whole session is stored in a cookie."""
    return isinstance(session, signed_cookies.SessionStore)


def _session_in_store(session: Any) -> Any:
    """The session as it is stored now; ``None`` if it is not stored."""
    key = session.session_key
    if key is None or not session.exists(key):
        return None
    return type(session)(key)


def _database(session: Any) -> str | None:
    """The alias of the database that the session is stored in; ``None`` for another store."""
    model = getattr(type(session), "model", None)
    return None if model is None else router.db_for_write(model)


def _cache_alias() -> str:
    return settings.cache or "default"
