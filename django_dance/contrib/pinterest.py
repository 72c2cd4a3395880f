from ..providers import OAuth2Provider


class Pinterest(OAuth2Provider):
    """https://developers.pinterest.com/docs/getting-started/set-up-authentication-and-authorization/"""

    documentation = (
        "https://developers.pinterest.com/docs/getting-started/"
        "set-up-authentication-and-authorization/"
    )
    # https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/pinterest.ts
    registration_url = "https://developers.pinterest.com/apps/"
    base_url = "https://api.pinterest.com/v5/"
    authorization_url = "https://www.pinterest.com/oauth/"
    token_url = "https://api.pinterest.com/v5/oauth/token"
    scope = "user_accounts:read"
    scope_separator = ","
    account_url = "user_account"
    account_id = "id"
    account_label = "username"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates")
