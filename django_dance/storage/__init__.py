"""Where tokens are kept. Each storage obeys the contract of :class:`BaseStorage`."""

from .base import BaseStorage, build
from .fallback import FallbackStorage
from .function import FunctionStorage
from .memory import MemoryStorage, NullStorage
from .model import ModelStorage
from .session import SessionStorage

__all__ = [
    "BaseStorage",
    "FallbackStorage",
    "FunctionStorage",
    "MemoryStorage",
    "ModelStorage",
    "NullStorage",
    "SessionStorage",
    "build",
]
