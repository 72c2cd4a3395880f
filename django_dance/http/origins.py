"""Origins: scheme, host and port of a URL, and whether a secret may be sent there."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ..conf import settings

_PORTS = {"https": 443, "http": 80}

#: scheme, host, port
Origin = tuple[str, str, int]


def origin(url: str) -> Origin | None:
    """Return the origin of an absolute http(s) URL (RFC 6454 §4); ``None`` for other texts."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        return None
    if scheme not in _PORTS or not host:
        return None
    return scheme, host, _PORTS[scheme] if port is None else port


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's loopback (RFC 6761 §6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_secure(url: str) -> bool:
    """Whether a URL uses ``https``, or ``http`` for development.

    While ``DEBUG`` is on, ``http`` is allowed to loopback and to ``DANCE_INSECURE_HOSTS``.
    """
    where = origin(url)
    if where is None or where[0] == "https":
        return where is not None
    return settings.debug and (is_loopback(where[1]) or _is_insecure_host(where[1]))


def _is_insecure_host(host: str) -> bool:
    hosts = settings.insecure_hosts
    # A check reports another type. `in` would find a part of a text.
    valid = isinstance(hosts, (list, tuple, set, frozenset))
    return valid and host in [str(each).lower() for each in hosts]
