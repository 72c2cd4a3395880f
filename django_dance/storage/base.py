"""The contract of a storage, and how one is made from the settings."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS

from ..cache import cache_name
from ..conf import import_if_path
from ..exceptions import ProviderUnavailable
from ..tokens import ResourceOwner, Token, same_token

_locks: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()
_locks_lock = threading.Lock()

_Result = TypeVar("_Result")


class BaseStorage:
    """Keeps one token per resource owner.

    A storage lives as long as the process and holds no state of a visitor; everything that
    tells whose token is meant comes with the ``owner``. Subclasses provide ``get``, ``set`` and
    ``delete``; ``django_dance.testing.StorageContract`` is the test suite to hold them to.
    """

    def get(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        """The owner's token as it was stored, or ``None``."""
        raise NotImplementedError("subclasses of BaseStorage must provide a get() method")

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        """Keep the token in the place of any that the owner had."""
        raise NotImplementedError("subclasses of BaseStorage must provide a set() method")

    def delete(self, owner: ResourceOwner) -> None:
        """Forget the owner's token. To delete what is not there is fine."""
        raise NotImplementedError("subclasses of BaseStorage must provide a delete() method")

    # --- for refreshing: better done by a storage that processes share -------------------------

    def reread(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        """What :meth:`get` would return if there were no caches on the way."""
        return self.get(owner)

    def replace(
        self, owner: ResourceOwner, old: Mapping[str, Any], new: Mapping[str, Any] | None
    ) -> bool:
        """Put ``new`` in the place of ``old``, or delete it, if it is still the owner's token.

        Whether it was. In between somebody may have disconnected, or connected anew.
        """
        if not same_token(self.reread(owner), old):
            return False
        if new is None:
            self.delete(owner)
        else:
            self.set(owner, new)
        return True

    def durably(self, owner: ResourceOwner, work: Callable[[], _Result]) -> _Result:
        """Call ``work`` so that what it stores outlives a transaction that is open here."""
        return work()

    @contextmanager
    def lease(self, owner: ResourceOwner, seconds: float) -> Iterator[None]:
        """Hold all others off who would refresh this owner's token, for ``seconds`` at the most.

        This one holds off the threads of its process. A storage that processes share should hold
        those off as well.
        """
        with held(owner):
            yield

    # --- for owners with several accounts ------------------------------------------------------

    def keeps_accounts(self, owner: ResourceOwner) -> bool:
        """Whether this owner may have several accounts at the provider."""
        return False

    def accounts(self, owner: ResourceOwner) -> Sequence[str]:
        """The owner's accounts at the provider, the default one first."""
        return () if self.get(owner) is None else ("",)

    def others(self, owner: ResourceOwner, account: str) -> Sequence[Any]:
        """The ids of the other users who have connected this account."""
        return ()

    def get_token(self, owner: ResourceOwner) -> Token | None:
        """The owner's token, as a :class:`~django_dance.tokens.Token`."""
        stored = self.get(owner)
        return None if stored is None else Token(stored)

    def reread_token(self, owner: ResourceOwner) -> Token | None:
        """The same, past any cache."""
        stored = self.reread(owner)
        return None if stored is None else Token(stored)

    def set_token(self, owner: ResourceOwner, token: Token) -> None:
        """Keep a :class:`~django_dance.tokens.Token`, by its plain fields."""
        self.set(owner, token.fields_to_store)


@contextmanager
def held(
    owner: ResourceOwner, *, wait: bool = True, using: str = DEFAULT_DB_ALIAS
) -> Iterator[None]:
    """Hold off the other threads of this process.

    :param using: the alias of the database that the owner's token is in.
    :raises ProviderUnavailable: another thread does, and ``wait`` is false.
    """
    key = owner.key
    if key is None:
        yield
        return
    with _locks_lock:
        lock = _locks.setdefault(cache_name(using, key), threading.Lock())
    if not lock.acquire(blocking=wait):
        raise busy(owner)
    try:
        yield
    finally:
        lock.release()


def busy(owner: ResourceOwner) -> ProviderUnavailable:
    """What is raised where to wait could be for ever."""
    return ProviderUnavailable(
        f"Somebody else is refreshing {owner.provider.label}'s token, and may have to wait for the "
        "transaction that is open here: end it first."
    )


def _after_fork() -> None:
    """Whoever held a lock in the parent does not live in the child."""
    global _locks_lock
    _locks_lock = threading.Lock()
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def build(spec: Any) -> BaseStorage:
    """A storage from what ``DANCE_STORAGE`` or a provider's ``STORAGE`` says.

    :param spec: ``{"BACKEND": …, "OPTIONS": {…}}``, a dotted path, a class, or a storage.
    :raises ImproperlyConfigured: it says nothing that can be made.
    """
    options: Mapping[str, Any] = {}
    if isinstance(spec, Mapping):
        unknown = set(spec) - {"BACKEND", "OPTIONS"}
        if unknown or "BACKEND" not in spec:
            raise ImproperlyConfigured(
                'A storage is {"BACKEND": "dotted.path", "OPTIONS": {…}}; '
                + (f"there is no {min(unknown)!r}." if unknown else "BACKEND is missing.")
            )
        spec, options = spec["BACKEND"], spec.get("OPTIONS") or {}
        if not isinstance(options, Mapping):
            raise ImproperlyConfigured("The OPTIONS of a storage are a dict.")
    spec = import_if_path(spec, "The storage")
    if isinstance(spec, type) and issubclass(spec, BaseStorage):
        try:
            return spec(**options)
        except TypeError as error:
            raise ImproperlyConfigured(
                f"{spec.__name__} cannot be made with OPTIONS {sorted(options)}: {error}."
            ) from error
    if isinstance(spec, BaseStorage) and not options:
        return spec
    raise ImproperlyConfigured(
        f"{spec!r} is no storage: name a subclass of django_dance.storage.BaseStorage."
    )
