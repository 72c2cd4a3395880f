from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ..providers import OAuth2Provider

if TYPE_CHECKING:
    from ..http import ProtocolResponse


class Square(OAuth2Provider):
    """https://developer.squareup.com/docs/oauth-api/overview — ``SANDBOX`` uses the test
    environment."""

    documentation = "https://developer.squareup.com/docs/oauth-api/overview"
    checked = "2026-11"
    # https://github.com/square/square-nodejs-sdk/blob/HEAD/src/api/resources/oAuth/client/requests/ObtainTokenRequest.ts
    registration_url = "https://developer.squareup.com/apps"
    host = "connect.squareup.com"
    base_url = "https://{host}/v2/"
    authorization_url = "https://{host}/oauth2/authorize"
    token_url = "https://{host}/oauth2/token"
    revocation_url = "https://{host}/oauth2/revoke"
    revocation_auth = "secret"
    revocation_scheme = "Client"
    revocation_params = {"client_id": "client_id", "access_token": "access_token"}
    revocation_request_format = "json"
    client_auth = "post"
    token_request_format = "json"
    scope = "MERCHANT_PROFILE_READ"
    # https://github.com/square/square-nodejs-sdk/blob/HEAD/src/api/resources/oAuth/client/Client.ts
    refresh_rotates = False
    # On the same page: PKCE replaces the client secret at Square.
    pkce = None
    # https://developer.squareup.com/forums/t/getting-error-while-renew-token/11056
    refusals = {"dead": ("service.not_authorized: invalid refresh token",)}
    # The token itself names the account.
    account_id = "merchant_id"
    unconfirmed = ("refusals",)

    #: Use the sandbox.
    sandbox = False
    # https://github.com/square/connect-api-examples/blob/HEAD/connect-examples/oauth/python-aws-chalice/chalicelib/oauthClient.py
    #: Ask the seller to log in even if a session is open. The sandbox does not support this.
    require_login = True

    option_facts = {
        "sandbox": {"host": "connect.squareupsandbox.com", "require_login": False},
    }
    authorization_url_options = {"require_login": {"session": "false"}}

    def token_fields(self, answer: "ProtocolResponse") -> dict[str, Any]:
        fields = super().token_fields(answer)
        # A date and time as text.
        try:
            ends = parse_datetime(str(fields.pop("expires_at", "")))
        except ValueError:  # a 30th of February
            ends = None
        if ends is not None and ends.tzinfo is not None:
            fields["expires_in"] = int((ends - timezone.now()).total_seconds())
        return fields
