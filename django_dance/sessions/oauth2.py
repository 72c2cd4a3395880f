"""Sessions of OAuth 2 and OpenID Connect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import requests
import requests_oauthlib

from .. import forbid_in_templates
from ..connections import judge, note_acceptance, question, refresh_or_keep, refresh_token
from ..exceptions import AuthorizationRequired, InvalidResponse
from ..tokens import ResourceOwner, Token, same_token, scope_list
from .base import DanceSession, unsupported
from .call_flow import Signer
from .shared_connections import SharedConnectionsMixin

if TYPE_CHECKING:
    from ..providers import OAuth2Provider, OIDCProvider


#: A token, or perhaps none.
_Replacement = TypeVar("_Replacement", bound="Token | None")


class OAuth2Session(  # type: ignore[misc]
    DanceSession, requests_oauthlib.OAuth2Session, SharedConnectionsMixin
):
    """A ``requests_oauthlib.OAuth2Session`` of one owner.

    Of that class's names, ``token``, ``access_token``, ``authorized`` and ``request`` work,
    ``client_id`` and ``scope`` can be read, and ``register_compliance_hook`` accepts
    ``"protected_request"``. The others raise ``NotImplementedError``, because the provider makes
    the calls of the dance.
    """

    provider: OAuth2Provider

    def __init__(self, provider: OAuth2Provider, owner: ResourceOwner) -> None:
        super().__init__(client_id=provider.client_id, scope=scope_list(provider.scope))
        self._bind(provider, owner)

    @property  # type: ignore[misc]
    def access_token(self) -> str | None:
        """The access token as text; ``None`` without a token."""
        token = self.token
        return None if token is None else token.get("access_token")

    def _prepare_call(
        self,
        method: str,
        url: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        withhold_token: bool,
    ) -> tuple[str, dict[str, Any], Signer | None]:
        for hook in self.compliance_hook["protected_request"]:
            url, kwargs["headers"], kwargs["data"] = hook(
                url, kwargs.get("headers"), kwargs.get("data")
            )
        return super()._prepare_call(method, url, args, kwargs, withhold_token)

    @forbid_in_templates
    def ready_token(self) -> Token:
        token = super().ready_token()
        if self.provider.is_stale(token) and self.provider.is_refreshable(token):
            token = self._forget_dead_token(lambda: refresh_or_keep(self, token))
        elif not self.provider.is_usable(token):
            raise self._expired(token)
        return token

    @forbid_in_templates
    def refresh(self, *, within: float | None = None) -> Token:
        """Refresh the token now, or return the token that another process has just refreshed.

        :param within: seconds. A token that expires later than that is not refreshed.
        :raises AuthorizationRequired: there is no token, or it cannot be refreshed, or the grant
            is dead.
        :raises ProviderError: the token cannot be refreshed now.
        """
        token = self._present_token()
        if within is not None and not token.expires_within(within):
            return token
        if not self.provider.is_refreshable(token):
            raise self._expired(token)
        return self._forget_dead_token(lambda: refresh_token(self, token))

    def _forget_dead_token(self, refresh: Callable[[], _Replacement]) -> _Replacement:
        """Return the result of a refresh. If the grant is dead, forget the token."""
        try:
            return refresh()
        except AuthorizationRequired:
            self.forget_token()
            raise

    def _is_refused(self, response: requests.Response) -> bool:
        # A redirect to another origin removes the token, and one back does not add it again.
        sent = self.provider.token_header in response.request.headers
        return sent and super()._is_refused(response)

    def replace_rejected_token(self, rejected: Token) -> Token | None:
        replace = super().replace_rejected_token
        return self._forget_dead_token(lambda: replace(rejected))

    def register_compliance_hook(self, hook_type: str, hook: Callable[..., Any]) -> None:
        """Register a hook that changes each API call: URL, headers and body.

        :param hook_type: ``"protected_request"``, as in ``requests_oauthlib``.
        :raises NotImplementedError: it is another type, which the session would never call.
        """
        if hook_type != "protected_request":
            raise NotImplementedError(
                f"A session never calls a hook of the type {hook_type!r}, because the provider "
                "makes the token requests: override parse() or token_call() of its class."
            )
        self.compliance_hook["protected_request"].add(hook)

    authorization_url = unsupported("authorization_url", "redirect the visitor to login_url")
    new_state = unsupported("new_state", "redirect the visitor to login_url")
    fetch_token = unsupported("fetch_token", "the callback view does it")
    token_from_fragment = unsupported("token_from_fragment", "the callback view does it")
    refresh_token = unsupported("refresh_token", "call refresh()")


class OIDCSession(OAuth2Session):
    """A session of an owner whom an OpenID Provider has identified."""

    provider: OIDCProvider

    @property
    def id_claims(self) -> dict[str, Any]:
        """The claims of the ID token, as they were checked at the login."""
        return dict((self.current_token.load() or Token({})).get("id_claims") or {})

    def userinfo(self) -> dict[str, Any]:
        """Return the claims of the userinfo endpoint (OpenID Connect Core 5.3).

        :raises AuthorizationRequired: there is no usable token.
        :raises ProviderError: the call failed; ``IdentityChanged`` if the claims are about another
            subject.
        """
        token = self.ready_token()
        try:
            claims = self.provider.userinfo(token)
        except InvalidResponse as error:
            newer = self.replace_rejected_token(token) if error.status == 401 else None
            if newer is None:
                raise
            if same_token(newer, token):
                asked = question(self, newer) is not None
                judge(self, newer, 401 if asked else None, asked=asked)
                raise
            token = newer
            claims = self.provider.userinfo(token)
        note_acceptance(self, token)
        return claims

    def logout_url(
        self, return_to: str | None = None, *, id_token_hint: bool | None = None
    ) -> str | None:
        """Return the address that ends the visitor's session at the provider, if there is one.

        :param return_to: an absolute URL of this site that is registered at the provider.
        :param id_token_hint: whether the address has the ID token; default: if it is not too long.
            Otherwise it has the name of the account (``logout_hint``).
        """
        return self.provider.logout_url(self.owner, self.token, return_to, id_token_hint)
