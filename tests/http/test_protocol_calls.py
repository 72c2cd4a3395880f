"""Protocol calls against servers that misbehave, over real sockets."""

import gzip
import hashlib
import json
import math
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from itertools import cycle, islice
from types import SimpleNamespace

import pytest
import requests
import trustme
from cryptography import x509
from django.utils.http import http_date

from django_dance import __version__
from django_dance.exceptions import InvalidResponse, ProviderUnavailable
from django_dance.http import (
    ProtocolResponse,
    deadlines,
    drop_frames,
    get_shared_adapter,
    pool,
    protocol_call,
)
from django_dance.http import protocol_calls as transport
from django_dance.http.pool import tls_context
from django_dance.http.protocol_calls import MAX_ANSWER
from django_dance.providers import providers
from django_dance.tokens import Secret

from ..loopback import Loopback, reserved_port
from ..test_secrets import report


@pytest.fixture(autouse=True)
def _debug(settings):
    settings.DEBUG = True  # allows plain http to loopback
    settings.DANCE_TIMEOUT = 60  # A busy machine may be slow.


@contextmanager
def server(behave, tls=None):
    """A server on loopback that treats each connection as ``behave(socket, request)`` says."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(60)
    seen, threads, stop = [], [], threading.Event()

    def serve(connection):
        with connection:
            connection.settimeout(60)
            try:
                if tls:
                    connection = tls.wrap_socket(connection, server_side=True)
                request = b""
                while b"\r\n\r\n" not in request:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    request += piece
                seen.append(request.decode("latin-1"))
                behave(connection, stop)
            except (OSError, ssl.SSLError):
                pass
            finally:
                connection.close()

    def accept():
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        scheme = "https" if tls else "http"
        yield f"{scheme}://localhost:{listener.getsockname()[1]}/token", seen
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (accepting, *threads):
            thread.join(60)


def answer(body=b"{}", head=b"", status=b"200 OK"):
    def behave(connection, stop):
        connection.sendall(
            b"HTTP/1.1 "
            + status
            + b"\r\nContent-Length: %d\r\n" % len(body)
            + head
            + b"\r\n"
            + body
        )

    return behave


def drip(head, again):
    """Sends ``head`` at once, then the bytes of ``again`` over and over, slowly, for 30 seconds."""

    def behave(connection, stop):
        connection.sendall(head)
        for byte in islice(cycle(again), 3000):
            if stop.wait(0.01):
                break
            connection.sendall(bytes([byte]))

    return behave


def test_a_response_is_returned():
    with server(answer(b'{"a": 1}')) as (url, seen):
        got = protocol_call("POST", url, data={"code": "x"})
    assert got.json() == {"a": 1}
    assert "planted" not in repr(got) and "body" not in repr(got)
    assert "Accept-Encoding: identity" in seen[0]
    assert "Cookie" not in seen[0] and "Authorization" not in seen[0]


@pytest.mark.parametrize(
    "behave",
    [
        lambda connection, stop: stop.wait(30),
        drip(b"HTTP/1.1 200 OK\r\n", b"X-Slow: x\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silence", "slow headers", "slow body", "slow continue"],
)
def test_a_slow_response_fails_at_the_deadline(behave, settings):
    settings.DANCE_TIMEOUT = 1
    with server(behave) as (url, seen):
        with pytest.raises(ProviderUnavailable, match="Timeout"):
            protocol_call("POST", url, data={})
        assert len(seen) == 1


def test_a_closed_port_makes_the_provider_unavailable():
    with (
        reserved_port() as port,
        pytest.raises(ProviderUnavailable, match="localhost could not be reached"),
    ):
        protocol_call("POST", f"http://localhost:{port}/token", data={})


@pytest.mark.parametrize(
    "behave",
    [
        lambda connection, stop: None,
        lambda connection, stop: connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
        ),
        lambda connection, stop: connection.sendall(b"not http at all\r\n\r\n"),
        lambda connection, stop: connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500),
        lambda connection, stop: connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
        ),
    ],
    ids=["closed", "half a body", "no http", "too many headers", "bad chunk"],
)
def test_a_broken_response_is_not_requested_again(behave):
    with server(behave) as (url, seen):
        with pytest.raises(ProviderUnavailable):
            protocol_call("POST", url, data={})
        assert len(seen) == 1


@pytest.mark.parametrize("status", [b"301 x", b"302 x", b"303 x", b"307 x", b"308 x", b"304 x"])
def test_a_redirect_is_not_followed(status):
    with server(answer()) as (elsewhere, untouched):
        head = b"Location: " + elsewhere.encode() + b"\r\n"
        with server(answer(head=head, status=status)) as (url, _):
            with pytest.raises(InvalidResponse, match="redirect"):
                protocol_call("POST", url, data={})
        assert untouched == []


def test_an_encoded_response_is_refused():
    bomb = gzip.compress(b" " * 50_000_000)
    with server(answer(bomb, head=b"Content-Encoding: gzip\r\n")) as (url, _):
        with pytest.raises(InvalidResponse, match="compressed"):
            protocol_call("POST", url, data={})


def test_a_response_above_the_limit_is_refused():
    with server(answer(b" " * (MAX_ANSWER + 1))) as (url, _):
        with pytest.raises(InvalidResponse, match=f"longer than {MAX_ANSWER}"):
            protocol_call("POST", url, data={})


def test_an_endless_response_is_refused():
    def behave(connection, stop):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not stop.is_set():
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")

    with server(behave) as (url, _), pytest.raises(InvalidResponse, match="longer"):
        protocol_call("POST", url, data={})


def test_cookies_are_neither_stored_nor_sent():
    with server(answer(head=b"Set-Cookie: a=b; Path=/\r\n")) as (url, seen):
        protocol_call("POST", url, data={})
        protocol_call("POST", url, data={})
    assert not any("Cookie" in request for request in seen)


def test_netrc_is_not_read(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login evil password evil")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with server(answer()) as (url, seen):
        protocol_call("POST", url, data={})
    assert "Authorization" not in seen[0]


@pytest.mark.parametrize(
    "url", ["http://example.com/token", "ftp://localhost/", "localhost", "", "http://[::1", "//x"]
)
def test_a_url_without_https_is_not_called(url):
    with pytest.raises(InvalidResponse, match="not an https address"):
        protocol_call("POST", url, data={})


def test_plain_http_is_allowed_only_while_debugging(settings):
    settings.DEBUG = False
    with server(answer()) as (url, seen):
        with pytest.raises(InvalidResponse, match="not an https address"):
            protocol_call("POST", url, data={})
        assert seen == []


# --- TLS --------------------------------------------------------------------------------------


def server_context(certificate, **settings):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def test_a_ca_that_the_settings_name_is_trusted(authority, bundle):
    context = server_context(authority.issue_cert("localhost"))
    with server(answer(), tls=context) as (url, _):
        assert protocol_call("POST", url, data={}, verify=bundle).json() == {}


def test_other_certificates_are_refused(authority, bundle):
    wrong = [
        (authority.issue_cert("localhost"), True),
        (authority.issue_cert("elsewhere.example"), bundle),
        (trustme.CA().issue_cert("localhost"), bundle),
    ]
    for certificate, verify in wrong:
        with server(answer(), tls=server_context(certificate)) as (url, seen):
            with pytest.raises(ProviderUnavailable, match="SSLError"):
                protocol_call("POST", url, data={}, verify=verify)
            assert seen == []


def test_the_ca_bundle_is_loaded_once(bundle):
    assert tls_context(bundle, None) is tls_context(bundle, None)
    assert tls_context(True, None).minimum_version >= ssl.TLSVersion.TLSv1_2
    assert tls_context(True, None).check_hostname
    assert get_shared_adapter() is get_shared_adapter()


def test_a_request_is_not_sent_after_a_slow_connect(monkeypatch, settings):
    settings.DANCE_TIMEOUT = 1
    look_up = socket.getaddrinfo

    def slowly(*args, **kwargs):
        time.sleep(settings.DANCE_TIMEOUT * 0.9)
        return look_up(*args, **kwargs)

    with server(answer()) as (url, seen):
        monkeypatch.setattr(socket, "getaddrinfo", slowly)
        with pytest.raises(ProviderUnavailable, match="localhost could not be reached"):
            protocol_call("POST", url, data={"refresh_token": "planted"})
    assert seen == []


# --- what arrives, and what comes back ------------------------------------------------------------


def headers(received):
    return {name: value for name, value in received.headers.items() if name != "Host"}


def test_a_form_arrives():
    with Loopback() as provider:
        protocol_call("POST", f"{provider.url}/token?a=b", data={"code": "x y", "b": "é"})
    (received,) = provider.received
    assert (received.method, received.target) == ("POST", "/token?a=b")
    assert received.form == [("code", "x y"), ("b", "é")]
    assert headers(received) == {
        "User-Agent": f"django-dance/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "keep-alive",
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(received.body)),
    }


def test_json_arrives():
    with Loopback() as provider:
        protocol_call("PUT", f"{provider.url}/token", json={"code": "x"})
    (received,) = provider.received
    assert received.method == "PUT"
    assert json.loads(received.body) == {"code": "x"}
    assert received.headers["Content-Type"] == "application/json"


def test_headers_and_credentials_arrive():
    def auth(request):
        request.headers["Authorization"] = "Basic planted"
        return request

    sent = {"Accept": "text/plain", "X-Name": "value", "Accept-Encoding": "gzip"}
    with Loopback() as provider:
        protocol_call("GET", provider.url, headers=sent, auth=auth)
    (received,) = provider.received
    assert received.method == "GET"
    assert headers(received) == {
        "User-Agent": f"django-dance/{__version__}",
        "Accept": "text/plain",
        "Accept-Encoding": "identity",
        "Connection": "keep-alive",
        "X-Name": "value",
        "Authorization": "Basic planted",
    }


@pytest.mark.parametrize("status", [200, 201, 204, 400, 401, 403, 404, 410, 499])
def test_a_response_is_returned_with_any_status(status):
    with Loopback(lambda received: (status, {"X-Name": "value"}, "")) as provider:
        got = protocol_call("POST", provider.url, data={})
    assert got.status == status
    assert got.body == b""
    assert got.headers["X-Name"] == "value"


@pytest.mark.parametrize("status", [408, 429, 500, 503, 599])
def test_a_busy_provider_is_unavailable(status):
    with Loopback(lambda received: (status, {}, "{}")) as provider:
        with pytest.raises(ProviderUnavailable, match=rf"^127.0.0.1 answered {status}\.$") as busy:
            protocol_call("POST", provider.url, data={})
    assert busy.value.status == status
    assert busy.value.retry_after is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 30 ", 30),
        ("0", 0),
        ("9" * 5000, 999_999_999),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\xb2", None),
        ("9" * 5000 + "x", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
def test_retry_after_may_be_a_number_of_seconds(name, value, seconds):
    with Loopback(lambda received: (429, {"X-First": "7", name: value}, "{}")) as provider:
        with pytest.raises(ProviderUnavailable) as busy:
            protocol_call("POST", provider.url, data={})
    assert busy.value.retry_after == seconds


def test_retry_after_may_be_a_date():
    def answer(received):
        return 503, {"Retry-After": http_date(time.time() + 1000)}, "{}"

    with Loopback(answer) as provider, pytest.raises(ProviderUnavailable) as busy:
        protocol_call("POST", provider.url, data={})
    assert busy.value.retry_after == pytest.approx(1000, abs=60)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"7",
        b"null",
        b"<html>",
        b"{",
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b'{"a":' * 60 + b"1" + b"}" * 60,
    ],
)
def test_a_response_without_a_json_object_is_refused(body):
    with pytest.raises(InvalidResponse, match="answered 201 without") as refusal:
        ProtocolResponse(201, {}, body).json()
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_numbers_that_json_does_not_define_become_nan():
    fields = ProtocolResponse(200, {}, b'{"a": NaN, "b": Infinity, "c": -Infinity}').json()
    assert all(math.isnan(value) for value in fields.values())
    assert len(fields) == 3


def test_the_repr_of_a_response_has_no_secret():
    body = b'{"access_token": "planted", "inner": {"refresh_token": "planted"}, "x": "shown"}'
    got = ProtocolResponse(200, {"X-Name": "planted"}, body)
    assert got.json()["access_token"] == "planted"
    assert "planted" not in repr(got) + repr(got.json())
    assert "shown" in repr(got.json())
    form = ProtocolResponse(200, {}, b"oauth_token=planted&x=shown").form()
    assert form["oauth_token"] == "planted"
    assert "planted" not in repr(form) and "shown" in repr(form)


def test_a_form_is_read():
    assert ProtocolResponse(200, {}, b"a=1&b=x+y%21&c=\n").form() == {
        "a": "1",
        "b": "x y!",
        "c": "",
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"a", "answered 202 without a form"),
        (b"a=1&&b=2", "answered 202 without a form"),
        (b"a=\xc3\xa9", "answered 202 without a form"),
        (b"&".join(b"a%d=1" % n for n in range(101)), "answered 202 without a form"),
        (b"a=1&a=1", "has a field twice"),
    ],
)
def test_a_response_without_a_form_is_refused(body, message):
    with pytest.raises(InvalidResponse, match=message):
        ProtocolResponse(202, {}, body).form()


def test_a_form_may_have_a_hundred_fields():
    assert len(ProtocolResponse(200, {}, b"&".join(b"a%d=1" % n for n in range(100))).form()) == 100


@pytest.mark.parametrize(
    ("headers", "body", "repeated", "words"),
    [
        ({"Authorization": "Bearer planted-1"}, {}, "no planted-1 here", "no *** here"),
        ({"Authorization": "planted-1"}, {}, "no planted-1 here", "no *** here"),
        (
            {"Authorization": 'OAuth oauth_token="planted-1", oauth_signature="planted-2"'},
            {},
            "planted-1 of planted-2",
            "*** of ***",
        ),
        (
            {"Authorization": "Basic Y2xpZW50OnBsYW50ZWQlMkYx"},  # client:planted%2F1
            {},
            "planted/1 or planted%2F1 of client",
            "*** or *** of client",
        ),
        ({"X-Key": Secret("planted-1")}, {}, "no planted-1 here", "no *** here"),
        ({"X-Key": "shown-1"}, {}, "no shown-1 here", "no shown-1 here"),
        ({}, {"data": {"code": "planted-1"}}, "no planted-1 here", "no *** here"),
        ({}, {"data": {"token": "planted/1"}}, "no planted%2F1 here", "no *** here"),
        ({}, {"json": {"refresh_token": "planted-1"}}, "no planted-1 here", "no *** here"),
        # A parameter whose name only the provider has.
        ({}, {"json": {"clientSecret": Secret("planted-1")}}, "no planted-1 here", "no *** here"),
        ({}, {"data": {"app_key": Secret("planted-1")}}, "no planted-1 here", "no *** here"),
        ({}, {"query": {"app_key": Secret("planted-1")}}, "no planted-1 here", "no *** here"),
        ({}, {"data": {"token": "planted 1+"}}, "no planted+1%2B here", "no *** here"),
        ({}, {"data": {"scope": "shown-1"}}, "no shown-1 here", "no shown-1 here"),
        ({}, {"data": {"code": "short"}}, "too short a code", "too short a code"),
        ({}, {"data": {"code": "sixsix"}}, "no sixsix here", "no *** here"),
    ],
)
def test_the_words_of_a_response_do_not_repeat_the_credentials(headers, body, repeated, words):
    with Loopback(lambda received: (400, {}, json.dumps({"message": repeated}))) as provider:
        got = protocol_call("POST", provider.url, headers=headers, **body)
    assert got.words() == words


# --- what ends a call -----------------------------------------------------------------------------


def test_without_time_nothing_is_sent(settings):
    settings.DANCE_TIMEOUT = 0
    with Loopback() as provider:
        with pytest.raises(ProviderUnavailable, match=r"^No time is left to call 127\.0\.0\.1"):
            protocol_call("POST", provider.url, data={})
    assert not provider.received


def test_a_get_request_is_not_repeated():
    with server(lambda connection, stop: None) as (url, seen):
        with pytest.raises(ProviderUnavailable):
            protocol_call("GET", url)
    assert len(seen) == 1


def test_a_refusal_has_the_status_of_the_response():
    cases = [
        (answer(status=b"302 x"), 302),
        (answer(status=b"201 x", head=b"Content-Encoding: br\r\n"), 201),
        (answer(status=b"202 x", body=b" " * (MAX_ANSWER + 1)), 202),
    ]
    for behave, status in cases:
        with server(behave) as (url, _), pytest.raises(InvalidResponse) as refusal:
            protocol_call("POST", url, data={})
        assert refusal.value.status == status


def test_a_response_of_a_mebibyte_is_accepted_and_a_longer_one_is_not():
    mebibyte = 1024 * 1024
    with Loopback(lambda received: (200, {}, b" " * mebibyte)) as provider:
        assert len(protocol_call("GET", provider.url).body) == mebibyte
    with Loopback(lambda received: (200, {}, b" " * (mebibyte + 1))) as provider:
        with pytest.raises(InvalidResponse, match="longer than 1048576 bytes"):
            protocol_call("GET", provider.url)


@pytest.mark.parametrize("value", ["", "identity", " Identity "])
def test_a_response_may_name_the_identity_encoding(value):
    with Loopback(lambda received: (200, {"Content-Encoding": value}, "{}")) as provider:
        assert protocol_call("GET", provider.url).json() == {}


@pytest.mark.parametrize("status", [300, 305, 399])
def test_every_status_of_a_redirect_is_refused(status):
    with Loopback(lambda received: (status, {}, "{}")) as provider:
        with pytest.raises(InvalidResponse, match="answered with a redirect") as refusal:
            protocol_call("GET", provider.url)
    assert refusal.value.status == status


def test_the_body_of_a_redirect_is_not_read():
    def behave(connection, stop):
        connection.sendall(b"HTTP/1.1 302 x\r\nLocation: /x\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not stop.is_set():
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")

    with server(behave) as (url, _), pytest.raises(InvalidResponse, match="redirect"):
        protocol_call("POST", url, data={})


def test_the_connection_ends_with_the_call():
    ended = []

    def behave(connection, stop):
        answer()(connection, stop)
        ended.append(connection.recv(1))

    with server(behave) as (url, _):
        protocol_call("POST", url, data={})
    assert ended == [b""]


@pytest.mark.parametrize(
    ("headers", "failure"), [({"X-Name": "☃"}, "UnicodeEncodeError"), ({"X": "a\r\nb"}, "Header")]
)
def test_a_request_that_cannot_be_sent_makes_the_provider_unavailable(headers, failure):
    with Loopback() as provider, pytest.raises(ProviderUnavailable, match=failure):
        protocol_call("POST", provider.url, data={}, headers=headers)
    assert not provider.received


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_line_about_broken_headers_does_not_repeat_the_query(settings, caplog, method):
    settings.DEBUG = True
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nno header\r\n: x\r\n\r\n{}")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/revoke"
        assert protocol_call(method, url, query={"token": "planted-token"}).status == 200
        thread.join()
    assert "Failed to parse headers" in caplog.text
    assert "planted" not in caplog.text


def test_the_error_about_an_address_does_not_repeat_its_query():
    with pytest.raises(
        InvalidResponse, match=r"^http://example\.com/token is not an https"
    ) as refusal:
        protocol_call("GET", "http://example.com/token?planted#planted?planted")
    assert "planted" not in str(refusal.value)


@pytest.fixture
def clock(monkeypatch):
    """The clock of the protocol calls, which ``clock.jump()`` sets forward by an hour."""

    def jump():
        clock.ahead += 3600

    clock = SimpleNamespace(
        ahead=0, jump=jump, time=time.time, monotonic=lambda: time.monotonic() + clock.ahead
    )
    for module in (transport, deadlines):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.mark.parametrize("last", [b"X-Name: ", b"\r\n{", b"\r\n{}"])
def test_a_response_read_after_the_deadline_is_refused(clock, last):

    def behave(connection, stop):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")
        stop.wait(0.1)  # until the client waits for the rest; earlier is no different
        clock.jump()
        connection.sendall(last)
        stop.wait(10)

    with server(behave) as (url, _), pytest.raises(ProviderUnavailable, match="Timeout"):
        protocol_call("POST", url, data={})


def test_a_read_waits_for_the_remaining_time_and_no_longer(clock, settings):
    settings.DANCE_TIMEOUT = 3601
    hung_up = []

    def behave(connection, stop):
        clock.jump()  # a second is left
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{")
        connection.settimeout(20)
        hung_up.append(connection.recv(1) == b"")

    with server(behave) as (url, _):
        with pytest.raises(ProviderUnavailable, match="Timeout"):
            protocol_call("GET", url)
    assert hung_up == [True]


@contextmanager
def full():
    """A port where connections wait to be accepted, and no more of them are let in."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        for _ in range(3):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for each in waiting:
            each.close()


def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch, settings):
    settings.DANCE_TIMEOUT = 4
    with full() as port, Loopback() as provider:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each))
            for each in (port, provider.server_port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: addresses)
        assert protocol_call("POST", "http://localhost/token", data={}).json() == {}


@pytest.fixture
def set_proxy(monkeypatch):
    """Names a proxy in the environment."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return lambda url: monkeypatch.setenv("http_proxy", url.removesuffix("/token"))


def test_the_proxy_of_the_environment_is_used(set_proxy):
    with server(answer()) as (proxy, seen):
        set_proxy(proxy)
        assert protocol_call("POST", "http://localhost:9/token", data={}).json() == {}
    assert seen[0].startswith("POST http://localhost:9/token HTTP/1.1")


def test_a_slow_response_through_a_proxy_fails_at_the_deadline(set_proxy, settings):
    settings.DANCE_TIMEOUT = 1
    with server(drip(b"HTTP/1.1 200 OK\r\n", b"X-Slow: x\r\n")) as (proxy, seen):
        set_proxy(proxy)
        with pytest.raises(ProviderUnavailable, match="Timeout"):
            protocol_call("POST", "http://localhost:9/token", data={})
        assert len(seen) == 1


def test_a_failure_reports_no_secret():
    # The secret is written as two texts, because a report quotes this line of the source.
    secret = Secret("plan" + "ted")
    with reserved_port() as port, pytest.raises(ProviderUnavailable) as failure:
        protocol_call("POST", f"http://localhost:{port}/token", data={"code": secret})
    assert failure.value.__context__ is None
    text = report(failure.value)
    assert "protocol_call" in text
    assert str(secret) not in text


# --- kept connections -----------------------------------------------------------------------------


def test_requests_that_change_nothing_share_a_connection():
    with Loopback() as provider:
        for _ in range(3):
            protocol_call("GET", provider.url)
        assert provider.connections == 1
        for _ in range(3):
            protocol_call("POST", provider.url, data={})
        assert provider.connections == 4


def test_a_forked_child_opens_a_connection_of_its_own():
    with Loopback() as provider:
        protocol_call("GET", provider.url)
        pool._after_fork()  # as in a forked process
        protocol_call("GET", provider.url)
        assert provider.connections == 2


def test_a_request_on_a_connection_that_the_server_has_closed_is_sent_again():
    connections = []

    def behave(connection, stop):
        connections.append(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        if len(connections) == 1:
            connection.recv(65536)  # the second request; the connection is closed without an answer

    with server(behave) as (url, seen):
        for _ in range(2):
            assert protocol_call("GET", url).json() == {}
    assert len(seen) == len(connections) == 2


@pytest.mark.parametrize("first", ["short", "long", "redirect"])
def test_a_connection_with_the_rest_of_an_answer_is_not_used_again(first, settings):
    heads = {
        "short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        "long": b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b" " * (MAX_ANSWER + 1),
        "redirect": b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 9\r\n\r\n{}",
    }
    answers = [heads[first], b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}']

    def behave(connection, stop):
        connection.sendall(answers.pop(0))
        if answers:
            connection.recv(65536)  # until the client closes the connection

    settings.DANCE_TIMEOUT = 1
    with server(behave) as (url, seen):
        with pytest.raises((InvalidResponse, ProviderUnavailable)):
            protocol_call("GET", url)
        assert protocol_call("GET", url).json() == {"a": 1}
    assert len(seen) == 2


def test_a_slow_answer_on_a_kept_connection_fails_at_the_deadline(settings):
    def behave(connection, stop):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.recv(65536)
        drip(b"HTTP/1.1 200 OK\r\n", b"X-Slow: x\r\n")(connection, stop)

    with server(behave) as (url, seen):
        assert protocol_call("GET", url).json() == {}
        settings.DANCE_TIMEOUT = 1
        with pytest.raises(ProviderUnavailable, match="Timeout"):
            protocol_call("GET", url)
    assert len(seen) == 1  # the second request came on the first connection


# --- TLS, where nothing is named ------------------------------------------------------------------


def test_an_unknown_ca_is_trusted_only_if_it_is_named(authority):
    context = server_context(authority.issue_cert("localhost"))
    with server(answer(), tls=context) as (url, seen):
        with pytest.raises(ProviderUnavailable, match=r"\(SSLError\)\. .* set CA_BUNDLE\.$"):
            protocol_call("POST", url, data={})
        assert seen == []


def test_a_ca_file_that_is_missing_or_broken_makes_the_provider_unavailable(tmp_path):
    (tmp_path / "broken.pem").write_text("no certificate")
    for name, failure in (("missing.pem", "FileNotFoundError"), ("broken.pem", "SSLError")):
        with pytest.raises(ProviderUnavailable, match=rf"could not be reached \({failure}\)"):
            protocol_call("GET", "https://localhost:9/", verify=str(tmp_path / name))


def hashed_name(certificate):
    """The file name that OpenSSL looks for in a directory: a digest of the subject's name."""

    def der(tag, content):
        assert len(content) < 128
        return bytes([tag, len(content)]) + content

    digest = hashlib.sha1()
    for part in x509.load_pem_x509_certificate(certificate).subject:
        first, second, *arcs = map(int, part.oid.dotted_string.split("."))
        oid = der(0x06, bytes([40 * first + second, *arcs]))
        # OpenSSL's X509_NAME_hash() takes each value in lower case, as a UTF8String.
        digest.update(der(0x31, der(0x30, oid + der(0x0C, part.value.lower().encode()))))
    return digest.digest()[3::-1].hex() + ".0"


def test_a_directory_of_ca_certificates_may_be_named(authority, tmp_path):
    pem = authority.cert_pem.bytes()
    context = server_context(authority.issue_cert("localhost"))
    with server(answer(), tls=context) as (url, seen):
        with pytest.raises(ProviderUnavailable, match="SSLError"):
            protocol_call("POST", url, data={}, verify=str(tmp_path))
        assert seen == []
        (tmp_path / hashed_name(pem)).write_bytes(pem)
        assert protocol_call("POST", url, data={}, verify=str(tmp_path)).json() == {}


def test_the_cas_of_requests_are_trusted_by_default():
    theirs = ssl.create_default_context(cafile=requests.certs.where())
    # OpenSSL sorts the certificates of a context when it verifies the first server.
    ours = sorted(tls_context(True, None).get_ca_certs(), key=repr)
    assert ours == sorted(theirs.get_ca_certs(), key=repr) != []


def test_an_unverified_context_is_created_only_on_request(authority):
    assert tls_context(True, None).verify_mode is ssl.CERT_REQUIRED
    unverified = tls_context(False, None)
    assert unverified.verify_mode is ssl.CERT_NONE
    assert not unverified.check_hostname
    assert unverified is not tls_context(True, None)


# --- exceptions without frames --------------------------------------------------------------------


def test_an_exception_loses_the_frames_of_its_causes():
    def fail(depth):
        try:
            if depth == 0:
                raise KeyError("first")
            fail(depth - 1)
        except Exception as error:
            if depth % 2:
                raise ValueError(depth) from error
            raise TypeError(depth)  # noqa: B904  the context alone

    with pytest.raises(TypeError) as failed:
        fail(4)
    stripped = drop_frames(failed.value)
    assert stripped is failed.value
    chain = []
    while stripped is not None:
        chain.append(stripped)
        stripped = stripped.__cause__ or stripped.__context__
    assert len(chain) == 6
    assert [error.__traceback__ for error in chain] == [None] * 6


def test_the_cause_and_the_context_of_an_exception_both_lose_their_frames():
    error, cause, context = ValueError("error"), KeyError("cause"), TypeError("context")
    for each in (cause, context):
        with pytest.raises(type(each)):
            raise each
    error.__cause__, error.__context__ = cause, context
    drop_frames(error)
    assert cause.__traceback__ is None and context.__traceback__ is None


def test_exceptions_with_circular_causes_lose_their_frames():
    first, second = requests.ConnectionError("first"), OSError("second")
    for error in (first, second):
        with pytest.raises(OSError):
            raise error
    first.__cause__, second.__context__ = second, first
    assert first.__traceback__ and second.__traceback__
    drop_frames(first)
    assert first.__traceback__ is None and second.__traceback__ is None


# --- the account of a token -----------------------------------------------------------------------


@pytest.fixture
def session_at(settings):
    """Makes a session of a connected visitor; the URL is the one that names the account."""

    def session_at(url, **options):
        settings.GITHUB_OAUTH_CLIENT_SECRET = "planted-secret"
        settings.DANCE_PROVIDERS = {
            "github": {
                "PROVIDER": "django_dance.contrib.github.GitHub",
                "BASE_URL": url.removesuffix("/token"),
                "ACCOUNT_URL": url,
                "STORAGE": "django_dance.storage.MemoryStorage",
                **options,
            }
        }
        session = providers["github"].session(user_id=1)
        session.token = {"access_token": "planted-access-token", "refresh_token": "planted-2"}
        return session

    return session_at


def endless(connection, stop):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not stop.is_set():
        connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


@pytest.mark.parametrize(
    ("behave", "error", "message"),
    [
        (
            drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
            ProviderUnavailable,
            "Timeout",
        ),
        (endless, InvalidResponse, "longer than"),
        (
            answer(gzip.compress(b" " * 50_000_000), head=b"Content-Encoding: gzip\r\n"),
            InvalidResponse,
            "compressed",
        ),
        (answer(status=b"503 x"), ProviderUnavailable, "answered 503"),
    ],
    ids=["slow body", "endless chunks", "gzip bomb", "busy"],
)
def test_the_call_for_the_account_has_the_limits_of_a_protocol_call(
    session_at, settings, behave, error, message
):
    settings.DANCE_TIMEOUT = 1 if message == "Timeout" else 60
    with server(behave) as (url, seen):
        with pytest.raises(error, match=message):
            session_at(url).account_info()
        assert len(seen) == 1


def test_an_account_named_by_another_origin_is_ignored(session_at):
    with server(answer(b'{"id": 7, "login": "mallory"}')) as (elsewhere, untouched):
        head = b"Location: " + elsewhere.encode() + b"\r\n"
        with server(answer(head=head, status=b"302 x")) as (url, _):
            with pytest.raises(InvalidResponse, match="redirect"):
                session_at(url).account_info()
        assert untouched == []


def test_the_call_for_the_account_is_sent_as_the_session_sends_its_calls(session_at):
    def answer(received):
        return 200, {}, '{"id": 7, "login": "ada"}'

    with Loopback(answer) as local:
        session = session_at(f"{local.url}/token")
        session.headers["User-Agent"] = "engines/1"
        session.params = {"tenant": "a"}
        info = session.account_info()
    (received,) = local.received
    assert (info.id, info.label) == ("7", "ada")
    assert received.headers["User-Agent"] == "engines/1"
    assert received.headers["Accept"] == "application/json"
    assert received.headers["Authorization"] == "Bearer planted-access-token"
    assert received.query == [("tenant", "a")]


def test_a_token_that_the_call_for_the_account_rejects_is_refreshed_once(session_at):
    def answer(received):
        if received.path == "/refresh":
            return 200, {}, '{"access_token": "planted-new", "token_type": "bearer"}'
        if received.headers["Authorization"] == "Bearer planted-new":
            return 200, {}, '{"id": 7, "login": "ada"}'
        return 401, {}, "{}"

    with Loopback(answer) as local:
        session = session_at(f"{local.url}/token", TOKEN_URL=f"{local.url}/refresh")
        assert session.account_info().id == "7"
    assert [received.path for received in local.received] == ["/token", "/refresh", "/token"]
