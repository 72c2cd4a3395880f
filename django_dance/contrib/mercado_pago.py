from ..providers import OAuth2Provider


class MercadoPago(OAuth2Provider):
    """https://www.mercadopago.com.ar/developers/en/docs/security/oauth — you choose the permissions
    when you register the application: keep "offline access" for refresh tokens, and enable PKCE."""

    documentation = "https://www.mercadopago.com.ar/developers/en/docs/security/oauth"
    checked = "2026-11"
    registration_url = "https://www.mercadopago.com.ar/developers/panel/app"
    label = "Mercado Pago"
    base_url = "https://api.mercadopago.com/"
    authorization_url = "https://auth.mercadopago.com/authorization"
    authorization_url_params = {"platform_id": "mp"}
    token_url = "https://api.mercadopago.com/oauth/token"
    # https://www.mercadopago.com.br/developers/en/docs/oauth/renewal
    # A refresh comes before the access token expires, after 180 days.
    refresh_rotates = True
    refresh_days_ahead = 90
    client_auth = "post"
    # https://www.mercadopago.com.mx/developers/en/reference/oauth/_oauth_token/post
    refusals = {"dead": ("unauthorized_client",), "busy": ("local_rate_limited",)}
    # The token itself names the account.
    account_id = "user_id"
    unconfirmed = ("registration_url",)
