from ..providers import OAuth2Provider


class WordPressCom(OAuth2Provider):
    """https://developer.wordpress.com/docs/oauth2/ — a token is valid for one site. Its field
    ``blog_id`` names the site. With ``global`` in ``SCOPE`` a token is valid for all sites of the
    user."""

    label = "WordPress.com"
    documentation = "https://developer.wordpress.com/docs/oauth2/"
    # https://github.com/chillerlan/php-oauth/blob/HEAD/docs/Basics/Overview.md
    registration_url = "https://developer.wordpress.com/apps/"
    base_url = "https://public-api.wordpress.com/rest/v1.1/"
    authorization_url = "https://public-api.wordpress.com/oauth2/authorize"
    token_url = "https://public-api.wordpress.com/oauth2/token"
    auto_refresh_url = None
    client_auth = "post"
    account_url = "me"
    account_id = "ID"
    account_label = "display_name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
