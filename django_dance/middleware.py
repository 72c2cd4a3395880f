"""OAuthMiddleware: sets ``request.oauth`` on each request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from .conf import require_app
from .exceptions import AuthorizationRequired, PlaceError, ProviderError
from .sessions import OAuth


class OAuthMiddleware:
    """Sets ``request.oauth``. Put it after the session and authentication middleware.

    It does no work until ``request.oauth`` is used. If a view does not catch an
    ``AuthorizationRequired``, the middleware answers with the way to the login; if it does not
    catch a ``ProviderError``, with a page that says to try again later.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        require_app()
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        request.oauth = OAuth(request)  # type: ignore[attr-defined]
        if self.is_async:
            return self._acall(request)
        try:
            response: HttpResponseBase = self.get_response(request)
        finally:
            if "_oauth_deferred_writes" in request.__dict__:
                self._run_deferred_writes(request)
        return response

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        try:
            response: HttpResponseBase = await self.get_response(request)
        finally:
            if "_oauth_deferred_writes" in request.__dict__:
                await sync_to_async(self._run_deferred_writes)(request)
        return response

    def _run_deferred_writes(self, request: HttpRequest) -> None:
        from .storage import run_deferred_writes

        run_deferred_writes(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, AuthorizationRequired):
            from .responses import authorization_response

            return authorization_response(request, exception)
        if isinstance(exception, PlaceError):
            return None  # Django answers 400: the visitor has named the place
        if isinstance(exception, ProviderError):
            from .responses import unavailable_response

            return unavailable_response(request, exception)
        return None
