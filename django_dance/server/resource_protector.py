"""Who is let in to a protected view: the hooks, the verdict between them, and its consequences."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware

from . import access_tokens as resource
from .access_tokens import AccessToken, Refused

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

logger = logging.getLogger("django_dance.server")


def verified(
    server: AuthorizationServer, request: HttpRequest, scopes: Iterable[str], any: bool
) -> Refused | None:
    """What is wrong with the request's token for these scopes. It is looked up once."""
    state = vars(request)
    if state.get("_oauth_verified_by") is not server:
        try:
            found: AccessToken | Refused = resource.verify(server, request)
        except Refused as error:
            found = error
        state["_oauth_verified_by"], state["_oauth_found"] = server, found
    found = state["_oauth_found"]
    refused: Refused | None = None
    if isinstance(found, Refused):
        refused = found
    elif not found.allows(scopes, any=any):
        refused = Refused(*resource.WRONG_SCOPE)
    # Nobody's: neither a view nor a hook may take who cannot do this for who can.
    state["oauth_token"] = None if refused else found
    state["error_message"] = refused.message if refused else ""
    return refused


def kept_out(
    server: AuthorizationServer,
    request: HttpRequest,
    scopes: tuple[str, ...],
    any: bool,
) -> HttpResponseBase | None:
    """The response to a request that is not let in; ``None`` lets it in."""
    for hook in server.hooks_before:
        response = hook(request)
        if isinstance(response, HttpResponseBase):
            return response
    refused = verified(server, request, scopes, any)
    _admit(request, vars(request)["oauth_token"])
    valid = refused is None
    for hook in server.hooks_after:
        verdict = hook(valid, request)
        if isinstance(verdict, HttpResponseBase):
            return verdict
        try:
            valid, _ = verdict
        except (TypeError, ValueError):
            raise ImproperlyConfigured(
                f"{hook.__name__}() must return (valid, request) or a response."
            ) from None
    if not valid:
        _admit(request, None)
        return _challenged(server, request, refused or Refused(*resource.NOT_ACCEPTED), scopes)
    found = vars(request)["_oauth_found"]
    token = vars(request)["oauth_token"] or found
    if not isinstance(token, AccessToken):
        raise ImproperlyConfigured(
            "An after_request hook let a request in that has no token: set "
            "request.oauth_token = AccessToken(user=…, client=…, scopes=…) in it."
        )
    if token is found and refused is None:
        return None
    # Nested decorators find what the hook decided on.
    vars(request)["_oauth_found"] = token
    _admit(request, token)
    # What is let in without a bearer token may be let in for a cookie.
    return None if isinstance(found, AccessToken) else _csrf_refusal(request)


def _admit(request: HttpRequest, token: AccessToken | None) -> None:
    """One identity to a request: the token's, whoever's session cookie comes along. Without a
    token it is again who it was: an outer decorator's token may do less than this view takes."""
    from django.contrib.auth.models import AnonymousUser

    state = vars(request)
    logged_in = {name: state[name] for name in ("user", "auser") if name in state}
    logged_in = state.setdefault("_oauth_logged_in", logged_in)
    state["oauth_token"] = token
    if token is None:
        for name in ("user", "auser"):
            state.pop(name, None)
        state.update(logged_in)
        return
    user = AnonymousUser() if token.user is None else token.user
    request.user = user

    async def auser() -> Any:
        # It may have to be looked up.
        await sync_to_async(lambda: user.pk)()
        return user

    request.auser = auser


def _challenged(
    server: AuthorizationServer, request: HttpRequest, refused: Refused, scopes: tuple[str, ...]
) -> HttpResponseBase:
    logger.warning("%s: %a kept out, %s", server.name, request.path, refused.message)
    vars(request)["error_message"] = refused.message
    challenge = resource.challenge(refused, server.name, scopes if refused.status == 403 else ())
    handler = server.optional("invalid_response")
    if handler is None:
        return challenge
    response: HttpResponseBase = handler(request)
    response.headers.setdefault("WWW-Authenticate", challenge["WWW-Authenticate"])
    return response


def _csrf_refusal(request: HttpRequest) -> HttpResponseBase | None:
    check = CsrfViewMiddleware(lambda request: HttpResponse())
    check.process_request(request)
    # The view may be a protected one itself, and exempt for its bearer tokens.
    refusal: HttpResponseBase | None = check.process_view(request, HttpResponse, (), {})
    return refusal
