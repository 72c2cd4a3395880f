from ..providers import OAuth2Provider


class Pinterest(OAuth2Provider):
    """https://developers.pinterest.com/docs/getting-started/set-up-authentication-and-authorization/"""

    documentation = (
        "https://developers.pinterest.com/docs/getting-started/"
        "set-up-authentication-and-authorization/"
    )
    checked = "2026-11"
    # https://github.com/pinterest/api-quickstart/blob/HEAD/README.md
    registration_url = "https://developers.pinterest.com/apps/"
    base_url = "https://api.pinterest.com/v5/"
    authorization_url = "https://www.pinterest.com/oauth/"
    # https://github.com/pinterest/api-description/blob/HEAD/v5/openapi.yaml
    token_url = "https://api.pinterest.com/v5/oauth/token"
    # For apps that are older than 25 September 2025: the same page
    token_url_params = {"continuous_refresh": "true"}
    refresh_token_lifetime = 60
    scope = "user_accounts:read"
    scope_required = True
    scope_separator = ","
    account_url = "user_account"
    account_id = "id"
    account_label = "username"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
