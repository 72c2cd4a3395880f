"""Refreshing a token: once, whoever asks."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from .conf import settings
from .exceptions import AuthorizationRequired, ProviderError, TokenRequestRefused
from .signals import token_refreshed, token_revoked
from .tokens import Token

if TYPE_CHECKING:
    from .sessions import OAuth2Session

logger = logging.getLogger("django_dance")


def _lease_seconds() -> float:
    """Longer than a refresh can take: to connect, to shake hands, and to answer."""
    return 3 * float(settings.timeout) + 5


def refreshed(session: OAuth2Session, stale: Token, *, forced: bool = False) -> Token:
    """The token in the place of ``stale``: one stored meanwhile, or a new one.

    :param forced: the API refused ``stale``, though its time is not over. If it cannot be
        refreshed now, it is returned: the API's own answer says more.
    :raises AuthorizationRequired: the provider refused for good; the token is deleted.
    :raises ProviderUnavailable: the provider cannot be asked now, and ``stale`` is over.
    :raises ProviderError: the provider's answer is of no use, and ``stale`` is over.
    """
    owner, provider, storage = session.owner, session.provider, session.storage
    with storage.lease(owner, _lease_seconds()):
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
