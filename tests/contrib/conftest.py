"""A site with one preset, and the provider that answers it."""

import base64
import json
import sys
import time
import types
from urllib.parse import parse_qsl

import jwt
import pytest
from django.urls import include, path

from django_dance.models import OAuthToken
from django_dance.providers import OAuth1Provider, discovery, providers

from .. import keys
from ..catalogue import PRESETS, required

#: The value of each setting of a preset, by the end of the setting's name.
SETTINGS = {
    "CLIENT_ID": "the client",
    "CLIENT_SECRET": "planted-client-secret",
    "CONSUMER_KEY": "the client",
    "API_KEY": "planted-api-key",
    "RSA_KEY": keys.PRIVATE,
    "PRIVATE_KEY": keys.pem(keys.EC256),
}


GRANTED = {
    "access_token": "planted-access",
    "refresh_token": "planted-refresh",
    "token_type": "bearer",
    "expires_in": 3600,
}


@pytest.fixture
def site(settings, monkeypatch):
    """Makes a preset the one provider of this site."""

    def make(name, **options):
        cls = PRESETS[name]
        stated = {**required(name, cls), **options}
        settings.DANCE_PROVIDERS = {
            name: {"PROVIDER": cls, **{option.upper(): stated[option] for option in stated}}
        }
        for setting in providers[name].from_config.values():
            setattr(settings, setting, SETTINGS[setting.partition("_OAUTH_")[2]])
        urls = types.ModuleType(f"tests.urls_of_{name}")
        urls.urlpatterns = [path("login/", include("django_dance.urls"))]
        monkeypatch.setitem(sys.modules, urls.__name__, urls)
        settings.ROOT_URLCONF = urls.__name__
        return providers[name].current()

    discovery.forget()
    yield make
    discovery.forget()


#: Routes for the presets that call an address which no fact states.
ROUTES = {
    "docusign": [
        (
            "GET",
            "https://account.docusign.com/oauth/userinfo",
            {
                "sub": "ada",
                "accounts": [{"is_default": True, "base_uri": "https://eu.docusign.net"}],
            },
        )
    ],
    "hubspot": [
        (
            "POST",
            "https://api.hubapi.com/oauth/2026-03/token/introspect",
            {"hub_id": 1, "user_id": 2},
        )
    ],
    "mailchimp": [
        ("GET", "metadata", {"api_endpoint": "https://us6.api.mailchimp.com", "user_id": 1})
    ],
}
#: The fields of a grant beyond the standard ones, for presets whose facts need them.
TOKEN_FIELDS = {
    "salesforce": {"instance_url": "https://acme.my.salesforce.com"},
    "square": {"expires_in": None, "expires_at": "2099-01-01T00:00:00Z"},
    "zoho": {"api_domain": "https://www.zohoapis.eu"},
}


@pytest.fixture
def fake_preset(site, fake_provider):
    """Makes a preset the one provider of this site, and opens a fake provider for it."""

    def open_fake(name, **options):
        served = options.pop("served", False)
        site(name, **options)
        fake = fake_provider(name, served=served)
        assert not providers[name].problems()
        if not served:  # the fields name the real hosts
            fake.token_fields = dict(TOKEN_FIELDS.get(name, {}))
        for route in ROUTES.get(name, []):
            fake.route(*route)
        return fake

    return open_fake


@pytest.fixture
def connected(site, user):
    """Makes a preset the one provider, and gives the user a token of it."""

    def connect(name, token=None, **options):
        provider = site(name, **options)
        session = providers[name].session(user=user)
        if isinstance(provider, OAuth1Provider):
            granted = {"oauth_token": "planted-token", "oauth_token_secret": "planted-secret"}
        else:
            granted = GRANTED
        fields = {**granted, **(token or {})}
        session.token = {field: value for field, value in fields.items() if value is not None}
        return session

    return connect


def revoke_token(session):
    """Revoke the token; ``disconnect()`` would hide an error of the provider."""
    session.provider.revoke(session.owner, session.token)


def form_fields(call):
    body = call.request.body
    return dict(parse_qsl(body.decode() if isinstance(body, bytes) else body))


def basic_credentials(call):
    scheme, _, pair = call.request.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(pair).decode()


def calls_to(responses, url):
    return [call for call in responses.calls if call.request.url.startswith(url)]


def with_field(answer, path, value):
    """A copy of the answer with another value at ``path``; ``...`` removes the field."""
    answer = json.loads(json.dumps(answer))
    *parents, last = path.split(".")
    inner = answer
    for name in parents:
        inner = inner[int(name) if isinstance(inner, list) else name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return answer


def expire_token(session):
    """Expire the stored token; a new session that reads it."""
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": 1}
    row.save()
    return providers[session.provider.name].session(user=session.owner.user)


class Identifying:
    """The keys of an issuer, and a token endpoint that grants an ID token signed by them."""

    def __init__(self, responses, provider):
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(keys.RSA.public_key()))
        responses.get(provider.jwks_url, json={"keys": [{**public, "kid": "k", "use": "sig"}]})
        responses.add_callback("POST", provider.token_url, self.grant)
        self.key, self.claims = keys.RSA, {"aud": provider.client_id, "sub": "248289761001"}

    def grant(self, request):
        now = time.time()
        claims = {"exp": now + 300, "iat": now, **self.claims}
        signed = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "k"})
        return 200, {}, json.dumps({**GRANTED, "id_token": signed})


def assert_refused(response, events, code):
    assert response.status_code in (400, 403), response.content
    assert events.codes == [code]
    assert not OAuthToken.objects.exists()


def grant(provider, responses, answer):
    responses.post(provider.token_url, json=answer)
    return provider.grant(provider.token_url, {}, provider.get_client_credentials(None))
