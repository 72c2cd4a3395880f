"""Protocol calls against servers that misbehave, over real sockets."""

import gzip
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from itertools import cycle, islice

import pytest
import trustme

from django_dance.exceptions import InvalidResponse, ProviderUnavailable
from django_dance.transport import MAX_ANSWER, protocol_call, shared_adapter, tls_context


@pytest.fixture(autouse=True)
def _debug(settings):
    settings.DEBUG = True  # http to loopback is for development
    settings.DANCE_TIMEOUT = 60  # a busy machine may be slow


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


def test_a_plain_answer_comes_back():
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
def test_a_slow_answer_is_given_up_at_the_deadline(behave, settings):
    settings.DANCE_TIMEOUT = 1
    with server(behave) as (url, seen):
        with pytest.raises(ProviderUnavailable, match="Timeout"):
            protocol_call("POST", url, data={})
        assert len(seen) == 1


def test_a_port_where_nobody_listens_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ProviderUnavailable, match="localhost could not be reached"):
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
def test_a_broken_answer_is_asked_for_once(behave):
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


def test_an_encoded_answer_is_not_decoded():
    bomb = gzip.compress(b" " * 50_000_000)
    with server(answer(bomb, head=b"Content-Encoding: gzip\r\n")) as (url, _):
        with pytest.raises(InvalidResponse, match="encoded"):
            protocol_call("POST", url, data={})


def test_a_long_answer_is_cut_off():
    with server(answer(b" " * (MAX_ANSWER + 1))) as (url, _):
        with pytest.raises(InvalidResponse, match=f"longer than {MAX_ANSWER}"):
            protocol_call("POST", url, data={})


def test_an_endless_answer_is_cut_off():
    def behave(connection, stop):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not stop.is_set():
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")

    with server(behave) as (url, _), pytest.raises(InvalidResponse, match="longer"):
        protocol_call("POST", url, data={})


def test_cookies_are_neither_kept_nor_sent():
    with server(answer(head=b"Set-Cookie: a=b; Path=/\r\n")) as (url, seen):
        protocol_call("POST", url, data={})
        protocol_call("POST", url, data={})
    assert not any("Cookie" in request for request in seen)


def test_netrc_is_not_looked_into(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login evil password evil")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with server(answer()) as (url, seen):
        protocol_call("POST", url, data={})
    assert "Authorization" not in seen[0]


@pytest.mark.parametrize(
    "url", ["http://example.com/token", "ftp://localhost/", "localhost", "", "http://[::1", "//x"]
)
def test_what_is_not_https_is_not_called(url):
    with pytest.raises(InvalidResponse, match="no https address"):
        protocol_call("POST", url, data={})


def test_plain_http_is_for_debug_only(settings):
    settings.DEBUG = False
    with server(answer()) as (url, seen):
        with pytest.raises(InvalidResponse, match="no https address"):
            protocol_call("POST", url, data={})
        assert seen == []


# --- TLS --------------------------------------------------------------------------------------


def server_context(certificate, **settings):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def bundle(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_a_ca_of_ones_own_is_trusted_where_it_is_named(authority, bundle):
    context = server_context(authority.issue_cert("localhost"))
    with server(answer(), tls=context) as (url, _):
        assert protocol_call("POST", url, data={}, verify=bundle).json() == {}


def test_other_certificates_are_not(authority, bundle):
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
    assert shared_adapter() is shared_adapter()


def test_what_took_too_long_to_connect_is_not_sent(monkeypatch, settings):
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
