"""Connections: storing the result of a dance, refreshing and judging a token, losing a grant."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .connect import POLICIES, adopt, ask_account, store_connection
    from .health import (
        FRESH,
        admit,
        find_lost_connection,
        is_withheld,
        judge,
        note_acceptance,
        note_answer,
        note_replacement,
        question,
        replace_refused_token,
    )
    from .loss import end_connection
    from .pending_revocations import note_deletion, revoke_pending
    from .refresh import refresh_or_keep, refresh_token
    from .sign_in import (
        ProvenAccount,
        allow_after_dance,
        allow_sign_in,
        forbid_sign_in,
        note_login,
        sign_in_visitor,
    )

__all__ = [
    "FRESH",
    "POLICIES",
    "ProvenAccount",
    "admit",
    "adopt",
    "allow_after_dance",
    "allow_sign_in",
    "ask_account",
    "end_connection",
    "find_lost_connection",
    "forbid_sign_in",
    "is_withheld",
    "judge",
    "note_acceptance",
    "note_answer",
    "note_deletion",
    "note_login",
    "note_replacement",
    "question",
    "refresh_or_keep",
    "refresh_token",
    "replace_refused_token",
    "revoke_pending",
    "sign_in_visitor",
    "store_connection",
]

if not TYPE_CHECKING:  # for a type checker, the room has no other names
    __getattr__ = load_on_first_use(
        __name__,
        {
            "connect": ["POLICIES", "adopt", "ask_account", "store_connection"],
            "health": [
                "FRESH",
                "admit",
                "find_lost_connection",
                "is_withheld",
                "judge",
                "note_acceptance",
                "note_answer",
                "note_replacement",
                "question",
                "replace_refused_token",
            ],
            "loss": ["end_connection"],
            "pending_revocations": ["note_deletion", "revoke_pending"],
            "refresh": ["refresh_or_keep", "refresh_token"],
            "sign_in": [
                "ProvenAccount",
                "allow_after_dance",
                "allow_sign_in",
                "forbid_sign_in",
                "note_login",
                "sign_in_visitor",
            ],
        },
    )
