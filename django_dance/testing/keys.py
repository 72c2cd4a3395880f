"""The key that signs the ID tokens of fake providers.

It is fixed, so that no test waits until a key is made. It is no secret, and no site trusts it.
"""

import math
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

_P = int(
    "f2b55daf9f8d5abb8fe633ea40e10ab8ce3aa93477b079f5b93800e6cc683aa6449ece581f212f4404372ffe"
    "956e2856157b446b9f993f512eaa1710786cc2771e319f64bb7a48e9202763d7568c435d32f53929e3e9411f"
    "538f250249856fb2acf820364f92369d2e5660ca188ec11502888c571737f553a89aba1ceb381cbd",
    16,
)
_Q = int(
    "e20f0da1f0c6f559ff4b89652e77dddc8a0d4e7ac85362ed965bd11a6a0220f6ca4fb470e62153729437eb24"
    "cb21d7e623ae3a135d763ccb636c3a548d8732089174f80a013d408d8e774d9c61ab794374bee4f3e9167a7a"
    "22dd28342c17479087b58b43a559badba923e62307322e1ef63e3f64cda6b955bd3094cd59e72889",
    16,
)


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """Return the private key of the two primes (RFC 8017 §3.2)."""
    e = 65537
    d = pow(e, -1, math.lcm(_P - 1, _Q - 1))
    return rsa.RSAPrivateNumbers(
        _P,
        _Q,
        d,
        rsa.rsa_crt_dmp1(d, _P),
        rsa.rsa_crt_dmq1(d, _Q),
        rsa.rsa_crt_iqmp(_P, _Q),
        rsa.RSAPublicNumbers(e, _P * _Q),
    ).private_key()
