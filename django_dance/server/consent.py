"""Consent: what a user has agreed to once need not be asked again, and can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import router, transaction
from django.utils import timezone

from . import token_cache
from .models import Consent
from .rows import ClientRow

if TYPE_CHECKING:
    from .authorization import AuthorizationServer
    from .handlers import AuthorizationRequest


def exists(server: AuthorizationServer, user: Any, asked: AuthorizationRequest) -> bool:
    """Whether the user has agreed to as much, for the same place."""
    # RFC 8252 §8.6: anybody can pretend to be a client that keeps no secret.
    if not ClientRow(asked.client).is_confidential:
        return False
    consent = Consent._default_manager.filter(
        user=user, server=server.name, client_id=asked.client.client_id
    ).first()
    return (
        consent is not None
        and consent.client_id == asked.client.client_id
        and consent.redirect_uri == asked.redirect_uri
        and set(asked.scopes) <= set(consent.scopes)
    )


def save(server: AuthorizationServer, user: Any, asked: AuthorizationRequest) -> None:
    """Add what is asked to what the user has agreed to."""
    # RFC 8252 §8.6: a public client's is listed. It stands for no address, so that it is asked for
    # again, also when the client has become confidential.
    redirect_uri = asked.redirect_uri if ClientRow(asked.client).is_confidential else ""
    with transaction.atomic(using=router.db_for_write(Consent)):
        consent, created = Consent._default_manager.select_for_update().get_or_create(
            user=user,
            server=server.name,
            client_id=asked.client.client_id,
            defaults={"scope": " ".join(asked.scopes), "redirect_uri": redirect_uri},
        )
        if created:
            return
        before = consent.scopes if consent.redirect_uri == redirect_uri else []
        consent.scope = " ".join(dict.fromkeys([*before, *asked.scopes]))
        consent.redirect_uri = redirect_uri
        consent.created_at = timezone.now()
        consent.save()


def withdraw(server: AuthorizationServer, consent: Consent) -> None:
    """Forget it, and end every code and token that the client has for the user."""
    user, client_id = consent.user, consent.client_id
    revoke_tokens = server.callbacks.required("tokenrevoker")
    revoke_grants = server.callbacks.optional("grantrevoker")
    try:
        # Codes first: one that is being redeemed now is waited for, and its tokens are found then.
        if revoke_grants is not None:
            revoke_grants(user=user, client_id=client_id)
    finally:
        # The codes may be in a cache that is down.
        revoke_tokens(user=user, client_id=client_id)
        token_cache.invalidate(user=user, using=server.database)
    # Last: what could not be ended is listed still, and can be disconnected again.
    consent.delete()
