"""What a provider publishes about itself: its metadata (RFC 8414, OpenID Connect Discovery) and
its keys (RFC 7517). Asked for late, checked, remembered, and the last good copy kept.

Nothing here runs at import, ``migrate``, ``check`` or start-up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..exceptions import InvalidResponse, ProviderError, ProviderUnavailable
from ..http import origin

if TYPE_CHECKING:
    from ..http import ProtocolResponse

logger = logging.getLogger("django_dance")

#: Seconds a document is used without asking, and seconds the last good copy is used at the most
#: while the provider cannot be asked.
FRESH, STALE = 3600, 7 * 24 * 3600
#: Seconds between two attempts, whatever happens.
PAUSE = 60

#: The members that are addresses, of those that anybody here uses.
_ENDPOINTS = frozenset(
    {
        "authorization_endpoint",
        "device_authorization_endpoint",
        "end_session_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
    }
)

T = TypeVar("T")


class MetadataInvalid(InvalidResponse):
    """The provider's metadata or keys are not what they should be."""

    code = "metadata_invalid"


@dataclass
class _Remembered(Generic[T]):
    """A document, when it was read, and when it was last asked for."""

    document: T | None = None
    read: float = float("-inf")
    asked: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class Documents(Generic[T]):
    """Documents by key, each fetched by one thread at a time and seldom."""

    def __init__(self) -> None:
        self._kept: dict[Any, _Remembered[T]] = {}

    def get(self, key: Any, fetch: Callable[[], T], *, stale: Callable[[T], bool]) -> T:
        """The document of this key.

        :param fetch: asks the provider for it.
        :param stale: says of the copy at hand that it will not do.
        :raises ProviderError: it cannot be had, and there is no copy that is good enough.
        """
        kept = self._kept.setdefault(key, _Remembered())

        def wanted(document: T | None) -> bool:
            return document is None or time.monotonic() - kept.read > FRESH or stale(document)

        document = kept.document
        if document is not None and not wanted(document):
            return document
        # Who has a copy uses it while another thread asks; who has none waits for the answer.
        if not kept.lock.acquire(blocking=document is None):
            return document  # type: ignore[return-value]
        try:
            document = kept.document
            pause = PAUSE if document is not None else 1
            if wanted(document) and time.monotonic() - kept.asked > pause:
                try:
                    kept.document, kept.read = fetch(), time.monotonic()
                except ProviderError as error:
                    if document is None or time.monotonic() - kept.read > STALE:
                        raise
                    logger.warning("the last good copy is used, for %s", error)
                finally:
                    kept.asked = time.monotonic()
            if kept.document is None:
                raise ProviderUnavailable("The provider's metadata could not be read a moment ago.")
            return kept.document
        finally:
            kept.lock.release()

    def forget(self) -> None:
        self._kept.clear()


_metadata: Documents[dict[str, Any]] = Documents()
_keys: Documents[list[Any]] = Documents()


def forget() -> None:
    """Forget all documents, for tests."""
    _metadata.forget()
    _keys.forget()


def metadata(
    provider: str,
    issuer: str,
    url: str,
    *,
    required: tuple[str, ...],
    get: Callable[[str], ProtocolResponse],
    accept: Callable[[str], bool],
) -> dict[str, Any]:
    """An issuer's metadata (OpenID Connect Discovery 4.3).

    :param get: fetches an address of the provider.
    :param accept: whether the ``issuer`` that it names is the one that was asked.
    :raises ProviderError:
    """

    def fetch() -> dict[str, Any]:
        document = _object(get(url))
        named = document.get("issuer")
        if not isinstance(named, str) or not accept(named):
            raise MetadataInvalid("The metadata names another issuer.")
        for name, value in document.items():
            if value is not None and name in _ENDPOINTS and not _good(value):
                raise MetadataInvalid(f"The metadata's {name} is no https address.")
        for name in required:
            if document.get(name) is None:
                raise MetadataInvalid(f"The metadata has no {name}.")
        return document

    return _metadata.get((provider, issuer, url), fetch, stale=lambda document: False)


def keys(
    provider: str,
    issuer: str,
    url: str,
    *,
    get: Callable[[str], ProtocolResponse],
    usable: Callable[[list[Any]], bool],
) -> list[Any]:
    """An issuer's keys; asked for anew, but seldom, if none at hand is ``usable``.

    :raises ProviderError:
    """

    def fetch() -> list[Any]:
        found = _object(get(url)).get("keys")
        if not isinstance(found, list):
            raise MetadataInvalid("The key set has no keys.")
        return found[:100]

    return _keys.get((provider, issuer, url), fetch, stale=lambda document: not usable(document))


def _object(answer: ProtocolResponse) -> dict[str, Any]:
    if answer.status != 200:
        raise MetadataInvalid(f"The provider answered {answer.status}.", status=answer.status)
    try:
        return answer.json()
    except InvalidResponse as error:
        raise MetadataInvalid(str(error)) from None


def _good(url: object) -> bool:
    from .options import good_url

    return isinstance(url, str) and origin(url) is not None and good_url(url)
