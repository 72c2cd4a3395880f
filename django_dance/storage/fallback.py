"""FallbackStorage: the default."""

from __future__ import annotations

from typing import Any

from .model import ModelStorage


class FallbackStorage(ModelStorage):
    """In the table for users, in the session for anonymous visitors.

    Nothing is carried over when a visitor logs in.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"user_required": False, **options})
