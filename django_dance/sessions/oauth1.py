"""Sessions of OAuth 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
import requests_oauthlib

from ..http import origin
from ..tokens import ResourceOwner
from .base import DanceSession, unsupported
from .shared_connections import SharedConnectionsMixin

if TYPE_CHECKING:
    from ..providers import OAuth1Provider


class OAuth1Session(  # type: ignore[misc]
    DanceSession, requests_oauthlib.OAuth1Session, SharedConnectionsMixin
):
    """A ``requests_oauthlib.OAuth1Session`` of one owner.

    Of that class's names, ``token`` and ``authorized`` work. The others raise
    ``NotImplementedError``, because the provider makes the calls of the dance.
    """

    provider: OAuth1Provider

    def __init__(self, provider: OAuth1Provider, owner: ResourceOwner) -> None:
        super().__init__(provider.client_id)
        self._bind(provider, owner)

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Sign a redirect within the origin again, because a signature covers the URL."""
        super().rebuild_auth(prepared_request, response)
        signer = getattr(response.request, "dance_signer", None)
        here, there = origin(response.request.url or ""), origin(prepared_request.url or "")
        if signer is not None and here == there:
            prepared_request.headers.pop("Authorization", None)
            prepared_request.prepare_auth(signer)

    authorization_url = unsupported("authorization_url", "redirect the visitor to login_url")
    fetch_request_token = unsupported("fetch_request_token", "the login view does it")
    fetch_access_token = unsupported("fetch_access_token", "the callback view does it")
    parse_authorization_response = unsupported(
        "parse_authorization_response", "the callback view does it"
    )
