"""An API on this machine, and sessions of users who are connected to it."""

import json

import pytest

from django_dance.providers import OAuth1Provider, OAuth2Provider, providers

from ..loopback import Loopback


class Api(Loopback):
    """An API, and the token endpoint beside it: ``pages[path]`` is an answer, or makes one."""

    def __init__(self, **options):
        self.pages = {}
        super().__init__(**options)

    def answer(self, received):
        page = self.pages.get(received.path, (200, {}, "{}"))
        return page(received) if callable(page) else page

    def at(self, path):
        return [received for received in self.received if received.path == path]

    def grants(self, **fields):
        """Let the token endpoint grant these fields, beside the required ones."""
        granted = {"access_token": "newer", "token_type": "bearer", "expires_in": 3600, **fields}
        self.pages["/token"] = (200, {}, json.dumps(granted))


@pytest.fixture
def connect(settings, user):
    """Makes a session of a user who is connected to a provider at a server."""

    def connect(server, token=(), kind=OAuth2Provider, **options):
        settings.DEBUG = True  # http to loopback is for development
        settings.API_OAUTH_CLIENT_ID, settings.API_OAUTH_CLIENT_SECRET = "client", "planted-secret"
        endpoints = ["TOKEN_URL"]
        if issubclass(kind, OAuth1Provider):
            endpoints = ["REQUEST_TOKEN_URL", "ACCESS_TOKEN_URL"]
        settings.DANCE_PROVIDERS = {
            "api": {
                "PROVIDER": kind,
                "BASE_URL": f"{server.url}/v1/",
                "AUTHORIZATION_URL": f"{server.url}/authorize",
                **dict.fromkeys(endpoints, f"{server.url}/token"),
                **options,
            }
        }
        session = providers["api"].session(user=user)
        if token is not None:
            fields = {"access_token": "planted", "refresh_token": "planted-1", "expires_in": 3600}
            session.token = {**fields, **dict(token)}
        return providers["api"].session(user=user)

    return connect
