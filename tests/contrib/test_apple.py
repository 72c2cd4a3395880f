"""Apple: a client secret that the site signs, and a callback by form."""

import time

import jwt
import pytest
from django.core.exceptions import ImproperlyConfigured

from django_dance.models import OAuthToken
from django_dance.providers import providers

from .. import keys
from ..catalogue import PRESETS
from ..conftest import Dance
from .conftest import GRANTED, SETTINGS, Identifying, calls_to, form_fields, revoke_token

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def apple_secret(responses):
    """The client secret of the token request."""
    (call,) = calls_to(responses, "https://appleid.apple.com/auth/token")
    return form_fields(call)["client_secret"]


@pytest.fixture
def apple_grant(site, responses):
    """The requests to the token endpoint."""
    provider = site("apple", team_id="TEAM012345", key_id="KEY0123456")
    responses.post(provider.token_url, json=GRANTED)
    provider.grant(provider.token_url, {}, provider.get_client_credentials(None))
    return responses


def test_apples_client_secret_is_signed_with_the_sites_key(apple_grant):
    secret = apple_secret(apple_grant)
    jwt.decode(secret, keys.EC256.public_key(), ["ES256"], audience="https://appleid.apple.com")


def test_apples_client_secret_names_team_client_and_apple(apple_grant):
    claims = jwt.decode(apple_secret(apple_grant), options={"verify_signature": False})
    assert (claims["iss"], claims["sub"]) == ("TEAM012345", "the client")
    assert claims["aud"] == "https://appleid.apple.com"


def test_apples_client_secret_names_its_key(apple_grant):
    header = jwt.get_unverified_header(apple_secret(apple_grant))
    assert (header["alg"], header["kid"]) == ("ES256", "KEY0123456")


def test_apples_client_secret_is_valid_for_five_minutes(apple_grant):
    claims = jwt.decode(apple_secret(apple_grant), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 300
    assert abs(claims["iat"] - time.time()) < 60


def test_apples_key_is_not_sent(apple_grant):
    assert (
        SETTINGS["PRIVATE_KEY"].split("\n")[1]
        not in form_fields(apple_grant.calls[0])["client_secret"]
    )
    assert set(form_fields(apple_grant.calls[0])) == {"client_id", "client_secret"}


def test_apples_revocation_has_a_signed_client_secret(connected, responses):
    responses.post("https://appleid.apple.com/auth/revoke")
    revoke_token(connected("apple"))
    sent = form_fields(responses.calls[0])
    assert sent["token"] == "planted-refresh"
    jwt.decode(
        sent["client_secret"], keys.EC256.public_key(), ["ES256"], audience=PRESETS["apple"].issuer
    )


def test_without_apples_key_the_error_names_the_setting(site, settings):
    provider = site("apple")
    settings.APPLE_OAUTH_PRIVATE_KEY = ""
    with pytest.raises(ImproperlyConfigured, match="set APPLE_OAUTH_PRIVATE_KEY"):
        provider.get_client_credentials(None)


@pytest.mark.parametrize(
    "key",
    [
        "no key",
        keys.PUBLIC,
        keys.PRIVATE,
        keys.pem(keys.EC384),
        keys.pem(keys.EC256)[:-60],
    ],
    ids=["no PEM", "a public key", "an RSA key", "another curve", "cut short"],
)
def test_the_error_of_an_invalid_apple_key_names_the_setting(site, settings, key):
    provider = site("apple")
    settings.APPLE_OAUTH_PRIVATE_KEY = key
    with pytest.raises(ImproperlyConfigured, match="APPLE_OAUTH_PRIVATE_KEY is no P-256") as caught:
        provider.grant(provider.token_url, {}, provider.get_client_credentials(None))
    assert key not in str(caught.value)


@pytest.mark.parametrize("fact", ["team_id", "key_id"])
def test_apple_requires_a_team_and_a_key(fact):
    provider = PRESETS["apple"]("apple", **{"team_id": "T", "key_id": "K", fact: ""})
    (problem,) = provider.problems()
    assert problem.id == "django_dance.E003"
    assert f"has no {fact.upper()}" in problem.message


def test_apple_sends_the_callback_as_a_form(site, member, responses, user):
    apple = Identifying(responses, site("apple"))
    dance = Dance(member, "apple")
    assert dance.asked["response_mode"] == "form_post"
    apple.claims |= {"iss": "https://appleid.apple.com", "nonce": dance.asked["nonce"]}
    fields = {"state": dance.asked["state"], "code": "planted-code", "user": '{"name": {}}'}
    posted = member.post("/login/apple/authorized/", fields)
    assert not OAuthToken.objects.exists()
    member.get(posted["Location"])
    assert providers["apple"].session(user=user).id_claims["sub"] == "248289761001"
