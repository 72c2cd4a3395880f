"""``AuthorizationRequiredMixin``: ``authorization_required`` for class-based views."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from .decorators import authorization_required, guard

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.views.generic import View

    _View = View
else:
    _View = object


class AuthorizationRequiredMixin(_View):
    """Allows a view only to visitors with a usable token. Its handlers may be sync or async.

    With a view of Django REST framework, the token is checked after the authentication.
    """

    #: The provider's name in ``DANCE_PROVIDERS``.
    provider: str = ""
    #: The scopes that the view needs.
    scope: str | Iterable[str] = ()
    #: The place that the view needs; override :meth:`get_place` if the request names it.
    place: str = ""
    #: The answer of the middleware if there is no usable token: "auto", "page" or "json".
    answer: str = "auto"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.provider and isinstance(cls.scope, (str, list, tuple)):
            authorization_required(cls.provider, scope=cls.scope)  # for the system check

    def get_place(self) -> str:
        """Return the place that the view needs; ``""`` for a provider with one server.

        ``self.kwargs`` has the arguments of the URL.
        """
        return self.place

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Check the visitor's token, and call the handler."""
        if hasattr(super(), "initial"):
            return super().dispatch(request, *args, **kwargs)
        dispatch, check = super().dispatch, self._guard()
        if self.view_is_async:

            async def handler(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return await dispatch(request, *args, **kwargs)  # type: ignore[misc]

            return check(handler)(request, *args, **kwargs)
        return check(dispatch)(request, *args, **kwargs)

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Check the visitor's token: Django REST framework calls this before the handler."""
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        # The authentication has set the user of the request of Django, too.
        self._guard()(lambda request: None)(request._request)

    def _guard(self) -> Callable[[Any], Any]:
        if not self.provider:
            raise ImproperlyConfigured(
                f'{type(self).__name__} must name its provider: provider = "github".'
            )
        scopes = (self.scope,) if isinstance(self.scope, str) else tuple(self.scope)
        return guard(self.provider, scopes, self.answer, lambda *_, **__: self.get_place())
