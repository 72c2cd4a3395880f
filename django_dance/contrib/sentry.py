from ..providers import ANY_PATH, HostPlace, OAuth2Provider


class Sentry(OAuth2Provider):
    """https://docs.sentry.io/api/auth/ — set ``HOST`` to use your own server. If the application is
    for one organization, a token is valid for the one that the visitor chooses."""

    documentation = "https://docs.sentry.io/api/auth/"
    checked = "2026-11"
    registration_url = "https://sentry.io/settings/account/api/applications/"
    host = "sentry.io"
    place_kind = HostPlace(path=ANY_PATH, example="sentry.example.com")
    base_url = "https://{host}/api/0/"
    authorization_url = "https://{host}/oauth/authorize/"
    token_url = "https://{host}/oauth/token/"
    device_authorization_url = "https://{host}/oauth/device/code/"
    client_auth = "post"
    scope = "org:read"
    # https://github.com/getsentry/sentry/blob/008af598c5c946bce4e0f9e99c0478cd98dd5c9d/src/sentry/models/apitoken.py
    refresh_rotates = True
    # The token itself names the account.
    account_id = "user.id"
    account_label = "user.name"
    # https://github.com/getsentry/sentry/blob/HEAD/src/sentry/web/frontend/oauth_token.py
    account_workspace = "organization_id"
    unconfirmed = ("registration_url",)
