from ..providers import OIDCProvider


class Xero(OIDCProvider):
    """https://developer.xero.com/documentation/guides/oauth2/auth-flow/ —
    ``https://api.xero.com/connections`` returns the organisations. Name one of them in the header
    ``xero-tenant-id`` of each call."""

    documentation = "https://developer.xero.com/documentation/guides/oauth2/auth-flow/"
    # https://github.com/NangoHQ/nango/blob/HEAD/docs/api-integrations/xero/how-to-register-your-own-xero-api-oauth-app.mdx
    registration_url = "https://developer.xero.com/app/manage"
    base_url = "https://api.xero.com/api.xro/2.0/"
    authorization_url = "https://login.xero.com/identity/connect/authorize"
    token_url = "https://identity.xero.com/connect/token"
    # https://github.com/XeroAPI/xero-python/blob/HEAD/xero_python/api_client/oauth2.py
    revocation_url = "https://identity.xero.com/connect/revocation"
    # https://github.com/XeroAPI/Xero-NetStandard/blob/HEAD/Xero.NetStandard.OAuth2Client/src/Utilities/JwtUtils.cs
    jwks_url = "https://identity.xero.com/.well-known/openid-configuration/jwks"
    issuer = "https://identity.xero.com"
    scope = ("openid", "profile", "email", "offline_access")
    refresh_rotates = True
    # https://github.com/XeroAPI/xero-node/blob/HEAD/README.md
    refresh_token_lifetime = 60
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)
