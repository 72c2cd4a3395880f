from __future__ import annotations

import os
import time
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import responses as responses_library
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.test import Client

from django_dance import signals
from django_dance.cache import failures
from django_dance.storage import transactions

pytest_plugins = ["tests.skips", "tests.servers", "tests.databases", "tests.other_database"]

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
    timeouts = {
        "postgresql": "SET lock_timeout TO '1s'",
        "mysql": "SET SESSION innodb_lock_wait_timeout = 1",
    }
    monkeypatch.setattr(transactions, "_PATIENCE", timeouts)


@pytest.fixture
def fork():
    """``os.fork``."""
    if not hasattr(os, "fork"):
        pytest.skip("This operating system has no fork")
    return os.fork


# --- people and providers -------------------------------------------------------------------------


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
    """A browser that speaks https."""

    scheme = "https"

    def request(self, **environ):
        return super().request(**{**environ, "wsgi.url_scheme": self.scheme, "SERVER_PORT": "443"})


@pytest.fixture
def client(db):
    return Browser()


@pytest.fixture
def member(client, user):
    """A browser where ``user`` is logged in."""
    client.force_login(user)
    return client


class Events(list):
    """What the signals said, in order: (name, arguments)."""

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
    """Begins a dance; the token endpoint grants what ``granted`` says."""

    def begin(client, provider="github", granted=None, **params):
        if granted is not False:
            responses.post(TOKEN_URL, json={**GRANTED, **(granted or {})})
        return Dance(client, provider, **params)

    return begin


def flow_cookies(client):
    return [name for name, morsel in client.cookies.items() if "dance_" in name and morsel.value]
