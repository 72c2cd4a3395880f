"""Values: tokens, scopes, whose a token is, and sealed texts."""

from typing import TYPE_CHECKING

from .. import load_on_first_use

if TYPE_CHECKING:
    from .owner import ResourceOwner
    from .scopes import signed_scope, verified_scope
    from .sealing import seal, sealed_with_first_key, unseal
    from .token import (
        FAILURE,
        Secret,
        Token,
        checked_token,
        clean_text,
        drop_our_own,
        same_token,
        scope_list,
        seconds,
        secretive,
    )

__all__ = [
    "FAILURE",
    "ResourceOwner",
    "Secret",
    "Token",
    "checked_token",
    "clean_text",
    "drop_our_own",
    "same_token",
    "scope_list",
    "seal",
    "sealed_with_first_key",
    "seconds",
    "secretive",
    "signed_scope",
    "unseal",
    "verified_scope",
]

__getattr__ = load_on_first_use(
    __name__,
    {
        "owner": ["ResourceOwner"],
        "scopes": ["signed_scope", "verified_scope"],
        "sealing": ["seal", "sealed_with_first_key", "unseal"],
        "token": [
            "FAILURE",
            "Secret",
            "Token",
            "checked_token",
            "clean_text",
            "drop_our_own",
            "same_token",
            "scope_list",
            "seconds",
            "secretive",
        ],
    },
)
