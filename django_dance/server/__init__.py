"""The authorization server: applications can access the data of users who agree.

It is an optional app. No other part of ``django_dance`` imports it.
"""

from __future__ import annotations

from .authorization import AuthorizationServer
from .bindings import bind_models
from .grants import bind_cache_grant

__all__ = ["AuthorizationServer", "bind_cache_grant", "bind_models"]
