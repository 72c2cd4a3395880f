"""Sealing: authenticated encryption of values that are stored outside the process.

A seal is bound to a *purpose* (the kind of value: a token, a flow) and an *identity* (the row, user
or cookie). A sealed value that is moved to another row, user or cookie cannot be unsealed there.

The format is ``base64url(version, key id, nonce, AES-256-GCM ciphertext)``. HKDF-SHA256 derives the
keys from ``DANCE_ENCRYPTION_KEYS``, or from ``SECRET_KEY`` and its fallbacks. Each purpose has its
own key, because a key may seal 2³² values with random nonces (NIST SP 800-38D §8.3), and there
are many more flow cookies than tokens.
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
    """Derive the key id and the cipher of a purpose from a secret."""
    material = HKDF(
        algorithm=SHA256(), length=_KEY_ID + 32, salt=None, info=f"django_dance {purpose}".encode()
    ).derive(secret.encode())
    return material[:_KEY_ID], AESGCM(material[_KEY_ID:])


def seal(plaintext: bytes, *, purpose: str, identity: str) -> str:
    """Seal ``plaintext`` with the first key.

    :param purpose: the kind of value, such as ``"token"``. It selects the key.
    :param identity: the one place where the value may be unsealed.
    """
    plaintext = _Plain(plaintext)  # error reports print the local variables of a frame
    key_id, cipher = _derive(settings.encryption_keys[0], purpose)
    nonce = os.urandom(_NONCE)
    head = _VERSION + key_id + nonce
    sealed = head + cipher.encrypt(nonce, plaintext, head + identity.encode())
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal(sealed: str, *, purpose: str, identity: str) -> bytes:
    """Return the plaintext that :func:`seal` sealed for the same purpose and identity.

    :raises SealBroken: the value was altered, was sealed for another purpose or identity, or was
        sealed with a key that is not configured any more.
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


def uses_current_key(sealed: str, *, purpose: str) -> bool:
    """Whether the value was sealed with the first key. The head tells; no value is unsealed."""
    key_id, _ = _derive(settings.encryption_keys[0], purpose)
    head = _VERSION + key_id
    try:
        return base64.urlsafe_b64decode(sealed[:8])[: len(head)] == head
    except ValueError:
        return False


def current_key_starts(*, purpose: str) -> tuple[str, ...]:
    """The starts of the values that were sealed with the first key, for a query.

    The head of a value has 5 bytes: 6 characters of base64, and the half of another.
    """
    key_id, _ = _derive(settings.encryption_keys[0], purpose)
    ends = (b"\x00", b"\x40", b"\x80", b"\xc0")
    # The last two bits of the seventh character belong to the nonce.
    return tuple(base64.urlsafe_b64encode(_VERSION + key_id + end)[:7].decode() for end in ends)
