"""Storages store the tokens. Each is a subclass of ``BaseStorage``."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .base import BaseStorage, connection_of
    from .factory import build
    from .fallback import FallbackStorage
    from .function import FunctionStorage
    from .lease import row_lease
    from .memory import MemoryStorage, NullStorage
    from .model import ModelStorage, is_unreadable
    from .session import SessionStorage, visitor_of
    from .transactions import (
        has_one_writer,
        may_roll_back,
        on_separate_connection,
        run_deferred_writes,
        share_tenant,
    )

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
    "has_one_writer",
    "is_unreadable",
    "may_roll_back",
    "on_separate_connection",
    "row_lease",
    "run_deferred_writes",
    "share_tenant",
    "visitor_of",
]

if not TYPE_CHECKING:  # for a type checker, the room has no other names
    __getattr__ = load_on_first_use(
        __name__,
        {
            "base": ["BaseStorage", "connection_of"],
            "factory": ["build"],
            "fallback": ["FallbackStorage"],
            "function": ["FunctionStorage"],
            "lease": ["row_lease"],
            "memory": ["MemoryStorage", "NullStorage"],
            "model": ["ModelStorage", "is_unreadable"],
            "session": ["SessionStorage", "visitor_of"],
            "transactions": [
                "has_one_writer",
                "may_roll_back",
                "on_separate_connection",
                "run_deferred_writes",
                "share_tenant",
            ],
        },
    )
