from ..providers import OAuth2Provider


class HelpScout(OAuth2Provider):
    """https://developer.helpscout.com/mailbox-api/overview/authentication/ — set the callback URL
    when you register the application, under Your Profile › My Apps. Help Scout has no scopes."""

    documentation = "https://developer.helpscout.com/mailbox-api/overview/authentication/"
    checked = "2026-11"
    registration_url = "https://secure.helpscout.net/"
    label = "Help Scout"
    base_url = "https://api.helpscout.net/v2/"
    authorization_url = "https://secure.helpscout.net/authentication/authorizeClientApplication"
    token_url = "https://api.helpscout.net/v2/oauth2/token"
    client_auth = "post"
    # https://developer.helpscout.com/mailbox-api/endpoints/users/me/
    account_url = "users/me"
    account_id = "id"
    account_label = "email"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates")
