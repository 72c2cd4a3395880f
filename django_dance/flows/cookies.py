"""The cookies of flows: each flow is stored in the browser that began it.

There is one sealed cookie per flow, named after a digest of its ``state``. So several tabs can
dance at the same time, a login page writes nothing to a database or a session, and a callback
that arrives in another browser finds no flow.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from django.utils.crypto import constant_time_compare

from ..conf import settings
from ..exceptions import FlowError, SealBroken
from .flow import Flow

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

#: The number of pending flows of one browser, and the bytes of their cookies. Beyond one of these
#: limits the oldest flow is removed. Servers commonly refuse a Cookie header of 8 kB.
MAX_FLOWS = 12
MAX_BYTES = 5_000
#: The bytes of the largest cookie of a flow without temporary credentials (OAuth 1).
MAX_COOKIE = 1_700
#: The longest ``state`` that is accepted, in characters. Our own has 43; the request token of an
#: OAuth 1 provider takes its place and may be longer.
MAX_STATE = 512

_PREFIX = "dance_"
_DIGEST = re.compile(r"[0-9a-f]{24}")
_HOST_PREFIX = "__Host-"


def is_https(request: HttpRequest) -> bool:
    """Whether the browser uses https, also if a proxy that ends TLS does not say so."""
    base = str(settings.base_url or "")
    return request.is_secure() or base.lower().startswith("https:")


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()[:24]


def _cookie_name(request: HttpRequest, digest: str) -> str:
    # __Host- (RFC 6265bis §4.1.3): a subdomain or an http page cannot set such a cookie.
    return f"{_HOST_PREFIX if is_https(request) else ''}{_PREFIX}{digest}"


def _pending_flows(request: HttpRequest) -> list[tuple[int, str, int]]:
    """The flows of this browser, oldest first: the time it began, the cookie's name, its bytes."""
    start = _cookie_name(request, "")
    found = []
    for name, value in request.COOKIES.items():
        if name.startswith(start) and _DIGEST.fullmatch(name.removeprefix(start)):
            try:
                began = Flow.unseal(value, name.removeprefix(start)).began
            except (SealBroken, ValueError):
                began = 0
            found.append((began, name, len(name) + len(value) + 3))
    return sorted(found)


def has_room(request: HttpRequest) -> bool:
    """Whether the browser can begin another flow, of any size, without losing an older one."""
    sizes = [size for _, _, size in _pending_flows(request)]
    return len(sizes) < MAX_FLOWS and sum(sizes) + MAX_COOKIE <= MAX_BYTES


def set_flow_cookie(flow: Flow, request: HttpRequest, response: HttpResponseBase) -> None:
    """Store the flow in the browser. If there are too many flows, delete the oldest ones."""
    digest = _digest(flow.state)
    name, value = _cookie_name(request, digest), flow.seal(digest)
    pending = _pending_flows(request)
    while pending and (
        len(pending) >= MAX_FLOWS
        or len(name) + len(value) + sum(size for _, _, size in pending) > MAX_BYTES
    ):
        response.delete_cookie(pending.pop(0)[1])
    response.set_cookie(
        name,
        value,
        max_age=int(settings.flow_age),
        path="/",
        secure=is_https(request),
        httponly=True,
        samesite="Lax",
    )


def delete_flow_cookie(flow: Flow, request: HttpRequest, response: HttpResponseBase) -> None:
    """Delete the flow's cookie, because its callback was answered."""
    response.delete_cookie(_cookie_name(request, _digest(flow.state)), samesite="Lax")


def read_flow(request: HttpRequest, state: str) -> Flow:
    """Return the flow that this browser began with this ``state``.

    :raises FlowError: ``state_missing``, ``state_invalid`` or ``flow_unknown``.
    """
    if not state:
        raise FlowError("state_missing", "the callback names no state")
    if len(state) > MAX_STATE or not state.isascii():
        raise FlowError("state_invalid", "the callback's state is none of ours")
    digest = _digest(state)
    sealed = request.COOKIES.get(_cookie_name(request, digest))
    if sealed is None:
        raise FlowError("flow_unknown", "this browser began no such flow, or ended it already")
    try:
        flow = Flow.unseal(sealed, digest)
    except (SealBroken, ValueError):
        raise FlowError("flow_unknown", "the flow's cookie is not one of ours") from None
    if not constant_time_compare(flow.state, state):
        raise FlowError("flow_unknown", "the flow's cookie is not one of ours")
    return flow
