from ..providers import OAuth2Provider


class Zoom(OAuth2Provider):
    """https://developers.zoom.us/docs/integrations/oauth/ — scopes are set where the application is
    registered; ``user:read:user`` is needed to ask whose token it is."""

    documentation = "https://developers.zoom.us/docs/integrations/oauth/"
    registration_url = "https://marketplace.zoom.us/"
    base_url = "https://api.zoom.us/v2/"
    authorization_url = "https://zoom.us/oauth/authorize"
    token_url = "https://zoom.us/oauth/token"
    revocation_url = "https://zoom.us/oauth/revoke"
    revocation_token = "access_token"
    refresh_rotates = True
    account_url = "users/me"
    account_id = "id"
    account_label = "display_name"
    unconfirmed = ("refresh_rotates", "revocation_token")
