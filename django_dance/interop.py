"""Other clients with the tokens of a session: ``httpx``, and the SDKs of providers.

Each function takes a session, such as ``request.oauth.google`` or
``providers["google"].session(user=user)``. The token is refreshed here, and by nothing else. The
packages are imported when a function needs them, and not before.
"""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

from .conf import settings
from .exceptions import DanceError
from .providers import OAuth1Provider

if TYPE_CHECKING:
    from .providers import Provider
    from .sessions import DanceSession
    from .tokens import Token

__all__ = ["azure_credential", "google_credentials", "httpx_auth", "mcp_client", "token_source"]


def token_source(session: DanceSession) -> Callable[[], str]:
    """Return a function that returns an access token, refreshed if it is about to expire.

    The function raises :class:`~django_dance.exceptions.AuthorizationRequired` if the user must
    connect, and :class:`~django_dance.exceptions.ProviderError` if the token cannot be refreshed
    now. Threads may share it.

    :raises TypeError: the provider uses OAuth 1, whose tokens sign each request.
    """
    _check_bearer(session)
    return lambda: _text(session.ready_token())


def google_credentials(session: DanceSession) -> Any:
    """Return credentials for ``google-auth``, with which ``gspread`` and other packages work.

    If Google refuses a token, google-auth asks for another one: then the token is replaced by the
    rules of an API call of the session.

    :returns: a ``google.auth.credentials.Credentials``.
    :raises TypeError: the provider uses OAuth 1.
    """
    _check_bearer(session)
    base = import_module("google.auth.credentials").Credentials
    credentials = type("DanceCredentials", (_GoogleCredentials, base), {})()
    credentials._session = session
    return credentials


class _GoogleCredentials:
    _session: DanceSession
    token: str | None
    expiry: datetime | None
    #: Whether google-auth considers the token as usable.
    valid: bool

    def refresh(self, request: object) -> None:
        """Take the token of the session. google-auth calls it before a request and after a 401."""
        session = self._session
        token = session.ready_token()
        if self.valid and _text(token) == self.token:
            token = session.replace_rejected_token(token) or token
        self.token, self.expiry = _text(token), None
        if token.expires_at is not None:
            # google-auth compares times in UTC, without a time zone.
            self.expiry = datetime.fromtimestamp(token.expires_at, UTC).replace(tzinfo=None)

    def __reduce__(self) -> Any:
        raise TypeError("These credentials belong to a session, which cannot be pickled.")


def azure_credential(session: DanceSession) -> AzureCredential:
    """Return a ``TokenCredential`` for the packages that are based on ``azure-core``.

    :raises TypeError: the provider uses OAuth 1.
    """
    _check_bearer(session)
    return AzureCredential(session)


class AzureCredential:
    """The token of a session, as ``azure-core`` asks for it.

    It has the scopes that the user has granted, whichever scopes a package asks for.
    """

    def __init__(self, session: DanceSession) -> None:
        self._session = session

    def get_token(self, *scopes: str, claims: str | None = None, **options: Any) -> Any:
        """Return an ``azure.core.credentials.AccessToken``.

        :param claims: the claims of a challenge, with which an API has refused the token.
        """
        access_token = import_module("azure.core.credentials").AccessToken
        token = self._session.ready_token()
        if claims:
            token = self._session.replace_rejected_token(token) or token
        # A token whose end is not known is not kept.
        return access_token(_text(token), int(token.expires_at or time.time()))


def httpx_auth(session: DanceSession) -> Any:
    """Return an ``auth`` for a client of ``httpx`` or ``httpx2``, sync or async.

    A request gets the token of the session, refreshed if it is about to expire, if its URL is on a
    trusted origin. After a 401 the token is replaced, and the request is sent once more, by the
    rules of an API call of the session. A relative URL is joined to the ``base_url`` of the client.

    :returns: an ``httpx.Auth``.
    :raises ModuleNotFoundError: neither package is installed.
    :raises TypeError: the provider sends its tokens or the client's secret in a header of its own,
        which ``httpx`` does not remove when it follows a redirect to another origin.
    """
    from .sessions import HttpxAuth

    provider = session.provider
    if header := _secret_header(provider):
        raise TypeError(
            f"{provider.name} sends a secret in the header {header}, which httpx does not remove "
            "when it follows a redirect to another origin. Use the session itself."
        )
    return type("DanceAuth", (HttpxAuth, *_auth_classes()), {})(session)


def _secret_header(provider: Provider) -> str | None:
    """Return the header in which a provider sends a secret, beside ``Authorization``."""
    if provider.token_header.lower() != "authorization":
        return provider.token_header
    names = [name for name in provider.from_config if name != "client_id" and "." not in name]
    secrets = [str(secret) for name in names if (secret := getattr(provider, name))]
    for header, value in provider.request_headers.items():
        if any(secret in value for secret in secrets):
            return header
    return None


@asynccontextmanager
async def mcp_client(session: DanceSession, **options: Any) -> AsyncIterator[Any]:
    """Connect the client of the official MCP SDK to the server of a session, for its owner.

    The client runs in the process that needs it, and ends with the block. Another process can go on
    at any time, because the token is in the storage. The address of the server is guarded at each
    connection, as at a discovery.

    :param session: a session at a place, such as ``request.oauth.mcp.at(url)``.
    :param options: further arguments of ``mcp.Client``.
    :returns: an ``mcp.Client``.
    :raises AuthorizationRequired: the owner must connect, or the server wants further scopes.
    :raises AddressRefused: the address of the server must not be called.
    :raises ProviderError: the token cannot be refreshed now.
    :raises ModuleNotFoundError: the package ``mcp`` is not installed.
    """
    from .http import guarded_transport  # it imports requests

    sdk, httpx = import_module("mcp"), import_module("httpx2")
    streams = import_module("mcp.client.streamable_http").streamable_http_client
    # Without a usable token, the caller learns it before a connection is made.
    await sync_to_async(session.ready_token)()
    bundle = session.provider.ca_bundle
    verify: Any = True if bundle is None else ssl.create_default_context(cafile=bundle)
    seconds = float(settings.timeout)
    http = httpx.AsyncClient(
        transport=guarded_transport(httpx, verify=verify),
        auth=httpx_auth(session),
        trust_env=False,
        # An answer may be a stream, which says nothing for a while.
        timeout=httpx.Timeout(seconds, read=300),
    )
    try:
        async with http, sdk.Client(streams(session.place, http_client=http), **options) as client:
            yield client
    except BaseExceptionGroup as group:
        # The tasks of the SDK raise groups, even of one exception.
        found = list(_exceptions(group))
        ours = next((each for each in found if isinstance(each, DanceError)), None)
        if ours is None and len(found) > 1:
            raise
        raise ours or found[0] from None


def _exceptions(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _exceptions(error)
        else:
            yield error


def _auth_classes() -> list[type]:
    """Return the class ``Auth`` of ``httpx`` and of ``httpx2``: of those that are imported."""
    names = [name for name in ("httpx", "httpx2") if name in sys.modules]
    for name in () if names else ("httpx", "httpx2"):
        try:
            import_module(name)
        except ModuleNotFoundError:
            continue
        names.append(name)
    if not names:
        raise ModuleNotFoundError("httpx_auth() needs httpx or httpx2: pip install httpx.")
    return [sys.modules[name].Auth for name in names]


def _check_bearer(session: DanceSession) -> None:
    if isinstance(session.provider, OAuth1Provider):
        raise TypeError(
            f"{session.provider.name} uses OAuth 1, whose tokens sign each request. Use the "
            "session itself, or httpx_auth()."
        )


def _text(token: Token) -> str:
    """Return the access token as a plain string, because packages check its type."""
    return str(token["access_token"])
