"""``@authorization_required("github")``, for views that act for the visitor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, Never, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from django.http import HttpRequest

    from .sessions import DanceSession, OAuth


#: The scopes that views need, each with the name of the provider. A system check reads them.
required_scopes: set[tuple[str, tuple[str, ...]]] = set()

#: A view. Its type is kept.
_View = TypeVar("_View", bound=Callable[..., Any])


def oauth_of(request: HttpRequest) -> OAuth:
    """Return ``request.oauth``.

    :raises ImproperlyConfigured: the middleware is missing.
    """
    try:
        oauth: OAuth = request.oauth  # type: ignore[attr-defined]
    except AttributeError:
        raise ImproperlyConfigured(
            'There is no request.oauth: add "django_dance.middleware.OAuthMiddleware" to '
            "MIDDLEWARE, after the session and authentication middleware."
        ) from None
    return oauth


def session_for(request: HttpRequest, provider: str) -> DanceSession:
    """Return ``request.oauth[provider]``.

    :raises ImproperlyConfigured: the middleware is missing.
    """
    return oauth_of(request)[provider]


def authorization_required(
    provider: str,
    *unknown: Never,
    scope: str | Iterable[str] = (),
    answer: str = "auto",
    **unknown_names: Never,
) -> Callable[[_View], _View]:
    """Allow a view only to visitors with a usable token. Send other visitors to the login.

    :param provider: the provider's name in ``DANCE_PROVIDERS``.
    :param scope: the scopes that the view needs. The login asks for those that are missing.
    :param answer: the answer of the middleware if there is no usable token: ``"page"`` is a
        redirect or a page, as for a person; ``"json"`` is a ``401`` with JSON, as for a program;
        ``"auto"`` decides by the request.
    """
    if not isinstance(provider, str):
        raise TypeError('Name the provider: @authorization_required("github").')
    if unknown or unknown_names:
        raise TypeError(
            "authorization_required() takes the provider, scope= and answer=. Write "
            f'@authorization_required("{provider}", scope=["…"]).'
        )
    scopes = tuple((scope,) if isinstance(scope, str) else scope)
    if scopes:
        required_scopes.add((provider, scopes))
    return guard(provider, scopes, answer)


def guard(provider: str, scopes: tuple[str, ...], answer: str) -> Callable[[_View], _View]:
    """Return the decorator that checks the token before each call of a view."""
    if answer not in ("auto", "page", "json"):
        raise ValueError(f'answer is {answer!r}; it must be "auto", "page" or "json".')

    def decorator(view: _View) -> _View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def async_wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                vars(request)["_oauth_answer"] = answer
                await session_for(request, provider).arequire(" ".join(scopes))
                return await view(request, *args, **kwargs)

            return cast("_View", async_wrapper)

        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            vars(request)["_oauth_answer"] = answer
            session_for(request, provider).require(" ".join(scopes))
            return view(request, *args, **kwargs)

        return cast("_View", wrapper)

    return decorator
