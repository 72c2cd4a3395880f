from ..providers import OAuth2Provider


class Yandex(OAuth2Provider):
    """https://yandex.com/dev/id/doc/en/ — to call Yandex Disk or other services, set ``BASE_URL``
    or ``API_ORIGINS``, for example to ``https://cloud-api.yandex.net``. Yandex revokes a token only
    if its dance named a device: set ``device_id`` in ``AUTHORIZATION_URL_PARAMS``, and
    ``REVOCATION_URL`` to ``https://oauth.yandex.ru/revoke_token``. The account has a label only if
    the application may read the user's name."""

    documentation = "https://yandex.com/dev/id/doc/en/"
    checked = "2026-11"
    # https://yandex.com/dev/id/doc/en/register-auth
    registration_url = "https://oauth.yandex.ru/client/new/id/"
    host = "oauth.yandex.ru"
    base_url = "https://login.yandex.ru/"
    authorization_url = "https://{host}/authorize"
    # client_auth, PKCE: https://yandex.ru/dev/id/doc/ru/codes/code-url
    token_url = "https://{host}/token"
    # https://yandex.com/dev/id/doc/en/tokens/refresh-client: the refresh token expires with the
    # access token, and a refresh is recommended every three months.
    refresh_rotates = True
    refresh_days_ahead = 90
    # https://yandex.com/dev/id/doc/en/codes/code-url
    choose_account_params = {"force_confirm": "yes"}
    # https://yandex.com/dev/id/doc/en/tokens/token-invalidate
    revocation_token = "access_token"
    revocation_param = "access_token"
    # https://yandex.com/dev/id/doc/en/user-information
    authorization_scheme = "OAuth"
    account_url = "https://login.yandex.ru/info?format=json"
    account_id = "id"
    account_label = "display_name"
