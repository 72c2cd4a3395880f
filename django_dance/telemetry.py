"""OpenTelemetry: a span and a count for each call, refresh and dance.

There is no setting: a site that has not imported OpenTelemetry has no spans, and nothing imports it
for the site. No attribute has a token, an address, a user, an account or the text of an exception.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from . import __version__
from .exceptions import AuthorizationRequired, DanceError

if TYPE_CHECKING:
    from .providers import Provider

#: The operations, and the names of their counters.
COUNTERS = {"call": "calls", "refresh": "refreshes", "dance": "dances"}
_PROVIDER, _OUTCOME = "django_dance.provider", "django_dance.outcome"
#: The methods that an attribute may name; others are ``_OTHER``, because a site may send any text:
#: https://opentelemetry.io/docs/specs/semconv/http/http-spans
_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)


class Observation:
    """Makes a span of the block of a ``with``, and counts it, if the site uses OpenTelemetry.

    :param operation: ``"call"``, ``"refresh"`` or ``"dance"``.
    :param method: the HTTP method of a call.
    :ivar outcome: ``"ok"``, another word for a success, or an error code. Without an outcome and a
        status, the operation is not counted.
    :ivar failed: whether the outcome is an error.
    :ivar status: the HTTP status of the API's answer; 0 without one.
    """

    def __init__(self, operation: str, provider: Provider, method: str = "") -> None:
        self._operation, self._provider, self._method = operation, provider, method.upper()
        self.outcome, self.failed, self.status = "", False, 0
        self._scope: Any = None

    def fail(self, error: BaseException | str) -> None:
        """Note an error code, or that of an exception."""
        self.outcome, self.failed = error if isinstance(error, str) else _code(error), True

    def __enter__(self) -> Self:
        if "opentelemetry.trace" in sys.modules:
            self._begin()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._scope is not None:
            self._end(error)

    def _begin(self) -> None:
        trace, tracer, _ = _instruments()
        attributes = {_PROVIDER: self._provider.name}
        if self._method:
            known = self._method in _METHODS
            attributes["http.request.method"] = self._method if known else "_OTHER"
        self._parent = trace.get_current_span()
        self._scope = tracer.start_as_current_span(
            f"django_dance.{self._operation}", attributes=attributes
        )
        self._span = self._scope.__enter__()

    def _end(self, error: BaseException | None) -> None:
        trace, _, counters = _instruments()
        if error is not None and not self.failed:
            self.fail(error)
        if self.status:
            self._span.set_attribute("http.response.status_code", self.status)
            if self.status >= 400 and not self.outcome:
                self.fail(str(self.status))
            self.outcome = self.outcome or "ok"
        if self.failed:
            self._span.set_status(trace.StatusCode.ERROR)
        if self.outcome:
            self._span.set_attribute(_OUTCOME, self.outcome)
            labels = {_PROVIDER: self._provider.name, _OUTCOME: self.outcome}
            counters[self._operation].add(1, labels)
            of_call = getattr(self._parent, "name", "") == "django_dance.call"
            if self._operation == "refresh" and of_call:
                self._parent.set_attribute("django_dance.refresh", self.outcome)
        # The scope does not get the exception: it would record the text, which may have secrets.
        self._scope.__exit__(None, None, None)


def _code(error: BaseException) -> str:
    """Return the code of an exception. An exception that is not ours may have secrets there."""
    if isinstance(error, AuthorizationRequired):
        return error.reason
    if isinstance(error, GeneratorExit):
        return "no_answer"  # httpx does not tell its `auth` why
    code = getattr(error, "code", "") if isinstance(error, DanceError) else ""
    return str(code or type(error).__name__)


@cache
def _instruments() -> tuple[Any, Any, dict[str, Any]]:
    """Return the module ``trace``, our tracer, and a counter for each operation.

    They are made once, and serve an SDK that is set up later, too.
    """
    from opentelemetry import metrics, trace

    meter = metrics.get_meter("django_dance", __version__)
    counters = {
        operation: meter.create_counter(f"django_dance.{name}", unit=f"{{{operation}}}")
        for operation, name in COUNTERS.items()
    }
    return trace, trace.get_tracer("django_dance", __version__), counters
