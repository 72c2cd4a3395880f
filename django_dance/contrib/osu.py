from ..providers import OAuth2Provider


class Osu(OAuth2Provider):
    """https://osu.ppy.sh/docs/index.html#authentication"""

    label = "osu!"
    documentation = "https://osu.ppy.sh/docs/index.html#authentication"
    checked = "2026-11"
    registration_url = "https://osu.ppy.sh/home/account/edit#new-oauth-application"
    base_url = "https://osu.ppy.sh/api/v2/"
    authorization_url = "https://osu.ppy.sh/oauth/authorize"
    token_url = "https://osu.ppy.sh/oauth/token"
    revocation_url = "https://osu.ppy.sh/api/v2/oauth/tokens/current"
    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = ""
    client_auth = "post"
    # The documentation, and, for the lifetime of three months,
    # https://github.com/ppy/osu-web/blob/HEAD/app/Providers/AuthServiceProvider.php
    refresh_rotates = True
    refresh_token_lifetime = 90
    scope = "identify"
    account_url = "me"
    account_id = "id"
    account_label = "username"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
