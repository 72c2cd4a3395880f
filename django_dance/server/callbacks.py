"""What a site registers with a server: getters, setters, handlers, hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured

F = TypeVar("F", bound=Callable[..., Any])

_REQUIRED = ("clientgetter", "tokengetter", "tokensetter", "grantgetter", "grantsetter")


class Registration:
    """Functions by name. Each decorator returns the function that it is given."""

    name: str

    def __init__(self) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}
        self.hooks_before: list[Callable[..., Any]] = []
        self.hooks_after: list[Callable[..., Any]] = []

    def clientgetter(self, f: F) -> F:
        """``f(client_id)`` returns the client, or ``None``."""
        return self.register("clientgetter", f)

    def usergetter(self, f: F) -> F:
        """``f(username, password, client, request)`` returns the user, or ``None``."""
        return self.register("usergetter", f)

    def tokengetter(self, f: F) -> F:
        """``f(access_token=None, refresh_token=None)`` returns the token, or ``None``."""
        return self.register("tokengetter", f)

    def tokensetter(self, f: F) -> F:
        """``f(token, request)`` stores a token that is issued."""
        return self.register("tokensetter", f)

    def tokenrevoker(self, f: F) -> F:
        """``f(family=None, user=None, client_id=None)`` ends every token that matches."""
        return self.register("tokenrevoker", f)

    def grantgetter(self, f: F) -> F:
        """``f(client_id, code)`` returns the grant, or ``None``."""
        return self.register("grantgetter", f)

    def grantsetter(self, f: F) -> F:
        """``f(client_id, code, request)`` stores ``code["code"]``, for ``request.user``."""
        return self.register("grantsetter", f)

    def grantrevoker(self, f: F) -> F:
        """``f(user, client_id)`` ends the codes that are not redeemed yet."""
        return self.register("grantrevoker", f)

    def invalid_response(self, f: F) -> F:
        """``f(request)`` answers a request that is not let in; ``request.error_message`` says why.

        The challenge of RFC 6750 is added to its answer.
        """
        return self.register("invalid_response", f)

    def exception_handler(self, f: F) -> F:
        """``f(error, redirect_content)`` answers a refused authorization request.

        ``redirect_content`` is where the client would be told, or ``None`` if it is not known.
        """
        return self.register("exception_handler", f)

    def before_request(self, f: F) -> F:
        """``f(request)`` is called before a token is looked at; a response it returns is sent."""
        self.hooks_before.append(plain(f, "before_request"))
        return f

    def after_request(self, f: F) -> F:
        """``f(valid, request)`` is called with the verdict and returns it, or another, or a
        response."""
        self.hooks_after.append(plain(f, "after_request"))
        return f

    def register(self, name: str, f: F) -> F:
        self._functions[name] = f
        return f

    def optional(self, name: str) -> Callable[..., Any] | None:
        """A function that was registered, or the method of a subclass."""
        if name in self._functions:
            return self._functions[name]
        if getattr(type(self), name, None) is not getattr(Registration, name, None):
            method: Callable[..., Any] = getattr(self, name)
            return method
        return getattr(self, f"_{name}", None)

    def getter(self, name: str) -> Callable[..., Any]:
        """A function that the server cannot do without.

        :raises ImproperlyConfigured: it is missing; the others that are missing are named too.
        """
        found = self.optional(name)
        if found is None:
            missing = [needed for needed in (*_REQUIRED, name) if self.optional(needed) is None]
            raise ImproperlyConfigured(
                f"The server {self.name!r} has no {', '.join(dict.fromkeys(missing))}. Register a "
                f"function with @server.{missing[0]}, or call bind_models(server, client=…, "
                "token=…, grant=…)."
            )
        return found

    @property
    def missing(self) -> list[str]:
        """The required functions that nobody has registered."""
        return [name for name in _REQUIRED if self.optional(name) is None]

    def require_all(self) -> None:
        """:raises ImproperlyConfigured: a required function is missing."""
        for name in _REQUIRED:
            self.getter(name)


def plain(f: F, what: str) -> F:
    """:raises TypeError: it is a coroutine function."""
    if iscoroutinefunction(f):
        raise TypeError(
            f"{what} takes a plain function, not a coroutine: it is called in a thread if need be."
        )
    return f
