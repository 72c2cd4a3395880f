from ..providers import OAuth2Provider


class Typeform(OAuth2Provider):
    """https://www.typeform.com/developers/get-started/applications/ — for accounts with data in
    Europe set ``HOST`` to ``api.typeform.eu``."""

    documentation = "https://www.typeform.com/developers/get-started/applications/"
    registration_url = "https://admin.typeform.com/account"
    host = "api.typeform.com"
    base_url = "https://{host}/"
    authorization_url = "https://{host}/oauth/authorize"
    token_url = "https://{host}/oauth/token"
    client_auth = "post"
    # Not documented, and reported not to work.
    # https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    pkce = None
    scope = ("accounts:read", "offline")
    refresh_rotates = True
    account_url = "me"
    account_id = "user_id"
    account_label = "alias"
    unconfirmed = ("refresh_rotates", "registration_url")
