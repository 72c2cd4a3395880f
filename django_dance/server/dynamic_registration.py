"""Dynamic registration: a client registers itself (RFC 7591).

It is off by default. Clients are public, nothing that they name is fetched, and their number is
limited: for one address and for all.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, JsonResponse

from ..cache import client_address
from . import limits
from .bindings import client_model, rows_to_write
from .client_metadata import InvalidMetadata, read_metadata

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

logger = logging.getLogger("django_dance.server")

#: The value of ``Client.registration`` of these clients.
DYNAMIC = "dynamic"
#: The longest request, in bytes.
MAX_REQUEST = 16 * 1024
#: Registrations from one address, and from all, within an hour.
PER_ADDRESS, FROM_ALL, WINDOW = 10, 100, 3600


def register(server: AuthorizationServer, request: HttpRequest) -> JsonResponse:
    """Answer a registration request (RFC 7591 §3.1)."""
    try:
        # The metadata are read before the request is counted: a client may correct its request.
        metadata = read_metadata(_fields(request), open_scopes=server.open_scopes)
    except InvalidMetadata as error:
        return _refusal(server, error.code, str(error), 400)
    address = client_address(request)
    if not limits.is_allowed(
        server, "registration", PER_ADDRESS, WINDOW, address
    ) or not limits.is_allowed(server, "registration", FROM_ALL, WINDOW):
        refusal = _refusal(server, "temporarily_unavailable", "Too many registrations.", 429)
        refusal["Retry-After"] = str(WINDOW - int(time.time()) % WINDOW)
        return refusal
    model: Any = client_model(server)
    if model is None:
        raise ImproperlyConfigured(
            f"The server {server.name!r} cannot store clients that register themselves: call "
            "bind_models() with a client model that inherits AbstractClient, or set "
            "DANCE_SERVER_REGISTRATION to False."
        )
    client = rows_to_write(model).create(registration=DYNAMIC, **metadata.columns)
    # RFC 7591 §3.2.1: the answer has all metadata, because the server may have replaced some.
    return _answer(
        {
            "client_id": client.client_id,
            "client_id_issued_at": int(client.created_at.timestamp()),
            "client_name": metadata.name,
            "redirect_uris": metadata.redirect_uris,
            "grant_types": metadata.grant_types,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "scope": " ".join(metadata.scopes),
        },
        201,
    )


def _fields(request: HttpRequest) -> dict[str, Any]:
    """:raises InvalidMetadata: the body is not a JSON object."""
    if request.content_type != "application/json":
        raise InvalidMetadata("The body must be application/json.")
    body = request.read(MAX_REQUEST + 1)
    if len(body) > MAX_REQUEST:
        raise InvalidMetadata(f"The body has more than {MAX_REQUEST} bytes.")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidMetadata("The body is not JSON.") from None
    if not isinstance(fields, dict):
        raise InvalidMetadata("The body must be a JSON object.")
    return fields


def _refusal(
    server: AuthorizationServer, error: str, description: str, status: int
) -> JsonResponse:
    logger.warning(
        "%s: registration refused, %s: %a",
        server.name,
        error,
        description,
        extra={"code": error, "server": server.name},
    )
    return _answer({"error": error, "error_description": description}, status)


def _answer(fields: dict[str, Any], status: int) -> JsonResponse:
    response = JsonResponse(fields, status=status)
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response
