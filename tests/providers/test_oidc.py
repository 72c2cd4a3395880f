"""OpenID Connect against a provider that does everything wrong, one thing at a time."""

import base64
import hashlib
import json
import re
import time
from pathlib import Path

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from django_dance.exceptions import AuthorizationRequired, InvalidResponse
from django_dance.models import OAuthToken
from django_dance.providers import IdentityChanged, OIDCProvider, discovery, providers
from django_dance.providers import id_tokens as idtoken
from django_dance.signals import oauth_authorized

from ..conftest import Browser, Dance, flow_cookies, query
from ..keys import EC256, EC384, RSA, WEAK_RSA
from ..keys import OTHER_RSA as OTHER

pytestmark = pytest.mark.one_database("These tests differ in ID tokens and metadata, not in rows")

ISSUER = "https://id.example.com/realm"
WELL_KNOWN = f"{ISSUER}/.well-known/openid-configuration"
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://id.example.com/authorize",
    "token_endpoint": "https://id.example.com/token",
    "jwks_uri": "https://id.example.com/keys",
    "userinfo_endpoint": "https://id.example.com/userinfo",
    "end_session_endpoint": "https://id.example.com/logout",
    "revocation_endpoint": "https://id.example.com/revoke",
}


USERINFO = METADATA["userinfo_endpoint"]


def jwk(key, kid="one", **more):
    public = key.public_key()
    kind = (
        jwt.algorithms.RSAAlgorithm
        if isinstance(key, rsa.RSAPrivateKey)
        else jwt.algorithms.ECAlgorithm
    )
    return {**json.loads(kind.to_jwk(public)), "kid": kid, "use": "sig", **more}


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Issuer:
    """A provider whose every answer can be changed."""

    def __init__(self, responses):
        self.responses = responses
        self.metadata = dict(METADATA)
        self.keys = [jwk(RSA)]
        self.claims, self.header, self.key, self.alg = {}, {"kid": "one"}, RSA, "RS256"
        self.nonce = None
        self.answer, self.raw = {}, {}
        self.id_token = None
        responses.add_callback("GET", WELL_KNOWN, lambda r: (200, {}, json.dumps(self.metadata)))
        responses.add_callback(
            "GET",
            "https://id.example.com/keys",
            lambda r: (200, {}, json.dumps({"keys": self.keys})),
        )
        responses.add_callback("POST", "https://id.example.com/token", self.token)

    def token(self, request):
        answer = {
            "access_token": "planted-access",
            "refresh_token": "planted-refresh",
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": self.id_token or self.signed(),
            **self.answer,
        }
        answer = {name: value for name, value in answer.items() if value is not None}
        return 200, {}, json.dumps({**answer, **self.raw})

    def signed(self):
        now = time.time()
        claims = {
            "iss": ISSUER,
            "aud": "id-client",
            "sub": "248289761001",
            "exp": now + 300,
            "iat": now,
            "nonce": self.nonce,
            "name": "Ada",
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        # Not jwt.encode(): it refuses the invalid claims that the test sends.
        payload = json.dumps(claims).encode()
        return jwt.PyJWS().encode(payload, self.key, algorithm=self.alg, headers=self.header)

    def calls(self, url):
        return [call for call in self.responses.calls if call.request.url.startswith(url)]


@pytest.fixture
def issuer(responses, settings):
    discovery.forget()
    settings.DANCE_PROVIDERS = {
        "id": {
            "PROVIDER": "django_dance.providers.OIDCProvider",
            "ISSUER": ISSUER,
            "BASE_URL": "https://api.example.com/",
            "SCOPE": "openid profile",
        }
    }
    settings.ID_OAUTH_CLIENT_ID, settings.ID_OAUTH_CLIENT_SECRET = "id-client", "planted-secret"
    settings.ROOT_URLCONF = "tests.oidc_urls"
    yield Issuer(responses)
    discovery.forget()


@pytest.fixture
def begin(issuer, member):
    def begin():
        begun = Dance(member, "id")
        issuer.nonce = begun.asked["nonce"]
        return begun

    return begin


def assert_refused(response, code, events):
    assert response.status_code == 400, response.content
    assert events.codes == [code]
    assert not OAuthToken.objects.exists()


def test_a_provider_needs_only_an_issuer(issuer, begin, user):
    begun = begin()
    assert begun.url.startswith("https://id.example.com/authorize?")
    assert begun.callback().status_code == 302
    session = providers["id"].session(user=user)
    assert session.id_claims["sub"] == "248289761001"
    info = session.account_info()
    assert (info.id, info.label) == ("248289761001", "Ada")
    assert len(issuer.calls(WELL_KNOWN)) == 1
    assert len(issuer.calls("https://id.example.com/keys")) == 1


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS384"), (RSA, "PS256"), (EC256, "ES256"), (EC384, "ES384")]
)
def test_each_listed_algorithm_is_accepted(issuer, begin, key, alg):
    issuer.keys, issuer.key, issuer.alg = [jwk(key)], key, alg
    assert begin().callback().status_code == 302


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://id.example.com"}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"aud": "id-client-2"}, "audience"),
        ({"aud": ["another"]}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": {"id-client": 1}}, "audience"),
        ({"aud": ["id-client", "another"]}, "audience"),
        ({"aud": ["id-client", "another"], "azp": "another"}, "audience"),
        ({"azp": "another"}, "audience"),
        ({"exp": None}, "time"),
        ({"exp": "soon"}, "time"),
        ({"exp": True}, "time"),
        ({"exp": -5}, "time"),
        ({"exp": float("nan")}, "time"),
        ({"exp": float("inf")}, "time"),
        ({"exp": 10**400}, "time"),
        ({"iat": None}, "time"),
        ({"nbf": "x"}, "time"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"nonce": ["x"]}, "nonce"),
        ({"sub": None}, "subject"),
        ({"sub": ""}, "subject"),
        ({"sub": 7}, "subject"),
        ({"sub": "x" * 256}, "subject"),
        ({"sub": "a\0b"}, "subject"),
        ({"sub": "\ud800"}, "subject"),
        ({"at_hash": "x"}, "at_hash"),
        ({"at_hash": 7}, "at_hash"),
        ({"at_hash": ["x"]}, "at_hash"),
    ],
)
def test_a_wrong_claim_is_refused(issuer, begin, events, claims, code):
    issuer.claims = claims
    assert_refused(begin().callback(), f"id_token_{code}", events)


@pytest.mark.parametrize(
    ("claim", "seconds", "code"),
    [("exp", -61, "expired"), ("iat", 120, "time"), ("iat", -900, "time"), ("nbf", 120, "time")],
)
def test_a_claim_of_another_time_is_refused(issuer, begin, events, claim, seconds, code):
    begun = begin()
    issuer.claims = {claim: time.time() + seconds}
    assert_refused(begun.callback(), f"id_token_{code}", events)


def test_a_missing_nonce_is_refused(issuer, begin, events):
    begun = begin()
    issuer.nonce = None
    assert_refused(begun.callback(), "id_token_nonce", events)


def test_a_correct_at_hash_and_azp_are_accepted(issuer, begin):
    half = hashlib.sha256(b"planted-access").digest()[:16]
    issuer.claims = {"at_hash": b64(half), "aud": ["id-client", "api"], "azp": "id-client"}
    assert begin().callback().status_code == 302


def test_leeway_is_a_minute(issuer, begin):
    begun, now = begin(), time.time()
    issuer.claims = {"exp": now - 30, "iat": now + 30, "nbf": now + 30}
    assert begun.callback().status_code == 302


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def hmac_signed(secret, alg="HS256", **header):
    import hmac

    claims = {"iss": ISSUER, "aud": "id-client", "sub": "1", "exp": time.time() + 9}
    claims |= {"iat": time.time()}
    signed = f"{b64({'alg': alg, 'kid': 'one', **header})}.{b64(claims)}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"


def unsigned(alg):
    header = {"alg": alg} if alg is not None else {}
    return f"{b64(header)}.{b64({'iss': ISSUER})}."


@pytest.mark.parametrize(
    ("token", "code"),
    [
        *((unsigned(alg), "algorithm") for alg in ("none", "None", "nOnE", "", None, 7, ["RS256"])),
        (unsigned("none").rstrip("."), "malformed"),
        (lambda: hmac_signed(pem(RSA)), "algorithm"),
        (lambda: hmac_signed(json.dumps(jwk(RSA)).encode()), "algorithm"),
        (lambda: hmac_signed(pem(RSA), alg="hs256"), "algorithm"),
        (lambda: hmac_signed(b"planted-secret"), "algorithm"),
        (lambda: hmac_signed(pem(RSA), alg="RS256"), "signature"),
        ("a.b.c.d.e", "malformed"),
        ("a.b", "malformed"),
        ("é.é.é", "malformed"),
        ("!!!!.!!!!.!!!!", "malformed"),
        ("e30=.e30=.e30=", "malformed"),
        ("e31.e30.e30", "malformed"),
        ("W10.e30.e30", "malformed"),
        (f"{b64(b'[' * 3000)}.e30.e30", "malformed"),
        (f"{b64({'alg': 'RS256', 'x': 'x' * 5000})}.e30.e30", "malformed"),
        ("e30.e30.e30\n", "malformed"),
        ("x" * 70_000, "malformed"),
        ({"payload": "x"}, "malformed"),
        (7, "malformed"),
        (f"{b64({'alg': 'RS256', 'crit': ['x'], 'x': 1})}.e30.e30", "malformed"),
        (f"{b64({'alg': 'RS256', 'zip': 'DEF'})}.e30.e30", "malformed"),
        *(
            (f"{b64({'alg': 'RS256', 'kid': kid})}.e30.e30", "key")
            for kid in (7, ["one"], {"a": 1}, "x" * 1000)
        ),
        (f"{b64({'alg': 'RS256', 'kid': '../../x'})}.e30.e30", "key"),
        (f"{b64({'alg': 'ES256', 'kid': 'one'})}.e30.e30", "key"),
    ],
)
def test_a_hostile_token_is_refused(issuer, begin, events, token, code):
    begun = begin()
    issuer.answer = {"id_token": token() if callable(token) else token}
    assert_refused(begun.callback(), f"id_token_{code}", events)
    assert len(issuer.calls("https://id.example.com/keys")) <= 1


@pytest.mark.parametrize("nothing", [{}, {"id_token": None}, {"id_token": ""}])
def test_openid_without_an_id_token_is_refused(issuer, begin, events, nothing):
    issuer.answer, issuer.raw = {"id_token": None}, nothing
    assert_refused(begin().callback(), "id_token_missing", events)


def test_without_openid_no_id_token_is_required(issuer, begin, settings, member):
    settings.DANCE_PROVIDERS = {"id": {**settings.DANCE_PROVIDERS["id"], "SCOPE": "read"}}
    issuer.answer = {"id_token": "junk"}
    begun = Dance(member, "id")
    assert "nonce" not in begun.asked
    assert begun.callback().status_code == 302


def test_a_signature_of_another_key_with_the_same_id_is_refused(issuer, begin, events):
    issuer.key = OTHER
    assert_refused(begin().callback(), "id_token_signature", events)


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [jwk(WEAK_RSA)],
        [{**jwk(RSA), "use": "enc"}],
        [{**jwk(RSA), "alg": "RS512"}],
        [{**jwk(RSA), "e": "AQ"}],
        [{"kty": "oct", "k": "AAAA", "kid": "one"}],
        [{**jwk(RSA), "kid": ["one"]}],
        [{**jwk(RSA), "n": 7}],
        [{**jwk(RSA), "kty": "EC"}],
        [None, 7, "x", [], {}],
        [*({"kty": "oct", "k": "AA", "kid": str(n)} for n in range(5000)), jwk(RSA)],
    ],
)
def test_unusable_keys_are_skipped(issuer, begin, events, keys):
    issuer.keys = keys
    assert_refused(begin().callback(), "id_token_key", events)


def test_a_usable_key_among_junk_is_found(issuer, begin):
    issuer.keys = [None, {"kty": "oct"}, {**jwk(RSA), "use": "enc"}, jwk(OTHER, "two"), jwk(RSA)]
    assert begin().callback().status_code == 302


def test_without_a_key_id_a_few_keys_are_tried(issuer, begin, events):
    issuer.header = {}
    issuer.keys = [jwk(OTHER, str(n)) for n in range(4)] + [jwk(RSA)]
    assert begin().callback().status_code == 302


def test_without_a_key_id_not_many_keys_are_tried(issuer, begin, events):
    issuer.header = {}
    issuer.keys = [jwk(OTHER, str(n)) for n in range(5)] + [jwk(RSA)]
    assert_refused(begin().callback(), "id_token_signature", events)


def test_a_curve_must_fit_the_algorithm():
    assert not idtoken.candidates([jwk(EC384)], {"alg": "ES256"})
    assert idtoken.candidates([jwk(EC256)], {"alg": "ES256"})


def test_keys_rotate(issuer, begin, member, monkeypatch):
    assert begin().callback().status_code == 302
    issuer.keys, issuer.key = [jwk(OTHER, "two")], OTHER
    issuer.header = {"kid": "two"}
    later = time.monotonic() + discovery.PAUSE + 1
    monkeypatch.setattr(discovery.time, "monotonic", lambda: later)
    assert begin().callback().status_code == 302
    assert len(issuer.calls("https://id.example.com/keys")) == 2


def test_keys_that_rotate_after_the_last_request_are_requested_again(issuer, begin, monkeypatch):
    start = time.monotonic()
    monkeypatch.setattr(discovery.time, "monotonic", lambda: start)
    assert begin().callback().status_code == 302
    issuer.keys, issuer.key = [jwk(OTHER, "two")], OTHER
    issuer.header = {"kid": "two"}
    monkeypatch.setattr(discovery.time, "monotonic", lambda: start + 30)
    assert begin().callback().status_code == 302
    assert len(issuer.calls("https://id.example.com/keys")) == 2


def test_a_key_without_an_id_may_be_replaced(issuer, begin, monkeypatch):
    issuer.keys, issuer.header = [jwk(RSA, None)], {}
    assert begin().callback().status_code == 302
    issuer.keys, issuer.key = [jwk(OTHER, None)], OTHER
    assert begin().callback().status_code == 400
    later = time.monotonic() + discovery.PAUSE + 1
    monkeypatch.setattr(discovery.time, "monotonic", lambda: later)
    assert begin().callback().status_code == 302
    assert len(issuer.calls("https://id.example.com/keys")) == 2


def test_unknown_keys_are_requested_twice_a_minute_at_most(issuer, begin, member):
    assert begin().callback().status_code == 302
    for n in range(5):
        issuer.header = {"kid": f"random-{n}"}
        assert begin().callback().status_code == 400
    assert len(issuer.calls("https://id.example.com/keys")) == 2
    assert len(issuer.calls(WELL_KNOWN)) == 1


def test_a_wrong_signature_requests_the_keys_once_a_minute_at_most(issuer, begin):
    assert begin().callback().status_code == 302
    issuer.key = OTHER
    for _ in range(5):
        assert begin().callback().status_code == 400
    assert len(issuer.calls("https://id.example.com/keys")) == 1


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_optional_member_may_be_empty(issuer, begin, user, nothing):
    """In the metadata, the key set, the ID token and the answer of the token endpoint."""
    optional = ("revocation_endpoint", "registration_endpoint", "end_session_endpoint")
    issuer.metadata |= dict.fromkeys(optional, nothing)
    issuer.keys = [{**jwk(RSA), "use": nothing, "alg": nothing, "crv": nothing, "x5c": nothing}]
    issuer.header = {"kid": "one", "crit": nothing, "cty": nothing, "zip": nothing}
    issuer.raw = dict.fromkeys(
        ("error", "error_description", "error_uri", "token_type", "scope", "refresh_token"), nothing
    )
    begun = begin()
    claims = {"azp": nothing, "at_hash": nothing, "nbf": nothing, "name": "Ada"}
    now = time.time()
    claims |= {"iss": ISSUER, "aud": "id-client", "sub": "1", "exp": now + 300, "iat": now}
    issuer.id_token = jwt.PyJWS().encode(
        json.dumps({**claims, "nonce": begun.asked["nonce"]}).encode(),
        RSA,
        algorithm="RS256",
        headers={"kid": "one"},
    )
    assert begun.callback().status_code == 302
    token = OAuthToken.objects.get().token
    assert token["access_token"] == "planted-access"
    assert "refresh_token" not in token


def test_a_key_id_that_is_empty_is_as_one_that_is_missing(issuer, begin):
    issuer.header = {"kid": ""}
    assert begin().callback().status_code == 302


def ask(settings, **params):
    entry = settings.DANCE_PROVIDERS["id"]
    settings.DANCE_PROVIDERS = {"id": {**entry, "AUTHORIZATION_URL_PARAMS": params}}


@pytest.mark.parametrize("acr", [None, "urn:low", "", 1, ["urn:high"], "urn:high "])
def test_a_login_that_is_weaker_than_the_settings_demand_is_refused(
    issuer, begin, events, settings, acr
):
    # The visitor has removed the parameter from the URL.
    ask(settings, acr_values="urn:high urn:higher")
    issuer.claims = {"acr": acr}
    assert_refused(begin().callback(), "id_token_acr", events)


@pytest.mark.parametrize("acr", ["urn:high", "urn:higher"])
def test_a_login_that_the_settings_demand_is_accepted(issuer, begin, user, settings, acr):
    ask(settings, acr_values="urn:high urn:higher")
    issuer.claims = {"acr": acr}
    assert begin().callback().status_code == 302
    assert user.oauth_tokens.exists()


@pytest.mark.parametrize(("acr", "status"), [("two", 302), ("three", 302), ("one", 400)])
def test_a_stronger_login_than_the_settings_demand_is_accepted(
    issuer, begin, settings, acr, status
):
    ask(settings, acr_values="two")
    settings.DANCE_PROVIDERS["id"]["ACR_LEVELS"] = ("one", "two", "three")
    issuer.claims = {"acr": acr}
    assert begin().callback().status_code == status


@pytest.mark.parametrize("ago", [None, 121, 3600, "now", True])
def test_a_login_that_is_older_than_the_settings_demand_is_refused(
    clock, issuer, begin, events, settings, ago
):
    ask(settings, max_age="60")
    moment = clock.now - ago if type(ago) is int else ago
    issuer.claims = {"auth_time": moment}
    assert_refused(begin().callback(), "id_token_auth_time", events)


@pytest.mark.parametrize("ago", [0, 60, 120])
def test_a_login_that_is_recent_enough_is_accepted(clock, issuer, begin, user, settings, ago):
    ask(settings, max_age="60")
    issuer.claims = {"auth_time": clock.now - ago}
    assert begin().callback().status_code == 302


def test_the_login_that_a_link_demands_is_checked(clock, issuer, member, user, events):
    link = providers["id"].session(user=user).get_login_url(acr_values="urn:high", max_age=60)
    begun = member.get(link)
    asked = query(begun["Location"])
    assert (asked["acr_values"], asked["max_age"]) == ("urn:high", "60")
    issuer.nonce = asked["nonce"]
    back = {"state": asked["state"], "code": "planted-code"}
    issuer.claims = {"auth_time": clock.now}
    assert_refused(member.get("/login/id/authorized/", back), "id_token_acr", events)


def test_the_login_is_not_checked_if_nothing_was_demanded(issuer, begin):
    issuer.claims = {"acr": "0", "auth_time": 1}
    assert begin().callback().status_code == 302


def test_an_id_token_proves_openid_and_a_refresh_token_offline_access(
    issuer, begin, user, settings, responses
):
    settings.DANCE_PROVIDERS["id"]["SCOPE"] = "openid offline_access files email"
    issuer.answer = {"scope": "files"}
    assert begin().callback().status_code == 302
    session = providers["id"].session(user=user)
    assert session.scopes == {"files", "openid", "offline_access"}
    assert session.token["declined_scope"] == ["email"]
    session.require(scope="openid offline_access")
    session.refresh()
    assert providers["id"].session(user=user).scopes == {"files", "openid", "offline_access"}


def test_a_scope_that_was_not_asked_for_is_not_proven(issuer, begin, user):
    issuer.answer = {"scope": "openid"}
    assert begin().callback().status_code == 302
    assert providers["id"].session(user=user).scopes == {"openid"}


# --- metadata ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": ISSUER + "/"},
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"issuer": [ISSUER]},
        {"token_endpoint": "http://id.example.com/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": "data:,x"},
        {"token_endpoint": "https://me:pw@id.example.com/"},
        {"token_endpoint": "https://id.example.com/#x"},
        {"token_endpoint": ["https://id.example.com/"]},
        {"jwks_uri": "javascript:alert(1)"},
    ],
)
def test_metadata_with_wrong_values_is_refused(issuer, member, events, change):
    issuer.metadata |= change
    response = member.get("/login/id/")
    assert response.status_code == 400
    assert events.codes == ["metadata_invalid"]
    assert flow_cookies(member) == []


@pytest.mark.parametrize(
    "odd", ["", None, "http://id.example.com/", "/relative", "javascript:alert(1)", 7, ["x"], {}]
)
@pytest.mark.parametrize(
    "name",
    [
        "userinfo_endpoint",
        "revocation_endpoint",
        "end_session_endpoint",
        "device_authorization_endpoint",
        "introspection_endpoint",
        "registration_endpoint",
    ],
)
def test_an_odd_endpoint_that_a_login_does_not_use_is_not_read(issuer, begin, name, odd):
    issuer.metadata[name] = odd
    assert begin().callback().status_code == 302


@pytest.mark.parametrize("odd", ["http://id.example.com/x", "/relative", 7, ["x"]])
def test_an_odd_endpoint_is_refused_where_it_is_used(issuer, begin, user, odd):
    issuer.metadata |= dict.fromkeys(
        ("userinfo_endpoint", "end_session_endpoint", "device_authorization_endpoint"), odd
    )
    assert begin().callback().status_code == 302
    session = providers["id"].session(user=user)
    for use in (session.userinfo, session.logout_url, session.provider.begin_device):
        with pytest.raises(discovery.MetadataInvalid, match="is not an https URL"):
            use()


def test_a_token_is_deleted_even_if_the_endpoint_that_revokes_it_is_odd(issuer, begin, user):
    issuer.metadata["revocation_endpoint"] = "http://id.example.com/revoke"
    assert begin().callback().status_code == 302
    providers["id"].session(user=user).disconnect()
    assert not OAuthToken.objects.exists()
    assert not issuer.calls("http://")


@pytest.mark.parametrize("odd", ["", None, "http://id.example.com/", 7])
def test_an_odd_endpoint_is_not_read_if_an_option_states_another(issuer, settings, member, odd):
    settings.DANCE_PROVIDERS = {
        "id": {
            **settings.DANCE_PROVIDERS["id"],
            "AUTHORIZATION_URL": METADATA["authorization_endpoint"],
            "TOKEN_URL": METADATA["token_endpoint"],
        }
    }
    issuer.metadata |= dict.fromkeys(("authorization_endpoint", "token_endpoint"), odd)
    begun = Dance(member, "id")
    issuer.nonce = begun.asked["nonce"]
    assert begun.callback().status_code == 302


def test_metadata_without_keys_are_enough_without_openid(issuer, settings, member):
    settings.DANCE_PROVIDERS = {"id": {**settings.DANCE_PROVIDERS["id"], "SCOPE": "read"}}
    del issuer.metadata["jwks_uri"]
    assert Dance(member, "id").callback().status_code == 302


def test_metadata_without_keys_are_not_enough_for_an_id_token(issuer, begin, events):
    del issuer.metadata["jwks_uri"]
    assert_refused(begin().callback(), "metadata_invalid", events)


@pytest.mark.parametrize("missing", ["authorization_endpoint", "token_endpoint"])
def test_metadata_that_lacks_an_endpoint_is_refused(issuer, member, events, missing):
    del issuer.metadata[missing]
    assert member.get("/login/id/").status_code == 400
    assert events.codes == ["metadata_invalid"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"body": "<html>"}, "metadata_invalid"),
        ({"json": []}, "metadata_invalid"),
        ({"status": 404}, "metadata_invalid"),
        ({"body": " " * 2_000_000}, "token_response_invalid"),
        (
            {"status": 302, "headers": {"Location": "http://169.254.169.254/"}},
            "token_response_invalid",
        ),
        ({"status": 500}, "provider_unavailable"),
        ({"body": requests.ConnectionError()}, "provider_unavailable"),
    ],
)
def test_unreadable_metadata_is_not_a_500(issuer, member, events, responses, answer, code):
    responses.replace("GET", WELL_KNOWN, **answer)
    assert member.get("/login/id/").status_code == 400
    assert events.codes == [code]


def test_the_last_good_copy_is_used_while_the_provider_is_down(
    issuer, begin, member, responses, monkeypatch, events
):
    assert begin().callback().status_code == 302
    responses.replace("GET", WELL_KNOWN, status=500)
    responses.replace("GET", "https://id.example.com/keys", status=500)
    later = time.monotonic() + discovery.FRESH + 1
    monkeypatch.setattr(discovery.time, "monotonic", lambda: later)
    assert begin().callback().status_code == 302
    much_later = later + discovery.STALE
    monkeypatch.setattr(discovery.time, "monotonic", lambda: much_later)
    assert member.get("/login/id/").status_code == 400
    assert events.codes == ["provider_unavailable"]


def test_endpoints_that_change_during_a_dance_are_refused(issuer, begin, events, monkeypatch):
    begun = begin()
    issuer.metadata["token_endpoint"] = "https://id.example.com/elsewhere"
    discovery.forget()
    assert_refused(begun.callback(), "metadata_changed", events)


def test_iss_is_required_if_the_metadata_promises_it(issuer, begin, events):
    issuer.metadata["authorization_response_iss_parameter_supported"] = True
    begun = begin()
    assert begun.callback().status_code == 400
    assert begun.callback(iss=ISSUER + "/").status_code == 400
    assert events.codes == ["issuer_missing", "issuer_mismatch"]
    assert begun.callback(iss=ISSUER).status_code == 302


def test_metadata_may_have_unknown_values(issuer, begin, events):
    issuer.metadata["id_token_signing_alg_values_supported"] = ["none", "HS256"]
    issuer.answer = {"id_token": unsigned("none")}
    assert_refused(begin().callback(), "id_token_algorithm", events)


def test_two_providers_do_not_share_documents(issuer):
    for name in ("first", "second"):
        OIDCProvider(name, issuer=ISSUER).metadata()
    assert len(issuer.calls(WELL_KNOWN)) == 2


@pytest.mark.django_db
def test_checks_and_urls_send_no_request(issuer, responses):
    from django.core import checks
    from django.urls import reverse

    checks.run_checks()
    assert reverse("id:login") == "/login/id/"
    assert not responses.calls


# --- afterwards -------------------------------------------------------------------------------


@pytest.fixture
def session(issuer, begin, user):
    assert begin().callback().status_code == 302
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": 1}
    row.save()
    issuer.nonce = None
    return providers["id"].session(user=user)


def test_a_refresh_may_return_a_new_id_token(session, issuer, responses):
    responses.get("https://api.example.com/x", json={})
    issuer.claims = {"name": "Ada L.", "iat": time.time() - 9999}
    session.get("/x")
    assert session.id_claims["name"] == "Ada L."


def test_a_refresh_may_return_no_id_token(session, issuer, responses):
    responses.get("https://api.example.com/x", json={})
    issuer.answer = {"id_token": None}
    session.get("/x")
    assert session.id_claims["sub"] == "248289761001"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"sub": None}, "id_token_subject"),
        ({"sub": 7}, "id_token_subject"),
        ({"sub": "another", "aud": "another"}, "id_token_audience"),  # a subject for that client
        ({"iss": None}, "id_token_issuer"),
        ({"iss": ["https://evil.example"]}, "id_token_issuer"),
        ({"aud": "another"}, "id_token_audience"),
        ({"aud": ["id-client", "another"], "azp": "id-client"}, "id_token_audience"),
        ({"aud": ["id-client", {}], "azp": "id-client"}, "id_token_audience"),
        ({"nonce": "another"}, "id_token_nonce"),
        ({"nonce": ["another"]}, "id_token_nonce"),
        ({"exp": 5}, "id_token_expired"),
        ({"iat": 10**11}, "id_token_time"),
        ({"at_hash": "another"}, "id_token_at_hash"),
    ],
)
def test_a_refreshed_token_is_kept_if_its_id_token_cannot_be_used(
    session, issuer, responses, claims, code, events, caplog
):
    responses.get("https://api.example.com/x", json={})
    before = session.token["id_token"]
    issuer.claims = {"name": "Eve", **claims}
    issuer.answer = {"access_token": "planted-2", "refresh_token": "planted-rotated"}
    session.get("/x")
    row = OAuthToken.objects.get()
    assert row.token["refresh_token"] == "planted-rotated"
    assert session.access_token == row.token["access_token"] == "planted-2"
    assert session.id_claims["name"] == row.token["id_claims"]["name"] == "Ada"
    assert row.token["id_token"] == before
    assert len(events.named("token_refreshed")) == 1
    assert not events.named("token_revoked")
    assert f"cannot be used, and the earlier one is kept: {code}" in caplog.text


def test_a_refreshed_id_token_of_a_clock_that_is_fast_is_not_used(session, issuer, responses):
    responses.get("https://api.example.com/x", json={})
    issuer.claims = {"name": "Ada L.", "iat": time.time() + 90}
    issuer.answer = {"access_token": "planted-2"}
    session.get("/x")
    assert session.access_token == "planted-2"
    assert session.id_claims["name"] == "Ada"


@pytest.mark.parametrize("id_token", ["", None, 7, "x", "a.b.c", {}, "e30.e30."])
def test_a_refreshed_token_is_kept_if_its_id_token_is_none(session, issuer, responses, id_token):
    responses.get("https://api.example.com/x", json={})
    before = session.token["id_token"]
    issuer.raw = {"access_token": "planted-2", "id_token": id_token}
    session.get("/x")
    assert session.access_token == "planted-2"
    assert OAuthToken.objects.get().token["id_token"] == before


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["id-client"]},
        {"aud": ["id-client", "id-client"], "azp": "id-client"},
        {"nonce": ""},
        {"azp": "", "at_hash": "", "nbf": ""},
    ],
)
def test_a_refreshed_id_token_that_says_the_same_in_other_words_is_used(
    session, issuer, responses, claims
):
    responses.get("https://api.example.com/x", json={})
    issuer.claims = {"name": "Ada L.", **claims}
    session.get("/x")
    assert session.id_claims["name"] == "Ada L."


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "another"},
        {"sub": "another", "exp": 5},
        {"iss": "https://evil.example"},
        {"iss": "https://evil.example", "aud": "another"},
    ],
)
def test_a_refresh_that_brings_another_person_ends_the_connection(
    session, issuer, responses, claims, events
):
    issuer.claims = claims
    issuer.answer = {"access_token": "planted-2"}
    with pytest.raises(AuthorizationRequired, match="revoked") as caught:
        session.get("/x")
    assert isinstance(caught.value.__cause__, IdentityChanged)
    assert str(caught.value.__cause__).startswith("id_token_changed")
    row = OAuthToken.objects.get()
    assert (row.state, row.token) == ("needs_reconnect", None)
    (told,) = events.named("token_revoked")
    assert told["reason"] == "identity_changed"
    assert not events.named("token_refreshed")


def test_a_refreshed_token_is_stored_before_its_id_token_is_checked(session, issuer, responses):
    responses.get("https://api.example.com/x", json={})
    issuer.claims = {"name": "Ada L."}
    issuer.answer = {"access_token": "planted-2", "refresh_token": "planted-rotated"}
    before, stored = session.token["id_token"], []

    def keys(request):
        stored.append(OAuthToken.objects.get().token)
        return 200, {}, json.dumps({"keys": issuer.keys})

    discovery.forget()  # so that the keys are asked for
    responses.remove("GET", "https://id.example.com/keys")
    responses.add_callback("GET", "https://id.example.com/keys", keys)
    session.get("/x")
    ((token),) = stored
    assert (token["access_token"], token["refresh_token"]) == ("planted-2", "planted-rotated")
    assert (token["id_token"], token["id_claims"]["name"]) == (before, "Ada")
    after = OAuthToken.objects.get().token
    assert after["id_claims"]["name"] == "Ada L."
    assert after["id_token"] != before


def test_userinfo_must_have_the_same_subject(session, issuer, responses):
    url = "https://id.example.com/userinfo"
    responses.get(url, json={"sub": "248289761001", "email": "ada@example.com"})
    assert session.userinfo()["email"] == "ada@example.com"
    responses.replace("GET", url, json={"sub": "another"})
    with pytest.raises(IdentityChanged, match="userinfo_subject"):
        session.userinfo()
    responses.replace("GET", url, json={"email": "ada@example.com"})
    with pytest.raises(IdentityChanged, match="userinfo_subject"):
        session.userinfo()


# --- signed userinfo (OpenID Connect Core 5.3.2) ----------------------------------------------

SIGNED = {"sub": "248289761001", "email": "ada@example.com", "nonce": None}


@pytest.fixture
def signed_userinfo(issuer, begin, user, responses):
    """Makes the userinfo endpoint answer with a JWT of these claims; a text is the whole body."""
    assert begin().callback().status_code == 302
    session = providers["id"].session(user=user)

    def signed_userinfo(claims=(), body=None, content_type="application/jwt"):
        issuer.claims = {**SIGNED, **dict(claims)}
        body = issuer.signed() if body is None else body
        responses.upsert("GET", USERINFO, body=body, content_type=content_type)
        return session.userinfo()

    return signed_userinfo


@pytest.mark.parametrize(
    "content_type", ["application/jwt", "application/JWT; charset=utf-8", "application/jwt;q=1"]
)
def test_signed_userinfo_is_verified_and_used(signed_userinfo, content_type):
    assert signed_userinfo(content_type=content_type)["email"] == "ada@example.com"


@pytest.mark.parametrize(
    "claims",
    [
        dict.fromkeys(("iss", "aud", "exp", "iat")),
        {"iss": "", "aud": "", "exp": ""},
        {"aud": ["another", "id-client"], "azp": "id-client"},
    ],
    ids=str,
)
def test_signed_userinfo_may_name_neither_issuer_nor_audience(signed_userinfo, claims):
    assert signed_userinfo(claims)["email"] == "ada@example.com"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"aud": ["another"]}, "audience"),
        ({"aud": {"id-client": 1}}, "audience"),
        ({"exp": 5}, "expired"),
        ({"exp": "soon"}, "time"),
        ({"sub": "another"}, "subject"),
        ({"sub": None}, "subject"),
    ],
    ids=str,
)
def test_signed_userinfo_for_another_is_refused(signed_userinfo, claims, reason):
    with pytest.raises(InvalidResponse, match=f"^userinfo_{reason}: "):
        signed_userinfo(claims)


def test_userinfo_that_another_key_has_signed_is_refused(signed_userinfo, issuer):
    issuer.key = OTHER
    with pytest.raises(InvalidResponse, match=r"^userinfo_signature: "):
        signed_userinfo()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (unsigned("none"), "algorithm"),
        ("a.b.c.d.e", "malformed"),
        ("", "missing"),
        ("{}", "malformed"),
        ("\xff", "malformed"),
    ],
)
def test_userinfo_that_is_not_signed_is_refused(signed_userinfo, body, reason):
    with pytest.raises(InvalidResponse, match=f"^userinfo_{reason}: "):
        signed_userinfo(body=body)


def test_signed_userinfo_of_another_type_is_not_read(signed_userinfo):
    with pytest.raises(InvalidResponse, match="without JSON"):
        signed_userinfo(content_type="text/plain")


# --- the name of an account (OpenID Connect Core 5.4) -----------------------------------------


@pytest.fixture
def account(issuer, begin, responses, user):
    """Dances with an ID token that has the subject only, and returns the account."""

    def account(userinfo, **options):
        issuer.claims = {"name": None}
        responses.get(USERINFO, **{**({"json": userinfo} if userinfo else {}), **options})
        assert begin().callback().status_code == 302
        return providers["id"].session(user=user)

    return account


def test_the_name_of_an_account_comes_from_the_userinfo(account):
    session = account({"sub": "248289761001", "name": "Ada", "iss": "https://evil.example"})
    info = session.account_info()
    assert (info.id, info.label) == ("248289761001", "Ada")
    assert info.fields["iss"] == ISSUER  # the claims of the ID token win
    assert session.account_label == "Ada"


@pytest.mark.parametrize(
    ("claims", "label"),
    [
        ({"given_name": "Ada", "family_name": "Lovelace"}, "Ada Lovelace"),
        ({"given_name": "Ada", "email": "ada@example.com"}, "Ada"),
        ({"family_name": "Lovelace", "name": ""}, "Lovelace"),
        ({"email": "ada@example.com"}, "ada@example.com"),
        ({"given_name": None, "family_name": ""}, "248289761001"),
    ],
    ids=str,
)
def test_an_account_has_the_best_name_that_the_userinfo_has(account, claims, label):
    session = account({"sub": "248289761001", **claims})
    assert session.account_info().label == session.account_label == label


@pytest.mark.parametrize(
    "answer",
    [
        {"json": {"sub": "another", "name": "Mallory"}},
        {"json": {"name": "Mallory"}},
        {"status": 403, "json": {}},
        {"status": 500},
        {"body": requests.ConnectionError()},
        {"body": "<html>"},
    ],
    ids=str,
)
def test_an_account_without_a_usable_userinfo_has_its_subject_as_name(account, answer):
    session = account(None, **answer)
    info = session.account_info()
    assert (info.id, info.label) == ("248289761001", "248289761001")


def test_the_userinfo_is_not_asked_without_a_scope_for_names(account, issuer):
    issuer.answer = {"scope": "openid"}
    session = account({"sub": "248289761001", "name": "Ada"})
    assert session.account_info().label == "248289761001"
    assert not issuer.calls(USERINFO)


def test_the_userinfo_is_not_asked_if_the_id_token_has_the_name(issuer, begin, user):
    assert begin().callback().status_code == 302
    assert providers["id"].session(user=user).account_info().label == "Ada"
    assert not issuer.calls(USERINFO)


def test_a_provider_without_a_userinfo_endpoint_has_accounts(account, issuer):
    del issuer.metadata["userinfo_endpoint"]
    assert account({"sub": "248289761001", "name": "Ada"}).account_info().label == "248289761001"


def test_logout_leads_to_the_provider_and_back(session):
    url = session.logout_url("https://app.example.com/bye/")
    assert url.startswith("https://id.example.com/logout?client_id=id-client&id_token_hint=")
    assert url.endswith("&post_logout_redirect_uri=https%3A%2F%2Fapp.example.com%2Fbye%2F")


def test_anonymous_visitors_can_dance_too(issuer, db):
    browser = Browser()
    begun = Dance(browser, "id")
    issuer.nonce = begun.asked["nonce"]
    assert begun.callback().status_code == 302


def test_a_dance_with_an_issuer_does_not_log_or_print_a_secret(
    issuer, begin, user, responses, caplog
):
    caplog.set_level("DEBUG")
    begun = begin()
    begun.callback()
    responses.get("https://id.example.com/userinfo", json={"sub": "248289761001"})
    session = providers["id"].session(user=user)
    session.userinfo()
    signed = str(session.token["id_token"])
    for secret in ("planted", begun.asked["state"], begun.asked["nonce"], signed):
        assert secret not in caplog.text
        assert secret not in repr(session.token)


@pytest.fixture
def without_keys(session, issuer, responses):
    """A refresh that brings an ID token when the keys to check it cannot be had."""
    responses.get("https://api.example.com/x", json={})
    issuer.answer = {"access_token": "planted-2", "refresh_token": "planted-rotated"}
    issuer.claims = {"name": "Eve"}
    discovery.forget()  # another process, which has not asked for them yet
    responses.replace("GET", "https://id.example.com/keys", status=503)
    return session


def test_a_refreshed_token_is_stored_if_its_id_token_cannot_be_checked(without_keys):
    assert without_keys.get("/x").ok
    assert OAuthToken.objects.get().token["refresh_token"] == "planted-rotated"


def test_an_unchecked_id_token_does_not_replace_the_stored_claims(without_keys):
    before = without_keys.token
    without_keys.get("/x")
    assert without_keys.token["access_token"] == "planted-2"
    assert without_keys.token["id_token"] == before["id_token"]
    assert without_keys.id_claims["name"] == "Ada"


# --- the guide ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amr", "status"), [(["pwd", "otp"], 302), (["pwd"], 403), (None, 403)])
def test_the_receiver_in_the_guide_checks_amr(issuer, begin, amr, status):
    guide = (Path(__file__).parents[2] / "docs" / "oidc.md").read_text("utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", guide, re.S) if "amr" in block]
    recipe = {}
    exec(code.replace('"company"', '"id"'), recipe)
    issuer.claims = {"amr": amr}
    try:
        assert begin().callback().status_code == status
    finally:
        oauth_authorized.disconnect(recipe["check_login"])
    assert OAuthToken.objects.exists() == (status == 302)


def logout(session, **options):
    return query(session.logout_url(**options))


@pytest.mark.parametrize(("length", "hint"), [(4096, "id_token_hint"), (4097, "logout_hint")])
def test_a_long_id_token_is_not_in_the_address_of_a_logout(issuer, begin, user, length, hint):
    assert begin().callback().status_code == 302
    session = providers["id"].session(user=user)
    session.token = {**session.token.fields_to_store, "id_token": "x" * length}
    asked = logout(session)
    assert asked.keys() == {"client_id", hint}
    assert asked["client_id"] == "id-client"
    assert asked[hint] in ("x" * length, "248289761001")


def test_the_caller_may_choose_the_hint_of_a_logout(issuer, begin, user):
    assert begin().callback().status_code == 302
    session = providers["id"].session(user=user)
    token = session.token.fields_to_store
    session.token = {**token, "id_token": "x" * 9000}
    assert logout(session, id_token_hint=True)["id_token_hint"] == "x" * 9000
    session.token = token
    assert "id_token_hint" not in logout(session, id_token_hint=False)
    assert logout(session, id_token_hint=False)["logout_hint"] == "248289761001"


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "ada@example.com"}, "ada@example.com"),
        ({"email": "ada@example.com", "preferred_username": "ada"}, "ada"),
        ({"preferred_username": "ada", "login_hint": "opaque"}, "opaque"),
        ({"email": ["ada"]}, "248289761001"),
    ],
    ids=str,
)
def test_the_hint_of_a_logout_is_the_name_that_the_provider_knows(
    issuer, begin, user, claims, name
):
    issuer.claims = claims
    assert begin().callback().status_code == 302
    session = providers["id"].session(user=user)
    assert logout(session, id_token_hint=False)["logout_hint"] == name


@pytest.mark.parametrize("hint", [None, True, False])
def test_a_logout_without_a_token_has_no_hint(issuer, user, hint):
    asked = logout(providers["id"].session(user=user), id_token_hint=hint)
    assert asked == {"client_id": "id-client"}


# --- sign-in --------------------------------------------------------------------------------------


@pytest.fixture
def sign_in(issuer, settings):
    """Sign-in is on. Returns the callback of a browser, of which the issuer names a subject."""
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        "django_dance.backends.ConnectedAccountBackend",
    ]
    settings.DANCE_PROVIDERS = {"id": {**settings.DANCE_PROVIDERS["id"], "SIGN_IN": True}}

    def sign_in(browser, **claims):
        issuer.claims = claims
        dance = Dance(browser, "id")
        issuer.nonce = dance.asked["nonce"]
        return dance.callback(provider="id")

    return sign_in


def test_a_visitor_signs_in_as_the_user_of_the_subject(sign_in, member, user):
    sign_in(member, sub="ada")
    row = OAuthToken.objects.get()
    assert (row.may_sign_in, row.issuer, row.account) == (True, ISSUER, "ada")
    visitor = Browser()
    assert sign_in(visitor, sub="ada").status_code == 302
    assert visitor.session["_auth_user_id"] == str(user.pk)
    other = Browser()
    assert sign_in(other, sub="grace").context["code"] == "sign_in_unknown"
    assert "_auth_user_id" not in other.session


def test_the_same_subject_of_another_issuer_signs_no_one_in(sign_in, issuer, member, settings):
    sign_in(member, sub="ada")
    elsewhere = "https://id.example.com/other"
    options = {**settings.DANCE_PROVIDERS["id"], "ISSUER": elsewhere}
    settings.DANCE_PROVIDERS = {"id": options}
    issuer.metadata["issuer"] = elsewhere
    issuer.responses.add_callback(
        "GET",
        f"{elsewhere}/.well-known/openid-configuration",
        lambda r: (200, {}, json.dumps(issuer.metadata)),
    )
    visitor = Browser()
    response = sign_in(visitor, sub="ada", iss=elsewhere)
    assert response.context["code"] == "sign_in_unknown"
    assert "_auth_user_id" not in visitor.session


def test_an_account_that_the_id_token_does_not_name_signs_no_one_in(
    sign_in, issuer, member, settings
):
    sign_in(member, sub="ada")
    options = {**settings.DANCE_PROVIDERS["id"], "ACCOUNT_URL": "https://api.example.com/me"}
    settings.DANCE_PROVIDERS = {"id": options}
    issuer.responses.get("https://api.example.com/me", json={"sub": "ada"})
    visitor = Browser()
    assert sign_in(visitor, sub="mallory").context["code"] == "account_unknown"
    assert "_auth_user_id" not in visitor.session
