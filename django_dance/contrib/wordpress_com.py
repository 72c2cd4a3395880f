from ..providers import OAuth2Provider


class WordPressCom(OAuth2Provider):
    """https://developer.wordpress.com/docs/oauth2/ — a token is for one site, which it names as
    ``blog_id``; with ``global`` in ``SCOPE`` it is for all of the user's."""

    label = "WordPress.com"
    documentation = "https://developer.wordpress.com/docs/oauth2/"
    registration_url = "https://developer.wordpress.com/apps/"
    base_url = "https://public-api.wordpress.com/rest/v1.1/"
    authorization_url = "https://public-api.wordpress.com/oauth2/authorize"
    token_url = "https://public-api.wordpress.com/oauth2/token"
    auto_refresh_url = None
    client_auth = "post"
    account_url = "me"
    account_id = "ID"
    account_label = "display_name"
    unconfirmed = ("pkce", "registration_url")
