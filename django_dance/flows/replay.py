"""Replay protection: a callback is answered once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.core.cache import caches
from django.db import DEFAULT_DB_ALIAS

from ..cache import cache_name
from ..conf import settings
from ..exceptions import FlowError

if TYPE_CHECKING:
    from .flow import Flow

logger = logging.getLogger("django_dance")


def mark_used(flow: Flow) -> None:
    """Mark the flow as used, before any call to the provider.

    :raises FlowError: ``flow_spent``; the flow was used before.
    """
    cache = caches[settings.cache or "default"]
    name = cache_name(DEFAULT_DB_ALIAS, flow.provider, flow.user, flow.state)
    key = f"django_dance:spent:{name}"
    try:
        # A cache that is down may answer "not added" instead of raising. Then it has no value.
        spent = not cache.add(key, 1, int(settings.flow_age) + 60) and cache.get(key) is not None
    except Exception:  # noqa: BLE001  whatever the backend's library raises
        # Logins must work while the cache is down. The cookie is deleted, and the provider accepts
        # a code only once (RFC 6749 §4.1.2).
        logger.warning("the cache is down: a replayed callback cannot be recognised")
        spent = False
    if spent:
        raise FlowError("flow_spent", "this callback was answered already")
