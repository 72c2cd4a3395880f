from ..providers import OAuth2Provider


class Calendly(OAuth2Provider):
    """https://developer.calendly.com/docs/authentication/creating-an-oauth-app — choose the scope
    ``users:read``, so that the account can be determined."""

    documentation = "https://developer.calendly.com/docs/authentication/creating-an-oauth-app"
    checked = "2026-11"
    # https://github.com/n8n-io/n8n-docs/blob/HEAD/docs/integrations/builtin/credentials/calendly.md
    registration_url = "https://developer.calendly.com/console/apps"
    base_url = "https://api.calendly.com/"
    # https://developer.calendly.com/api-docs/calendly-o-auth/o-auth/get-oauth-authorize
    authorization_url = "https://auth.calendly.com/oauth/authorize"
    # https://developer.calendly.com/api-docs/calendly-o-auth/o-auth/post-oauth-refresh-token: Basic
    token_url = "https://auth.calendly.com/oauth/token"
    # The credentials are in the body:
    # https://developer.calendly.com/api-docs/calendly-o-auth/o-auth/post-oauth-revoke
    revocation_url = "https://auth.calendly.com/oauth/revoke"
    revocation_auth = "none"
    revocation_params = {
        "client_id": "client_id",
        "client_secret": "client_secret",
        "token": "refresh_token",
    }
    # https://developer.calendly.com/refresh-token-rotation-guide
    refresh_rotates = True
    # Without a scope there is no access: https://developer.calendly.com/docs/authentication/scopes
    scope = "users:read"
    # https://developer.calendly.com/docs/api-guides/how-to-find-the-organization-or-user-uri
    account_url = "users/me"
    # Calendly identifies users by the URLs of their records.
    account_id = "resource.uri"
    account_label = "resource.name"
