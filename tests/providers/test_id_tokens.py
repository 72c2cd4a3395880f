"""ID tokens: each check alone, with a token that passes all the others."""

import base64
import hashlib
import json
from contextlib import nullcontext
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_dance.exceptions import FlowError
from django_dance.providers import id_tokens as idtoken

from ..keys import EC256, EC384, OTHER_RSA, RSA, WEAK_RSA
from .test_oidc import b64, jwk

EC521 = ec.derive_private_key(0x2A4C6E8F1B3D5079 << 400, ec.SECP521R1())
ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ED_JWK = {**json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(ED.public_key())), "kid": "one"}

NOW = 1_800_000_000
ISSUER = "https://id.example.com"
CLAIMS = {
    "iss": ISSUER,
    "aud": "client",
    "sub": "subject",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "nonce",
}
#: Algorithm → a key that signs with it, and its public half in a key set.
KEYS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), (RSA, jwk(RSA))),
    "ES256": (EC256, jwk(EC256)),
    "ES384": (EC384, jwk(EC384)),
    "ES512": (EC521, jwk(EC521)),
    "EdDSA": (ED, ED_JWK),
    "Ed25519": (ED, ED_JWK),  # RFC 9864
}


def signed(payload=None, alg="RS256", key=None, **fields):
    """A token over these bytes, or over the claims."""
    payload = json.dumps(CLAIMS).encode() if payload is None else payload
    jws = jwt.PyJWS()
    if alg not in jws.get_algorithms():
        jws.register_algorithm(alg, jwt.algorithms.OKPAlgorithm())
    return jws.encode(payload, key or KEYS[alg][0], algorithm=alg, headers=fields)


def with_header(**fields):
    """A token that has a header and nothing else."""
    return f"{b64({'alg': 'RS256', **fields})}.e30.e30"


def expect_refusal(code):
    return pytest.raises(FlowError, match=rf"^id_token_{code}: ")


# --- the header -----------------------------------------------------------------------------------


def test_the_fields_of_the_header_are_returned():
    fields = {"alg": "RS256", "kid": "one", "typ": "JWT", "x": 1}
    assert idtoken.header(with_header(**fields)) == fields


def test_the_other_parts_may_be_any_base64url():
    for part in ("", "AA", "AAA", "AAAA", "AAAX", "-_-_", "__8"):
        assert idtoken.header(f"{b64({'alg': 'RS256'})}.{part}.{part}") == {"alg": "RS256"}


@pytest.mark.parametrize(
    "token",
    [
        None,
        7,
        b"e30.e30.e30",
        ["e30", "e30", "e30"],
        "",
        "e30.e30",
        "e30.e30.e30.e30",
        "e30.e30.e30.e30.e30",
        "é.e30.e30",
        with_header() + "\n",
        with_header() + "=",
        with_header() + "+",
        with_header().replace("e30.e30", "e30.e3"),  # the last bits must be zero
        with_header().replace("e30.e30", "e.e30"),  # one character is less than a byte
        with_header().replace("e30.e30", "e31.e30"),
        with_header().replace("e30.e30", "e30=.e30"),
        with_header().replace("e30.e30", "e!0.e30"),
        f"{b64(b'[' * 3000)}.e30.e30",
        f"{b64(b'no json')}.e30.e30",
        f"{b64(bytes([255]))}.e30.e30",
        f"{b64([])}.e30.e30",
        f"{b64('text')}.e30.e30",
        with_header(crit=["x"]),
        with_header(crit=[]),
        with_header(b64=False),
        with_header(b64=True),
        with_header(zip="DEF"),
    ],
)
def test_a_header_that_is_not_well_formed_is_refused(token):
    with expect_refusal("malformed"):
        idtoken.header(token)


def test_the_length_of_a_token_is_limited():
    def token(length):
        """Three parts of base64url, of which none has a length that base64url cannot have."""
        head, signature = b64({"alg": "RS256"}), "A" * (length % 4)
        return f"{head}.{'A' * (length - len(head) - len(signature) - 2)}.{signature}"

    assert len(token(idtoken.MAX_LENGTH)) == idtoken.MAX_LENGTH
    assert idtoken.header(token(idtoken.MAX_LENGTH - 2)) == {"alg": "RS256"}
    assert idtoken.header(token(idtoken.MAX_LENGTH)) == {"alg": "RS256"}
    for more in (2, 3):
        with expect_refusal("malformed"):
            idtoken.header(token(idtoken.MAX_LENGTH + more))


def test_the_length_of_a_header_is_limited():
    def with_long_header(length):
        empty = len(json.dumps({"alg": "RS256", "x": ""}))
        return with_header(x="x" * (length * 3 // 4 - empty))

    assert len(with_long_header(idtoken.MAX_HEADER).split(".")[0]) == idtoken.MAX_HEADER
    assert idtoken.header(with_long_header(idtoken.MAX_HEADER))["alg"] == "RS256"
    with expect_refusal("malformed"):
        idtoken.header(with_long_header(idtoken.MAX_HEADER + 4))


@pytest.mark.parametrize("alg", KEYS)
def test_the_listed_algorithms_are_accepted(alg):
    assert idtoken.header(with_header(alg=alg))["alg"] == alg


@pytest.mark.parametrize(
    "alg", [None, 7, ["RS256"], {}, "", "none", "None", "HS256", "rs256", "RS256 ", "ES256K"]
)
def test_other_algorithms_are_refused(alg):
    with expect_refusal("algorithm"):
        idtoken.header(with_header(alg=alg))
    with expect_refusal("algorithm"):
        idtoken.header("e30.e30.e30")


@pytest.mark.parametrize("kind", [None, "", "JWT", "jwt", "application/jwt", "application/JWT"])
def test_the_type_of_a_header_may_be_jwt_or_left_out(kind):
    assert idtoken.header(with_header(typ=kind)).get("typ") == (kind or None)


@pytest.mark.parametrize(
    "kind",
    [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "JOSE",
        "JWT ",
        "jwt\n",
        7,
        True,
        ["JWT"],
        {"JWT": 1},
    ],
)
def test_another_kind_of_jwt_is_refused(kind):
    with expect_refusal("type"):
        idtoken.header(with_header(typ=kind))


def test_a_key_id_is_a_short_text():
    for kid in ("../../x", "x" * 512):
        assert idtoken.header(with_header(kid=kid))["kid"] == kid
    for nothing in (None, ""):
        assert "kid" not in idtoken.header(with_header(kid=nothing))
    for kid in (7, True, [], ["one"], {"one": 1}, "x" * 513):
        with expect_refusal("key"):
            idtoken.header(with_header(kid=kid))


# --- the keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alg", "kind"),
    [
        ("RS256", RSAPublicKey),
        ("PS512", RSAPublicKey),
        ("ES256", EllipticCurvePublicKey),
        ("ES384", EllipticCurvePublicKey),
        ("ES512", EllipticCurvePublicKey),
        ("EdDSA", Ed25519PublicKey),
        ("Ed25519", Ed25519PublicKey),
    ],
)
def test_the_key_of_a_set_is_found(alg, kind):
    keys = [key for _, key in KEYS.values()]
    found = idtoken.candidates(keys, {"alg": alg, "kid": "one"})
    assert found and all(isinstance(key, kind) for key in found)


FITS = {"alg": "RS256", "kid": "one"}


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        (FITS, jwk(RSA, use="enc")),
        (FITS, jwk(RSA, alg="RS512")),
        (FITS, jwk(RSA, kty="EC")),
        (FITS, jwk(RSA, kid="two")),
        (FITS, jwk(RSA, kid=["one"])),
        (FITS, {k: v for k, v in jwk(RSA).items() if k != "kid"}),
        (FITS, {k: v for k, v in jwk(RSA).items() if k != "kty"}),
        (FITS, jwk(EC256)),
        ({**FITS, "alg": "ES256"}, jwk(EC384)),
        ({**FITS, "alg": "ES384"}, jwk(EC256)),
        ({**FITS, "alg": "ES512"}, jwk(EC256)),
        ({**FITS, "alg": "ES256"}, jwk(RSA)),
        ({**FITS, "alg": "ES256"}, {k: v for k, v in jwk(EC256).items() if k != "crv"}),
        ({**FITS, "alg": "EdDSA"}, {**ED_JWK, "crv": "X25519"}),
        ({**FITS, "alg": "EdDSA"}, {**ED_JWK, "crv": "Ed448"}),
        ({**FITS, "alg": "Ed25519"}, {**ED_JWK, "crv": "Ed448"}),
        ({**FITS, "alg": "Ed25519"}, {**ED_JWK, "alg": "Ed448"}),
        (FITS, {"kty": "oct", "k": "AAAA", "kid": "one"}),
        (FITS, jwk(WEAK_RSA)),
        (FITS, jwk(RSA, e="AQ")),
        (FITS, jwk(RSA, e="Ag")),
        (FITS, jwk(RSA, n=7)),
        (FITS, jwk(RSA, n="!")),
        (FITS, {k: v for k, v in jwk(RSA).items() if k != "n"}),
        ({**FITS, "alg": "ES256"}, jwk(EC256, x="AAAA")),
        ({**FITS, "alg": "ES256"}, jwk(EC256, x=jwk(EC256)["y"])),
        (FITS, None),
        (FITS, 7),
        (FITS, "RSA"),
        (FITS, []),
        (FITS, {}),
    ],
)
def test_a_key_that_does_not_fit_is_skipped(fields, key):
    assert idtoken.candidates([key], fields) == []
    # and a usable one after it is found
    good = {"RS256": jwk(RSA), "ES256": jwk(EC256), "ES384": jwk(EC384), "ES512": jwk(EC521)}
    found = idtoken.candidates(
        [key, good.get(fields["alg"], ED_JWK)], FITS | {"alg": fields["alg"]}
    )
    assert len(found) == 1


@pytest.mark.parametrize(
    "key",
    [
        jwk(RSA),
        jwk(RSA, use="sig"),
        {k: v for k, v in jwk(RSA).items() if k != "use"},
        jwk(RSA, alg="RS256"),
        jwk(RSA, alg=None, use=None),
        jwk(RSA, alg="", use=""),
        jwk(RSA, x5c=["junk"], other=1),
        {**jwk(RSA), "d": "junk"},
    ],
)
def test_a_key_that_fits_is_found(key):
    (found,) = idtoken.candidates([key], FITS)
    assert found.public_numbers() == RSA.public_key().public_numbers()


@pytest.mark.parametrize("named", ["EdDSA", "Ed25519"])
@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_a_key_is_found_by_either_name_of_its_algorithm(named, alg):
    assert len(idtoken.candidates([{**ED_JWK, "alg": named}], {"alg": alg})) == 1


def test_an_exponent_of_three_is_large_enough():
    assert len(idtoken.candidates([jwk(RSA, e="Aw")], FITS)) == 1


def test_a_private_key_in_the_set_is_used_as_its_public_key():
    key = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(ED))
    assert "d" in key
    (found,) = idtoken.candidates([key], {"alg": "EdDSA"})
    assert isinstance(found, Ed25519PublicKey)


def test_a_key_id_of_null_differs_from_a_missing_one():
    assert idtoken.candidates([jwk(RSA)], {"alg": "RS256", "kid": None}) == []


def test_without_a_key_id_all_keys_of_the_kind_are_candidates():
    keys = [jwk(EC256), jwk(RSA, "two"), jwk(OTHER_RSA, "three")]
    assert len(idtoken.candidates(keys, {"alg": "RS256"})) == 2


def test_the_number_of_keys_is_limited():
    tries, most = idtoken.MAX_TRIES, idtoken.MAX_KEYS
    assert len(idtoken.candidates([jwk(RSA)] * (tries + 1), FITS)) == tries
    assert len(idtoken.candidates([None] * (most - 1) + [jwk(RSA)], FITS)) == 1
    assert idtoken.candidates([None] * most + [jwk(RSA)], FITS) == []


def test_an_rsa_key_of_2048_bits_is_accepted():
    assert RSA.key_size == 2048
    assert len(idtoken.candidates([jwk(RSA)], FITS)) == 1


# --- the signature --------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", KEYS)
def test_the_claims_are_returned_if_a_key_signed_them(alg):
    keys = idtoken.candidates([KEYS[alg][1]], {"alg": alg})
    assert idtoken.verify(signed(alg=alg), {"alg": alg}, keys) == CLAIMS


def test_each_key_is_tried():
    keys = [OTHER_RSA.public_key(), RSA.public_key()]
    assert idtoken.verify(signed(), {"alg": "RS256"}, keys) == CLAIMS


def replace_claims():
    head, _, signature = signed().split(".")
    return f"{head}.{b64({**CLAIMS, 'sub': 'another'})}.{signature}"


@pytest.mark.parametrize(
    ("token", "alg", "keys"),
    [
        (signed(), "RS256", []),
        (signed(key=OTHER_RSA), "RS256", [RSA]),
        (signed().rpartition(".")[0] + ".", "RS256", [RSA]),
        (replace_claims(), "RS256", [RSA]),
    ],
)
def test_a_token_that_no_key_has_signed_is_refused(token, alg, keys):
    with expect_refusal("signature"):
        idtoken.verify(token, {"alg": alg}, [key.public_key() for key in keys])


def test_the_signature_must_have_the_algorithm_of_the_checked_header():
    with expect_refusal("malformed"):
        idtoken.verify(signed(alg="RS512"), {"alg": "RS256"}, [RSA.public_key()])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no json",
        b"[]",
        b'"text"',
        b"7",
        b"null",
        b"{",
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda payload: repr(payload[:8]),
)
def test_signed_claims_that_are_not_a_json_object_are_refused(payload):
    with expect_refusal("malformed"):
        idtoken.verify(signed(payload), {"alg": "RS256"}, [RSA.public_key()])


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 10**9},
        {"exp": "never"},
        {"nbf": NOW + 10**9},
        {"iat": "x"},
        {"aud": 7},
        {"iss": 7},
        {"sub": 7},
        {"jti": 7},
    ],
)
def test_verify_checks_the_signature_and_not_the_claims(changes):
    """Each is checked afterwards, and refused by a code of its own."""
    claims = {**CLAIMS, **changes}
    token = signed(json.dumps(claims).encode())
    assert idtoken.verify(token, {"alg": "RS256"}, [RSA.public_key()]) == claims


# --- the claims -----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    monkeypatch.setattr(idtoken, "time", SimpleNamespace(time=lambda: float(NOW)))


def check(changes=(), alg="RS256", **options):
    claims = {**CLAIMS, **dict(changes)}
    claims = {name: value for name, value in claims.items() if value is not ...}
    options = {
        "issuer": ISSUER,
        "client_id": "client",
        "nonce": "nonce",
        "access_token": "planted-access",
        **options,
    }
    idtoken.check_claims(claims, {"alg": alg}, **options)


LEEWAY, MAX_AGE = idtoken.LEEWAY, idtoken.MAX_AGE


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": ["client"]},
        {"aud": ["client"], "azp": "client"},
        {"aud": ["api", "client"], "azp": "client"},
        {"azp": "client"},
        {"exp": NOW - LEEWAY + 1},
        {"exp": NOW + 0.5},
        {"iat": NOW + LEEWAY},
        {"iat": NOW - MAX_AGE},
        {"nbf": NOW + LEEWAY},
        {"nbf": 0},
        {"nbf": None},
        {"nbf": ""},
        {"azp": None},
        {"azp": ""},
        {"at_hash": None},
        {"at_hash": ""},
        {"sub": "x"},
        {"sub": "x" * 255},
        {"sub": "Ä b"},
    ],
)
def test_valid_claims_for_this_client_are_accepted(changes):
    check(changes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": ...}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": ISSUER.upper()}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"aud": ...}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": "another"}, "audience"),
        ({"aud": "a client"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": ["another"]}, "audience"),
        ({"aud": {"client": 1}}, "audience"),
        ({"aud": 7}, "audience"),
        ({"aud": ["client", "api"]}, "audience"),
        ({"aud": ["client", "client"]}, "audience"),
        ({"azp": "another"}, "audience"),
        ({"azp": ["client"]}, "audience"),
        ({"aud": ["client", "api"], "azp": "api"}, "audience"),
        ({"exp": ...}, "time"),
        ({"exp": None}, "time"),
        ({"exp": NOW - LEEWAY}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": -1}, "time"),
        ({"exp": True}, "time"),
        ({"exp": str(NOW + 300)}, "time"),
        ({"exp": [NOW + 300]}, "time"),
        ({"exp": float("nan")}, "time"),
        ({"exp": float("inf")}, "time"),
        ({"exp": 1e12}, "time"),
        ({"exp": 10**400}, "time"),
        ({"iat": ...}, "time"),
        ({"iat": None}, "time"),
        ({"iat": "x"}, "time"),
        ({"iat": NOW + LEEWAY + 1}, "time"),
        ({"iat": NOW - MAX_AGE - 1}, "time"),
        ({"nbf": NOW + LEEWAY + 1}, "time"),
        ({"nbf": "x"}, "time"),
        ({"nbf": False}, "time"),
        ({"nonce": ...}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"nonce": "Nonce"}, "nonce"),
        ({"nonce": ["nonce"]}, "nonce"),
        ({"nonce": "ä"}, "nonce"),
        ({"sub": ...}, "subject"),
        ({"sub": None}, "subject"),
        ({"sub": ""}, "subject"),
        ({"sub": 7}, "subject"),
        ({"sub": ["subject"]}, "subject"),
        ({"sub": "x" * 256}, "subject"),
        ({"sub": "a\x00b"}, "subject"),
        ({"sub": "a\nb"}, "subject"),
        ({"sub": "\ud800"}, "subject"),
        ({"at_hash": 7}, "at_hash"),
        ({"at_hash": "x"}, "at_hash"),
        ({"at_hash": ["x"]}, "at_hash"),
        ({"at_hash": "ä"}, "at_hash"),
    ],
)
def test_an_invalid_claim_is_refused(changes, code):
    with expect_refusal(code):
        check(changes)


def test_without_an_issuer_every_token_is_refused():
    with expect_refusal("issuer"):
        check({"iss": None}, issuer=None)


def test_a_date_may_be_far_in_the_future():
    check({"exp": 1e12 - 1})


def test_an_old_token_is_accepted_after_a_refresh_but_not_after_a_dance():
    check({"iat": 0}, fresh=False)
    with expect_refusal("time"):
        check({"iat": 0}, fresh=True)
    with expect_refusal("time"):
        check({"iat": 0})
    for iat in (NOW + LEEWAY + 1, None, ..., "x"):
        with expect_refusal("time"):
            check({"iat": iat}, fresh=False)


def test_no_nonce_is_required_if_none_was_sent():
    check({"nonce": ...}, nonce=None)
    check({"nonce": "another"}, nonce=None)
    with expect_refusal("nonce"):
        check({"nonce": ...}, nonce="")


@pytest.mark.parametrize("alg", KEYS)
def test_the_hash_of_the_access_token_is_half_of_the_algorithms_digest(alg):
    size = alg[2:] if not alg.startswith("Ed") else "512"
    digest = hashlib.new(f"sha{size}", b"planted-access").digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
    check({"at_hash": half}, alg)
    for wrong in (half[:-1], half + "=", b64(digest), half.swapcase()):
        with expect_refusal("at_hash"):
            check({"at_hash": wrong}, alg)
    with expect_refusal("at_hash"):
        check({"at_hash": half}, alg, access_token="another")


# --- claims after a refresh, and of a signed userinfo ---------------------------------------------


def changed(changes):
    claims = {**CLAIMS, **changes}
    return {name: value for name, value in claims.items() if value is not ...}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"sub": ...}, None),
        ({"iss": ...}, None),
        ({"iss": 7, "sub": 7}, None),  # they name no person
        ({"exp": 0, "iat": "x", "nonce": "another"}, None),
        ({"iss": ISSUER + "/"}, "changed"),
        ({"sub": "another"}, "changed"),
        ({"aud": "another"}, "audience"),
        ({"aud": "another", "sub": "another"}, "audience"),
        ({"aud": ...}, "audience"),
        ({"azp": "another"}, "audience"),
    ],
)
def test_claims_after_a_refresh_name_the_same_person(changes, code):
    with expect_refusal(code) if code else nullcontext():
        idtoken.check_person(changed(changes), CLAIMS, "client")


def test_claims_after_a_refresh_may_not_name_a_person_where_none_was_named():
    for name in ("iss", "sub"):
        with expect_refusal("changed"):
            idtoken.check_person(CLAIMS, changed({name: ...}), "client")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"aud": ["client"]}, None),
        ({"nonce": ...}, None),
        ({"nonce": None}, None),
        ({"nonce": "another"}, "nonce"),
        ({"aud": "another"}, "audience"),
        ({"aud": ["client", "another"]}, "audience"),
        ({"aud": []}, "audience"),
    ],
)
def test_claims_after_a_refresh_have_the_same_audiences_and_nonce(changes, code):
    with expect_refusal(code) if code else nullcontext():
        idtoken.check_continuity(changed(changes), CLAIMS)


def test_claims_after_a_refresh_may_have_the_audiences_in_another_order():
    before = changed({"aud": ["client", "api"]})
    idtoken.check_continuity(changed({"aud": ["api", "client"]}), before)
    with expect_refusal("audience"):
        idtoken.check_continuity(CLAIMS, before)


def test_claims_after_a_refresh_have_no_nonce_if_the_dance_had_none():
    before = changed({"nonce": ...})
    idtoken.check_continuity(before, before)
    with expect_refusal("nonce"):
        idtoken.check_continuity(CLAIMS, before)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"iss": ..., "aud": ..., "exp": ...}, None),
        ({"iss": "", "aud": None, "exp": None}, None),
        ({"aud": ["api", "client"], "azp": "client"}, None),
        ({"exp": NOW - LEEWAY + 1}, None),
        ({"exp": NOW - LEEWAY}, "expired"),
        ({"exp": "soon"}, "time"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": 7}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"azp": "another"}, "audience"),
    ],
)
def test_a_signed_userinfo_with_an_audience_is_for_this_client(changes, code):
    with expect_refusal(code) if code else nullcontext():
        idtoken.check_userinfo(changed(changes), ISSUER, "client")


@pytest.mark.parametrize(
    ("claims", "demands", "code"),
    [
        ({}, {}, None),
        ({"acr": 7, "auth_time": "x"}, {}, None),
        ({"acr": "high"}, {"acr_values": ["high", "low"]}, None),
        ({"acr": "low"}, {"acr_values": ["high", "low"]}, None),
        ({"acr": "middle"}, {"acr_values": ["high", "low"]}, "acr"),
        ({}, {"acr_values": ["high"]}, "acr"),
        ({"acr": ["high"]}, {"acr_values": ["high"]}, "acr"),
        ({"acr": "high"}, {"acr_values": ["middle"], "levels": ["low", "middle", "high"]}, None),
        ({"acr": "middle"}, {"acr_values": ["middle"], "levels": ["low", "middle", "high"]}, None),
        ({"acr": "low"}, {"acr_values": ["middle"], "levels": ["low", "middle", "high"]}, "acr"),
        ({"acr": "middle"}, {"acr_values": ["high", "low"], "levels": ["low", "middle"]}, None),
        ({"acr": "middle"}, {"acr_values": ["other"], "levels": ["low", "middle"]}, "acr"),
        ({"auth_time": NOW - 100 - LEEWAY}, {"max_age": "100"}, None),
        ({"auth_time": NOW - 101 - LEEWAY}, {"max_age": "100"}, "auth_time"),
        ({"auth_time": NOW - LEEWAY}, {"max_age": "0"}, None),
        ({"auth_time": NOW - LEEWAY - 1}, {"max_age": "0"}, "auth_time"),
        ({}, {"max_age": "100"}, "auth_time"),
        ({"auth_time": "x"}, {"max_age": "100"}, "auth_time"),
        ({"auth_time": NOW}, {"max_age": "x"}, "auth_time"),
    ],
)
def test_the_demanded_login_is_required(claims, demands, code):
    demands = {"acr_values": (), "max_age": None, **demands}
    with expect_refusal(code) if code else nullcontext():
        idtoken.check_authentication(claims, **demands)


def test_a_refusal_has_a_code_and_a_detail():
    refusal = idtoken.refusal("nonce", "not for this flow")
    assert (refusal.code, refusal.detail) == ("id_token_nonce", "not for this flow")
