"""The proxies and the CA bundle of the environment. They are read once per process and origin.

``requests`` reads them at each call, which takes about a quarter of a call's time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import requests
from requests.utils import get_environ_proxies, select_proxy

from .origins import Origin, origin


@lru_cache(maxsize=1024)
def _proxies_of(where: Origin) -> Mapping[str, str]:
    """Return the proxies of the environment for an origin; empty if ``NO_PROXY`` names it."""
    scheme, host, port = where
    return get_environ_proxies(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")


@lru_cache(maxsize=1)
def _ca_bundle() -> str | None:
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None


def forget_environment() -> None:
    """Read ``HTTP_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE`` and the like again.

    Call it after a change of these variables in a process that has made calls before.
    """
    _proxies_of.cache_clear()
    _ca_bundle.cache_clear()


class EnvironmentMixin(requests.Session):
    """Reads the environment once, and prefers the settings of the session and of the call to it."""

    def merge_environment_settings(  # type: ignore[override]
        self, url: str, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> dict[str, Any]:
        """Return the arguments of :meth:`send` for a call, as ``requests`` does.

        Unlike ``requests``, this method also prefers the proxies and the CA bundle of the session
        to those of the environment.
        """
        proxies = {**self.proxies, **(proxies or {})}
        verify = self.verify if verify is None else verify
        if self.trust_env:
            if not proxies or not select_proxy(url, proxies):
                proxies = {**_environment_proxies(url, proxies.get("no_proxy")), **proxies}
            if verify is True or verify is None:
                verify = _ca_bundle() or verify
        return {
            "proxies": {name: proxy for name, proxy in proxies.items() if proxy is not None},
            "stream": self.stream if stream is None else stream,
            "verify": verify,
            "cert": self.cert if cert is None else cert,
        }


def _environment_proxies(url: str, no_proxy: str | None) -> Mapping[str, str]:
    where = origin(url)
    if where is None or no_proxy is not None:
        return get_environ_proxies(url, no_proxy)
    return _proxies_of(where)
