from ..providers import OIDCProvider


class Feide(OIDCProvider):
    """https://docs.feide.no/reference/oauth_oidc/openid_connect_details.html — the accounts of
    Norway's schools and universities. Feide was called Dataporten before."""

    documentation = "https://docs.feide.no/reference/oauth_oidc/openid_connect_details.html"
    registration_url = "https://kunde.feide.no/"
    base_url = "https://auth.dataporten.no/"
    api_origins = ("https://groups-api.dataporten.no",)
    authorization_url = "https://auth.dataporten.no/oauth/authorization"
    token_url = "https://auth.dataporten.no/oauth/token"
    jwks_url = "https://auth.dataporten.no/openid/jwks"
    userinfo_url = "https://auth.dataporten.no/openid/userinfo"
    issuer = "https://auth.dataporten.no"
    unconfirmed = ("refresh_rotates",)
