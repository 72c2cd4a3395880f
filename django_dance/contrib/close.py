from ..providers import OAuth2Provider


class Close(OAuth2Provider):
    """https://developer.close.com/api/overview/oauth-authentication — a token is valid for one
    organization, which its field ``organization_id`` names."""

    documentation = "https://developer.close.com/api/overview/oauth-authentication"
    checked = "2026-11"
    registration_url = "https://developer.close.com/integrations/create-an-oauth-app"
    base_url = "https://api.close.com/api/v1/"
    authorization_url = "https://app.close.com/oauth2/authorize/"
    token_url = "https://api.close.com/oauth2/token/"
    revocation_url = "https://api.close.com/oauth2/revoke/"
    client_auth = "post"
    # https://developer.close.com/integrations/create-an-oauth-app: every application has these
    scope = ("all.full_access", "offline_access")
    refresh_rotates = True
    # The token itself names the account.
    account_id = "user_id"
    account_workspace = "organization_id"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
