"""The connections that all sessions of this process share. They hold no credentials.

A session belongs to one resource owner. The adapter with its connection pools and TLS contexts
lives as long as the process.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from ..conf import settings
from .deadlines import DeadlinePool, DeadlineTLSPool
from .origins import origin

_Adapter = TypeVar("_Adapter", bound=HTTPAdapter)

#: The smallest number of connections to one host that are kept.
CONNECTIONS_PER_HOST = 64
#: The number of hosts whose connections are kept.
HOSTS = 128


@lru_cache(maxsize=64)
def tls_context(verify: bool | str, cert: str | tuple[str, str] | None) -> ssl.SSLContext:
    """Return the TLS context for these settings.

    It is created once, because reading the CA bundle takes milliseconds.

    :param verify: ``True`` for the CA bundle of ``requests``, or the path of a file or directory.
    :param cert: the path of the client certificate, or the paths of certificate and key.
    """
    context = create_urllib3_context()
    if verify:
        path = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
        if Path(path).is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
        context.verify_mode = ssl.CERT_REQUIRED
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert:
        context.load_cert_chain(*((cert,) if isinstance(cert, (str, os.PathLike)) else cert))
    return context


class SharedAdapter(HTTPAdapter):
    """The connection pools of all sessions: one pool for each origin and TLS settings."""

    #: The classes of the pools for connections without a proxy.
    pools: Mapping[str, type[DeadlinePool]] = {"http": DeadlinePool, "https": DeadlineTLSPool}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = dict(self.pools)
        #: The origin and the TLS settings of a call → the arguments that select its pool.
        self._pool_keys: dict[Any, tuple[Any, dict[str, Any]]] = {}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = dict(SharedAdapter.pools)
        return manager

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] != "https":
            return host, {}
        if isinstance(cert, list):
            cert = tuple(cert)
        # Only False turns the verification off, not None or an empty setting. A path may be a Path.
        trust = os.fspath(verify) if verify and not isinstance(verify, int) else verify is not False
        context = tls_context(trust, cert or None)
        return host, {"ssl_context": context, "cert_reqs": context.verify_mode}

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        where = origin(request.url or "")
        if where is None or proxies:
            return super().get_connection_with_tls_context(request, verify, proxies, cert)
        call = where, verify, tuple(cert) if isinstance(cert, list) else cert
        found = self._pool_keys.get(call)
        if found is None:
            scheme, host, port = where
            _, tls = self.build_connection_pool_key_attributes(request, verify, cert)
            address = {"scheme": scheme, "host": host, "port": port}
            context = {**self.poolmanager.connection_pool_kw, **address, **tls}
            key = self.poolmanager.key_fn_by_scheme[scheme](context)
            if len(self._pool_keys) >= HOSTS:
                self._pool_keys.clear()
            found = self._pool_keys[call] = key, context
        key, context = found
        # A copy, because urllib3 removes the host from it if it makes a new pool.
        return self.poolmanager.connection_from_pool_key(key, dict(context))

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        return super().request_url(request, proxies) if proxies else request.path_url

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing: the certificates are in the TLS context and are not loaded per connection."""

    def close(self) -> None:
        """Do nothing: closing one session must not close the connections of the others."""


_process_adapters: list[Any] = []


def share_until_fork(adapter: _Adapter) -> _Adapter:
    """Return an adapter that lives as long as the process. A forked child gets new connections."""
    _process_adapters.append(adapter)
    return adapter


@cache
def get_shared_adapter() -> SharedAdapter:
    """Return the adapter that all sessions of this process use.

    It can keep a connection for each call that async code makes at the same time.
    """
    connections = max(CONNECTIONS_PER_HOST, int(settings.async_calls))
    return share_until_fork(SharedAdapter(HOSTS, connections))


def _after_fork() -> None:
    # If two processes used one inherited socket, each could read the other's answers. Sessions that
    # were created before the fork hold this adapter, so its pools are replaced, not the adapter.
    for adapter in _process_adapters:
        adapter.init_poolmanager(adapter._pool_connections, adapter._pool_maxsize)
        adapter.proxy_manager = {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def leave_unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The ``auth`` of a call without a token. With it, ``requests`` does not read ``.netrc``."""
    return request
