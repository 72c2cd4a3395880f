"""Values: tokens, scopes, the resource owner of a token, and sealed texts."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .accounts import MAX_ACCOUNT_ID, MAX_PLACE, is_account_id
    from .connection import (
        ACTIVE,
        EXPIRED,
        ISSUER_CHANGED,
        NEEDS_RECONNECT,
        REASONS,
        REFUSED,
        REJECTED,
        REVOKED,
        SCOPES,
        UNREADABLE,
        Connection,
    )
    from .owner import ResourceOwner, check_user, is_session_of
    from .sealing import current_key_starts, seal, unseal, uses_current_key
    from .token import (
        REFRESH_FAILURE_FIELDS,
        SECRETS,
        VERDICT_FIELDS,
        Secret,
        Token,
        check_token_fields,
        clean_text,
        clean_words,
        same_token,
        scope_list,
        seconds,
        strip_internal_fields,
        without_empty,
        without_secrets,
        wrap_secrets,
    )

__all__ = [
    "ACTIVE",
    "EXPIRED",
    "ISSUER_CHANGED",
    "MAX_ACCOUNT_ID",
    "MAX_PLACE",
    "NEEDS_RECONNECT",
    "REASONS",
    "REFRESH_FAILURE_FIELDS",
    "REFUSED",
    "REJECTED",
    "REVOKED",
    "SCOPES",
    "SECRETS",
    "UNREADABLE",
    "VERDICT_FIELDS",
    "Connection",
    "ResourceOwner",
    "Secret",
    "Token",
    "check_token_fields",
    "check_user",
    "clean_text",
    "clean_words",
    "current_key_starts",
    "is_account_id",
    "is_session_of",
    "same_token",
    "scope_list",
    "seal",
    "seconds",
    "strip_internal_fields",
    "unseal",
    "uses_current_key",
    "without_empty",
    "without_secrets",
    "wrap_secrets",
]

if not TYPE_CHECKING:  # for a type checker, the room has no other names
    __getattr__ = load_on_first_use(
        __name__,
        {
            "accounts": ["MAX_ACCOUNT_ID", "MAX_PLACE", "is_account_id"],
            "connection": [
                "ACTIVE",
                "EXPIRED",
                "ISSUER_CHANGED",
                "NEEDS_RECONNECT",
                "REASONS",
                "REFUSED",
                "REJECTED",
                "REVOKED",
                "SCOPES",
                "UNREADABLE",
                "Connection",
            ],
            "owner": ["ResourceOwner", "check_user", "is_session_of"],
            "sealing": ["current_key_starts", "seal", "uses_current_key", "unseal"],
            "token": [
                "REFRESH_FAILURE_FIELDS",
                "SECRETS",
                "VERDICT_FIELDS",
                "Secret",
                "Token",
                "check_token_fields",
                "clean_text",
                "clean_words",
                "strip_internal_fields",
                "same_token",
                "scope_list",
                "seconds",
                "without_empty",
                "without_secrets",
                "wrap_secrets",
            ],
        },
    )
