"""oauthlib's endpoints for the grant types of this server: no implicit grant, PKCE with S256."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any

from django.utils.crypto import constant_time_compare
from oauthlib.common import Request
from oauthlib.oauth2 import (
    AuthorizationCodeGrant,
    AuthorizationEndpoint,
    BearerToken,
    ClientCredentialsGrant,
    IntrospectEndpoint,
    RefreshTokenGrant,
    RequestValidator,
    ResourceOwnerPasswordCredentialsGrant,
    RevocationEndpoint,
    TokenEndpoint,
)
from oauthlib.oauth2.rfc6749 import errors

from ..tokens import Secret
from . import resources

#: RFC 7636 §4.2: 32 bytes as base64url, without padding.
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")
#: RFC 7636 §4.1.
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
#: OpenID Connect Core §3.1.2.1; without OpenID Connect there is no account to select.
_PROMPTS = frozenset({"none", "login", "consent"})
_SECONDS = re.compile(r"[0-9]{1,10}")

# At DEBUG oauthlib logs refresh tokens as plain text. The other secrets it logs are printed as ***.
logging.getLogger(RefreshTokenGrant.__module__).addFilter(
    lambda record: record.levelno > logging.DEBUG
)


def random_token(request: Request) -> Secret:
    """A token of 256 random bits. It is safe to store its plain hash (RFC 6749 §10.10)."""
    return Secret(secrets.token_urlsafe(32))


class WrongVerifier(errors.InvalidGrantError):
    """The verifier of a token request is not the one of the code challenge (RFC 7636 §4.6)."""

    description = "The code_verifier does not match the code_challenge."


class CodeGrant(AuthorizationCodeGrant):
    def __init__(self, validator: RequestValidator) -> None:
        super().__init__(validator)
        validators: Any = self.custom_validators  # type: ignore[attr-defined]
        validators.pre_auth.append(check_authorization_request)
        validators.pre_auth.append(self.check_resources)

    def check_resources(self, request: Request) -> dict[str, Any]:
        """:raises InvalidTarget: the request names an unknown resource."""
        validator: Any = self.request_validator
        vars(request)["resources"] = resources.read_requested(validator.server, request)
        return {}

    def create_authorization_code(self, request: Request) -> dict[str, str]:
        code: dict[str, str] = {"code": random_token(request)}
        if request.state:
            code["state"] = Secret(request.state)  # oauthlib logs it
        return code

    def create_authorization_response(self, request: Request, token_handler: Any) -> Any:
        """The parameters of the response.

        oauthlib's method would encode the redirect URI again, and would add an error to it. Here an
        error is raised.
        """
        self.validate_authorization_request(request)
        code = self.create_authorization_code(request)
        validator: Any = self.request_validator
        validator.save_authorization_code(request.client_id, code, request)
        return code

    def validate_token_request(self, request: Request) -> None:
        try:
            super().validate_token_request(request)
        except WrongVerifier:
            validator: Any = self.request_validator
            validator.count_wrong_verifier(request)
            raise

    def validate_code_challenge(self, challenge: str, challenge_method: str, verifier: str) -> bool:
        """:raises WrongVerifier: the code was issued for another verifier."""
        digest = hashlib.sha256(verifier.encode()).digest()
        expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            challenge_method != "S256"
            or not _VERIFIER.fullmatch(verifier)
            or not constant_time_compare(expected, challenge)
        ):
            raise WrongVerifier
        return True


def check_authorization_request(request: Request) -> dict[str, Any]:
    """The checks that oauthlib does not make. The redirect URI is already validated.

    :raises OAuth2Error: the error to report to the client.
    """
    for name, error in (
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
    ):
        if getattr(request, name, None) is not None:
            raise errors.CustomOAuth2Error(error, request=request)
    if request.response_type not in (None, "code"):
        raise errors.UnsupportedResponseTypeError(request=request)
    if request.response_mode not in (None, "query"):
        raise errors.InvalidRequestError("The response_mode must be query.", request=request)
    if request.code_challenge is not None:
        if request.code_challenge_method != "S256":
            # RFC 7636 §4.3: the default is plain.
            raise errors.InvalidRequestError(
                "The code_challenge_method must be S256.", request=request
            )
        if not _CHALLENGE.fullmatch(request.code_challenge):
            raise errors.InvalidRequestError(
                "The code_challenge is not a base64url SHA-256 digest.", request=request
            )
    prompts = set((request.prompt or "").split())
    if not prompts <= _PROMPTS or ("none" in prompts and len(prompts) > 1):
        raise errors.InvalidRequestError(
            "The prompt must be none, or login and consent.", request=request
        )
    if request.max_age is not None and not _SECONDS.fullmatch(request.max_age):
        raise errors.InvalidRequestError(
            "The max_age must be a number of seconds.", request=request
        )
    return {}


class Endpoints(AuthorizationEndpoint, TokenEndpoint, RevocationEndpoint, IntrospectEndpoint):
    """The endpoints of one server."""

    def __init__(
        self,
        validator: RequestValidator,
        *,
        expires_in: Any,
        token_generator: Callable[[Request], str] | None,
        refresh_token_generator: Callable[[Request], str] | None,
        password_grant: bool,
    ) -> None:
        bearer: Any = BearerToken(
            validator,
            token_generator=token_generator or random_token,
            refresh_token_generator=refresh_token_generator or token_generator or random_token,
            expires_in=expires_in,
        )
        code = CodeGrant(validator)
        grants: dict[str, Any] = {
            "authorization_code": code,
            "refresh_token": RefreshTokenGrant(validator),
            "client_credentials": ClientCredentialsGrant(validator),
        }
        if password_grant:
            grants["password"] = ResourceOwnerPasswordCredentialsGrant(validator)
        AuthorizationEndpoint.__init__(self, "code", bearer, {"code": code})
        TokenEndpoint.__init__(self, "authorization_code", bearer, grants)
        RevocationEndpoint.__init__(self, validator)
        IntrospectEndpoint.__init__(self, validator)
