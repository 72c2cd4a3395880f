"""Limits wrong client secrets (RFC 6749 §2.3.1) and wrong PKCE verifiers.

The counts are in the cache that ``DANCE_SERVER_LIMIT_CACHE`` names.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac
from oauthlib.oauth2.rfc6749 import errors

from ..cache import ask_cache, client_address, increment, is_within_limit
from .conf import settings
from .hashing import digest

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

_Result = TypeVar("_Result")

#: Wrong secrets of one client from one address within :data:`WINDOW` seconds.
WRONG_SECRETS = 10
WINDOW = 60
#: A code is used up after so many wrong verifiers.
WRONG_VERIFIERS = 5
#: Seconds that the server remembers part of a right secret.
_MEMORY = 24 * 3600
#: Seconds that a code lives, at most.
_LONGEST_CODE = 600
_PREFIX = "django_dance:server"


class TooManyWrongSecrets(errors.OAuth2Error):
    """The client sent too many wrong secrets. The response is 429 (RFC 6585 §4)."""

    error = "temporarily_unavailable"
    description = "Too many wrong client secrets: try again later."
    status_code = 429

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.seconds)}


class SecretLimit:
    """The wrong secrets that one client has sent from one address.

    A generated secret cannot be guessed, and is compared fast. So it is compared although the limit
    is reached, and a right one is never refused. Before another secret is checked the limit is
    read; a secret that was right from this address within the last day is checked all the same.

    :param client_id: the id of the client; empty for all unknown clients together, because an
        attacker could fill the cache with invented ids.
    """

    def __init__(
        self, server: AuthorizationServer, client_id: str, request: HttpRequest | None
    ) -> None:
        self._server, self._client_id, self._request = server, client_id, request
        self._window = int(time.time() // WINDOW)

    @cached_property
    def _count_key(self) -> str:
        parts = self._client_id, client_address(self._request), str(self._window)
        return f"{_PREFIX}:wrong_secrets:{self._server.cache_name(*parts)}"

    @cached_property
    def _memory_key(self) -> str:
        parts = self._client_id, client_address(self._request)
        return f"{_PREFIX}:right_secret:{self._server.cache_name(*parts)}"

    @property
    def is_reached(self) -> bool:
        return _ask(lambda cache: int(cache.get(self._count_key) or 0), 0) >= WRONG_SECRETS

    def count(self) -> int:
        """Count a wrong secret; return the number of them."""
        return _ask(lambda cache: increment(cache, self._count_key, WINDOW), 0)

    def error(self) -> TooManyWrongSecrets:
        seconds = math.ceil((self._window + 1) * WINDOW - time.time())
        return TooManyWrongSecrets(max(1, seconds))

    def remember(self, secret: str) -> None:
        """Remember a right secret, so that it is not refused when the limit is reached."""
        _ask(lambda cache: cache.set(self._memory_key, self._mark(secret), _MEMORY), None)

    def recalls(self, secret: str) -> bool:
        """Whether this may be the secret that was right."""
        found = _ask(lambda cache: cache.get(self._memory_key), None)
        return isinstance(found, str) and constant_time_compare(found, self._mark(secret))

    def _mark(self, secret: str) -> str:
        # 16 bits: enough to hold back guesses, too few to find the secret from the cache.
        text = f"{self._client_id}\n{secret}"
        return salted_hmac(_PREFIX, text, algorithm="sha256").hexdigest()[:4]


def count_wrong_verifier(server: AuthorizationServer, code: str) -> bool:
    """Count a wrong verifier for a code; whether the code is to be used up."""
    key = f"{_PREFIX}:wrong_verifiers:{server.cache_name(digest(code))}"
    return _ask(lambda cache: increment(cache, key, _LONGEST_CODE), 0) >= WRONG_VERIFIERS


def is_allowed(
    server: AuthorizationServer, name: str, most: int, seconds: int, *parts: str
) -> bool:
    """Count an event; whether there were at most so many within a window of time.

    If the cache is down, no event is allowed, because it could not be counted.

    :param name: the kind of event.
    :param seconds: the length of a window.
    :param parts: the cause of the event, such as a user. Each cause is counted by itself.
    """
    key = f"{_PREFIX}:events:{server.cache_name(name, *parts)}"
    effect = "new clients are refused"
    return is_within_limit(settings.limit_cache, key, most, seconds, effect=effect)


def _ask(question: Callable[[Any], _Result], otherwise: _Result) -> _Result:
    return ask_cache(
        settings.limit_cache,
        question,
        otherwise,
        effect="wrong client secrets and wrong verifiers are not counted",
    )
