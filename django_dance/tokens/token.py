"""Token: a dict that knows its expiry and its scopes, and never prints its secrets."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from ..conf import settings
from ..exceptions import InvalidResponse, failure_fields

logger = logging.getLogger("django_dance")

#: A longer lifetime, in seconds (ten years), means that the token does not expire.
MAX_LIFETIME = 10 * 365 * 24 * 3600
#: The longest accepted token, in characters.
MAX_TOKEN_LENGTH = 64 * 1024
#: The fields that are never printed.
SECRETS = frozenset(
    {"access_token", "refresh_token", "id_token", "oauth_token", "oauth_token_secret"}
)

#: Our fields about failed refreshes: the code and the provider's words of the last one, the number
#: of failures since the last success, the time of the next attempt, and the number of refusals of
#: the expired token whose words are not known, with the time of the first one.
REFRESH_FAILURE_FIELDS = (
    "last_error",
    "last_error_description",
    "failures",
    "retry_at",
    "refusals",
    "refused_since",
)
#: Our fields about refused calls: the verdict, its time, and the number of trials since.
VERDICT_FIELDS = ("verdict", "verdict_at", "trials")
#: Our own fields of a token, which a provider cannot set: the ID token's claims, the scopes that
#: were asked for and not granted, the times of the dance and of the last refresh, the account's id
#: and label, whether the provider has named the account to a call with this token, the
#: authentication that the link of the dance asked for, and the facts of the authorization server
#: that granted it.
INTERNAL_FIELDS = (
    "id_claims",
    "declined_scope",
    "granted_at",
    "refreshed_at",
    "connected_account",
    "connected_as",
    "account_accepted",
    "asked_authentication",
    "granted_by",
    *VERDICT_FIELDS,
    *REFRESH_FAILURE_FIELDS,
)

#: The end of the year 9999, the last year of Python's dates.
_END_OF_TIME = 253_402_300_799

# RFC 6749 appendix A.12 and A.17 allow 1*VSCHAR; a space would break the Authorization header.
_VSCHAR = re.compile(r"[\x21-\x7e]+")


class Secret(str):
    """A string with an empty ``repr``, because tracebacks and debug pages print reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Token(dict[str, Any]):
    """The token that a provider granted (RFC 6749 §5.1; OAuth 1: RFC 5849 §2.3).

    It differs from a plain dict in three ways: its secrets are not printed, ``expires_in`` counts
    from now, and it has properties. It is a value: change a copy of it.

    It cannot be pickled. ``json.dumps(token)`` writes its secrets, as it does for each dict.
    """

    #: The lifetime that the provider stated, in seconds; ``None`` if it stated none.
    lifetime: int | None

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields.fields_to_store if isinstance(fields, Token) else fields)
        for name, value in self.items():
            self[name] = wrap_secrets(value, name)
        self.lifetime = seconds(self.get("expires_in"))
        if self.expires_at is not None:
            self["expires_in"] = int(self.expires_at - time.time())

    @classmethod
    def granted(cls, fields: Mapping[str, Any]) -> Token:
        """Return a token that was granted now: ``expires_at`` is computed from ``expires_in``."""
        fields = dict(fields)
        lifetime = seconds(fields.get("expires_in"))
        if lifetime is not None:
            fields["expires_in"] = lifetime
            fields["expires_at"] = time.time() + lifetime
        else:
            if fields.pop("expires_in", None) is not None:
                logger.warning(
                    "The provider's expires_in is not a number of seconds; ignored.",
                    extra=failure_fields(code=InvalidResponse.code),
                )
            moment = cls(fields).expires_at
            fields.pop("expires_at", None)
            if moment is not None:
                fields["expires_at"] = min(moment, time.time() + MAX_LIFETIME)
        return cls(fields)

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Token | None:
        """Return a storage's result as a token. The storage of a site may return a plain dict."""
        return stored if stored is None or isinstance(stored, Token) else cls(stored)

    @property
    def fields_to_store(self) -> dict[str, Any]:
        """The fields with the ``expires_in`` that the provider stated."""
        fields = dict(self)
        fields.pop("expires_in", None)
        if self.lifetime is not None:
            fields["expires_in"] = self.lifetime
        return fields

    @property
    def expires_at(self) -> float | None:
        """The expiry in seconds since the epoch; ``None`` if the provider stated none."""
        value = self.get("expires_at")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value) if abs(value) < _END_OF_TIME else None

    def expires_within(self, leeway: float) -> bool:
        """Whether the token expires within ``leeway`` seconds, or has expired."""
        return self.expires_at is not None and self.expires_at - time.time() <= leeway

    @property
    def expired(self) -> bool:
        """Whether the token has expired."""
        return self.expires_within(0)

    @property
    def stale(self) -> bool:
        """Whether the token should be refreshed.

        That is the last ``DANCE_REFRESH_LEEWAY`` seconds of its lifetime, or the last tenth if
        that is shorter.
        """
        leeway = float(settings.refresh_leeway)
        return self.expires_within(
            leeway if self.lifetime is None else min(leeway, self.lifetime / 10)
        )

    @property
    def retry_at(self) -> float:
        """The time of the next refresh attempt, in seconds since the epoch; 0 without a failure."""
        return self._number("retry_at")

    @property
    def failures(self) -> int:
        """The number of failed refreshes since the last success."""
        return int(self._number("failures"))

    @property
    def refusals(self) -> int:
        """The number of refusals in :data:`REFRESH_FAILURE_FIELDS`."""
        # A process of an earlier version that refreshes the token resets the failures only.
        return int(self._number("refusals")) if self.failures else 0

    @property
    def refused_since(self) -> float:
        """The time of the first of these refusals, in seconds since the epoch."""
        return self._number("refused_since")

    @property
    def granted_at(self) -> float:
        """The time of the dance, in seconds since the epoch; 0 if it is not known."""
        return self._number("granted_at")

    @property
    def age(self) -> float:
        """Seconds since the dance or the last refresh, if their times are known."""
        return time.time() - max(self.granted_at, self._number("refreshed_at"))

    @property
    def verdict(self) -> str:
        """The verdict about refused calls; ``""`` if there is none."""
        value = self.get("verdict")
        return value if isinstance(value, str) else ""

    @property
    def verdict_age(self) -> float:
        """Seconds since the verdict; negative if its host has a fast clock."""
        return time.time() - self._number("verdict_at")

    @property
    def trials(self) -> int:
        """The number of times that the token was sent since it was judged as rejected."""
        return int(self._number("trials"))

    def _number(self, name: str) -> float:
        """A number in one of our fields. The site may have stored another value there."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return 0.0
        return float(value) if 0 <= value <= _END_OF_TIME else 0.0

    def successor(self, fields: Mapping[str, Any]) -> Token:
        """Return the token that replaces this one, for the same account.

        If ``fields`` has no refresh token or no scope, this token's is kept (RFC 6749 §6).

        :param fields: the provider's answer.
        """
        kept = {
            name: self.fields_to_store[name]
            for name in ("refresh_token", "scope")
            if name in self and not fields.get(name)
        }
        return Token({**(fields.fields_to_store if isinstance(fields, Token) else fields), **kept})

    @property
    def scopes(self) -> frozenset[str] | None:
        """The granted scopes; ``None`` if they are not known."""
        value = self.get("scope")
        return None if value is None else frozenset(scope_list(value))

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={'***' if k in SECRETS else '…'}" for k in self)
        return f"<Token {shown}>"

    __str__ = __repr__

    def __copy__(self) -> Token:
        return Token(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Token:
        return Token(deepcopy(self.fields_to_store, memo))

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError(
            "A token cannot be pickled, because a queue or a cache would hold its secrets. Pass "
            "the primary key of the user, and get the token there: "
            "providers[name].session(user_id=…).token."
        )


def same_token(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    """Whether both have the same access token, so that they come from the same grant or refresh."""
    return one is not None and all(
        one.get(name) == other.get(name) for name in ("access_token", "oauth_token")
    )


def wrap_secrets(value: Any, name: str = "", depth: int = 0) -> Any:
    """Return the value with each secret as a :class:`Secret`, also in nested objects.

    :raises ValueError: the value is nested deeper than 50 levels.
    """
    if depth > 50:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {inner: wrap_secrets(field, inner, depth + 1) for inner, field in value.items()}
    if isinstance(value, list):
        return [wrap_secrets(field, name, depth + 1) for field in value]
    return Secret(value) if name in SECRETS and isinstance(value, str) else value


def without_secrets(value: Any) -> Any:
    """Return a copy of the value without the fields that are never printed, also nested ones."""
    if isinstance(value, dict):
        return {name: without_secrets(v) for name, v in value.items() if name not in SECRETS}
    return list(map(without_secrets, value)) if isinstance(value, list) else value


def seconds(value: object) -> int | None:
    """Return a provider's number of seconds (``3600``, ``"3600"``, ``3600.9``), else ``None``."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if math.isnan(number) or math.isinf(number):
        return None
    return int(max(-MAX_LIFETIME, min(number, MAX_LIFETIME)))


def scope_list(value: str | Iterable[str] | None) -> list[str]:
    """Return the scopes in order, each once, from a list or a text with spaces or commas."""
    if value is None:
        return []
    if isinstance(value, str):
        value = re.split(r"[\s,]+", value)
    return list(dict.fromkeys(str(scope) for scope in value if scope))


def without_empty(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an object that have a value.

    Providers write an optional member that has no value as ``null`` or ``""``, or leave it out.
    """
    return {name: value for name, value in members.items() if value is not None and value != ""}


def check_token_fields(fields: Mapping[str, Any], *names: str) -> None:
    """Refuse a token that cannot be sent in an ``Authorization`` header.

    :param names: the fields to check.
    :raises InvalidResponse: a field is missing, or is not a token (RFC 6749 appendix A.12).
    """
    for name in names:
        value = fields.get(name)
        if not isinstance(value, str) or not value:
            raise InvalidResponse(f"The provider's answer has no usable {name}.")
        if len(value) > MAX_TOKEN_LENGTH or not _VSCHAR.fullmatch(value):
            raise InvalidResponse(
                f"The provider's {name} has characters that no token may have, or too many."
            )


def clean_text(value: object, limit: int = 300) -> str | None:
    """Return a provider's text for a log or a page: printable ASCII only (RFC 6749 §5.2)."""
    if not isinstance(value, str):
        return None
    return re.sub(r"[^\x20-\x7e]+", " ", value[:limit]).strip()


def clean_words(value: object, limit: int = 300) -> str | None:
    """Return a provider's sentence for a log or a page, in any language, on one line.

    Control characters, invisible characters and characters that change the direction of a text
    are replaced by spaces. A page must escape the result.
    """
    if not isinstance(value, str):
        return None
    shown = "".join(c if c.isprintable() else " " for c in value[: 4 * limit])
    return " ".join(shown.split())[:limit]


def strip_internal_fields(fields: dict[str, Any]) -> None:
    """Remove our own fields from a provider's answer, because only we may set them."""
    for name in INTERNAL_FIELDS:
        fields.pop(name, None)
