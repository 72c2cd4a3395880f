from typing import TYPE_CHECKING, Any

from ..providers import OAuth2Provider

if TYPE_CHECKING:
    from ..http import ProtocolResponse


class Instagram(OAuth2Provider):
    """https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/business-login
    — for professional accounts. The token of the dance is exchanged for one that lives 60 days. It
    is refreshed in its last 30 days. If no call is made in these days, run ``dance_check``."""

    documentation = (
        "https://developers.facebook.com/docs/instagram-platform/"
        "instagram-api-with-instagram-login/business-login"
    )
    checked = "2026-11"
    # https://github.com/NangoHQ/nango/blob/HEAD/docs/api-integrations/instagram/how-to-register-your-own-instagram-api-oauth-app.mdx
    registration_url = "https://developers.facebook.com/apps/"
    base_url = "https://graph.instagram.com/"
    authorization_url = "https://www.instagram.com/oauth/authorize"
    token_url = "https://api.instagram.com/oauth/access_token"
    # In a list with one element.
    token_path = "data.0"
    client_auth = "post"
    exchange_url = "https://graph.instagram.com/access_token"
    exchange_params = {
        "grant_type": "ig_exchange_token",
        "client_secret": "{client_secret}",
        "access_token": "{access_token}",
    }
    auto_refresh_url = "https://graph.instagram.com/refresh_access_token"
    refresh_params = {"grant_type": "ig_refresh_token", "access_token": "{access_token}"}
    refresh_days_ahead = 30
    scope = "instagram_business_basic"
    scope_required = True
    scope_separator = ","
    # https://developers.facebook.com/docs/graph-api/guides/error-handling/
    refusals = {"dead": ("190",)}
    token_over = {"error.code": ("190",)}
    # The token itself names the account.
    account_id = "user_id"
    # PKCE is tolerated; this client sends it: https://github.com/NangoHQ/nango/blob/HEAD/packages/providers/providers.yaml
    unconfirmed = ("pkce",)

    def parse(self, answer: "ProtocolResponse") -> dict[str, Any]:
        fields = super().parse(answer)
        if granted := fields.pop("permissions", None):
            fields["scope"] = granted
        return fields
