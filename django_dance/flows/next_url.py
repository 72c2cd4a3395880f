"""The ``next`` parameter: the page of this site where a dance ends."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from django.utils.http import url_has_allowed_host_and_scheme

from ..conf import settings
from .cookies import is_https

if TYPE_CHECKING:
    from django.http import HttpRequest

#: The longest ``next``, in bytes. A longer one is ignored, because a part of an address could be
#: the address of another page.
MAX_NEXT = 512


def safe_next(request: HttpRequest, url: str | None) -> str | None:
    """Return ``url`` as a path on this host, or ``None`` if it leads elsewhere.

    Browsers correct control characters, backslashes and double slashes in an address. An address
    that contains one of them is refused, because it may lead to another host.
    """
    if (
        not url
        or len(url.encode("utf-8", "replace")) > MAX_NEXT
        or "\\" in url
        or any(ord(c) <= 32 or ord(c) == 127 for c in url)
    ):
        return None
    # A proxy may hide the public host and scheme, which `DANCE_BASE_URL` states.
    hosts = {request.get_host(), urlsplit(str(settings.base_url or "")).netloc}
    if not url_has_allowed_host_and_scheme(
        url, allowed_hosts=hosts, require_https=is_https(request)
    ):
        return None
    if not url.startswith("/"):
        # Of an absolute address of this site, scheme and host are left out.
        parts = urlsplit(url)
        if not parts.netloc:
            return None
        url = urlunsplit(("", "", parts.path or "/", parts.query, parts.fragment))
    return None if url.startswith("//") else url
