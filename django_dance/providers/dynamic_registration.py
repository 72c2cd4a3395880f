"""Registers this site at an authorization server: RFC 7591, and Mastodon's own way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..exceptions import AddressRefused, InvalidResponse, PlaceError, ProviderUnavailable
from ..http import ProtocolResponse, call_untrusted, is_loopback
from ..tokens import Secret, clean_words
from .client_metadata import client_description
from .server_metadata import ServerMetadata

#: The largest answer, in bytes.
_MAX_ANSWER = 64 * 1024
#: The longest client id and secret that are accepted, in characters.
_MAX_ID, _MAX_SECRET = 500, 4096
#: The authentication methods of this site, the best first (RFC 7591 §2).
METHODS = ("client_secret_basic", "client_secret_post", "none")
#: The end of the year 9999, the last year of Python's dates.
_END_OF_TIME = 253_402_300_799
#: Members of an answer that are not stored with the metadata.
_SECRETS = ("client_secret", "registration_access_token")


@dataclass(frozen=True)
class Registered:
    """The answer to a registration."""

    client_id: str
    token_endpoint_auth_method: str
    #: The secrets, by their names in RFC 7591 and RFC 7592.
    secrets: Mapping[str, str] = field(repr=False)
    #: Seconds since the epoch; ``None`` if the secret does not expire.
    expires_at: int | None
    #: The scopes that a dance may ask for; empty if the registration does not limit them.
    scope: tuple[str, ...]
    metadata: Mapping[str, Any] = field(repr=False)


def can_register(metadata: ServerMetadata) -> bool:
    """Whether a site can register itself at this server."""
    return bool(metadata.registration_endpoint or metadata.app_registration_endpoint)


def register(
    metadata: ServerMetadata,
    redirect_uri: str,
    scope: Collection[str],
    *,
    verify: bool | str = True,
) -> Registered:
    """Register this site at a server.

    :param scope: the scopes that dances will ask for.
    :raises PlaceError: the server refused or failed.
    """
    if metadata.registration_endpoint:
        return _register(metadata, redirect_uri, verify)
    return _register_app(metadata, redirect_uri, scope, verify)


def _register(metadata: ServerMetadata, redirect_uri: str, verify: bool | str) -> Registered:
    """RFC 7591 §3.1"""
    method = _method(metadata.token_endpoint_auth_methods_supported)
    grants = ["authorization_code"]
    if "refresh_token" in (metadata.grant_types_supported or ("refresh_token",)):
        grants.append("refresh_token")
    host = urlsplit(redirect_uri).hostname or ""
    request = {
        **client_description(redirect_uri),
        "redirect_uris": [redirect_uri],
        "grant_types": grants,
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
        # OpenID Connect Registration 2: a "web" client has neither http nor localhost.
        "application_type": "native" if is_loopback(host) else "web",
    }
    answer = _call(metadata.registration_endpoint, request, verify)
    fields = _fields(metadata, answer)
    # RFC 7591 §3.2.1: the server may replace what was asked for.
    method = fields.get("token_endpoint_auth_method", method)
    uris = fields.get("redirect_uris", [redirect_uri])
    if not isinstance(uris, list) or redirect_uri not in uris:
        raise _unusable(metadata, "it has another redirect URI")
    return _registered(metadata, fields, method, ())


def _register_app(
    metadata: ServerMetadata, redirect_uri: str, scope: Collection[str], verify: bool | str
) -> Registered:
    """Mastodon, ``POST /api/v1/apps``. Before Mastodon 4.3, the redirect URIs are lines."""
    stated = client_description(redirect_uri)
    request = {
        "client_name": str(stated["client_name"]),
        "redirect_uris": redirect_uri,
        "scopes": " ".join(scope),
    }
    if stated.get("client_uri"):
        request["website"] = str(stated["client_uri"])
    answer = _call(metadata.app_registration_endpoint, request, verify)
    methods = metadata.token_endpoint_auth_methods_supported
    fields = _fields(metadata, answer)
    # A dance may only ask for scopes of the registration.
    return _registered(metadata, fields, _method(methods, METHODS[:2]), tuple(scope))


def _registered(
    metadata: ServerMetadata, fields: dict[str, Any], method: object, scope: tuple[str, ...]
) -> Registered:
    """:raises PlaceError: the client cannot be used."""
    client_id, secret = fields.get("client_id"), fields.get("client_secret")
    if not isinstance(client_id, str) or not _is_text(client_id, _MAX_ID):
        raise _unusable(metadata, "it has no client_id")
    if secret in (None, "") and method in METHODS[:2]:
        method = "none"
    if method not in METHODS:
        raise _unusable(metadata, f"the authentication method {str(method)[:40]!a} is not known")
    if method != "none" and not (isinstance(secret, str) and _is_text(secret, _MAX_SECRET)):
        raise _unusable(metadata, "its client_secret cannot be sent")
    expires_at = fields.get("client_secret_expires_at")
    if isinstance(expires_at, bool) or not isinstance(expires_at, (int, float)):
        expires_at = 0
    return Registered(
        client_id=client_id,
        token_endpoint_auth_method=str(method),
        secrets={
            name: Secret(value)
            for name in _SECRETS
            if isinstance(value := fields.get(name), str) and value
        },
        # RFC 7591 §3.2.1: 0 if it does not expire.
        expires_at=int(expires_at) if 0 < expires_at < _END_OF_TIME else None,
        scope=scope,
        metadata={
            name: value
            for name, value in fields.items()
            if name not in _SECRETS and name.isprintable() and _is_plain(value)
        },
    )


def _is_plain(value: object) -> bool:
    """Whether every database stores a member in a column for JSON.

    None stores NaN, and some neither NUL, a lone surrogate nor deeply nested lists.
    """
    if isinstance(value, list):
        return all(isinstance(item, str) and item.isprintable() for item in value)
    return isinstance(value, int) or (isinstance(value, str) and value.isprintable())


def _method(supported: Collection[str] | None, ours: Collection[str] = METHODS) -> str:
    """Return the best authentication method that the server supports."""
    # RFC 8414 §2: the default is client_secret_basic.
    for method in ours:
        if supported is None or method in supported:
            return method
    return next(iter(ours))


def _call(url: str, request: Mapping[str, Any], verify: bool | str) -> ProtocolResponse:
    host = urlsplit(url).hostname
    try:
        return call_untrusted(
            "POST", url, json=dict(request), verify=verify, max_answer=_MAX_ANSWER
        )
    except AddressRefused as error:
        raise PlaceError(str(error), "place_refused") from None
    except ProviderUnavailable as error:
        raise PlaceError(str(error), "place_unreachable") from None
    except InvalidResponse as error:
        raise PlaceError(f"{host} did not register this site: {error}", "place_refusal") from None


def _fields(metadata: ServerMetadata, answer: ProtocolResponse) -> dict[str, Any]:
    """:raises PlaceError: the answer is a refusal (RFC 7591 §3.2.2)."""
    host = urlsplit(metadata.issuer).hostname
    if not answer.succeeded:
        words = answer.words()
        raise PlaceError(
            f"{host} did not register this site (status {answer.status}). {words}".rstrip()
            + f" {_ask_the_operator(metadata)}",
            "place_refusal",
            status=answer.status,
            error_description=clean_words(words),
        )
    try:
        # A traceback prints the values of a dict.
        return {
            name: Secret(value) if name in _SECRETS and isinstance(value, str) else value
            for name, value in answer.json().items()
        }
    except InvalidResponse as error:
        raise PlaceError(f"{host} did not register this site: {error}", "place_refusal") from None


def _ask_the_operator(metadata: ServerMetadata) -> str:
    return (
        f"Register the site at {metadata.issuer} by hand, and add the credentials with "
        f'"manage.py dance_clients add PROVIDER {metadata.issuer} CLIENT_ID".'
    )


def _unusable(metadata: ServerMetadata, reason: str) -> PlaceError:
    host = urlsplit(metadata.issuer).hostname
    return PlaceError(
        f"{host} registered this site in a way that cannot be used: {reason}. "
        f"{_ask_the_operator(metadata)}",
        "place_refusal",
    )


def _is_text(text: str, most: int) -> bool:
    # RFC 6749 appendix A.1 and A.2: 1*VSCHAR, which has spaces.
    return 0 < len(text) <= most and text.isascii() and text.isprintable()
