"""The provider: an HTTPS server on loopback, in a separate process."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import resource
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import cast

import trustme

#: The seconds that the path ``/slow`` takes.
DELAY = 0.2

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _answer(body: object) -> bytes:
    encoded = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(encoded)}"
    return head.encode() + b"\r\n\r\n" + encoded


#: About as long as a response of https://api.github.com/user.
_USER = _answer({"login": "ada", **{f"field_{n}": "some text of a user" for n in range(30)}})
_TOKEN = _answer({"access_token": "an-access-token", "token_type": "bearer", "expires_in": 3600})


class _Exchange(asyncio.Protocol):
    """One connection. It answers with prepared bytes, so that the time is the client's time."""

    def __init__(self, connections: Synchronized[int]) -> None:
        self._connections = connections
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio sets TCP_NODELAY, and calls this when the TLS handshake is done.
        self._transport = cast(asyncio.Transport, transport)
        with self._connections.get_lock():
            self._connections.value += 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end)
            end += 4 + (int(length[1]) if length else 0)
            if len(self._received) < end:
                return
            if self._received.startswith(b"GET /slow"):
                asyncio.get_running_loop().call_later(DELAY, self._transport.write, _USER)
            else:
                self._transport.write(_TOKEN if self._received.startswith(b"POST") else _USER)
            self._received = self._received[end:]


def _serve(certificate: str, connections: Synchronized[int], port: Connection) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Exchange(connections), "127.0.0.1", 0, ssl=context, backlog=1024
        )
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@dataclass(frozen=True)
class Server:
    """The URL of the server, the file of its CA, and the number of connections so far."""

    url: str
    ca_bundle: str
    _connections: Synchronized[int]

    @property
    def connections(self) -> int:
        return self._connections.value

    def ssl_context(self) -> ssl.SSLContext:
        """A client's context that trusts the server."""
        return ssl.create_default_context(cafile=self.ca_bundle)


@contextmanager
def run_server(directory: Path) -> Iterator[Server]:
    """Run the server during the context, with its certificates in ``directory``."""
    ca = trustme.CA()
    ca_bundle, certificate = directory / "ca.pem", directory / "server.pem"
    ca.cert_pem.write_to_path(str(ca_bundle))
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    # Spawned: a forked server would inherit the memory of the clients.
    processes = multiprocessing.get_context("spawn")
    connections = processes.Value("i", 0)
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(
        target=_serve, args=(str(certificate), connections, sender), daemon=True
    )
    process.start()
    try:
        if not receiver.poll(20):
            raise RuntimeError("The server did not start.")
        yield Server(f"https://127.0.0.1:{receiver.recv()}/", str(ca_bundle), connections)
    finally:
        process.terminate()
        process.join()
