"""FunctionStorage: three functions of the site's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.module_loading import import_string

from ..tokens import ResourceOwner
from .base import BaseStorage


class FunctionStorage(BaseStorage):
    """Calls three functions, given themselves or by their dotted paths.

    :param getter: ``(owner)``, returns a dict or ``None``.
    :param setter: ``(owner, token)``.
    :param deleter: ``(owner)``.
    """

    def __init__(
        self,
        getter: str | Callable[[ResourceOwner], Mapping[str, Any] | None],
        setter: str | Callable[[ResourceOwner, Mapping[str, Any]], object],
        deleter: str | Callable[[ResourceOwner], object],
    ) -> None:
        self._getter = _imported(getter)
        self._setter = _imported(setter)
        self._deleter = _imported(deleter)

    def get(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        token: Mapping[str, Any] | None = self._getter(owner)
        return token

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        self._setter(owner, token)

    def delete(self, owner: ResourceOwner) -> None:
        self._deleter(owner)


def _imported(function: str | Callable[..., Any]) -> Callable[..., Any]:
    return import_string(function) if isinstance(function, str) else function
