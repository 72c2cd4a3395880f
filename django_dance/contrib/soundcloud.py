from typing import TYPE_CHECKING

from ..exceptions import ProviderError
from ..providers import OAuth2Provider

if TYPE_CHECKING:
    from ..tokens import ResourceOwner, Token


class SoundCloud(OAuth2Provider):
    """https://developers.soundcloud.com/docs/api/guide#authentication"""

    documentation = "https://developers.soundcloud.com/docs/api/guide#authentication"
    registration_url = "https://soundcloud.com/you/apps"
    base_url = "https://api.soundcloud.com/"
    authorization_url = "https://secure.soundcloud.com/authorize"
    token_url = "https://secure.soundcloud.com/oauth/token"
    client_auth = "post"
    authorization_scheme = "OAuth"
    refresh_rotates = True
    account_url = "me"
    account_id = "urn"
    account_label = "username"
    unconfirmed = ("registration_url",)

    def revoke(self, owner: "ResourceOwner", token: "Token") -> None:
        # A sign-out, in JSON: the access token identifies the session.
        from ..http import protocol_call

        answer = protocol_call(
            "POST",
            "https://secure.soundcloud.com/sign-out",
            json={"access_token": token["access_token"]},
        )
        if not 200 <= answer.status < 300:
            raise ProviderError(
                f"{self.label} did not revoke the token: it answered {answer.status}.",
                status=answer.status,
            )
