"""The texts of refusals: a description for the client, and the reason for the log."""

from __future__ import annotations

from django.http import HttpRequest
from oauthlib.oauth2 import OAuth2Error

#: For an error without a description of its own. A client cannot learn from them whether another
#: client exists.
DESCRIPTIONS = {
    "access_denied": "The user did not allow the request.",
    "consent_required": "The user has to be asked for consent.",
    "invalid_client": "The client is unknown, or did not authenticate as it is registered.",
    "invalid_grant": "The code, token or password is unknown, expired, revoked or used.",
    "invalid_request": "The request lacks a parameter, or a parameter is invalid or repeated.",
    "invalid_scope": "The client may not request this scope.",
    "login_required": "The user has to log in.",
    "request_not_supported": "The parameter request is not supported.",
    "request_uri_not_supported": "The parameter request_uri is not supported.",
    "server_error": "The server failed. Try again later.",
    "temporarily_unavailable": "The server cannot answer at the moment. Try again later.",
    "unauthorized_client": "The client is not registered for this grant type.",
    "unsupported_grant_type": "The server does not support this grant type.",
    "unsupported_response_type": "The response_type must be code.",
    "unsupported_token_type": "The server does not support this type of token.",
}

_REASON = "_oauth_refusal"


def keep_reason(request: HttpRequest | None, reason: str) -> bool:
    """Keep the reason of a refusal for the log, and return ``False``."""
    if request is not None:
        vars(request)[_REASON] = reason
    return False


def reason_of(request: HttpRequest, error: str, description: str) -> str:
    """The text after the error code in the log."""
    return vars(request).get(_REASON) or description or DESCRIPTIONS.get(error, "")


def describe(error: OAuth2Error) -> OAuth2Error:
    """The error, with a description."""
    error.description = error.description or DESCRIPTIONS.get(error.error or "", "")
    return error
