from ..providers import OAuth2Provider


class Oura(OAuth2Provider):
    """https://cloud.ouraring.com/docs/authentication"""

    documentation = "https://cloud.ouraring.com/docs/authentication"
    checked = "2026-11"
    # https://cloud.ouraring.com/v2/static/json/openapi-1.35.json
    registration_url = "https://cloud.ouraring.com/oauth/applications"
    base_url = "https://api.ouraring.com/v2/"
    authorization_url = "https://cloud.ouraring.com/oauth/authorize"
    token_url = "https://api.ouraring.com/oauth/token"
    client_auth = "post"
    # "email" is for account_label. The account is in the same file as registration_url.
    scope = "email personal daily"
    refresh_rotates = True
    account_url = "usercollection/personal_info"
    account_id = "id"
    account_label = "email"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates")
