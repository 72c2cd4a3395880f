"""Digests of codes and tokens, and fingerprints of the credentials that they depend on."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

from django.utils.crypto import constant_time_compare

from .client_secrets import bound_part


def digest(secret: str) -> str:
    """The SHA-256 digest of a code or token, in hexadecimal, which is stored in its place.

    Codes and tokens are long and random: they cannot be guessed from a plain hash. And a plain hash
    can be looked up.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def new_family() -> str:
    """A random name for the family of a new code: the code and all tokens that it leads to."""
    return uuid.uuid4().hex


def credentials_fingerprint(client: Any, user: Any) -> str:
    """A digest of the client's secret and the user's password, to store with a code or token.

    The code or token becomes invalid when one of them changes.
    """
    return next(_fingerprints(client, user))


def fingerprint_matches(fingerprint: str, client: Any, user: Any) -> bool:
    """Whether the client's secret and the user's password are still those of the fingerprint."""
    return any(constant_time_compare(fingerprint, found) for found in _fingerprints(client, user))


def _fingerprints(client: Any, user: Any) -> Iterator[str]:
    secret = bound_part(str(getattr(client, "client_secret", "") or ""))
    for user_hash in _session_auth_hashes(user):
        yield digest(f"{secret}\n{user_hash}")


def _session_auth_hashes(user: Any) -> Iterator[str]:
    if not hasattr(user, "get_session_auth_hash"):
        yield ""
        return
    yield user.get_session_auth_hash()
    # If SECRET_KEY is rotated, sessions stay valid, and so do tokens.
    yield from getattr(user, "get_session_auth_fallback_hash", tuple)()
