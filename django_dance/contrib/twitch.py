from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..providers import ClientCredentials, OIDCProvider

if TYPE_CHECKING:
    from ..http import ProtocolResponse


class Twitch(OIDCProvider):
    """https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/"""

    documentation = "https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/"
    checked = "2026-11"
    # https://dev.twitch.tv/docs/authentication/register-app/
    registration_url = "https://dev.twitch.tv/console/apps"
    base_url = "https://api.twitch.tv/helix/"
    authorization_url = "https://id.twitch.tv/oauth2/authorize"
    token_url = "https://id.twitch.tv/oauth2/token"
    # https://dev.twitch.tv/docs/authentication/revoke-tokens/
    revocation_url = "https://id.twitch.tv/oauth2/revoke"
    revocation_token = "access_token"
    device_authorization_url = "https://id.twitch.tv/oauth2/device"
    # https://dev.twitch.tv/docs/authentication/getting-tokens-oidc/
    jwks_url = "https://id.twitch.tv/oauth2/keys"
    userinfo_url = "https://id.twitch.tv/oauth2/userinfo"
    issuer = "https://id.twitch.tv/oauth2"
    scope = None
    client_auth = "post"
    # https://dev.twitch.tv/docs/authentication/refresh-tokens/
    refusals = {
        "dead": ("Invalid refresh token", "invalid device code"),
        "client": ("invalid client", "invalid client secret"),
    }
    # https://dev.twitch.tv/docs/api/reference/#get-users
    request_headers = {"Client-Id": "{client_id}"}
    account_url = "users"
    account_id = "data.0.id"
    account_label = "data.0.display_name"
    choose_account_params = {"force_verify": "true"}
    # PKCE is tolerated; this client sends it: https://github.com/pocketbase/pocketbase/blob/HEAD/tools/auth/twitch.go
    unconfirmed = ("pkce", "refresh_rotates")

    def token_call(
        self, url: str, data: Mapping[str, str], client: ClientCredentials
    ) -> "ProtocolResponse":
        # The request for a device has a name of its own for the scopes.
        if url == self.endpoint("device_authorization_url") and "scope" in data:
            data = {**data, "scopes": data["scope"]}
        return super().token_call(url, data, client)
