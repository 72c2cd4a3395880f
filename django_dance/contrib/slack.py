import logging
import time
from typing import TYPE_CHECKING, Any

from ..exceptions import ProviderError, failure_fields
from ..providers import OAuth2Provider
from ..tokens import Token, without_secrets

if TYPE_CHECKING:
    from ..http import ProtocolResponse
    from ..tokens import ResourceOwner

logger = logging.getLogger("django_dance")

#: The time after which the refresh of a user's token is tried again, in seconds.
RETRY_AFTER = 60


class Slack(OAuth2Provider):
    """https://docs.slack.dev/authentication/installing-with-oauth/ — ``SCOPE`` is for the bot,
    ``USER_SCOPE`` is for the user. If both are granted, calls use the bot's token; the user's is in
    ``session.token["authed_user"]``, and both are refreshed. If you switch PKCE on for the
    application, its refresh tokens expire after 30 days
    (https://docs.slack.dev/authentication/using-pkce)."""

    documentation = "https://docs.slack.dev/authentication/installing-with-oauth/"
    checked = "2026-11"
    registration_url = "https://api.slack.com/apps"
    base_url = "https://slack.com/api/"
    authorization_url = "https://slack.com/oauth/v2/authorize"
    token_url = "https://slack.com/api/oauth.v2.access"
    # https://docs.slack.dev/reference/methods/auth.revoke
    revocation_url = "https://slack.com/api/auth.revoke"
    revocation_auth = "token"
    revocation_param = ""
    scope = "chat:write"
    scope_separator = ","
    # Slack refuses PKCE unless it was switched on for the application:
    # pkce_not_allowed, https://docs.slack.dev/reference/methods/oauth.v2.access
    pkce = None
    # https://docs.slack.dev/authentication/using-token-rotation
    refresh_rotates = True
    # The errors of https://docs.slack.dev/reference/methods/oauth.v2.access
    refusals = {
        "busy": (
            "internal_error",
            "fatal_error",
            "service_unavailable",
            "ratelimited",
            # The workspace is moved to an organization.
            "org_login_required",
            "team_added_to_org",
        ),
        "dead": ("invalid_refresh_token",),
        "client": ("bad_client_secret", "invalid_client_id"),
    }
    # https://docs.slack.dev/reference/methods/auth.test: refusals have the status 200
    token_over = {"error": ("invalid_auth", "token_expired", "token_revoked", "account_inactive")}
    # The token itself names the user who installed the application. The id is unique in its
    # workspace: https://docs.slack.dev/reference/objects/user-object
    account_id = "authed_user.id"
    account_label = "workspace.name"
    account_workspace = "workspace.id"

    #: The scopes of the user's own token, separated by commas.
    user_scope: str | None = None
    #: The workspace in which the user authorizes the site.
    subdomain: str | None = None

    option_facts = {
        "subdomain": {"authorization_url": "https://{subdomain}.slack.com/oauth/v2/authorize"}
    }
    authorization_url_options = {"user_scope": {"user_scope": "{user_scope}"}}

    def parse(self, answer: "ProtocolResponse") -> dict[str, Any]:
        fields = super().parse(answer)
        user = fields.get("authed_user")
        if not fields.get("access_token") and isinstance(user, dict):
            fields |= {name: value for name, value in user.items() if name != "id"}
        # An application that is installed for a whole organization has no team:
        # https://github.com/slackapi/node-slack-sdk/blob/HEAD/packages/oauth/src/install-provider.ts
        if workspace := fields.get("team") or fields.get("enterprise"):
            fields["workspace"] = workspace
        # "bot" or "user"; both kinds are used as bearer tokens.
        fields.pop("token_type", None)
        return fields

    def revoke(self, owner: "ResourceOwner", token: Token) -> None:
        # Each call ends the one token that it is signed with.
        user = token.get("authed_user") or {}
        names = ("access_token", "refresh_token")
        secrets = [fields[name] for fields in (token, user) for name in names if fields.get(name)]
        for secret in dict.fromkeys(secrets):
            super().revoke(owner, Token({"access_token": secret}))

    def refresh(self, owner: "ResourceOwner", token: Token) -> Token:
        # The bot's token and the user's token have a refresh token each, and expire together.
        new = super().refresh(owner, token)
        user = dict(token.get("authed_user") or {})
        fields = {**new.fields_to_store, "authed_user": user}
        if "access_token" not in user or "refresh_token" not in user:
            return Token(fields)
        data = {"grant_type": "refresh_token", "refresh_token": user["refresh_token"]}
        try:
            granted = self.grant(self.token_url, data, self.get_client_credentials(owner))
        except ProviderError as error:
            # The bot's new token must be stored.
            logger.warning(
                "%s: the user's token could not be refreshed: %s",
                self.name,
                error,
                extra=failure_fields(error, provider=self.name),
            )
            if self.meaning_of(error) == "dead":
                fields["authed_user"] = without_secrets(user)
            else:
                fields["expires_at"] = time.time() + RETRY_AFTER
        else:
            names = ("access_token", "refresh_token", "expires_in", "scope")
            user |= {name: granted[name] for name in names if name in granted}
        return Token(fields)
