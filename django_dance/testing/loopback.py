"""A server on this machine, for tests that need a real socket."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from .messages import Answer, Received


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True
    server: Loopback

    def answer(self) -> None:
        received = Received(
            self.command, self.path, self.headers, self.sent_body(), self.shown_certificate()
        )
        self.server.received.append(received)
        status, headers, body = self.server.answer(received)
        body = body.encode() if isinstance(body, str) else body or b""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_TRACE = answer

    def sent_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def shown_certificate(self) -> str | None:
        if not isinstance(self.connection, ssl.SSLSocket):
            return None
        certificate: Any = self.connection.getpeercert() or {}
        shown = dict(pair for (pair,) in certificate.get("subject", ()))
        return shown.get("commonName")

    def log_message(self, *args: Any) -> None:
        pass


class Loopback(ThreadingHTTPServer):
    """Serves the result of ``answer(received)``: status, headers and body.

    Records the requests in ``received``, and counts the ``connections``.

    :param tls: a server's ``ssl.SSLContext``, for https.
    """

    daemon_threads = False  # so that closing waits for them
    request_queue_size = 64

    def __init__(
        self,
        answer: Callable[[Received], Answer] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        if answer is not None:
            self.answer = answer  # type: ignore[assignment,method-assign]
        self.received: list[Received] = []
        self._accepted: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"

    def answer(self, received: Received) -> Answer:
        return 200, {"Content-Type": "application/json"}, "{}"

    @property
    def connections(self) -> int:
        return len(self._accepted)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, peer = super().get_request()
        if self._tls:
            # The handshake is left to the thread that serves the connection.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self._accepted.append(connection)
        return connection, peer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do nothing: clients may hang up."""

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        for connection in self._accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self._thread.join()
