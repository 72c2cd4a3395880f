from ..providers import OAuth2Provider


class DigitalOcean(OAuth2Provider):
    """https://docs.digitalocean.com/reference/api/oauth/"""

    documentation = "https://docs.digitalocean.com/reference/api/oauth/"
    registration_url = "https://cloud.digitalocean.com/account/api/applications"
    base_url = "https://api.digitalocean.com/v2/"
    authorization_url = "https://cloud.digitalocean.com/v1/oauth/authorize"
    token_url = "https://cloud.digitalocean.com/v1/oauth/token"
    revocation_url = "https://cloud.digitalocean.com/v1/oauth/revoke"
    revocation_auth = "token"
    revocation_token = "access_token"
    client_auth = "post"
    account_url = "account"
    account_id = "account.uuid"
    account_label = "account.email"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("auto_refresh_url", "pkce", "refresh_rotates", "registration_url")
