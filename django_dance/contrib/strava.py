from .. import __version__
from ..providers import OAuth2Provider


class Strava(OAuth2Provider):
    """https://developers.strava.com/docs/authentication/"""

    documentation = "https://developers.strava.com/docs/authentication/"
    registration_url = "https://www.strava.com/settings/api"
    base_url = "https://www.strava.com/api/v3/"
    authorization_url = "https://www.strava.com/oauth/authorize"
    token_url = "https://www.strava.com/api/v3/oauth/token"
    revocation_url = "https://www.strava.com/oauth/deauthorize"
    revocation_auth = "token"
    revocation_token = "access_token"
    revocation_param = "access_token"
    client_auth = "post"
    scope = "read"
    scope_separator = ","
    refresh_rotates = True
    request_headers = {"User-Agent": "{user_agent}"}
    account_url = "athlete"
    account_id = "id"
    account_label = "firstname"
    unconfirmed = ("pkce", "registration_url", "refresh_rotates")

    #: The User-Agent of API calls.
    user_agent = f"django-dance/{__version__}"
