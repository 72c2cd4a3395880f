from ..providers import OAuth2Provider


class Zoom(OAuth2Provider):
    """https://developers.zoom.us/docs/integrations/oauth/ — you choose the scopes when you register
    the application. ``user:read:user`` is needed to determine the account."""

    documentation = "https://developers.zoom.us/docs/integrations/oauth/"
    registration_url = "https://marketplace.zoom.us/"
    base_url = "https://api.zoom.us/v2/"
    authorization_url = "https://zoom.us/oauth/authorize"
    # PKCE: https://developers.zoom.us/blog/public-pkce/
    token_url = "https://zoom.us/oauth/token"
    revocation_url = "https://zoom.us/oauth/revoke"
    revocation_token = "access_token"
    # https://devsupport.zoom.us/hc/en-us/articles/360060332931-Extending-the-expiration-for-an-OAuth-access-token
    refresh_rotates = True
    # https://developers.zoom.us/docs/api/users/
    account_url = "users/me"
    account_id = "id"
    account_label = "display_name"
    unconfirmed = ("revocation_token",)
