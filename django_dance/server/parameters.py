"""Reads the parameters and the client's credentials of a request to an endpoint."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import unquote_plus

from django.http import HttpRequest, QueryDict
from oauthlib.oauth2.rfc6749 import errors

from ..tokens import Secret

AUTHORIZATION = frozenset(
    {
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "max_age",
        "prompt",
        "redirect_uri",
        "resource",
        "request",
        "request_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
    }
)
TOKEN = frozenset(
    {
        "client_id",
        "client_secret",
        "code",
        "code_verifier",
        "grant_type",
        "password",
        "redirect_uri",
        "refresh_token",
        "resource",
        "scope",
        "username",
    }
)
#: For revocation (RFC 7009 §2.1) and introspection (RFC 7662 §2.1).
ABOUT_A_TOKEN = frozenset({"client_id", "client_secret", "token", "token_type_hint"})

_SECRETS = frozenset(
    {"client_secret", "code", "code_verifier", "password", "refresh_token", "token"}
)
#: RFC 6749 appendix A: the characters of every parameter except the two that are Unicode.
_VISIBLE = re.compile(r"[\x20-\x7e]*")
_UNICODE = frozenset({"username", "password"})
_LONGEST = 4096
#: Between the values of ``resource`` (RFC 8707 §2): no parameter contains it.
SEPARATOR = "\n"

_FORM = "application/x-www-form-urlencoded"


class NotAuthenticated(errors.InvalidClientError):
    """The ``Authorization`` header has no credentials of a client."""

    description = "The client's credentials cannot be read."


def authorization_parameters(request: HttpRequest) -> dict[str, str]:
    """The parameters of an authorization request.

    A form either repeats the parameters in its fields, or keeps them in its URL.

    :raises InvalidRequestFatalError: the parameters are ambiguous or malformed. The error is shown
        to the user and not reported to the client.
    """
    source = request.POST if "client_id" in request.POST else request.GET
    if source is request.POST and AUTHORIZATION & request.GET.keys():
        raise errors.InvalidRequestFatalError(
            "The parameters are in the URL and in the form: send them in one of them."
        )
    return _read(source, AUTHORIZATION, errors.InvalidRequestFatalError)


def form_parameters(request: HttpRequest, names: frozenset[str]) -> dict[str, str]:
    """The parameters that a client posts, with its credentials as ``client_id`` and
    ``client_secret``.

    :param names: the parameters that are read; others are ignored.
    :raises OAuth2Error: ``invalid_request`` or ``invalid_client``.
    """
    # RFC 6749 §2.3.1: secrets must not be in a URL, and §3.2: parameters are sent in a form.
    if request.META.get("QUERY_STRING"):
        raise errors.InvalidRequestError("Send the parameters in the body, not in the URL.")
    if request.content_type != _FORM:
        raise errors.InvalidRequestError(f"The body must be {_FORM}.")
    form = _read(request.POST, names, errors.InvalidRequestError)
    # Django's error pages print request.POST.
    hidden = request.POST.copy()
    for name in hidden.keys() & _SECRETS:
        hidden.setlist(name, list(map(Secret, hidden.getlist(name))))
    request.POST = hidden  # type: ignore[assignment]
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is not None:
        client_id, secret = _basic(header)
        # RFC 6749 §2.3: one method of authentication in a request.
        if "client_secret" in form:
            raise errors.InvalidRequestError("The client must authenticate in one way only.")
        if form.get("client_id", client_id) != client_id:
            raise errors.InvalidRequestError("The client_id differs from the Authorization header.")
        form["client_id"] = client_id
        if secret:
            form["client_secret"] = secret
    return form


def _read(
    source: QueryDict, names: frozenset[str], error: type[errors.OAuth2Error]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, values in source.lists():
        # RFC 6749 §3.1 and §3.2: no parameter more than once, known or unknown; RFC 8707 §2: but a
        # request may name several resources.
        if len(values) > 1 and name != "resource":
            raise error("A parameter is repeated.")
        if name not in names:
            continue
        if sum(map(len, values)) > _LONGEST:
            raise error("A parameter is too long.")
        if not all(_is_readable(name, value) for value in values):
            raise error("A parameter has invalid characters.")
        # An empty value counts as omitted: see below.
        found[name] = SEPARATOR.join(value for value in map(str, values) if value)
    return {
        name: Secret(value) if name in _SECRETS else value
        for name, value in found.items()
        # RFC 6749 §3.1: an empty parameter counts as omitted. An empty response_type is kept: it
        # is an unsupported type.
        if value or name == "response_type"
    }


def _is_readable(name: str, value: Any) -> bool:
    if name in _UNICODE:
        return not re.search(r"[\x00-\x1f\x7f]", value)
    return _VISIBLE.fullmatch(value) is not None


def _basic(header: str) -> tuple[str, Secret]:
    """RFC 6749 §2.3.1: both halves are form-encoded before they are joined."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise NotAuthenticated
    try:
        decoded = base64.b64decode(encoded.strip().encode(), validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise NotAuthenticated from None
    client_id, colon, secret = map(unquote_plus, decoded.partition(":"))
    if not colon or not all(
        len(half) <= _LONGEST and _VISIBLE.fullmatch(half) for half in (client_id, secret)
    ):
        raise NotAuthenticated
    return client_id, Secret(secret)
