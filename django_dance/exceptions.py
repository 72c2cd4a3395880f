"""Everything this package raises, as a tree.

::

    DanceError
    ├── AuthorizationRequired     the resource owner has to go through the dance (again)
    ├── ProviderNotConfigured     no such name in DANCE_PROVIDERS
    ├── UntrustedOrigin           the token was about to leave for a host that is not its own
    ├── FlowError                 a dance was refused; its ``code`` says why
    ├── ProviderError             the provider did not do its part
    │   ├── ProviderUnavailable       it may do so later
    │   ├── TokenRequestRefused       it said no, by an OAuth error
    │   └── InvalidResponse           it answered something else than OAuth
    ├── StorageError              the token cannot be kept or found
    │   ├── OwnerRequired             there is nobody to keep it for
    │   └── TokenTooLarge             there is no room for it
    └── SealBroken                a sealed value was not sealed by us, or not for this place

A mistake in the settings is Django's own ``ImproperlyConfigured``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .providers import Provider

__all__ = [
    "AuthorizationRequired",
    "DanceError",
    "FlowError",
    "InvalidResponse",
    "OwnerRequired",
    "ProviderError",
    "ProviderNotConfigured",
    "ProviderUnavailable",
    "SealBroken",
    "StorageError",
    "TokenRequestRefused",
    "TokenTooLarge",
    "UntrustedOrigin",
]


class DanceError(Exception):
    """The one class to catch everything by."""


class AuthorizationRequired(DanceError):
    """The resource owner has to go through the dance (again).

    Left alone in a view, ``OAuthMiddleware`` turns it into the way to the login.

    :ivar provider: the provider to dance with.
    :ivar reason: ``"no_token"``, ``"expired"``, ``"revoked"``, ``"missing_scopes"`` or
        ``"declined_scopes"`` (they were asked for in the last dance and not granted), or
        ``"revoked_at_once"`` (what was granted a moment ago is dead).
    :ivar missing_scopes: the scopes that the token lacks.
    """

    def __init__(
        self, provider: Provider, reason: str = "no_token", missing_scopes: Iterable[str] = ()
    ) -> None:
        self.provider = provider
        self.reason = reason
        self.missing_scopes = tuple(missing_scopes)
        detail = f" ({' '.join(self.missing_scopes)})" if self.missing_scopes else ""
        super().__init__(f"{provider.name} needs the user's authorization: {reason}{detail}.")

    def __reduce__(self) -> tuple[Any, ...]:
        # A queue worker's result goes to another process, which has a provider of this name.
        return _required_again, (self.provider.name, self.reason, self.missing_scopes)


def _required_again(name: str, reason: str, scopes: tuple[str, ...]) -> AuthorizationRequired:
    from .providers import providers

    return AuthorizationRequired(providers[name], reason, scopes)


class ProviderNotConfigured(DanceError, KeyError):
    """No such name in ``DANCE_PROVIDERS``."""

    __str__ = Exception.__str__  # a KeyError would print the repr of its message


class UntrustedOrigin(DanceError, ValueError):
    """A call would have sent the token somewhere it does not belong."""


class FlowError(DanceError):
    """A dance was refused, by this site or by the provider.

    :ivar code: stable; the list is in the documentation, "Error codes".
    :ivar error: the provider's own code (RFC 6749 §4.1.2.1, §5.2), if it gave one.
    :ivar error_description: the provider's own words, if it gave any.
    :ivar error_uri: an ``https`` page of the provider's about it, if it named one.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        error: str | None = None,
        error_description: str | None = None,
        error_uri: str | None = None,
    ) -> None:
        self.code = code
        self.detail = detail
        self.error = error
        self.error_description = error_description
        self.error_uri = error_uri
        super().__init__(f"{code}: {detail}" if detail else code)


class ProviderError(DanceError):
    """The provider did not do its part. ``code`` is the flow's error code for it."""

    code = "provider_error"
    #: The provider's answer, a :class:`django_dance.http.ProtocolResponse`; ``None`` without one.
    response: Any = None
    #: Seconds that it asked to be left alone for (RFC 9110 §10.2.3), if it did.
    retry_after: int | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error: str | None = None,
        error_description: str | None = None,
        error_uri: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.error_description = error_description
        self.error_uri = error_uri


class ProviderUnavailable(ProviderError):
    """Unreachable, too slow, or busy (408, 429, 5xx, ``temporarily_unavailable``)."""

    code = "provider_unavailable"


class TokenRequestRefused(ProviderError):
    """The provider refused by an OAuth error (RFC 6749 §5.2); ``error`` holds its code."""

    code = "token_refused"


class InvalidResponse(ProviderError):
    """The provider's answer is not what the protocol says."""

    code = "token_response_invalid"


class StorageError(DanceError):
    """The token cannot be kept or found."""

    code = "storage_failed"


class OwnerRequired(StorageError, ValueError):
    """There is nobody to keep the token for."""

    code = "user_required"


class TokenTooLarge(StorageError):
    """There is no room for the token where it should be kept."""

    code = "token_too_large"


class SealBroken(DanceError):
    """A sealed value was not sealed by us, or not for this place."""
