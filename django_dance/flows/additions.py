"""Additions: the part of a dance that its login link adds to the configuration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from django.core import signing
from django.db import DEFAULT_DB_ALIAS

from ..cache import cache_name
from ..tokens import scope_list

#: The parameter of a login link that contains its additions.
PARAMETER = "ask"
#: The age, in seconds, at which a login link with additions becomes invalid.
MAX_LINK_AGE = 24 * 3600
#: The longest additions, in bytes. With them and the longest ``next``, the headers of the answer
#: that begins a dance have less than 2 kB beside the provider's URL.
MAX_ADDITIONS = 512


@dataclass(frozen=True, kw_only=True)
class Additions:
    """The additions of one dance to the configuration: further scopes, an account, a prompt.

    A login link carries them as one signed value, so that a stranger cannot change them. The value
    is bound to the provider and to the user, and becomes invalid with age. The flow stores them.
    """

    scope: tuple[str, ...] = ()
    #: Whether the dance also asks for the scopes that were granted before.
    keep_granted: bool = False
    #: The id at the provider of the account that the dance is for.
    account: str = ""
    #: Parameters of the authorization request (OpenID Connect Core 3.1.2.1).
    prompt: str = ""
    login_hint: str = ""
    acr_values: str = ""
    max_age: int | None = None
    #: The place of the provider, in normal form: see :meth:`Provider.at`.
    place: str = ""

    @classmethod
    def of(
        cls,
        scope: str | Iterable[str] = (),
        account: str = "",
        prompt: str = "",
        login_hint: str = "",
        acr_values: str | Iterable[str] = "",
        max_age: int | None = None,
        place: str = "",
    ) -> Self:
        """Return the additions for these arguments of ``get_login_url()``.

        :raises ValueError: ``max_age`` is not a number of seconds.
        """
        if max_age is not None and (
            isinstance(max_age, bool) or not isinstance(max_age, int) or max_age < 0
        ):
            raise ValueError(f"max_age is {max_age!r}; it must be a whole number of seconds.")
        return cls(
            scope=tuple(scope_list(scope)),
            account=account,
            prompt=prompt,
            login_hint=login_hint,
            acr_values=acr_values if isinstance(acr_values, str) else " ".join(acr_values),
            max_age=max_age,
            place=place,
        )

    @property
    def fit(self) -> bool:
        """Whether they fit into the cookie of a flow."""
        text = json.dumps(self.to_json(), separators=(",", ":"), ensure_ascii=False)
        return len(text.encode()) <= MAX_ADDITIONS

    def __bool__(self) -> bool:
        return self != NO_ADDITIONS

    def request_params(self) -> dict[str, str]:
        """Return the parameters that they add to the authorization request."""
        params = {
            "prompt": self.prompt,
            "login_hint": self.login_hint,
            "acr_values": self.acr_values,
            "max_age": "" if self.max_age is None else str(self.max_age),
        }
        return {name: value for name, value in params.items() if value}

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are not empty, for JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        stated = {
            name: value for name, value in values.items() if value != getattr(NO_ADDITIONS, name)
        }
        if self.scope:
            stated["scope"] = " ".join(self.scope)
        return stated

    @classmethod
    def from_json(cls, stated: Mapping[str, Any]) -> Self:
        """Return the additions that :meth:`to_json` described.

        :raises ValueError: they have another format.
        """
        arguments = {name: value for name, value in stated.items() if name != "keep_granted"}
        texts = [value for name, value in arguments.items() if name != "max_age"]
        try:
            if all(isinstance(text, str) for text in texts):
                return replace(cls.of(**arguments), keep_granted="keep_granted" in stated)
        except (TypeError, ValueError):
            pass
        raise ValueError("The additions have another format.")

    def sign(self, provider: str, user: str) -> str:
        """Return the additions, signed, for a login link.

        :param provider: the provider's name.
        :param user: the user's primary key; ``""`` for an anonymous visitor.
        """
        return signing.dumps(self.to_json(), salt=_salt(provider, user))

    @classmethod
    def unsign(cls, provider: str, user: str, value: str) -> Self:
        """Return the additions that :meth:`sign` signed for the same provider and user.

        :raises django.core.signing.BadSignature: they were not, or more than a day ago.
        """
        return cls.from_json(signing.loads(value, salt=_salt(provider, user), max_age=MAX_LINK_AGE))


NO_ADDITIONS = Additions()


def _salt(provider: str, user: str) -> str:
    # A primary key identifies a user of one database and one tenant.
    return f"django_dance.login.{cache_name(DEFAULT_DB_ALIAS, provider, user)}"
