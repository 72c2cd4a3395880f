"""``AuthorizationRequiredMixin``: the decorator, for class-based views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from .decorators import authorization_required

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.views.generic import View

    _View = View
else:
    _View = object


class AuthorizationRequiredMixin(_View):
    """Let only visitors in who have a usable token. Works with sync and async handlers."""

    #: The provider's name in ``DANCE_PROVIDERS``.
    provider: str = ""
    #: Scopes that the token must have been granted.
    scope: str | Iterable[str] = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not self.provider:
            raise ImproperlyConfigured(
                f'{type(self).__name__} must name its provider: provider = "github".'
            )
        dispatch = super().dispatch
        guard = authorization_required(self.provider, scope=self.scope)
        if self.view_is_async:

            async def handler(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return await dispatch(request, *args, **kwargs)  # type: ignore[misc]

            return guard(handler)(request, *args, **kwargs)
        return guard(dispatch)(request, *args, **kwargs)
