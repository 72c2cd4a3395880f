"""The signals of the dance. The sender is the provider's class.

All signals have the arguments ``provider``, ``request`` (``None`` outside of a request) and
``owner``. Further arguments are named at each signal.
"""

from django.dispatch import Signal

#: Before the visitor is redirected to the provider. Also: ``url``, the provider's address. Return
#: values are ignored.
oauth_before_login = Signal()

#: A token was granted and is not stored yet. Also: ``session``, which uses the token already, and
#: ``token``. If a receiver returns an ``HttpResponse``, the first one is sent, and the token is not
#: stored. If a receiver returns ``False``, the token is not stored.
oauth_authorized = Signal()

#: A dance was refused. Also: ``code``, ``error``, ``error_description``, ``error_uri``,
#: ``response`` (always ``None``, because the provider's answer may have secrets), ``exception``. If
#: a receiver returns an ``HttpResponse``, the first one is sent.
oauth_error = Signal()

#: A connection may be used for sign-in from now on. Also: ``account``, the account's id.
sign_in_allowed = Signal()

#: A refreshed token has replaced a token. Also: ``token``, the new one.
token_refreshed = Signal()

#: A connection has lost its grant, and the user has to connect again. Also: ``connection``, a
#: :class:`~django_dance.tokens.Connection`, and ``reason``. It is sent once for each loss, after
#: the commit.
connection_lost = Signal()

#: A token was deleted or wiped, because the provider refused it or the user disconnected. Also:
#: ``reason``.
token_revoked = Signal()
