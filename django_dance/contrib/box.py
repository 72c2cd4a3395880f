from ..providers import OAuth2Provider


class Box(OAuth2Provider):
    """https://developer.box.com/guides/authentication/oauth2/ — you choose the scopes when you
    register the application. ``SCOPE`` may request fewer scopes. For users of Box Verified
    Enterprise, set ``AUTHORIZATION_URL`` to ``https://ent.box.com/api/oauth2/authorize``."""

    documentation = "https://developer.box.com/guides/authentication/oauth2/"
    checked = "2026-11"
    registration_url = "https://app.box.com/developers/console"
    base_url = "https://api.box.com/2.0/"
    # Uploads; and representations: https://developer.box.com/guides/representations/download-a-representation/
    api_origins = ("https://upload.box.com", "https://dl.boxcloud.com")
    authorization_url = "https://account.box.com/api/oauth2/authorize"
    token_url = "https://api.box.com/oauth2/token"
    revocation_url = "https://api.box.com/oauth2/revoke"
    client_auth = "post"
    refresh_rotates = True
    # https://developer.box.com/guides/authentication/tokens/refresh
    refresh_token_lifetime = 60
    # https://developer.box.com/reference/get-users-me/
    account_url = "users/me"
    account_id = "id"
    account_label = "name"
    # PKCE is tolerated; this client sends it: https://github.com/pocketbase/pocketbase/blob/HEAD/tools/auth/box.go
    unconfirmed = ("pkce",)
