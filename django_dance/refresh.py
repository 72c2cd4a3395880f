"""Refreshing a token: once, whoever asks."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from .exceptions import AuthorizationRequired, ProviderError, TokenRequestRefused
from .signals import token_refreshed, token_revoked
from .tokens import Token

if TYPE_CHECKING:
    from .owner import ResourceOwner
    from .sessions import OAuth2Session

logger = logging.getLogger("django_dance")


_locks: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
_locks_lock = threading.Lock()


def _single_flight(owner: ResourceOwner) -> AbstractContextManager[object]:
    """Holds all others of this process off that would refresh the same owner's token."""
    key = owner.key
    if key is None:
        return nullcontext()
    with _locks_lock:
        return _locks.setdefault(key, threading.Lock())


def refreshed(session: OAuth2Session, stale: Token, *, forced: bool = False) -> Token:
    """The token in the place of ``stale``: one stored meanwhile, or a new one.

    :param forced: the API refused ``stale``, though its time is not over. If it cannot be
        refreshed now, it is returned: the API's own answer says more.
    :raises AuthorizationRequired: the provider refused for good; the token is deleted.
    :raises ProviderUnavailable: the provider cannot be asked now, and ``stale`` is over.
    :raises ProviderError: the provider's answer is of no use, and ``stale`` is over.
    """
    owner, provider, storage = session.owner, session.provider, session.storage
    with _single_flight(owner):
        token = storage.get_token(owner)
        if token is None:
            if session.token is not stale:
                raise AuthorizationRequired(provider, "revoked")
            # A token that is carried and not stored yet, in a receiver of oauth_authorized.
            token, stored = stale, False
        else:
            stored = True
            if token["access_token"] != stale["access_token"]:
                return token
        try:
            renewed = provider.refresh(owner, token)
        except TokenRequestRefused as error:
            if error.error == "invalid_grant":
                stored_now = storage.get_token(owner)
                if stored_now is not None and stored_now["access_token"] != token["access_token"]:
                    # Somebody else was faster: the refresh token was spent, not dead.
                    return stored_now
                storage.delete(owner)
                logger.warning("%s: the refresh token is dead; the token is deleted", provider.name)
                token_revoked.send(
                    type(provider),
                    provider=provider,
                    request=session.http_request,
                    owner=owner,
                    reason="invalid_grant",
                )
                # Granted a moment ago: to send the visitor there at once could go on for ever.
                moment_ago = time.time() - token.get("granted_at", 0) < 60
                reason = "revoked_at_once" if moment_ago else "revoked"
                raise AuthorizationRequired(provider, reason) from error
            failure: ProviderError = error
        except ProviderError as error:
            failure = error
        else:
            if stored:
                # Stored before it is used: what is not stored is lost to everybody else.
                storage.set_token(owner, renewed)
            token_refreshed.send(
                type(provider),
                provider=provider,
                request=session.http_request,
                owner=owner,
                token=renewed,
            )
            return renewed
    logger.warning("%s: the token could not be refreshed: %s", provider.name, failure)
    if forced or not token.expired:
        return token
    raise failure
