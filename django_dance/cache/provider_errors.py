"""The last error of each provider, for the monitoring of the site. It has no secret."""

from __future__ import annotations

import time
from typing import Any

from ..conf import settings
from ..exceptions import failure_fields
from .failures import ask_cache
from .names import cache_name

#: Seconds for which an error is kept.
_LIFETIME = 24 * 3600


def note_provider_error(provider: str, error: BaseException) -> None:
    """Note an error of a provider, in the place of an earlier one."""
    fields = {**failure_fields(error, provider=provider), "at": int(time.time())}
    ask_cache(
        _alias(),
        lambda cache: cache.set(_key(provider), fields, _LIFETIME),
        None,
        effect="the last errors of providers are not noted",
    )


def last_provider_error(provider: str) -> dict[str, Any] | None:
    """Return the fields of a provider's last error of the last day; ``None`` without one."""
    found: dict[str, Any] | None = ask_cache(
        _alias(),
        lambda cache: cache.get(_key(provider)),
        None,
        effect="the last errors of providers are not known",
    )
    return found


def _alias() -> str:
    return settings.cache or "default"


def _key(provider: str) -> str:
    return f"dance:error:{cache_name(None, 'error', provider)}"
