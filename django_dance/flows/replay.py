"""Replay protection: a callback is answered once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS

from ..cache import ask_cache, cache_name
from ..conf import settings
from ..exceptions import FlowError

if TYPE_CHECKING:
    from .flow import Flow


def mark_used(flow: Flow) -> None:
    """Mark the flow as used, before any call to the provider.

    :raises FlowError: ``flow_spent``; the flow was used before.
    """
    name = cache_name(DEFAULT_DB_ALIAS, flow.provider, flow.user, flow.state)
    key = f"django_dance:spent:{name}"

    def was_used(cache: Any) -> bool:
        # A cache that is down may answer "not added" instead of raising. Then it has no value.
        return not cache.add(key, 1, int(settings.flow_age) + 60) and cache.get(key) is not None

    # Logins must work while the cache is down. The cookie is deleted, and the provider accepts a
    # code only once (RFC 6749 §4.1.2).
    effect = "a replayed callback cannot be recognised"
    # A callback that fails rolls the transaction of the view back, and not the mark.
    if ask_cache(settings.cache or "default", was_used, False, effect=effect, apart=True):
        raise FlowError("flow_spent", "this callback was answered already")
