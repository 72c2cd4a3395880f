"""Signals of the dance. The sender is the provider's class.

All of them carry ``provider``, ``request`` (``None`` outside one) and ``owner``.
"""

from django.dispatch import Signal

#: Before the visitor is sent away. Also: ``url``, where to. What receivers return is ignored.
oauth_before_login = Signal()

#: A token was granted and is not stored yet; ``session`` carries it already. Also: ``session``,
#: ``token``. The first ``HttpResponse`` that a receiver returns is sent and nothing is stored;
#: ``False`` means "do not store".
oauth_authorized = Signal()

#: A dance was refused. Also: ``code``, ``error``, ``error_description``, ``error_uri``,
#: ``response`` (what the provider answered at a token endpoint, else ``None``), ``exception``.
#: The first ``HttpResponse`` that a receiver returns is sent.
oauth_error = Signal()

#: A token was replaced by a refreshed one. Also: ``token``.
token_refreshed = Signal()

#: A token is gone: refused by the provider, or disconnected. Also: ``reason``.
token_revoked = Signal()
