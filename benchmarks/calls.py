"""Measure API calls over TLS, in pages with twenty calls and in pages with one call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import flask
import requests
from authlib.integrations.requests_client import OAuth2Session
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from flask_dance.consumer import OAuth2ConsumerBlueprint
from flask_dance.consumer.storage import MemoryStorage

from django_dance.middleware import OAuthMiddleware

from . import urls
from .measure import Target, run_interleaved, seconds, table
from .server import Server

#: Loads a page whose view makes this number of API calls; returns the seconds of the view.
Page = Callable[[int], float]

BARE, OURS = "one requests.Session, kept alive", "django-dance, request.oauth.…"
WITHOUT_ENVIRONMENT = "the same with trust_env = False"
#: The number of calls per page → the largest allowed ratio of our time per call to the bare one.
LIMITS = {20: 0.85, 1: 0.95}


def bare(server: Server, *, trust_env: bool = True) -> Page:
    """One session for all calls, and a header that is set by hand. ``get()`` reads the body."""
    session = requests.Session()
    session.verify, session.trust_env = server.ca_bundle, trust_env
    url = f"{server.url}user"
    headers = {"Authorization": f"Bearer {settings.TOKEN['access_token']}"}

    def view(calls: int) -> None:
        for _ in range(calls):
            session.get(url, headers=headers)

    return lambda calls: seconds(partial(view, calls))


def ours(server: Server) -> Page:
    def page(calls: int) -> float:
        def view(request: HttpRequest) -> HttpResponse:
            for _ in range(calls):
                request.oauth.memory.get("/user")  # type: ignore[attr-defined]
            return response

        return seconds(partial(OAuthMiddleware(view), request))

    request, response = HttpRequest(), HttpResponse()
    return page


def flask_dance(server: Server) -> Page:
    """A blueprint as in ``flask_dance.contrib``: it creates a session in each request context."""
    app = flask.Flask(__name__)
    app.secret_key = "a-key-for-the-benchmarks"
    blueprint = OAuth2ConsumerBlueprint(
        "github",
        __name__,
        client_id="a-client",
        client_secret="a-client-secret",
        base_url=server.url,
        authorization_url=f"{server.url}authorize",
        token_url=f"{server.url}token",
        storage=MemoryStorage(settings.TOKEN),
    )
    app.register_blueprint(blueprint)

    def view(calls: int) -> None:
        github = blueprint.session
        github.verify = server.ca_bundle
        for _ in range(calls):
            github.get("/user")

    def page(calls: int) -> float:
        with app.test_request_context():
            app.preprocess_request()
            return seconds(partial(view, calls))

    return page


def authlib_session(server: Server) -> Page:
    def view(calls: int) -> None:
        with OAuth2Session("a-client", "a-client-secret", token=settings.TOKEN) as session:
            session.verify = server.ca_bundle
            for _ in range(calls):
                session.get(f"{server.url}user")

    return lambda calls: seconds(partial(view, calls))


def authlib_django(server: Server) -> Page:
    """Authlib's Django integration, which creates a session for each call."""

    def view(calls: int) -> None:
        for _ in range(calls):
            urls.authlib.github.get("user", token=settings.TOKEN)

    return lambda calls: seconds(partial(view, calls))


CONTESTANTS = {
    BARE: bare,
    WITHOUT_ENVIRONMENT: partial(bare, trust_env=False),
    OURS: ours,
    "Flask-Dance, in a view": flask_dance,
    "Authlib, OAuth2Session": authlib_session,
    "Authlib, Django's oauth.….get()": authlib_django,
}


def compare(server: Server, calls: int, *, rounds: int, batch: int) -> list[Target]:
    """Measure pages with this number of calls, for all contestants."""
    opened = dict.fromkeys(CONTESTANTS, 0)

    def sampler(name: str) -> Callable[[], float]:
        page = CONTESTANTS[name](server)

        def sample() -> float:
            before = server.connections
            taken = page(calls) / calls
            opened[name] += server.connections - before
            return taken

        return sample

    took = run_interleaved(
        {name: sampler(name) for name in CONTESTANTS}, rounds=rounds, batch=batch
    )
    ratio = {name: took.ratio(name, BARE) for name in CONTESTANTS}
    lean = {name: took.ratio(name, WITHOUT_ENVIRONMENT) for name in CONTESTANTS}
    each = "1 call" if calls == 1 else f"{calls} calls"
    print(
        table(
            f"API calls over TLS, {each} per page ({rounds * batch} pages)",
            ("", "µs per call", "× bare", "× without environment", "connections opened"),
            [
                (
                    name,
                    f"{took[name] * 1e6:.0f}",
                    f"{ratio[name]:.2f}",
                    f"{lean[name]:.2f}",
                    str(opened[name]),
                )
                for name in CONTESTANTS
            ],
        )
    )
    return [
        Target(
            f"with {each} per page, a call takes at most {LIMITS[calls]} × the bare one",
            f"{ratio[OURS]:.2f}",
            ratio[OURS] <= LIMITS[calls],
        ),
        Target(
            f"all pages with {each} together open at most one connection",
            str(opened[OURS]),
            opened[OURS] <= 1,
        ),
    ]
