from ..providers import OAuth2Provider


class MyAnimeList(OAuth2Provider):
    """https://myanimelist.net/apiconfig/references/authorization — knows only the plain form of
    PKCE, and is refused until ``ALLOW_PLAIN_PKCE`` says that this will do."""

    documentation = "https://myanimelist.net/apiconfig/references/authorization"
    registration_url = "https://myanimelist.net/apiconfig"
    base_url = "https://api.myanimelist.net/v2/"
    authorization_url = "https://myanimelist.net/v1/oauth2/authorize"
    token_url = "https://myanimelist.net/v1/oauth2/token"
    # "Currently, only the plain method is supported", and no request without PKCE.
    pkce = "plain"
    account_url = "users/@me"
    account_id = "id"
    account_label = "name"
    unconfirmed = ("client_auth", "refresh_rotates", "registration_url")
