"""The client ID metadata document: the URL of a document about this site is its client id.

draft-ietf-oauth-client-id-metadata-document. An authorization server that supports it fetches the
document; no registration is needed, and each server gets the same id.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse
from django.utils import translation

from ..conf import settings
from ..exceptions import AddressRefused

#: The name of the URL of the view.
URL_NAME = "dance_client_document"
#: The largest document, in bytes (the draft, section 6.6).
MAX_DOCUMENT = 5 * 1024
#: Members that the site can state in ``DANCE_CLIENT_METADATA`` (RFC 7591 §2).
CLIENT_DESCRIPTIONS = ("client_name", "client_uri", "logo_uri", "contacts", "tos_uri", "policy_uri")


def client_description(redirect_uri: str) -> dict[str, Any]:
    """Return the members of the metadata that describe this site to people (RFC 7591 §2).

    :param redirect_uri: a redirect URI. Its host is the name of a site that states no name.
    """
    stated = dict(settings.client_metadata or {})
    if unknown := sorted(set(stated).difference(CLIENT_DESCRIPTIONS)):
        raise ImproperlyConfigured(
            f"DANCE_CLIENT_METADATA has {', '.join(unknown)}. It can have "
            f"{', '.join(CLIENT_DESCRIPTIONS)}."
        )
    return {"client_name": urlsplit(redirect_uri).hostname or "", **stated}


def client_document_url() -> str | None:
    """Return the URL of the document; ``None`` if other sites cannot fetch one.

    It is ``DANCE_CLIENT_DOCUMENT``, or else that of the view, at ``DANCE_BASE_URL``.
    """
    url = settings.client_document
    if not url:
        if not settings.base_url:
            return None
        try:
            # Of a site with translated URLs, the document in one language.
            with translation.override(settings.project_setting("LANGUAGE_CODE")):
                url = str(settings.base_url).rstrip("/") + reverse(URL_NAME)
        except NoReverseMatch:
            return None  # the site includes the URLs of single providers
    # A site that serves no https, or is on localhost, has no document.
    return str(url) if settings.client_document or is_document_url(url) else None


def is_document_url(url: object) -> bool:
    """Return whether a client id can be this URL (the draft, section 3).

    It is compared as a string, so it must be written in its normal form.
    """
    from ..http import check_url  # it imports requests, and a system check calls this function

    if not isinstance(url, str) or not url.startswith("https://"):
        return False
    parts = urlsplit(url)
    try:
        return check_url(url) == url and parts.path != "/" and not parts.query
    except AddressRefused:
        return False


def client_document() -> bytes:
    """Return the document. It is the same for everybody.

    :raises ImproperlyConfigured: it would be too large.
    """
    redirect_uris = document_redirect_uris()
    members = {
        "client_id": client_document_url(),
        **client_description(redirect_uris[0] if redirect_uris else str(settings.base_url)),
        "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        # The draft, section 4.1: there is no shared secret.
        "token_endpoint_auth_method": "none",
    }
    found = json.dumps(members, separators=(",", ":")).encode()
    if len(found) > MAX_DOCUMENT:
        raise ImproperlyConfigured(
            f"The client ID metadata document has {len(found)} bytes, and servers read "
            f"{MAX_DOCUMENT}: shorten DANCE_CLIENT_METADATA."
        )
    return found


def document_redirect_uris() -> list[str]:
    """Return the redirect URIs in the document: the callbacks of the providers that may use it."""
    from .registry import providers

    base = str(settings.base_url or "").rstrip("/")
    if not base:
        return []
    uris = []
    with translation.override(settings.project_setting("LANGUAGE_CODE")):
        for name in providers.usable():
            provider = providers[name]
            if getattr(provider, "registers_itself", False) and not provider.problems():
                uris.append(base + provider.url("authorized"))
    return uris
