from ..providers import OAuth2Provider


class Typeform(OAuth2Provider):
    """https://www.typeform.com/developers/get-started/applications/ — for accounts with data in
    Europe register the application there, and set ``HOST`` to ``api.typeform.eu``. If the account
    is older than August 2025, set only ``BASE_URL``, to ``https://api.eu.typeform.com/``."""

    documentation = "https://www.typeform.com/developers/get-started/applications/"
    registration_url = "https://admin.typeform.com/account"
    # The hosts in Europe: https://github.com/Typeform/js-api-client/blob/HEAD/README.md and
    # https://github.com/NangoHQ/nango/blob/HEAD/docs/api-integrations/typeform/connect.mdx
    host = "api.typeform.com"
    base_url = "https://{host}/"
    authorization_url = "https://{host}/oauth/authorize"
    token_url = "https://{host}/oauth/token"
    client_auth = "post"
    # Not documented, and a client that sends PKCE elsewhere does not send it here:
    # https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    pkce = None
    scope = ("accounts:read", "offline")
    refresh_rotates = True
    account_url = "me"
    # https://github.com/trufflesecurity/trufflehog/tree/HEAD/pkg/detectors/typeform
    account_id = "user_id"
    account_label = "alias"
    unconfirmed = ("refresh_rotates", "registration_url")
