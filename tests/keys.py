"""Private keys of the tests.

They are fixed, so that every run signs with the same ones, and no site uses them.
"""

import json
import math

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms


def _rsa(p, q, e=65537):
    """The private key of two primes in hexadecimal digits (RFC 8017 §3.2)."""
    p, q = int(p, 16), int(q, 16)
    d = pow(e, -1, math.lcm(p - 1, q - 1))
    return rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        rsa.rsa_crt_dmp1(d, p),
        rsa.rsa_crt_dmq1(d, q),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(e, p * q),
    ).private_key()


def pem(key):
    """A private key as a site's settings hold it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def jwk(key, algorithm, **members):
    """A key as a JWK (RFC 7517), as a site adds it to a client registration."""
    fields = get_default_algorithms()[algorithm].to_jwk(key, as_dict=True)
    return json.dumps({**fields, "alg": algorithm, **members})


RSA = _rsa(
    "d7b4c3cf6a70a8293465b60d50cea0545ae136649090eaef23111be41308178255fe4abf998cd989"
    "3b769eafe3748e9e9f382a3cff09b4be6491e0138267200c7d56569aec52dc2fecdea3ed20adc4e0"
    "fb494f0f23c8b386bd88ae0f70189651bf68dbb5d650d8cad579213aaa9c0b9d205489fea3cb2cb2"
    "c01c0df18aae9dcf",
    "ceef7ca09f94a2b05a7c3b9e692a76a3a2943c62a0c9b1799d8840ddba33090c7c80a073cc763ce8"
    "089b8e154277bc0c82db5f35d7e8a197f056496d0d230bc6b13919fae97a5584266090bbc3152a82"
    "bf75e6d659eba55a1f00532a5bd2596002fe6c847f2abe32e1bf96762f01178d347f2655a53cf86e"
    "4f7f9a1c57ccce37",
)
OTHER_RSA = _rsa(
    "bedfa39483121aa8a7e573fad55744fc6e8a42467ea87fb487046d91d91c61952f5da30062e42b1d"
    "6557a2094af073c78e485a6c37ebcf784c5d230affbfb08715fc7d5b19c69eb9632d2b95a03f8ba3"
    "de0b156db12c01c32206237f1fe99fdb71662057dd20d8444fc1d202d50e10668dd6ea5c3efeba76"
    "25ed0a938df89551",
    "b7a1226027657169fd7b1ff65b7f007a0c3c38bfd9ea6e99da97685457ecaa611c5f7738a5e50f3d"
    "c334dcf2d611ad991b5916236ece2483db792f974db62c0f6f2b7d2190dac3c5efdee1a343b3958a"
    "f1dc1167a906a3897954cea8d8bfb887a5cae3d13f5e8c73ca3e0bdee198b5e3aafa316ff7e2da5b"
    "29af44959a3298f3",
)
WEAK_RSA = _rsa(
    "ef045fe5196ca889381a4ce8d84000da4c49eba0ebd14e7e72d4d27db6e3a88b905cd5cbd1278035"
    "a55ed7756899776c93c81a10dce36d8fe273d6d7d6b47863",
    "c319f3d9a0ccf1d99b4e6ac0b7535ab60affb02815106a1dfa76e591e6833162a33dc307ade74348"
    "1abee3cef75015a57364ab17922ff4357e143ab9a8137dbf",
)
# A number makes a key: it is the private value of the curve's point (RFC 6090 §4).
EC256 = ec.derive_private_key(0x1F0B5C7A9E2D4638 << 160, ec.SECP256R1())
EC384 = ec.derive_private_key(0x3D7C5B9A8F1E2046 << 288, ec.SECP384R1())
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

PRIVATE = pem(RSA)
PUBLIC = (
    RSA.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
