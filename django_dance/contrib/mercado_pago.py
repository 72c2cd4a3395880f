from ..providers import OAuth2Provider


class MercadoPago(OAuth2Provider):
    """https://www.mercadopago.com.ar/developers/en/docs/security/oauth — scopes are set where the
    application is registered."""

    documentation = "https://www.mercadopago.com.ar/developers/en/docs/security/oauth"
    registration_url = "https://www.mercadopago.com.ar/developers/panel/app"
    label = "Mercado Pago"
    base_url = "https://api.mercadopago.com/"
    authorization_url = "https://auth.mercadopago.com/authorization"
    authorization_url_params = {"platform_id": "mp"}
    token_url = "https://api.mercadopago.com/oauth/token"
    client_auth = "post"
    # The token itself says it.
    account_id = "user_id"
    unconfirmed = ("refresh_rotates", "registration_url")
