from collections.abc import Callable
from inspect import getsource

from django.http import HttpRequest


def source(request: HttpRequest) -> dict[str, Callable[[], str]]:
    """Let a template show the source code of the view that renders it."""

    def view_source() -> str:
        match = request.resolver_match
        return getsource(match.func) if match else ""

    return {"view_source": view_source}
