"""Measure the middleware, ``.authorized`` and the dance."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from django_dance.middleware import OAuthMiddleware
from django_dance.models import OAuthToken
from django_dance.providers import providers

from .measure import Target, run_interleaved, seconds, seconds_each, table

#: The seconds that the middleware may add to a request that does not use ``request.oauth``.
MIDDLEWARE_LIMIT = 3e-6
ROW = "the row alone, by Django's ORM"


def middleware() -> list[Target]:
    """Measure a view that does not use ``request.oauth``, with the middleware and without."""
    response = HttpResponse()

    def view(request: HttpRequest) -> HttpResponse:
        return response

    # Django's handler wraps each middleware in the same way.
    without = convert_exception_to_response(view)
    chains = {
        "without": without,
        "with OAuthMiddleware": convert_exception_to_response(OAuthMiddleware(without)),
    }
    request = HttpRequest()
    took = run_interleaved(
        {
            name: partial(seconds_each, partial(chain, request), 5_000)
            for name, chain in chains.items()
        },
        rounds=40,
    )
    added = took["with OAuthMiddleware"] - took["without"]
    print(
        table(
            "A request that does not touch request.oauth",
            ("", "µs per request"),
            [(name, f"{took[name] * 1e6:.2f}") for name in took.rounds],
        )
    )
    return [
        Target(
            f"OAuthMiddleware adds at most {MIDDLEWARE_LIMIT * 1e6:.0f} µs",
            f"{added * 1e6:.2f} µs",
            added <= MIDDLEWARE_LIMIT,
        )
    ]


def authorized(user: Any) -> list[Target]:
    """Measure ``request.oauth.github.authorized`` for a user with a sealed token in the table."""
    request = HttpRequest()
    request.user = user
    make = partial(providers["github"].session, request)
    make().token = settings.TOKEN

    def row() -> float:
        return seconds(OAuthToken.objects.filter(user=user, provider="github", account="").first)

    def first() -> float:
        session = make()
        return seconds(lambda: session.authorized)

    def later() -> float:
        session = make()
        assert session.authorized
        return seconds(lambda: session.authorized)

    took = run_interleaved(
        {
            ROW: row,
            "request.oauth.github": lambda: seconds(make),
            ".authorized, the first time": first,
            ".authorized, later": later,
        },
        rounds=500,
    )
    print(
        table(
            "Is there a token? (SQLite in memory)",
            ("", "µs", "× the row"),
            [
                (name, f"{took[name] * 1e6:.1f}", f"{took.ratio(name, ROW):.2f}")
                for name in took.rounds
            ],
        )
    )
    session = make()
    queries = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as captured:
            assert session.authorized
        queries.append(len(captured))
    return [
        Target(
            ".authorized makes one query the first time, none after",
            ", ".join(map(str, queries)),
            queries == [1, 0, 0],
        )
    ]


class Browser:
    """A browser with a logged-in user, which calls Django's handler directly."""

    def __init__(self, user: Any) -> None:
        client = Client()
        client.force_login(user)
        self._factory = RequestFactory()
        self._factory.cookies = client.cookies
        self._handler = WSGIHandler()
        self.taken = 0.0

    def follow(self, url: str, method: str = "GET") -> str:
        """Return the URL to which the page redirects; ``taken`` has the seconds of the request."""
        request = self._factory.generic(method, url, secure=True)
        request._dont_enforce_csrf_checks = True  # as Django's test client does
        start = time.perf_counter()
        response = self._handler.get_response(request)
        self.taken = time.perf_counter() - start
        if response.status_code != 302:
            raise RuntimeError(f"{url} answered {response.status_code}.")
        for name, morsel in response.cookies.items():
            if morsel["max-age"] == 0:
                self._factory.cookies.pop(name, None)
            else:
                self._factory.cookies[name] = morsel
        return str(response["Location"])


#: Contestant → the path of its login, and of its callback, if the callback can be measured: those
#: of the other packages call the addresses of GitHub.
LOGINS = {
    "django-dance": ("/login/github/", "/login/github/authorized/"),
    "Authlib": ("/authlib/", "/authlib/authorized/"),
    "allauth": ("/allauth/github/login/?process=connect", None),
    "social-auth": ("/social/login/github/", None),
}


def dance(user: Any) -> list[Target]:
    """Measure both steps of the dance, with handler and database, for a user who is logged in.

    The work is equal: state and PKCE are checked, and the callback stores the token, sealed, in the
    table of tokens.
    """

    def login_step(name: str) -> Callable[[], float]:
        login, callback = LOGINS[name]
        browser = Browser(user)

        def sample() -> float:
            location = browser.follow(login, "POST" if name == "social-auth" else "GET")
            taken = browser.taken
            if callback:  # so that the flows of one browser do not grow in number
                finish(browser, location, callback)
            return taken

        return sample

    def callback_step(name: str) -> Callable[[], float]:
        login, callback = LOGINS[name]
        assert callback
        browser = Browser(user)

        def sample() -> float:
            finish(browser, browser.follow(login), callback)
            return browser.taken

        return sample

    def ours(step: str) -> str:
        return f"{step.partition(',')[0]}, django-dance"

    def finish(browser: Browser, location: str, callback: str) -> None:
        (state,) = parse_qs(urlsplit(location).query)["state"]
        browser.follow(f"{callback}?{urlencode({'state': state, 'code': 'a-code'})}")

    steps = {f"login, {name}": login_step(name) for name in LOGINS}
    steps |= {f"callback, {name}": callback_step(name) for name, (_, url) in LOGINS.items() if url}
    took = run_interleaved(steps, rounds=150)
    print(
        table(
            "The dance, in one thread (callback: with the token request)",
            ("", "ms", "× django-dance"),
            [
                (
                    step,
                    f"{took[step] * 1e3:.2f}",
                    f"{took.ratio(step, ours(step)):.2f}",
                )
                for step in took.rounds
            ],
        )
    )
    return [
        Target(
            f"the {step} is faster than that of {name}",
            f"{took.ratio(f'{step}, {name}', ours(step)):.2f} × our time",
            took.ratio(f"{step}, {name}", ours(step)) >= 1,
        )
        for step, name in (each.split(", ") for each in took.rounds)
        if name != "django-dance"
    ]
