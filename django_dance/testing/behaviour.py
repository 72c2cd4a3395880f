"""The answers of a fake provider that a test chooses: routes of the API, and misbehaviour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from .messages import Answer, Received, RouteAnswer, make_answer

#: The parts of a provider that can misbehave. ``"token"`` answers refreshes, too.
PLACES = ("authorization", "token", "revocation", "metadata", "device", "account", "api")


class _Route(NamedTuple):
    method: str
    url: str | re.Pattern[str]
    answer: RouteAnswer
    status: int
    headers: Mapping[str, str]


class Fault(NamedTuple):
    """An answer to a request instead of the right one, or none."""

    answer: Answer | None = None
    #: The seconds that the provider needs to answer.
    delay: float = 0
    #: Whether the provider closes the connection without an answer.
    dropped: bool = False


class Behaviour:
    """The part of a fake provider that a test tells how to answer."""

    #: Whether API calls without a route go to the network, where ``responses``, ``requests-mock``
    #: or ``vcrpy`` may answer them.
    passes_api_calls = False

    #: The facts of the provider.
    facts: Any
    #: The requests that the site has sent, in order.
    received: list[Received]

    def __init__(self) -> None:
        self._routes: list[_Route] = []
        self._faults: dict[str, list[Fault]] = {place: [] for place in PLACES}

    # --- routes of the API --------------------------------------------------------------------

    def route(
        self,
        method: str,
        url: str | re.Pattern[str],
        answer: RouteAnswer = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the calls to an address of the API. The latest route that fits is used.

        A call without a valid token is answered with 401.

        :param url: relative to ``base_url``, or absolute; or a pattern for the whole path. The
            parameters in it must be in the call; a route with more of them is preferred.
        :param answer: a value that is sent as JSON, a text, or bytes; or a function of the
            :class:`Received` request that returns one of these, or a pair of a status and one of
            these.
        :raises ValueError: the address is relative, and the provider has no ``base_url``.
        """
        if isinstance(url, str) and "://" not in url and not self.facts.base_url:
            raise ValueError(
                f"{self.facts.name} has no BASE_URL, so the route {url!r} has no host. Write it as "
                "an absolute URL."
            )
        self._routes.append(_Route(method.upper(), url, answer, status, headers or {}))

    def _route_answer(self, received: Received) -> Answer | None:
        fitting = [route for route in self._routes if self._fits(route, received)]
        if not fitting:
            return None
        route = max(reversed(fitting), key=lambda route: str(route.url).count("="))
        if not callable(route.answer):
            return make_answer(route.answer, route.status, route.headers)
        value, status = route.answer(received), route.status
        if isinstance(value, tuple):
            status, value = value
        return make_answer(value, status, route.headers)

    def _fits(self, route: _Route, received: Received) -> bool:
        if route.method not in (received.method, "*"):
            return False
        if isinstance(route.url, re.Pattern):
            return route.url.fullmatch(received.path) is not None
        return self.is_at(route.url, received)

    def is_at(self, url: str, received: Received) -> bool:
        """Return whether a request was sent to an address, absolute or relative to ``base_url``.

        The request must have the parameters of the address; it may have more.
        """
        url, _, query = url.partition("?")
        if not set(parse_qsl(query, keep_blank_values=True)) <= set(received.query):
            return False
        if "://" in url:
            return received.url == url
        base, path = self.facts.base_url or "", url.lstrip("/")
        if self.facts.base_url_from_token:
            return received.path.endswith(f"/{path}")
        return received.url == f"{base.rstrip('/')}/{path}"

    def is_account(self, received: Received) -> bool:
        """Return whether a request asks for the account of its token."""
        return bool(self.facts.account_url) and self.is_at(self.facts.account_url, received)

    # --- misbehaviour -------------------------------------------------------------------------

    def answer_next(
        self, status: int, answer: Any = None, *, at: str = "api", times: int = 1, **headers: str
    ) -> None:
        """Answer the next requests in this way, instead of the right one.

        :param answer: a value that is sent as JSON, a text, or bytes.
        :param at: a part of the provider, one of ``PLACES``.
        :param headers: ``retry_after="60"`` is the header ``Retry-After``.
        """
        sent = {name.replace("_", "-").title(): value for name, value in headers.items()}
        self._add(Fault(make_answer(answer, status, sent)), at, times)

    def limit_rate(self, retry_after: int = 60, *, at: str = "api", times: int = 1) -> None:
        """Answer the next requests with 429 and ``Retry-After``."""
        self.answer_next(
            429, {"message": "Too many requests"}, at=at, times=times, retry_after=str(retry_after)
        )

    def be_slow(self, seconds: float = 3600, *, at: str = "api", times: int = 1) -> None:
        """Need so many seconds for the next answers.

        A request with a shorter timeout fails at once, and any other is answered at once: no test
        has to wait. A provider that is served really waits.
        """
        self._add(Fault(delay=seconds), at, times)

    def drop(self, *, at: str = "api", times: int = 1) -> None:
        """Close the connection of the next requests without an answer."""
        self._add(Fault(dropped=True), at, times)

    def _add(self, fault: Fault, at: str, times: int) -> None:
        if at not in self._faults:
            raise ValueError(f"at is {at!r}. The parts of a provider are {', '.join(PLACES)}.")
        self._faults[at] += [fault] * times

    def take_fault(self, received: Received) -> Fault:
        """Record a request, and return the fault that the test has asked for."""
        self.received.append(received)
        place = self.place_of(received)
        for name in (place, "api") if place == "account" else (place,):
            if self._faults[name]:
                return self._faults[name].pop(0)
        return Fault()

    def passes(self, received: Received) -> bool:
        """Return whether a request is left to the network."""
        return (
            self.passes_api_calls
            and self.place_of(received) == "api"
            and not any(self._fits(route, received) for route in self._routes)
        )

    def place_of(self, received: Received) -> str:
        """Return the part of the provider that a request was sent to."""
        raise NotImplementedError
