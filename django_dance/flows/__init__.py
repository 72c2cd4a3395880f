"""Flows: unfinished dances, each stored in a cookie of the browser that began it."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .additions import PARAMETER, Additions
    from .cookies import (
        MAX_STATE,
        delete_flow_cookie,
        has_room,
        is_https,
        read_flow,
        set_flow_cookie,
    )
    from .flow import Flow, has_session_cookie, user_key
    from .form_post import redirect_with_fields, restore_fields
    from .next_url import MAX_NEXT, safe_next
    from .replay import mark_used

__all__ = [
    "MAX_NEXT",
    "MAX_STATE",
    "PARAMETER",
    "Additions",
    "Flow",
    "delete_flow_cookie",
    "has_room",
    "has_session_cookie",
    "is_https",
    "mark_used",
    "read_flow",
    "redirect_with_fields",
    "restore_fields",
    "safe_next",
    "set_flow_cookie",
    "user_key",
]

if not TYPE_CHECKING:  # for a type checker, the room has no other names
    __getattr__ = load_on_first_use(
        __name__,
        {
            "additions": ["PARAMETER", "Additions"],
            "cookies": [
                "MAX_STATE",
                "delete_flow_cookie",
                "has_room",
                "is_https",
                "read_flow",
                "set_flow_cookie",
            ],
            "flow": ["Flow", "has_session_cookie", "user_key"],
            "form_post": ["redirect_with_fields", "restore_fields"],
            "next_url": ["MAX_NEXT", "safe_next"],
            "replay": ["mark_used"],
        },
    )
