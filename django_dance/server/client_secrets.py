"""Hashes of client secrets: SHA-256 for secrets that the server generates, Django's for others.

A generated secret has 256 random bits. It cannot be guessed from a plain hash, so a slow password
hash would only cost time at each request for a token. The hash has no key: a rotation of
``SECRET_KEY`` must not lock clients out.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from django.contrib.auth.hashers import check_password
from django.utils.crypto import constant_time_compare

from ..tokens import Secret

#: 32 random bytes as base64url without padding: the last character has four bits. A secret of this
#: length that a person chose seldom has digits, capitals and small letters, and ends with one of
#: these characters.
_GENERATED = re.compile(
    r"(?=.*[0-9])(?=.*[A-Z])(?=.*[a-z])[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII
)
#: The hash of a generated secret, and the hash that it has replaced, if there was one.
_STORED = re.compile(r"sha256\$(?P<digest>[0-9a-f]{64})(?:\$(?P<replaced>.+))?")
#: No secret has this hash.
_NO_SECRET = f"sha256${'0' * 64}"


def generate() -> Secret:
    """A new secret of 256 random bits, which :func:`is_generated` recognises."""
    # One of 1500 has no digit, no capital or no small letter.
    while not is_generated(secret := secrets.token_urlsafe(32)):
        pass
    return Secret(secret)


def is_generated(secret: str) -> bool:
    """Whether a secret has the format of those that the server generates."""
    return _GENERATED.fullmatch(secret) is not None


def hash_generated(secret: str, *, replaced: str = "") -> str:
    """The value to store for a generated secret.

    :param replaced: the stored password hash of the same secret. It is kept, because codes and
        tokens are bound to it.
    """
    stored = f"sha256${_digest(secret)}"
    return f"{stored}${replaced}" if replaced else stored


def is_fast(stored: str) -> bool:
    """Whether the stored hash is compared without a password hasher."""
    return not stored or _STORED.fullmatch(stored) is not None


def is_correct(secret: str, stored: str) -> bool:
    """Whether this is the secret of the stored hash."""
    if match := _STORED.fullmatch(stored):
        return constant_time_compare(_digest(secret), match["digest"])
    # Without an upgrade to a newer hasher: a new hash would invalidate the client's tokens.
    return bool(stored) and check_password(secret, stored)


def refuse(secret: str) -> None:
    """Take as long for the secret of an unknown client as for a generated secret."""
    is_correct(secret, _NO_SECRET)


def bound_part(stored: str) -> str:
    """The part of a stored hash that codes and tokens are bound to.

    It does not change when a password hash is replaced by the hash of a generated secret.
    """
    match = _STORED.fullmatch(stored)
    return match["replaced"] if match and match["replaced"] else stored


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
