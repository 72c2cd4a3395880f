"""Consents: the server remembers the scopes that a user granted, and the user can withdraw them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import router, transaction
from django.utils import timezone

from .bindings import rows_to_write
from .models import Consent
from .revocation import revoke_all
from .rows import ClientRow

if TYPE_CHECKING:
    from .authorization import AuthorizationServer
    from .handlers import AuthorizationRequest


def exists(server: AuthorizationServer, user: Any, asked: AuthorizationRequest) -> bool:
    """Whether the user has granted these scopes, or more, for the same redirect URI.

    A trusted client needs no consent.
    """
    client = ClientRow(asked.client)
    if client.registration:
        return False  # this site knows nothing about the client
    # RFC 8252 §8.6: another app can pretend to be a public client. It cannot have the https
    # redirect URI of the client.
    if client.is_trusted and asked.redirect_uri.startswith("https:"):
        return True
    if not client.is_confidential:
        return False
    if client.is_trusted:
        return True
    if asked.resources:
        return False  # a consent does not store the resources
    consent = (
        rows_to_write(Consent)
        .filter(user=user, server=server.name, client_id=asked.client.client_id)
        .first()
    )
    return (
        consent is not None
        and consent.client_id == asked.client.client_id
        and consent.redirect_uri == asked.redirect_uri
        and set(asked.scopes) <= set(consent.scopes)
    )


def save(server: AuthorizationServer, user: Any, asked: AuthorizationRequest) -> None:
    """Add the scopes of a request to the consent of the user."""
    # RFC 8252 §8.6: the consent for a public client is only listed. Without a redirect URI it is
    # never found again, even after the client has become confidential. A consent that was given for
    # some resources is only listed, too: it does not store them, and is none for all resources.
    remembered = ClientRow(asked.client).is_confidential and not asked.resources
    redirect_uri = asked.redirect_uri if remembered else ""
    with transaction.atomic(using=router.db_for_write(Consent)):
        consent, created = (
            rows_to_write(Consent)
            .select_for_update()
            .get_or_create(
                user=user,
                server=server.name,
                client_id=asked.client.client_id,
                defaults={"scope": " ".join(asked.scopes), "redirect_uri": redirect_uri},
            )
        )
        if created:
            return
        before = consent.scopes if consent.redirect_uri == redirect_uri else []
        consent.scope = " ".join(dict.fromkeys([*before, *asked.scopes]))
        consent.redirect_uri = redirect_uri
        consent.created_at = timezone.now()
        consent.save()


def withdraw(server: AuthorizationServer, consent: Consent) -> None:
    """Revoke all codes and tokens that the client has for the user, and delete the consent."""
    revoke_all(server, consent.user, consent.client_id, reason="disconnected")
    # Last: if an error was raised before, the user still sees the application and can try again.
    consent.delete()
