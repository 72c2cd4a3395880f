"""Serves a fake provider at an address of this machine, for browsers and other processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from .interception import register
from .loopback import Loopback
from .messages import Answer, Received
from .settings import SeparateOverride

if TYPE_CHECKING:
    from .base import FakeProvider


def answer_over_http(fake: FakeProvider, received: Received) -> Answer:
    """Return the answer of a fake provider to a request that came over a socket."""
    received = received._replace(target=fake.remote(received.target))
    fault = fake.take_fault(received)
    if fault.dropped:
        raise ConnectionError("The test wants no answer.")
    time.sleep(fault.delay)
    try:
        return fault.answer or fake.answer(received)
    except AssertionError as error:
        return 501, {"Content-Type": "text/plain"}, str(error)


@contextmanager
def serve(fake: FakeProvider) -> Iterator[None]:
    """Serve a fake provider over HTTP. ``DEBUG`` is on meanwhile: plain http requires it."""
    with (
        Loopback(partial(answer_over_http, fake)) as server,
        SeparateOverride(DEBUG=True),
        register(fake),
    ):
        fake.url = server.url
        try:
            yield
        finally:
            fake.url = ""
