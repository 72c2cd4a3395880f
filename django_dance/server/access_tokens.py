"""Verifies the access token of a request to a protected view (RFC 6750)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.functional import SimpleLazyObject

from ..tokens import Secret
from . import token_cache
from .hashing import digest
from .resources import metadata_url
from .rows import TokenRow, is_active

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

#: RFC 6750 §2.1.
_B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_LONGEST = 4096


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """``request.oauth_token`` of a protected view: the user, the client and the scopes.

    With the token cache ``user`` and ``client`` are loaded when they are first used.
    """

    #: The user who granted the token; ``None`` if the client acts for itself (RFC 6749 §4.4).
    user: Any
    client: Any
    scopes: frozenset[str]
    #: By default the ``client_id`` of ``client``. It is known before the client is loaded.
    client_id: str = ""
    #: Printed as ``***``.
    access_token: str = field(default="", repr=False)
    #: The time at which the token expires; ``None`` if it does not expire.
    expires: datetime | None = None
    #: The resources that the token is for (RFC 8707); empty if it is not bound to any.
    resources: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "access_token", Secret(self.access_token))
        if not self.client_id:
            object.__setattr__(self, "client_id", getattr(self.client, "client_id", ""))

    def __repr__(self) -> str:
        return f"<AccessToken for {' '.join(sorted(self.scopes)) or 'no scope'}>"

    def is_for(self, resource: str | None) -> bool:
        """Whether a view of this resource may accept it; ``None`` for a view of no resource."""
        return not self.resources if resource is None else resource in self.resources

    def allows(self, scopes: Iterable[str], *, any: bool = False) -> bool:
        """Whether the token has all of these scopes, or with ``any`` one of them."""
        wanted = frozenset(scopes)
        if any:
            return not wanted or bool(wanted & self.scopes)
        return wanted <= self.scopes


class TokenRejected(Exception):
    """The request has no valid token. The texts are constant: they never quote the request.

    :param error: the code of RFC 6750 §3.1; "" if the request has no token.
    :param status: the HTTP status of the response.
    """

    def __init__(self, error: str, message: str, status: int = 401) -> None:
        super().__init__(message)
        self.error, self.message, self.status = error, message, status


#: RFC 6750 §3.1: the response to a request without a token has no error code.
NO_TOKEN = "", "Bearer token not found."
UNKNOWN = "invalid_token", "Bearer token not found."
EXPIRED = "invalid_token", "Bearer token is expired."
WRONG_SCOPE = "insufficient_scope", "Bearer token scope not valid.", 403
WRONG_RESOURCE = "invalid_token", "Bearer token is for another resource."
MALFORMED = "invalid_request", "There must be one bearer token, in the Authorization header.", 400
NOT_ACCEPTED = "invalid_token", "Bearer token not accepted."


def bearer_token(request: HttpRequest) -> Secret:
    """The token in the ``Authorization`` header; the other places of RFC 6750 §2 are refused.

    :raises TokenRejected: there is no token, or it is malformed, or there are two.
    """
    header = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _, token = header.partition(" ")
    # RFC 9110 §11.1: the name of the scheme is case-insensitive.
    if scheme.lower() != "bearer":
        raise TokenRejected(*NO_TOKEN)
    token = token.strip(" ")
    if len(token) > _LONGEST:
        raise TokenRejected(*UNKNOWN)
    # A second header is joined to the first with a comma. RFC 6750 §2: a request must not send the
    # token in two ways.
    if not _B64TOKEN.fullmatch(token) or "access_token" in request.GET:
        raise TokenRejected(*MALFORMED)
    if (
        request.content_type == "application/x-www-form-urlencoded"
        and "access_token" in request.POST
    ):
        raise TokenRejected(*MALFORMED)
    return Secret(token)


def verify_token(server: AuthorizationServer, request: HttpRequest) -> AccessToken:
    """The request's token. It takes one query, or none if the token cache has an entry.

    :raises TokenRejected: the token is missing, malformed, unknown, expired or revoked.
    """
    text = bearer_token(request)
    key = digest(text)
    cached = token_cache.get(server, key)
    if cached is not None and cached.server == server.name:
        return _token_from_cache(server, cached, text)
    read = time.time()
    token = server.callbacks.required("tokengetter")(access_token=text)
    if token is None or not TokenRow(token).is_issued_by(server):
        raise TokenRejected(*UNKNOWN)
    client, user, row = server.client_of(token), token.user, TokenRow(token)
    if not row.has_active_owners(client):
        raise TokenRejected(*UNKNOWN)
    if row.is_expired():
        raise TokenRejected(*EXPIRED)
    if not row.is_in_force_for(client):
        raise TokenRejected(*UNKNOWN)
    expires = row.time("expires")
    found = AccessToken(
        user=user,
        client=client,
        scopes=frozenset(token.scopes),
        access_token=text,
        expires=expires,
        resources=frozenset(row.resources),
    )
    if row.family and token_cache.is_enabled():
        token_cache.put(
            server,
            key,
            token_cache.VerifiedToken(
                server=server.name,
                client_id=client.client_id,
                user=None if user is None else token_cache.user_key(user),
                scopes=tuple(sorted(found.scopes)),
                expires=None if expires is None else expires.timestamp(),
                family=row.family,
                resources=tuple(row.resources),
            ),
            read=read,
        )
    return found


def _token_from_cache(
    server: AuthorizationServer, cached: token_cache.VerifiedToken, text: str
) -> AccessToken:
    user: Any = None
    if cached.user is not None:
        label, pk = cached.user
        user = SimpleLazyObject(lambda: _active_user(label, pk))
    expires = cached.expires
    return AccessToken(
        user=user,
        client=SimpleLazyObject(
            lambda: server.callbacks.required("clientgetter")(cached.client_id)
        ),
        client_id=cached.client_id,
        scopes=frozenset(cached.scopes),
        access_token=text,
        expires=None if expires is None else datetime.fromtimestamp(expires, UTC),
        resources=frozenset(cached.resources),
    )


def _active_user(label: str, pk: str) -> Any:
    from django.contrib.auth.models import AnonymousUser

    # The token cache does not notice changes by SQL, so the user may be gone or deactivated.
    user = apps.get_model(label)._default_manager.filter(pk=pk).first()
    return user if is_active(user) else AnonymousUser()


def challenge(
    rejection: TokenRejected, realm: str, scopes: Iterable[str], resource: str | None = None
) -> HttpResponse:
    """The response to a request that is refused (RFC 6750 §3).

    :param resource: the resource; the challenge names the URL of its metadata (RFC 9728 §5.1).
    """
    parts = [f'realm="{realm}"']
    fields = {}
    if rejection.error:
        fields = {"error": rejection.error, "error_description": rejection.message}
        parts += [f'{name}="{value}"' for name, value in fields.items()]
    if scopes := " ".join(scopes):
        parts.append(f'scope="{scopes}"')
    if resource is not None:
        parts.append(f'resource_metadata="{metadata_url(resource)}"')
    response = JsonResponse(fields, status=rejection.status)
    response["WWW-Authenticate"] = "Bearer " + ", ".join(parts)
    response["Cache-Control"] = "no-store"
    return response
