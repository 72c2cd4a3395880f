"""ID tokens: JWTs that are believed only after every claim has been checked.

OpenID Connect Core 3.1.3.7, RFC 7515, 7517, 7518, 7519 and 8725. Each refusal has a code of its
own, so that it can be told what a provider did wrong.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.utils.crypto import constant_time_compare

from ..exceptions import FlowError

#: What may sign an ID token, whatever the provider's metadata says (RFC 8725 §3.1): the key type
#: it takes, the curve where there is one, and the hash for ``at_hash``.
ALGORITHMS: Mapping[str, tuple[str, str | None, str]] = {
    "RS256": ("RSA", None, "sha256"),
    "RS384": ("RSA", None, "sha384"),
    "RS512": ("RSA", None, "sha512"),
    "PS256": ("RSA", None, "sha256"),
    "PS384": ("RSA", None, "sha384"),
    "PS512": ("RSA", None, "sha512"),
    "ES256": ("EC", "P-256", "sha256"),
    "ES384": ("EC", "P-384", "sha384"),
    "ES512": ("EC", "P-521", "sha512"),
    "EdDSA": ("OKP", "Ed25519", "sha512"),
}
#: Seconds that two clocks may differ by.
LEEWAY = 60
#: Seconds after which a token that was just asked for is not "just issued".
MAX_AGE = 600
MAX_LENGTH = 64 * 1024
MAX_HEADER = 4 * 1024
#: Keys of a set that are looked at, and keys that are tried for one token.
MAX_KEYS, MAX_TRIES = 100, 5
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def refuse(what: str, detail: str) -> FlowError:
    return FlowError(f"id_token_{what}", detail)


def header(token: object) -> dict[str, Any]:
    """The protected header of a signed JWT, checked.

    :raises FlowError: ``id_token_malformed``, ``id_token_algorithm`` or ``id_token_key``.
    """
    if not isinstance(token, str) or len(token) > MAX_LENGTH or not token.isascii():
        raise refuse("malformed", "the ID token is no compact JWS")
    parts = token.split(".")
    if len(parts) != 3:
        raise refuse("malformed", "the ID token is no compact JWS (encrypted ones are not taken)")
    for part in parts:
        _decoded(part)
    if len(parts[0]) > MAX_HEADER:
        raise refuse("malformed", "the ID token's header is too long")
    try:
        fields = json.loads(_decoded(parts[0]))
    except (ValueError, RecursionError):
        raise refuse("malformed", "the ID token's header is no JSON object") from None
    if not isinstance(fields, dict):
        raise refuse("malformed", "the ID token's header is no JSON object")
    if not isinstance(fields.get("alg"), str) or fields["alg"] not in ALGORITHMS:
        raise refuse("algorithm", "the ID token is signed by an algorithm that is not taken")
    if "crit" in fields or "b64" in fields or "zip" in fields:
        # RFC 7515 §4.1.11: extensions that are not understood must not be passed over.
        raise refuse("malformed", "the ID token uses extensions that are not understood")
    kid = fields.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > 512):
        raise refuse("key", "the ID token's key id is no short text")
    return fields


def _decoded(part: str) -> bytes:
    """Canonical base64url (RFC 7515 §2): one text for one value."""
    if not _BASE64URL.fullmatch(part):
        raise refuse("malformed", "the ID token is not in base64url")
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (ValueError, binascii.Error):
        raise refuse("malformed", "the ID token is not in base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise refuse("malformed", "the ID token is not in canonical base64url")
    return raw


def candidates(keys: Iterable[object], fields: Mapping[str, Any]) -> list[Any]:
    """The keys of a set that may have signed a token with this header, ready to verify with."""
    kind, curve, _ = ALGORITHMS[fields["alg"]]
    found: list[Any] = []
    for count, key in enumerate(keys):
        if count >= MAX_KEYS or len(found) >= MAX_TRIES:
            break
        if not isinstance(key, dict) or key.get("kty") != kind:
            continue
        if "kid" in fields and key.get("kid") != fields["kid"]:
            continue
        if key.get("use", "sig") != "sig" or key.get("alg", fields["alg"]) != fields["alg"]:
            continue
        if curve and key.get("crv") != curve:
            continue
        public = _public_key(key)
        if public is not None:
            found.append(public)
    return found


def _public_key(key: dict[str, Any]) -> Any:
    """The public key of a JWK, if it is one and strong enough (RFC 7518 §3.3, RFC 8725 §3.5)."""
    try:
        public = jwt.PyJWK({k: v for k, v in key.items() if k not in ("d", "alg")}).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if isinstance(public, RSAPublicKey):
        numbers = public.public_numbers()
        return public if public.key_size >= 2048 and numbers.e >= 3 else None
    return public if isinstance(public, (EllipticCurvePublicKey, Ed25519PublicKey)) else None


def verified(token: str, fields: Mapping[str, Any], keys: Iterable[Any]) -> dict[str, Any]:
    """The claims of a token that one of the keys has signed.

    :raises FlowError: ``id_token_signature`` or ``id_token_malformed``.
    """
    for key in keys:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[fields["alg"]],
                # They are checked one by one below, each with its own code.
                options={
                    "verify_signature": True,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_iss": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise refuse("malformed", "the ID token's claims are no JSON object") from None
        return dict(claims)
    raise refuse("signature", "no key of the provider has signed the ID token")


def check(
    claims: Mapping[str, Any],
    fields: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str | None,
    access_token: str,
    fresh: bool = True,
) -> None:
    """Refuse claims that are not for us, or not for now (OpenID Connect Core 3.1.3.7).

    :param nonce: what the flow sent; ``None`` after a refresh.
    :param fresh: whether the token must have been issued just now.
    :raises FlowError:
    """
    now = time.time()
    if claims.get("iss") != issuer or not isinstance(claims.get("iss"), str):
        raise refuse("issuer", "the ID token is from another issuer")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        raise refuse("audience", "the ID token is for another client")
    if "azp" in claims:
        if claims["azp"] != client_id:
            raise refuse("audience", "the ID token was asked for by another client")
    elif len(audiences) > 1:
        raise refuse("audience", "the ID token is for several clients and does not say for whom")
    if _moment(claims, "exp", required=True) <= now - LEEWAY:
        raise refuse("expired", "the ID token is over")
    issued = _moment(claims, "iat", required=True)
    if issued > now + LEEWAY or _moment(claims, "nbf") > now + LEEWAY:
        raise refuse("time", "the ID token is from the future; is the clock right?")
    if fresh and issued < now - MAX_AGE:
        raise refuse("time", "the ID token was issued long ago; is the clock right?")
    if nonce is not None:
        claimed = claims.get("nonce")
        if not isinstance(claimed, str) or not constant_time_compare(claimed, nonce):
            raise refuse("nonce", "the ID token is not for this flow")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255 or not subject.isprintable():
        raise refuse("subject", "the ID token names no subject")
    if "at_hash" in claims:
        digest = hashlib.new(ALGORITHMS[fields["alg"]][2], access_token.encode()).digest()
        half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
        claimed = claims["at_hash"]
        if not isinstance(claimed, str) or not constant_time_compare(claimed, half):
            raise refuse("at_hash", "the ID token is for another access token")


def _moment(claims: Mapping[str, Any], name: str, *, required: bool = False) -> float:
    value = claims.get(name)
    if value is None and not required:
        return 0.0
    if not isinstance(value, bool) and isinstance(value, (int, float)) and 0 <= value < 1e12:
        return float(value)
    raise refuse("time", f"the ID token's {name} is no point in time")
