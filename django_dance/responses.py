"""The pages and answers of the dance, other than its redirects."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from .exceptions import AuthorizationRequired, ProviderError
from .flows import MAX_NEXT

if TYPE_CHECKING:
    from .providers import Provider

logger = logging.getLogger("django_dance")

_Response = TypeVar("_Response", bound=HttpResponseBase)


def page(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Render one of our pages. A template ``django_dance/<provider>/<template>`` is preferred."""
    provider: Provider = context["provider"]
    names = [f"django_dance/{provider.name}/{template}", f"django_dance/{template}"]
    response = protect(render(request, names, context, status=status))
    # Under no-referrer, a browser sends `Origin: null` with a form, which Django's CSRF check
    # refuses. The origin alone holds no secret.
    response["Referrer-Policy"] = "strict-origin"
    return response


def protect(response: _Response) -> _Response:
    """Set headers: no cache stores the page, no site frames it, and no referrer is sent."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Frame-Options"] = "DENY"
    return response


def is_navigation(request: HttpRequest) -> bool:
    """Whether a person opens a page. Otherwise a script calls an endpoint."""
    if request.method != "GET" or "X-Requested-With" in request.headers:
        return False
    mode = request.headers.get("Sec-Fetch-Mode")
    return mode == "navigate" if mode else request.accepts("text/html")


def authorization_response(request: HttpRequest, required: AuthorizationRequired) -> HttpResponse:
    """Answer with a redirect to the login, which leads back to this page; scripts get a ``401``."""
    provider = required.provider
    navigation = is_navigation(request)
    here = request.get_full_path()
    returns = navigation and len(here) <= MAX_NEXT
    login_url = required.get_login_url(here if returns else None, request)
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
            # RFC 9110 §15.5.2 requires a challenge. Browsers open no dialog for this scheme.
            headers={"WWW-Authenticate": f'OAuth realm="{provider.name}"'},
        )
        return protect(response)
    if required.reason in ("declined_scopes", "revoked_at_once"):
        # A redirect could loop, because the last dance has just failed: the visitor must start it.
        context = {
            "provider": provider,
            "login_url": login_url,
            "back_url": provider.after_url(),
            "missing_scopes": required.missing_scopes,
        }
        return page(request, "declined.html", context, status=403)
    return protect(HttpResponseRedirect(login_url))


def unavailable_response(request: HttpRequest, error: ProviderError) -> HttpResponse:
    """Answer ``503``: the token cannot be refreshed now, because the provider failed."""
    logger.warning("answered 503, because %s", error)
    if is_navigation(request):
        return protect(render(request, "django_dance/unavailable.html", status=503))
    return protect(JsonResponse({"error": error.code}, status=503))
