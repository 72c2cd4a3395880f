from __future__ import annotations

import itertools
import json
import re

import pytest

from django_dance.providers import ClientCredentials

from ..conftest import provider_url, query
from ..internet import ELSEWHERE, PUBLIC

JSON = {"Content-Type": "application/json"}


class Mastodon:
    """A Mastodon server at a name: its token endpoint, its API, and the calls that it got."""

    def __init__(self, name):
        self.name, self.count = name, itertools.count(1)
        self.tokens = set()
        self.received = []

    def answer(self, received):
        self.received.append(received)
        if received.path == "/oauth/token":
            token = f"planted {self.name} {next(self.count)}".replace(" ", "-")
            self.tokens.add(token)
            return 200, JSON, json.dumps({"access_token": token, "token_type": "Bearer"})
        if received.path == "/oauth/revoke":
            self.tokens.discard(dict(received.form)["token"])
            return 200, JSON, "{}"
        sent = str(received.headers["Authorization"] or "").removeprefix("Bearer ")
        if sent not in self.tokens:
            return 401, JSON, "{}"
        # Ids of accounts are unique per server only.
        return 200, JSON, json.dumps({"id": "1", "acct": f"ada at {self.name}"})

    @property
    def paths(self):
        return [received.path for received in self.received]


def credentials(provider, owner):
    """The credentials of this site at a place."""
    return ClientCredentials(f"client of {provider.place}", f"planted secret of {provider.place}")


@pytest.fixture
def mastodon(settings, bundle):
    """Sets the entry of the provider."""

    def configure(places="any", **options):
        entry = {
            "PROVIDER": "django_dance.contrib.mastodon.Mastodon",
            "PLACES": places,
            "CREDENTIALS": credentials,
            "CA_BUNDLE": bundle,
            **options,
        }
        settings.DANCE_PROVIDERS = {
            "mastodon": {name: value for name, value in entry.items() if value is not None}
        }

    configure()
    return configure


@pytest.fixture
def servers(internet, authority, mastodon):
    """Two Mastodon servers."""
    one, two = Mastodon("one.example"), Mastodon("two.example")
    with (
        internet.site(authority, one.name, PUBLIC, one.answer),
        internet.site(authority, two.name, ELSEWHERE, two.answer),
    ):
        yield one, two


def connect(browser, place, provider="mastodon", **callback):
    """Make a dance at a place, by the form; return the answer of the callback."""
    begun = browser.post(f"/login/{provider}/", {"place": place, "next": "/after/"})
    asked = query(provider_url(begun))
    params = {"state": asked["state"], "code": "planted-code", **callback}
    return browser.get(f"/login/{provider}/authorized/", params)


def refusal(response):
    """The code on an error page."""
    assert response.status_code in (400, 403), response.content
    return re.search(r'"small">(\w+)', response.content.decode())[1]
