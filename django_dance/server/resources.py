"""Protected resources: their metadata (RFC 9728), and resource indicators (RFC 8707).

The revisions of MCP that :mod:`.mcp` names require both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from oauthlib.oauth2.rfc6749 import errors

from .parameters import SEPARATOR

if TYPE_CHECKING:
    from django.http import HttpRequest

    from .authorization import AuthorizationServer

_WELL_KNOWN = "/.well-known/oauth-protected-resource"
_PORTS = {"https": 443, "http": 80}
#: RFC 3986 has no spaces and no other characters than these. Our rows separate URIs with a space.
_URI = re.compile(r"[\x21-\x7e]+")


class InvalidTarget(errors.OAuth2Error):
    """The request names a resource for which it cannot get a token (RFC 8707 §2)."""

    error = "invalid_target"
    description = "The resource is unknown, or it is not one that the user allowed."


def canonical(uri: str) -> str:
    """The URI of a resource in the form in which it is compared.

    :raises ValueError: it is not an absolute http or https URI without fragment (RFC 8707 §2).
    """
    parts = urlsplit(uri if _URI.fullmatch(uri) else "")
    host, port = parts.hostname, parts.port
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc or "#" in uri:
        raise ValueError(f"{uri!r} is not an absolute https URI without fragment.")
    if ":" in host:
        host = f"[{host}]"
    if port not in (None, _PORTS[parts.scheme]):
        host = f"{host}:{port}"
    return urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))


def metadata_url(resource: str) -> str:
    """The URL of the metadata of a resource (RFC 9728 §3.1)."""
    parts = urlsplit(resource)
    path = "" if parts.path == "/" else parts.path
    return urlunsplit((parts.scheme, parts.netloc, f"{_WELL_KNOWN}{path}", parts.query, ""))


def metadata(server: AuthorizationServer, request: HttpRequest) -> dict[str, Any] | None:
    """The metadata of the resource whose metadata are at the URL of a request (RFC 9728 §2)."""
    urls = {resource: urlsplit(metadata_url(resource)) for resource in server.resources}
    found = [resource for resource, url in urls.items() if unquote(url.path) == request.path]
    if len(found) > 1:
        # Only then the host counts: behind a proxy, the site may see another one.
        host, query = request.get_host().lower(), request.META.get("QUERY_STRING", "")
        found = [r for r in found if (urls[r].netloc, urls[r].query) == (host, query)]
    if not found:
        return None
    return {
        "resource": found[0],
        "authorization_servers": [server.issuer],
        "scopes_supported": sorted(server.resources[found[0]]),
        "bearer_methods_supported": ["header"],
    }


def read_requested(server: AuthorizationServer, request: Any) -> list[str]:
    """The resources that a request names. A server without resources ignores them.

    :param request: oauthlib's request; ``resource`` has the values, separated by
        :data:`~.parameters.SEPARATOR`.
    :raises InvalidTarget: one of them is unknown.
    """
    if not server.resources:
        return []
    found = []
    values = getattr(request, "resource", None)
    for uri in values.split(SEPARATOR) if values else ():
        try:
            resource = canonical(uri)
        except ValueError:
            raise InvalidTarget(request=request) from None
        if resource not in server.resources:
            raise InvalidTarget(request=request)
        found.append(resource)
    return list(dict.fromkeys(found))


def narrow(wanted: list[str], granted: Iterable[str], request: Any) -> list[str]:
    """The resources of a new token: those that the request names, or all that were granted.

    :raises InvalidTarget: the request names a resource that was not granted.
    """
    granted = list(granted)
    if not set(wanted) <= set(granted):
        raise InvalidTarget(request=request)
    return wanted or granted
