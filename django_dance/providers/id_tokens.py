"""ID tokens: JWTs whose signature and claims are all checked before they are used.

OpenID Connect Core 3.1.3.7, RFC 7515, 7517, 7518, 7519 and 8725. Each refusal has its own code, so
that the code names the provider's mistake.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.utils.crypto import constant_time_compare
from jwt.algorithms import OKPAlgorithm

from ..exceptions import FlowError
from ..tokens import without_empty

#: Allowed signature algorithms; the provider's metadata adds none (RFC 8725 §3.1). Algorithm → the
#: type of the key, its curve or ``None``, and the hash function for ``at_hash``.
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
    "Ed25519": ("OKP", "Ed25519", "sha512"),
}
#: Two names of one algorithm. The key and the ID token may have different names of the two
#: (RFC 9864 §2.2).
_SAME = {"EdDSA": "Ed25519", "Ed25519": "EdDSA"}
#: Largest accepted difference between the provider's clock and ours, in seconds.
LEEWAY = 60
#: Largest age of an ID token that was just requested, in seconds.
MAX_AGE = 600
#: Longest ID token and longest header, in characters.
MAX_LENGTH = 64 * 1024
MAX_HEADER = 4 * 1024
#: Largest number of keys of a set that are read, and of keys that are tried for one token.
MAX_KEYS, MAX_TRIES = 100, 5
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")

_jws = jwt.PyJWS()
if "Ed25519" not in _jws.get_algorithms():
    _jws.register_algorithm("Ed25519", OKPAlgorithm())


def refusal(reason: str, detail: str) -> FlowError:
    """Return the error for an ID token that is refused; its code is ``id_token_<reason>``."""
    return FlowError(f"id_token_{reason}", detail)


def header(token: object) -> dict[str, Any]:
    """Return the checked header of a signed JWT (RFC 7515 §4).

    :raises FlowError: ``id_token_malformed``, ``id_token_algorithm``, ``id_token_type`` or
        ``id_token_key``.
    """
    if not isinstance(token, str) or len(token) > MAX_LENGTH or not token.isascii():
        raise refusal("malformed", "the ID token is not a compact JWS")
    parts = token.split(".")
    if len(parts) != 3:
        raise refusal(
            "malformed", "the ID token is not a compact JWS; encrypted ID tokens are not supported"
        )
    for part in parts:
        _decode(part)
    if len(parts[0]) > MAX_HEADER:
        raise refusal("malformed", "the ID token's header is too long")
    try:
        fields = json.loads(_decode(parts[0]))
    except (ValueError, RecursionError):
        raise refusal("malformed", "the ID token's header is not a JSON object") from None
    if not isinstance(fields, dict):
        raise refusal("malformed", "the ID token's header is not a JSON object")
    fields = without_empty(fields)
    if not isinstance(fields.get("alg"), str) or fields["alg"] not in ALGORITHMS:
        raise refusal("algorithm", "the ID token is signed with an algorithm that is not allowed")
    if "crit" in fields or "b64" in fields or "zip" in fields:
        # RFC 7515 §4.1.11: unsupported extensions must not be ignored.
        raise refusal("malformed", "the ID token uses extensions that are not supported")
    kind = fields.get("typ")
    if kind and (not isinstance(kind, str) or kind.lower().removeprefix("application/") != "jwt"):
        # RFC 8725 §3.11: another kind of JWT, such as an access token (RFC 9068) or a logout token.
        raise refusal("type", "the header says that this is another kind of JWT than an ID token")
    kid = fields.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > 512):
        raise refusal("key", "the ID token's key id is not a text of at most 512 characters")
    return fields


def _decode(part: str) -> bytes:
    """Decode base64url (RFC 7515 §2). Only the canonical text of a value is accepted."""
    if not _BASE64URL.fullmatch(part):
        raise refusal("malformed", "the ID token is not base64url")
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (ValueError, binascii.Error):
        raise refusal("malformed", "the ID token is not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise refusal("malformed", "the ID token is not canonical base64url")
    return raw


def candidates(keys: Iterable[object], fields: Mapping[str, Any]) -> list[Any]:
    """Return the public keys of a set that may have signed a token with this header."""
    kind, curve, _ = ALGORITHMS[fields["alg"]]
    found: list[Any] = []
    for count, key in enumerate(keys):
        if count >= MAX_KEYS or len(found) >= MAX_TRIES:
            break
        if not isinstance(key, dict) or key.get("kty") != kind:
            continue
        key = without_empty(key)
        if "kid" in fields and key.get("kid") != fields["kid"]:
            continue
        alg = fields["alg"]
        if key.get("use", "sig") != "sig" or key.get("alg", alg) not in (alg, _SAME.get(alg, alg)):
            continue
        if curve and key.get("crv") != curve:
            continue
        public = _public_key(key)
        if public is not None:
            found.append(public)
    return found


def _public_key(key: dict[str, Any]) -> Any:
    """Return the public key of a JWK; ``None`` if it is invalid or too weak (RFC 7518 §3.3,
    RFC 8725 §3.5)."""
    try:
        public = jwt.PyJWK({k: v for k, v in key.items() if k not in ("d", "alg")}).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if isinstance(public, RSAPublicKey):
        numbers = public.public_numbers()
        return public if public.key_size >= 2048 and numbers.e >= 3 else None
    return public if isinstance(public, (EllipticCurvePublicKey, Ed25519PublicKey)) else None


def verify(token: str, fields: Mapping[str, Any], keys: Iterable[Any]) -> dict[str, Any]:
    """Verify the signature with one of the keys, and return the claims.

    :raises FlowError: ``id_token_signature`` or ``id_token_malformed``.
    """
    for key in keys:
        try:
            claims = json.loads(_jws.decode(token, key, algorithms=[fields["alg"]]))
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            claims = None
        if not isinstance(claims, dict):
            raise refusal("malformed", "the ID token's claims are not a JSON object")
        return claims
    raise refusal("signature", "no key of the provider has signed the ID token")


def check_claims(
    claims: Mapping[str, Any],
    fields: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str | None,
    access_token: str,
    fresh: bool = True,
) -> None:
    """Check that the claims are for this client and valid now (OpenID Connect Core 3.1.3.7).

    :param claims: the claims of the verified token.
    :param fields: its header.
    :param issuer: the issuer that the claim ``iss`` must equal.
    :param nonce: the nonce of the flow; ``None`` after a refresh.
    :param access_token: the access token that was granted with the ID token, for ``at_hash``.
    :param fresh: whether the token must have been issued in the last :data:`MAX_AGE` seconds.
    :raises FlowError: ``id_token_issuer``, ``id_token_audience``, ``id_token_expired``,
        ``id_token_time``, ``id_token_nonce``, ``id_token_subject`` or ``id_token_at_hash``.
    """
    claims = without_empty(claims)
    if claims.get("iss") != issuer or not isinstance(claims.get("iss"), str):
        raise refusal("issuer", "the ID token is from another issuer")
    _check_audience(claims, client_id)
    _check_times(claims, fresh=fresh)
    if nonce is not None and not _is_equal_text(claims.get("nonce"), nonce):
        raise refusal("nonce", "the ID token is not for this flow")
    subject = claims.get("sub")
    if not isinstance(subject, str) or len(subject) > 255 or not subject.isprintable():
        raise refusal("subject", "the ID token names no subject")
    if "at_hash" in claims:
        digest = hashlib.new(ALGORITHMS[fields["alg"]][2], access_token.encode()).digest()
        half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
        if not _is_equal_text(claims["at_hash"], half):
            raise refusal("at_hash", "the ID token is for another access token")


def check_person(claims: Mapping[str, Any], before: Mapping[str, Any], client_id: str) -> None:
    """Check that signed claims name the same person as before, if they name one.

    :param before: the claims of the earlier ID token.
    :raises FlowError: ``id_token_changed``: they name another person. ``id_token_audience``: they
        are for another client, where the person may have another ``sub``.
    """
    claims = without_empty(claims)
    if isinstance(claims.get("iss"), str) and claims["iss"] != before.get("iss"):
        raise refusal("changed", "the refreshed ID token is from another issuer")
    _check_audience(claims, client_id)
    if isinstance(claims.get("sub"), str) and claims["sub"] != before.get("sub"):
        raise refusal("changed", "the refreshed ID token is about another subject")


def check_continuity(claims: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Check that claims continue earlier ones (OpenID Connect Core 12.2).

    :raises FlowError: ``id_token_audience`` or ``id_token_nonce``.
    """
    claims = without_empty(claims)
    if set(map(str, _audiences(claims))) != set(map(str, _audiences(before))):
        raise refusal("audience", "the refreshed ID token has other audiences")
    if claims.get("nonce", before.get("nonce")) != before.get("nonce"):
        raise refusal("nonce", "the refreshed ID token has another nonce")


def _audiences(claims: Mapping[str, Any]) -> Any:
    """The claim ``aud`` as a list, if it is valid."""
    audience = claims.get("aud")
    return [audience] if isinstance(audience, str) else audience


def check_userinfo(claims: Mapping[str, Any], issuer: str, client_id: str) -> None:
    """Check the claims of a signed userinfo answer (OpenID Connect Core 5.3.2).

    Issuer and audience should be in it. They may be missing, because the answer came over TLS.

    :raises FlowError: ``id_token_issuer``, ``id_token_audience``, ``id_token_expired`` or
        ``id_token_time``.
    """
    claims = without_empty(claims)
    if claims.get("iss", issuer) != issuer:
        raise refusal("issuer", "the signed userinfo is from another issuer")
    if "aud" in claims:
        _check_audience(claims, client_id)
    if "exp" in claims and _numeric_date(claims, "exp") <= time.time() - LEEWAY:
        raise refusal("expired", "the signed userinfo has expired")


def check_authentication(
    claims: Mapping[str, Any],
    *,
    acr_values: Sequence[str],
    max_age: str | None,
    levels: Sequence[str] = (),
) -> None:
    """Check how and when the visitor logged in at the provider, if the dance asked for that.

    The visitor could have removed both parameters from the URL (Core 3.1.3.7, items 12 and 13).

    :param acr_values: the accepted authentication context classes.
    :param max_age: the longest time since the login, in seconds, as it was in the URL.
    :param levels: authentication context classes, the weakest first.
    :raises FlowError: ``id_token_acr`` or ``id_token_auth_time``.
    """
    acr = claims.get("acr")
    accepted = {*acr_values}
    asked = [levels.index(value) for value in acr_values if value in levels]
    if asked:
        accepted.update(levels[min(asked) :])
    if acr_values and (not isinstance(acr, str) or acr not in accepted):
        raise refusal("acr", "the visitor has not logged in at the provider as this site demands")
    if max_age is not None:
        try:
            latest = _numeric_date(claims, "auth_time") + float(max_age) + LEEWAY
        except (FlowError, ValueError):
            latest = 0.0
        if latest < time.time():
            raise refusal("auth_time", "the visitor's login at the provider is too long ago")


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audiences = _audiences(claims)
    if not isinstance(audiences, list) or client_id not in audiences:
        raise refusal("audience", "the ID token is for another client")
    if "azp" in claims:
        if claims["azp"] != client_id:
            raise refusal("audience", "the ID token was issued to another client")
    elif len(audiences) > 1:
        raise refusal("audience", "the ID token is for several clients and has no azp")


def _check_times(claims: Mapping[str, Any], *, fresh: bool) -> None:
    now = time.time()
    if _numeric_date(claims, "exp") <= now - LEEWAY:
        raise refusal("expired", "the ID token has expired")
    issued = _numeric_date(claims, "iat")
    not_before = 0.0 if claims.get("nbf") is None else _numeric_date(claims, "nbf")
    if max(issued, not_before) > now + LEEWAY:
        raise refusal("time", "the ID token is from the future; is the clock right?")
    if fresh and issued < now - MAX_AGE:
        raise refusal("time", "the ID token was issued long ago; is the clock right?")


def _numeric_date(claims: Mapping[str, Any], name: str) -> float:
    """Return a claim that is a NumericDate: seconds since the epoch (RFC 7519 §2)."""
    value = claims.get(name)
    if not isinstance(value, bool) and isinstance(value, (int, float)) and 0 <= value < 1e12:
        return float(value)
    raise refusal("time", f"the ID token's {name} is not a number of seconds")


def _is_equal_text(value: object, expected: str) -> bool:
    return isinstance(value, str) and constant_time_compare(value, expected)
