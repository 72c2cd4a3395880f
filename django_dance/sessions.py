"""Sessions: ``requests`` sessions bound to one provider and one resource owner."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict, UserDict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

import requests
import requests_oauthlib
from asgiref.sync import sync_to_async
from django.core import signing
from requests.cookies import RequestsCookieJar
from requests.hooks import default_hooks
from requests.models import DEFAULT_REDIRECT_LIMIT
from requests.utils import default_headers

from . import refresh
from .conf import settings
from .exceptions import (
    AuthorizationRequired,
    DanceError,
    OwnerRequired,
    ProviderError,
    UntrustedOrigin,
)
from .origins import is_secure, origin
from .owner import ResourceOwner
from .signals import token_revoked
from .tokens import Token, scope_list
from .transport import shared_adapter, without_frames

if TYPE_CHECKING:
    from django.http import HttpRequest

    from .providers import AccountInfo, OAuth1Provider, OAuth2Provider, OIDCProvider, Provider
    from .storage import BaseStorage

logger = logging.getLogger("django_dance")

_UNSET: Any = object()
#: RFC 9110 §9.2.2: sent twice, they do what they do once.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})


class Config(UserDict[str, Any]):
    """What a session was told of its owner: ``user`` and ``user_id``. A change counts at once."""

    def __init__(self, changed: Callable[[], None], **fields: Any) -> None:
        super().__init__()
        self.data.update(fields)
        self._changed = changed

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._changed()

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._changed()


class _SharingSession(requests.Session):
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
        adapter = shared_adapter()
        self.adapters = OrderedDict({"https://": adapter, "http://": adapter})


class DanceSession(requests.Session):
    """What both kinds of session have. Made by :meth:`Provider.session`, never shared by owners."""

    provider: Provider
    config: Config

    def _bind(self, provider: Provider, owner: ResourceOwner) -> None:
        self.provider = provider
        self.http_request: HttpRequest | None = owner.request
        self._account = owner.account
        self._token: Token | None = _UNSET
        self.config = Config(self._forget_token, user=owner._user, user_id=owner._user_id)
        self._account_info: AccountInfo | None = None
        for header in provider.request_headers:
            self.headers[header] = provider.request_headers[header]
        # Our own Authorization or none: requests must not look into .netrc.
        self.auth = _unsigned
        if provider.ca_bundle:
            self.verify = provider.ca_bundle

    # --- whose --------------------------------------------------------------------------------

    @property
    def owner(self) -> ResourceOwner:
        """Whose token this session uses: of now, for a view may log somebody in."""
        return ResourceOwner(
            self.provider,
            self.http_request,
            self.config.get("user"),
            self.config.get("user_id"),
            self._account,
        )

    def for_user(self, user: Any) -> DanceSession:
        """A session for another user."""
        return self.provider.session(self.http_request, user=user)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.provider.name}>"

    def __reduce__(self) -> Any:
        raise TypeError("A session acts for somebody now; it cannot be pickled. Keep the user.")

    # --- the token ----------------------------------------------------------------------------

    @property
    def storage(self) -> BaseStorage:
        return self.provider.token_storage

    def _forget_token(self) -> None:
        self._token = _UNSET
        self._account_info = None

    def _load_token(self) -> Token | None:
        if self._token is _UNSET:
            self._token = self.storage.get_token(self.owner)
        return self._token

    def _present_token(self) -> Token:
        try:
            token = self._load_token()
        except OwnerRequired:  # from a storage that keeps nothing for anonymous visitors
            token = None
        if token is None:
            raise AuthorizationRequired(self.provider)
        return token

    def load_token(self) -> bool:
        """Read the token, if it was not yet; whether there is one."""
        return self._load_token() is not None

    @property
    def token(self) -> Token | None:
        """The owner's token. To set it stores it, to delete it deletes it there."""
        return self._load_token()

    @token.setter
    def token(self, value: Mapping[str, Any] | None) -> None:
        if "provider" not in self.__dict__:
            return  # requests_oauthlib sets an empty token while it is being made
        if value is None:
            del self.token
            return
        token = value if isinstance(value, Token) else Token.granted(value)
        self.storage.set_token(self.owner, token)
        self._token = token

    @token.deleter
    def token(self) -> None:
        self.storage.delete(self.owner)
        self._token = _UNSET

    def carry(self, token: Token) -> None:
        """Use this token from now on, without storing it."""
        self._token = token

    @property
    def authorized(self) -> bool:
        """Whether there is a token that can be used now, or after a refresh."""
        token = self._load_token()
        return token is not None and self.provider.usable(token)

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes granted, as far as they are known."""
        token = self._load_token()
        return (token.scopes if token else None) or frozenset()

    def missing_scopes(self, *scopes: str) -> tuple[str, ...]:
        """Those of ``scopes`` that the token was not granted."""
        granted = self.scopes
        return tuple(s for s in scope_list(" ".join(scopes)) if s not in granted)

    def require(self, scope: str | Iterable[str] = ()) -> None:
        """Do nothing if there is a usable token with these scopes.

        :raises AuthorizationRequired: there is not.
        """
        token = self._present_token()
        if not self.provider.usable(token):
            raise AuthorizationRequired(self.provider, "expired")
        missing = self.missing_scopes(*scope_list(scope))
        if missing:
            # To ask again for what the visitor has just refused would never end.
            declined = not set(missing) - set(token.get("declined_scope", ()))
            reason = "declined_scopes" if declined else "missing_scopes"
            raise AuthorizationRequired(self.provider, reason, missing)

    def disconnect(self) -> None:
        """Revoke the token at the provider, if it has a way, and delete it here in any case."""
        owner, token = self.owner, self._load_token()
        if token is None:
            return
        try:
            self.provider.revoke(owner, token)
        except ProviderError as error:
            logger.warning("%s: the token could not be revoked: %s", self.provider.name, error)
        finally:
            del self.token
        token_revoked.send(
            type(self.provider),
            provider=self.provider,
            request=self.http_request,
            owner=owner,
            reason="disconnected",
        )

    def account_info(self) -> AccountInfo:
        """Who the owner is at the provider. Asked for once, and remembered by this session.

        :raises AuthorizationRequired: there is no usable token.
        :raises ImproperlyConfigured: the provider does not state where to ask.
        :raises InvalidResponse: the provider's answer does not say.
        """
        if self._account_info is None:
            self._account_info = self.provider.account_info(self)
        return self._account_info

    async def aaccount_info(self) -> AccountInfo:
        return await sync_to_async(self.account_info)()

    # --- the way to the dance -----------------------------------------------------------------

    @property
    def login_url(self) -> str:
        """The path that begins the dance."""
        return self.get_login_url()

    def get_login_url(self, next: str | None = None, scope: str | Iterable[str] = ()) -> str:
        """The path that begins the dance.

        :param next: a path of this site to end at.
        :param scope: scopes to ask for beyond the provider's own. They are signed, so that
            nobody else can make a link that asks for more.
        """
        query = {"next": next} if next else {}
        scopes = scope_list(scope)
        if scopes:
            query["scope"] = signed_scope(self.provider, scopes)
        return self.provider.url("login", **query)

    @property
    def authorization_required(self) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The decorator of this name, for this provider."""
        from .decorators import authorization_required

        return authorization_required(self.provider.name)

    # --- calls --------------------------------------------------------------------------------

    @property
    def base_url(self) -> str | None:
        """Where relative URLs are joined; for some providers the token says it."""
        return self.provider.base_url_for(self._load_token)

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
        url, kwargs = self._prepare_call(method, url, args, kwargs, withhold_token)
        # Storage in the one thread where Django keeps its connections, the network in any.
        send = sync_to_async(self._send, thread_sensitive=False)
        if withhold_token:
            return await send(method, url, kwargs)
        signer = await sync_to_async(lambda: self._signer(self.ready_token()))()
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

    async def aauthorized(self) -> bool:
        return await sync_to_async(lambda: self.authorized)()

    async def atoken(self) -> Token | None:
        return await sync_to_async(lambda: self.token)()

    async def arequire(self, scope: str | Iterable[str] = ()) -> None:
        await sync_to_async(self.require)(scope)

    async def adisconnect(self) -> None:
        await sync_to_async(self.disconnect)()

    def close(self) -> None:
        """Nothing to close: the connections belong to the process."""

    # --- below the calls ----------------------------------------------------------------------

    def ready_token(self) -> Token:
        """A token for the next call, refreshed if it is about to end."""
        return self._present_token()

    def renewed_token(self, rejected: Token) -> Token | None:
        """Another token in the place of one the API did not take; ``None`` if there is none."""
        return None

    def _rejected(self, response: requests.Response, token: Token) -> bool:
        return False

    def _signer(self, token: Token) -> _Signer:
        raise NotImplementedError

    def _prepare_call(
        self,
        method: str,
        url: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        withhold_token: bool,
    ) -> tuple[str, dict[str, Any]]:
        # requests.Session.request takes these by position too.
        kwargs = {**dict(zip(_POSITIONAL, args, strict=False)), **kwargs}
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = settings.timeout
        if isinstance(url, bytes):
            url = url.decode("ascii")
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
        return url, kwargs

    def absolute_url(self, url: str) -> str:
        """``url``, joined to the path of ``base_url`` if it is relative.

        :raises UntrustedOrigin: it is neither relative nor an absolute http(s) URL, or it
            climbs out of the base path.
        """
        if re.search(r"[\x00-\x1f\x7f]", url):
            raise UntrustedOrigin("The URL of an API call has control characters in it.")
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

    def trusted_origins(self) -> frozenset[Any]:
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
        self, method: str, url: str, kwargs: dict[str, Any], signer: _Signer | None = None
    ) -> requests.Response:
        if signer is not None:
            kwargs = {**kwargs, "auth": signer}
        try:
            return requests.Session.request(self, method, url, **kwargs)
        except (requests.RequestException, DanceError) as error:
            failure = without_frames(error)
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
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        here, there = origin(resp.url), origin(urljoin(resp.url, target))
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


class _Signer:
    """Puts a token on a request, and remembers on the request that it did.

    An object, because a closure's variables would print.
    """

    def __init__(
        self, token: Token, sign: Callable[[requests.PreparedRequest], requests.PreparedRequest]
    ) -> None:
        self.token, self._sign = token, sign

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request = self._sign(request)
        request.dance_signer = self  # type: ignore[attr-defined]
        return request


class OAuth2Session(DanceSession, requests_oauthlib.OAuth2Session, _SharingSession):
    """A ``requests_oauthlib.OAuth2Session`` of one owner."""

    provider: OAuth2Provider

    def __init__(self, provider: OAuth2Provider, owner: ResourceOwner) -> None:
        super().__init__(client_id=provider.client_id, scope=scope_list(provider.scope))
        self._bind(provider, owner)

    @property  # type: ignore[misc]
    def access_token(self) -> str | None:
        """The access token alone."""
        token = self.token
        return None if token is None else token.get("access_token")

    def request(  # type: ignore[override]
        self, method: str, url: str, *args: Any, withhold_token: bool = False, **kwargs: Any
    ) -> requests.Response:
        for hook in self.compliance_hook["protected_request"]:
            url, kwargs["headers"], kwargs["data"] = hook(
                url, kwargs.get("headers"), kwargs.get("data")
            )
        return DanceSession.request(
            self, method, url, *args, withhold_token=withhold_token, **kwargs
        )

    request.__doc__ = DanceSession.request.__doc__

    def _signer(self, token: Token) -> _Signer:
        return _Signer(token, lambda request: self.provider.sign(request, token))

    def ready_token(self) -> Token:
        token = super().ready_token()
        if token.stale and self.provider.refreshable(token):
            token = self._token = refresh.refreshed(self, token)
        elif not self.provider.usable(token):
            raise AuthorizationRequired(self.provider, "expired")
        return token

    def _rejected(self, response: requests.Response, token: Token) -> bool:
        return response.status_code == 401 and self.provider.refreshable(token)

    def renewed_token(self, rejected: Token) -> Token | None:
        token = self._token = refresh.refreshed(self, rejected, forced=True)
        return None if token["access_token"] == rejected["access_token"] else token

    def _unguarded(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            "A session does not dance: send the visitor to login_url, and leave the token "
            "request and the refresh to the provider."
        )

    authorization_url = fetch_token = token_from_fragment = refresh_token = _unguarded


class OIDCSession(OAuth2Session):
    """A session of somebody the provider has identified."""

    provider: OIDCProvider

    @property
    def id_claims(self) -> dict[str, Any]:
        """The claims of the ID token, all of them checked at login."""
        return dict((self._load_token() or Token({})).get("id_claims") or {})

    def userinfo(self) -> dict[str, Any]:
        """What the userinfo endpoint says, of this very subject (OpenID Connect Core 5.3).

        :raises AuthorizationRequired: there is no usable token.
        :raises ProviderError: among them ``IdentityChanged``: it is about somebody else.
        """
        return self.provider.userinfo(self.ready_token())

    def logout_url(self, return_to: str | None = None) -> str | None:
        """Where to send the visitor to end the session at the provider, if there is such a place.

        :param return_to: an absolute URL of this site that is registered at the provider.
        """
        return self.provider.logout_url(self.token, return_to)


class OAuth1Session(  # type: ignore[misc]
    DanceSession, requests_oauthlib.OAuth1Session, _SharingSession
):
    """A ``requests_oauthlib.OAuth1Session`` of one owner."""

    provider: OAuth1Provider

    def __init__(self, provider: OAuth1Provider, owner: ResourceOwner) -> None:
        super().__init__(provider.client_id)
        self._bind(provider, owner)

    def _signer(self, token: Token) -> _Signer:
        return _Signer(
            token,
            self.provider.signature(
                self.owner, token=token["oauth_token"], token_secret=token["oauth_token_secret"]
            ),
        )

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """A signature covers the URL: a redirect within the origin is signed anew, others never."""
        super().rebuild_auth(prepared_request, response)
        signer = getattr(response.request, "dance_signer", None)
        here, there = origin(response.request.url or ""), origin(prepared_request.url or "")
        if signer is not None and here == there:
            prepared_request.headers.pop("Authorization", None)
            prepared_request.prepare_auth(signer)

    def _unguarded(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            "A session does not dance: send the visitor to login_url, and leave the token "
            "requests to the provider."
        )

    authorization_url = fetch_request_token = fetch_access_token = _unguarded
    parse_authorization_response = _unguarded


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _replayable(method: str, kwargs: Mapping[str, Any]) -> bool:
    """Whether the call can be made again: it changes nothing twice, and its body is still there."""
    if method.upper() not in _IDEMPOTENT or kwargs.get("files"):
        return False
    body = kwargs.get("data")
    return body is None or isinstance(body, (str, bytes, dict, list, tuple))


def signed_scope(provider: Provider, scopes: Iterable[str]) -> str:
    """Scopes as a login URL carries them."""
    return signing.Signer(salt=f"django_dance.scope.{provider.name}").sign(" ".join(scopes))


def verified_scope(provider: Provider, value: str) -> list[str]:
    """What :func:`signed_scope` was given.

    :raises django.core.signing.BadSignature: somebody else made it.
    """
    return scope_list(signing.Signer(salt=f"django_dance.scope.{provider.name}").unsign(value))
