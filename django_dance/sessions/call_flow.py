"""How a session calls: where its token may go, and how it gets there."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

import requests
from asgiref.sync import sync_to_async
from requests.cookies import RequestsCookieJar
from requests.hooks import default_hooks
from requests.models import DEFAULT_REDIRECT_LIMIT
from requests.structures import CaseInsensitiveDict
from requests.utils import default_headers

from ..conf import settings
from ..exceptions import DanceError, UntrustedOrigin
from ..http import Origin, drop_frames, get_shared_adapter, is_secure, origin
from ..tokens import Token

if TYPE_CHECKING:
    from ..providers import Provider

#: RFC 9110 §9.2.2: sent twice, they do what they do once.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
#: What ``requests.Session.request`` takes by position too, after the URL.
_POSITIONAL = (
    "params",
    "data",
    "headers",
    "cookies",
    "files",
    "auth",
    "timeout",
    "allow_redirects",
    "proxies",
    "hooks",
    "stream",
    "verify",
    "cert",
    "json",
)


class SharingSession(requests.Session):
    """What ``requests.Session.__init__`` sets, but for the two adapters it makes each time.

    They would be thrown away unused, and cost more than all else of it. A base after
    ``requests_oauthlib``'s session takes the place of ``requests.Session`` for it.
    """

    def __init__(self) -> None:
        self.headers = default_headers()  # type: ignore[assignment]
        self.auth = None
        self.proxies = {}
        self.hooks = default_hooks()
        self.params = {}
        self.stream = False
        self.verify = True
        self.cert = None
        self.max_redirects = DEFAULT_REDIRECT_LIMIT
        self.trust_env = True
        self.cookies = RequestsCookieJar()
        adapter = get_shared_adapter()
        self.adapters = OrderedDict({"https://": adapter, "http://": adapter})


class Signer:
    """Puts a token on a request, and remembers on the request that it did.

    An object, because a closure's variables would print.
    """

    def __init__(
        self,
        token: Token,
        sign: Callable[[requests.PreparedRequest], requests.PreparedRequest],
        check: Callable[[str], None],
    ) -> None:
        self.token, self._sign, self._check = token, sign, check

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # What was asked for has been checked; this is what will be sent.
        self._check(request.url or "")
        request = self._sign(request)
        request.dance_signer = self  # type: ignore[attr-defined]
        return request


class CallingSession(requests.Session):
    """Calls relative to a base URL, with a token that goes home only."""

    provider: Provider

    @property
    def base_url(self) -> str | None:
        """Where relative URLs are joined."""
        return self.provider.base_url

    def request(  # type: ignore[override]
        self, method: str, url: str, *args: Any, withhold_token: bool = False, **kwargs: Any
    ) -> requests.Response:
        """``requests.Session.request``, with the owner's token.

        :param url: relative to ``base_url``, with or without a leading slash; or absolute, on a
            trusted origin.
        :param withhold_token: call without the token; then any origin is allowed.
        :raises AuthorizationRequired: there is no usable token.
        :raises UntrustedOrigin: the token does not belong at ``url``.
        :raises requests.RequestException: as ``requests`` does. The default ``timeout`` is
            ``DANCE_TIMEOUT`` seconds to connect, and between two bytes.
        """
        url, kwargs = self._prepare_call(method, url, args, kwargs, withhold_token)
        if withhold_token:
            return self._send(method, url, kwargs)
        signer = self._signer(self.ready_token())
        response = self._send(method, url, kwargs, signer)
        if self._rejected(response, signer.token):
            renewed = self.renewed_token(signer.token)
            if renewed is not None and _replayable(method, kwargs):
                response.close()
                response = self._send(method, url, kwargs, self._signer(renewed))
        return response

    async def arequest(
        self, method: str, url: str, *args: Any, withhold_token: bool = False, **kwargs: Any
    ) -> requests.Response:
        """:meth:`request` for async views: the loop is free while the provider thinks."""

        def prepared() -> tuple[str, dict[str, Any], Signer | None]:
            ready, options = self._prepare_call(method, url, args, kwargs, withhold_token)
            signer = None if withhold_token else self._signer(self.ready_token())
            return ready, options, signer

        # Storage in the one thread where Django keeps its connections, the network in any.
        send = sync_to_async(self._send, thread_sensitive=False)
        url, kwargs, signer = await sync_to_async(prepared)()
        if signer is None:
            return await send(method, url, kwargs)
        response = await send(method, url, kwargs, signer)
        if self._rejected(response, signer.token):
            renewed = await sync_to_async(self.renewed_token)(signer.token)
            if renewed is not None and _replayable(method, kwargs):
                response.close()
                signer = await sync_to_async(self._signer)(renewed)
                response = await send(method, url, kwargs, signer)
        return response

    async def aget(self, url: str, **kwargs: Any) -> requests.Response:
        return await self.arequest("GET", url, **kwargs)

    async def aoptions(self, url: str, **kwargs: Any) -> requests.Response:
        return await self.arequest("OPTIONS", url, **kwargs)

    async def ahead(self, url: str, **kwargs: Any) -> requests.Response:
        return await self.arequest("HEAD", url, **{"allow_redirects": False, **kwargs})

    async def apost(
        self, url: str, data: Any = None, json: Any = None, **kwargs: Any
    ) -> requests.Response:
        return await self.arequest("POST", url, data=data, json=json, **kwargs)

    async def aput(self, url: str, data: Any = None, **kwargs: Any) -> requests.Response:
        return await self.arequest("PUT", url, data=data, **kwargs)

    async def apatch(self, url: str, data: Any = None, **kwargs: Any) -> requests.Response:
        return await self.arequest("PATCH", url, data=data, **kwargs)

    async def adelete(self, url: str, **kwargs: Any) -> requests.Response:
        return await self.arequest("DELETE", url, **kwargs)

    def close(self) -> None:
        """Nothing to close: the connections belong to the process."""

    # --- below the calls ----------------------------------------------------------------------

    def ready_token(self) -> Token:
        """A token for the next call.

        :raises AuthorizationRequired: there is none.
        """
        raise NotImplementedError

    def renewed_token(self, rejected: Token) -> Token | None:
        """Another token in the place of one the API did not take; ``None`` if there is none."""
        return None

    def _rejected(self, response: requests.Response, token: Token) -> bool:
        return False

    def _signer(self, token: Token) -> Signer:
        raise NotImplementedError

    def _prepare_call(
        self,
        method: str,
        url: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        withhold_token: bool,
    ) -> tuple[str, dict[str, Any]]:
        kwargs = {**dict(zip(_POSITIONAL, args, strict=False)), **kwargs}
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = settings.timeout
        if isinstance(url, bytes):
            url = url.decode("ascii")
        if self.provider.base_url_from_token and not withhold_token:
            self.ready_token()  # a refresh may name another home
        url = self.absolute_url(url)
        if not withhold_token:
            names = {name.lower() for name in kwargs.get("headers") or ()}
            ours = self.provider.token_header.lower()
            if kwargs.get("auth") is not None or names & {ours, ours.encode()}:
                raise ValueError(
                    f"This session brings its own {self.provider.token_header}; pass "
                    "withhold_token=True to make a call with another."
                )
            self._check_origin(url)
            headers = CaseInsensitiveDict(self.provider.request_headers)
            headers.update(kwargs.get("headers") or {})
            kwargs["headers"] = headers
        return url, kwargs

    def absolute_url(self, url: str) -> str:
        """``url``, joined to the path of ``base_url`` if it is relative.

        :raises UntrustedOrigin: it is neither relative nor an absolute http(s) URL, or it
            climbs out of the base path.
        """
        if re.search(r"[\x00-\x1f\x7f\\]", url):
            # Of a backslash, parsers think differently; one of them may see another host.
            raise UntrustedOrigin("The URL of an API call has control characters in it, or \\.")
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise UntrustedOrigin(f"That is no URL: {error}.") from None
        if parts.scheme in ("http", "https") and parts.netloc:
            return url
        if parts.scheme or parts.netloc or url.startswith("//"):
            raise UntrustedOrigin(
                f"{url.split('?')[0]!r} is no URL that an API call can have. Write a path such "
                'as "/user", or an absolute https URL.'
            )
        base = self.base_url
        if not base:
            raise UntrustedOrigin(
                f"{self.provider.name} has no base_url that {url.split('?')[0]!r} could be "
                f"joined to: set BASE_URL in DANCE_PROVIDERS[{self.provider.name!r}]."
            )
        if ".." in unquote(parts.path).replace("\\", "/").split("/"):
            raise UntrustedOrigin(
                "A relative URL must not climb out of base_url; write the absolute URL if you "
                "mean it."
            )
        if url.startswith("?"):
            return base + url
        return f"{base.rstrip('/')}/{url.lstrip('/')}" if url else base

    def trusted_origins(self) -> frozenset[Origin | None]:
        """The origins that the token may be sent to."""
        if not self.provider.base_url_from_token:
            return self.provider.trusted_origins
        return self.provider.trusted_origins | {origin(self.base_url or "")}

    def _check_origin(self, url: str) -> None:
        where = origin(url)
        if where is None or where not in self.trusted_origins():
            shown = "{}://{}:{}".format(*where) if where else "That address"
            raise UntrustedOrigin(
                f"{shown} is not where {self.provider.name}'s token belongs. If it is, add the "
                f"origin to API_ORIGINS in DANCE_PROVIDERS[{self.provider.name!r}]; if not, "
                "pass withhold_token=True."
            )
        if where[0] != "https" and not is_secure(url):
            raise UntrustedOrigin(
                f"{self.provider.name}'s token is sent over https only (http is for loopback "
                "while DEBUG)."
            )

    def _send(
        self, method: str, url: str, kwargs: dict[str, Any], signer: Signer | None = None
    ) -> requests.Response:
        if signer is not None:
            kwargs = {**kwargs, "auth": signer}
        try:
            return requests.Session.request(self, method, url, **kwargs)
        except (requests.RequestException, DanceError) as error:
            failure = drop_frames(error)
        raise failure

    def merge_environment_settings(  # type: ignore[override]
        self, url: str, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """A CA of the session's own wins over ``REQUESTS_CA_BUNDLE``, unlike in ``requests``."""
        if verify is None and self.verify is not True:
            verify = self.verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where a redirect leads, or ``None`` to leave it to the caller.

        Not followed: from https to http, and to another origin with the body of the request.
        """
        try:
            target = super().get_redirect_target(resp)
            if target is None:
                return None
            here, there = origin(resp.url), origin(urljoin(resp.url, target))
        except ValueError:
            return None  # no URL at all
        if here == there:
            return target
        if there is None or (here and here[0] == "https" and there[0] != "https"):
            return None
        if resp.status_code in (307, 308) and resp.request.body is not None:
            return None
        return target

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """On a redirect the token stays with its origin, exactly."""
        here, there = origin(response.request.url or ""), origin(prepared_request.url or "")
        if here != there:
            prepared_request.headers.pop("Authorization", None)
            prepared_request.headers.pop(self.provider.token_header, None)
            for header in self.provider.request_headers:
                prepared_request.headers.pop(header, None)


def unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _replayable(method: str, kwargs: Mapping[str, Any]) -> bool:
    """Whether the call can be made again: it changes nothing twice, and its body is still there."""
    if method.upper() not in _IDEMPOTENT or kwargs.get("files"):
        return False
    body = kwargs.get("data")
    return body is None or isinstance(body, (str, bytes, dict, list, tuple))
