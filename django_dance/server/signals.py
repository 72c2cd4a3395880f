"""The signals of the authorization server. The sender is the server's class.

All signals have the argument ``server``. None of them has a code, a token or a secret. Each is sent
after the commit. A receiver that raises an exception is logged and changes nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.dispatch import Signal

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

#: A user has allowed an application to act for the user: a code was issued. Also: ``user``,
#: ``client``, ``scopes`` and ``request``, Django's request.
application_authorized = Signal()

#: An access token was issued. Also: ``user`` (``None`` if the client acts for itself), ``client``,
#: ``scopes``, ``grant_type`` ("" for :meth:`~.AuthorizationServer.create_token`), ``family``, and
#: ``request``, Django's request or ``None``.
access_token_issued = Signal()

#: Tokens were revoked: those of a ``family``, or those of a ``user``, for the client
#: ``client_id`` or for all. Arguments that do not apply are ``None``. Also: ``reason``, which is
#: ``"revoked"`` (by the client), ``"replayed"`` (a code or refresh token was used again),
#: ``"disconnected"`` (by the user), or ``"ended"`` (by :meth:`~.AuthorizationServer.end_tokens`).
access_token_revoked = Signal()


def send_after_commit(signal: Signal, server: AuthorizationServer, **arguments: Any) -> None:
    """Send a signal when the rows that it tells of are committed, and not if they are rolled back.

    A receiver may call other systems, which cannot roll back.
    """
    transaction.on_commit(
        lambda: signal.send_robust(type(server), server=server, **arguments),
        using=server.database,
        robust=True,
    )
