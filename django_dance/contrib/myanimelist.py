from ..providers import OAuth2Provider


class MyAnimeList(OAuth2Provider):
    """https://myanimelist.net/apiconfig/references/authorization — MyAnimeList supports only the
    ``plain`` method of PKCE. Set ``ALLOW_PLAIN_PKCE`` to accept this."""

    documentation = "https://myanimelist.net/apiconfig/references/authorization"
    registration_url = "https://myanimelist.net/apiconfig"
    base_url = "https://api.myanimelist.net/v2/"
    authorization_url = "https://myanimelist.net/v1/oauth2/authorize"
    token_url = "https://myanimelist.net/v1/oauth2/token"
    # "Currently, only the plain method is supported". A request without PKCE is refused.
    pkce = "plain"
    account_url = "users/@me"
    account_id = "id"
    account_label = "name"
    unconfirmed = ("client_auth", "refresh_rotates", "registration_url")
