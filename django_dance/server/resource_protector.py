"""ResourceProtector: accepts a request to a protected view, or refuses it (RFC 6750)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial, wraps
from inspect import isawaitable, unwrap
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.csrf import csrf_exempt

from . import access_tokens
from .access_tokens import AccessToken, TokenRejected
from .responses import vary_on_token

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

logger = logging.getLogger("django_dance.server")

F = TypeVar("F", bound=Callable[..., Any])


class ResourceProtector:
    """Protects the views of a site with the tokens of one server."""

    def __init__(self, server: AuthorizationServer) -> None:
        self._server = server

    def protect(
        self, view: F, *, scopes: tuple[str, ...], any: bool, resource: str | None = None
    ) -> F:
        """The view, called only with a token that has all ``scopes``, or with ``any`` one.

        :param resource: the token must be for this resource.
        """

        @wraps(view)
        async def async_wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            response: Any = await sync_to_async(self.check_request)(request, scopes, any, resource)
            if response is None:
                response = view(request, *args, **kwargs)
                if isawaitable(response):
                    response = await response
            return vary_on_token(response)

        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            response: Any = self.check_request(request, scopes, any, resource)
            return vary_on_token(view(request, *args, **kwargs) if response is None else response)

        # A browser does not add a bearer token by itself, so the view needs no CSRF protection.
        protected = async_wrapper if _is_async(view) else wrapper
        return cast("F", csrf_exempt(login_not_required(protected)))

    def rejection(
        self,
        request: HttpRequest,
        scopes: Iterable[str],
        any: bool,
        resource: str | None = None,
    ) -> TokenRejected | None:
        """The reason to refuse the request's token for these scopes; ``None`` to accept it.

        A token that is bound to resources (RFC 8707) is refused elsewhere, and a token that is not
        bound is refused at a resource.

        The token is looked up once for each request.
        """
        state = vars(request)
        if state.get("_oauth_verified_by") is not self._server:
            try:
                found: AccessToken | TokenRejected
                found = access_tokens.verify_token(self._server, request)
            except TokenRejected as error:
                found = error
            state["_oauth_verified_by"], state["_oauth_found"] = self._server, found
        found = state["_oauth_found"]
        rejection: TokenRejected | None = None
        if isinstance(found, TokenRejected):
            rejection = found
        elif not found.is_for(resource):
            rejection = TokenRejected(*access_tokens.WRONG_RESOURCE)
        elif not found.allows(scopes, any=any):
            rejection = TokenRejected(*access_tokens.WRONG_SCOPE)
        # A token without the scopes is not shown to views and hooks: they must not trust it.
        state["oauth_token"] = None if rejection else found
        state["error_message"] = rejection.message if rejection else ""
        return rejection

    def check_request(
        self,
        request: HttpRequest,
        scopes: tuple[str, ...],
        any: bool,
        resource: str | None = None,
    ) -> HttpResponseBase | None:
        """The response that refuses the request; ``None`` to accept it."""
        callbacks = self._server.callbacks
        for hook in callbacks.before_request:
            response = hook(request)
            if isinstance(response, HttpResponseBase):
                return response
        rejection = self.rejection(request, scopes, any, resource)
        set_identity(request, vars(request)["oauth_token"])
        valid = rejection is None
        for hook in callbacks.after_request:
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
            set_identity(request, None)
            rejection = rejection or TokenRejected(*access_tokens.NOT_ACCEPTED)
            return self._rejection_response(request, rejection, scopes, resource)
        found = vars(request)["_oauth_found"]
        token = vars(request)["oauth_token"] or found
        if not isinstance(token, AccessToken):
            raise ImproperlyConfigured(
                "An after_request hook accepted a request without a token: set "
                "request.oauth_token = AccessToken(user=…, client=…, scopes=…) in it."
            )
        if token is found and rejection is None:
            return None
        # Nested decorators use the token that the hook has set.
        vars(request)["_oauth_found"] = token
        set_identity(request, token)
        # Without a bearer token the hook may have accepted the request for a cookie.
        return None if isinstance(found, AccessToken) else _csrf_refusal(request)

    def _rejection_response(
        self,
        request: HttpRequest,
        rejection: TokenRejected,
        scopes: tuple[str, ...],
        resource: str | None,
    ) -> HttpResponseBase:
        server = self._server
        logger.warning(
            "%s: %a refused, %s",
            server.name,
            request.path,
            rejection.message,
            extra={"code": rejection.error, "server": server.name},
        )
        vars(request)["error_message"] = rejection.message
        challenge = access_tokens.challenge(
            rejection, server.name, () if rejection.status == 400 else scopes, resource
        )
        handler = server.callbacks.optional("invalid_response")
        if handler is None:
            return challenge
        response: HttpResponseBase = handler(request)
        response.headers.setdefault("WWW-Authenticate", challenge["WWW-Authenticate"])
        return response


def _is_async(view: Callable[..., Any]) -> bool:
    if iscoroutinefunction(view):
        return True
    # The dispatch() of an async class-based view is a plain function, which method_decorator()
    # wraps in a partial.
    bound = unwrap(view, stop=lambda f: isinstance(f, partial))
    of = getattr(getattr(bound, "func", None), "__self__", None)
    return bool(getattr(of, "view_is_async", False))


def set_identity(request: HttpRequest, token: AccessToken | None) -> None:
    """Set the user of the request to the token's user, even if a session cookie names another.

    Without a token, restore the user who is logged in: an outer decorator may have set the user of
    a token that has fewer scopes than this view needs.
    """
    state = vars(request)
    logged_in = {name: state[name] for name in ("user", "auser") if name in state}
    logged_in = state.setdefault("_oauth_logged_in", logged_in)
    state["oauth_token"] = token
    if token is None:
        for name in ("user", "auser"):
            state.pop(name, None)
        state.update(logged_in)
        return
    user = token.user
    if user is None:
        from django.contrib.auth.models import AnonymousUser

        user = AnonymousUser()
    request.user = user

    async def auser() -> Any:
        # The user may be lazy: load it in a thread.
        await sync_to_async(lambda: user.pk)()
        return user

    request.auser = auser


def _csrf_refusal(request: HttpRequest) -> HttpResponseBase | None:
    check = CsrfViewMiddleware(lambda request: HttpResponse())
    check.process_request(request)
    # Not the view itself: a protected view is exempt from the check.
    refusal: HttpResponseBase | None = check.process_view(request, HttpResponse, (), {})
    return refusal
