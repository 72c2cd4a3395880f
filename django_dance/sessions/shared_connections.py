"""The base of the sessions: a ``requests`` session that shares its connections.

It does the same as ``requests.Session``, with less work for each call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from copy import copy
from typing import Any

import requests
from requests.cookies import RequestsCookieJar
from requests.hooks import default_hooks
from requests.models import DEFAULT_REDIRECT_LIMIT
from requests.structures import CaseInsensitiveDict
from requests.utils import default_headers

from ..http import EnvironmentMixin, get_shared_adapter


class SharedConnectionsMixin(EnvironmentMixin):
    """Sets the attributes of ``requests.Session``, with the adapter that all sessions share.

    ``requests.Session.__init__`` creates two adapters, which takes longer than all the rest of it.
    This class is a base after ``requests_oauthlib``'s session, whose ``super().__init__()`` calls
    this one instead.
    """

    #: The headers that were merged last, and the result.
    _merged: tuple[object, CaseInsensitiveDict[str]] = ((), CaseInsensitiveDict())

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

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Return the request with the settings of the session, as ``requests`` does.

        It takes less work if the session has headers only, which is the usual case. A
        ``Content-Type`` of the session is not used for a call with ``files``.
        """
        if request.files and "content-type" not in map(str.lower, request.headers):
            # Only the Content-Type of the body itself names the boundary between its parts.
            request = copy(request)
            request.headers = {**request.headers, "Content-Type": None}
        if self.params or request.cookies or len(self.cookies) or any(self.hooks.values()):
            return super().prepare_request(request)
        prepared: Any = requests.PreparedRequest()
        prepared.prepare_method(request.method)
        prepared.prepare_url(request.url, request.params)
        prepared.headers = self._merge_headers(request.headers)
        prepared._cookies = RequestsCookieJar()  # a redirect adds to it
        prepared.prepare_body(request.data, request.files, request.json)
        prepared.prepare_auth(self.auth if request.auth is None else request.auth)
        prepared.prepare_hooks(request.hooks)
        return prepared  # type: ignore[no-any-return]

    def _merge_headers(self, added: Mapping[str, Any]) -> CaseInsensitiveDict[str]:
        """Return the headers of the session and of a call. They are checked once for equal calls.

        :param added: the headers of the call; ``None`` removes one of the session.
        """
        parts = tuple(self.headers.items()), tuple(added.items())
        if self._merged[0] != parts:
            headers = CaseInsensitiveDict({**self.headers})
            headers.update(added)
            prepared = requests.PreparedRequest()
            prepared.prepare_headers({n: v for n, v in headers.items() if v is not None})
            self._merged = parts, prepared.headers
        return self._merged[1].copy()
