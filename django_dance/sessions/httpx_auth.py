"""The ``auth`` of an ``httpx`` client: a session's call flow, whose requests ``httpx`` sends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import requests
from asgiref.sync import sync_to_async
from requests.structures import CaseInsensitiveDict

from ..providers import OAuth1Provider
from ..telemetry import Observation
from .async_calls import run_in_thread
from .call_flow import CallFlow, Signer, Step

if TYPE_CHECKING:
    from .base import DanceSession


class _Sending:
    """The step of a call flow at which the other client sends the request.

    :param signer: has the token.
    """

    def __init__(self, signer: Signer | None) -> None:
        self.signer = signer


class _Answer:
    """An answer of ``httpx``, as a call flow reads it."""

    def __init__(self, response: Any) -> None:
        sent = response.request
        self.request = SimpleNamespace(method=sent.method, url=str(sent.url), headers=sent.headers)
        self.status_code: int = response.status_code
        self.ok = self.status_code < 400
        self.headers, self.history = response.headers, response.history
        self.url = str(response.url)
        self.json = response.json
        self._content_consumed = hasattr(response, "_content")
        self.content: bytes = response.content if self._content_consumed else b""

    def close(self) -> None:
        """Do nothing: the client closes its answers itself."""


class HttpxAuth:
    """The methods of an ``auth`` of ``httpx``. It is mixed into a class ``httpx.Auth``."""

    def __init__(self, session: DanceSession) -> None:
        self._session = session

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Yield the request with the token, and once more with another token if need be."""
        with Observation("call", self._session.provider, request.method) as observed:
            if self._needs_body:
                request.read()
            flow = self._begin(request)
            result: Any = None
            while (step := _next_step(flow, result)) is not None:
                result = step.run()
                if isinstance(result, _Sending):
                    self._sign(request, result.signer)
                    response = yield request
                    observed.status = response.status_code
                    if self._reads(response):
                        response.read()
                    result = _Answer(response)

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Do the same as :meth:`sync_auth_flow`, for an async client."""
        with Observation("call", self._session.provider, request.method) as observed:
            if self._needs_body:
                await request.aread()
            flow = self._begin(request)
            result: Any = None
            while (step := _next_step(flow, result)) is not None:
                if isinstance(step.run, partial) and step.run.func is _Sending:
                    self._sign(request, step.run().signer)
                    response = yield request
                    observed.status = response.status_code
                    if self._reads(response):
                        await response.aread()
                    result = _Answer(response)
                elif step.network:
                    result = await run_in_thread(step.run)
                else:
                    result = await sync_to_async(step.run)()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._session.provider.name}>"

    @property
    def _needs_body(self) -> bool:
        """Whether the token signs the body of a request, too."""
        return isinstance(self._session.provider, OAuth1Provider)

    def _begin(self, request: Any) -> CallFlow:
        for name, value in self._session.provider.request_headers.items():
            request.headers.setdefault(name, value)
        names = [name for name in request.headers if name.lower() != "content-type"]
        repeated = request.method.upper() in self._session.repeated_methods
        # Its body is in memory.
        repeatable = repeated and hasattr(request, "_content")
        return self._session.foreign_flow(
            request.method, str(request.url), names, repeatable, _Sending
        )

    def _reads(self, response: Any) -> bool:
        """Whether the body of an answer may say that the token is not valid any more."""
        if response.status_code == 401:
            return True
        kind = response.headers.get("Content-Type", "")
        return bool(self._session.provider.token_over) and "json" in kind

    def _sign(self, request: Any, signer: Signer | None) -> None:
        if signer is None:
            return
        signed = requests.PreparedRequest()
        signed.method, signed.url = request.method, str(request.url)
        signed.headers = CaseInsensitiveDict(request.headers)
        signed.headers.pop(self._session.provider.token_header, None)
        signed.body = request.content if self._needs_body else None
        signer(signed)
        for name, value in signed.headers.items():
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            if request.headers.get(name) != text:
                request.headers[name] = text
        if signed.url != str(request.url):
            request.url = type(request.url)(signed.url)


def _next_step(flow: CallFlow, result: Any) -> Step | None:
    """Return the next step of a call flow, or ``None`` at its end."""
    try:
        return flow.send(result)
    except StopIteration:
        return None
