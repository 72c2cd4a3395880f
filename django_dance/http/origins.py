"""Origins: where a URL leads, and whether a secret may go there."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ..conf import settings

_PORTS = {"https": 443, "http": 80}

#: scheme, host, port
Origin = tuple[str, str, int]


def origin(url: str) -> Origin | None:
    """The origin of an absolute http(s) URL (RFC 6454 §4), or ``None`` if it is none."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        return None
    if scheme not in _PORTS or not host:
        return None
    return scheme, host, _PORTS[scheme] if port is None else port


def is_loopback(host: str) -> bool:
    """Whether a host name or address never leaves the machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_secure(url: str) -> bool:
    """``https``, or ``http`` to this very machine while ``DEBUG``."""
    where = origin(url)
    return where is not None and (where[0] == "https" or (settings.debug and is_loopback(where[1])))
