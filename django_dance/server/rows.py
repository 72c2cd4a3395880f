"""Reads the clients, codes and tokens of a site, which may lack the optional attributes.

The functions that a site registers return objects of its own: rows of any model, or no rows at
all. ``docs/server.md`` lists the attributes that each must have, and those that it may have. The
protocols here declare the first kind. The classes read both kinds: no other module asks whether an
attribute exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import constant_time_compare
from django.utils.timezone import get_default_timezone, make_aware

from .redirects import redirect_uri_error

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

#: The default of ``allowed_grant_types``.
_GRANT_TYPES = ("authorization_code", "refresh_token")


class Client(Protocol):
    """A client of a site: an application."""

    client_id: str


class Grant(Protocol):
    """An authorization code."""

    user: Any
    scopes: Iterable[str]
    redirect_uri: str

    def delete(self) -> object: ...


class Token(Protocol):
    """An access token, with or without a refresh token."""

    client_id: str
    user: Any
    scopes: Iterable[str]

    def delete(self) -> object: ...


def is_active(row: Any) -> bool:
    """Whether a user or client exists and is not deactivated."""
    return row is not None and bool(getattr(row, "is_active", True))


class ClientRow:
    """A client, with the defaults of its optional attributes."""

    def __init__(self, client: Client) -> None:
        self._client: Any = client

    @property
    def is_confidential(self) -> bool:
        """RFC 6749 §2.1. A client without a type is confidential."""
        if hasattr(self._client, "is_confidential"):
            return bool(self._client.is_confidential)
        return bool(getattr(self._client, "client_type", "confidential") != "public")

    @property
    def name(self) -> str:
        """The name for a page. A character such as a right-to-left override is replaced: it would
        change the text around the name."""
        name = str(getattr(self._client, "name", "") or self._client.client_id)
        return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)

    @property
    def has_fast_secret(self) -> bool:
        """Whether the secret is compared without a password hasher."""
        if hasattr(self._client, "check_client_secret"):
            return bool(getattr(self._client, "has_fast_secret", False))
        return True

    @property
    def is_trusted(self) -> bool:
        """Whether the client belongs to the site itself, so that users are not asked."""
        return bool(getattr(self._client, "is_trusted", False))

    @property
    def registration(self) -> str:
        """``""`` if the site has registered the client; see ``AbstractClient.registration``."""
        return str(getattr(self._client, "registration", ""))

    def has_secret(self, secret: str) -> bool:
        """Whether this is the client's secret."""
        if hasattr(self._client, "check_client_secret"):
            return bool(self._client.check_client_secret(secret))
        expected = self._client.client_secret
        return bool(expected) and constant_time_compare(expected, secret)

    def has_redirect_uri(self, uri: str) -> bool:
        """Whether a code may be sent to this URI."""
        if redirect_uri_error(uri):
            return False
        registered = self._list("redirect_uris")  # a string is an error in any case
        if hasattr(self._client, "validate_redirect_uri"):
            return bool(self._client.validate_redirect_uri(uri))
        # RFC 9700 §2.1: compared as strings.
        return uri in registered

    @property
    def redirect_uris(self) -> list[str]:
        return list(self._list("redirect_uris"))

    @property
    def default_redirect_uri(self) -> str | None:
        """The only redirect URI (RFC 6749 §3.1.2.3); ``None`` if the client has several."""
        uris = self._list("redirect_uris", None)
        if uris is None:
            only: str | None = getattr(self._client, "default_redirect_uri", None)
        else:
            only = uris[0] if len(uris) == 1 else None
        return None if only is None or redirect_uri_error(only) else only

    @property
    def response_types(self) -> list[str]:
        return list(self._list("allowed_response_types", ("code",)))

    @property
    def grant_types(self) -> list[str]:
        return list(self._list("allowed_grant_types", _GRANT_TYPES))

    @property
    def default_scopes(self) -> list[str]:
        return list(self._list("default_scopes"))

    def may_request(self, scopes: list[str], known: Mapping[str, str]) -> bool:
        """Whether all scopes are known to the server and the client may request them.

        :param known: the scopes of the server; without any, the client's own are known.
        """
        if known and not set(scopes) <= known.keys():
            return False
        if hasattr(self._client, "validate_scopes"):
            return bool(self._client.validate_scopes(scopes))
        return set(scopes) <= set(self.default_scopes)

    def _list(self, name: str, default: Any = ()) -> Any:
        values = getattr(self._client, name, default)
        if isinstance(values, str):
            raise ImproperlyConfigured(
                f"The {name} of {type(self._client).__name__} is a string, so each part of it "
                "would be valid: it must be a list of strings. Split it."
            )
        return values


class CredentialRow:
    """A code or token, with the defaults of the attributes that both can have."""

    def __init__(self, row: Grant | Token) -> None:
        self._row: Any = row

    @property
    def family(self) -> str | None:
        """The name that a code and all tokens that were issued for it share."""
        return getattr(self._row, "family", None) or None

    @property
    def resources(self) -> list[str]:
        """The resources that it is for (RFC 8707)."""
        return list(getattr(self._row, "resources", None) or ())

    @property
    def granted_resources(self) -> list[str]:
        """The resources that the user granted, although a token may be for fewer."""
        return list(getattr(self._row, "granted_resources", None) or self.resources)

    @property
    def is_replayed(self) -> bool:
        """Whether it was used a second time before the tokens of the first use were stored."""
        return bool(getattr(self._row, "replayed", False))

    def time(self, name: str) -> datetime | None:
        """A time of the row, with a time zone, so that it can be compared.

        A time without a zone is UTC. In our own models it is local, as Django stores it if
        ``USE_TZ`` is off.
        """
        from .models import AbstractCredential

        found: datetime | None = getattr(self._row, name, None)
        if found is None or found.tzinfo is not None:
            return found
        ours = isinstance(self._row, AbstractCredential)
        return make_aware(found, get_default_timezone() if ours else UTC)

    def is_expired(self, name: str = "expires") -> bool:
        expires = self.time(name)
        return expires is not None and expires <= datetime.now(UTC)

    def use_up(self) -> bool:
        """Mark the row as used; whether this was the first use.

        A row without a method for it is deleted: the request that deletes it is the first.
        """
        for method in ("redeem", "spend"):
            if hasattr(self._row, method):
                return bool(getattr(self._row, method)())
        deleted = self._row.delete()
        # Django's delete() returns the number of rows. Any other result counts as success.
        return not isinstance(deleted, tuple) or bool(deleted[0])


class GrantRow(CredentialRow):
    """A code, with the defaults of its optional attributes."""

    def is_valid_for(self, client: Client) -> bool:
        """Whether the code can be redeemed by this client, or was before."""
        if not is_active(self._row.user):
            return False
        if hasattr(self._row, "in_force_for"):
            return bool(self._row.in_force_for(client))
        return not self.is_expired()

    @property
    def code_challenge(self) -> str | None:
        return getattr(self._row, "code_challenge", None) or None

    @property
    def code_challenge_method(self) -> str | None:
        return getattr(self._row, "code_challenge_method", None)

    def has_redirect_uri(self, uri: str, *, omitted: bool, default: str | None) -> bool:
        """Whether the token request has the redirect URI of the authorization request.

        :param omitted: the token request has no redirect URI, so ``uri`` is the default.
        :param default: the client's default redirect URI.
        """
        if hasattr(self._row, "validate_redirect_uri"):
            return bool(self._row.validate_redirect_uri(uri))
        if self._row.redirect_uri:
            # RFC 6749 §4.1.3: both requests must have it, and it must be the same.
            return not omitted and constant_time_compare(self._row.redirect_uri, uri)
        return omitted or uri == default


class TokenRow(CredentialRow):
    """A token, with the defaults of its optional attributes."""

    @property
    def granted_scopes(self) -> list[str]:
        """The scopes that the user granted, although a refresh may have asked for fewer."""
        return list(getattr(self._row, "granted_scopes", None) or self._row.scopes)

    @property
    def is_just_spent(self) -> bool:
        return bool(getattr(self._row, "just_spent", False))

    def use_again(self, seconds: int) -> bool:
        """Whether the client may repeat a refresh, within some seconds of the first use."""
        return hasattr(self._row, "use_again") and bool(self._row.use_again(seconds))

    def is_issued_by(self, server: AuthorizationServer) -> bool:
        return bool(getattr(self._row, "server", server.name) == server.name)

    @property
    def refresh_expires(self) -> datetime | None:
        """The time as the row has it, for the row of the next token."""
        found: datetime | None = getattr(self._row, "refresh_expires", None)
        return found

    def has_active_owners(self, client: Client | None) -> bool:
        """Whether the client, and the user if there is one, exist and are active.

        A token of a client that acts for itself has no user (RFC 6749 §4.4).
        """
        return is_active(client) and (self._row.user is None or is_active(self._row.user))

    def is_in_force_for(self, client: Client) -> bool:
        """Whether the token, the client and the user are unchanged since the token was issued.

        The time at which the token expires is not compared.
        """
        return not hasattr(self._row, "in_force_for") or bool(self._row.in_force_for(client))

    def is_refreshable_for(self, client: Client) -> bool:
        """Whether this client may use the refresh token, or has used it before."""
        if self._row.client_id != client.client_id or not is_active(self._row.user):
            return False
        if self.is_expired("refresh_expires"):
            return False
        return not hasattr(self._row, "refreshable_for") or bool(self._row.refreshable_for(client))
