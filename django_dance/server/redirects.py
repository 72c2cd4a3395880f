"""Redirect URIs: where a code may be sent."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ..http import is_loopback

#: RFC 8252 §8.3: the address, for the name may lead elsewhere.
_LOOPBACK = re.compile(r"(?P<host>http://(?:127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(?P<path>(?:/.*)?)")


def redirect_uri_error(uri: str) -> str | None:
    """What is wrong with a redirect URI; ``None`` if a code may be sent there."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return "it is no address."
    if "#" in uri or not uri.isascii() or not uri.isprintable() or "\\" in uri:
        return "it has a fragment, or characters that no address has."  # RFC 6749 §3.1.2
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        if not host or "@" in parts.netloc:
            return "it must have a host, and no user."
        return None
    if parts.scheme == "http":
        return "it must be https; plain http is for loopback."
    # RFC 8252 §7.1: an app's own scheme is a domain name, backwards. javascript: is none.
    return None if "." in parts.scheme else "its scheme must be https, or have a dot in it."


def loopback_uri_without_port(uri: str) -> str | None:
    """A redirect URI of an app on a device without its port; ``None`` for any other."""
    match = _LOOPBACK.fullmatch(uri)
    return match and match["host"] + match["path"]
