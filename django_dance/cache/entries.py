"""Cache entries: each value is sealed for its cache key."""

from __future__ import annotations

import json
from typing import Any

from ..exceptions import SealBroken
from ..tokens import seal, unseal

#: The result if there is no entry. ``None`` is a value.
MISS: Any = object()


def seal_entry(value: Any, *, purpose: str, key: str) -> str:
    """Seal a value for a cache entry.

    :param value: a value that JSON supports.
    :param purpose: the kind of value; it selects the key of the encryption.
    :param key: the cache key. The entry does not open under another one.
    """
    return seal(json.dumps(value).encode(), purpose=purpose, identity=key)


def open_entry(sealed: Any, *, purpose: str, key: str) -> Any:
    """Return the value of a cache entry, or :data:`MISS` if we did not seal it for this key.

    :param sealed: the value that the cache returned. Other programs may write to the cache, so it
        can be of any type.
    """
    if not isinstance(sealed, str):
        return MISS
    try:
        return json.loads(unseal(sealed, purpose=purpose, identity=key))
    except (SealBroken, ValueError):
        return MISS
