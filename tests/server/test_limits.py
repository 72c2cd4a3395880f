"""Wrong client secrets are limited for each pair of client and address; wrong verifiers for each
code."""

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher, make_password
from django.core.cache import cache

from django_dance.cache import client_address
from django_dance.server import bind_cache_grant, limits
from django_dance.server.client_secrets import hash_generated
from django_dance.server.models import Client, Token

from .conftest import assert_invalid_grant, basic, make_server, serve
from .site import server

CREDENTIALS = {"grant_type": "client_credentials"}
CHOSEN = "planted-correct horse battery staple"


@pytest.fixture
def app(register, clock):
    return register(grant_types="authorization_code refresh_token client_credentials")


@pytest.fixture
def person(app):
    """An application whose secret a person has chosen."""
    Client.objects.update(client_secret=make_password(CHOSEN))
    app.secret = CHOSEN
    return app


@pytest.fixture
def hashed(monkeypatch):
    """The secrets that the password hasher has hashed."""
    hashed = []
    encode = MD5PasswordHasher.encode

    def recording(self, password, salt):
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", recording)
    return hashed


def ask(app, secret, address="192.0.2.1", client_id=None, path="token/", **environ):
    header = basic(client_id or app.client.client_id, secret)
    app.line.defaults = {"REMOTE_ADDR": address, **environ}
    return app.post(path, {**CREDENTIALS, "token": "x"}, authorization=header)


def guess(app, count=10, **options):
    for number in range(count):
        response = ask(app, f"wrong {number}", **options)
        assert response.status_code == 401, number


# --- generated secrets ----------------------------------------------------------------------------


def test_the_time_in_the_response_is_positive_even_if_the_minute_is_over(clock):
    limit = limits.SecretLimit(server, "client", None)
    clock.now += 3 * limits.WINDOW  # a slow hash, on a busy host
    assert limit.error().headers == {"Retry-After": "1"}


@pytest.mark.parametrize("path", ["token/", "revoke/", "introspect/"])
def test_the_eleventh_wrong_secret_in_a_minute_is_answered_429(app, clock, path):
    clock.now = 1_800_000_000.0 + 15  # a quarter of a minute
    guess(app, path=path)
    response = ask(app, "wrong", path=path)
    assert response.status_code == 429
    assert response["Retry-After"] == "45"
    assert response.json() == {
        "error": "temporarily_unavailable",
        "error_description": "Too many wrong client secrets: try again later.",
    }


def test_a_right_generated_secret_is_never_refused(app):
    guess(app)
    for _ in range(20):
        assert ask(app, app.secret).status_code == 200
        assert ask(app, "wrong").status_code == 429


def test_right_secrets_are_not_counted(app):
    for _ in range(20):
        assert ask(app, app.secret).status_code == 200
    assert ask(app, "wrong").status_code == 401


def test_the_limit_ends_after_the_time_in_the_response(app, clock):
    guess(app)
    clock.now += int(ask(app, "wrong")["Retry-After"])
    assert ask(app, "wrong").status_code == 401


def test_the_limit_is_for_one_pair_of_client_and_address(app, register):
    other = register("Other")
    guess(app)
    assert ask(app, "wrong", address="192.0.2.2").status_code == 401
    assert ask(other, "wrong").status_code == 401
    assert ask(app, "wrong").status_code == 429


def test_an_unknown_client_is_limited_like_a_known_one(app):
    guess(app, client_id="unknown")
    assert ask(app, "wrong", client_id="unknown").status_code == 429
    assert ask(app, "wrong").status_code == 401


def test_invented_client_ids_have_one_entry_in_the_cache(app):
    for number in range(10):
        assert ask(app, "wrong", client_id=f"invented-{number}").status_code == 401
    assert ask(app, "wrong", client_id="invented-again").status_code == 429
    assert len(cache._cache) == 1


def test_a_request_without_a_secret_is_not_counted(app):
    for _ in range(11):
        form = {**CREDENTIALS, "client_id": app.client.client_id}
        assert app.post("token/", form, authorization=None).status_code == 401


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "192.0.2.1", False),
        ("unix:", "unix:", True),
    ],
)
def test_a_network_of_ipv6_addresses_counts_as_one_address(app, first, second, together):
    guess(app, address=first)
    assert ask(app, "wrong", address=second).status_code == (429 if together else 401)


# --- secrets that a person has chosen -------------------------------------------------------------


def test_no_password_hash_is_computed_above_the_limit(person, hashed):
    guess(person)
    assert len(hashed) == 10
    assert ask(person, "wrong").status_code == 429
    assert len(hashed) == 10


def test_a_chosen_secret_that_was_right_before_is_not_refused(person):
    assert ask(person, CHOSEN).status_code == 200
    guess(person)
    for _ in range(5):
        assert ask(person, CHOSEN).status_code == 200
        assert ask(person, "wrong").status_code == 429


def test_a_chosen_secret_that_is_guessed_is_refused_at_the_address_of_the_guesses(person):
    assert ask(person, CHOSEN, address="198.51.100.1").status_code == 200
    guess(person)
    assert ask(person, CHOSEN).status_code == 429
    assert ask(person, CHOSEN, address="198.51.100.1").status_code == 200


@pytest.mark.parametrize("secret", [CHOSEN, "wrong"])
def test_parallel_guesses_do_not_pass_the_limit(person, monkeypatch, secret):
    """While one secret is hashed, ten wrong ones are checked and counted."""
    encode, others = MD5PasswordHasher.encode, ["to be made"]

    def slowly(self, password, salt):
        if others:
            others.clear()
            guess(person)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", slowly)
    assert ask(person, secret).status_code == 429
    assert ask(person, CHOSEN, address="192.0.2.2").status_code == 200


def test_parallel_right_secrets_are_not_refused(person, monkeypatch):
    encode, depth = MD5PasswordHasher.encode, []

    def slowly(self, password, salt):
        depth.append(password)
        if len(depth) < 15:
            assert ask(person, CHOSEN).status_code == 200
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", slowly)
    assert ask(person, CHOSEN).status_code == 200
    assert len(depth) == 15


def test_a_fast_secret_that_is_not_a_generated_one_is_limited(app):
    """A model of the site may store a secret that a person has chosen, without a hash."""
    Client.objects.update(client_secret=hash_generated(CHOSEN))
    guess(app)
    assert ask(app, CHOSEN).status_code == 429


def test_a_chosen_secret_is_accepted_after_the_time_in_the_response(person, clock):
    guess(person)
    response = ask(person, CHOSEN)
    assert response.status_code == 429
    clock.now += int(response["Retry-After"])
    assert ask(person, CHOSEN).status_code == 200


def test_the_cache_does_not_have_the_secret(person):
    assert ask(person, CHOSEN).status_code == 200
    for key, value in cache._cache.items():
        assert CHOSEN.encode() not in value and CHOSEN not in key


# --- the address ----------------------------------------------------------------------------------


def test_forwarded_for_is_not_read(app):
    for number in range(10):
        ask(app, "wrong", HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")
    assert ask(app, "wrong", HTTP_X_FORWARDED_FOR="198.51.100.99").status_code == 429


def address_of_the_proxy(request):
    return request.headers["X-Forwarded-For"]


@pytest.mark.parametrize("path", [True, False])
def test_a_function_of_the_site_returns_the_address(app, settings, path):
    settings.DANCE_CLIENT_ADDRESS = (
        f"{__name__}.address_of_the_proxy" if path else address_of_the_proxy
    )
    guess(app, HTTP_X_FORWARDED_FOR="198.51.100.1")
    assert ask(app, "wrong", HTTP_X_FORWARDED_FOR="198.51.100.1").status_code == 429
    assert ask(app, "wrong", HTTP_X_FORWARDED_FOR="198.51.100.2").status_code == 401


@pytest.mark.parametrize(
    ("results", "address"),
    [
        (
            ["198.51.100.1:5678", "198.51.100.1:80", " 198.51.100.1", "198.51.100.1:"],
            "198.51.100.1",
        ),
        (["[::1]:80", "[::1]", "::1", "[::2]:9"], "::/64"),
        (["[::ffff:198.51.100.1]:80", "::ffff:198.51.100.1"], "198.51.100.1"),
        (["2001:db8::1:80"], "2001:db8::/64"),
        (["app.internal:8000", "app.internal"], "app.internal"),
        ([None, "", ":80", "[]:80"], ""),
    ],
)
def test_the_port_of_an_address_does_not_count(rf, settings, results, address):
    for result in results:
        settings.DANCE_CLIENT_ADDRESS = lambda request, result=result: result
        assert client_address(rf.get("/")) == address


def test_guesses_from_many_ports_are_counted_together(app, settings):
    settings.DANCE_CLIENT_ADDRESS = address_of_the_proxy
    for port in range(10):
        ask(app, "wrong", HTTP_X_FORWARDED_FOR=f"198.51.100.1:{5000 + port}")
    assert ask(app, "wrong", HTTP_X_FORWARDED_FOR="198.51.100.1:6000").status_code == 429
    assert ask(app, "wrong", HTTP_X_FORWARDED_FOR="198.51.100.2:6000").status_code == 401


# --- the cache ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "backend", ["tests.caches.RaisingCache", "django.core.cache.backends.dummy.DummyCache"]
)
def test_without_a_cache_nothing_is_limited(app, member, settings, backend):
    settings.CACHES = {"default": {"BACKEND": backend}}
    guess(app, 12)
    code = app.code(member)
    for _ in range(6):
        assert_invalid_grant(app.redeem(code, code_verifier="x" * 43))
    assert app.redeem(code).status_code == 200


def test_the_setting_names_the_cache(app, settings):
    locmem = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {"default": {"BACKEND": "tests.caches.RaisingCache"}} | {
        "limits": {"BACKEND": locmem, "LOCATION": "limits"}
    }
    settings.DANCE_SERVER_LIMIT_CACHE = "limits"
    guess(app)
    assert ask(app, "wrong").status_code == 429


# --- wrong verifiers ------------------------------------------------------------------------------


@pytest.fixture(params=["table", "cache"])
def storage(request, settings):
    own = make_server()
    if request.param == "cache":
        bind_cache_grant(own)
    serve(settings, own)


@pytest.mark.parametrize("public", [False, True])
def test_a_code_is_used_up_after_five_wrong_verifiers(register, member, storage, public):
    app = register(public=public)
    code, other = app.code(member), app.code(member)
    for _ in range(5):
        response = app.redeem(code, code_verifier="x" * 43)
        assert_invalid_grant(response)
        assert "code_verifier" in response.json()["error_description"]
    assert_invalid_grant(app.redeem(code))
    assert not Token.objects.exists()
    assert app.redeem(other).status_code == 200


def test_a_code_can_be_redeemed_after_four_wrong_verifiers(register, member, storage):
    app = register()
    code = app.code(member)
    for verifier in ("x" * 43, "short", "y" * 43, "ä" * 43, "x" * 43):
        response = app.redeem(code, code_verifier=verifier)
        assert response.status_code == 400
    assert app.redeem(code).status_code == 200


def test_wrong_verifiers_for_a_used_code_revoke_nothing(register, member, storage):
    app = register()
    code = app.code(member)
    token = app.redeem(code).json()
    for _ in range(7):
        assert_invalid_grant(app.redeem(code, code_verifier="x" * 43))
    assert app.introspect(token["access_token"]).json()["active"]
