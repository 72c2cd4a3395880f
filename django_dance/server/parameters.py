"""What a request says to an endpoint: each parameter once, and who the client claims to be."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_plus

from django.http import HttpRequest, QueryDict
from oauthlib.oauth2.rfc6749 import errors

from ..tokens import Secret

AUTHORIZATION = frozenset(
    {
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "redirect_uri",
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
        "scope",
        "username",
    }
)
#: Of revocation (RFC 7009 §2.1) and introspection (RFC 7662 §2.1).
ABOUT_A_TOKEN = frozenset({"client_id", "client_secret", "token", "token_type_hint"})

_SECRETS = frozenset(
    {"client_secret", "code", "code_verifier", "password", "refresh_token", "token"}
)
#: RFC 6749 appendix A: what every parameter is made of, but for the two that are Unicode.
_VISIBLE = re.compile(r"[\x20-\x7e]*")
_UNICODE = frozenset({"username", "password"})
_LONGEST = 4096

_FORM = "application/x-www-form-urlencoded"


class NotAuthenticated(errors.InvalidClientError):
    """The ``Authorization`` header says nothing that could be a client's credentials."""

    description = "The client's credentials cannot be read."


def authorization_parameters(request: HttpRequest) -> dict[str, str]:
    """What an authorization request asks for.

    A form repeats the parameters in its fields, or leaves them in its address.

    :raises InvalidRequestFatalError: it cannot be told what is asked, so nobody is answered.
    """
    source = request.POST if "client_id" in request.POST else request.GET
    if source is request.POST and AUTHORIZATION & request.GET.keys():
        raise errors.InvalidRequestFatalError(
            "The parameters are in the address and in the form: which are meant?"
        )
    return _read(source, AUTHORIZATION, errors.InvalidRequestFatalError)


def form_parameters(request: HttpRequest, names: frozenset[str]) -> dict[str, str]:
    """What a client posts, with its credentials among them as ``client_id`` and ``client_secret``.

    :raises OAuth2Error: ``invalid_request`` or ``invalid_client``.
    """
    # RFC 6749 §3.2: what is secret must not stand in an address, and a form has one form.
    if request.META.get("QUERY_STRING"):
        raise errors.InvalidRequestError("Parameters belong in the body, none in the address.")
    if request.content_type != _FORM:
        raise errors.InvalidRequestError(f"The body must be {_FORM}.")
    form = _read(request.POST, names, errors.InvalidRequestError)
    # Error pages print what was posted.
    hidden = request.POST.copy()
    for name in hidden.keys() & _SECRETS:
        hidden.setlist(name, list(map(Secret, hidden.getlist(name))))
    request.POST = hidden  # type: ignore[assignment]
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is not None:
        client_id, secret = _basic(header)
        # RFC 6749 §2.3: one method of authentication in a request.
        if "client_secret" in form:
            raise errors.InvalidRequestError("The client authenticates in two ways.")
        if form.get("client_id", client_id) != client_id:
            raise errors.InvalidRequestError("The client has two names.")
        form["client_id"] = client_id
        if secret:
            form["client_secret"] = secret
    return form


def _read(
    source: QueryDict, names: frozenset[str], error: type[errors.OAuth2Error]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, values in source.lists():
        # RFC 6749 §3.1 and §3.2: none more than once, known or not.
        if len(values) > 1:
            raise error("A parameter is repeated.")
        if name in names:
            found[name] = str(values[0])
    for name, value in found.items():
        if len(value) > _LONGEST:
            raise error("A parameter is too long.")
        if name in _UNICODE:
            readable = not re.search(r"[\x00-\x1f\x7f]", value)
        else:
            readable = _VISIBLE.fullmatch(value) is not None
        if not readable:
            raise error("A parameter has characters that none may have.")
    return {
        name: Secret(value) if name in _SECRETS else value
        for name, value in found.items()
        # RFC 6749 §3.1: without a value it is as if it were not there. An empty response_type
        # is a type that nobody supports.
        if value or name == "response_type"
    }


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
