"""The exceptions of this package, as a tree.

::

    DanceError
    ├── AuthorizationRequired     the resource owner must authorize the site (again)
    ├── ProviderNotConfigured     DANCE_PROVIDERS does not have this name
    ├── UntrustedOrigin           the token must not be sent to this host
    ├── FlowError                 a dance was refused; ``code`` names the reason
    ├── ProviderError             a call to the provider failed
    │   ├── ProviderUnavailable       the provider cannot answer now
    │   ├── TokenRequestRefused       the provider answered with an OAuth error
    │   ├── AddressRefused            an address that others chose must not be called
    │   ├── PlaceError                a place cannot be used; ``code`` names the reason
    │   └── InvalidResponse           the answer does not follow the protocol
    ├── StorageError              the token cannot be stored or loaded
    │   ├── OwnerRequired             there is no user to store the token for
    │   └── TokenTooLarge             the token does not fit into the cookie of the session
    └── SealBroken                a sealed value cannot be unsealed

A mistake in the settings is Django's own ``ImproperlyConfigured``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from django.core.exceptions import BadRequest

if TYPE_CHECKING:
    from django.http import HttpRequest

    from .providers import Provider
    from .tokens import ResourceOwner

__all__ = [
    "AddressRefused",
    "AuthorizationRequired",
    "DanceError",
    "FlowError",
    "InvalidResponse",
    "OwnerRequired",
    "PlaceError",
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
    """The base class of all exceptions of this package.

    Pickle leaves the provider's answer out, because it may have secrets.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            type(self),
            self.args,
            {name: value for name, value in self.__dict__.items() if name != "response"},
        )


def failure_fields(
    error: BaseException | None = None, *, provider: str = "", code: str = ""
) -> dict[str, Any]:
    """Return the fields of a log line about a failure, for its ``extra``.

    :param error: the failure, if it is an exception. It has the status and the provider's words.
    :param provider: the name of the provider; ``""`` if the failure concerns no single one.
    :param code: the error code; default: the code of the error.
    """
    return {
        "code": code or getattr(error, "code", ""),
        "provider": provider or getattr(error, "provider_name", ""),
        **{name: getattr(error, name, None) for name in ("status", "error", "error_description")},
    }


class AuthorizationRequired(DanceError):
    """The resource owner must authorize the site (again).

    If a view does not catch it, ``OAuthMiddleware`` answers with the way to the login.

    :ivar provider: the provider of the dance.
    :ivar reason: ``"no_token"``, ``"expired"``, ``"revoked"``, ``"rejected"`` (the token is kept,
        and the API and the account's address refuse it), ``"step_up"`` (the API wants a
        stronger or newer login: ``acr_values`` and ``max_age``), ``"missing_scopes"``,
        ``"user_inactive"`` (the user has been deactivated), ``"unreadable"`` (no configured key
        opens the token), ``"issuer_changed"`` (the place names another authorization server),
        ``"declined_scopes"`` (the last dance asked for the scopes, and they were not granted),
        ``"refused"`` (for a day, the provider has refused to refresh the expired token, in words
        that are not known) or ``"revoked_at_once"`` (the grant was over within a minute
        after the dance).
    :ivar missing_scopes: the scopes that the token lacks; without a usable token, those that are
        needed besides the configured ones.
    :ivar owner: the resource owner whose token was needed, if it is known.
    :ivar account: the id of the account that the call was for; ``""`` for the default account.
    :ivar place: the place of the provider; ``""`` for a provider with one server.
    :ivar acr_values: the authentication context classes that the new dance must ask for; ``""`` for
        none.
    :ivar max_age: the seconds that may have passed since the login at the provider, or ``None``.
    """

    def __init__(
        self,
        provider: Provider,
        reason: str = "no_token",
        missing_scopes: Iterable[str] = (),
        *,
        owner: ResourceOwner | None = None,
        acr_values: str = "",
        max_age: int | None = None,
    ) -> None:
        self.provider = provider
        self.reason = reason
        self.missing_scopes = tuple(missing_scopes)
        self.owner = owner
        self.account = "" if owner is None else owner.account
        self.place = provider.place
        self.acr_values = acr_values
        self.max_age = max_age
        detail = f" ({' '.join(self.missing_scopes)})" if self.missing_scopes else ""
        name = f"{provider.name} at {self.place}" if self.place else provider.name
        message = f"{name} needs the user's authorization: {reason}{detail}."
        if owner is not None and owner.request is None and owner.user_id is None:
            message += (
                " The session has no user who is stored: pass one, "
                f"providers[{provider.name!r}].session(user=user)."
            )
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        # The process that unpickles it, such as a queue worker, has a provider of this name.
        return _unpickle_authorization_required, (
            self.provider.name,
            self.reason,
            self.missing_scopes,
            # A queue must not get the request.
            None if self.owner is None else (self.owner.user_id, self.account),
            self.acr_values,
            self.max_age,
            self.place,
        )

    @property
    def login_url(self) -> str:
        """The path of the login view, with the scopes, the account and the rest that are needed.

        The link is for the owner only.
        """
        return self.get_login_url()

    def get_login_url(self, next: str | None = None, request: HttpRequest | None = None) -> str:
        """Return :attr:`login_url` with the path where the dance ends.

        :param request: makes a link for the visitor of this request instead of the owner.
        """
        session = self.provider.session(request, account=self.account)
        return self.provider.get_login_url(
            session.owner if self.owner is None or request is not None else self.owner,
            next,
            scope=self.missing_scopes,
            acr_values=self.acr_values,
            max_age=self.max_age,
        )


def _unpickle_authorization_required(
    name: str,
    reason: str,
    scopes: tuple[str, ...],
    owned_by: tuple[Any, str] | None = None,
    acr_values: str = "",
    max_age: int | None = None,
    place: str = "",
) -> AuthorizationRequired:
    from .providers import providers

    provider, owner = providers[name].variant(place), None
    if owned_by is not None:
        user_id, account = owned_by
        named = {} if user_id is None else {"user_id": user_id}
        owner = provider.session(account=account, **named).owner
    return AuthorizationRequired(
        provider, reason, scopes, owner=owner, acr_values=acr_values, max_age=max_age
    )


class ProviderNotConfigured(DanceError, KeyError):
    """``DANCE_PROVIDERS`` does not have this name."""

    __str__ = Exception.__str__  # a KeyError would print the repr of its message


class UntrustedOrigin(DanceError, ValueError):
    """A call was refused, because it would send the token to an origin that is not trusted."""


class FlowError(DanceError):
    """A dance was refused, by this site or by the provider.

    :ivar code: the reason. Codes do not change; the documentation lists them in "Error codes".
    :ivar error: the provider's error code (RFC 6749 §4.1.2.1, §5.2), or ``None``.
    :ivar error_description: the provider's description, or ``None``.
    :ivar error_uri: an ``https`` page of the provider about the error, or ``None``.
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
    """A call to the provider failed. ``code`` is the error code of a flow that it ends."""

    code = "provider_error"
    #: The provider's answer, a :class:`django_dance.http.ProtocolResponse`; ``None`` without one.
    response: Any = None
    #: The name of the provider whose token could not be refreshed.
    provider_name: str = ""
    #: The meaning of a refusal: ``"cancelled"``, ``"pending"``, ``"slow_down"``, ``"busy"``,
    #: ``"dead"``, ``"client"`` (the provider does not accept this site's credentials) or
    #: ``"unknown"``; ``""`` if the token endpoint did not refuse.
    refusal: str = ""
    #: The seconds until the provider can be asked again, from the answer's Retry-After (RFC 9110
    #: §10.2.3) or from the pause after a failed refresh; ``None`` if they are not known.
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

    @classmethod
    def for_answer(cls, message: str, answer: Any) -> Self:
        """Return the error for an answer, with the words of the provider.

        :param answer: a :class:`django_dance.http.ProtocolResponse`.
        """
        words = answer.words()
        return cls(
            f"{message} {words}" if words else message,
            status=answer.status,
            error_description=words or None,
        )


class ProviderUnavailable(ProviderError):
    """The provider cannot be reached, is too slow, or is busy.

    It is busy if it answers 408, 429, 5xx or the error ``temporarily_unavailable``.
    """

    code = "provider_unavailable"


class TokenRequestRefused(ProviderError):
    """The provider answered with an OAuth error (RFC 6749 §5.2); ``error`` is its code."""

    code = "token_refused"


class AddressRefused(ProviderError):
    """An address that a user, a client or an answer names must not be called."""

    code = "address_refused"


class PlaceError(ProviderError, BadRequest):
    """A place, one host of many of a provider, cannot be used.

    A visitor may have typed it: Django answers 400 if a view does not catch the exception.

    :ivar code: the reason. Codes do not change; the documentation lists them in "Error codes".
    """

    code = "place_metadata"

    def __init__(self, message: str, code: str = "", **words: Any) -> None:
        """
        :param words: the words of the provider, as :class:`ProviderError` takes them.
        """
        super().__init__(message, **words)
        self.code = code or type(self).code


class InvalidResponse(ProviderError):
    """The provider's answer does not follow the protocol."""

    code = "token_response_invalid"


class StorageError(DanceError):
    """The token cannot be stored or loaded."""

    code = "storage_failed"


class OwnerRequired(StorageError, ValueError):
    """There is no user to store the token for."""

    code = "user_required"


class TokenTooLarge(StorageError):
    """The token does not fit into the cookie of the session."""

    code = "token_too_large"


class SealBroken(DanceError):
    """A sealed value cannot be unsealed: it was altered, moved, or sealed with another key."""
