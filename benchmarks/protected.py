"""Measure how long a site takes to accept an API call with an access token."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application

from django_dance.server.hashing import credentials_fingerprint, digest, new_family
from django_dance.server.models import Client, Token

from .measure import Target, run_interleaved, table

OPEN = "without protection"
OURS, CACHED = "@server.require_oauth", "@server.require_oauth, with a token cache"
TOOLKIT = "@protected_resource"

_TOKEN = "an-access-token"  # both servers store it
#: Contestant → the path of its page, and the token cache during the measurement.
_PAGES = {
    OPEN: ("/open/", None),
    TOOLKIT: ("/toolkit/", None),
    OURS: ("/protected/", None),
    CACHED: ("/protected/", "default"),
}


def grant(user: Any) -> None:
    """Create a client and a token of the user in each of the two servers."""
    expires = timezone.now() + timedelta(hours=1)
    client = Client.objects.create(client_id="a-client", name="A client", scope="read")
    Token.objects.create(
        access_digest=digest(_TOKEN),
        client=client,
        user=user,
        scope="read",
        expires=expires,
        family=new_family(),
        server="oauth_server",
        bound_to=credentials_fingerprint(client, user),
    )
    application = Application.objects.create(
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
    )
    AccessToken.objects.create(
        token=_TOKEN, application=application, user=user, scope="read", expires=expires
    )


def require_oauth(user: Any) -> list[Target]:
    """Measure the same empty page with handler, middleware and database."""
    grant(user)
    handler = WSGIHandler()

    def request(path: str) -> HttpRequest:
        # A new request each time, because a request keeps its verified token.
        return RequestFactory().get(path, headers={"authorization": f"Bearer {_TOKEN}"})

    def page(path: str) -> float:
        api_request = request(path)
        start = time.perf_counter()
        response = handler.get_response(api_request)
        taken = time.perf_counter() - start
        if response.status_code != 200:
            raise RuntimeError(f"{path} answered {response.status_code}.")
        return taken

    def sampler(name: str) -> Callable[[], float]:
        path, cache = _PAGES[name]

        def sample() -> float:
            with override_settings(DANCE_SERVER_TOKEN_CACHE=cache):
                page(path)  # the change of settings has emptied the caches
                return page(path)

        return sample

    def queries(name: str) -> int:
        path, cache = _PAGES[name]
        with override_settings(DANCE_SERVER_TOKEN_CACHE=cache):
            page(path)
            with CaptureQueriesContext(connection) as captured:
                page(path)
        return len(captured)

    took = run_interleaved({name: sampler(name) for name in _PAGES}, rounds=400)
    counted = {name: queries(name) for name in _PAGES}
    print(
        table(
            "A page that takes a token (SQLite in memory; the cache is in memory too)",
            ("", "µs per request", "× the toolkit's", "queries"),
            [
                (
                    name,
                    f"{took[name] * 1e6:.0f}",
                    f"{took.ratio(name, TOOLKIT):.2f}",
                    str(counted[name]),
                )
                for name in _PAGES
            ],
        )
    )
    ahead = partial(took.ratio, base=TOOLKIT)
    return [
        Target(
            "require_oauth is ahead of protected_resource, without a cache and with one",
            f"{ahead(OURS):.2f}, {ahead(CACHED):.2f} × its time",
            max(ahead(OURS), ahead(CACHED)) < 1,
        ),
        Target(
            "require_oauth makes one query, none with a cached token",
            f"{counted[OURS]}, {counted[CACHED]}",
            (counted[OURS], counted[CACHED]) == (1, 0),
        ),
    ]
