from ..providers import OAuth2Provider


class Osu(OAuth2Provider):
    """https://osu.ppy.sh/docs/index.html#authentication"""

    label = "osu!"
    documentation = "https://osu.ppy.sh/docs/index.html#authentication"
    # https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/osu.ts
    registration_url = "https://osu.ppy.sh/home/account/edit#new-oauth-application"
    base_url = "https://osu.ppy.sh/api/v2/"
    authorization_url = "https://osu.ppy.sh/oauth/authorize"
    token_url = "https://osu.ppy.sh/oauth/token"
    revocation_url = "https://osu.ppy.sh/api/v2/oauth/tokens/current"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    client_auth = "post"
    scope = "identify"
    account_url = "me"
    account_id = "id"
    account_label = "username"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates")
