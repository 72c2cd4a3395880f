"""Sealing: authenticated encryption of what is kept outside the process.

A seal is bound to a *purpose* (what kind of thing) and an *identity* (which one): a value that
is moved to another row, user or cookie does not open there.

The form is ``base64url(version, key id, nonce, AES-256-GCM ciphertext)``. Keys are derived by
HKDF-SHA256 from ``DANCE_ENCRYPTION_KEYS``, or from ``SECRET_KEY`` and its fallbacks, one per
purpose, so that the many short-lived cookies do not use up the nonces (NIST SP 800-38D §8.3:
2³² random nonces to a key) of the tokens' key.
"""

from __future__ import annotations

import base64
import binascii
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..conf import settings
from ..exceptions import SealBroken

_VERSION = b"\x01"
_KEY_ID = 4
_NONCE = 12


class _Plain(bytes):
    def __repr__(self) -> str:
        return "b'***'"


@lru_cache(maxsize=64)
def _derive(secret: str, purpose: str) -> tuple[bytes, AESGCM]:
    """The id and the cipher that a secret gives for a purpose."""
    material = HKDF(
        algorithm=SHA256(), length=_KEY_ID + 32, salt=None, info=f"django_dance {purpose}".encode()
    ).derive(secret.encode())
    return material[:_KEY_ID], AESGCM(material[_KEY_ID:])


def seal(plaintext: bytes, *, purpose: str, identity: str) -> str:
    """Seal ``plaintext`` with the first key."""
    plaintext = _Plain(plaintext)  # reports of errors print what a frame holds
    key_id, cipher = _derive(settings.encryption_keys[0], purpose)
    nonce = os.urandom(_NONCE)
    head = _VERSION + key_id + nonce
    sealed = head + cipher.encrypt(nonce, plaintext, head + identity.encode())
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal(sealed: str, *, purpose: str, identity: str) -> bytes:
    """What :func:`seal` was given, for the same purpose and identity.

    :raises SealBroken: altered, foreign, or sealed with a key that is no longer configured.
    """
    try:
        raw = base64.b64decode(
            sealed.encode("ascii") + b"=" * (-len(sealed) % 4), altchars=b"-_", validate=True
        )
    except (UnicodeEncodeError, binascii.Error):
        raise SealBroken("This is not a sealed value.") from None
    nonce_at = 1 + _KEY_ID
    head, body = raw[: nonce_at + _NONCE], raw[nonce_at + _NONCE :]
    if head[:1] != _VERSION or len(body) < 16:
        raise SealBroken("This is not a sealed value.")
    for secret in settings.encryption_keys:
        key_id, cipher = _derive(secret, purpose)
        if key_id != head[1:nonce_at]:
            continue
        try:
            return cipher.decrypt(head[nonce_at:], body, head + identity.encode())
        except InvalidTag:
            continue
    raise SealBroken(
        "No configured key opens this value: it was altered, moved, or its key was removed from "
        "DANCE_ENCRYPTION_KEYS (or SECRET_KEY_FALLBACKS)."
    )


def sealed_with_first_key(sealed: str, *, purpose: str) -> bool:
    """Whether the key that seals today has sealed it. The head says so; nothing is opened."""
    key_id, _ = _derive(settings.encryption_keys[0], purpose)
    head = _VERSION + key_id
    try:
        return base64.urlsafe_b64decode(sealed[:8])[: len(head)] == head
    except ValueError:
        return False
