"""Losing a connection: one change of its state, and one signal after the commit."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db import Error

from ..signals import connection_lost
from ..storage import connection_of
from ..tokens import NEEDS_RECONNECT, SCOPES, Connection, ResourceOwner, Token

if TYPE_CHECKING:
    from ..storage import BaseStorage
    from .session import Session


@dataclass(frozen=True)
class Loss:
    """A connection that has just lost its grant. Only one process has it for each loss."""

    storage: BaseStorage
    owner: ResourceOwner
    old: Mapping[str, Any] | None
    wipe: bool
    kept: Mapping[str, Any] | None
    connection: Connection

    @classmethod
    def of(
        cls,
        storage: BaseStorage,
        owner: ResourceOwner,
        old: Token | None,
        reason: str,
        *,
        wipe: bool = True,
        kept: Token | None = None,
    ) -> Loss | None:
        """Store the loss; return it if this call has changed the state of the connection.

        The arguments are those of :meth:`BaseStorage.lose`.
        """
        if not storage.lose(owner, old, reason, wipe=wipe, kept=kept):
            return None
        connection = None
        with suppress(Error):  # the loss is stored, and no other process finds it again
            connection = storage.connection(owner)
        if connection is None:  # without columns for the state, the row is deleted
            connection = connection_of(owner, owner.account, old or Token({}))
        connection = replace(connection, state=NEEDS_RECONNECT, reason=reason)
        return cls(storage, owner, old, wipe, kept, connection)

    def announce(self) -> None:
        """Send ``connection_lost`` once the loss is committed.

        Call it in the thread of the caller: the writes of a receiver belong to its database
        connection. If the transaction that stored the loss rolls back, the loss is stored again.
        """
        self.storage.call_after_commit(self.owner, self._send, self._repeat)

    def _repeat(self) -> bool:
        reason = self.connection.reason
        return self.storage.lose(self.owner, self.old, reason, wipe=self.wipe, kept=self.kept)

    def _send(self) -> None:
        provider = self.owner.provider
        # Each receiver is called even if another one fails: the signal is sent only once.
        connection_lost.send_robust(
            type(provider),
            provider=provider,
            request=self.owner.request,
            owner=self.owner,
            connection=self.connection,
            reason=self.connection.reason,
        )


def end_connection(
    session: Session, token: Token | None, reason: str, *, wipe: bool = True
) -> bool:
    """Store that the connection of a session has lost its grant, and send ``connection_lost``.

    :param token: the token; ``None`` for a token that no configured key opens.
    :param reason: one of :data:`django_dance.tokens.REASONS`.
    :param wipe: whether the token is wiped. Otherwise it is kept, and may become usable again.
    :returns: whether this call has changed the state of the connection.
    """
    if token is not None and session.current_token.unsaved is token:
        return False
    storage, owner = session.storage, owner_of(session, token)
    if not wipe:
        # The caller finds the same loss at each use: do not write, or open a connection, again.
        connection = storage.connection(owner)
        if connection is None or connection.id is None or not is_in_use(connection):
            return False
    loss = storage.durably(owner, lambda: Loss.of(storage, owner, token, reason, wipe=wipe))
    if loss is None:
        return False
    loss.announce()
    return True


def is_in_use(connection: Connection) -> bool:
    """Whether calls are made with the connection's token, as far as the row tells."""
    # A token that lacks some of the configured scopes is sent all the same.
    return connection.active or connection.reason == SCOPES


def owner_of(session: Session, token: Token | None) -> ResourceOwner:
    """Return the owner of a session's token, with the account of the token.

    Another account may become the default one, or another user may log in, while a call runs.
    """
    owner = session.owner.snapshot()
    if not session.storage.keeps_accounts(owner):
        return owner
    account = None if token is None else token.get("connected_account")
    return owner.for_account(owner.account or str(account or ""))
