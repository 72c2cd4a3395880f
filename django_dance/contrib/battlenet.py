from ..providers import OIDCProvider


class BattleNet(OIDCProvider):
    """https://community.developer.battle.net/documentation/guides/using-oauth — ``REGION`` of the
    API is ``us``, ``eu``, ``kr`` or ``tw``; the token is good for all of them."""

    label = "Battle.net"
    documentation = "https://community.developer.battle.net/documentation/guides/using-oauth"
    registration_url = "https://community.developer.battle.net/access/clients"
    base_url = "https://{region}.api.blizzard.com/"
    api_origins = (
        "https://us.api.blizzard.com",
        "https://eu.api.blizzard.com",
        "https://kr.api.blizzard.com",
        "https://tw.api.blizzard.com",
    )
    authorization_url = "https://oauth.battle.net/authorize"
    token_url = "https://oauth.battle.net/token"
    auto_refresh_url = None
    jwks_url = "https://oauth.battle.net/jwks/certs"
    userinfo_url = "https://oauth.battle.net/userinfo"
    issuer = "https://oauth.battle.net"
    client_auth = "post"
    account_label = "battle_tag"
    unconfirmed = ("pkce", "registration_url")

    #: Whose API calls go to.
    region = "us"
