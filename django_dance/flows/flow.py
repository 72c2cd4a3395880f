"""Flow: a dance begun and not ended, kept in the browser that began it.

One sealed cookie per flow, named after a digest of its ``state``. Ten tabs can dance at once, a
login page writes nothing to a database or a session, and a callback that arrives in another
browser finds nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.core.cache import caches
from django.db import DEFAULT_DB_ALIAS
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme

from ..cache import cache_name
from ..conf import settings
from ..exceptions import FlowError, SealBroken
from ..tokens import Secret, seal, unseal

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

logger = logging.getLogger("django_dance")

#: Flows one browser may have pending, by number and by the bytes it sends back with each request;
#: the oldest go. Servers commonly refuse a Cookie header of 8 kB.
MAX_FLOWS = 12
MAX_BYTES = 5_000
#: The longest ``next``; a longer one is refused, which is better than a wrong page.
MAX_NEXT = 512
#: The longest ``state`` that is looked at. Ours have 43 characters, an OAuth 1 token may have more.
MAX_STATE = 512

_PREFIX = "dance_"
_DIGEST = re.compile(r"[0-9a-f]{24}")
_HOST_PREFIX = "__Host-"


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A dance begun: who with, who by, when, what for and where to afterwards."""

    provider: str
    secret: str
    began: int
    #: The user's primary key; ``""`` for an anonymous visitor with a session, ``None`` without.
    user: str | None
    next: str
    scope: tuple[str, ...] = ()
    #: OAuth 1: the temporary credentials (RFC 5849 §2.1).
    request_token: str = ""
    request_token_secret: str = ""
    #: OpenID Connect: a digest of the endpoints that were published when it began.
    pin: str = ""

    @classmethod
    def begin(cls, request: HttpRequest, provider: str, next: str, scope: tuple[str, ...]) -> Flow:
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

    def _derived(self, label: str) -> str:
        # One random secret says more in 16 bytes than three strings that the browser sends back.
        digest = hmac.digest(self.secret.encode(), label.encode(), "sha256")
        return Secret(base64.urlsafe_b64encode(digest).rstrip(b"=").decode())

    @property
    def state(self) -> str:
        """RFC 6749 §10.12; for OAuth 1 the request token, which comes back in its place."""
        return self.request_token or self._derived("state")

    @property
    def verifier(self) -> str:
        """The PKCE code verifier: 43 characters (RFC 7636 §4.1)."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        """The PKCE S256 code challenge (RFC 7636 §4.2)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    @property
    def age(self) -> float:
        """Seconds since it began; negative if it was sealed by a clock that is ahead."""
        return time.time() - self.began

    def sealed(self, digest: str) -> str:
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
    def opened(cls, sealed: str, digest: str) -> Flow:
        """:raises SealBroken: it was not sealed by us under this name, or by an older version."""
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
        raise SealBroken("This flow has another shape.")


def user_key(request: HttpRequest) -> str | None:
    """Who is logged in, for comparison; ``None`` for an anonymous visitor."""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None


def has_session_cookie(request: HttpRequest) -> bool:
    return django_settings.SESSION_COOKIE_NAME in request.COOKIES


def safe_next(request: HttpRequest, url: str | None) -> str | None:
    """``url`` as a path on this host, or ``None`` if it is not one.

    Stricter than what browsers forgive: no control characters, no backslashes, no second slash.
    """
    if (
        not url
        or len(url.encode("utf-8", "replace")) > MAX_NEXT
        or "\\" in url
        or any(ord(c) <= 32 or ord(c) == 127 for c in url)
    ):
        return None
    if not url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return None
    if not url.startswith("/"):
        # An absolute address of this site: only its path matters, so only its path is kept.
        scheme, separator, rest = url.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            return None
        url = "/" + rest.partition("/")[2]
    return None if url.startswith("//") else url


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()[:24]


def _cookie_name(request: HttpRequest, digest: str) -> str:
    # __Host- (RFC 6265bis §4.1.3): no subdomain and no http page can plant such a cookie.
    return f"{_HOST_PREFIX if request.is_secure() else ''}{_PREFIX}{digest}"


def _pending(request: HttpRequest) -> list[tuple[int, str, int]]:
    """This browser's flows, oldest first: when begun, the cookie's name, its bytes."""
    start = _cookie_name(request, "")
    found = []
    for name, value in request.COOKIES.items():
        if name.startswith(start) and _DIGEST.fullmatch(name.removeprefix(start)):
            try:
                began = Flow.opened(value, name.removeprefix(start)).began
            except (SealBroken, ValueError):
                began = 0
            found.append((began, name, len(name) + len(value) + 3))
    return sorted(found)


def remember(flow: Flow, request: HttpRequest, response: HttpResponseBase) -> None:
    """Keep the flow in the browser, and the oldest others out where there is no room."""
    digest = _digest(flow.state)
    name, value = _cookie_name(request, digest), flow.sealed(digest)
    pending = _pending(request)
    while pending and (
        len(pending) >= MAX_FLOWS
        or len(name) + len(value) + sum(size for _, _, size in pending) > MAX_BYTES
    ):
        response.delete_cookie(pending.pop(0)[1])
    response.set_cookie(
        name,
        value,
        max_age=int(settings.flow_age),
        path="/",
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )


def forget(flow: Flow, request: HttpRequest, response: HttpResponseBase) -> None:
    response.delete_cookie(_cookie_name(request, _digest(flow.state)), samesite="Lax")


def find(request: HttpRequest, state: str) -> Flow:
    """The flow that this browser began with this ``state``.

    :raises FlowError: ``state_missing``, ``state_invalid`` or ``flow_unknown``.
    """
    if not state:
        raise FlowError("state_missing", "the callback names no state")
    if len(state) > MAX_STATE or not state.isascii():
        raise FlowError("state_invalid", "the callback's state is none of ours")
    digest = _digest(state)
    sealed = request.COOKIES.get(_cookie_name(request, digest))
    if sealed is None:
        raise FlowError("flow_unknown", "this browser began no such flow, or ended it already")
    try:
        flow = Flow.opened(sealed, digest)
    except (SealBroken, ValueError):
        raise FlowError("flow_unknown", "the flow's cookie is not one of ours") from None
    if not constant_time_compare(flow.state, state):
        raise FlowError("flow_unknown", "the flow's cookie is not one of ours")
    return flow


def spend(flow: Flow) -> None:
    """Use the flow up, before anything is asked of the provider.

    :raises FlowError: ``flow_spent``; it was used before.
    """
    cache = caches[settings.cache or "default"]
    name = cache_name(DEFAULT_DB_ALIAS, flow.provider, flow.user, flow.state)
    key = f"django_dance:spent:{name}"
    try:
        # A cache that is down may answer "not added" instead of raising; then nothing is there.
        spent = not cache.add(key, 1, int(settings.flow_age) + 60) and cache.get(key) is not None
    except Exception:  # noqa: BLE001  whatever the backend's library raises
        # The cookie is deleted and the provider takes a code once; a cache that is down
        # must not keep everybody out.
        logger.warning("the cache is down: a callback cannot be told from a replay of it")
        spent = False
    if spent:
        raise FlowError("flow_spent", "this callback was answered already")
