"""The responses of the server: pages, redirects and JSON, with the headers that protect them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from oauthlib.oauth2 import OAuth2Error

logger = logging.getLogger("django_dance.server")

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
        self["Cache-Control"] = "no-store"
        self["Referrer-Policy"] = "no-referrer"


def add_security_headers(response: _Response) -> _Response:
    """Forbid to cache the response, to frame it (RFC 9700 §4.16), and to tell its URL to others."""
    response["Cache-Control"] = "no-store"
    response["X-Frame-Options"] = "DENY"
    policy = response.get("Content-Security-Policy", "")
    if not re.search(r"(^|[;,])\s*frame-ancestors\b", policy, re.IGNORECASE):
        parts = [*filter(None, [policy.rstrip("; ")]), "frame-ancestors 'none'"]
        response["Content-Security-Policy"] = "; ".join(parts)
    # With no-referrer a browser sends `Origin: null` with a form, which Django's CSRF check
    # refuses. The origin alone is no secret.
    response["Referrer-Policy"] = "strict-origin"
    return response


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
