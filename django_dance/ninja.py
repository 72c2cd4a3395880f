"""django-ninja: ``AuthorizationRequired`` and ``ProviderError`` as answers of the API."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from .exceptions import AuthorizationRequired, PlaceError, ProviderError
from .responses import authorization_fields, challenge, protect


def add_exception_handlers(api: NinjaAPI) -> None:
    """Answer ``401`` with ``login_url``, ``503`` if the provider failed, ``400`` to a wrong place.

    Without the handlers, the API answers ``500`` while ``DEBUG``.
    """

    def answer_required(request: HttpRequest, required: Any) -> HttpResponse:
        fields = authorization_fields(request, required)
        response: HttpResponse = api.create_response(request, fields, status=401)
        for name, value in challenge(required).items():
            response[name] = value
        return protect(response)

    def answer_failed(request: HttpRequest, error: Any) -> HttpResponse:
        status = 400 if isinstance(error, PlaceError) else 503
        response: HttpResponse = api.create_response(request, {"error": error.code}, status=status)
        if error.retry_after is not None:
            response["Retry-After"] = str(error.retry_after)  # RFC 9110 §10.2.3
        return protect(response)

    api.add_exception_handler(AuthorizationRequired, answer_required)
    api.add_exception_handler(ProviderError, answer_failed)
