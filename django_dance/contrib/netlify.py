from ..providers import OAuth2Provider


class Netlify(OAuth2Provider):
    """https://docs.netlify.com/api/get-started/#authentication — Netlify has no scopes."""

    documentation = "https://docs.netlify.com/api/get-started/#authentication"
    registration_url = "https://app.netlify.com/user/applications"
    base_url = "https://api.netlify.com/api/v1/"
    authorization_url = "https://app.netlify.com/authorize"
    token_url = "https://api.netlify.com/oauth/token"
    # Its tokens do not expire.
    auto_refresh_url = None
    client_auth = "post"
    account_url = "user"
    account_id = "id"
    account_label = "full_name"
    # PKCE is tolerated; this client sends it: https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/netlify.ts
    unconfirmed = ("auto_refresh_url", "pkce")
