"""Limits: is_within_limit counts events, and client_address names the address that causes one."""

from __future__ import annotations

import ipaddress
import re
import time

from django.core.cache import BaseCache
from django.http import HttpRequest

from ..conf import settings
from .failures import ask_cache

#: An address with a port, as some proxies write it: ``1.2.3.4:5678``, ``[::1]:5678``, ``[::1]``.
_WITH_PORT = re.compile(r"\[(?P<ipv6>[^\]]*)\](?::[0-9]*)?|(?P<other>[^:]*):[0-9]*")


def is_within_limit(
    cache: str | BaseCache, key: str, most: int, seconds: int, *, effect: str
) -> bool:
    """Count an event; whether there were at most so many within a window of time.

    If the cache is down, no event is allowed, because it could not be counted.

    :param cache: a cache, or its alias in ``CACHES``.
    :param key: the cache key of the events that are counted together, without a time. It has the
        result of :func:`~.names.cache_name`.
    :param seconds: the length of a window.
    :param effect: the consequence for the site if the cache is down.
    """
    window = f"{key}:{int(time.time() // seconds)}"
    count = ask_cache(
        cache, lambda found: increment(found, window, seconds), most + 1, effect=effect
    )
    return count <= most


def increment(cache: BaseCache, key: str, lifetime: int) -> int:
    """Add one to a number in the cache, which begins at 0, and return it."""
    cache.add(key, 0, lifetime)
    try:
        return cache.incr(key)
    except ValueError:
        return 1  # the entry is gone already, or the cache keeps none


def client_address(request: HttpRequest | None) -> str:
    """The address that a request comes from, without a port; of an IPv6 address, the network of 64
    bits.

    A host has many ports, and a whole network of IPv6 addresses, to choose from.
    """
    if request is None:
        return ""
    function = settings.client_address
    found = function(request) if function is not None else request.META.get("REMOTE_ADDR")
    text = str(found or "").strip()
    if match := _WITH_PORT.fullmatch(text):
        text = match["ipv6"] or match["other"] or ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)
