"""Flow: an unfinished dance, as a value."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings

from ..exceptions import SealBroken
from ..tokens import Secret, seal, unseal

if TYPE_CHECKING:
    from django.http import HttpRequest


@dataclass(frozen=True, kw_only=True)
class Flow:
    """An unfinished dance.

    It holds the provider, the user who began it, the time, the scopes that were asked for, and the
    page to return to. State, PKCE verifier and nonce are derived from one secret.
    """

    #: The provider's name in ``DANCE_PROVIDERS``.
    provider: str
    secret: str
    #: Seconds since the epoch.
    began: int
    #: The user's primary key; ``""`` for an anonymous visitor with a session, ``None`` without.
    user: str | None
    next: str
    scope: tuple[str, ...] = ()
    #: OAuth 1: the temporary credentials (RFC 5849 §2.1).
    request_token: str = ""
    request_token_secret: str = ""
    #: OpenID Connect: a digest of the endpoints that the metadata named when the flow began.
    pin: str = ""

    @classmethod
    def begin(cls, request: HttpRequest, provider: str, next: str, scope: tuple[str, ...]) -> Flow:
        """Return a new flow of the current user.

        :param provider: the provider's name.
        :param next: the path of this site where the dance ends.
        :param scope: the scopes to ask for.
        """
        return cls(
            provider=provider,
            secret=Secret(base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()),
            began=int(time.time()),
            user=user_key(request) or ("" if has_session_cookie(request) else None),
            next=next,
            scope=scope,
        )

    def __repr__(self) -> str:
        return f"<Flow with {self.provider}>"

    def _derive(self, label: str) -> str:
        # The cookie stores one secret of 16 bytes instead of three longer strings.
        digest = hmac.digest(self.secret.encode(), label.encode(), "sha256")
        return Secret(base64.urlsafe_b64encode(digest).rstrip(b"=").decode())

    @property
    def state(self) -> str:
        """The state (RFC 6749 §10.12); for OAuth 1 the request token, which comes back."""
        return self.request_token or self._derive("state")

    @property
    def verifier(self) -> str:
        """The PKCE code verifier: 43 characters (RFC 7636 §4.1)."""
        return self._derive("verifier")

    @property
    def challenge(self) -> str:
        """The PKCE S256 code challenge (RFC 7636 §4.2)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @property
    def nonce(self) -> str:
        """The nonce of the ID token (OpenID Connect Core 3.1.2.1)."""
        return self._derive("nonce")

    @property
    def age(self) -> float:
        """Seconds since the flow began; negative if the host that began it has a fast clock."""
        return time.time() - self.began

    def seal(self, digest: str) -> str:
        """Return the sealed flow, bound to the digest of its state."""
        fields: list[Any] = [
            self.provider,
            self.secret,
            self.began,
            self.user,
            self.next,
            " ".join(self.scope),
        ]
        if self.request_token or self.pin:
            fields += [self.request_token, self.request_token_secret, self.pin]
        plain = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
        return seal(plain.encode(), purpose="flow", identity=digest)

    @classmethod
    def unseal(cls, sealed: str, digest: str) -> Flow:
        """Return the flow that :meth:`seal` sealed.

        :raises SealBroken: it was not sealed with our keys and this digest, or in another format.
        """
        fields = json.loads(unseal(sealed, purpose="flow", identity=digest))
        match fields:
            case [
                str(provider),
                str(secret),
                int(began),
                str() | None as user,
                str(next_url),
                str(scope),
                *rest,
            ] if len(rest) in (0, 3) and all(isinstance(r, str) for r in rest):
                token, token_secret, pin = rest or ("", "", "")
                return cls(
                    provider=provider,
                    secret=Secret(secret),
                    began=began,
                    user=user,
                    next=next_url,
                    scope=tuple(scope.split()),
                    request_token=Secret(token),
                    request_token_secret=Secret(token_secret),
                    pin=pin,
                )
        raise SealBroken("The sealed flow has another format.")


def user_key(request: HttpRequest) -> str | None:
    """The primary key of the logged-in user as text; ``None`` for an anonymous visitor."""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None


def has_session_cookie(request: HttpRequest) -> bool:
    """Whether the browser has sent a session cookie."""
    return django_settings.SESSION_COOKIE_NAME in request.COOKIES
