from typing import TYPE_CHECKING

from ..exceptions import ProviderError
from ..providers import BasicAuth, OAuth2Provider

if TYPE_CHECKING:
    from ..tokens import ResourceOwner, Token


class GitHub(OAuth2Provider):
    """https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps

    For GitHub Enterprise Server set ``HOST``, and ``BASE_URL`` to ``https://<host>/api/v3/``."""

    documentation = (
        "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps"
    )
    registration_url = "https://github.com/settings/developers"
    host = "github.com"
    base_url = "https://api.github.com/"
    api_origins = ("https://uploads.github.com",)
    authorization_url = "https://{host}/login/oauth/authorize"
    token_url = "https://{host}/login/oauth/access_token"
    device_authorization_url = "https://{host}/login/device/code"
    issuer = "https://{host}/login/oauth"
    # GitHub grants refresh tokens only to GitHub Apps. Each can be used once.
    refresh_rotates = True
    account_url = "user"
    account_id = "id"
    account_label = "login"
    unconfirmed = ("issuer", "refresh_rotates")

    def revoke(self, owner: "ResourceOwner", token: "Token") -> None:
        # https://docs.github.com/en/rest/apps/oauth-applications#delete-an-app-token
        from ..http import protocol_call

        client = self.get_client_credentials(owner)
        answer = protocol_call(
            "DELETE",
            f"{str(self.base_url).rstrip('/')}/applications/{client.client_id}/token",
            json={"access_token": token["access_token"]},
            auth=BasicAuth(client, urlencode=self.client_auth_urlencoded),
            verify=self.ca_bundle or True,
        )
        if answer.status != 204:
            raise ProviderError(
                f"{self.label} did not revoke the token: it answered {answer.status}.",
                status=answer.status,
            )
