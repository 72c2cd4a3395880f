from typing import TYPE_CHECKING

from ..exceptions import ProviderError
from ..providers import OAuth2Provider

if TYPE_CHECKING:
    from ..tokens import ResourceOwner, Token


class Miro(OAuth2Provider):
    """https://developers.miro.com/docs/getting-started-with-oauth — Miro grants refresh tokens if
    you have chosen expiring tokens for the application. You choose the scopes when you register the
    application."""

    documentation = "https://developers.miro.com/docs/getting-started-with-oauth"
    registration_url = "https://miro.com/app/settings/user-profile/apps"
    base_url = "https://api.miro.com/"
    authorization_url = "https://miro.com/oauth/authorize"
    token_url = "https://api.miro.com/v1/oauth/token"
    revocation_url = "https://api.miro.com/v2/oauth/revoke"
    client_auth = "post"
    refresh_rotates = True
    account_url = "v1/oauth-token"
    account_id = "user.id"
    account_label = "user.name"
    unconfirmed = ("pkce", "registration_url")

    def revoke(self, owner: "ResourceOwner", token: "Token") -> None:
        # https://developers.miro.com/reference/revoke-token-v2: JSON, with other field names.
        from ..http import protocol_call

        client = self.get_client_credentials(owner)
        answer = protocol_call(
            "POST",
            self.endpoint("revocation_url"),
            json={
                "accessToken": token["access_token"],
                "clientId": client.client_id,
                "clientSecret": client.client_secret,
            },
            verify=self.ca_bundle or True,
        )
        if not 200 <= answer.status < 300:
            raise ProviderError(
                f"{self.label} did not revoke the token: it answered {answer.status}.",
                status=answer.status,
            )
