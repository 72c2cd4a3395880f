from ..providers import OIDCProvider


class Twitch(OIDCProvider):
    """https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/"""

    documentation = "https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/"
    # https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/twitch.ts
    registration_url = "https://dev.twitch.tv/console/apps"
    base_url = "https://api.twitch.tv/helix/"
    authorization_url = "https://id.twitch.tv/oauth2/authorize"
    # PKCE: https://github.com/pocketbase/pocketbase/blob/HEAD/tools/auth/twitch.go
    token_url = "https://id.twitch.tv/oauth2/token"
    revocation_url = "https://id.twitch.tv/oauth2/revoke"
    revocation_token = "access_token"
    device_authorization_url = "https://id.twitch.tv/oauth2/device"
    jwks_url = "https://id.twitch.tv/oauth2/keys"
    userinfo_url = "https://id.twitch.tv/oauth2/userinfo"
    issuer = "https://id.twitch.tv/oauth2"
    scope = None
    client_auth = "post"
    # https://dev.twitch.tv/docs/authentication/refresh-tokens/ and
    # https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/#device-code-grant-flow
    refusals = {
        "dead": ("Invalid refresh token", "invalid device code"),
        "client": ("invalid client", "invalid client secret"),
    }
    request_headers = {"Client-Id": "{client_id}"}
    account_url = "users"
    account_id = "data.0.id"
    account_label = "data.0.display_name"
    choose_account_params = {"force_verify": "true"}
    unconfirmed = ("refresh_rotates",)
