from ..providers import OAuth2Provider


class Eventbrite(OAuth2Provider):
    """https://www.eventbrite.com/platform/docs/app-oauth-flow"""

    documentation = "https://www.eventbrite.com/platform/docs/app-oauth-flow"
    checked = "2026-11"
    registration_url = "https://www.eventbrite.com/account-settings/apps"
    base_url = "https://www.eventbriteapi.com/v3/"
    authorization_url = "https://www.eventbrite.com/oauth/authorize"
    token_url = "https://www.eventbrite.com/oauth/token"
    # No refresh tokens. Its tokens end when the user changes the password:
    # https://www.eventbrite.com/developer/v3/api_overview/authentication/
    auto_refresh_url = None
    client_auth = "post"
    # https://github.com/eventbrite/eventbrite-sdk-javascript/blob/HEAD/docs/users.md
    account_url = "users/me/"
    account_id = "id"
    account_label = "name"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
