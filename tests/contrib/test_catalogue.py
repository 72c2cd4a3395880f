"""One dance with every preset, against a provider that answers as the preset's facts say.

Only quirks have tests of their own, below.
"""

import base64
import json
import sys
import time
import types
from urllib.parse import parse_qsl, quote_plus, urlsplit

import jwt
import pytest
from django.urls import include, path
from responses.matchers import query_param_matcher

from django_dance.models import OAuthToken
from django_dance.providers import (
    OAuth1Provider,
    OAuth2Provider,
    OIDCProvider,
    discovery,
    providers,
)

from .. import keys
from ..catalogue import PRESETS, required
from ..conftest import query

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

#: The fields of a grant beyond the standard ones, for presets whose facts need them.
GRANTED = {
    "mailchimp": {},
    "salesforce": {"instance_url": "https://acme.my.salesforce.com"},
    "stripe": {"stripe_user_id": "acct_planted"},
    "square": {"expires_in": None, "expires_at": "2099-01-01T00:00:00Z"},
    "zoho": {"api_domain": "https://www.zohoapis.eu"},
}
#: The presets whose own code has its own tests, and the subject of those tests.
QUIRKS = {
    "callback_uri": {"ebay"},
    "client_auth": {"apple"},
}


@pytest.fixture(params=sorted(PRESETS))
def preset(request, settings):
    """A site whose one provider is the preset."""
    name, cls = request.param, PRESETS[request.param]
    options = {option.upper(): value for option, value in required(name, cls).items()}
    settings.DANCE_PROVIDERS = {name: {"PROVIDER": cls, **options}}
    for setting in providers[name].from_config.values():
        pem = {"RSA_KEY": keys.PRIVATE, "PRIVATE_KEY": keys.pem(keys.EC256)}
        text = next((pem[end] for end in pem if setting.endswith(end)), None)
        setattr(settings, setting, text or f"planted-{setting.lower()}")
    urls = types.ModuleType(f"tests.urls_of_{name}")
    urls.urlpatterns = [path("login/", include("django_dance.urls"))]
    sys.modules[urls.__name__] = urls
    settings.ROOT_URLCONF = urls.__name__
    discovery.forget()
    yield providers[name].current()
    del sys.modules[urls.__name__]
    discovery.forget()


def fields_of(request):
    """The parameters of a request to a token endpoint, each once."""
    if request.method == "GET":
        return dict(parse_qsl(urlsplit(request.url).query, strict_parsing=True))
    body = request.body.decode() if isinstance(request.body, bytes) else request.body or ""
    if request.headers.get("Content-Type", "").startswith("application/json"):
        return json.loads(body)
    pairs = parse_qsl(body, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


class FakeProvider:
    """Answers as the facts of a preset say, and records the requests."""

    def __init__(self, provider, responses):
        self.provider, self.asked, self.count, self.nonce = provider, [], 0, None
        for fact in ("token_url", "access_token_url", "request_token_url"):
            if url := getattr(provider, fact, None):
                address, _, sent = url.partition("?")
                exactly = [query_param_matcher(dict(parse_qsl(sent)))] if sent else ()
                responses.add_callback("POST", address, getattr(self, fact), match=exactly)
        refresh_url = getattr(provider, "auto_refresh_url", None)
        if refresh_url and refresh_url != provider.token_url:
            method = "GET" if provider.refresh_params else "POST"
            responses.add_callback(method, refresh_url, self.token_url)
        if url := getattr(provider, "exchange_url", None):
            responses.add_callback("GET", url, self.token_url)
        if url := getattr(provider, "revocation_url", None):
            url = url.replace("{client_id}", provider.client_id)
            method = "POST" if provider.revocation_auth == "client" else provider.revocation_method
            if (method, url) != ("POST", provider.token_url):
                responses.add_callback(method, url, self.revocation_url)
        responses.get(
            "https://login.mailchimp.com/oauth2/metadata",
            json={"api_endpoint": "https://us6.api.mailchimp.com", "dc": "us6"},
        )
        if isinstance(provider, OIDCProvider):
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(keys.RSA.public_key()))
            keys_url = provider.jwks_url or f"{provider.issuer}/keys"
            responses.get(keys_url, json={"keys": [{**public, "kid": "k", "use": "sig"}]})
            well_known = (
                provider.discovery_url
                or f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
            )
            self.published = {
                "issuer": provider.issuer,
                "authorization_endpoint": f"{provider.issuer}/authorize",
                "token_endpoint": f"{provider.issuer}/token",
                "jwks_uri": keys_url,
            }
            responses.get(well_known, json=self.published)
            if not provider.token_url:
                responses.add_callback("POST", self.published["token_endpoint"], self.token_url)

    def token_url(self, request):
        self.asked.append(request)
        self.count += 1
        provider, now = self.provider, time.time()
        fields = {
            "access_token": f"planted-access-{self.count}",
            "refresh_token": f"planted-refresh-{self.count}",
            "token_type": provider.token_type,
            "expires_in": 3600,
            **GRANTED.get(provider.name, {}),
        }
        if self.nonce:
            claims = {
                "iss": provider.issuer_of(TENANT),
                "aud": provider.client_id,
                "sub": "248289761001",
                "acr": getattr(provider, "acr_values", None),
            }
            claims |= {"exp": now + 300, "iat": now, "nonce": self.nonce, **TENANT}
            fields["id_token"] = jwt.encode(
                claims, keys.RSA, algorithm="RS256", headers={"kid": "k"}
            )
        fields = {name: value for name, value in fields.items() if value is not None}
        for name in filter(None, reversed(provider.token_path.split("."))):
            fields = {name: fields}
        if provider.token_format == "form":
            return 200, {}, "&".join(f"{k}={quote_plus(str(v))}" for k, v in fields.items())
        return 200, {}, json.dumps(fields)

    def revocation_url(self, request):
        self.asked.append(request)
        return 200, {}, ""

    def request_token_url(self, request):
        self.asked.append(request)
        body = "oauth_token=planted-temp&oauth_token_secret=s&oauth_callback_confirmed=true"
        return 200, {}, body

    def access_token_url(self, request):
        self.asked.append(request)
        return 200, {}, "oauth_token=planted-token&oauth_token_secret=planted-secret"


#: A tenant, for the issuers that name one.
TENANT = {"tid": "11111111-2222-3333-4444-555555555555"}


def client_authentication(provider, request):
    """The way in which the client authenticated, for comparison with the facts of the preset."""
    fields, header = fields_of(request), request.headers.get("Authorization", "")
    client = provider.client_id, fields.get(provider.client_secret_param)
    if header.startswith("Basic "):
        pair = base64.b64decode(header.removeprefix("Basic ")).decode()
        expected = f"{quote_plus(provider.client_id)}:{quote_plus(provider.client_secret)}"
        assert pair == expected or not provider.client_auth_urlencoded
        assert provider.client_secret_param not in fields
        return "basic"
    assert not header
    assert fields[provider.client_id_param] == client[0]
    return "post" if client[1] else "none"


def refreshable(user, provider):
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": 1}
    row.save()
    return providers[provider.name].session(user=user)


def test_every_preset_finishes_a_dance(preset, member, user, responses):
    if isinstance(preset, OAuth1Provider):
        dance_1(preset, member, user, responses)
    else:
        dance_2(preset, member, user, responses)


def dance_1(provider, member, user, responses):
    fake = FakeProvider(provider, responses)
    url = member.get(f"/login/{provider.name}/")["Location"]
    assert url.startswith(provider.authorization_url)
    assert query(url)["oauth_token"] == "planted-temp"
    back = {"oauth_token": "planted-temp", "oauth_verifier": "v"}
    assert member.get(f"/login/{provider.name}/authorized/", back).status_code == 302
    for request in fake.asked:
        assert request.headers["Authorization"].startswith("OAuth ")
        assert (
            f'oauth_signature_method="{provider.signature_method}"'
            in (request.headers["Authorization"])
        )
    call_the_api(provider, user, responses, 'oauth_token="planted-token"')


def dance_2(provider, member, user, responses):
    fake = FakeProvider(provider, responses)
    response = member.get(f"/login/{provider.name}/")
    assert response.status_code == 302, response.content
    url = response["Location"]
    asked = query(url)
    assert url.startswith(provider.endpoint("authorization_url").partition("?")[0])
    assert asked[provider.client_id_param] == provider.client_id
    assert asked["response_type"] == "code"
    assert len(asked["state"]) == 43
    if provider.name not in QUIRKS["callback_uri"]:
        assert asked["redirect_uri"] == f"https://testserver/login/{provider.name}/authorized/"
    assert asked.get("code_challenge_method") == provider.pkce
    scopes = provider.scope.split() if isinstance(provider.scope, str) else provider.scope or []
    if isinstance(provider.scope, str):
        assert (
            asked.get(provider.scope_param, "").replace(provider.scope_separator, " ").split()
            == provider.scope.replace(",", " ").split()
        )
    if "openid" in (scopes or []) and isinstance(provider, OIDCProvider):
        fake.nonce = asked["nonce"]

    fields = {"state": asked["state"], "code": "planted-code"}
    back = f"/login/{provider.name}/authorized/"
    if provider.response_mode == "form_post":
        response = member.get(member.post(back, fields)["Location"])
    else:
        if provider.authorization_response_iss:
            fields["iss"] = provider.issuer
        response = member.get(back, fields)
    assert response.status_code == 302, response.content
    exchange, *exchanged = fake.asked
    assert len(exchanged) == bool(provider.exchange_url)
    assert exchange.method == "POST"
    sent = fields_of(exchange)
    assert sent["grant_type"] == "authorization_code" and sent["code"] == "planted-code"
    assert ("code_verifier" in sent) == (provider.pkce is not None)
    if provider.name not in QUIRKS["client_auth"]:
        assert client_authentication(provider, exchange) == provider.client_auth
    for header, value in provider.token_headers.items():
        assert exchange.headers[header] == value

    count = len(fake.asked)
    session = call_the_api(provider, user, responses, f"planted-access-{count}")
    if provider.auto_refresh_url is not None:
        session = refreshable(user, provider)
        fake.nonce = None
        session.get("planted")
        sent = fields_of(fake.asked[count])
        if provider.refresh_params:
            assert sent["access_token"] == f"planted-access-{count}"
        else:
            assert sent["grant_type"] == "refresh_token"
            assert sent["refresh_token"] == f"planted-refresh-{count}"
        assert session.access_token == f"planted-access-{count + 1}"
    if type(provider).revoke is OAuth2Provider.revoke:
        before = len(fake.asked)
        session.disconnect()
        assert not OAuthToken.objects.exists()
        assert len(fake.asked) - before == bool(provider.endpoint("revocation_url"))
        if len(fake.asked) > before:
            check_revocation(provider, fake.asked[-1])


def check_revocation(provider, request):
    kind = provider.revocation_token
    token = f"planted-{kind.partition('_')[0]}"
    if provider.revocation_auth == "token":
        assert request.method == provider.revocation_method
        assert "planted-access" in request.headers[provider.token_header]
    if provider.revocation_params:
        assert fields_of(request).keys() == provider.revocation_params.keys()
    elif provider.revocation_param:
        assert fields_of(request)[provider.revocation_param].startswith(token)


def call_the_api(provider, user, responses, token):
    """One call to where the facts say that the token belongs."""
    session = providers[provider.name].session(user=user)
    url = session.absolute_url("planted")
    assert url.startswith(session.base_url)
    responses.get(url, json={})
    assert session.get("planted").ok
    sent = responses.calls[-1].request
    assert token in sent.headers[provider.token_header]
    for header, value in provider.request_headers.items():
        assert sent.headers[header] == value
    assert urlsplit(sent.url).scheme == "https"
    return session


def test_there_are_at_least_a_hundred_presets():
    assert len(PRESETS) >= 100
