"""The authorization server: gives this site's users' data to other applications, if they agree.

An optional app; nothing of ``django_dance`` outside imports it.
"""

from __future__ import annotations

from .authorization import AuthorizationServer
from .bindings import bind_models
from .grants import bind_cache_grant

__all__ = ["AuthorizationServer", "bind_cache_grant", "bind_models"]
