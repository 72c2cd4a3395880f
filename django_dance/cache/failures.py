"""ask_cache: a cache that fails counts as empty."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache import BaseCache, caches

from ..exceptions import failure_fields

logger = logging.getLogger("django_dance")

#: Seconds between two warnings about the same effect.
_QUIET = 60
#: Effect → the time of the last warning, on the monotonic clock.
_warned: dict[str, float] = {}

_Result = TypeVar("_Result")


def ask_cache(
    cache: str | BaseCache, question: Callable[[Any], _Result], otherwise: _Result, *, effect: str
) -> _Result:
    """Call ``question`` with the cache, and return its result.

    If the cache fails, log a warning, at most once a minute, and return ``otherwise``. Django does
    not wrap the errors of the libraries behind its caches, so that they have no common base class.

    :param cache: a cache, or its alias in ``CACHES``.
    :param effect: the consequence for the site. It is part of the warning.
    """
    try:
        return question(caches[cache] if isinstance(cache, str) else cache)
    except Exception as error:  # noqa: BLE001  see above
        now = time.monotonic()
        if effect not in _warned or now - _warned[effect] >= _QUIET:
            _warned[effect] = now
            logger.warning(
                "the cache is down (%s): %s",
                type(error).__name__,
                effect,
                extra=failure_fields(code="cache_failed"),
            )
        return otherwise
