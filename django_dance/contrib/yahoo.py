from ..providers import OIDCProvider


class Yahoo(OIDCProvider):
    """https://developer.yahoo.com/oauth2/guide/openid_connect/getting_started.html"""

    documentation = "https://developer.yahoo.com/oauth2/guide/openid_connect/getting_started.html"
    checked = "2026-11"
    # https://github.com/pennersr/django-allauth/blob/HEAD/docs/socialaccount/providers/yahoo.rst
    registration_url = "https://developer.yahoo.com/apps/create/"
    base_url = "https://api.login.yahoo.com/openid/v1/"
    # https://developer.yahoo.com/fantasysports/guide/
    api_origins = ("https://fantasysports.yahooapis.com",)
    authorization_url = "https://api.login.yahoo.com/oauth2/request_auth"
    token_url = "https://api.login.yahoo.com/oauth2/get_token"
    # https://api.login.yahoo.com/.well-known/openid-configuration
    revocation_url = "https://api.login.yahoo.com/oauth2/revoke"
    # https://developer.yahooinc.com/dsp/api/docs/authentication/refresh-token.html
    refresh_redirect_uri = True
    userinfo_url = "https://api.login.yahoo.com/openid/v1/userinfo"
    issuer = "https://api.login.yahoo.com"
    # https://developer.yahoo.com/oauth2/guide/errors/
    refusals = {
        "client": ("INVALID_CLIENT_SECRET",),
        "dead": ("INVALID_REFRESH_TOKEN", "TOKEN_EXPIRED"),
    }
    scope = ("openid", "profile", "email")
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce", "refresh_rotates")
