from ..providers import OAuth2Provider


class WordPressCom(OAuth2Provider):
    """https://developer.wordpress.com/docs/api/oauth2/ — a token is valid for one site. Its field
    ``blog_id`` names the site. With ``global`` in ``SCOPE`` a token is valid for all sites of the
    user: set ``ACCOUNT_WORKSPACE`` to ``""`` then."""

    label = "WordPress.com"
    documentation = "https://developer.wordpress.com/docs/api/oauth2/"
    checked = "2026-11"
    registration_url = "https://developer.wordpress.com/apps/"
    base_url = "https://public-api.wordpress.com/rest/v1.1/"
    authorization_url = "https://public-api.wordpress.com/oauth2/authorize"
    token_url = "https://public-api.wordpress.com/oauth2/token"
    # The answer has no refresh token.
    auto_refresh_url = None
    client_auth = "post"
    # https://developer.wordpress.com/docs/api/1.1/get/me/
    account_url = "me"
    account_id = "ID"
    account_label = "display_name"
    account_workspace = "blog_id"
    account_workspace_label = "blog_url"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
