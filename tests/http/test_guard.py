"""Addresses that others choose, over real sockets, with a resolver that keeps a log.

The numbers P… are those of the list of hostile inputs. A listener at each forbidden address shows
that no connection reaches it.
"""

import gzip
import itertools
import os
import socket
import ssl
import threading
from contextlib import suppress

import pytest

from django_dance.exceptions import AddressRefused, InvalidResponse, ProviderUnavailable
from django_dance.http import call_untrusted, check_url, guard
from django_dance.http.environment import forget_environment
from django_dance.http.guard import is_public
from django_dance.tokens import Secret

from ..internet import ELSEWHERE, IPV6, PUBLIC
from ..loopback import Loopback, reserved_port
from ..test_secrets import report
from .test_protocol_calls import drip, server

pytestmark = pytest.mark.one_database("These tests store nothing")


@pytest.fixture(autouse=True)
def _time(settings):
    settings.DANCE_TIMEOUT = 60  # A busy machine may be slow.


@pytest.fixture
def listener():
    """A server at a forbidden address: loopback."""
    with Loopback() as listener:
        yield listener
        assert listener.connections == 0


def json(received):
    return 200, {"Content-Type": "application/json"}, '{"a": 1}'


# --- a call that is allowed -----------------------------------------------------------------------


def test_a_call_reaches_the_address_of_the_name(internet, authority, bundle):
    with internet.site(authority, answer=json) as site:
        got = call_untrusted("GET", "https://MCP.example:443/x?y=%2F", verify=bundle)
    assert got.status == 200 and got.json() == {"a": 1}
    assert internet.resolved == ["mcp.example"]
    assert internet.connected == [PUBLIC]
    (received,) = site.received
    assert received.target == "/x?y=%2F"
    assert received.headers["Host"] == "mcp.example"
    assert received.headers["Accept-Encoding"] == "identity"


def test_a_form_and_json_can_be_sent(internet, authority, bundle):
    with internet.site(authority, answer=json) as site:
        call_untrusted("POST", "https://mcp.example/token", data={"code": "x"}, verify=bundle)
        call_untrusted("POST", "https://mcp.example/register", json={"a": ["b"]}, verify=bundle)
    assert site.received[0].form == [("code", "x")]
    assert site.received[1].body == b'{"a": ["b"]}'


def test_the_certificate_must_be_that_of_the_name(internet, authority, bundle):
    with internet.site(authority, "other.example") as site:
        internet.names["mcp.example"] = [PUBLIC]
        with pytest.raises(ProviderUnavailable, match="SSLError"):
            call_untrusted("GET", "https://mcp.example/", verify=bundle)
    assert site.received == []


def test_the_next_address_is_tried_if_the_first_does_not_answer(internet, authority, bundle):
    with internet.site(authority, answer=json), reserved_port() as closed:
        internet.names["mcp.example"] = [ELSEWHERE, IPV6, PUBLIC]
        internet.hosts[ELSEWHERE] = internet.hosts[IPV6] = closed
        assert call_untrusted("GET", "https://mcp.example/", verify=bundle).status == 200
    assert internet.connected == [ELSEWHERE, IPV6, PUBLIC]


def test_only_some_addresses_of_a_name_are_tried(internet):
    with reserved_port() as closed:
        addresses = [f"93.184.215.{number}" for number in range(9)]
        internet.names["mcp.example"] = addresses
        internet.hosts = dict.fromkeys(addresses, closed)
        with pytest.raises(ProviderUnavailable):
            call_untrusted("GET", "https://mcp.example/")
    assert internet.connected == addresses[:4]


def test_an_unknown_name_is_unavailable(internet):
    for answers in (None, []):
        internet.names["mcp.example"] = answers
        with pytest.raises(ProviderUnavailable, match=r"^mcp\.example could not be reached"):
            call_untrusted("GET", "https://mcp.example/")
    assert internet.connected == []


# --- the form of the address: nothing is resolved -------------------------------------------------


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTPS://Mcp.Example", "https://mcp.example/"),
        ("https://mcp.example:443/mcp", "https://mcp.example/mcp"),
        ("https://mcp.example:8443/mcp?a=b&c", "https://mcp.example:8443/mcp?a=b&c"),
        ("https://mcp.example./Mcp/", "https://mcp.example/Mcp/"),
        (
            "https://bücher.example/ü".replace("/ü", "/%C3%BC"),
            "https://xn--bcher-kva.example/%C3%BC",
        ),
        ("https://a_b.example/", "https://a_b.example/"),
    ],
)
def test_the_normal_form(url, normal, internet):
    assert check_url(url) == normal == check_url(normal)
    assert internet.resolved == []


@pytest.mark.parametrize(
    "url",
    [
        "http://mastodon.social",  # P1
        "https://mastodon.social@evil.example/",  # P2
        "https://u:p@host.example/mcp",
        "https://mcp.example/mcp#x",  # P3
        "https://localhost/",  # P4
        "https://x.localhost/",
        "https://localhost./",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://0.0.0.0/",
        "https://10.0.0.1/",
        "https://169.254.169.254/",
        "https://93.184.215.14/",  # public, and no name
        "https://127.1/",  # P5
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://a.0x7f/",
        "https://１２７.０.０.１/",
        "https://127。0。0。1/",
        "https://[::ffff:169.254.169.254]/",  # P6
        "http://169.254.169.254/latest",  # P12
        "file:///etc/passwd",
        "javascript:alert(1)",  # P17
        "data:text/html,x",
        "ftp://mcp.example/",
        "//mcp.example/",
        "mcp.example",
        "",
        "https://",
        "https:///mcp",
        "https://mcp.example:/",
        "https://mcp.example:0/",
        "https://mcp.example:65536/",
        "https://mcp.example:99999999/",
        "https://mcp.example:22/",
        "https://mcp.example:80/",
        "https://mcp.example:١٢/",
        "https://intranet/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        "https://kubernetes.default.svc.cluster.local/",
        "https://router.home.arpa/",
        "https://x.onion/",
        "https://-a.example/",
        "https://a..example/",
        f"https://{'a' * 64}.example/",
        f"https://mcp.example/{'a' * 2048}",
        "https://mcp.example\\@evil.example/",
        "https://mcp.example/\\evil",
        "https://mcp.example /",
        " https://mcp.example/",
        "https://mcp.example/\n",
        "https://mcp.example/a b",
        "https://mcp.example/%",
        "https://mcp.example/%zz",
        "https://mcp.example%2f@evil.example/",
        "https://mcp.example／evil.example/",  # a slash of full width
        "https://mcp℀.example/",  # IDNA makes a/c of it
        "https://[::1%25lo]/",
        "https://[1::2::3]/",
        "https://mcp.example/ü",
        "https://\ud800.example/",
    ],
)
def test_an_address_is_refused_before_it_is_resolved(url, internet):
    internet.names = {name: [PUBLIC] for name in ("localhost", "mcp.example", "127.0.0.1")}
    with pytest.raises(AddressRefused) as refusal:
        call_untrusted("GET", url)
    assert refusal.value.code == "address_refused"
    assert internet.resolved == internet.connected == []


# --- the addresses of the name --------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:93.184.215.14",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b:1::5db8:d70e",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a9fe:a9fe::1",
        "2002:5db8:d70e::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "localhost",
        "",
    ],
)
def test_a_name_with_an_address_that_is_not_public_is_refused(address, internet):
    """P6, P7."""
    assert not is_public(address)
    internet.names["mcp.example"] = [address]
    with pytest.raises(AddressRefused, match="not public"):
        call_untrusted("GET", "https://mcp.example/")
    assert internet.resolved == ["mcp.example"]
    assert internet.connected == []


@pytest.mark.parametrize("address", [PUBLIC, ELSEWHERE, IPV6, "64:ff9b::5db8:d70e", "8.8.8.8"])
def test_a_public_address(address):
    assert is_public(address)


@pytest.mark.parametrize("order", [[PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC]])
def test_a_name_with_a_public_and_a_private_address_is_refused(order, internet, listener):
    """P8."""
    internet.names["mcp.example"] = order
    with pytest.raises(AddressRefused):
        call_untrusted("GET", "https://mcp.example:8443/")
    assert internet.connected == []


def test_a_name_that_is_bound_to_another_address_later_leads_to_the_first(
    internet, authority, bundle
):
    """P9: the second answer of the resolver is never asked for."""
    with Loopback() as forbidden, internet.site(authority, answer=json) as site:
        answers = itertools.chain([[PUBLIC]], itertools.repeat(["127.0.0.1"]))
        internet.names["mcp.example"] = answers
        assert call_untrusted("GET", "https://mcp.example/", verify=bundle).json() == {"a": 1}
        assert len(site.received) == 1
        assert forbidden.connections == 0
        assert internet.resolved == ["mcp.example"]
        with pytest.raises(AddressRefused):
            call_untrusted("GET", "https://mcp.example/", verify=bundle)
    assert internet.connected == [PUBLIC]


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status, internet, authority, bundle, listener):
    """P10, P11: the code, the verifier and the secret are not seen elsewhere."""
    target = {"Location": f"{listener.url}/latest"}
    secrets = {"code": "planted-code", "client_secret": "planted-secret"}
    with internet.site(authority, answer=lambda received: (status, target, "")) as site:
        with pytest.raises(InvalidResponse, match="redirect"):
            call_untrusted("POST", "https://mcp.example/token", data=secrets, verify=bundle)
    assert len(site.received) == 1
    assert internet.connected == [PUBLIC]


def test_an_endless_answer_ends_at_the_size_limit(settings):
    """P18."""

    def behave(connection, stop):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not stop.is_set():
            connection.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")

    settings.DEBUG, settings.DANCE_PRIVATE_HOSTS = True, ["localhost"]
    with server(behave) as (url, seen), pytest.raises(InvalidResponse, match="longer than 5120"):
        call_untrusted("GET", url, max_answer=5120)
    assert len(seen) == 1


def test_an_answer_with_one_byte_after_the_other_ends_at_the_deadline(settings):
    """P18."""
    settings.DEBUG, settings.DANCE_PRIVATE_HOSTS = True, ["localhost"]
    settings.DANCE_TIMEOUT = 1
    slow = drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" ")
    with server(slow) as (url, _), pytest.raises(ProviderUnavailable, match="Timeout"):
        call_untrusted("GET", url)


def test_a_compressed_answer_is_not_decoded(internet, authority, bundle):
    """P19."""
    bomb = gzip.compress(b" " * 50_000_000)

    def answer(received):
        return 200, {"Content-Encoding": "gzip"}, bomb

    with internet.site(authority, answer=answer):
        with pytest.raises(InvalidResponse, match="compressed"):
            call_untrusted("GET", "https://mcp.example/", verify=bundle)


def test_a_name_that_is_not_resolved_in_time_ends_at_the_deadline(settings, monkeypatch):
    settings.DANCE_TIMEOUT = 0.2
    answered = threading.Event()

    def resolve(*args, **kwargs):
        answered.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ProviderUnavailable, match=r"mcp\.example could not be reached"):
        call_untrusted("GET", "https://mcp.example/")
    answered.set()


def test_the_number_of_look_ups_at_one_time_is_limited(settings, monkeypatch):
    settings.DANCE_TIMEOUT = 0.2
    answered, lock, running = threading.Event(), threading.Lock(), []

    def resolve(*args, **kwargs):
        with lock:
            running.append(1)
        answered.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(guard, "_look_ups", threading.BoundedSemaphore(2))
    for _ in range(4):
        with pytest.raises(ProviderUnavailable):
            call_untrusted("GET", "https://mcp.example/")
    assert len(running) == 2
    # A process that ends does not wait for a name.
    assert all(t.daemon for t in threading.enumerate() if t.name == guard.THREAD)
    answered.set()
    for thread in threading.enumerate():
        if thread.name == guard.THREAD:
            thread.join(60)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: running.append(1) or [])
    with pytest.raises(ProviderUnavailable):
        call_untrusted("GET", "https://mcp.example/")
    assert len(running) == 3


def test_a_forked_process_can_resolve_names(fork):
    taken = [guard._look_ups.acquire() for _ in range(guard._LOOK_UPS)]
    try:
        child = fork()
        if child == 0:
            os._exit(0 if guard._look_ups.acquire(blocking=False) else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        for _ in taken:
            guard._look_ups.release()


def test_a_refusal_shows_no_secret(internet):
    # The secret is written as two texts, because a report quotes this line of the source.
    secret = Secret("plan" + "ted")
    internet.names["mcp.example"] = ["127.0.0.1"]
    with pytest.raises(AddressRefused) as refusal:
        call_untrusted("POST", "https://mcp.example/", data={"code": secret})
    assert refusal.value.__context__ is None
    text = report(refusal.value)
    assert "call_untrusted" in text
    assert str(secret) not in text


def test_a_library_for_tests_can_answer_the_call(internet, responses):
    """Nothing is resolved then: a test of a site needs no network."""
    responses.get("https://mcp.example/x", json={"a": 1})
    assert call_untrusted("GET", "https://mcp.example/x").json() == {"a": 1}
    assert internet.resolved == []


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ["localhost", "LOCALHOST", "localhost:{port}"])
def test_a_private_host_that_the_settings_name_may_be_called(entry, settings, authority, bundle):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Loopback(json, tls=context) as site:
        settings.DANCE_PRIVATE_HOSTS = [entry.format(port=site.server_port)]
        url = f"https://localhost:{site.server_port}/"
        assert call_untrusted("GET", url, verify=bundle).json() == {"a": 1}
        assert len(site.received) == 1


@pytest.mark.parametrize(
    "hosts", [["localhost:1"], ["other.example"], ["localhos", "ocalhost"], "localhost", None, 7]
)
def test_another_private_host_stays_forbidden(hosts, settings, listener):
    settings.DEBUG, settings.DANCE_PRIVATE_HOSTS = True, hosts
    with pytest.raises(AddressRefused, match="https"):
        call_untrusted("GET", f"http://localhost:{listener.server_port}/")
    with pytest.raises(AddressRefused, match="DANCE_PRIVATE_HOSTS"):
        call_untrusted("GET", f"https://localhost:{listener.server_port}/")


def test_a_name_of_a_private_address_must_be_named_by_the_settings(internet, settings, listener):
    internet.names["auth.corp.example"] = ["10.0.0.5"]
    internet.hosts["10.0.0.5"] = listener.server_port
    with pytest.raises(AddressRefused, match="DANCE_PRIVATE_HOSTS"):
        call_untrusted("GET", "https://auth.corp.example/")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_an_ip_address_may_be_named_by_the_settings(host, settings):
    settings.DEBUG, settings.DANCE_PRIVATE_HOSTS = True, [host]
    assert check_url(f"http://{host}:8080") == f"http://{host}:8080/"


def test_plain_http_needs_debug_and_the_host_in_the_settings(settings):
    with Loopback(json) as site:
        settings.DANCE_PRIVATE_HOSTS = ["127.0.0.1"]
        settings.DEBUG = False
        with pytest.raises(AddressRefused, match="https"):
            call_untrusted("GET", site.url)
        assert site.connections == 0
        settings.DEBUG = True
        assert call_untrusted("GET", site.url).json() == {"a": 1}


def test_the_proxies_of_the_environment_are_ignored(
    internet, authority, bundle, listener, monkeypatch, request
):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, listener.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    request.addfinalizer(forget_environment)
    forget_environment()
    with internet.site(authority, answer=json):
        assert call_untrusted("GET", "https://mcp.example/", verify=bundle).status == 200


class Proxy:
    """A proxy that tunnels each connection to one server."""

    def __init__(self, target):
        self.asked = []
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(60)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(4096)
        self.asked.append(request.split(b"\r\n")[0])
        server = socket.create_connection(("127.0.0.1", self._target))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        pump = threading.Thread(target=self._copy, args=(client, server))
        pump.start()
        self._copy(server, client)
        pump.join(60)
        client.close()
        server.close()

    @staticmethod
    def _copy(source, target):
        try:
            while piece := source.recv(4096):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)


def test_a_proxy_that_the_settings_name_resolves_the_name(internet, authority, bundle, settings):
    with internet.site(authority, answer=json) as site:
        proxy = Proxy(site.server_port)
        internet.names = {"127.0.0.1": ["127.0.0.1"]}
        settings.DANCE_EGRESS_PROXY = proxy.url
        try:
            got = call_untrusted("GET", "https://mcp.example/", verify=bundle)
            assert got.json() == {"a": 1}
            with pytest.raises(AddressRefused):
                call_untrusted("GET", "https://169.254.169.254/", verify=bundle)
        finally:
            proxy.close()
    (asked,) = proxy.asked
    assert asked.startswith(b"CONNECT mcp.example:443 ")
    assert "mcp.example" not in internet.resolved


def test_a_private_host_is_called_without_the_proxy(settings, listener):
    settings.DEBUG, settings.DANCE_PRIVATE_HOSTS = True, ["127.0.0.1"]
    settings.DANCE_EGRESS_PROXY = listener.url
    with Loopback(json) as site:
        assert call_untrusted("GET", site.url).json() == {"a": 1}


# --- how long an answer may be cached -------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("public", None),
        ("max-age=60", 60),
        ('Public, Max-Age="60"', 60),
        ("max-age=60, no-store", 0),
        ("no-cache", 0),
        ("max-age=-1", None),
        ("max-age=x", None),
        ("s-maxage=5", None),
        (f"max-age={'9' * 40}", 999_999_999),
    ],
)
def test_an_answer_says_how_long_it_may_be_cached(value, seconds, settings):
    settings.DEBUG, settings.DANCE_PRIVATE_HOSTS = True, ["127.0.0.1"]
    headers = {} if value is None else {"Cache-Control": value}
    with Loopback(lambda received: (200, headers, "{}")) as site:
        assert call_untrusted("GET", site.url).max_age == seconds
