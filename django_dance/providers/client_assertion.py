"""Client assertions: this site authenticates with a JWT that its private key signs (RFC 7523).

The method is ``private_key_jwt`` of RFC 7591 §2 and OpenID Connect Core §9.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING

import jwt
from django.core.exceptions import ImproperlyConfigured

from ..tokens import Secret

if TYPE_CHECKING:
    from .base import ClientCredentials

#: The value of the parameter ``client_assertion_type`` (RFC 7523 §2.2).
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Seconds that an assertion is valid.
_LIFETIME = 300


def signing_key(text: str) -> jwt.PyJWK:
    """Return a private key: RSA, EC or Ed25519, as a JWK (RFC 7517). ``alg`` chooses the algorithm.

    :raises ValueError: the text is no such key. The error does not quote it.
    """
    try:
        key = jwt.PyJWK(json.loads(text))
        if hasattr(key.key, "private_bytes"):  # neither a public key nor a shared secret
            return key
    except (
        jwt.PyJWTError,
        AttributeError,
        KeyError,
        NotImplementedError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        pass  # the text of this error may have parts of the key
    raise ValueError("It must be a private key as a JWK (RFC 7517), one JSON object with “d”.")


def client_assertion(client: ClientCredentials) -> dict[str, str]:
    """Return the parameters that authenticate the client (RFC 7523 §2.2, §3).

    The audience is the issuer of the authorization server, which no other server accepts.

    :raises ImproperlyConfigured: the registration has no private key.
    """
    try:
        key = signing_key(client.private_key)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"The key of the client registration {client.registration_id} cannot be used. {error} "
            'Replace it with "manage.py dance_clients rotate".'
        ) from None
    now = int(time.time())
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": client.issuer,
        "iat": now,
        "exp": now + _LIFETIME,
        "jti": secrets.token_urlsafe(),
    }
    headers = {"kid": key.key_id} if key.key_id else None
    signed = jwt.encode(claims, key.key, algorithm=key.algorithm_name, headers=headers)
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": Secret(signed)}
