"""Revokes tokens, with the function of the site, and tells the receivers of the signal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import token_cache
from .signals import access_token_revoked, send_after_commit

if TYPE_CHECKING:
    from .authorization import AuthorizationServer


def revoke_family(server: AuthorizationServer, family: str | None, *, reason: str) -> bool:
    """Revoke all tokens of a family; whether the site has a function for it."""
    revoke = server.callbacks.optional("tokenrevoker")
    if revoke is None or not family:
        return False
    revoke(family=family)
    token_cache.invalidate(family=family, using=server.database)
    send(server, reason=reason, family=family)
    return True


def revoke_all(
    server: AuthorizationServer, user: Any, client_id: str | None, *, reason: str
) -> None:
    """Revoke all codes and tokens of a user, for one client or for all.

    :raises ImproperlyConfigured: the site has no ``tokenrevoker``.
    """
    revoke_tokens = server.callbacks.required("tokenrevoker")
    revoke_grants = server.callbacks.optional("grantrevoker")
    try:
        # Codes first: this waits for a code that is being redeemed. Its tokens are revoked next.
        if revoke_grants is not None:
            revoke_grants(user=user, client_id=client_id)
    finally:
        # Even if the codes are in a cache that is down.
        revoke_tokens(user=user, client_id=client_id)
        token_cache.invalidate(user=user, using=server.database)
    send(server, reason=reason, user=user, client_id=client_id)


def send(
    server: AuthorizationServer,
    *,
    reason: str,
    family: str | None = None,
    user: Any = None,
    client_id: str | None = None,
) -> None:
    send_after_commit(
        access_token_revoked, server, reason=reason, family=family, user=user, client_id=client_id
    )
