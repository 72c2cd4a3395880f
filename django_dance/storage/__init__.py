"""Storages store the tokens. Each is a subclass of ``BaseStorage``."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .base import BaseStorage, connection_of
    from .factory import build
    from .fallback import FallbackStorage
    from .function import FunctionStorage
    from .memory import MemoryStorage, NullStorage
    from .model import ModelStorage, is_unreadable
    from .session import SessionStorage, visitor_of
    from .transactions import run_deferred_writes

__all__ = [
    "BaseStorage",
    "FallbackStorage",
    "FunctionStorage",
    "MemoryStorage",
    "ModelStorage",
    "NullStorage",
    "SessionStorage",
    "build",
    "connection_of",
    "is_unreadable",
    "run_deferred_writes",
    "visitor_of",
]

__getattr__ = load_on_first_use(
    __name__,
    {
        "base": ["BaseStorage", "connection_of"],
        "factory": ["build"],
        "fallback": ["FallbackStorage"],
        "function": ["FunctionStorage"],
        "memory": ["MemoryStorage", "NullStorage"],
        "model": ["ModelStorage", "is_unreadable"],
        "session": ["SessionStorage", "visitor_of"],
        "transactions": ["run_deferred_writes"],
    },
)
