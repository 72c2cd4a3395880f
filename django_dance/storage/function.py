"""FunctionStorage: three functions of the site store the tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..conf import import_if_path
from ..tokens import ResourceOwner
from .base import BaseStorage


class FunctionStorage(BaseStorage):
    """Calls three functions of the site. Each option is a function or its dotted path.

    :param getter: called with ``(owner)``; it returns a dict or ``None``.
    :param setter: called with ``(owner, token)``; ``token`` is a plain dict.
    :param deleter: called with ``(owner)``.
    :raises ImproperlyConfigured: a function cannot be imported.
    """

    def __init__(
        self,
        getter: str | Callable[[ResourceOwner], Mapping[str, Any] | None],
        setter: str | Callable[[ResourceOwner, Mapping[str, Any]], object],
        deleter: str | Callable[[ResourceOwner], object],
    ) -> None:
        self._getter = import_if_path(getter, "The option getter")
        self._setter = import_if_path(setter, "The option setter")
        self._deleter = import_if_path(deleter, "The option deleter")

    def get(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        token: Mapping[str, Any] | None = self._getter(owner)
        return token

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        self._setter(owner, token)

    def delete(self, owner: ResourceOwner) -> None:
        self._deleter(owner)
