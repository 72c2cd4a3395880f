from ..providers import OAuth2Provider


class Cloudflare(OAuth2Provider):
    """https://developers.cloudflare.com/fundamentals/oauth/integrate-with-cloudflare/ — register
    a client with ``client_secret_basic`` and each scope that you request. To get refresh tokens,
    add the grant type ``refresh_token`` there and ``offline_access`` to ``SCOPE``."""

    documentation = (
        "https://developers.cloudflare.com/fundamentals/oauth/integrate-with-cloudflare/"
    )
    checked = "2026-11"
    # The client, its authentication and PKCE:
    # https://developers.cloudflare.com/fundamentals/oauth/create-an-oauth-client/
    registration_url = "https://dash.cloudflare.com/?to=/:account/oauth-clients"
    base_url = "https://api.cloudflare.com/client/v4/"
    authorization_url = "https://dash.cloudflare.com/oauth2/auth"
    token_url = "https://dash.cloudflare.com/oauth2/token"
    revocation_url = "https://dash.cloudflare.com/oauth2/revoke"
    scope = "user-details.read"
    # https://developers.cloudflare.com/api/resources/user/methods/get/
    account_url = "user"
    account_id = "result.id"
    # https://github.com/cloudflare/workers-sdk/blob/HEAD/packages/wrangler/src/user/whoami.ts
    account_label = "result.email"
    unconfirmed = ("refresh_rotates",)
