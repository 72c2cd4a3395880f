from ..providers import OIDCProvider


class Roblox(OIDCProvider):
    """https://create.roblox.com/docs/cloud/auth/oauth2-overview"""

    documentation = "https://create.roblox.com/docs/cloud/auth/oauth2-overview"
    checked = "2026-11"
    # https://create.roblox.com/docs/cloud/auth/oauth2-registration
    registration_url = "https://create.roblox.com/dashboard/credentials?activeTab=OAuthTab"
    base_url = "https://apis.roblox.com/"
    authorization_url = "https://apis.roblox.com/oauth/v1/authorize"
    token_url = "https://apis.roblox.com/oauth/v1/token"
    revocation_url = "https://apis.roblox.com/oauth/v1/token/revoke"
    jwks_url = "https://apis.roblox.com/oauth/v1/certs"
    userinfo_url = "https://apis.roblox.com/oauth/v1/userinfo"
    issuer = "https://apis.roblox.com/oauth/"
    client_auth = "post"
    # https://create.roblox.com/docs/cloud/auth/oauth2-reference
    scope = "openid profile"
    scope_required = True
    refresh_rotates = True
    refresh_token_lifetime = 90
    account_label = "preferred_username"
