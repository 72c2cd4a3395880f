"""Lets scripts on other origins read responses (CORS, https://fetch.spec.whatwg.org/).

The metadata are public. The response of the token endpoint can be read by a public client, at the
origins of its redirect URIs, if ``DANCE_SERVER_BROWSER_CLIENTS`` allows it. No response may be read
together with cookies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from ..http import origin
from .mcp import REVISION_HEADER
from .rows import ClientRow

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

_Response = TypeVar("_Response", bound=HttpResponseBase)

#: Seconds for which a browser keeps the answer to a preflight.
_PREFLIGHT = 3600


def allow_all(response: _Response) -> _Response:
    """Let scripts of every origin read the response."""
    response["Access-Control-Allow-Origin"] = "*"
    return response


def preflight(methods: str) -> HttpResponse:
    """The answer to a preflight. It allows a script to send a request, not to read the response."""
    response = allow_all(HttpResponse(status=204))
    response["Access-Control-Allow-Methods"] = methods
    # The headers that clients of OAuth and MCP send.
    response["Access-Control-Allow-Headers"] = f"Accept, Content-Type, {REVISION_HEADER}"
    response["Access-Control-Max-Age"] = str(_PREFLIGHT)
    return response


def allow_client(
    server: AuthorizationServer, request: HttpRequest, response: _Response, client: Any
) -> _Response:
    """Let the scripts of a public client read the response, at the origins of its redirect URIs.

    :param client: the client that sent the request; ``None`` if it is unknown.
    """
    if not server.option("browser_clients"):
        return response
    patch_vary_headers(response, ["Origin"])
    sent = request.headers.get("Origin", "")
    if client is None or not sent or ClientRow(client).is_confidential:
        return response
    where = origin(sent)
    if where is not None and where in map(origin, ClientRow(client).redirect_uris):
        response["Access-Control-Allow-Origin"] = sent
    return response
