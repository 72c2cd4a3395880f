"""Answers the requests of this process to a fake provider, before they reach the network.

``requests`` sends each request by ``HTTPAdapter.send``. While a fake provider is open, this method
asks it first. Requests to other hosts go where they went before: to the network, or to a library
such as ``responses`` that has replaced the method.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPHeaderDict, HTTPResponse

from .messages import Answer, Received

if TYPE_CHECKING:
    from .base import FakeProvider

#: The fake providers that are open, the latest first.
_open: list[FakeProvider] = []


def find_fake(name: str) -> FakeProvider | None:
    """Return the open fake provider of this name."""
    return next((fake for fake in _open if fake.name == name), None)


@contextmanager
def register(fake: FakeProvider) -> Iterator[None]:
    """Let :func:`find_fake` find a fake provider."""
    _open.insert(0, fake)
    try:
        yield
    finally:
        _open.remove(fake)


@contextmanager
def intercept(fake: FakeProvider) -> Iterator[None]:
    """Let a fake provider answer the requests to its hosts."""
    with register(fake):
        previous = HTTPAdapter.send

        def send(adapter: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            if fake in _open and fake.claims(request.url):
                received = _read_request(request)
                if not fake.passes(received):
                    timeout = kwargs.get("timeout", args[1] if len(args) > 1 else None)
                    return _respond(fake, adapter, request, received, timeout)
            return previous(adapter, request, *args, **kwargs)

        HTTPAdapter.send = send  # type: ignore[assignment,method-assign]
        try:
            yield
        finally:
            # A library that was started later may have replaced it, and puts it back when it ends.
            if HTTPAdapter.send is send:
                HTTPAdapter.send = previous  # type: ignore[method-assign]


def _read_request(request: requests.PreparedRequest) -> Received:
    body = request.body or b""
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = body.read() if hasattr(body, "read") else b"".join(body)
    headers = CaseInsensitiveDict(
        {name: _text(value) for name, value in request.headers.items() if value is not None}
    )
    return Received(request.method or "", request.url or "", headers, body)


def _text(value: Any) -> str:
    # A token in a header has a class of its own, which hides it in a repr.
    return value.decode("latin-1") if isinstance(value, bytes) else str.__str__(value)


def _respond(
    fake: FakeProvider,
    adapter: HTTPAdapter,
    request: requests.PreparedRequest,
    received: Received,
    timeout: Any,
) -> requests.Response:
    fault = fake.take_fault(received)
    if fault.dropped:
        raise requests.ConnectionError("The fake provider closed the connection.", request=request)
    longest = timeout[1] if isinstance(timeout, tuple) else timeout
    if longest is not None and fault.delay >= longest:
        raise requests.ReadTimeout(f"No answer in {longest} seconds.", request=request)
    return _build(adapter, request, fault.answer or fake.answer(received))


def _build(
    adapter: HTTPAdapter, request: requests.PreparedRequest, answer: Answer
) -> requests.Response:
    status, headers, body = answer
    content = body.encode() if isinstance(body, str) else body
    raw = HTTPResponse(
        body=BytesIO(b"" if request.method == "HEAD" else content),
        headers=HTTPHeaderDict({"Content-Length": str(len(content)), **headers}),
        status=status,
        preload_content=False,
        request_method=request.method,
    )
    response: requests.Response = adapter.build_response(request, raw)
    return response
