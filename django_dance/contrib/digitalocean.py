from ..providers import OAuth2Provider


class DigitalOcean(OAuth2Provider):
    """https://docs.digitalocean.com/reference/api/oauth/"""

    documentation = "https://docs.digitalocean.com/reference/api/oauth/"
    checked = "2026-11"
    registration_url = "https://cloud.digitalocean.com/account/api/applications"
    base_url = "https://api.digitalocean.com/v2/"
    authorization_url = "https://cloud.digitalocean.com/v1/oauth/authorize"
    token_url = "https://cloud.digitalocean.com/v1/oauth/token"
    # PKCE, the refresh and the revocation:
    # https://github.com/digitalocean/doctl/blob/HEAD/internal/oauth/oauth.go
    # A refresh token can be used once.
    refresh_rotates = True
    revocation_url = "https://cloud.digitalocean.com/v1/oauth/revoke"
    revocation_auth = "token"
    revocation_token = "access_token"
    client_auth = "post"
    # https://github.com/digitalocean/openapi/blob/HEAD/specification/resources/account/models/account.yml
    account_url = "account"
    account_id = "account.uuid"
    account_label = "account.email"
    account_workspace = "account.team.uuid"
    account_workspace_label = "account.team.name"
