from typing import TYPE_CHECKING, Any

from ..providers import OAuth2Provider

if TYPE_CHECKING:
    from ..http import ProtocolResponse


class Withings(OAuth2Provider):
    """https://developer.withings.com/api-reference/#tag/oauth2"""

    documentation = "https://developer.withings.com/api-reference/#tag/oauth2"
    checked = "2026-11"
    registration_url = "https://developer.withings.com/dashboard/"
    base_url = "https://wbsapi.withings.net/"
    authorization_url = "https://account.withings.com/oauth2_user/authorize2"
    token_url = "https://wbsapi.withings.net/v2/oauth2"
    token_url_params = {"action": "requesttoken"}
    auto_refresh_kwargs = {"action": "requesttoken"}
    token_path = "body"
    client_auth = "post"
    # "user.info" needs a contract with Withings:
    # https://oauth.withings.com/developer-guide/v3/integration-guide/public-health-data-api/get-access/oauth-web-flow
    scope = "user.metrics"
    scope_required = True
    scope_separator = ","
    # https://developer.withings.com/developer-guide/v3/integration-guide/public-health-data-api/get-access/access-and-refresh-tokens-no-recover
    refresh_rotates = True
    refresh_token_lifetime = 365
    # https://developer.withings.com/api-reference/#section/Response-status: the HTTP status is 200
    token_over = {"status": ("401",)}
    refusals = {"client": ("invalid_request: invalid client",)}
    # The token itself names the account.
    account_id = "userid"
    account_label = "userid"
    unconfirmed = ("pkce", "registration_url")

    def parse(self, answer: "ProtocolResponse") -> dict[str, Any]:
        # A refusal has the HTTP status 200, a status in the body, and no OAuth error.
        whole = answer.json()
        if not whole.get("status"):
            return super().parse(answer)
        reason = str(whole.get("error"))
        return {
            "error": "invalid_grant" if "invalid refresh_token" in reason else "invalid_request",
            "error_description": f"{whole['status']} {reason}",
        }
