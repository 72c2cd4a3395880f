"""Assertions about the requests that a fake provider has received."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .messages import Received


class Assertions:
    """The part of a fake provider that checks the requests of the site."""

    received: list[Received]

    def requests_to(self, place: str) -> list[Received]:
        """Return the requests to a part of the provider, such as ``"token"``, in order."""
        return [received for received in self.received if self.place_of(received) == place]

    def calls(self, method: str = "*", url: str = "") -> list[Received]:
        """Return the calls of the API, in order.

        :param method: calls with this method only; ``"*"``: any.
        :param url: calls of this address only, absolute or relative to ``base_url``.
        """
        return [
            call
            for call in self.received
            if self.place_of(call) in ("api", "account")
            and method.upper() in (call.method, "*")
            and (not url or self.is_at(url, call))
        ]

    def assert_called(
        self,
        method: str,
        url: str,
        *,
        times: int | None = None,
        json: Any = ...,
        form: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Received:
        """Check that the site has called an address of the API; return the last such call.

        :param times: the exact number of calls; default: one or more.
        :param json: the JSON value in the body.
        :param form: fields that the form in the body must have.
        :param query: parameters that the URL must have.
        :param headers: headers that the call must have.
        """
        found = [
            call
            for call in self.calls(method, url)
            if (json is ... or (call.body and call.json() == json))
            and (form or {}).items() <= dict(call.form).items()
            and (query or {}).items() <= dict(call.query).items()
            and all(call.headers.get(name) == value for name, value in (headers or {}).items())
        ]
        expected = "at least once" if times is None else f"{times} times"
        if len(found) != times if times is not None else not found:
            self._fail(f"{method} {url} with these contents", expected, len(found))
        return found[-1] if found else Received(method, url, {}, b"")

    def assert_not_called(self, method: str = "*", url: str = "") -> None:
        """Check that the site has not called the API, or not this address of it."""
        self._check(f"{method} {url or 'any address'}", 0, len(self.calls(method, url)))

    def assert_refreshed(self, times: int = 1) -> None:
        """Check that the site has sent so many refresh requests, successful or not."""
        found = [
            received
            for received in self.requests_to("token")
            if received.fields().get("grant_type") in self.refresh_kinds()
        ]
        self._check("a refresh", times, len(found))

    def assert_revoked(self, times: int = 1) -> None:
        """Check that the site has sent so many revocation requests."""
        self._check("a revocation", times, len(self.requests_to("revocation")))

    def assert_not_asked(self) -> None:
        """Check that the site has sent no request at all."""
        self._check("any request", 0, len(self.received))

    def _check(self, kind: str, expected: int, found: int) -> None:
        if expected != found:
            self._fail(kind, f"{expected} times", found)

    def _fail(self, kind: str, expected: str, found: int) -> None:
        sent = "\n".join(f"  {each.method} {each.url}" for each in self.received) or "  nothing"
        raise AssertionError(f"Expected {kind} {expected}, found {found}. The site sent:\n{sent}")

    def refresh_kinds(self) -> set[str]:
        """Return the values of ``grant_type`` in refresh requests."""
        return {"refresh_token"}

    def place_of(self, received: Received) -> str:
        """Return the part of the provider that a request was sent to."""
        raise NotImplementedError

    def is_at(self, url: str, received: Received) -> bool:
        """Return whether a request was sent to an address."""
        raise NotImplementedError
