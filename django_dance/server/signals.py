"""The signals of the authorization server. The sender is the server's class.

All signals have the argument ``server``. None of them has a code, a token or a secret. Each is sent
with ``send()`` after the rows are written; with ``ATOMIC_REQUESTS`` the commit follows.
"""

from django.dispatch import Signal

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
