from ..providers import OIDCProvider


class BattleNet(OIDCProvider):
    """https://community.developer.battle.net/documentation/guides/using-oauth — the ``REGION`` of
    the API is ``us``, ``eu``, ``kr`` or ``tw``. A token is valid in all four. China has other
    servers, which this preset does not know. Keep ``openid`` in ``SCOPE``: the ID token has the
    name."""

    label = "Battle.net"
    documentation = "https://community.developer.battle.net/documentation/guides/using-oauth"
    # https://community.developer.battle.net/documentation/guides/getting-started: "API Access"; the
    # same page sends the credentials by HTTP Basic.
    registration_url = "https://community.developer.battle.net/access/clients"
    base_url = "https://{region}.api.blizzard.com/"
    api_origins = (
        "https://us.api.blizzard.com",
        "https://eu.api.blizzard.com",
        "https://kr.api.blizzard.com",
        "https://tw.api.blizzard.com",
    )
    # https://oauth.battle.net/.well-known/openid-configuration
    authorization_url = "https://oauth.battle.net/authorize"
    token_url = "https://oauth.battle.net/token"
    auto_refresh_url = None
    jwks_url = "https://oauth.battle.net/jwks/certs"
    userinfo_url = "https://oauth.battle.net/userinfo"
    issuer = "https://oauth.battle.net"
    account_label = "battle_tag"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)

    #: The region of the API that is called.
    region = "us"
