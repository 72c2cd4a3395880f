"""Deadlines: the longest time that a whole call takes.

The timeout of a socket starts again with each byte, so a slow server could keep a call open for
ever.
"""

from __future__ import annotations

import http.client
import io
import math
import time
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError


@dataclass
class TimedCall:
    """A call with a deadline."""

    #: The end of the call, on the monotonic clock.
    deadline: float
    #: The seconds that must be left when the request is sent.
    to_answer: float = 0
    #: Whether the call opens a connection; if not, it uses one that an earlier call has left open.
    connects: bool = True


#: The call of this thread, if it has a deadline.
running_call: ContextVar[TimedCall | None] = ContextVar("running_call", default=None)


def time_left() -> float:
    """Return the seconds until the deadline of the running call, or 0 after it.

    Without a deadline, the time is infinite.
    """
    call = running_call.get()
    return math.inf if call is None else max(0.0, call.deadline - time.monotonic())


class _DeadlineFile(io.RawIOBase):
    """The bytes of a socket. Each read waits for the remaining time at most."""

    def __init__(self, raw: Any, sock: Any, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline
        #: The longest wait for one read, without the deadline.
        self._timeout: float | None = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The answer took too long.")
        self._sock.settimeout(left if self._timeout is None else min(left, self._timeout))
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineFile(self.fp.detach(), sock, deadline))


class DeadlinePool(HTTPConnectionPool):
    """Connections that observe the deadline of the running call, if it has one."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection: Any = super()._get_conn(timeout)
        call = running_call.get()
        if call is None:
            connection.response_class = http.client.HTTPResponse
        else:
            call.connects = connection.sock is None
            connection.response_class = partial(_DeadlineResponse, deadline=call.deadline)
        return connection

    def _validate_conn(self, conn: Any) -> None:
        """Connect, or fail if too little time is left for the answer."""
        if conn.sock is None:
            conn.connect()
        super()._validate_conn(conn)
        call = running_call.get()
        if call is not None and call.deadline - time.monotonic() < call.to_answer:
            raise ConnectTimeoutError("It took too long to connect.")


class DeadlineTLSPool(DeadlinePool, HTTPSConnectionPool):
    """As :class:`DeadlinePool`, for https."""
