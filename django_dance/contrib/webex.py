from ..providers import OAuth2Provider


class Webex(OAuth2Provider):
    """https://developer.webex.com/create/docs/integrations"""

    documentation = "https://developer.webex.com/create/docs/integrations"
    checked = "2026-11"
    registration_url = "https://developer.webex.com/my-apps"
    base_url = "https://webexapis.com/v1/"
    authorization_url = "https://webexapis.com/v1/authorize"
    # PKCE: https://developer.webex.com/docs/login-with-webex
    token_url = "https://webexapis.com/v1/access_token"
    client_auth = "post"
    scope = "spark:people_read"
    # https://github.com/webex/webex-openapi-specs/blob/HEAD/public-spec/webex-messaging.json
    account_url = "people/me"
    account_id = "id"
    account_label = "displayName"
    unconfirmed = ("refresh_rotates", "registration_url")
