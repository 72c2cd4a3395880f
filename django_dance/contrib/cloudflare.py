from ..providers import OAuth2Provider


class Cloudflare(OAuth2Provider):
    """https://developers.cloudflare.com/fundamentals/oauth/integrate-with-cloudflare/ — add
    ``offline_access`` to ``SCOPE`` to get refresh tokens."""

    documentation = (
        "https://developers.cloudflare.com/fundamentals/oauth/integrate-with-cloudflare/"
    )
    registration_url = "https://dash.cloudflare.com/?to=/:account/oauth-clients"
    base_url = "https://api.cloudflare.com/client/v4/"
    authorization_url = "https://dash.cloudflare.com/oauth2/auth"
    token_url = "https://dash.cloudflare.com/oauth2/token"
    revocation_url = "https://dash.cloudflare.com/oauth2/revoke"
    scope = "user-details.read"
    account_url = "user"
    account_id = "result.id"
    account_label = "result.email"
    unconfirmed = ("refresh_rotates",)
