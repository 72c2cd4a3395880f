"""The token cache: sealed entries, valid for one generation."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .generations import MISS, TokenCache
    from .invalidation import CACHES, row_changed
    from .names import cache_name, tenant

__all__ = ["CACHES", "MISS", "TokenCache", "cache_name", "row_changed", "tenant"]

__getattr__ = load_on_first_use(
    __name__,
    {
        "generations": ["MISS", "TokenCache"],
        "invalidation": ["CACHES", "row_changed"],
        "names": ["cache_name", "tenant"],
    },
)
