"""An internet for tests: a resolver that keeps a log, and servers at public addresses."""

import itertools
import socket
import ssl
import threading
from contextlib import contextmanager

import anyio
import pytest

from django_dance.http import guard

from .loopback import Loopback

#: Public addresses. No packet leaves this machine: see ``Internet``.
PUBLIC, ELSEWHERE, IPV6 = "93.184.215.14", "151.101.1.69", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


class Internet:
    """Names and addresses.

    The resolver answers from a script. A connection to a public address leads to the server that
    stands there; every other connection is made for real.
    """

    def __init__(self, monkeypatch):
        self.names, self.hosts = {}, {}
        #: The names that were resolved, and the addresses that were connected to.
        self.resolved, self.connected = [], []
        self._open, self._resolve = guard._open_socket, socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self.resolve)
        monkeypatch.setattr(guard, "_open_socket", self.connect)
        self._open_stream = anyio.connect_tcp
        monkeypatch.setattr(anyio, "connect_tcp", self.connect_stream)

    def resolve(self, host, port, *args, **kwargs):
        if threading.current_thread().name != guard.THREAD:
            # Such as the driver of a database.
            return self._resolve(host, port, *args, **kwargs)
        assert kwargs == {"type": socket.SOCK_STREAM}
        self.resolved.append(host)
        answers = self.names.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        found = next(answers) if isinstance(answers, itertools.chain) else answers
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in found
        ]

    def connect(self, family, address, timeout):
        self.connected.append(address[0])
        if address[0] in self.hosts:
            family, address = socket.AF_INET, ("127.0.0.1", self.hosts[address[0]])
        return self._open(family, address, timeout)

    async def connect_stream(self, remote_host, remote_port, **options):
        """Connect for httpx, which connects by anyio."""
        self.connected.append(remote_host)
        if remote_host in self.hosts:
            remote_host, remote_port = "127.0.0.1", self.hosts[remote_host]
        return await self._open_stream(remote_host, remote_port, **options)

    @contextmanager
    def site(self, authority, name="mcp.example", address=PUBLIC, answer=None):
        """A server on https with a certificate for ``name``, at a public address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        with Loopback(answer, tls=context) as site:
            self.names[name] = [address]
            self.hosts[address] = site.server_port
            yield site


@pytest.fixture
def internet(monkeypatch):
    return Internet(monkeypatch)
