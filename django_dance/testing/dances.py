"""The dance of a visitor, in one call of a test."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.test import Client

#: The page after a form opens the provider's address in this way.
_REFRESH = re.compile(r'http-equiv="refresh" content="0; ?url=([^"]+)"')


def run_dance(fake: Any, client: Client, login_url: str) -> Any:
    """Follow the dance of a visitor to its end, and return the answer of the site.

    :param fake: the fake provider.
    :param login_url: the link that begins the dance.
    """
    if not isinstance(client, Client):
        raise TypeError(
            f"dance() takes the test client of the visitor, and this is a {type(client).__name__}: "
            "client.force_login(user), and then dance(client)."
        )
    here: dict[str, Any] = {"secure": True}
    response: Any = client.get(login_url, **here)
    base = urlsplit(_address_of(response))
    if base.netloc and base.path == urlsplit(login_url).path:
        # The login begins again at the host in DANCE_BASE_URL.
        login_url = f"{base.path}?{base.query}"
        here = {"secure": base.scheme == "https", "headers": {"host": base.netloc}}
        response = client.get(login_url, **here)
    if response.status_code == 200 and not _address_of(response):
        # The page with a button: `DANCE_LOGIN_ON_GET` is off, or the link asks for it.
        response = client.post(login_url, **here)
    address = _address_of(response)
    if not address or not fake.claims(fake.remote(address)):
        return response  # the site refused to begin
    callback = fake.visit(address)
    parts = urlsplit(callback)
    if not parts.netloc:  # the provider knows the callback by a name only
        parts = parts._replace(path=fake.facts.url("authorized"))
    where: dict[str, Any] = {"secure": parts.scheme != "http"}
    if parts.netloc:
        where["headers"] = {"host": parts.netloc}
    if getattr(fake.facts, "response_mode", "query") == "form_post":
        response = client.post(parts.path, dict(parse_qsl(parts.query)), **where)
        return client.get(response["Location"], **where)
    return client.get(f"{parts.path}?{parts.query}", **where)


def _address_of(response: Any) -> str:
    if response.status_code == 302:
        return str(response["Location"])
    found = _REFRESH.search(response.content.decode())
    return html.unescape(found[1]) if found else ""
