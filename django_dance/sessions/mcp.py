"""The session of an MCP server: refusals of the server, and more scopes for a call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import requests

from ..cache import cache_name, is_within_limit
from ..conf import settings
from ..connections import end_connection
from ..exceptions import AuthorizationRequired, PlaceError
from ..http import bearer_challenge
from ..providers import count_discovery
from ..tokens import ISSUER_CHANGED, Token
from .call_flow import IDEMPOTENT
from .oauth2 import OAuth2Session

#: The dances for more scopes of one server that a user is asked for within a time, in seconds. With
#: the first dance they are three.
STEP_UPS, WINDOW = 2, 600


class MCPSession(OAuth2Session):
    """A session of an owner at an MCP server."""

    provider: Any  # django_dance.contrib.mcp.MCP
    # The server refuses a request before it reads the message, so the message may be sent again.
    repeated_methods = IDEMPOTENT | {"POST"}
    asks_for_server = True

    def _server_question(
        self, response: requests.Response, token: Token
    ) -> Callable[[], bool] | None:
        document = bearer_challenge(response.headers).get("resource_metadata")
        issuer = (token.get("granted_by") or {}).get("issuer")
        if not document or not issuer:
            return None
        try:
            count_discovery(f"user {self.owner.user_id}")
        except PlaceError:
            return None  # a refresh asks the server that has granted the token, in any case
        return partial(self.provider.has_moved, issuer, document)

    def _leave_server(self, token: Token) -> AuthorizationRequired:
        end_connection(self, token, ISSUER_CHANGED)
        self.forget_token()
        return self._required(ISSUER_CHANGED)

    def _question(self, token: Token) -> Callable[[], int | None] | None:
        # The token is for this resource only, so its answer is the verdict.
        return lambda: 401

    def _check_challenge(
        self, challenge: dict[str, str], token: Token, method: str
    ) -> AuthorizationRequired | None:
        # Each call of MCP is a POST, and a refused one can be repeated.
        required = super()._check_challenge(challenge, token, "GET")
        if required is None or required.reason != "missing_scopes":
            return required
        key = f"django_dance:step_ups:{cache_name('default', self.owner.key)}"
        cache, effect = settings.cache or "default", "no user is asked for more scopes"
        if is_within_limit(cache, key, STEP_UPS, WINDOW, effect=effect):
            return required
        # The server asks for other scopes again and again.
        return self._required("declined_scopes", required.missing_scopes)
