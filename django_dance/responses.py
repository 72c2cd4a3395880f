"""What visitors see of the dance besides the redirects."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from .exceptions import AuthorizationRequired, ProviderError
from .flows import MAX_NEXT
from .tokens import sign_scope

if TYPE_CHECKING:
    from .providers import Provider

logger = logging.getLogger("django_dance")

_Response = TypeVar("_Response", bound=HttpResponseBase)


def page(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """One of our own pages; ``django_dance/<provider>/<template>`` goes before the common one."""
    provider: Provider = context["provider"]
    names = [f"django_dance/{provider.name}/{template}", f"django_dance/{template}"]
    response = guarded(render(request, names, context, status=status))
    # Under no-referrer a browser sends `Origin: null` with a form, which Django's CSRF check
    # refuses. The origin alone tells nothing.
    response["Referrer-Policy"] = "strict-origin"
    return response


def guarded(response: _Response) -> _Response:
    """Nobody keeps it, nobody frames it, and the next page does not learn its address."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Frame-Options"] = "DENY"
    return response


def is_navigation(request: HttpRequest) -> bool:
    """Whether a person is going to a page, rather than a script calling an endpoint."""
    if request.method != "GET" or "X-Requested-With" in request.headers:
        return False
    mode = request.headers.get("Sec-Fetch-Mode")
    return mode == "navigate" if mode else request.accepts("text/html")


def authorization_response(request: HttpRequest, required: AuthorizationRequired) -> HttpResponse:
    """The way to the login: a redirect that brings a visitor back, a ``401`` for scripts."""
    provider = required.provider
    navigation = is_navigation(request)
    query = {}
    here = request.get_full_path()
    if navigation and len(here) <= MAX_NEXT:
        query["next"] = here
    if required.missing_scopes:
        query["scope"] = sign_scope(provider.name, required.missing_scopes)
    login_url = provider.url("login", **query)
    if not navigation:
        response = JsonResponse(
            {
                "error": "authorization_required",
                "provider": provider.name,
                "reason": required.reason,
                "missing_scopes": list(required.missing_scopes),
                "login_url": login_url,
            },
            status=401,
            # RFC 9110 §15.5.2 wants a challenge; no browser opens a dialog for this one.
            headers={"WWW-Authenticate": f'OAuth realm="{provider.name}"'},
        )
        return guarded(response)
    if required.reason in ("declined_scopes", "revoked_at_once"):
        # It was asked for a moment ago, and in vain: now it is for the visitor to start.
        context = {
            "provider": provider,
            "login_url": login_url,
            "back_url": provider.after_url(),
            "missing_scopes": required.missing_scopes,
        }
        return page(request, "declined.html", context, status=403)
    return guarded(HttpResponseRedirect(login_url))


def unavailable_response(request: HttpRequest, error: ProviderError) -> HttpResponse:
    """A ``503``: the token could not be refreshed now, which is nobody's mistake here."""
    logger.warning("answered 503, because %s", error)
    if is_navigation(request):
        return guarded(render(request, "django_dance/unavailable.html", status=503))
    return guarded(JsonResponse({"error": error.code}, status=503))
