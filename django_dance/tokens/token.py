"""Token: a dict that knows its expiry and its scopes and never prints its secrets."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ..conf import settings
from ..exceptions import InvalidResponse

logger = logging.getLogger("django_dance")

#: An expiry beyond this many seconds (ten years) is a provider's way to say "never".
MAX_LIFETIME = 10 * 365 * 24 * 3600
#: The longest token accepted, in characters.
MAX_TOKEN_LENGTH = 64 * 1024
#: The fields that must never be printed.
SECRETS = frozenset(
    {"access_token", "refresh_token", "id_token", "oauth_token", "oauth_token_secret"}
)

#: What we note of a refresh that failed: why, how many in a row, and when to try again.
FAILURE = ("last_error", "failures", "retry_at")
#: What we note of a token beside the provider's own fields: the ID token's claims; the scopes that
#: were asked for and not granted; when the dance was; whose it is, and what they are called.
OUR_OWN = (
    "id_claims",
    "declined_scope",
    "granted_at",
    "connected_account",
    "connected_as",
    *FAILURE,
)

#: The year 9999, which is as far as dates go.
_END_OF_TIME = 253_402_300_799

# RFC 6749 appendix A.12 and A.17 allow 1*VSCHAR; a space would break the Authorization header.
_VSCHAR = re.compile(r"[\x21-\x7e]+")


class Secret(str):
    """A string whose ``repr`` tells nothing: tracebacks and debug pages print reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Token(dict[str, Any]):
    """What a provider granted (RFC 6749 §5.1; OAuth 1: RFC 5849 §2.3).

    A plain dict in every respect but three: its secrets do not print, ``expires_in`` is counted
    from now, and it answers questions about itself. It is a value: change a copy.
    """

    #: Seconds the token was granted for, where the provider said so.
    lifetime: int | None

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields.stored if isinstance(fields, Token) else fields)
        for name, value in self.items():
            self[name] = secretive(value, name)
        self.lifetime = seconds(self.get("expires_in"))
        if self.expires_at is not None:
            self["expires_in"] = int(self.expires_at - time.time())

    @classmethod
    def granted(cls, fields: Mapping[str, Any]) -> Token:
        """A token of this moment: ``expires_in`` decides what ``expires_at`` is."""
        fields = dict(fields)
        lifetime = seconds(fields.get("expires_in"))
        if lifetime is not None:
            fields["expires_in"] = lifetime
            fields["expires_at"] = time.time() + lifetime
        else:
            if fields.pop("expires_in", None) is not None:
                logger.warning("The provider's expires_in is not a number of seconds; ignored.")
            moment = cls(fields).expires_at
            fields.pop("expires_at", None)
            if moment is not None:
                fields["expires_at"] = min(moment, time.time() + MAX_LIFETIME)
        return cls(fields)

    @property
    def stored(self) -> dict[str, Any]:
        """The fields to keep: as granted."""
        fields = dict(self)
        fields.pop("expires_in", None)
        if self.lifetime is not None:
            fields["expires_in"] = self.lifetime
        return fields

    @property
    def expires_at(self) -> float | None:
        """Seconds since the epoch, or ``None`` if the provider did not say."""
        value = self.get("expires_at")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value) if abs(value) < _END_OF_TIME else None

    def expires_within(self, leeway: float) -> bool:
        """Whether it ends within ``leeway`` seconds, or has ended."""
        return self.expires_at is not None and self.expires_at - time.time() <= leeway

    @property
    def expired(self) -> bool:
        return self.expires_within(0)

    @property
    def stale(self) -> bool:
        """Whether it is time to refresh it: ``DANCE_REFRESH_LEEWAY`` before its end, or a tenth
        of its life before, if that is shorter."""
        leeway = float(settings.refresh_leeway)
        return self.expires_within(
            leeway if self.lifetime is None else min(leeway, self.lifetime / 10)
        )

    @property
    def retry_at(self) -> float:
        """Before when it is not to be refreshed again, after a refresh that failed."""
        return self._number("retry_at")

    @property
    def failures(self) -> int:
        """How many refreshes have failed, one after the other."""
        return int(self._number("failures"))

    @property
    def granted_at(self) -> float:
        """When the dance was, in seconds since the epoch; 0 if that is not known."""
        return self._number("granted_at")

    def _number(self, name: str) -> float:
        """One of our own notes, which may have been written by anybody."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return 0.0
        return float(value) if 0 <= value <= _END_OF_TIME else 0.0

    def followed_by(self, fields: Mapping[str, Any]) -> Token:
        """What a provider granted in this token's place, for the same account.

        A refresh token or a scope that it leaves out stays (RFC 6749 §6).
        """
        kept = {
            name: self.stored[name]
            for name in ("refresh_token", "scope")
            if name in self and not fields.get(name)
        }
        return Token({**(fields.stored if isinstance(fields, Token) else fields), **kept})

    @property
    def scopes(self) -> frozenset[str] | None:
        """The scopes granted, or ``None`` if that is not known."""
        value = self.get("scope")
        return None if value is None else frozenset(scope_list(value))

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={'***' if k in SECRETS else '…'}" for k in self)
        return f"<Token {shown}>"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[Token], tuple[dict[str, Any]]]:
        return Token, (self.stored,)


def same_token(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    """Whether both are the token that one grant, or one refresh, has made."""
    return one is not None and all(
        one.get(name) == other.get(name) for name in ("access_token", "oauth_token")
    )


def secretive(value: Any, name: str = "", depth: int = 0) -> Any:
    """The value with each secret in it as a :class:`Secret`; some providers nest them.

    :raises ValueError: it is nested deeper than any answer needs.
    """
    if depth > 50:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {inner: secretive(field, inner, depth + 1) for inner, field in value.items()}
    if isinstance(value, list):
        return [secretive(field, name, depth + 1) for field in value]
    return Secret(value) if name in SECRETS and isinstance(value, str) else value


def seconds(value: object) -> int | None:
    """Seconds as providers send them (``3600``, ``"3600"``, ``3600.9``), else ``None``."""
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
    """Scopes in order, without repetition, from a list or a string by spaces or commas."""
    if value is None:
        return []
    if isinstance(value, str):
        value = re.split(r"[\s,]+", value)
    return list(dict.fromkeys(str(scope) for scope in value if scope))


def checked_token(fields: Mapping[str, Any], *names: str) -> None:
    """Refuse a token that could not be sent in a header.

    :raises InvalidResponse: one of the fields ``names`` is missing or no token.
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
    """A provider's words, fit for a log and a page: RFC 6749 §5.2 allows printable ASCII."""
    if not isinstance(value, str):
        return None
    return re.sub(r"[^\x20-\x7e]+", " ", value[:limit]).strip()


def drop_our_own(fields: dict[str, Any]) -> None:
    """Remove what only we may say of a token from a provider's answer."""
    for name in OUR_OWN:
        fields.pop(name, None)
