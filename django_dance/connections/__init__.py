"""Connections: storing the result of a dance, and refreshing a token."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .connect import POLICIES, adopt, store_connection
    from .refresh import refresh_or_keep, refresh_token

__all__ = ["POLICIES", "adopt", "refresh_or_keep", "refresh_token", "store_connection"]

__getattr__ = load_on_first_use(
    __name__,
    {
        "connect": ["POLICIES", "adopt", "store_connection"],
        "refresh": ["refresh_or_keep", "refresh_token"],
    },
)
