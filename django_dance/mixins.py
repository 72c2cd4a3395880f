"""``AuthorizationRequiredMixin``: ``authorization_required`` for class-based views."""

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
    """Allows a view only to visitors with a usable token. Its handlers may be sync or async."""

    #: The provider's name in ``DANCE_PROVIDERS``.
    provider: str = ""
    #: The scopes that the view needs.
    scope: str | Iterable[str] = ()
    #: The answer of the middleware if there is no usable token: "auto", "page" or "json".
    answer: str = "auto"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Check the visitor's token, and call the handler."""
        if not self.provider:
            raise ImproperlyConfigured(
                f'{type(self).__name__} must name its provider: provider = "github".'
            )
        dispatch = super().dispatch
        guard = authorization_required(self.provider, scope=self.scope, answer=self.answer)
        if self.view_is_async:

            async def handler(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return await dispatch(request, *args, **kwargs)  # type: ignore[misc]

            return guard(handler)(request, *args, **kwargs)
        return guard(dispatch)(request, *args, **kwargs)
