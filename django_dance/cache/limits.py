"""is_within_limit: counts events within a window of time."""

from __future__ import annotations

import time

from django.core.cache import BaseCache

from .failures import ask_cache


def is_within_limit(
    cache: str | BaseCache, key: str, most: int, seconds: int, *, effect: str
) -> bool:
    """Count an event; whether there were at most so many within a window of time.

    If the cache is down, no event is allowed: nobody would count them.

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
