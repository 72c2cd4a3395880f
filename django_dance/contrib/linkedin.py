from collections.abc import Mapping
from typing import Any

from ..providers import ClientCredentials, OIDCProvider, id_tokens


class LinkedIn(OIDCProvider):
    """https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow"""

    documentation = (
        "https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow"
    )
    # https://github.com/linkedin-developers/linkedin-api-python-client/blob/HEAD/README.md
    registration_url = "https://www.linkedin.com/developers/apps"
    base_url = "https://api.linkedin.com/v2/"
    authorization_url = "https://www.linkedin.com/oauth/v2/authorization"
    token_url = "https://www.linkedin.com/oauth/v2/accessToken"
    jwks_url = "https://www.linkedin.com/oauth/openid/jwks"
    userinfo_url = "https://api.linkedin.com/v2/userinfo"
    issuer = "https://www.linkedin.com/oauth"
    # The least scope for account_url:
    # https://learn.microsoft.com/en-us/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2
    scope = ("openid", "profile")
    scope_required = True
    client_auth = "post"
    # PKCE is only for native clients, which have other endpoints.
    pkce = None
    refusals = {"cancelled": ("user_cancelled_login", "user_cancelled_authorize")}
    account_url = "userinfo"

    def verified_claims(
        self,
        fields: Mapping[str, Any],
        client: ClientCredentials,
        *,
        nonce: str | None,
        fresh: bool = True,
    ) -> dict[str, Any]:
        # LinkedIn's ID tokens have no nonce. If one has a nonce, it is compared.
        claims = super().verified_claims(fields, client, nonce=None, fresh=fresh)
        if nonce is not None and (claims.get("nonce") or nonce) != nonce:
            raise id_tokens.refusal("nonce", "the ID token is not for this flow")
        return claims
