"""``dance_health()``: the state of the parts that this site needs, for its monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import caches
from django.db import connections, router

from .cache import last_provider_error
from .conf import settings
from .exceptions import SealBroken
from .models import OAuthToken
from .providers import providers
from .tokens import seal, unseal

_PROBE = "dance:health"


@dataclass(frozen=True)
class DanceHealth:
    """The state of the site: for each part an empty text, or the kind of its failure.

    The texts have no secrets and no addresses.
    """

    database: str = ""
    cache: str = ""
    keys: str = ""
    #: The last error of each provider that had one on the last day. It does not make the site
    #: unhealthy.
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether the database, the cache and the keys work."""
        return not (self.database or self.cache or self.keys)


def dance_health() -> DanceHealth:
    """Return the state of the database, the cache and the keys, and the last errors of providers.

    It makes one query, and a few calls of the cache. It calls no provider.
    """
    cache = _failure(_ask_the_cache)
    errors = {} if cache else {name: last_provider_error(name) for name in providers}
    return DanceHealth(
        database=_failure(_ask_the_database),
        cache=cache,
        keys=_failure(_use_the_keys),
        providers={name: error for name, error in errors.items() if error is not None},
    )


def _failure(check: Any) -> str:
    try:
        check()
    except Exception as error:  # noqa: BLE001  a check of the health must not raise
        return type(error).__name__
    return ""


def _ask_the_database() -> None:
    with connections[router.db_for_write(OAuthToken)].cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_the_cache() -> None:
    alias = settings.token_cache
    if alias is None:
        return  # the site uses no cache for tokens
    caches[alias].set(_PROBE, 1, 60)
    if caches[alias].get(_PROBE) != 1:
        raise LookupError("The cache does not keep an entry.")


def _use_the_keys() -> None:
    sealed = seal(b"health", purpose="health", identity="")
    if unseal(sealed, purpose="health", identity="") != b"health":
        raise SealBroken
