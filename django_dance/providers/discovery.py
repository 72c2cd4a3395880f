"""The metadata (RFC 8414, OpenID Connect Discovery) and the keys (RFC 7517) of a provider.

They are fetched at the first use, checked, and kept in memory. If a later fetch fails, the last
good copy is used. Nothing is fetched at import, start-up, ``migrate`` or ``check``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..exceptions import InvalidResponse, ProviderError, ProviderUnavailable, failure_fields
from ..http import origin
from ..tokens import without_empty

if TYPE_CHECKING:
    from ..http import ProtocolResponse

logger = logging.getLogger("django_dance")

#: Seconds for which a document is used without a new fetch, and the longest time in seconds for
#: which a copy is used while the fetches fail.
FRESH, STALE = 3600, 7 * 24 * 3600
#: Shortest time between two fetches of a document, in seconds. Within it there may be one more
#: fetch, for a key that is not in the copy: the provider may have rotated its keys after the fetch.
PAUSE = 60

T = TypeVar("T")


class MetadataInvalid(InvalidResponse):
    """The provider's metadata or keys are invalid."""

    code = "metadata_invalid"


@dataclass
class _Entry(Generic[T]):
    """A document, with the times of its last fetch, its last attempted fetch and its last fetch
    within the pause."""

    document: T | None = None
    #: Seconds of ``time.monotonic``.
    fetched_at: float = float("-inf")
    attempted_at: float = float("-inf")
    hurried_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class Documents(Generic[T]):
    """Documents by key. One thread at a time fetches a document."""

    def __init__(
        self, *, most: int | None = None, lifetime: Callable[[T], float] = lambda document: FRESH
    ) -> None:
        """
        :param most: the largest number of documents, if others choose the keys. The document that
            was used the longest time ago is dropped.
        :param lifetime: returns the seconds for which a document is used without a new fetch.
        """
        self._entries: dict[Any, _Entry[T]] = {}
        self._most, self._lifetime = most, lifetime
        self._order = threading.Lock()

    def is_fresh(self, key: Any) -> bool:
        """Whether :meth:`get` would return the copy in memory."""
        entry = self._entries.get(key)
        return entry is not None and not self._is_old(entry)

    def _is_old(self, entry: _Entry[T]) -> bool:
        document = entry.document
        return document is None or time.monotonic() - entry.fetched_at > self._lifetime(document)

    def _entry(self, key: Any) -> _Entry[T]:
        if self._most is None:
            return self._entries.setdefault(key, _Entry())
        with self._order:
            entry = self._entries.pop(key) if key in self._entries else _Entry()
            self._entries[key] = entry
            while len(self._entries) > self._most:
                del self._entries[next(iter(self._entries))]
        return entry

    def get(
        self,
        key: Any,
        fetch: Callable[[], T],
        *,
        stale: Callable[[T], bool] = lambda document: False,
        urgent: Callable[[T], bool] = lambda document: False,
    ) -> T:
        """Return the document of this key, from memory or fetched.

        :param fetch: fetches the document from the provider.
        :param stale: returns whether the copy in memory must be replaced.
        :param urgent: returns whether it must be replaced now, even if it was fetched a moment ago.
            This is granted once in :data:`PAUSE` seconds.
        :raises ProviderError: the document cannot be fetched, and there is no copy to use.
        """
        entry = self._entry(key)

        def must_fetch(document: T | None) -> bool:
            return document is None or self._is_old(entry) or stale(document)

        document = entry.document
        if document is not None and not must_fetch(document):
            return document
        # While another thread fetches the document, a thread with a copy uses the copy. A thread
        # without a copy waits.
        if not entry.lock.acquire(blocking=document is None):
            return document  # type: ignore[return-value]
        try:
            document = entry.document
            now, pause = time.monotonic(), PAUSE if document is not None else 1
            may_fetch = now - entry.attempted_at > pause
            if not may_fetch and document is not None and now - entry.hurried_at > PAUSE:
                may_fetch = urgent(document)
                if may_fetch:
                    entry.hurried_at = now
            if may_fetch and must_fetch(document):
                try:
                    entry.document, entry.fetched_at = fetch(), time.monotonic()
                except ProviderError as error:
                    if document is None or time.monotonic() - entry.fetched_at > STALE:
                        raise
                    logger.warning(
                        "The last good copy of a document is used: %s",
                        error,
                        extra=failure_fields(error, provider=str(key[0])),
                    )
                finally:
                    entry.attempted_at = time.monotonic()
            if entry.document is None:
                raise ProviderUnavailable(
                    "The provider's metadata could not be fetched a moment ago."
                )
            return entry.document
        finally:
            entry.lock.release()

    def forget(self) -> None:
        self._entries.clear()


#: The number of key sets has a bound, because users may choose the servers.
_metadata: Documents[dict[str, Any]] = Documents()
_keys: Documents[list[Any]] = Documents(most=500)


def forget() -> None:
    """Forget all documents. Tests call it."""
    _metadata.forget()
    _keys.forget()


def metadata(
    provider: str,
    issuer: str,
    url: str,
    *,
    used: Collection[str],
    required: Collection[str],
    get: Callable[[str], ProtocolResponse],
    accept: Callable[[str], bool],
) -> dict[str, Any]:
    """Return an issuer's metadata (OpenID Connect Discovery 4.3).

    :param provider: the provider's name.
    :param url: the URL of the metadata.
    :param used: the members that must be https URLs, if they are there.
    :param required: the members that must not be missing.
    :param get: makes a GET request.
    :param accept: returns whether the ``issuer`` in the metadata is the expected one.
    :raises ProviderError: the metadata cannot be fetched, or are invalid.
    """

    def fetch() -> dict[str, Any]:
        document = without_empty(_object(get(url)))
        named = document.get("issuer")
        if not isinstance(named, str) or not accept(named):
            raise MetadataInvalid("The metadata are of another issuer.")
        for name in used:
            endpoint(document, name)
        for name in required:
            if document.get(name) is None:
                raise MetadataInvalid(f"The metadata has no {name}.")
        return document

    return _metadata.get((provider, issuer, url), fetch)


def endpoint(document: Mapping[str, Any], name: str) -> str:
    """Return an endpoint of the metadata; ``""`` if it is missing.

    :raises MetadataInvalid: it is not an https URL.
    """
    url = document.get(name) or ""
    if url and not _good(url):
        raise MetadataInvalid(f"The metadata's {name} is not an https URL.")
    return str(url)


def keys(
    provider: str,
    issuer: str,
    url: str,
    *,
    get: Callable[[str], ProtocolResponse],
    usable: Callable[[list[Any]], bool],
    key_id: str | None,
) -> list[Any]:
    """Return an issuer's keys. They are fetched again, but not often, if no key is usable.

    :param usable: returns whether one of the keys can be used.
    :param key_id: the id of the key that is needed, if it is known.
    :raises ProviderError: the keys cannot be fetched, or are invalid.
    """

    def fetch() -> list[Any]:
        found = _object(get(url)).get("keys")
        if not isinstance(found, list):
            raise MetadataInvalid("The key set has no list of keys.")
        return found[:100]

    def lacks_key(document: list[Any]) -> bool:
        ids = [key.get("kid") for key in document if isinstance(key, dict)]
        return key_id is not None and key_id not in ids

    return _keys.get(
        (provider, issuer, url),
        fetch,
        stale=lambda document: not usable(document),
        urgent=lacks_key,
    )


def _object(answer: ProtocolResponse) -> dict[str, Any]:
    if answer.status != 200:
        raise MetadataInvalid.for_answer(f"The provider answered {answer.status}.", answer)
    try:
        return answer.json()
    except InvalidResponse as error:
        raise MetadataInvalid(str(error)) from None


def _good(url: object) -> bool:
    from .options import good_url

    return isinstance(url, str) and origin(url) is not None and good_url(url)
