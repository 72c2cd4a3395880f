"""BaseStorage: the methods of a storage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.utils import timezone

from ..exceptions import OwnerRequired
from ..tokens import (
    ACTIVE,
    EXPIRED,
    NEEDS_RECONNECT,
    REJECTED,
    Connection,
    ResourceOwner,
    Token,
    clean_words,
    same_token,
)
from .lease import thread_lock

if TYPE_CHECKING:
    from .model import ModelStorage

_Result = TypeVar("_Result")


class BaseStorage:
    """Stores one token for each resource owner.

    A storage lives as long as the process and holds no data of a visitor: the ``owner`` identifies
    the token. Subclasses provide ``get``, ``set`` and ``delete``. The class
    ``django_dance.testing.StorageContract`` tests a storage.
    """

    def get(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        """Return the owner's token as it was stored, or ``None``."""
        raise NotImplementedError("subclasses of BaseStorage must provide a get() method")

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        """Store the token, and replace an earlier token of the owner.

        :param token: a plain dict with values that JSON supports.
        """
        raise NotImplementedError("subclasses of BaseStorage must provide a set() method")

    def delete(self, owner: ResourceOwner) -> None:
        """Delete the owner's token. If there is no token, do nothing."""
        raise NotImplementedError("subclasses of BaseStorage must provide a delete() method")

    # --- for a refresh: storages that processes share override these methods -------------------

    def reread(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        """Return the same as :meth:`get`, but never from a cache."""
        return self.get(owner)

    def reread_after(
        self, owner: ResourceOwner, known: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """Return the same as :meth:`reread`. A storage may save work if ``known`` is still stored.

        :param known: the token that was read before.
        """
        return self.reread(owner)

    def replace(
        self, owner: ResourceOwner, old: Mapping[str, Any], new: Mapping[str, Any] | None
    ) -> bool:
        """Replace ``old`` with ``new``, or delete it, if it is still the owner's token.

        Another request may have disconnected or reconnected the owner meanwhile.

        :param new: the new token; ``None`` to delete the old one.
        :returns: whether ``old`` was still the owner's token.
        """
        if not same_token(self.reread(owner), old):
            return False
        if new is None:
            self.delete(owner)
        else:
            self.set(owner, plain_fields(new))
        return True

    def store_refreshed(
        self,
        owner: ResourceOwner,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        until: float,
    ) -> bool:
        """Do the same as :meth:`replace`, after the provider was asked.

        The provider may have ended ``old``, so ``new`` must not be lost.

        :param until: the end of the lease, on the monotonic clock.
        """
        return self.replace(owner, old, new)

    def lose(
        self,
        owner: ResourceOwner,
        old: Mapping[str, Any] | None,
        reason: str,
        *,
        wipe: bool = True,
        kept: Mapping[str, Any] | None = None,
    ) -> bool:
        """Note that the owner's connection has lost its grant, if ``old`` is still its token.

        A storage without a state of connections deletes the token if it is to be wiped.

        :param old: the token; ``None`` for a token that no configured key opens.
        :param reason: one of :data:`django_dance.tokens.REASONS`.
        :param wipe: whether the token is wiped. Otherwise it is kept.
        :param kept: the token to keep instead of ``old``: the same one, with our own notes.
        :returns: whether this call has ended an active connection.
        """
        if old is None:
            return False
        if wipe:
            return self.replace(owner, old, None)
        return kept is not None and self.replace(owner, old, kept)

    def call_after_commit(
        self, owner: ResourceOwner, function: Callable[[], object], repeat: Callable[[], bool]
    ) -> None:
        """Call ``function`` once, after the commit of a write that :meth:`lose` has just made.

        :param repeat: repeats the write if it was rolled back, and returns the result of ``lose``.
        """
        function()

    def find_parked(self, owner: ResourceOwner, old: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return a token that replaces ``old``, and could not be stored when it was granted."""
        return None

    def durably(self, owner: ResourceOwner, work: Callable[[], _Result]) -> _Result:
        """Call ``work``; the tokens that it stores survive a rollback of the open transaction."""
        return work()

    def run_alone(
        self,
        owner: ResourceOwner,
        seconds: float,
        work: Callable[[float], _Result],
        look: Callable[[], _Result | None],
    ) -> _Result:
        """Call ``work``, as :meth:`durably` does, while the lease of the owner's token is held.

        :param seconds: the longest time that the lease is held.
        :param work: called with the end of the lease, on the monotonic clock.
        :param look: called without the lease, after a wait. If it has a result, ``work`` is not
            needed any more.
        """

        def leased() -> _Result:
            with self.lease(owner, seconds):
                return work(time.monotonic() + seconds)

        return self.durably(owner, leased)

    def lease(self, owner: ResourceOwner, seconds: float) -> AbstractContextManager[None]:
        """Let one thread at a time refresh the owner's token; the others wait.

        This method makes only the threads of its process wait. A storage that processes share
        makes other processes wait, too.

        :param seconds: the longest time that the lease is held.
        """
        return thread_lock(owner)

    # --- for owners with several accounts ------------------------------------------------------

    def keeps_accounts(self, owner: ResourceOwner) -> bool:
        """Whether this owner may have several accounts at the provider."""
        return False

    def accounts(self, owner: ResourceOwner) -> Sequence[str]:
        """The ids of the owner's accounts at the provider, the default one first."""
        return () if self.get(owner) is None else ("",)

    def connection(self, owner: ResourceOwner) -> Connection | None:
        """Return the connection of the owner's account, if there is one."""
        found = [each for each in self.connections([owner]) if each.place == owner.place]
        account = owner.account
        if account and self.keeps_accounts(owner):
            return next((each for each in found if each.account == account), None)
        return next((each for each in found if each.is_default), None)

    def connections(self, owners: Iterable[ResourceOwner]) -> list[Connection]:
        """Return the owners' connections, for each owner that of the default account first.

        A storage in a database makes one query for all owners.

        :param owners: one for each provider; their accounts are ignored. An owner without a place
            has the connections to all places.
        """
        found = []
        for owner in owners:
            if not owner.place:
                found += self.connections([owner.at(place) for place in self.places(owner)])
            try:
                accounts = self.accounts(owner) if self.keeps_accounts(owner) else ("",)
                for account in accounts:
                    token = Token.of(self.get(owner.for_account(account)))
                    if token is not None:
                        is_default = account == accounts[0]
                        found.append(connection_of(owner, account, token, is_default=is_default))
            except OwnerRequired:  # a storage that stores no tokens of anonymous visitors
                continue
        return found

    def places(self, owner: ResourceOwner) -> Sequence[str]:
        """The places that the owner has connections to, that of the latest dance first."""
        return ()

    def stored_accounts(
        self, owner: ResourceOwner
    ) -> Mapping[str, Callable[[], Mapping[str, Any] | None]]:
        """The ids of :meth:`accounts`, each with a function that returns its token.

        The tokens are not from a cache.
        """
        return {
            account: partial(self.reread, owner.for_account(account))
            for account in self.accounts(owner)
        }

    def keeps_default(self, owner: ResourceOwner) -> bool:
        """Whether this owner can choose the default account: see :meth:`make_default`."""
        return False

    def make_default(self, owner: ResourceOwner) -> bool:
        """Make the owner's account the default one, until the owner chooses or connects another.

        :returns: whether the owner has the account, and the storage keeps the choice.
        """
        return False

    def is_personal(self, owner: ResourceOwner) -> bool:
        """Whether the owner's connections belong to the owner's user.

        Otherwise they belong to a team, or to the site.
        """
        return True

    def others(self, owner: ResourceOwner, account: str) -> Sequence[Any]:
        """The primary keys of the other users who have connected this account."""
        return ()

    def set_granted(
        self,
        owner: ResourceOwner,
        token: Mapping[str, Any],
        known: Mapping[str, Callable[[], Mapping[str, Any] | None]],
        *,
        exclusively: bool,
    ) -> bool:
        """Store the token that a dance was granted; return whether it was stored.

        :param known: the accounts that :meth:`stored_accounts` has just returned.
        :param exclusively: store nothing if another user has the account.
        """
        self.set(owner, token)
        return not exclusively or owner.account in known or self._is_alone(owner, token)

    def _is_alone(self, owner: ResourceOwner, token: Mapping[str, Any]) -> bool:
        """Delete the token if another user has the account, and return whether none has."""
        if not self.others(owner, owner.account):
            return True
        # Two users have connected the account at the same time, each unseen by the other.
        self.replace(owner, token, None)
        return False

    # --- for commands and checks ---------------------------------------------------------------

    @property
    def model_storage(self) -> ModelStorage | None:
        """The storage of the users' tokens, if these are in a table."""
        return None


def connection_of(
    owner: ResourceOwner, account: str, token: Token, *, is_default: bool = True
) -> Connection:
    """The connection of a token, without the columns of a table."""
    granted_at, usable = token.granted_at, owner.provider.is_usable(token)
    rejected = token.verdict == REJECTED
    return Connection(
        provider=owner.provider.name,
        account=account or str(token.get("connected_account") or ""),
        label=clean_words(token.get("connected_as")) or "",
        scopes=token.scopes,
        connected_at=(
            datetime.fromtimestamp(granted_at, tz=timezone.now().tzinfo) if granted_at else None
        ),
        state=ACTIVE if usable and not rejected else NEEDS_RECONNECT,
        reason=EXPIRED if not usable else REJECTED if rejected else "",
        is_default=is_default,
        place=owner.place,
    )


def plain_fields(token: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a token as a plain dict, to be stored."""
    return token.fields_to_store if isinstance(token, Token) else dict(token)
