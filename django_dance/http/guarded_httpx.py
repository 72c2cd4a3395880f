"""A transport of ``httpx2`` or ``httpx`` for addresses that others choose.

It keeps the rules of :mod:`.guard`: the name is resolved once, all its addresses must be public,
the connection is made to one of them, and the certificate is that of the name. The proxies of the
environment do not count.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from asgiref.sync import sync_to_async

from ..conf import settings
from .guard import check_url, is_private_host, public_addresses


def guarded_transport(httpx: ModuleType, *, verify: Any = True) -> Any:
    """Return an async transport for a client of ``httpx``.

    :param httpx: the module ``httpx2`` or ``httpx``.
    :param verify: ``True``, or an ``ssl.SSLContext``.
    """

    class GuardedTransport(httpx.AsyncBaseTransport):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            #: Host and port → the addresses, and the connections. Two names may have one address.
            self._addresses: dict[tuple[str, int], list[str]] = {}
            self._connections: dict[tuple[str, int], Any] = {}

        async def handle_async_request(self, request: Any) -> Any:
            url = httpx.URL(check_url(str(request.url)))
            where = url.host, url.port or (443 if url.scheme == "https" else 80)
            proxy = None if is_private_host(*where) else settings.egress_proxy
            if where not in self._connections:
                self._connections[where] = httpx.AsyncHTTPTransport(
                    verify=verify, trust_env=False, proxy=proxy
                )
            connections = self._connections[where]
            if proxy:
                return await connections.handle_async_request(request)
            if where not in self._addresses:
                try:
                    look_up = sync_to_async(public_addresses, thread_sensitive=False)
                    self._addresses[where] = await look_up(*where)
                except OSError as error:
                    raise httpx.ConnectError(str(error), request=request) from error
            failure: Exception = httpx.ConnectError("The name has no address.", request=request)
            for address in self._addresses[where]:
                sent = httpx.Request(
                    request.method,
                    request.url.copy_with(host=address),
                    headers=request.headers,  # with the name as Host
                    stream=request.stream,
                    extensions={**request.extensions, "sni_hostname": url.host},
                )
                try:
                    return await connections.handle_async_request(sent)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failure = error
            raise failure

        async def aclose(self) -> None:
            for connections in self._connections.values():
                await connections.aclose()

    return GuardedTransport()
