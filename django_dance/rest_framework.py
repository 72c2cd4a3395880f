"""Django REST framework: ``AuthorizationRequired`` and ``ProviderError`` as answers of the API.

``REST_FRAMEWORK = {"EXCEPTION_HANDLER": "django_dance.rest_framework.exception_handler"}``
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from rest_framework import views
from rest_framework.exceptions import APIException

from .exceptions import AuthorizationRequired, PlaceError, ProviderError
from .responses import authorization_fields, challenge


class ConnectionRequired(APIException):
    """The user must connect to a provider (again). ``detail`` has the reason and ``login_url``."""

    status_code = 401
    default_code = "authorization_required"

    def __init__(self, request: HttpRequest, required: AuthorizationRequired) -> None:
        super().__init__()
        self.detail = authorization_fields(request, required)
        self.auth_header = challenge(required)["WWW-Authenticate"]


class ProviderFailed(APIException):
    """The token cannot be refreshed now, because the provider failed; or a place is not usable."""

    status_code = 503

    def __init__(self, error: ProviderError) -> None:
        super().__init__()
        if isinstance(error, PlaceError):
            self.status_code = 400
        self.detail = {"error": error.code}
        self.wait = error.retry_after


def as_api_exception(request: Any, error: Exception) -> Exception:
    """Return the exception of Django REST framework for an error of ours; else the error itself.

    :param request: the request of the view.
    """
    if isinstance(error, AuthorizationRequired):
        return ConnectionRequired(getattr(request, "_request", request), error)
    return ProviderFailed(error) if isinstance(error, ProviderError) else error


def exception_handler(error: Exception, context: dict[str, Any]) -> Any:
    """Answer an exception of a view, as ``rest_framework.views.exception_handler`` does."""
    return views.exception_handler(as_api_exception(context["request"], error), context)
