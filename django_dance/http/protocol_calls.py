"""Protocol calls: token requests, refreshes, revocations, metadata and keys.

They are sent to the configured address only, and the answer is limited in time and size. A GET uses
connections that earlier ones have left open. Any other request has a new connection, and is sent
once. API calls go through the shared connections of :mod:`.pool`.
"""

from __future__ import annotations

import base64
import html
import http.client
import io
import json as jsonlib
import logging
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Self
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit

import requests
from django.utils.http import parse_http_date_safe
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import default_headers
from urllib3.exceptions import HTTPError, ProtocolError

from .. import __version__
from ..conf import settings
from ..exceptions import InvalidResponse, ProviderUnavailable
from ..tokens import SECRETS, Secret, clean_words, wrap_secrets
from .deadlines import TimedCall, running_call
from .environment import EnvironmentMixin
from .origins import is_secure
from .pool import HOSTS, SharedAdapter, leave_unsigned, share_until_fork

#: The largest accepted answer to a protocol call, in bytes.
MAX_ANSWER = 1024 * 1024
USER_AGENT = f"django-dance/{__version__}"

#: Parts of the time limit of a protocol call: the longest time to connect to one address, because
#: a host may have several, and the shortest time that must be left when the request is sent.
_TO_CONNECT = 1 / 3
_LEFT_TO_ANSWER = 1 / 4
#: The largest number of kept connections to one host.
_CONNECTIONS_PER_HOST = 10
#: The end of the time of all protocol calls of a block, on the monotonic clock: ``time_limit()``.
_latest_end: ContextVar[float] = ContextVar("latest_end", default=math.inf)
#: The parameters of a protocol call whose values are secrets.
_SECRET_PARAMS = SECRETS | {
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "fb_exchange_token",
    "token",
}
#: The members of an answer that may say why a call failed, the most exact first.
_WORDS = (
    "error_description",
    "error_message",
    "errorMessage",
    "message",
    "msg",
    "detail",
    "description",
    "reason",
    "title",
    "error",
    "errors",
)
#: A token in a text that is not read as JSON or as a form, such as a cut answer.
_GRANTED = re.compile(
    "((?:" + "|".join(sorted(SECRETS, key=len, reverse=True)) + ")"
    r"""(?:=|["']\s*:\s*["']?))[^\s"'&,<>}]+"""
)
#: The part of a page that is searched for words, in characters.
_MAX_PAGE = 8192


@dataclass(frozen=True)
class ProtocolResponse:
    """A provider's answer to a protocol call. Its ``repr`` shows neither headers nor body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    #: The secrets of the request, which :meth:`mask` masks.
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, response: requests.Response) -> Self:
        """Return the result of :func:`limited_request` as a ``ProtocolResponse``."""
        secrets = _secrets(response.request)
        return cls(response.status_code, dict(response.headers), response.content, secrets)

    def _header(self, name: str) -> str:
        """Return the value of a header whose name is given in lower case; ``""`` without it."""
        return next((v for k, v in self.headers.items() if k.lower() == name), "")

    @property
    def media_type(self) -> str:
        """The media type of the body in lower case, without parameters (RFC 9110 §8.3.1)."""
        return self._header("content-type").partition(";")[0].strip().lower()

    @property
    def succeeded(self) -> bool:
        """Whether the status is of the class Successful (RFC 9110 §15.3)."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object (RFC 6749 §5.1).

        :raises InvalidResponse: the body is not a JSON object.
        """
        value = self.json_value()
        if not isinstance(value, dict):
            raise InvalidResponse(f"The provider answered {self.status} without a JSON object.")
        return value

    def json_value(self) -> Any:
        """Return the body as a JSON value of any type (RFC 8259 §3).

        :raises InvalidResponse: the body is not JSON.
        """
        try:
            return wrap_secrets(jsonlib.loads(self.body, parse_constant=_no_constant))
        except (ValueError, RecursionError):
            raise InvalidResponse(f"The provider answered {self.status} without JSON.") from None

    def form(self) -> dict[str, str]:
        """Return the body as the fields of a form (RFC 5849 §2.1).

        :raises InvalidResponse: the body is not a form, or has a field twice.
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

    @property
    def max_age(self) -> int | None:
        """The seconds that the answer may be cached: 0 to forbid it, ``None`` without a statement.

        Only ``Cache-Control`` is read (RFC 9111 §5.2.2).
        """
        directives = [part.strip().lower() for part in self._header("cache-control").split(",")]
        if {"no-store", "no-cache"} & set(directives):
            return 0
        found = (re.fullmatch(r'max-age="?(\d{1,9})\d*"?', part) for part in directives)
        return next((int(match[1]) for match in found if match), None)

    @property
    def is_page(self) -> bool:
        """Whether the body is a page of HTML, which a proxy may have sent."""
        is_html = re.match(rb"\s*<(!doctype|html)\b", self.body, re.I)
        return "html" in self.media_type or bool(is_html)

    def words(self) -> str:
        """Return the sentence in which the provider says why the call failed, or ``""``.

        The sentence is clean, and the secrets of the request are masked in it. It is a member of a
        JSON object, such as ``message``, or else the text of the page.
        """
        try:
            found = _find_words(self.json())
        except InvalidResponse:
            found = _page_text(self.body)
        return clean_words(self.mask(found)) or ""

    def mask(self, text: str) -> str:
        """Replace the secrets of the request, which a provider may repeat, and granted tokens."""
        for secret in self.secrets:
            for form in (secret, quote(secret, safe=""), quote_plus(secret)):
                text = text.replace(form, "***")
        return _GRANTED.sub(r"\1***", text)


def _find_words(value: Any, depth: int = 3) -> str:
    """Return the sentence in a member of a JSON object, or in an object or list in it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        value = {"error": value[0]} if value else {}
    if not isinstance(value, dict) or not depth:
        return ""
    found = (_find_words(value.get(name), depth - 1) for name in _WORDS)
    return next(filter(None, found), "")


def _page_text(body: bytes) -> str:
    page = body[:_MAX_PAGE].decode(errors="replace")
    # As in a browser, a script or a comment without an end goes on to the end of the page.
    page = re.sub(r"(?is)<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", " ", page)
    return html.unescape(re.sub(r"<[^<>]*>", " ", page))


def _secrets(request: requests.PreparedRequest) -> tuple[str, ...]:
    """Return the secrets of a request: in its headers, in its body and in its query.

    A very short text would be masked inside other words, and is left out.
    """
    found: list[str] = []
    for name, value in request.headers.items():
        scheme, _, credentials = str(value).partition(" ")
        if name.lower() == "authorization" or isinstance(value, Secret):
            # The header of OAuth 1 has quoted values (RFC 5849 §3.5.1).
            found += [credentials or scheme, *re.findall(r'"([^"]+)"', credentials)]
        if scheme.lower() == "basic":
            # RFC 6749 §2.3.1: both parts are form-urlencoded.
            with suppress(ValueError):
                password = base64.b64decode(credentials).decode().partition(":")[2]
                found += [password, unquote_plus(password)]
    body = request.body or ""
    body = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    sent = jsonlib.loads(body) if body.startswith("{") else dict(parse_qsl(body))
    sent |= dict(parse_qsl(urlsplit(request.url or "").query))
    found += [value for name, value in sent.items() if name in _SECRET_PARAMS]
    # Some providers have names of their own for these parameters.
    found += vars(request).get("dance_secrets", ())
    return tuple(str(secret) for secret in found if len(str(secret)) >= 6)


def _marked_secrets(arguments: Mapping[str, Any]) -> list[Secret]:
    """Return the parameters of a request that are a ``Secret``, whatever their names are."""
    sent = (arguments.get(name) for name in ("params", "data", "json"))
    values = (value for each in sent if isinstance(each, Mapping) for value in each.values())
    return [value for value in values if isinstance(value, Secret)]


def _no_constant(name: str) -> float:
    """Read NaN and Infinity, which are not JSON (RFC 8259 §6), as NaN: it is never an expiry."""
    return math.nan


def protocol_call(
    method: str,
    url: str,
    *,
    query: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    json: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    auth: Callable[[requests.PreparedRequest], requests.PreparedRequest] | None = None,
    verify: bool | str = True,
) -> ProtocolResponse:
    """Make one call of the protocol and return the answer.

    A GET is sent again if the server has closed the kept connection. Any other request is sent at
    most once.

    There are no redirects, no cookies and no ``.netrc``. The address must use ``https``. The whole
    answer may take ``DANCE_TIMEOUT`` seconds and have :data:`MAX_ANSWER` bytes.

    :param query: parameters to add to the address. They are not logged.
    :param data: the fields of a form body.
    :param json: the members of a JSON body.
    :param auth: signs or authenticates the request, as ``requests`` defines it.
    :param verify: ``True``, or the path of a CA bundle.
    :raises ProviderUnavailable: there was no answer in time, or it was 408, 429 or 5xx.
    :raises InvalidResponse: the answer is a redirect, is compressed, or is too long.
    """
    response = limited_request(
        method,
        url,
        params=query,
        data=data,
        json=json,
        headers=headers,
        auth=auth or leave_unsigned,
        verify=verify,
    )
    return ProtocolResponse.of(response)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Limit the time of all protocol calls in the block, together.

    A call that would begin later raises ``ProviderUnavailable``.
    """
    mark = _latest_end.set(min(_latest_end.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _latest_end.reset(mark)


def limited_request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    like: requests.Session | None = None,
    max_answer: int = MAX_ANSWER,
    adapter: ProtocolAdapter | None = None,
    **arguments: Any,
) -> requests.Response:
    """Make one request with the limits of a protocol call, and return the answer with its body.

    :param like: a session whose headers, proxies, certificates and parameters apply.
    :param max_answer: the largest accepted answer, in bytes.
    :param adapter: makes the connection, for this call only.
    :param arguments: the other arguments of ``requests.Session.request``.
    :raises ProviderUnavailable: there was no answer in time, or it was 408, 429 or 5xx.
    :raises InvalidResponse: the answer is a redirect, is compressed, or is too long.
    """
    if not is_secure(url):
        raise InvalidResponse(
            f"{url.split('?')[0]} is not an https address. Plain http is allowed only while DEBUG, "
            "for loopback and the hosts in DANCE_INSECURE_HOSTS."
        )
    timeout = min(float(settings.timeout), _latest_end.get() - time.monotonic())
    if timeout <= 0:
        raise ProviderUnavailable(f"No time is left to call {urlsplit(url).hostname}.")
    with _ProtocolSession() as session:
        sent: CaseInsensitiveDict[str | bytes] = CaseInsensitiveDict(
            {"User-Agent": USER_AGENT, "Accept": "application/json"}
        )
        if like is not None:
            for name in ("cert", "params", "proxies", "trust_env", "verify"):
                setattr(session, name, getattr(like, name))
            default = default_headers()
            sent.update((k, v) for k, v in like.headers.items() if default.get(k) != v)
        sent.update(headers or {})
        # Without compression, the number of bytes on the wire is the size of the body.
        sent["Accept-Encoding"] = "identity"
        kept = adapter is None and method.upper() == "GET"
        session.use(_kept if kept else adapter or ProtocolAdapter())
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        arguments |= {
            "headers": sent,
            "timeout": (timeout * _TO_CONNECT, timeout),
            "allow_redirects": False,
            "stream": True,
        }
        # A refresh token that was sent may be used up, even if the answer comes too late.
        call = TimedCall(time.monotonic() + timeout, to_answer=timeout * _LEFT_TO_ANSWER)
        running = running_call.set(call)
        try:
            try:
                response = session.request(method, url, **arguments)
            except requests.ConnectionError as exception:
                stale = kept and not call.connects
                if not stale or not any(
                    isinstance(cause, ProtocolError) for cause in exception.args
                ):
                    raise
                # The server has closed the kept connection.
                session.use(ProtocolAdapter())
                response = session.request(method, url, **arguments)
            vars(response.request)["dance_secrets"] = _marked_secrets(arguments)
            response.raw = io.BytesIO(_read(response, call.deadline, max_answer))
        except (
            requests.RequestException,
            HTTPError,
            http.client.HTTPException,
            OSError,
            UnicodeError,
        ) as exception:
            failure = type(exception).__name__
        else:
            if response.status_code in (408, 429) or response.status_code >= 500:
                busy = ProviderUnavailable(
                    f"{urlsplit(url).hostname} answered {response.status_code}.",
                    status=response.status_code,
                    error_description=ProtocolResponse.of(response).words() or None,
                )
                busy.retry_after = _retry_after(response)
                raise busy
            return response
        finally:
            running_call.reset(running)
    # Raised outside of the handler, because the frames of the failure hold the secret body.
    cure = " If its certificate comes from your own CA, set CA_BUNDLE." * (failure == "SSLError")
    raise ProviderUnavailable(f"{urlsplit(url).hostname} could not be reached ({failure}).{cure}")


def _retry_after(answer: requests.Response) -> int | None:
    """Return the seconds of ``Retry-After``, which is a number or a date (RFC 9110 §10.2.3)."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return int(value[:9])
    moment = parse_http_date_safe(value)
    return None if moment is None else max(0, moment - int(time.time()))


class _HideQuery(logging.Filter):
    """Removes the query from the lines that urllib3 logs: that of a protocol call may be secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        if running_call.get() is not None and isinstance(record.args, tuple):
            record.args = tuple(
                arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args
            )
        return True


for _name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_HideQuery())


class _ProtocolSession(EnvironmentMixin):
    """Sees no redirects, because ``requests`` reads the body of each redirect that it sees."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None

    def use(self, adapter: ProtocolAdapter) -> None:
        """Send the requests through this adapter."""
        self.mount("https://", adapter)
        self.mount("http://", adapter)


def _read(response: requests.Response, deadline: float, max_answer: int) -> bytes:
    try:
        return _read_body(response, deadline, max_answer)
    except BaseException:
        response.close()  # nobody else may use a connection with the rest of an answer
        raise


def _read_body(response: requests.Response, deadline: float, max_answer: int) -> bytes:
    if 300 <= response.status_code < 400:
        raise InvalidResponse(
            f"{urlsplit(response.url).hostname} answered with a redirect. Redirects "
            "of protocol calls are not followed.",
            status=response.status_code,
        )
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise InvalidResponse(
            "The provider compressed its answer, though the request forbade it.",
            status=response.status_code,
        )
    body = bytearray()
    while chunk := response.raw.read(16 * 1024, decode_content=False):
        body += chunk
        if len(body) > max_answer:
            del body, chunk  # a traceback would print these variables
            raise InvalidResponse(
                f"The provider's answer is longer than {max_answer} bytes.",
                status=response.status_code,
            )
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body)


class ProtocolAdapter(SharedAdapter):
    """A connection for one call: a stale connection could not be told from a refused call."""

    def __init__(self, hosts: int = 1, connections: int = 1) -> None:
        super().__init__(pool_connections=hosts, pool_maxsize=connections, max_retries=0)

    def close(self) -> None:
        HTTPAdapter.close(self)


class _KeptConnections(ProtocolAdapter):
    """The connections for calls that change nothing."""

    def close(self) -> None:
        """Do nothing: closing one session must not close the connections of the others."""


_kept = share_until_fork(_KeptConnections(HOSTS, _CONNECTIONS_PER_HOST))
