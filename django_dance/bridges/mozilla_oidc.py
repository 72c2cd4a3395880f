"""The bridge to mozilla-django-oidc: an authentication backend.

::

    AUTHENTICATION_BACKENDS = ["django_dance.bridges.mozilla_oidc.OIDCAuthenticationBackend"]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from mozilla_django_oidc import auth
from mozilla_django_oidc.utils import import_from_settings

from ..conf import settings
from ..management.sources import Source
from ..providers import OAuth2Provider, Provider, providers
from ..tokens import Token, scope_list
from .problems import bridge_error, client_differs
from .sign_in import SignIn, after_login, find_provider, store

#: The library's provider has no name. This one stands for it in ``DANCE_BRIDGES``.
_NAME = "oidc"


class _MozillaOIDC(Source):
    """The one provider of the library."""

    def name_here(self, theirs: str, names: Mapping[str, str | None]) -> str | None:
        """``DANCE_BRIDGES`` names it. Otherwise it is the one with the same token endpoint."""
        if theirs in settings.bridges:
            return super().name_here(theirs, names)
        endpoint = str(import_from_settings("OIDC_OP_TOKEN_ENDPOINT", ""))
        found = [name for name in providers if _is_at(providers[name], endpoint)]
        return found[0] if len(found) == 1 else None

    def has_our_ids(self, theirs: str, provider: Provider) -> bool:
        return False

    def token(self, row: Any, provider: Provider) -> dict[str, Any]:
        return Token.granted(row).fields_to_store


_LIBRARY = _MozillaOIDC()


def _is_at(provider: Provider, endpoint: str) -> bool:
    """Whether the provider has this token endpoint, or an issuer that is the beginning of it."""
    if not isinstance(provider, OAuth2Provider) or not endpoint:
        return False
    if provider.token_url:
        return provider.token_url == endpoint
    issuer = (provider.issuer or "").rstrip("/")
    return bool(issuer) and endpoint.startswith(f"{issuer}/")


class StoreTokenMixin:
    """Stores the token of the sign-in when the user is logged in.

    Put it before ``OIDCAuthenticationBackend`` in the bases of your backend.
    """

    _answer: dict[str, Any] | None = None

    def get_token(self, payload: Any) -> Any:
        """Return the answer of the token endpoint."""
        answer = super().get_token(payload)  # type: ignore[misc]
        self._answer = answer if isinstance(answer, dict) else None
        return answer

    def authenticate(self, request: Any, **kwargs: Any) -> Any:
        """Return the user who signs in, or ``None``."""
        self._answer = None
        user = super().authenticate(request, **kwargs)  # type: ignore[misc]
        answer, self._answer = self._answer, None
        provider = find_provider(_LIBRARY, _NAME)
        if user is None or answer is None or provider is None:
            return user
        asked = scope_list(import_from_settings("OIDC_RP_SCOPES", "openid email"))
        fields = _LIBRARY.token(answer, provider)
        if not fields.get("scope"):
            # RFC 6749 §5.1: without a scope in the answer, the requested scope was granted.
            fields["scope"] = asked
        client_id = str(import_from_settings("OIDC_RP_CLIENT_ID"))
        sign_in = SignIn(_LIBRARY, _NAME, fields, client_id=client_id, asked=asked)
        after_login(request, user, lambda: store(sign_in, request, user))
        return user


class OIDCAuthenticationBackend(StoreTokenMixin, auth.OIDCAuthenticationBackend):  # type: ignore[misc]
    """The backend of mozilla-django-oidc, which also stores the token of the sign-in."""


def problems() -> Iterator[CheckMessage]:
    """Yield the mistakes in the settings of this bridge."""
    provider = find_provider(_LIBRARY, _NAME)
    try:
        client_id = import_from_settings("OIDC_RP_CLIENT_ID")
    except ImproperlyConfigured:
        return  # the library says so
    if provider is not None:
        yield from client_differs(provider, client_id, "OIDC_RP_CLIENT_ID")
    else:
        yield bridge_error(
            "The bridge to mozilla-django-oidc does not know its provider in DANCE_PROVIDERS.",
            f'Name it: DANCE_BRIDGES = {{"{_NAME}": "…"}}.',
        )
