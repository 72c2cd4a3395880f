"""Connections: storing the result of a dance, refreshing a token, and judging a refused one."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .connect import POLICIES, adopt, store_connection
    from .health import (
        FRESH,
        admit,
        is_withheld,
        judge,
        note_acceptance,
        note_answer,
        note_replacement,
        question,
        replace_refused_token,
    )
    from .refresh import refresh_or_keep, refresh_token

__all__ = [
    "FRESH",
    "POLICIES",
    "admit",
    "adopt",
    "is_withheld",
    "judge",
    "note_acceptance",
    "note_answer",
    "note_replacement",
    "question",
    "refresh_or_keep",
    "refresh_token",
    "replace_refused_token",
    "store_connection",
]

__getattr__ = load_on_first_use(
    __name__,
    {
        "connect": ["POLICIES", "adopt", "store_connection"],
        "health": [
            "FRESH",
            "admit",
            "is_withheld",
            "judge",
            "note_acceptance",
            "note_answer",
            "note_replacement",
            "question",
            "replace_refused_token",
        ],
        "refresh": ["refresh_or_keep", "refresh_token"],
    },
)
