"""The functions that a site registers with a server: getters, setters, handlers and hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

F = TypeVar("F", bound=Callable[..., Any])

_REQUIRED = ("clientgetter", "tokengetter", "tokensetter", "grantgetter", "grantsetter")


class Callbacks:
    """The functions of one server, by name, and its request hooks.

    A function that is not registered can be a method of a subclass of the server, with or without
    a leading underscore.

    :param base: the class of the server whose methods of these names are decorators.
    """

    def __init__(self, server: AuthorizationServer, base: type) -> None:
        self._server, self._base = server, base
        self.functions: dict[str, Callable[..., Any]] = {}
        self.before_request: list[Callable[..., Any]] = []
        self.after_request: list[Callable[..., Any]] = []

    def register(self, name: str, function: F) -> F:
        self.functions[name] = function
        return function

    def optional(self, name: str) -> Callable[..., Any] | None:
        """The function with this name, if there is one."""
        if name in self.functions:
            return self.functions[name]
        if getattr(type(self._server), name, None) is not getattr(self._base, name, None):
            method: Callable[..., Any] = getattr(self._server, name)
            return method
        return getattr(self._server, f"_{name}", None)

    def required(self, name: str) -> Callable[..., Any]:
        """The function with this name.

        :raises ImproperlyConfigured: there is none. The text names the others that are missing.
        """
        function = self.optional(name)
        if function is None:
            missing = list(dict.fromkeys([*self.missing, name]))
            raise ImproperlyConfigured(
                f"The server {self._server.name!r} has no {', '.join(missing)}. Register a "
                f"function with @server.{missing[0]}, or call bind_models(server, client=…, "
                "token=…, grant=…)."
            )
        return function

    def is_bound(self, name: str) -> bool:
        """Whether ``bind_models`` or ``bind_cache_grant`` has registered the function."""
        function = self.functions.get(name)
        return type(getattr(function, "__self__", None)).__module__.startswith(__package__)

    @property
    def missing(self) -> list[str]:
        """The names of the required functions that the site has not registered."""
        return [name for name in _REQUIRED if self.optional(name) is None]

    def require_all(self) -> None:
        """:raises ImproperlyConfigured: a required function is missing."""
        for name in _REQUIRED:
            self.required(name)


def reject_coroutine(function: F, name: str) -> F:
    """The function itself.

    :param name: the decorator that takes it, for the error.
    :raises TypeError: it is a coroutine function.
    """
    if iscoroutinefunction(function):
        raise TypeError(
            f"{name} takes a plain function, not a coroutine function. For an async view it is "
            "called in a thread."
        )
    return function
