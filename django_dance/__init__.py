"""Act for your users at other sites: OAuth tokens, got, kept, refreshed and used."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

__version__ = "0.1.0"

_Function = TypeVar("_Function", bound=Callable[..., Any])


def load_on_first_use(room: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a room's ``__init__`` (PEP 562).

    :param room: the name of the room's package.
    :param names: the room's public names, by the module that defines them. The module is imported
        when one of its names is first used, so that importing the room imports nothing else.
    """
    module_of = {name: module for module, defined in names.items() for name in defined}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        value = getattr(import_module(f"{room}.{module_of[name]}"), name)
        setattr(sys.modules[room], name, value)
        return value

    return load


def forbid_in_templates(function: _Function) -> _Function:
    """Mark a method that acts, so that Django's templates do not call it (``alters_data``)."""
    function.alters_data = True  # type: ignore[attr-defined]
    return function
