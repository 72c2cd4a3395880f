"""Checks redirect URIs: the server sends codes to them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ..http import is_loopback

#: RFC 8252 §8.3: IP addresses only, because the name localhost may resolve to another address.
_LOOPBACK = re.compile(r"(?P<host>http://(?:127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(?P<path>(?:/.*)?)")


def redirect_uri_error(uri: str) -> str | None:
    """The problem with a redirect URI; ``None`` if the server may send a code to it."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:
        return "it is not a URI."
    if "#" in uri or not uri.isascii() or not uri.isprintable() or "\\" in uri:
        return "it has a fragment, or characters that are not allowed in a URI."  # RFC 6749 §3.1.2
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        if not host or "@" in parts.netloc:
            return "it must have a host and no user name."
        return None
    if parts.scheme == "http":
        return "it must be https; plain http is allowed for loopback only."
    # RFC 8252 §7.1: the scheme of an app is a reversed domain name; javascript: is not.
    return None if "." in parts.scheme else "its scheme must be https, or contain a dot."


def loopback_uri_without_port(uri: str) -> str | None:
    """A redirect URI on loopback without its port; ``None`` for any other redirect URI."""
    match = _LOOPBACK.fullmatch(uri)
    return match and match["host"] + match["path"]
