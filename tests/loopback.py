"""Servers and ports of this machine, for tests that need a real socket."""

from __future__ import annotations

import socket
from contextlib import contextmanager

from django_dance.testing import Received
from django_dance.testing.loopback import Loopback

__all__ = ["Loopback", "Received", "reserved_port"]


@contextmanager
def reserved_port():
    """A port of this machine that no other program gets meanwhile.

    No server listens there. A server that sets ``SO_REUSEADDR`` can: two such sockets may be bound
    to one port as long as the other one does not listen.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
