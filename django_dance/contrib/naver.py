from typing import TYPE_CHECKING

from ..providers import OAuth2Provider

if TYPE_CHECKING:
    from ..tokens import ResourceOwner, Token


class Naver(OAuth2Provider):
    """https://developers.naver.com/docs/login/api/api.md"""

    documentation = "https://developers.naver.com/docs/login/api/api.md"
    registration_url = "https://developers.naver.com/apps/"
    base_url = "https://openapi.naver.com/v1/"
    authorization_url = "https://nid.naver.com/oauth2.0/authorize"
    token_url = "https://nid.naver.com/oauth2.0/token"
    client_auth = "post"
    account_url = "nid/me"
    account_id = "response.id"
    account_label = "response.nickname"
    # PKCE is tolerated; this client sends it: https://github.com/nextauthjs/next-auth/blob/HEAD/packages/core/src/providers/naver.ts
    unconfirmed = ("pkce", "refresh_rotates", "registration_url")

    def revoke(self, owner: "ResourceOwner", token: "Token") -> None:
        # The revocation is a grant type of the token endpoint, with the answer of any grant.
        data = {
            "grant_type": "delete",
            "access_token": token["access_token"],
            "service_provider": "NAVER",
        }
        self.grant(self.token_url, data, self.get_client_credentials(owner))
