"""The seal: its format, which a later release must read, and each reason to refuse a value."""

import base64
import traceback

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from django_dance.exceptions import SealBroken
from django_dance.tokens import seal, unseal, uses_current_key
from django_dance.tokens import sealing as crypto

KEY = "the-key-of-the-golden-seals"
IDENTITY = '["label", "1", "ä"]'
PLAIN = '{"access_token": "ünï"}'.encode()

#: One sealed value of format version 1 per purpose, as commit 433a6b7 wrote it. Do not write them
#: anew: rows and cookies with this format exist.
GOLDEN = {
    "token": "ARHfrMUnxgDURg6RaptWo9h8dLQ2NlLCWP7zujHAJOMHAQgmYOzMUtgkCPUKhPVId4y6lRQXgOyV8w",
    "session": "AegWwa_2SD7oKHzsSXCSHiuCAeJ4stv4Jalglxq4uq5W7CCoS2ODtL3G7ey0jUIDLYsWWRSacpzOLA",
    "flow": "ASE5GODGANM1m7IgvwG27rKtEvvohTAItafyksNTP50YMqQYT7v6J5SBdsEIYBFIe0v5yu8Uy38_Bg",
    "callback": "AeZWJLZgEdKH8s_uaUsHVGY7T5emkNjLcRE51u7Mqnq1goGpOeg7nwlPlcDF6PacTM2IxUK0pULlsw",
}

NO_SEAL = r"^This is not a sealed value\.$"
NO_KEY = "^No configured key opens this value"


@pytest.fixture(autouse=True)
def _one_key(settings):
    settings.DANCE_ENCRYPTION_KEYS = [KEY]


def sealed_by_the_book(
    plain=PLAIN, *, key=KEY, purpose="token", version=b"\x01", key_id=None, nonce=bytes(range(12))
):
    """A sealed value, made from the format's description and from no code of the package."""
    info = f"django_dance {purpose}".encode()
    material = HKDF(algorithm=SHA256(), length=36, salt=None, info=info).derive(key.encode())
    head = version + (material[:4] if key_id is None else key_id) + nonce
    body = AESGCM(material[4:]).encrypt(nonce, plain, head + IDENTITY.encode())
    return base64.urlsafe_b64encode(head + body).rstrip(b"=").decode()


def opened(sealed, purpose="token", identity=IDENTITY):
    return unseal(sealed, purpose=purpose, identity=identity)


def changed(sealed, place):
    """The sealed value with one bit of one byte turned over."""
    raw = bytearray(base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)))
    raw[place] ^= 1
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# --- the format ---------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", GOLDEN)
def test_a_value_that_an_earlier_release_sealed_opens(purpose):
    assert opened(GOLDEN[purpose], purpose) == PLAIN


@pytest.mark.parametrize("purpose", ["token", "session", "flow", "callback", "something new"])
def test_the_format_is_the_one_that_the_module_describes(purpose):
    assert opened(sealed_by_the_book(purpose=purpose), purpose) == PLAIN


@pytest.mark.parametrize("purpose", GOLDEN)
def test_a_new_value_is_sealed_in_the_same_format(purpose, monkeypatch):
    monkeypatch.setattr(crypto.os, "urandom", lambda length: bytes(range(length)))
    sealed = seal(PLAIN, purpose=purpose, identity=IDENTITY)
    assert sealed == sealed_by_the_book(purpose=purpose)


@pytest.mark.parametrize("length", range(5))
def test_a_plaintext_of_any_length_is_sealed_without_padding(length):
    sealed = seal(b"x" * length, purpose="token", identity=IDENTITY)
    assert "=" not in sealed
    assert opened(sealed) == b"x" * length


def test_a_sealed_value_may_end_with_any_character(monkeypatch):
    monkeypatch.setattr(crypto.os, "urandom", lambda length: bytes(range(length)))
    plains = [str(number).encode() for number in range(100, 1000)]
    sealed = [seal(plain, purpose="token", identity=IDENTITY) for plain in plains]
    assert [opened(value) for value in sealed] == plains
    assert len({value[-1] for value in sealed}) == 64


def test_each_value_has_a_nonce_of_its_own():
    heads = {seal(PLAIN, purpose="token", identity=IDENTITY)[:22] for _ in range(50)}
    assert len(heads) == 50


# --- the binding --------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["session", "flow", "Token", "token ", ""])
def test_a_value_opens_for_its_own_purpose_only(purpose):
    sealed = seal(PLAIN, purpose="token", identity=IDENTITY)
    assert opened(sealed) == PLAIN
    with pytest.raises(SealBroken, match=NO_KEY):
        opened(sealed, purpose)


@pytest.mark.parametrize("identity", ["", IDENTITY[:-1], IDENTITY + " ", IDENTITY.upper()])
def test_a_value_opens_for_its_own_identity_only(identity):
    sealed = seal(PLAIN, purpose="token", identity=IDENTITY)
    with pytest.raises(SealBroken, match=NO_KEY):
        opened(sealed, identity=identity)


@pytest.mark.parametrize("place", [1, 4, 5, 16, 17, -17, -16, -1])
def test_a_value_with_one_bit_changed_does_not_open(place):
    with pytest.raises(SealBroken, match=NO_KEY):
        opened(changed(GOLDEN["token"], place))


def test_a_value_of_another_format_version_is_not_opened():
    with pytest.raises(SealBroken, match=NO_SEAL):
        opened(changed(GOLDEN["token"], 0))
    # Also if the authentication tag is right.
    with pytest.raises(SealBroken, match=NO_SEAL):
        opened(sealed_by_the_book(version=b"\x02"))


def test_the_id_of_the_key_must_be_right():
    assert opened(sealed_by_the_book(key_id=None)) == PLAIN
    with pytest.raises(SealBroken, match=NO_KEY):
        opened(sealed_by_the_book(key_id=b"abcd"))


# --- texts that are no sealed values ------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AQ",
        "A",
        "planted plain text",
        GOLDEN["token"][:5] + "\n" + GOLDEN["token"][5:],
        # As many as leave the padding right.
        GOLDEN["token"][:5] + "\n\n\n\n" + GOLDEN["token"][5:],
        "!!!!" + GOLDEN["token"],
        GOLDEN["token"] + "!",
        "é" + GOLDEN["token"],
        "\ud800",
        GOLDEN["token"][:43],  # the tag of an empty plaintext is cut by one byte
        sealed_by_the_book(b"")[:-1],
    ],
)
def test_a_text_that_is_no_sealed_value_is_refused(text):
    with pytest.raises(SealBroken, match=NO_SEAL) as caught:
        opened(text)
    # The error of a decoder holds the text, so it is not reported with this one.
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_an_empty_plaintext_is_a_value():
    assert opened(sealed_by_the_book(b"")) == b""


def test_the_error_names_the_settings():
    with pytest.raises(SealBroken, match=r"DANCE_ENCRYPTION_KEYS \(or SECRET_KEY_FALLBACKS\)"):
        opened(GOLDEN["token"], "flow")


# --- the keys -----------------------------------------------------------------------------------


def test_the_first_key_seals_and_every_key_opens(settings):
    settings.DANCE_ENCRYPTION_KEYS = ["new", "older", KEY]
    assert opened(GOLDEN["token"]) == PLAIN
    assert opened(sealed_by_the_book(key="older")) == PLAIN
    sealed = seal(PLAIN, purpose="token", identity=IDENTITY)
    settings.DANCE_ENCRYPTION_KEYS = ["new"]
    assert opened(sealed) == PLAIN
    with pytest.raises(SealBroken, match=NO_KEY):
        opened(GOLDEN["token"])


def test_two_keys_with_the_same_id_open_their_own_values(settings):
    # SHA-256 gives both the id 3a7c1c8f for the purpose "token".
    one, other = "a-key-whose-id-collides-4980", "a-key-whose-id-collides-86621"
    sealed = {key: sealed_by_the_book(key=key) for key in (one, other)}
    assert sealed[one][:6] == sealed[other][:6]
    for keys in ([one, other], [other, one]):
        settings.DANCE_ENCRYPTION_KEYS = keys
        assert opened(sealed[one]) == opened(sealed[other]) == PLAIN


def test_without_keys_of_their_own_values_are_sealed_with_the_secret_key(settings):
    settings.DANCE_ENCRYPTION_KEYS = None
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "other", [KEY]
    assert opened(GOLDEN["token"]) == PLAIN
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = KEY, []
    assert opened(GOLDEN["token"]) == PLAIN


def test_uses_current_key_tells_whether_the_first_key_sealed_a_value(settings):
    assert uses_current_key(GOLDEN["token"], purpose="token") is True
    assert uses_current_key(GOLDEN["token"], purpose="flow") is False
    assert uses_current_key(changed(GOLDEN["token"], 0), purpose="token") is False
    assert uses_current_key(changed(GOLDEN["token"], 1), purpose="token") is False
    assert uses_current_key(changed(GOLDEN["token"], 4), purpose="token") is False
    settings.DANCE_ENCRYPTION_KEYS = ["new", KEY]
    assert uses_current_key(GOLDEN["token"], purpose="token") is False


@pytest.mark.parametrize("text", ["", "A", "é" * 8, GOLDEN["token"][:5]])
def test_a_text_that_is_no_sealed_value_was_not_sealed_by_the_first_key(text):
    assert uses_current_key(text, purpose="token") is False


def test_a_report_of_an_error_does_not_print_the_plaintext():
    with pytest.raises(AttributeError) as caught:
        seal(b"planted", purpose="token", identity=None)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert frames[-1].f_locals["plaintext"] == b"planted"
    assert repr(frames[-1].f_locals["plaintext"]) == "b'***'"
    assert "planted" not in repr(frames[-1].f_locals)
