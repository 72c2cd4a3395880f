from __future__ import annotations

import gc
import html
import json
import os
import re
import threading
import time
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import responses as responses_library
import trustme
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import cache
from django.db import connection, connections, transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import translation

from django_dance import signals
from django_dance.cache import failures
from django_dance.http import forget_environment
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.sessions import OAuth
from django_dance.storage import ModelStorage, transactions
from django_dance.tokens import ResourceOwner

pytest_plugins = [
    "pytester",
    "tests.skips",
    "tests.servers",
    "tests.databases",
    "tests.internet",
    "tests.other_database",
    "tests.chromium",
    "tests.example_site",
    "tests.npm_packages",
]


def pytest_configure(config):
    """Load the plugin of the package, if its entry point is not installed."""
    if not config.pluginmanager.has_plugin("django_dance"):
        config.pluginmanager.import_plugin("django_dance.pytest_plugin")


def pytest_xdist_auto_num_workers() -> int:
    """Two processes for each processor: many tests wait for PostgreSQL or MariaDB."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Let garbage collections take less of the time: each took 0.6 s with the collected tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000)
        gc.enable()


@pytest.fixture(autouse=True)
def _urlconf(request, monkeypatch):
    """The mark ``urlconf`` names the URLs of the site.

    The mark ``urls`` of pytest-django reads them again for each test, which takes longer than most
    tests.
    """
    if marker := request.node.get_closest_marker("urlconf"):
        monkeypatch.setattr(django_settings, "ROOT_URLCONF", *marker.args)


TOKEN_URL = "https://github.com/login/oauth/access_token"
GRANTED = {
    "access_token": "planted-access-token",
    "refresh_token": "planted-refresh-token",
    "token_type": "bearer",
    "expires_in": 3600,
    "scope": "read:user",
}


@pytest.fixture(autouse=True)
def _clean_cache():
    cache.clear()
    failures._warned.clear()
    forget_environment()


@pytest.fixture(autouse=True)
def _language_of_the_settings():
    """End the language that a request of the test has activated: a thread keeps it."""
    yield
    translation.deactivate()


@pytest.fixture
def clock(monkeypatch):
    """``time.time()`` returns ``clock.now``: a whole second, which a test may change."""
    clock = SimpleNamespace(now=float(int(time.time())))
    monkeypatch.setattr("time.time", lambda: clock.now)
    return clock


# --- what a test needs of the database and the machine --------------------------------------------


@pytest.fixture
def several_writers():
    """For a test in which a second connection writes while a transaction is open on the first."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer: no other connection writes while a transaction is open")


@pytest.fixture
def one_writer():
    """For a test of a database that is locked as a whole."""
    if connection.vendor != "sqlite":
        pytest.skip("This database has several writers: it is never locked as a whole")


@pytest.fixture
def connection_pools():
    """For a test of the connection pools of Django."""
    if connection.vendor != "postgresql":
        pytest.skip("Django has connection pools for PostgreSQL only")


@pytest.fixture
def short_lock_timeout(monkeypatch):
    """A connection beside the transaction waits for a locked row for a second, not for ten."""
    monkeypatch.setattr(transactions, "_LOCK_TIMEOUT", 1)


@pytest.fixture
def fork():
    """``os.fork``."""
    if not hasattr(os, "fork"):
        pytest.skip("This operating system has no fork")
    return os.fork


# --- people and providers -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority():
    """A certificate authority of its own."""
    return trustme.CA()


@pytest.fixture
def bundle(authority, tmp_path):
    """The path of a file with the certificate of this authority."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def responses():
    with responses_library.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def make_user(db):
    def make(name="ada", **fields):
        return get_user_model().objects.create_user(name, password="pw", **fields)

    return make


@pytest.fixture
def user(make_user):
    return make_user()


class Browser(Client):
    """A browser that speaks https, and prefers pages."""

    scheme = "https"

    def request(self, **environ):
        https = {"wsgi.url_scheme": self.scheme, "SERVER_PORT": "443"}
        return super().request(**{"HTTP_ACCEPT": "text/html,*/*;q=0.8", **environ, **https})


@pytest.fixture
def client(db):
    return Browser()


@pytest.fixture
def member(client, user):
    """A browser where ``user`` is logged in."""
    client.force_login(user)
    return client


class Events(list):
    """The signals that were sent, in order: (name, arguments)."""

    def named(self, name):
        return [arguments for heard, arguments in self if heard == name]

    @property
    def codes(self):
        return [arguments["code"] for arguments in self.named("oauth_error")]


@pytest.fixture
def events():
    heard = Events()
    receivers = []
    for name in (
        "oauth_before_login",
        "oauth_authorized",
        "oauth_error",
        "token_refreshed",
        "token_revoked",
        "connection_lost",
    ):

        def receiver(sender, name=name, **arguments):
            heard.append((name, {**arguments, "sender": sender}))

        receivers.append((getattr(signals, name), receiver))
        getattr(signals, name).connect(receiver)
    yield heard
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def query(url):
    """The parameters of a URL, each once."""
    parsed = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in parsed.values()), parsed
    return {name: values[0] for name, values in parsed.items()}


def provider_url(response):
    """The address of the provider that the answer of the login view leads to."""
    if response.status_code == 302:
        return response["Location"]
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', response.content.decode())
    assert found, response.content
    return html.unescape(found[1])


class Dance:
    """A dance with a provider that grants: begun, and then finished as often as you like."""

    def __init__(self, client, provider="github", **params):
        self.client, self.provider = client, provider
        self.response = client.get(f"/login/{provider}/", params)
        assert self.response.status_code == 302, self.response.content
        self.url = self.response["Location"]
        self.asked = query(self.url)

    def callback(self, client=None, provider=None, **params):
        params = {"state": self.asked["state"], "code": "planted-code", **params}
        return (client or self.client).get(
            f"/login/{provider or self.provider}/authorized/",
            {name: value for name, value in params.items() if value is not None},
        )


@pytest.fixture
def dance(responses):
    """Begins a dance; the token endpoint grants the fields of ``granted``."""

    def begin(client, provider="github", granted=None, **params):
        if granted is not False:
            responses.post(TOKEN_URL, json={**GRANTED, **(granted or {})})
        return Dance(client, provider, **params)

    return begin


def flow_cookies(client):
    return [name for name, morsel in client.cookies.items() if "dance_" in name and morsel.value]


# --- tokens of GitHub -----------------------------------------------------------------------------

API = "https://api.github.com/user"
REVOCATION = "https://api.github.com/applications/github-client/token"


def token_fields(text="planted", **fields):
    return {**GRANTED, "access_token": text, "expires_at": time.time() + 3600, **fields}


def store_token(user, text="planted", account="", **fields):
    """Store a token as a dance would; return its owner."""
    owner = ResourceOwner(providers["github"], user=user, account=account)
    known = {"connected_account": account} if account else {}
    ModelStorage().set(owner, token_fields(text, **{**known, **fields}))
    return owner


def store_expired_token(user, text="planted", account="", **fields):
    return store_token(user, text, account, **{"expires_at": time.time() - 5, **fields})


def make_older(user):
    """Make the stored token older: a refused token is not refreshed in its first minute."""
    row = user.oauth_tokens.get()
    row.token = {**row.token.fields_to_store, "granted_at": 1, "refreshed_at": 1}
    row.save()


def make_session(user, account=""):
    return providers["github"].session(user_id=user.pk, account=account)


def tokens_of(user):
    return {row.account: row.token["access_token"] for row in user.oauth_tokens.all()}


def token_requests(responses):
    return [call.request for call in responses.calls if call.request.url == TOKEN_URL]


@pytest.fixture
def api(responses):
    """The API answers; the provider rotates refresh tokens."""
    responses.get(API, json={"id": 1})
    renewed = {"access_token": "renewed", "refresh_token": "planted-rotated", "expires_in": 3600}
    responses.post(TOKEN_URL, json={**GRANTED, **renewed})
    return responses


@pytest.fixture
def make_request(rf):
    """Makes a request with a stored session."""

    def make_request(user=None, key=None):
        request = rf.get("/")
        request.session = SessionStore(key)
        if key is None:
            request.session.create()
        request.user = user or AnonymousUser()
        request.oauth = OAuth(request)
        return request

    return make_request


@pytest.fixture
def visitor_request(make_request):
    """A request of a visitor with an expired token."""
    request = make_request()
    request.oauth.github.token = token_fields("visitors", expires_in=-5)
    request.session.save()
    return request


def in_failing_transaction(work):
    """A view that does the work in a transaction, and then rolls the transaction back."""

    def view(request):
        try:
            with transaction.atomic():
                work(request)
                raise ZeroDivisionError
        except ZeroDivisionError:
            return HttpResponse(status=500)

    return view


def run_concurrently(*jobs):
    """Run each job in a thread of its own; return the results or exceptions of the jobs."""
    outcomes = [None] * len(jobs)

    def run(place, job):
        try:
            outcomes[place] = job()
        except Exception as error:
            outcomes[place] = error
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=run, args=numbered, daemon=True) for numbered in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a thread does not end"
    return outcomes


def before_first(verb, function):
    """Call the function before the first statement of this kind on this thread's connection."""
    todo = [function]

    def wrapper(execute, sql, *args):
        if sql.startswith(verb) and todo:
            todo.pop()()
        return execute(sql, *args)

    return connection.execute_wrapper(wrapper)


@pytest.fixture
def revoked_tokens(responses):
    """The access tokens that the site revoked."""
    texts = []

    def revoke(request):
        texts.append(json.loads(request.body)["access_token"])
        return 204, {}, ""

    responses.add_callback("DELETE", REVOCATION, revoke)
    return texts


# --- results of a dance ---------------------------------------------------------------------------


def assert_refused(response, code, events, *, status=400):
    """The page of the error has this code, the event as well, and no token is stored."""
    assert response.status_code == status, response.content
    assert f'"small">{code}' in response.content.decode()
    assert events.codes[-1] == code
    assert not OAuthToken.objects.exists()


@pytest.fixture
def connect_receiver():
    """Connects a receiver to a signal until the end of the test."""
    connected = []

    def connect(signal, function):
        signal.connect(function)
        connected.append((signal, function))

    yield connect
    for signal, function in connected:
        signal.disconnect(function)
