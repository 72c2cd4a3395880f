"""``@authorization_required("github")``, for views that act for the visitor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, Never, TypeVar, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from django.http import HttpRequest

    from .sessions import DanceSession, OAuth


#: The scopes that views need, each with the name of the provider. A system check reads them.
required_scopes: set[tuple[str, tuple[str, ...]]] = set()

#: A place, or a function that takes the arguments of a view and returns one.
Place = str | Callable[..., str]
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


def session_for(request: HttpRequest, provider: str, place: str = "") -> DanceSession:
    """Return ``request.oauth[provider]``, at a place if one is given.

    :raises ImproperlyConfigured: the middleware is missing.
    :raises PlaceError: the place is not valid, or not allowed.
    """
    session = oauth_of(request)[provider]
    return session.at(place) if place else session


def authorization_required(
    provider: str,
    *unknown: Never,
    scope: str | Iterable[str] = (),
    place: Place = "",
    answer: str = "auto",
    **unknown_names: Never,
) -> Callable[[_View], _View]:
    """Allow a view only to visitors with a usable token. Send other visitors to the login.

    :param provider: the provider's name in ``DANCE_PROVIDERS``.
    :param scope: the scopes that the view needs. The login asks for those that are missing.
    :param place: the place that the view needs, or a function that returns it: it takes the
        arguments of the view.
    :param answer: the answer of the middleware if there is no usable token: ``"page"`` is a
        redirect or a page, as for a person; ``"json"`` is a ``401`` with JSON, as for a program;
        ``"auto"`` decides by the request.
    """
    if not isinstance(provider, str):
        raise TypeError('Name the provider: @authorization_required("github").')
    if unknown or unknown_names:
        raise TypeError(
            "authorization_required() takes the provider, scope=, place= and answer=. Write "
            f'@authorization_required("{provider}", scope=["…"]).'
        )
    scopes = tuple((scope,) if isinstance(scope, str) else scope)
    if scopes:
        required_scopes.add((provider, scopes))
    return guard(provider, scopes, answer, place)


def guard(
    provider: str, scopes: tuple[str, ...], answer: str, place: Place = ""
) -> Callable[[_View], _View]:
    """Return the decorator that checks the token before each call of a view."""
    if answer not in ("auto", "page", "json"):
        raise ValueError(f'answer is {answer!r}; it must be "auto", "page" or "json".')

    def session_of(request: HttpRequest, args: Any, kwargs: Any) -> DanceSession:
        named = place(request, *args, **kwargs) if callable(place) else place
        return session_for(request, provider, named)

    def decorator(view: _View) -> _View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def async_wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                vars(request)["_oauth_answer"] = answer
                if place:  # PLACES may ask the database
                    session = await sync_to_async(session_of)(request, args, kwargs)
                else:
                    session = session_for(request, provider)
                await session.arequire(" ".join(scopes))
                return await view(request, *args, **kwargs)

            return cast("_View", async_wrapper)

        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            vars(request)["_oauth_answer"] = answer
            session_of(request, args, kwargs).require(" ".join(scopes))
            return view(request, *args, **kwargs)

        return cast("_View", wrapper)

    return decorator
