"""How bytes get to providers and back.

API calls share connections and never credentials: sessions are made per owner, the adapter with
its pools and TLS contexts lives as long as the process. Protocol calls (token, refresh, revoke)
go through :func:`protocol_call`, which trusts nothing that comes back.
"""

from __future__ import annotations

import http.client
import io
import json as jsonlib
import math
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from django.utils.http import parse_http_date_safe
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from .. import __version__
from ..conf import settings
from ..exceptions import InvalidResponse, ProviderUnavailable
from ..tokens import wrap_secrets
from .origins import is_secure

#: The largest answer to a protocol call, in bytes.
MAX_ANSWER = 1024 * 1024
USER_AGENT = f"django-dance/{__version__}"

#: Of the time for a protocol call: what one address may take to connect, for there may be others,
#: and what must be left when the request is sent.
_TO_CONNECT = 1 / 3
_LEFT_TO_ANSWER = 1 / 4

_CONNECTIONS_PER_HOST = 64
_HOSTS = 128


@lru_cache(maxsize=64)
def tls_context(verify: bool | str, cert: str | tuple[str, str] | None) -> ssl.SSLContext:
    """The TLS context for these settings, loaded once: reading the CA bundle takes milliseconds."""
    context = create_urllib3_context()
    if verify:
        path = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
        if Path(path).is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
        context.verify_mode = ssl.CERT_REQUIRED
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert:
        context.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))
    return context


class SharedAdapter(HTTPAdapter):
    """Pools of kept-alive connections, per origin and TLS settings, for all sessions."""

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] != "https":
            return host, {}
        if isinstance(cert, list):
            cert = tuple(cert)
        context = tls_context(verify if isinstance(verify, str) else bool(verify), cert or None)
        return host, {"ssl_context": context, "cert_reqs": context.verify_mode}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The TLS context has it all; anything set here would be loaded again per connection."""

    def close(self) -> None:
        """A session that is closed must not close the others' connections."""


_shared = SharedAdapter(pool_connections=_HOSTS, pool_maxsize=_CONNECTIONS_PER_HOST)


def shared_adapter() -> SharedAdapter:
    """The adapter that all sessions of this process use."""
    return _shared


def _after_fork() -> None:
    # Two processes that write to one inherited socket would answer each other's requests.
    # Sessions made before the fork hold this very adapter, so it is emptied, not replaced.
    _shared.init_poolmanager(_HOSTS, _CONNECTIONS_PER_HOST)
    _shared.proxy_manager = {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def without_frames(exception: BaseException) -> BaseException:
    """The exception without the frames below: they hold headers and bodies with secrets.

    Error pages and ``traceback`` print the local variables of every frame of an exception and of
    those that led to it. What went wrong stays in the messages.
    """
    seen: set[int] = set()
    pending: list[BaseException | None] = [exception]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = None
        pending += [current.__cause__, current.__context__]
    return exception


# --- protocol calls ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a provider answered to a protocol call. Its body never prints."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """The JSON object it is (RFC 6749 §5.1).

        :raises InvalidResponse: it is anything else.
        """
        try:
            value = wrap_secrets(jsonlib.loads(self.body, parse_constant=_no_constant))
        except (ValueError, RecursionError):
            raise InvalidResponse(
                f"The provider answered {self.status} without a JSON object."
            ) from None
        if not isinstance(value, dict):
            raise InvalidResponse(f"The provider answered {self.status} without a JSON object.")
        return value

    def form(self) -> dict[str, str]:
        """The form it is (RFC 5849 §2.1), each name once.

        :raises InvalidResponse: it is anything else.
        """
        try:
            pairs = parse_qsl(
                self.body.decode("ascii").strip(),
                keep_blank_values=True,
                strict_parsing=True,
                max_num_fields=100,
            )
        except ValueError:
            raise InvalidResponse(f"The provider answered {self.status} without a form.") from None
        if len(dict(pairs)) != len(pairs):
            raise InvalidResponse("The provider's answer has a field twice.")
        return dict(wrap_secrets(dict(pairs)))


def _no_constant(name: str) -> float:
    """NaN and Infinity are not JSON (RFC 8259 §6); as an expiry they are no number either."""
    return math.nan


def protocol_call(
    method: str,
    url: str,
    *,
    data: Mapping[str, str] | None = None,
    json: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    auth: Callable[[requests.PreparedRequest], requests.PreparedRequest] | None = None,
    verify: bool | str = True,
) -> Answer:
    """One call of the protocol itself: sent at most once, answered in time and in bounds, or not.

    No redirects, no cookies, no ``.netrc``, ``https`` only; ``DANCE_TIMEOUT`` seconds for the
    whole answer, :data:`MAX_ANSWER` bytes at most.

    :raises ProviderUnavailable: no answer in time, or one that says "later" (408, 429, 5xx).
    :raises InvalidResponse: an answer that must not be followed, decoded or read to its end.
    """
    if not is_secure(url):
        raise InvalidResponse(
            f"{url.split('?')[0]} is no https address; http is for loopback while DEBUG only."
        )
    timeout = float(settings.timeout)
    with _ProtocolSession() as session:
        adapter = _ProtocolAdapter(deadline=time.monotonic() + timeout)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        sent = {"User-Agent": USER_AGENT, "Accept": "application/json", **(headers or {})}
        # A body that is not encoded cannot explode; the cap below is then the whole truth.
        sent["Accept-Encoding"] = "identity"
        try:
            response = session.request(
                method,
                url,
                data=data,
                json=json,
                headers=sent,
                auth=auth or _unchanged,
                timeout=(timeout * _TO_CONNECT, timeout),
                allow_redirects=False,
                stream=True,
                verify=verify,
            )
            answer = _read(response, adapter.deadline)
        except (
            requests.RequestException,
            HTTPError,
            http.client.HTTPException,
            OSError,
            UnicodeError,
        ) as exception:
            failure = type(exception).__name__
        else:
            if answer.status in (408, 429) or answer.status >= 500:
                busy = ProviderUnavailable(
                    f"{urlsplit(url).hostname} answered {answer.status}.", status=answer.status
                )
                busy.retry_after = _retry_after(answer)
                raise busy
            return answer
    # Outside the handler: the failure's frames hold the body with its secrets.
    raise ProviderUnavailable(f"{urlsplit(url).hostname} could not be reached ({failure}).")


def _retry_after(answer: Answer) -> int | None:
    """RFC 9110 §10.2.3: seconds, or a date."""
    value = next((v for k, v in answer.headers.items() if k.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        return int(value[:9])
    moment = parse_http_date_safe(value)
    return None if moment is None else max(0, moment - int(time.time()))


class _ProtocolSession(requests.Session):
    """Sees no redirects; ``requests`` would read one to its end before it does not follow it."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An ``auth`` of our own keeps ``requests`` from looking into ``.netrc``."""
    return request


def _read(response: requests.Response, deadline: float) -> Answer:
    if 300 <= response.status_code < 400:
        raise InvalidResponse(
            f"{urlsplit(response.url).hostname} answered with a redirect; a protocol call goes "
            "where the settings say or nowhere.",
            status=response.status_code,
        )
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise InvalidResponse(
            "The provider encoded its answer, though it was asked not to.",
            status=response.status_code,
        )
    body = bytearray()
    while chunk := response.raw.read(16 * 1024, decode_content=False):
        body += chunk
        if len(body) > MAX_ANSWER:
            del body, chunk  # a traceback would print them
            raise InvalidResponse(
                f"The provider's answer is longer than {MAX_ANSWER} bytes.",
                status=response.status_code,
            )
        if time.monotonic() > deadline:
            raise TimeoutError
    return Answer(response.status_code, dict(response.headers), bytes(body))


class _DeadlineFile(io.RawIOBase):
    """A socket's bytes until a moment: each read may wait for what is left of the time, no more.

    A timeout of a socket counts from the last byte; a server that sends one byte now and then
    would never run into it.
    """

    def __init__(self, raw: Any, sock: Any, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The answer took too long.")
        self._sock.settimeout(left)
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_DeadlineFile(self.fp.detach(), sock, deadline))


def _connect(connect: Callable[[], None], deadline: float) -> None:
    """Connect, and rather send nothing than send what nobody waits for the answer to: a refresh
    token that was sent is spent."""
    connect()
    if deadline - time.monotonic() < float(settings.timeout) * _LEFT_TO_ANSWER:
        raise ConnectTimeoutError("It took too long to connect.")


class _DeadlinePool(HTTPConnectionPool):
    deadline: float

    def _new_conn(self) -> Any:
        connection = super()._new_conn()
        connection.response_class = partial(_DeadlineResponse, deadline=self.deadline)  # type: ignore[attr-defined]
        connection.connect = partial(_connect, connection.connect, self.deadline)  # type: ignore[method-assign]
        return connection


class _DeadlineTLSPool(_DeadlinePool, HTTPSConnectionPool):
    pass


class _ProtocolAdapter(SharedAdapter):
    """Connections of one call only: a stale one could not be told from a refused call."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _DeadlinePool,
            "https": _DeadlineTLSPool,
        }

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self.poolmanager.pool_classes_by_scheme
        return manager

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        pool.deadline = self.deadline  # type: ignore[attr-defined]
        return pool

    def close(self) -> None:
        HTTPAdapter.close(self)
