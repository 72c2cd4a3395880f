"""Flow: an unfinished dance, as a value."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings

from ..exceptions import SealBroken
from ..tokens import Secret, seal, unseal
from .additions import NO_ADDITIONS, Additions

if TYPE_CHECKING:
    from django.http import HttpRequest


@dataclass(frozen=True, kw_only=True)
class Flow:
    """An unfinished dance.

    It holds the provider, the user who began it, the time, its additions to the configuration, and
    the page to return to. State, PKCE verifier and nonce are derived from one secret.
    """

    #: The provider's name in ``DANCE_PROVIDERS``.
    provider: str
    secret: str
    #: Seconds since the epoch.
    began: int
    #: The user's primary key; ``""`` for an anonymous visitor with a session, ``None`` without.
    user: str | None
    next: str
    #: All scopes that it asks for. The cookie stores those of the additions only.
    scope: tuple[str, ...] = ()
    additions: Additions = NO_ADDITIONS
    #: A digest of the requested scopes and of the provider's configuration when the flow began;
    #: ``None`` in the cookie of an earlier release, which stores all scopes.
    configuration: str | None = ""
    #: Whether one of these has changed since then. Then the requested scopes are not known.
    configuration_changed: bool = False
    #: OAuth 1: the temporary credentials (RFC 5849 §2.1).
    request_token: str = ""
    request_token_secret: str = ""
    #: OpenID Connect: a digest of the endpoints that the metadata named when the flow began.
    pin: str = ""
    #: The facts of the authorization server, if they were discovered when the flow began.
    server: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        request: HttpRequest,
        provider: str,
        next: str,
        scope: Iterable[str] = (),
        additions: Additions = NO_ADDITIONS,
        configuration: str = "",
        server: Mapping[str, str] | None = None,
    ) -> Flow:
        """Return a new flow of the current user.

        :param provider: the provider's name.
        :param next: the path of this site where the dance ends.
        :param scope: the scopes to ask for.
        :param configuration: a digest of these scopes and of the configuration.
        :param server: the facts of the authorization server, if they were discovered.
        """
        return cls(
            provider=provider,
            secret=Secret(base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=").decode()),
            began=int(time.time()),
            user=user_key(request) or ("" if has_session_cookie(request) else None),
            next=next,
            scope=tuple(scope),
            additions=additions,
            configuration=configuration,
            server=dict(server or {}),
        )

    def with_configuration(self, scope: Iterable[str], configuration: str) -> Flow:
        """Return the flow with all of its scopes, which the cookie does not store.

        :param scope: the scopes that the same flow would ask for now.
        :param configuration: a digest of these scopes and of the present configuration.
        """
        if self.configuration is None:
            return self
        return replace(
            self,
            scope=tuple(scope),
            configuration_changed=configuration != self.configuration,
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
            self.configuration,
            self.additions.to_json(),
        ]
        if self.request_token or self.pin or self.server:
            fields += [self.request_token, self.request_token_secret, self.pin]
        if self.server:
            fields.append(dict(self.server))
        plain = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
        return seal(plain.encode(), purpose="flow", identity=digest)

    @classmethod
    def unseal(cls, sealed: str, digest: str) -> Flow:
        """Return the flow that :meth:`seal` sealed.

        :raises SealBroken: it has another format, or was sealed with other keys or another digest.
        """
        fields = json.loads(unseal(sealed, purpose="flow", identity=digest))
        configuration: str | None
        match fields:
            case [
                str(provider),
                str(secret),
                int(began),
                str() | None as user,
                str(next_url),
                str(configuration),
                dict(stated),
                *rest,
            ]:
                scope = ""
            # The format of an earlier release, with all scopes.
            case [
                str(provider),
                str(secret),
                int(began),
                str() | None as user,
                str(next_url),
                str(scope),
                *rest,
            ]:
                configuration, stated = None, {}
            case _:
                raise SealBroken("The sealed flow has another format.")
        server = rest.pop() if rest and isinstance(rest[-1], dict) else {}
        if len(rest) not in (0, 3) or not all(isinstance(r, str) for r in rest):
            raise SealBroken("The sealed flow has another format.")
        token, token_secret, pin = rest or ("", "", "")
        additions = Additions.from_json(stated)
        return cls(
            provider=provider,
            secret=Secret(secret),
            began=began,
            user=user,
            next=next_url,
            scope=additions.scope or tuple(scope.split()),
            additions=additions,
            configuration=configuration,
            request_token=Secret(token),
            request_token_secret=Secret(token_secret),
            pin=pin,
            server={str(name): str(value) for name, value in server.items()},
        )


def user_key(request: HttpRequest) -> str | None:
    """The primary key of the logged-in user as text; ``None`` for an anonymous visitor."""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None


def has_session_cookie(request: HttpRequest) -> bool:
    """Whether the browser has sent a session cookie."""
    return django_settings.SESSION_COOKIE_NAME in request.COOKIES
