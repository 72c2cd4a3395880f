from ..providers import OAuth2Provider


class LINE(OAuth2Provider):
    """https://developers.line.biz/en/docs/line-login/integrate-line-login/"""

    # No OIDCProvider: LINE signs a web login's ID token with HS256 and the client's secret, but
    # https://access.line.me/.well-known/openid-configuration announces ES256.
    documentation = "https://developers.line.biz/en/docs/line-login/integrate-line-login/"
    checked = "2026-11"
    registration_url = "https://developers.line.biz/console/"
    base_url = "https://api.line.me/"
    authorization_url = "https://access.line.me/oauth2/v2.1/authorize"
    # PKCE: https://developers.line.biz/en/docs/line-login/integrate-pkce/
    token_url = "https://api.line.me/oauth2/v2.1/token"
    # The revocation, the refresh and the account: https://developers.line.biz/en/reference/line-login/
    revocation_url = "https://api.line.me/oauth2/v2.1/revoke"
    revocation_token = "access_token"
    revocation_param = "access_token"
    client_auth = "post"
    # A refresh returns the same refresh token, and does not extend its 90 days.
    refresh_rotates = False
    refresh_token_lifetime = 90
    scope = "profile"
    scope_required = True
    account_url = "v2/profile"
    account_id = "userId"
    account_label = "displayName"
