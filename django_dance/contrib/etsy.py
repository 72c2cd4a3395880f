from ..providers import OAuth2Provider


class Etsy(OAuth2Provider):
    """https://developers.etsy.com/documentation/essentials/authentication — ``CLIENT_ID`` is your
    application's keystring, and ``CLIENT_SECRET`` is its shared secret."""

    documentation = "https://developers.etsy.com/documentation/essentials/authentication"
    checked = "2026-11"
    registration_url = "https://www.etsy.com/developers/your-apps"
    # https://developers.etsy.com/documentation/essentials/requests
    base_url = "https://api.etsy.com/v3/application/"
    api_origins = ("https://openapi.etsy.com",)
    authorization_url = "https://www.etsy.com/oauth/connect"
    token_url = "https://api.etsy.com/v3/public/oauth/token"
    # The page names no client secret in token requests; this client sends it:
    # https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    client_auth = "post"
    refresh_token_lifetime = 90
    scope = "shops_r"
    request_headers = {"x-api-key": "{client_id}:{client_secret}"}
    # https://developers.etsy.com/documentation/reference#operation/getMe
    account_url = "users/me"
    account_id = "user_id"
    unconfirmed = ("client_auth", "refresh_rotates")
