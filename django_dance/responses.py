"""The pages and answers of the dance, other than its redirects."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from .exceptions import AuthorizationRequired, ProviderError, failure_fields
from .flows import safe_next
from .tokens import ResourceOwner

if TYPE_CHECKING:
    from .providers import Provider

logger = logging.getLogger("django_dance")

#: The parameter of a login link that lets the visitor begin the dance with a button.
CONFIRM = "confirm"
#: The name of the URL of the page of connections.
CONNECTIONS = "django_dance_connections:list"

_Response = TypeVar("_Response", bound=HttpResponseBase)


def page(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """Render one of our pages. A template ``django_dance/<provider>/<template>`` is preferred."""
    provider: Provider | None = context.get("provider")
    names = [f"django_dance/{template}"]
    if provider is not None:
        names.insert(0, f"django_dance/{provider.name}/{template}")
    # Templates call it, so that a page without the link does not load the user.
    context = {"connections_url": partial(_connections_url, request), **context}
    response = protect(render(request, names, context, status=status))
    # Under no-referrer, a browser sends `Origin: null` with a form, which Django's CSRF check
    # refuses. The origin alone holds no secret.
    response["Referrer-Policy"] = "strict-origin"
    return response


def tell_not_revoked(request: HttpRequest, provider: Provider) -> None:
    """Tell the user, by Django's messages, that the provider may still accept the token."""
    text = _(
        "%(name)s did not confirm that the permission has ended. To be sure, remove this site in "
        "your account there."
    )
    messages.warning(request, text % {"name": provider.label}, fail_silently=True)


def _connections_url(request: HttpRequest) -> str | None:
    """Return the path of the page of connections, if the visitor can open it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    try:
        return reverse(CONNECTIONS)
    except NoReverseMatch:
        return None  # the URLconf includes the URLs of single providers only


def protect(response: _Response) -> _Response:
    """Set headers: no cache stores the page, no site frames it, and no referrer is sent."""
    # `private`, too: some versions of Django's UpdateCacheMiddleware ignore `no-store`.
    response["Cache-Control"] = "no-store, private"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Frame-Options"] = "DENY"
    return response


def choose_answer(request: HttpRequest) -> str:
    """Return ``"page"`` for a person, ``"htmx"`` for htmx, and ``"json"`` for any other program.

    A view can choose "page" or "json" itself.
    """
    chosen = str(vars(request).get("_oauth_answer", "auto"))
    if chosen != "auto":
        return chosen
    if "HX-Request" in request.headers:
        return "htmx"
    if "X-Requested-With" in request.headers or request.method not in ("GET", "POST"):
        return "json"
    mode = request.headers.get("Sec-Fetch-Mode")
    return "page" if (mode == "navigate" if mode else _names_html(request)) else "json"


def _names_html(request: HttpRequest) -> bool:
    """Whether the ``Accept`` header names ``text/html``; programs often send ``*/*``."""
    return any(
        str(media).partition(";")[0].strip().lower() == "text/html" and media.quality > 0
        for media in request.accepted_types
    )


def authorization_fields(
    request: HttpRequest, required: AuthorizationRequired, next: str | None = None
) -> dict[str, Any]:
    """Return the members of the JSON that a program gets.

    :param next: the path where the dance ends.
    """
    provider, owner = required.provider, required.owner
    visitor = ResourceOwner(provider, request)
    # A link is for its owner only.
    is_owner = owner is None or str(owner.user_id) == str(visitor.user_id)
    return {
        "error": "authorization_required",
        "provider": provider.name,
        "account": required.account,
        **({"place": required.place} if required.place else {}),
        "reason": required.reason,
        "missing_scopes": list(required.missing_scopes),
        "login_url": required.get_login_url(next, request) if is_owner else None,
    }


def challenge(required: AuthorizationRequired) -> dict[str, str]:
    """Return the header that an answer 401 must have (RFC 9110 §15.5.2).

    Browsers open no dialog for this scheme.
    """
    return {"WWW-Authenticate": f'OAuth realm="{required.provider.name}"'}


def authorization_response(request: HttpRequest, required: AuthorizationRequired) -> HttpResponse:
    """Answer with the way to the login: a redirect or a page for a person, else ``401``."""
    provider = required.provider
    kind = choose_answer(request)
    fields = authorization_fields(request, required, _next_of(request, kind))
    login_url = fields["login_url"]
    # The last dance has just failed, so a redirect could loop: the visitor must begin the next one.
    can_loop = required.reason in ("declined_scopes", "revoked_at_once")
    context = {
        "provider": provider,
        "login_url": login_url,
        "back_url": provider.after_url(),
        "missing_scopes": required.missing_scopes,
    }
    if kind == "page" and (login_url is None or can_loop):
        return page(request, "declined.html", context, status=403)
    if kind == "page" and request.method != "GET":
        return page(request, "reconnect.html", context, status=403)
    if kind == "page":
        return protect(HttpResponseRedirect(str(login_url)))
    response = JsonResponse(fields, status=401, headers=challenge(required))
    if kind == "htmx" and login_url is not None:
        separator = "&" if "?" in login_url else "?"
        response["HX-Redirect"] = login_url + (f"{separator}{CONFIRM}=1" if can_loop else "")
    return protect(response)


def _next_of(request: HttpRequest, kind: str) -> str | None:
    """Return the page that the visitor sees, as the path where the dance ends."""
    if kind == "json":
        return None
    if request.method == "GET" and (kind == "page" or "HX-Boosted" in request.headers):
        here: str | None = request.get_full_path()
    elif kind == "htmx":
        here = request.headers.get("HX-Current-URL")
    else:
        here = request.headers.get("Referer")  # the page with the form
    return safe_next(request, here)


def unavailable_response(request: HttpRequest, error: ProviderError) -> HttpResponse:
    """Answer ``503``: the token cannot be refreshed now, because the provider failed."""
    logger.warning("answered 503, because %s", error, extra=failure_fields(error))
    response: HttpResponse
    if choose_answer(request) == "page":
        response = render(request, "django_dance/unavailable.html", status=503)
    else:
        response = JsonResponse({"error": error.code}, status=503)
    if error.retry_after is not None:
        response["Retry-After"] = str(error.retry_after)  # RFC 9110 §10.2.3
    return protect(response)
