"""Calls to addresses that others choose: a user, a client, or the answer of a server.

Such an address could lead into the network of the site (server-side request forgery). So the URL is
read strictly, the name is resolved once, all its addresses must be public, and the connection is
made to one of these addresses. The certificate is that of the name. No redirect is followed, and
the proxies of the environment are ignored, because a proxy would resolve the name again.

``DANCE_PRIVATE_HOSTS`` names the hosts that need not be public. ``DANCE_EGRESS_PROXY`` names a
proxy that makes the connections; it must refuse private addresses itself.
"""

from __future__ import annotations

import ipaddress
import os
import queue
import re
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection

from ..conf import settings
from ..exceptions import AddressRefused
from .deadlines import DeadlinePool, DeadlineTLSPool, time_left
from .frames import drop_frames
from .origins import is_secure, origin
from .pool import (
    CONNECTIONS_PER_HOST,
    HOSTS,
    SharedAdapter,
    leave_unsigned,
    share_until_fork,
)
from .protocol_calls import (
    MAX_ANSWER,
    ProtocolAdapter,
    ProtocolResponse,
    limited_request,
)

#: The ports that a host outside of ``DANCE_PRIVATE_HOSTS`` may have.
PORTS = frozenset({443, 8443})

#: The longest accepted URL, in characters.
_MAX_URL = 2048
#: The whole grammar (RFC 3986 §3), so that no other parser can read the URL in another way. A host
#: may have other letters than ASCII, which IDNA encodes. There is no user name and no fragment.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"""(?P<host>\[[0-9a-f:.]{2,45}\]|[^\x00-\x20\x7f/?\#@:\\%|"<>^`{}\[\]]{1,253})"""
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/(?:[a-z0-9\-._~!$&'()*+,;=:@/]|%[0-9a-f]{2})*)?)"
    r"(?P<query>(?:\?(?:[a-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9a-f]{2})*)?)",
    re.IGNORECASE | re.ASCII,
)
_PORT_OF = {"https": 443, "http": 80}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
#: The last label of an IPv4 address, also in the forms that getaddrinfo() takes: 127.1, 0x7f.1.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
#: Names of private networks (RFC 6761, RFC 6762, RFC 8375, RFC 7686, and by custom).
_PRIVATE_NAMES = frozenset(
    {"alt", "arpa", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain"}
    | {"localhost", "onion", "private"}
)

#: RFC 4291 §2.4: global unicast. Everything else is special, or translates an IPv4 address.
_UNICAST = ipaddress.ip_network("2000::/3")
#: RFC 6052 §2.1: with DNS64 the addresses of hosts that have only IPv4.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: Networks that ``is_global`` of some Python versions accepts.
_SPECIAL = [
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments; a cloud has its metadata there
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # Azure's platform
        "2001::/23",  # IETF protocol assignments, with Teredo
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]

#: The addresses of one name that are tried.
_MOST_ADDRESSES = 4
#: The name of the threads that resolve names.
THREAD = "django-dance look-up"
#: The look-ups at one time. A look-up that is too slow goes on in its thread.
_LOOK_UPS = 16
_look_ups = threading.BoundedSemaphore(_LOOK_UPS)


def _after_fork() -> None:
    # The threads that would release it do not exist in the child.
    global _look_ups
    _look_ups = threading.BoundedSemaphore(_LOOK_UPS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def check_url(url: str) -> str:
    """Return the normal form of a URL that others chose. Nothing is sent or resolved.

    Scheme and host are in lower case, the host in ASCII, and the default port is left out. Path and
    query do not change.

    :raises AddressRefused: it is not ``https``, has a user name or a fragment, names an IP address
        or a host of a private network, or has another port than :data:`PORTS`. The hosts in
        ``DANCE_PRIVATE_HOSTS`` may do the last three, and while ``DEBUG`` is on they may use
        ``http`` under the rules of :func:`~.origins.is_secure`.
    """
    match = _URL.fullmatch(url) if len(url) <= _MAX_URL else None
    if match is None:
        raise AddressRefused(
            "The address is not valid. Write https:// and a host, no user name and no fragment."
        )
    scheme = match["scheme"].lower()
    host, port = _normal_host(match["host"]), int(match["port"] or _PORT_OF[scheme])
    if not 0 < port < 65536:
        raise AddressRefused(f"The port {port} does not exist.")
    if not is_private_host(host, port):
        if scheme != "https":
            raise AddressRefused("The address must use https.")
        if problem := _name_problem(host):
            raise AddressRefused(f"{problem} If it is yours, name it in DANCE_PRIVATE_HOSTS.")
        if port not in PORTS:
            raise AddressRefused(
                f"The port {port} of {host} is not {' or '.join(map(str, sorted(PORTS)))}. If the "
                f'host is yours, name it in DANCE_PRIVATE_HOSTS: "{host}:{port}".'
            )
    elif not is_secure(f"{scheme}://{host}/"):
        raise AddressRefused(
            "The address must use https. Plain http is allowed only while DEBUG, for loopback and "
            "the hosts in DANCE_INSECURE_HOSTS."
        )
    netloc = host if port == _PORT_OF[scheme] else f"{host}:{port}"
    return f"{scheme}://{netloc}{match['path'] or '/'}{match['query']}"


def is_private_host(host: str, port: int) -> bool:
    """Whether ``DANCE_PRIVATE_HOSTS`` names a host, with any port or with this one."""
    hosts = settings.private_hosts
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    # A check reports another type. `in` would find a part of a text.
    valid = isinstance(hosts, (list, tuple, set, frozenset))
    return valid and not {host, f"{host}:{port}"}.isdisjoint(str(each).lower() for each in hosts)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to a host on the public internet.

    Private, loopback, link-local, multicast and reserved addresses do not, nor do those that
    translate an IPv4 address (IPv4-mapped, 6to4, Teredo). An address of NAT64 is judged by the IPv4
    address in it.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if found.version == 6 and found in _NAT64:
        found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    if found.version == 6 and found not in _UNICAST:
        return False
    special = found.is_multicast or found.is_reserved or any(found in net for net in _SPECIAL)
    return found.is_global and not special


def call_untrusted(
    method: str,
    url: str,
    *,
    query: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    json: Any = None,
    headers: Mapping[str, str] | None = None,
    auth: Callable[[requests.PreparedRequest], requests.PreparedRequest] | None = None,
    verify: bool | str = True,
    max_answer: int = MAX_ANSWER,
) -> ProtocolResponse:
    """Make one protocol call to an address that others chose, and return the answer.

    The limits are those of :func:`~.protocol_calls.protocol_call`. ``DANCE_TIMEOUT`` includes the
    time to resolve the name.

    :param query: parameters to add to the URL. They are not logged.
    :param json: the value of a JSON body.
    :param verify: ``True``, or the path of a CA bundle.
    :param max_answer: the largest accepted answer, in bytes.
    :raises AddressRefused: the address must not be called; see :func:`check_url`. Or the name has
        an address that is not public.
    :raises ProviderUnavailable: there was no answer in time, or it was 408, 429 or 5xx.
    :raises InvalidResponse: the answer is a redirect, is compressed, or is too long.
    """
    url = check_url(url)
    try:
        response = limited_request(
            method,
            url,
            params=query,
            data=data,
            json=json,
            headers=headers,
            auth=auth or leave_unsigned,
            verify=verify,
            max_answer=max_answer,
            adapter=GuardedAdapter(),
        )
    except AddressRefused as refused:
        raise drop_frames(refused)  # noqa: B904  the frames hold the secret body
    return ProtocolResponse.of(response)


# --- names ----------------------------------------------------------------------------------------


def _normal_host(host: str) -> str:
    """:raises AddressRefused: it is neither a name (RFC 1123 §2.1) nor an IPv6 address."""
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            raise AddressRefused("The host of the address is not an IPv6 address.") from None
    if not host.isascii():
        import idna  # it is slow to import, and a requirement of requests

        with suppress(UnicodeError):
            host = idna.encode(host, uts46=True).decode()
    # RFC 1034 §3.1: a name with a dot at its end is the same.
    host = host.lower().removesuffix(".")
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise AddressRefused("The host of the address is not the name of a host.")
    return host


def _name_problem(host: str) -> str | None:
    """The reason not to resolve a name; ``None`` without one."""
    last = host.rpartition(".")[2]
    if host.startswith("[") or _NUMBER.fullmatch(last):
        return "The address has an IP address instead of a name."
    if host == last or last in _PRIVATE_NAMES:
        return f"{host} is a name of a private network."
    return None


# --- addresses ------------------------------------------------------------------------------------


def _look_up(host: str, port: int) -> list[Any]:
    """The addresses of a name, as ``getaddrinfo()`` returns them.

    The system function has no time limit, so it runs in a thread of its own.

    :raises OSError: the name has no address, or there is none in time.
    """
    slots, longest = _look_ups, float(settings.timeout)  # an API call has no deadline
    if not slots.acquire(timeout=min(time_left(), longest)):
        raise TimeoutError("Too many names are being resolved.")
    results: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except Exception as error:  # noqa: BLE001  the caller's thread raises it
            results.put(error)
        finally:
            slots.release()

    threading.Thread(target=run, name=THREAD, daemon=True).start()
    try:
        found = results.get(timeout=min(time_left(), longest))
    except queue.Empty:
        raise TimeoutError("It took too long to resolve the name.") from None
    if isinstance(found, Exception):
        raise found
    return found


def _resolve(host: str, port: int) -> list[Any]:
    """The addresses of a host.

    :raises AddressRefused: one of them is not public. An attacker chooses the order.
    """
    found = _look_up(host, port)
    if not is_private_host(host, port) and not all(is_public(each[4][0]) for each in found):
        raise AddressRefused(
            f"{host} has an address that is not public. If the host is yours, name it in "
            "DANCE_PRIVATE_HOSTS."
        )
    return found[:_MOST_ADDRESSES]


def public_addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a host to which another library may connect.

    :raises AddressRefused: one of them is not public.
    :raises OSError: the name has no address, or there is none in time.
    """
    return list(dict.fromkeys(str(each[4][0]) for each in _resolve(host, port)))


def _open_socket(family: int, address: Any, timeout: float) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(timeout)
        opened.connect(address)
    except BaseException:
        opened.close()
        raise
    return opened


class _GuardedConnection(HTTPConnection):
    """Connects to an address that was checked. ``host`` stays the name, for TLS and ``Host``."""

    def _new_conn(self) -> socket.socket:
        failure: Exception = OSError("The name has no address.")
        for family, _, _, _, address in _resolve(self.host, self.port):
            # The timeout of a connection, which urllib3 sets, is for one address.
            timeout = min(float(self.timeout or 0), time_left())
            if timeout <= 0:
                break
            try:
                return _open_socket(family, address, timeout)
            except OSError as error:
                failure = error
        raise failure


class _GuardedTLSConnection(_GuardedConnection, HTTPSConnection):
    """As :class:`_GuardedConnection`, for https."""


class _GuardedPool(DeadlinePool):
    ConnectionCls = _GuardedConnection


class _GuardedTLSPool(DeadlineTLSPool):
    ConnectionCls = _GuardedTLSConnection


class _GuardMixin(SharedAdapter):
    """Resolves the name once, and connects to an address that was checked."""

    pools: Mapping[str, type[DeadlinePool]] = {"http": _GuardedPool, "https": _GuardedTLSPool}

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        # The proxies of the environment would resolve the name again.
        where, proxy = origin(request.url or ""), settings.egress_proxy
        if not proxy or where is None or is_private_host(*where[1:]):
            kwargs["proxies"] = {}
        else:
            kwargs["proxies"] = {"http": proxy, "https": proxy}
        return super().send(request, *args, **kwargs)


class GuardedAdapter(_GuardMixin, ProtocolAdapter):
    """The connection of one protocol call."""


class GuardedSharedAdapter(_GuardMixin):
    """The connections for the API calls of all sessions at a place.

    The name is resolved again for each new connection, and its addresses are checked again.
    """

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        check_url(request.url or "")  # a redirect of the place may lead anywhere
        return super().send(request, *args, **kwargs)


@cache
def get_guarded_adapter() -> GuardedSharedAdapter:
    """Return the adapter that all sessions at a place use."""
    return share_until_fork(GuardedSharedAdapter(HOSTS, CONNECTIONS_PER_HOST))
