from ..providers import OAuth2Provider


class Netlify(OAuth2Provider):
    """https://docs.netlify.com/api-and-cli-guides/api-guides/get-started-with-api/#authentication —
    Netlify has no scopes."""

    documentation = (
        "https://docs.netlify.com/api-and-cli-guides/api-guides/get-started-with-api/"
        "#authentication"
    )
    checked = "2026-11"
    registration_url = "https://app.netlify.com/applications"
    base_url = "https://api.netlify.com/api/v1/"
    authorization_url = "https://app.netlify.com/authorize"
    # https://github.com/netlify-labs/oauth-example/blob/HEAD/functions/utils/auth.js
    token_url = "https://api.netlify.com/oauth/token"
    # The documentation names no refresh tokens.
    auto_refresh_url = None
    # https://github.com/netlify-labs/oauth-example/blob/HEAD/functions/auth-callback.js
    client_auth = "post"
    # https://github.com/netlify/open-api/blob/HEAD/swagger.yml
    account_url = "user"
    account_id = "id"
    account_label = "full_name"
    # PKCE is tolerated; this client sends it: https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/netlify.ts
    unconfirmed = ("auto_refresh_url", "pkce")
