"""Digests: what is kept in the place of a code or token, and what a grant is bound to."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

from django.utils.crypto import constant_time_compare


def digest(secret: str) -> str:
    """What is kept of a code or token.

    Both are random and long, so a plain hash tells nothing of them and can be looked up.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def new_family() -> str:
    """A name for a code and all tokens that come of it."""
    return uuid.uuid4().hex


def credentials_fingerprint(client: Any, user: Any) -> str:
    """What a code or token stands and falls with: the client's secret and the user's password."""
    return next(_fingerprints(client, user))


def fingerprint_matches(binding: str, client: Any, user: Any) -> bool:
    """Whether neither the client's secret nor the user's password has changed since."""
    return any(constant_time_compare(binding, found) for found in _fingerprints(client, user))


def _fingerprints(client: Any, user: Any) -> Iterator[str]:
    secret = str(getattr(client, "client_secret", "") or "")
    for state in _session_auth_hashes(user):
        yield digest(f"{secret}\n{state}")


def _session_auth_hashes(user: Any) -> Iterator[str]:
    if not hasattr(user, "get_session_auth_hash"):
        yield ""
        return
    yield user.get_session_auth_hash()
    # A rotated SECRET_KEY ends no session, so it ends no token either.
    yield from getattr(user, "get_session_auth_fallback_hash", tuple)()
