from typing import TYPE_CHECKING

from ..exceptions import ProviderError
from ..providers import OAuth2Provider
from ..tokens import Secret

if TYPE_CHECKING:
    from ..tokens import ResourceOwner, Token


class Stripe(OAuth2Provider):
    """https://docs.stripe.com/connect/oauth-reference — Stripe Connect. The client secret is your
    platform's secret key."""

    documentation = "https://docs.stripe.com/connect/oauth-reference"
    registration_url = "https://dashboard.stripe.com/settings/connect"
    base_url = "https://api.stripe.com/v1/"
    authorization_url = "https://connect.stripe.com/oauth/authorize"
    token_url = "https://connect.stripe.com/oauth/token"
    revocation_url = "https://connect.stripe.com/oauth/deauthorize"
    client_auth = "post"
    scope = "read_write"
    # The token itself names the account.
    account_id = "stripe_user_id"
    unconfirmed = ("scope", "pkce", "refresh_rotates", "registration_url")

    def revoke(self, owner: "ResourceOwner", token: "Token") -> None:
        # The request names the account, not a token, and sends the secret key in a
        # header: https://docs.stripe.com/connect/oauth-reference#post-deauthorize-request
        from ..http import protocol_call

        client = self.get_client_credentials(owner)
        answer = protocol_call(
            "POST",
            self.endpoint("revocation_url"),
            data={
                "client_id": client.client_id,
                "stripe_user_id": token.get("stripe_user_id", ""),
            },
            headers={"Authorization": Secret(f"Bearer {client.client_secret}")},
        )
        if answer.status != 200:
            raise ProviderError(
                f"{self.label} did not disconnect the account: it answered {answer.status}.",
                status=answer.status,
            )
