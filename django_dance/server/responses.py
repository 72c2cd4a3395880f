"""The responses of the server: pages, redirects and JSON, with the headers that protect them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string
from oauthlib.oauth2 import OAuth2Error

logger = logging.getLogger("django_dance.server")

_CSP = "Content-Security-Policy"
_NO_FRAMES = "frame-ancestors"

_Response = TypeVar("_Response", bound=HttpResponseBase)


class Redirect(HttpResponseRedirect):
    """A redirect to the redirect URI of a client; its scheme can be private (RFC 8252 §7.1).

    :param params: the parameters of the authorization response.
    :param method: the method of the request.
    """

    def __init__(self, uri: str, params: Iterable[tuple[str, str]], method: str | None) -> None:
        self.allowed_schemes = [urlsplit(uri).scheme]
        separator = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
        # RFC 6749 §3.1.2: the query of the redirect URI is retained.
        super().__init__(f"{uri}{separator}{urlencode(list(params))}")
        # RFC 9700 §4.12: with 307 a browser would post the consent form to the client.
        self.status_code = 303 if method == "POST" else 302
        self["Cache-Control"] = "no-store, private"
        self["Referrer-Policy"] = "no-referrer"


def authorization_response(
    request: HttpRequest, uri: str, params: Iterable[tuple[str, str]]
) -> HttpResponse:
    """The response that sends a browser to the redirect URI of a client.

    A browser refuses a redirect to another site after a form if a policy of this site, which a
    proxy may add, has ``form-action 'self'``. That holds for the login form, too. So a browser that
    opens a page gets a page that leads on.
    """
    redirect = Redirect(uri, params, request.method)
    # A browser opens an app only after a click of the user. A redirect keeps the click; a page that
    # leads on does not. In a frame, where a client asks with prompt=none, a browser would not show
    # a page.
    is_page = (
        request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest", "document") == "document"
    )
    if not is_page or urlsplit(uri).scheme not in ("http", "https"):
        return redirect
    page = render_page(request, "continue.html", {"url": redirect.url})
    page["Referrer-Policy"] = "no-referrer"
    return page


def add_security_headers(response: _Response) -> _Response:
    """Forbid to cache the response, to frame it (RFC 9700 §4.16), and to tell its URL to others."""
    # `private`, too: some versions of Django's UpdateCacheMiddleware ignore `no-store`.
    response["Cache-Control"] = "no-store, private"
    response["X-Frame-Options"] = "DENY"
    _forbid_frames(response)
    # With no-referrer a browser sends `Origin: null` with a form, which Django's CSRF check
    # refuses. The origin alone is no secret.
    response["Referrer-Policy"] = "strict-origin"
    return response


def _forbid_frames(response: HttpResponseBase) -> None:
    """Add ``frame-ancestors 'none'`` to the policy of the response, or else of the site.

    A middleware that adds the site's policy leaves a response alone that has a policy already.
    """
    policy = response.get(_CSP, "")
    state = vars(response)
    if policy:
        if not re.search(r"(^|[;,])\s*frame-ancestors\b", policy, re.IGNORECASE):
            response[_CSP] = f"{policy.rstrip('; ')}; {_NO_FRAMES} 'none'"
    elif _has_middleware("django.middleware.csp.ContentSecurityPolicyMiddleware"):
        config = state.get("_csp_config", getattr(django_settings, "SECURE_CSP", None)) or {}
        state["_csp_config"] = {**config, _NO_FRAMES: ["'none'"]}
    elif _has_middleware("csp.middleware.CSPMiddleware") and (
        state.get("_csp_config") or getattr(django_settings, "CONTENT_SECURITY_POLICY", None)
    ):
        # Not _csp_update: it would add 'none' to the sources of the site, where it means nothing.
        state["_csp_replace"] = {**(state.get("_csp_replace") or {}), _NO_FRAMES: ["'none'"]}
    else:
        response[_CSP] = f"{_NO_FRAMES} 'none'"


def _has_middleware(wanted: str) -> bool:
    """Whether the site has this middleware, or a subclass of it."""
    for path in django_settings.MIDDLEWARE:
        bases = getattr(import_string(path), "__mro__", ())
        if any(f"{base.__module__}.{base.__qualname__}" == wanted for base in bases):
            return True
    return False


def vary_on_token(response: Any) -> Any:
    """Tell HTTP caches that the response of a protected view is for one token."""
    if isinstance(response, HttpResponseBase):
        patch_vary_headers(response, ["Authorization"])
    return response


def render_page(
    request: HttpRequest, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    return add_security_headers(
        render(request, f"django_dance_server/{template}", context, status=status)
    )


def error_page(request: HttpRequest, error: OAuth2Error) -> HttpResponse:
    """The page for an error that cannot be reported to the client."""
    context = {"error": error.error, "error_description": error.description}
    return render_page(request, "error.html", context, status=400)


def json_response(body: str, status: int, realm: str) -> HttpResponse:
    """RFC 6749 §5.1 and §5.2."""
    response = HttpResponse(body, content_type="application/json", status=status)
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    if status == 401:
        response["WWW-Authenticate"] = f'Basic realm="{realm}"'
    return response


def json_error(error: OAuth2Error, realm: str) -> HttpResponse:
    fields = {"error": error.error, "error_description": error.description}
    body = json.dumps({name: value for name, value in fields.items() if value})
    return json_response(body, error.status_code, realm)
