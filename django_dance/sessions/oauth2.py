"""Sessions of OAuth 2 and OpenID Connect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import requests
import requests_oauthlib

from ..connections import refresh
from ..exceptions import AuthorizationRequired
from ..http import origin
from ..tokens import ResourceOwner, Token, scope_list
from .base import DanceSession
from .call_flow import SharingSession, Signer

if TYPE_CHECKING:
    from ..providers import OAuth2Provider, OIDCProvider


class OAuth2Session(  # type: ignore[misc]
    DanceSession, requests_oauthlib.OAuth2Session, SharingSession
):
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

    def _prepare_call(
        self,
        method: str,
        url: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        withhold_token: bool,
    ) -> tuple[str, dict[str, Any]]:
        for hook in self.compliance_hook["protected_request"]:
            url, kwargs["headers"], kwargs["data"] = hook(
                url, kwargs.get("headers"), kwargs.get("data")
            )
        return super()._prepare_call(method, url, args, kwargs, withhold_token)

    def _signer(self, token: Token) -> Signer:
        return Signer(token, lambda request: self.provider.sign(request, token), self._check_origin)

    def ready_token(self) -> Token:
        token = super().ready_token()
        if token.stale and self.provider.refreshable(token):
            token = self._refreshed(lambda: refresh.refreshed(self, token))
        elif not self.provider.usable(token):
            raise AuthorizationRequired(self.provider, "expired")
        return token

    def refresh(self, *, within: float | None = None) -> Token:
        """Refresh the token now, or find that somebody else has.

        :param within: seconds; a token that has more than that left is good enough.
        :raises AuthorizationRequired: there is no token, or it cannot be refreshed, or the
            provider refused for good.
        :raises ProviderError: it cannot be refreshed now.
        """
        token = self._present_token()
        if within is not None and not token.expires_within(within):
            return token
        if not self.provider.refreshable(token):
            raise AuthorizationRequired(self.provider, "expired")
        return self._refreshed(lambda: refresh.renewed(self, token))

    def _refreshed(self, attempt: Callable[[], Token]) -> Token:
        """What the attempt brings, which the session has by then; or the end of the token here
        too."""
        try:
            return attempt()
        except AuthorizationRequired:
            self._forget_token()
            raise

    def _rejected(self, response: requests.Response, token: Token) -> bool:
        return (
            response.status_code == 401
            and self.provider.refreshable(token)
            # The verdict of another host, after a redirect, says nothing of the token.
            and origin(response.url) in self.trusted_origins()
        )

    def renewed_token(self, rejected: Token) -> Token | None:
        token = self._refreshed(lambda: refresh.refreshed(self, rejected, forced=True))
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
        return self.provider.logout_url(self.owner, self.token, return_to)
