from ..providers import OAuth2Provider


class Patreon(OAuth2Provider):
    """https://docs.patreon.com/#oauth"""

    documentation = "https://docs.patreon.com/#oauth"
    checked = "2026-11"
    registration_url = "https://www.patreon.com/portal/registration/register-clients"
    base_url = "https://www.patreon.com/api/oauth2/v2/"
    authorization_url = "https://www.patreon.com/oauth2/authorize"
    token_url = "https://www.patreon.com/api/oauth2/token"
    client_auth = "post"
    scope = "identity"
    refresh_rotates = True
    account_url = "identity?fields%5Buser%5D=full_name"
    account_id = "data.id"
    account_label = "data.attributes.full_name"
    # PKCE is tolerated; this client sends it: https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/patreon.ts
    unconfirmed = ("pkce",)
