"""ResourceOwner: the user and the account that a token belongs to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http import HttpRequest

    from ..providers import Provider


class ResourceOwner:
    """The resource owner of a token (RFC 6749 §1.1).

    It is a frozen value. Storages, locks and signals take it as their argument.

    :ivar provider: the provider that the token is for.
    :ivar request: the current request, or ``None`` outside of a request.
    :ivar account: the account's id at the provider; ``""`` is the default account.
    """

    __slots__ = ("_user", "_user_id", "account", "provider", "request")

    provider: Provider
    request: HttpRequest | None
    account: str
    _user: AbstractBaseUser | None
    _user_id: Any

    def __init__(
        self,
        provider: Provider,
        request: HttpRequest | None = None,
        user: AbstractBaseUser | None = None,
        user_id: Any = None,
        account: str = "",
    ) -> None:
        check_user(user, user_id)
        for name, value in (
            ("provider", provider),
            ("request", request),
            ("_user", user),
            ("_user_id", user_id),
            ("account", account),
        ):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("A ResourceOwner is frozen; create another one.")

    @property
    def user(self) -> AbstractBaseUser | None:
        """The user; ``None`` for an anonymous visitor, or if only the primary key is known."""
        # request.user is lazy: the user is loaded from the database at the first use.
        user = self._user
        if user is None and self._user_id is None:
            user = getattr(self.request, "user", None)
        return user if user is not None and user.is_authenticated else None

    @property
    def user_id(self) -> Any:
        """The user's primary key; ``None`` for an anonymous visitor."""
        if self._user_id is not None:
            return self._user_id
        return None if self.user is None else self.user.pk

    @property
    def key(self) -> str | None:
        """A text that differs for each owner; ``None`` for a visitor without a session."""
        place = [self.place] if self.place else []
        if self.user_id is not None:
            parts = [self.provider.name, "user", str(self.user_id), self.account]
            return json.dumps([*parts, *place])
        session = getattr(self.request, "session", None)
        if session is None or session.session_key is None:
            return None
        parts = [self.provider.name, "session", session.session_key, self.account]
        return json.dumps([*parts, *place])

    @property
    def place(self) -> str:
        """The place of the provider; ``""`` for a provider with one server."""
        return self.provider.place

    def at(self, place: str) -> ResourceOwner:
        """Return the same owner at a place that is stored, or was checked, and without account."""
        provider = self.provider.variant(place)
        return ResourceOwner(provider, self.request, self._user, self._user_id)

    def for_account(self, account: str) -> ResourceOwner:
        """Return the same owner with another account."""
        return ResourceOwner(self.provider, self.request, self._user, self._user_id, account)

    def snapshot(self) -> ResourceOwner:
        """Return this owner with the current user, independent of a later login or logout."""
        from django.contrib.auth.models import AnonymousUser

        user_id = self.user_id
        user: Any = AnonymousUser() if user_id is None else self.user
        return ResourceOwner(self.provider, self.request, user, user_id, self.account)

    def __copy__(self) -> ResourceOwner:
        return self

    def __repr__(self) -> str:
        who = "anonymous" if self.user_id is None else f"user {self.user_id}"
        where = f"{self.provider.name} at {self.place}" if self.place else self.provider.name
        return f"<ResourceOwner {who} at {where}>"


def check_user(user: Any, user_id: Any = None) -> None:
    """Refuse a user name or a primary key in place of a user, and the reverse.

    :raises TypeError: the argument has the wrong kind.
    """
    # Not isinstance(), which would load a lazy user from the database.
    if issubclass(type(user), (str, bytes, int, UUID)):
        raise TypeError(
            f"The user is a {type(user).__name__}. Pass a user, such as request.user, or the "
            "primary key of the user: session(user_id=…)."
        )
    if hasattr(type(user_id), "is_authenticated"):
        raise TypeError("user_id is a user. Pass it as the user: session(user=…).")


def is_session_of(session: Any, user: Any) -> bool:
    """Whether a session of Django is that of a login of this user.

    The signal ``user_logged_in`` does not say so: some packages send it when an API gives a user a
    token, while the cookie of the request may name the session of another user.
    """
    from django.contrib.auth import SESSION_KEY

    return bool(session.get(SESSION_KEY) == user._meta.pk.value_to_string(user))
