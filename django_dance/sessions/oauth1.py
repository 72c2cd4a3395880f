"""Sessions of OAuth 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
import requests_oauthlib

from ..http import origin
from ..tokens import ResourceOwner, Token
from .base import DanceSession
from .call_flow import SharingSession, Signer

if TYPE_CHECKING:
    from ..providers import OAuth1Provider


class OAuth1Session(  # type: ignore[misc]
    DanceSession, requests_oauthlib.OAuth1Session, SharingSession
):
    """A ``requests_oauthlib.OAuth1Session`` of one owner."""

    provider: OAuth1Provider

    def __init__(self, provider: OAuth1Provider, owner: ResourceOwner) -> None:
        super().__init__(provider.client_id)
        self._bind(provider, owner)

    def _signer(self, token: Token) -> Signer:
        return Signer(
            token,
            self.provider.signature(
                self.owner, token=token["oauth_token"], token_secret=token["oauth_token_secret"]
            ),
            self._check_origin,
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
