"""Sites and tenants that share a cache: the server's entries, and a list of all keys and seals."""

import hashlib
import os
import random
import re
import sys

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieSession
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.db import connection
from django.test import RequestFactory
from django.urls import include, path

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.server import AuthorizationServer, bind_cache_grant, bind_models
from django_dance.server.models import Client, Token
from django_dance.storage import SessionStorage
from django_dance.tokens import ResourceOwner
from django_dance.tokens import sealing as crypto

from ..cache.test_tenants import WAYS, on_the_connection
from ..caches import RecordingCache
from ..conftest import GRANTED, TOKEN_URL, Browser, Dance
from .conftest import Application, assert_invalid_grant, is_alive, make_server, serve
from .site import MODELS, SCOPES

pytestmark = pytest.mark.django_db(transaction=True)

# --- a token and a code of another tenant ---------------------------------------------------------


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def enter(request, monkeypatch, settings):
    return request.param(monkeypatch, settings)


def test_a_cached_token_of_one_tenant_is_refused_at_another(app, member, settings, enter):
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    enter("alpha")
    token = app.token(member)["access_token"]
    assert is_alive(app, token)
    Token.objects.all()._raw_delete("default")  # the table of the tenant beta is another one
    assert is_alive(app, token)
    enter("beta")
    assert not is_alive(app, token)


def test_a_code_of_one_tenant_is_refused_at_another(app, member, settings, enter):
    own = make_server()
    bind_cache_grant(own)
    serve(settings, own)
    enter("alpha")
    code = app.code(member)
    enter("beta")
    assert_invalid_grant(app.redeem(code))
    enter("alpha")
    assert app.redeem(code).status_code == 200


@pytest.mark.parametrize("enter", WAYS[:-1], indirect=True)
def test_a_user_who_is_saved_in_another_schema_invalidates_the_entry(
    app, member, user, settings, enter
):
    """The table of the users may be in a schema that all tenants of a site share."""
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    enter("alpha")
    token = app.token(member)["access_token"]
    assert is_alive(app, token)
    enter("public")
    user.is_active = False
    user.save()
    enter("alpha")
    assert not is_alive(app, token)


# --- every key and every seal ---------------------------------------------------------------------

SITE = ("database", "schema", "site key")
ALL = {*SITE, "user", "provider", "issuer"}
_CLIENT = {"issuer": "The client has no issuer; an entry names the provider."}
_SERVER = {"provider": "The server has no providers; an entry names the server and its issuer."}
_TOKEN = {
    **_SERVER,
    "user": "The token or code is looked up to find the user. It is random, and so is its digest.",
}
_VOIDS = {
    **_SERVER,
    **dict.fromkeys(
        ("database", "schema", "issuer"),
        "A mark only voids entries. The code that saves a user does not know which servers and "
        "tenants read the user's table.",
    ),
}
_NO_CACHE = dict.fromkeys(
    (*SITE, "issuer"), "It is no cache entry; values that an older version has sealed must open."
)

#: The cache keys and the seals of the flows below. Each has the parts that its name does not depend
#: on, and the reasons. A hexadecimal digest is ``*``.
KINDS = {
    "key django_dance:generation:{*}": _CLIENT,
    "key django_dance:token:{*}:*": _CLIENT,
    "key django_dance:parked:{*}:*": _CLIENT,
    "key django_dance:spent:*": _CLIENT,
    "key django_dance:lease:*": _CLIENT,
    "key django_dance:follows:*": _CLIENT,
    "key django_dance:server:token:*": _TOKEN,
    "key django_dance:server:changed:user:*": _VOIDS,
    "key django_dance:server:changed:client:*": {**_VOIDS, "user": "A client is no user."},
    "key django_dance:server:changed:family:*": {
        **_VOIDS,
        "user": "A family is the random name of one user's tokens.",
    },
    "key django_dance:grant:*": _TOKEN,
    "key django_dance:grant:*:used": _TOKEN,
    "key django_dance:grant:revoked:*": _SERVER,
    "key django_dance:server:wrong_secrets:*": {**_SERVER, "user": "A client is no user."},
    "key django_dance:server:right_secret:*": {**_SERVER, "user": "A client is no user."},
    "key django_dance:server:wrong_verifiers:*": _TOKEN,
    "seal cache": _CLIENT,
    "seal server token": _TOKEN,
    "seal server grant": _TOKEN,
    "seal token": _NO_CACHE,
    "seal session": _NO_CACHE,
    "seal flow": dict.fromkeys(
        ALL, "The cookie is named after a digest of its random state, and it is no cache entry."
    ),
}

BEFORE = {
    "database": "main",
    "schema": "alpha",
    "site key": "production",
    "user": 1,
    "provider": "github",
    "issuer": "https://testserver",
}
AFTER = {
    "database": "other",
    "schema": "beta",
    "site key": "staging",
    "user": 2,
    "provider": "hub",
    "issuer": "https://other.example",
}


class Chance:
    """The operating system's random bytes, the same in each run."""

    def __init__(self):
        self.count = 0

    def __call__(self, size):
        self.count += 1
        return hashlib.shake_256(str(self.count).encode()).digest(size)


@pytest.fixture
def record(monkeypatch, settings, responses):
    """Runs the flows, and returns the names that they have used: (kind, name)."""
    github = {"PROVIDER": "django_dance.contrib.github.GitHub"}
    settings.DANCE_PROVIDERS = {"github": github, "hub": github}
    settings.HUB_OAUTH_CLIENT_ID = "github-client"
    settings.HUB_OAUTH_CLIENT_SECRET = "planted-github-client-secret"
    settings.CACHES = {"default": {"BACKEND": "tests.caches.RecordingCache", "LOCATION": "list"}}
    settings.DANCE_CACHE = settings.DANCE_SERVER_TOKEN_CACHE = "default"
    monkeypatch.setattr("django_dance.server.token_cache._SKEW", 0)  # else nothing is cached yet
    monkeypatch.setattr("django_dance.server.limits.WINDOW", 10**10)  # else the names would change
    responses.post(TOKEN_URL, json=GRANTED)
    responses.get("https://api.github.com/user", json={"id": 1, "login": "planted"})
    responses.delete("https://api.github.com/applications/github-client/token", status=204)

    seals = []
    seal = crypto.seal

    def recording(plaintext, *, purpose, identity):
        seals.append((f"seal {purpose}", identity))
        return seal(plaintext, purpose=purpose, identity=identity)

    for name, module in list(sys.modules.items()):
        if name.startswith("django_dance") and vars(module).get("seal") is seal:
            monkeypatch.setattr(module, "seal", recording)

    def record(values):
        for model in (get_user_model(), Client, Session):
            model._default_manager.all().delete()
        caches["default"].clear()
        seals.clear()
        RecordingCache.keys.clear()
        monkeypatch.setitem(connection.settings_dict, "NAME", values["database"])
        on_the_connection(monkeypatch, "schema_name", values["schema"])
        settings.DANCE_SITE_KEY = values["site key"]
        chance = Chance()
        monkeypatch.setattr(os, "urandom", chance)
        monkeypatch.setattr(random, "_urandom", chance)
        user = get_user_model().objects.create_user("ada", password="pw", pk=values["user"])
        use_the_server(settings, user, values["issuer"])
        use_the_client(user, values["provider"])
        keys = {(f"key {re.sub('[0-9a-f]{16,}', '*', key)}", key) for key in RecordingCache.keys}
        return keys | set(seals)

    return record


def use_the_client(user, name):
    browser = Browser()
    browser.force_login(user)
    assert Dance(browser, name).callback().status_code == 302
    provider = providers[name]
    session = provider.session(user=user)
    assert session.authorized
    session.refresh()
    session.disconnect()
    assert not OAuthToken.objects.exists()

    request = RequestFactory().get("/")
    request.user, request.session = user, CookieSession()
    owner, storage = ResourceOwner(provider, request=request), SessionStorage()
    old, new = ({"access_token": f"planted-{text}"} for text in ("old", "new"))
    storage.set(owner, old)
    browsers = dict(request.session)
    with storage.lease(owner, 5):
        assert storage.replace(owner, old, new)
    request.session.update(browsers)  # a parallel request has the cookie of before
    assert storage.reread(owner) == new


def use_the_server(settings, user, issuer):
    server = AuthorizationServer(issuer=issuer, scopes=SCOPES)
    bind_models(server, client=MODELS["client"], token=MODELS["token"])
    bind_cache_grant(server)
    serve(settings, server, path("login/", include("django_dance.urls")))
    client = Client(
        name="Notes",
        registered_redirect_uris="https://app.example/callback",
        scope="email",
        is_confidential=True,
    )
    secret = client.rotate_secret()
    client.save()
    app = Application(client, secret)
    member = Browser()
    member.force_login(user)
    code = app.code(member)
    granted = app.redeem(code).json()
    assert is_alive(app, granted["access_token"])
    assert is_alive(app, granted["access_token"])
    assert app.refresh(granted["refresh_token"]).status_code == 200
    assert_invalid_grant(app.redeem(code))
    assert_invalid_grant(app.redeem(app.code(member), code_verifier="x" * 43))
    app.secret = "planted-secret"
    assert app.introspect("unknown").status_code == 401
    client.client_secret = make_password("planted-secret")
    client.save()
    assert app.introspect("unknown").status_code == 200
    user.save()
    client.save()
    server.callbacks.required("grantrevoker")(user=user, client_id=client.client_id)


@pytest.mark.parametrize("changed", sorted(ALL))
def test_every_key_and_seal_depends_on_its_parts(record, changed):
    before = record(BEFORE)
    after = record({**BEFORE, changed: AFTER[changed]})
    assert {kind for kind, _ in before} == {kind for kind, _ in after} == set(KINDS)
    assert {kind for kind, _ in before & after} == {
        kind for kind, reasons in KINDS.items() if changed in reasons
    }


def test_the_flows_use_the_same_names_each_time(record):
    """Else the test above could not fail."""
    assert record(BEFORE) == record(BEFORE)
