import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import jwt
from django.core.exceptions import ImproperlyConfigured

from ..providers import ClientCredentials, OIDCProvider, Problem

if TYPE_CHECKING:
    from ..http import ProtocolResponse


class Apple(OIDCProvider):
    """https://developer.apple.com/documentation/signinwithapplerestapi — ``CLIENT_ID`` is your
    Services ID. Set ``TEAM_ID`` and ``KEY_ID``. Set ``<NAME>_OAUTH_PRIVATE_KEY`` to the text of the
    ``.p8`` file: this key signs the client secret."""

    documentation = "https://developer.apple.com/documentation/signinwithapplerestapi"
    checked = "2026-11"
    # https://github.com/logto-io/logto/blob/HEAD/packages/connectors/connector-apple/README.md
    registration_url = "https://developer.apple.com/account/resources/identifiers/list/serviceId"
    base_url = "https://appleid.apple.com/auth/"
    # https://developer.apple.com/documentation/signinwithapplerestapi/request-an-authorization-to-the-sign-in-with-apple-server.
    authorization_url = "https://appleid.apple.com/auth/authorize"
    # https://developer.apple.com/documentation/signinwithapplerestapi/generate-and-validate-tokens
    # PKCE: https://github.com/a-tokyo/apple-signin-auth/issues/180
    # PKCE: https://github.com/pocketbase/pocketbase/blob/HEAD/tools/auth/apple.go
    token_url = "https://appleid.apple.com/auth/token"
    # https://developer.apple.com/documentation/signinwithapplerestapi/revoke-tokens
    revocation_url = "https://appleid.apple.com/auth/revoke"
    jwks_url = "https://appleid.apple.com/auth/keys"
    issuer = "https://appleid.apple.com"
    # For these scopes Apple answers only by form_post.
    scope = ("openid", "name", "email")
    response_mode = "form_post"
    client_auth = "post"
    # https://developer.apple.com/documentation/signinwithapplerestapi/tokenresponse: a refresh
    # answers with no refresh token
    refresh_rotates = False
    # The page of the authorization endpoint states this code.
    refusals = {"cancelled": ("user_cancelled_authorize",)}
    account_label = "email"

    #: The ids of your team and of your key; each has ten characters.
    team_id: str = ""
    key_id: str = ""
    #: The private key in PEM.
    private_key: str = ""

    _credentials: ClassVar[Mapping[str, str]] = {
        "client_id": "{NAME}_OAUTH_CLIENT_ID",
        "private_key": "{NAME}_OAUTH_PRIVATE_KEY",
    }

    def find_problems(self) -> Iterator[Problem]:
        yield from super().find_problems()
        for fact in ("team_id", "key_id"):
            if not getattr(self, fact):
                yield self._missing(
                    fact, "Apple's developer site shows it beside your membership and your key."
                )

    def token_call(
        self, url: str, data: Mapping[str, str], client: ClientCredentials
    ) -> "ProtocolResponse":
        return super().token_call(url, data, replace(client, client_secret=self._signed(client)))

    def _signed(self, client: ClientCredentials) -> str:
        """The client secret of the next five minutes."""
        current: Any = self.current()
        now = int(time.time())
        claims = {"iss": current.team_id, "sub": client.client_id, "aud": current.issuer}
        claims |= {"iat": now, "exp": now + 300}
        try:
            return jwt.encode(
                claims, current.private_key, algorithm="ES256", headers={"kid": current.key_id}
            )
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ImproperlyConfigured(
                f"{current.from_config['private_key']} is no P-256 private key in PEM."
            ) from None
