"""One dance with every preset, against a provider that answers as the preset's facts say.

Only quirks have tests of their own.
"""

import pytest

from django_dance.models import OAuthToken
from django_dance.providers import OAuth1Provider, OAuth2Provider, providers

from ..catalogue import PRESETS
from .conftest import expire_token

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

#: The presets whose own code has its own tests, and the subject of those tests.
QUIRKS = {
    "callback_uri": {"ebay"},
    "client_auth": {"apple"},
}


@pytest.fixture(params=sorted(PRESETS))
def fake(request, fake_preset):
    fake = fake_preset(request.param)
    fake.route("GET", "planted", {})
    return fake


def only(requests):
    (request,) = requests
    return request


def client_authentication(fake, request):
    """The way in which the client authenticated, for comparison with the facts of the preset."""
    facts, fields = fake.facts, request.fields()
    if request.headers.get("Authorization", "").startswith("Basic "):
        assert facts.client_secret_param not in fields
        return "basic"
    assert "Authorization" not in request.headers
    assert fields[facts.client_id_param] == fake.client_id
    return "post" if fields.get(facts.client_secret_param) else "none"


def test_every_preset_finishes_a_dance(fake, member, user):
    response = fake.dance(member)
    assert response.status_code == 302, response.content
    check_authorization_request(fake)
    if isinstance(fake.facts, OAuth1Provider):
        check_signatures(fake)
    else:
        check_token_request(fake)
    check_call(fake, providers[fake.name].session(user=user))
    if not isinstance(fake.facts, OAuth1Provider) and fake.facts.auto_refresh_url is not None:
        check_refresh(fake)
    check_disconnect(fake, user)


def check_authorization_request(fake):
    provider, request = providers[fake.name].current(), only(fake.requests_to("authorization"))
    stated = provider.authorization_url or provider.endpoint("authorization_url")
    assert request.url == stated.partition("?")[0]
    asked = dict(request.query)
    assert len(asked) == len(request.query)
    if isinstance(provider, OAuth1Provider):
        return
    assert len(asked["state"]) == 43
    if fake.name not in QUIRKS["callback_uri"]:
        assert asked["redirect_uri"] == f"https://testserver/login/{fake.name}/authorized/"
    assert asked.get("code_challenge_method") == provider.pkce
    if isinstance(provider.scope, str):
        scopes = asked.get(provider.scope_param, "").replace(provider.scope_separator, " ").split()
        assert scopes == provider.scope.replace(",", " ").split()


def check_signatures(fake):
    for request in fake.requests_to("token"):
        header = request.headers["Authorization"]
        assert header.startswith("OAuth ")
        assert f'oauth_signature_method="{fake.facts.signature_method}"' in header


def check_token_request(fake):
    facts, (exchange, *renewed) = fake.facts, fake.requests_to("token")
    assert len(renewed) == bool(facts.exchange_url)
    assert exchange.method == "POST"
    as_json = exchange.headers["Content-Type"].startswith("application/json")
    assert as_json == (facts.token_request_format == "json")
    if not as_json:
        assert len(dict(exchange.form)) == len(exchange.form)
    sent = exchange.fields()
    assert sent["grant_type"] == "authorization_code"
    assert ("code_verifier" in sent) == (facts.pkce is not None)
    if fake.name not in QUIRKS["client_auth"]:
        assert client_authentication(fake, exchange) == facts.client_auth
    for header, value in facts.token_headers.items():
        assert exchange.headers[header] == value


def check_call(fake, session):
    """One call to where the facts say that the token belongs."""
    assert session.absolute_url("planted").startswith(session.base_url)
    assert session.get("planted").ok
    sent = fake.assert_called("GET", "planted", times=1)
    assert sent.target.startswith("https://")
    for header, value in session.provider.request_headers.items():
        assert sent.headers[header] == value


def check_refresh(fake):
    row = OAuthToken.objects.get()
    before = row.token
    session = expire_token(providers[fake.name].session(user=row.user))
    session.get("planted")
    sent = fake.requests_to("token")[-1].fields()
    if session.provider.refresh_params:
        assert sent["access_token"] == before["access_token"]
    else:
        assert sent["grant_type"] == "refresh_token"
        assert sent["refresh_token"] == before["refresh_token"]
    assert session.access_token != before["access_token"]
    fake.assert_refreshed()


def check_disconnect(fake, user):
    session = providers[fake.name].session(user=user)
    facts, token = session.provider, session.token
    session.disconnect()
    assert not OAuthToken.objects.exists()
    if type(facts).revoke is not OAuth2Provider.revoke:
        return
    revocable = bool(facts.endpoint("revocation_url"))
    fake.assert_revoked(times=int(revocable))
    if revocable:
        check_revocation(fake, token, only(fake.requests_to("revocation")))


def check_revocation(fake, token, request):
    facts, sent = fake.facts, request.fields()
    if facts.revocation_auth == "token":
        assert request.method == facts.revocation_method
        assert token["access_token"] in request.headers[facts.token_header]
    if facts.revocation_params:
        assert sent.keys() == facts.revocation_params.keys()
    elif facts.revocation_param:
        # A provider that grants no refresh token revokes the access token.
        expected = token.get(facts.revocation_token) or token["access_token"]
        assert sent[facts.revocation_param] == expected
    assert [grant.ended for grant in fake.grants] == [True]


def test_there_are_at_least_a_hundred_presets():
    assert len(PRESETS) >= 100
