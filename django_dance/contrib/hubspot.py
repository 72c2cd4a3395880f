from typing import TYPE_CHECKING

from ..providers import AccountInfo, OAuth2Provider

if TYPE_CHECKING:
    from ..sessions import DanceSession


class HubSpot(OAuth2Provider):
    """https://developers.hubspot.com/docs/api-reference/2026-03/authentication/manage-oauth-tokens
    — ``SCOPE`` must contain each scope that your application at HubSpot requires."""

    documentation = (
        "https://developers.hubspot.com/docs/api-reference/2026-03/authentication/"
        "manage-oauth-tokens"
    )
    checked = "2026-11"
    # A page of the documentation
    registration_url = (
        "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/create-an-app"
    )
    base_url = "https://api.hubapi.com/"
    authorization_url = "https://app.hubspot.com/oauth/authorize"
    # https://github.com/HubSpot/HubSpot-public-api-spec-collection, and for PKCE, too
    token_url = "https://api.hubapi.com/oauth/2026-03/token"
    revocation_url = "https://api.hubapi.com/oauth/2026-03/token/revoke"
    client_auth = "post"
    scope = "oauth"
    scope_required = True
    # https://developers.hubspot.com/changelog/new-oauth-v3-api-endpoints-and-standardized-error-responses
    # The third and the fourth: the HubSpot account was deleted or disconnected,
    # https://github.com/PostHog/posthog/blob/HEAD/posthog/models/integration/refresh_tracking.py
    refusals = {
        "dead": (
            "BAD_REFRESH_TOKEN",
            "invalid_request: refresh token",
            "BAD_HUB",
            "access_denied: hub id",
        ),
        "client": ("missing or invalid client secret", "BAD_CLIENT_ID"),
    }
    account_id = "user_id"
    account_label = "user"
    unconfirmed = ("refresh_rotates",)

    def account_info(self, session: "DanceSession") -> AccountInfo:
        # Only this site can introspect (RFC 7662). A token is for one user in one HubSpot account.
        token = session.ready_token()
        fields = self.token_call(
            f"{self.token_url}/introspect",
            {"token": token["access_token"], "token_type_hint": "access_token"},
            self.get_client_credentials(session.owner),
        ).json()
        fields.pop("token", None)  # the access token again
        hub, user = fields.get("hub_id"), fields.get(self.account_id)
        account = ":".join(self.check_account_id(found or None) for found in (hub, user))
        return AccountInfo(
            self.check_account_id(account), str(fields.get(self.account_label) or user), fields
        )
