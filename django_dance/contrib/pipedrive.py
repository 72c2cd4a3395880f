from ..providers import OAuth2Provider


class Pipedrive(OAuth2Provider):
    """https://pipedrive.readme.io/docs/marketplace-oauth-authorization — you choose the scopes when
    you register the application. A token is for one company of the user; it names the URL of the
    API."""

    documentation = "https://pipedrive.readme.io/docs/marketplace-oauth-authorization"
    checked = "2026-11"
    # https://pipedrive.readme.io/docs/client-id-and-client-secret
    registration_url = "https://app.pipedrive.com/developer-hub"
    base_url = "https://api.pipedrive.com/api/"
    base_url_from_token = "{api_domain}/api/"
    base_url_domains = ("pipedrive.com",)
    authorization_url = "https://oauth.pipedrive.com/oauth/authorize"
    token_url = "https://oauth.pipedrive.com/oauth/token"
    revocation_url = "https://oauth.pipedrive.com/oauth/revoke"
    # Not documented, and a client that sends PKCE elsewhere does not send it here:
    # https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    pkce = None
    # The lifetime begins again with each refresh: the page of ``documentation``.
    refresh_rotates = False
    refresh_token_lifetime = 60
    # https://pipedrive.readme.io/docs/app-installation-flows
    refusals = {"cancelled": ("user_denied",)}
    account_url = "v1/users/me"
    # https://pipedrive.readme.io/docs/marketplace-getting-user-data
    account_id = "data.id"
    account_label = "data.name"
    account_workspace = "data.company_id"
    account_workspace_label = "data.company_name"
