from ..providers import OAuth2Provider


class GoogleHealth(OAuth2Provider):
    """https://developers.google.com/health/setup — the data of Fitbit and Google Health. Keep one
    scope of the API in ``SCOPE``, so that the account can be determined."""

    documentation = "https://developers.google.com/health/setup"
    checked = "2026-11"
    registration_url = "https://console.cloud.google.com/auth/clients"
    label = "Google Health"
    # https://developers.google.com/health/endpoints
    base_url = "https://health.googleapis.com/v4/"
    # https://developers.google.com/identity/protocols/oauth2/web-server
    authorization_url = "https://accounts.google.com/o/oauth2/v2/auth"
    token_url = "https://oauth2.googleapis.com/token"
    revocation_url = "https://oauth2.googleapis.com/revoke"
    client_auth = "post"
    # Google grants a refresh token for offline access only, and again only after a new consent.
    authorization_url_params = {"access_type": "offline", "prompt": "consent"}
    # PKCE: https://accounts.google.com/.well-known/openid-configuration
    # https://developers.google.com/health/scopes
    scope = "https://www.googleapis.com/auth/googlehealth.profile.readonly"
    scope_required = True
    refresh_rotates = False
    # https://developers.google.com/identity/protocols/oauth2#expiration: six months without use
    refresh_token_lifetime = 180
    # https://developers.google.com/health/reference/rest/v4/users/getIdentity
    account_url = "users/me/identity"
    account_id = "healthUserId"
