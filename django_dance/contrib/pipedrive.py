from ..providers import OAuth2Provider


class Pipedrive(OAuth2Provider):
    """https://pipedrive.readme.io/docs/marketplace-oauth-authorization — scopes are set where the
    application is registered; the API's address comes with the token."""

    documentation = "https://pipedrive.readme.io/docs/marketplace-oauth-authorization"
    registration_url = "https://app.pipedrive.com/developer-hub"
    base_url = "https://api.pipedrive.com/api/"
    base_url_from_token = "{api_domain}/api/"
    base_url_domains = ("pipedrive.com",)
    authorization_url = "https://oauth.pipedrive.com/oauth/authorize"
    token_url = "https://oauth.pipedrive.com/oauth/token"
    revocation_url = "https://oauth.pipedrive.com/oauth/revoke"
    # Its documentation does not know PKCE, and those who sent it had to stop.
    pkce = None
    account_url = "v1/users/me"
    account_id = "data.id"
    account_label = "data.name"
    unconfirmed = ("pkce", "refresh_rotates", "registration_url")
