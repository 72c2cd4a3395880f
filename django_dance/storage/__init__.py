"""Storages: where tokens are stored. Each is a subclass of ``BaseStorage``."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .base import BaseStorage, build
    from .fallback import FallbackStorage
    from .function import FunctionStorage
    from .memory import MemoryStorage, NullStorage
    from .model import ModelStorage
    from .session import SessionStorage
    from .transactions import settle

__all__ = [
    "BaseStorage",
    "FallbackStorage",
    "FunctionStorage",
    "MemoryStorage",
    "ModelStorage",
    "NullStorage",
    "SessionStorage",
    "build",
    "settle",
]

__getattr__ = load_on_first_use(
    __name__,
    {
        "base": ["BaseStorage", "build"],
        "fallback": ["FallbackStorage"],
        "function": ["FunctionStorage"],
        "memory": ["MemoryStorage", "NullStorage"],
        "model": ["ModelStorage"],
        "session": ["SessionStorage"],
        "transactions": ["settle"],
    },
)
