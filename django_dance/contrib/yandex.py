from ..providers import OAuth2Provider


class Yandex(OAuth2Provider):
    """https://yandex.com/dev/id/doc/en/ — to call Yandex Disk or other services, set ``BASE_URL``
    or ``API_ORIGINS``, for example to ``https://cloud-api.yandex.net``."""

    documentation = "https://yandex.com/dev/id/doc/en/"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/yandex.rst
    registration_url = "https://oauth.yandex.com/client/new"
    host = "oauth.yandex.ru"
    base_url = "https://login.yandex.ru/"
    authorization_url = "https://{host}/authorize"
    # PKCE: https://yandex.ru/dev/id/doc/ru/codes/code-url
    token_url = "https://{host}/token"
    # https://yandex.com/dev/id/doc/en/tokens/refresh-client
    refresh_rotates = True
    # Only of tokens that were issued for a device:
    # https://yandex.com/dev/id/doc/en/tokens/token-invalidate
    revocation_url = "https://{host}/revoke_token"
    revocation_token = "access_token"
    revocation_param = "access_token"
    authorization_scheme = "OAuth"
    account_url = "https://login.yandex.ru/info?format=json"
    account_id = "id"
    account_label = "display_name"
