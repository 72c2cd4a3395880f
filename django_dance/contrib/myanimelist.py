from ..providers import OAuth2Provider


class MyAnimeList(OAuth2Provider):
    """https://myanimelist.net/apiconfig/references/authorization — MyAnimeList supports only the
    ``plain`` method of PKCE. Set ``ALLOW_PLAIN_PKCE`` to accept this."""

    documentation = "https://myanimelist.net/apiconfig/references/authorization"
    checked = "2026-11"
    # https://github.com/KatsuteDev/Mal4J/blob/HEAD/setup.md
    registration_url = "https://myanimelist.net/apiconfig"
    base_url = "https://api.myanimelist.net/v2/"
    authorization_url = "https://myanimelist.net/v1/oauth2/authorize"
    token_url = "https://myanimelist.net/v1/oauth2/token"
    # "Currently, only the plain method is supported". A request without PKCE is refused.
    pkce = "plain"
    # "Refresh Token lifetime: One month"
    refresh_token_lifetime = 30
    # https://github.com/erengy/taiga/blob/HEAD/src/sync/myanimelist.cpp
    refusals = {"dead": ("invalid_request: the refresh token is invalid",)}
    # https://myanimelist.net/apiconfig/references/api/v2
    account_url = "users/@me"
    # https://docs.rs/crate/mal-api/2.0.3/source/src/user/responses.rs
    account_id = "id"
    account_label = "name"
    unconfirmed = ("refresh_rotates",)
