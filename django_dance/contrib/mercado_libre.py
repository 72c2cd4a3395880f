from ..providers import OAuth2Provider


class MercadoLibre(OAuth2Provider):
    """https://developers.mercadolibre.com.ar/en_us/authentication-and-authorization — set ``HOST``
    to your country's host, such as ``auth.mercadolivre.com.br``. You choose the scopes when you
    register the application: choose "Offline Access" for refresh tokens."""

    documentation = "https://developers.mercadolibre.com.ar/en_us/authentication-and-authorization"
    checked = "2026-11"
    registration_url = "https://developers.mercadolibre.com.ar/devcenter"
    label = "Mercado Libre"
    # The hosts: https://github.com/mercadolibre/python-sdk/blob/HEAD/README.md
    host = "auth.mercadolibre.com"
    base_url = "https://api.mercadolibre.com/"
    authorization_url = "https://{host}/authorization"
    token_url = "https://api.mercadolibre.com/oauth/token"
    client_auth = "post"
    # https://global-selling.mercadolibre.com/devsite/authentication-and-authorization-global-selling
    refresh_rotates = True
    refresh_token_lifetime = 180
    account_url = "users/me"
    account_id = "id"
    account_label = "nickname"
    unconfirmed = ("host", "refresh_token_lifetime", "registration_url")
