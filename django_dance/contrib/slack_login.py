from ..providers import OIDCProvider


class SlackLogin(OIDCProvider):
    """https://docs.slack.dev/authentication/sign-in-with-slack/ — this preset only determines the
    user's account; it gives no access to the API."""

    documentation = "https://docs.slack.dev/authentication/sign-in-with-slack/"
    checked = "2026-11"
    registration_url = "https://api.slack.com/apps"
    label = "Sign in with Slack"
    base_url = "https://slack.com/api/"
    authorization_url = "https://slack.com/openid/connect/authorize"
    token_url = "https://slack.com/api/openid.connect.token"
    # https://docs.slack.dev/reference/methods/auth.revoke
    revocation_url = "https://slack.com/api/auth.revoke"
    revocation_auth = "token"
    revocation_param = ""
    jwks_url = "https://slack.com/openid/connect/keys"
    userinfo_url = "https://slack.com/api/openid.connect.userInfo"
    issuer = "https://slack.com"
    scope = ("openid", "profile")
    # Slack refuses PKCE unless it was switched on for the application:
    # https://docs.slack.dev/authentication/using-pkce
    pkce = None
    # https://docs.slack.dev/authentication/using-token-rotation
    refresh_rotates = True
    # As a token of https://docs.slack.dev/reference/methods/oauth.v2.access
    refusals = {"dead": ("invalid_refresh_token",)}
