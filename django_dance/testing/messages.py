"""The requests that a fake provider receives, and the answers that it sends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

#: Status, headers and body.
Answer = tuple[int, Mapping[str, str], str | bytes]

#: The answer of a route: a JSON value, a text, bytes, ``None`` for an empty body; or a function of
#: the request that returns one of these, or a pair of a status and one of these.
RouteAnswer = Any | Callable[["Received"], Any]


class Received(NamedTuple):
    """A request that a server received.

    :ivar target: the URL; or the path and the query, if it came over a socket.
    :ivar certificate: the common name in the client's certificate, if the client showed one.
    """

    method: str
    target: str
    headers: Any
    body: bytes
    certificate: str | None = None

    @property
    def url(self) -> str:
        """The URL without its query."""
        return self.target.partition("?")[0]

    @property
    def path(self) -> str:
        """The path of the URL."""
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters in the URL, in order."""
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def form(self) -> list[tuple[str, str]]:
        """The fields of the body, if it is a form, in order."""
        return parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True)

    def json(self) -> Any:
        """Return the JSON value in the body."""
        return json.loads(self.body)

    def fields(self) -> dict[str, Any]:
        """Return the parameters in the URL and the fields of the body, a form or a JSON object."""
        try:
            sent = self.json() if self.body.lstrip().startswith(b"{") else dict(self.form)
        except ValueError:
            sent = {}
        return {**dict(self.query), **sent}

    def credentials(self, name: str = "Authorization") -> str:
        """Return the credentials in a header, without the scheme (RFC 9110 §11.4)."""
        return str(self.headers.get(name) or "").rpartition(" ")[2]

    def __repr__(self) -> str:
        """Name the method and the URL only: headers and body have secrets."""
        return f"<{self.method} {self.url}>"


def make_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the answer with a value: a text, bytes or ``None`` as it is, any other as JSON."""
    if value is None:
        return status, dict(headers or {}), b""
    if isinstance(value, (str, bytes)):
        return status, dict(headers or {}), value
    return status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value)
