from typing import TYPE_CHECKING

from ..providers import OIDCProvider
from ..tokens import Token

if TYPE_CHECKING:
    from ..tokens import ResourceOwner


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
    # https://docs.slack.dev/reference/methods/auth.revoke: refusals have the status 200
    token_over = {"error": ("invalid_auth", "token_expired", "token_revoked", "account_inactive")}

    def revoke(self, owner: "ResourceOwner", token: Token) -> None:
        # Each call ends the one token that it is signed with.
        for name in ("access_token", "refresh_token"):
            if token.get(name):
                super().revoke(owner, Token({"access_token": token[name]}))
