from typing import TYPE_CHECKING

from ..exceptions import ProviderError
from ..providers import BasicAuth, OAuth2Provider

if TYPE_CHECKING:
    from ..tokens import ResourceOwner, Token


class Mollie(OAuth2Provider):
    """https://docs.mollie.com/reference/oauth-api"""

    documentation = "https://docs.mollie.com/reference/oauth-api"
    registration_url = "https://my.mollie.com/dashboard/developers/applications"
    base_url = "https://api.mollie.com/v2/"
    authorization_url = "https://my.mollie.com/oauth2/authorize"
    token_url = "https://api.mollie.com/oauth2/tokens"
    revocation_url = "https://api.mollie.com/oauth2/tokens"
    # Not documented, and reported not to work.
    pkce = None
    scope = "organizations.read"
    account_url = "organizations/me"
    account_id = "id"
    account_label = "name"
    unconfirmed = ("pkce", "refresh_rotates", "registration_url")

    def revoke(self, owner: "ResourceOwner", token: "Token") -> None:
        from ..http import protocol_call

        hint = "refresh_token" if token.get("refresh_token") else "access_token"
        answer = protocol_call(
            "DELETE",
            self.endpoint("revocation_url"),
            data={"token": token[hint], "token_type_hint": hint},
            auth=BasicAuth(self.get_client_credentials(owner), urlencode=True),
        )
        if answer.status != 204:
            raise ProviderError(
                f"{self.label} did not revoke the token: it answered {answer.status}.",
                status=answer.status,
            )
