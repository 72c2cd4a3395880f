"""An RSA key of this run: nothing worth stealing lies in the repository."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def pem(key):
    """A private key as a site's settings hold it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

PRIVATE = pem(_key)
PUBLIC = (
    _key.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
