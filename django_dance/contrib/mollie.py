from ..providers import OAuth2Provider


class Mollie(OAuth2Provider):
    """https://docs.mollie.com/reference/oauth-api"""

    documentation = "https://docs.mollie.com/reference/oauth-api"
    checked = "2026-11"
    registration_url = "https://my.mollie.com/dashboard/developers/applications"
    base_url = "https://api.mollie.com/v2/"
    authorization_url = "https://my.mollie.com/oauth2/authorize"
    token_url = "https://api.mollie.com/oauth2/tokens"
    # https://github.com/mollie/openapi/blob/HEAD/specs.yaml
    refresh_redirect_uri = True
    revocation_url = "https://api.mollie.com/oauth2/tokens"
    revocation_auth = "basic"
    revocation_method = "DELETE"
    # Not documented, and reported not to work.
    # https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    pkce = None
    scope = "organizations.read"
    scope_required = True
    account_url = "organizations/me"
    account_id = "id"
    account_label = "name"
    unconfirmed = ("registration_url",)
