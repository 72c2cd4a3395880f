"""The cache: sealed entries, each valid until one of its groups changes.

The client and the server share it: both keep tokens in front of their tables.
"""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .entries import MISS, open_entry, seal_entry
    from .failures import ask_cache, database_of
    from .generations import GenerationalCache, Generations
    from .invalidation import CACHES, invalidate_row, on_commit_or_now, place_of
    from .limits import client_address, increment, is_within_limit
    from .names import cache_name, tenant
    from .parking import find_parked, forget_parked, park, parking_key
    from .provider_errors import last_provider_error, note_provider_error
    from .token_cache import TokenCache

__all__ = [
    "CACHES",
    "MISS",
    "GenerationalCache",
    "Generations",
    "TokenCache",
    "ask_cache",
    "cache_name",
    "client_address",
    "database_of",
    "find_parked",
    "forget_parked",
    "increment",
    "invalidate_row",
    "is_within_limit",
    "last_provider_error",
    "note_provider_error",
    "on_commit_or_now",
    "open_entry",
    "park",
    "parking_key",
    "place_of",
    "seal_entry",
    "tenant",
]

if not TYPE_CHECKING:  # for a type checker, the room has no other names
    __getattr__ = load_on_first_use(
        __name__,
        {
            "entries": ["MISS", "open_entry", "seal_entry"],
            "failures": ["ask_cache", "database_of"],
            "generations": ["GenerationalCache", "Generations"],
            "invalidation": ["CACHES", "on_commit_or_now", "invalidate_row", "place_of"],
            "limits": ["client_address", "increment", "is_within_limit"],
            "names": ["cache_name", "tenant"],
            "parking": ["find_parked", "forget_parked", "park", "parking_key"],
            "provider_errors": ["last_provider_error", "note_provider_error"],
            "token_cache": ["TokenCache"],
        },
    )
