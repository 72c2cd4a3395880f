from ..providers import OIDCProvider


class Vercel(OIDCProvider):
    """https://vercel.com/docs/sign-in-with-vercel — add ``offline_access`` to ``SCOPE`` to get
    refresh tokens."""

    documentation = "https://vercel.com/docs/sign-in-with-vercel"
    checked = "2026-11"
    # https://github.com/better-auth/better-auth/blob/HEAD/docs/content/docs/authentication/vercel.mdx
    registration_url = "https://vercel.com/docs/sign-in-with-vercel/manage-from-dashboard"
    base_url = "https://api.vercel.com/"
    # https://vercel.com/.well-known/openid-configuration
    issuer = "https://vercel.com"
    authorization_url = "https://vercel.com/oauth/authorize"
    token_url = "https://api.vercel.com/login/oauth/token"
    revocation_url = "https://api.vercel.com/login/oauth/token/revoke"
    device_authorization_url = "https://api.vercel.com/login/oauth/device-authorization"
    jwks_url = "https://vercel.com/.well-known/jwks"
    userinfo_url = "https://api.vercel.com/login/oauth/userinfo"
    scope = ("openid", "profile")
    # https://vercel.com/docs/sign-in-with-vercel/tokens
    refresh_rotates = True
    refresh_token_lifetime = 30
