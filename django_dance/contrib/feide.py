from ..providers import OIDCProvider


class Feide(OIDCProvider):
    """https://docs.feide.no/reference/oauth_oidc/openid_connect_details.html — the accounts of
    Norway's schools and universities; others can log in there, too. Its OAuth was called Dataporten
    before. Add ``profile`` to ``SCOPE`` to get the name."""

    documentation = "https://docs.feide.no/reference/oauth_oidc/openid_connect_details.html"
    checked = "2026-11"
    registration_url = "https://kunde.feide.no/"
    base_url = "https://auth.dataporten.no/"
    # https://docs.feide.no/reference/apis/groups_api/groups_endpoints.html
    # https://docs.feide.no/reference/apis/attributes_feide/extended_userinfo.html
    api_origins = ("https://groups-api.dataporten.no", "https://api.dataporten.no")
    # https://auth.dataporten.no/.well-known/openid-configuration
    authorization_url = "https://auth.dataporten.no/oauth/authorization"
    token_url = "https://auth.dataporten.no/oauth/token"
    # Its metadata name no grant with a refresh token.
    auto_refresh_url = None
    jwks_url = "https://auth.dataporten.no/openid/jwks"
    userinfo_url = "https://auth.dataporten.no/openid/userinfo"
    issuer = "https://auth.dataporten.no"
    # https://docs.feide.no/reference/oauth_oidc/logout.html
    end_session_url = "https://auth.dataporten.no/openid/endsession"
