"""Checks redirect URIs: the server sends codes to them."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

from ..http import is_loopback
from .conf import settings

#: RFC 3986 §2.2 and §2.3, with "*" and without "#".
_ALLOWED = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
#: Labels of a host name (RFC 1123 §2.1); some names have underscores.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
#: The parameters of an authorization response (RFC 6749 §4.1.2, RFC 9207 §2).
_RESPONSE = frozenset({"code", "error", "error_description", "error_uri", "iss", "state"})
#: RFC 8252 §8.3: the name localhost may resolve to another address, so it needs a setting.
_LOOPBACK = re.compile(
    r"(?P<host>http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::\d{1,5})?(?P<path>(?:/.*)?)"
)


def redirect_uri_error(uri: str) -> str | None:
    """The problem with a redirect URI; ``None`` if the server may send a code to it."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return "it is not a URI."
    if not _ALLOWED.fullmatch(uri):
        return "it has a fragment, or characters that are not allowed in a URI."  # RFC 6749 §3.1.2
    if "*" in uri:
        # RFC 9700 §4.1: it is compared as a string.
        return "it has a wildcard: register each redirect URI in full."
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        if not host or "@" in parts.netloc:
            return "it must have a host and no user name."
        # In brackets there is an IPv6 address; Python also accepts an address of the future there.
        if not _is_host(host) or ("[" in parts.netloc) != (":" in host):
            return f"{host} is not the name or address of a host."
        if not _has_valid_port(parts):
            return "its port must be a number from 1 to 65535."
        return None
    if parts.scheme == "http":
        return "it must be https; plain http is allowed for loopback only."
    # RFC 8252 §7.1: the scheme of an app is a reversed domain name; javascript: is not.
    return None if "." in parts.scheme else "its scheme must be https, or contain a dot."


def registration_error(uri: str) -> str | None:
    """The reason not to register a redirect URI; ``None`` if it can be registered."""
    if problem := redirect_uri_error(uri):
        return problem
    names = {name.lower() for name, _ in parse_qsl(urlsplit(uri).query, keep_blank_values=True)}
    if own := sorted(names & _RESPONSE):
        return f"its query has {', '.join(own)}, which the server adds to it (RFC 6749 §4.1.2)."
    return None


def open_registration_error(uri: str) -> str | None:
    """The reason to refuse a redirect URI of a client that this site has not registered.

    Such a client may use https and loopback only. Any app can claim a scheme of its own.
    """
    if problem := registration_error(uri):
        return problem
    if urlsplit(uri).scheme not in ("http", "https"):
        return "it must be https, or http on loopback."
    return None


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return bool(ipaddress.IPv6Address(host))
        except ValueError:
            return False
    return len(host) <= 253 and _HOST.fullmatch(host) is not None


def _has_valid_port(parts: SplitResult) -> bool:
    try:
        return not parts.netloc.endswith(":") and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def loopback_uri_without_port(uri: str) -> str | None:
    """A redirect URI on loopback without its port; ``None`` for any other redirect URI."""
    match = _LOOPBACK.fullmatch(uri)
    if match is None or (match["host"] == "http://localhost" and not settings.localhost_ports):
        return None
    return match["host"] + match["path"]
