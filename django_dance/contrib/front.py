from ..providers import OAuth2Provider


class Front(OAuth2Provider):
    """https://dev.frontapp.com/docs/oauth — the account belongs to a company, and an administrator
    of the company has to grant access."""

    documentation = "https://dev.frontapp.com/docs/oauth"
    checked = "2026-11"
    registration_url = "https://dev.frontapp.com/docs/create-and-manage-apps"
    base_url = "https://api2.frontapp.com/"
    authorization_url = "https://app.frontapp.com/oauth/authorize"
    token_url = "https://app.frontapp.com/oauth/token"
    # A refresh answers with the same refresh token, until that is about to expire after six months.
    refresh_rotates = False
    refresh_token_lifetime = 180
    # https://dev.frontapp.com/reference/api-token-details
    account_url = "me"
    account_id = "id"
    account_label = "name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
