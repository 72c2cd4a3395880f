"""A user of the small site, with a browser, who connects an MCP server and calls its tools.

The browser is Django's test client; the calls are made by the client of the official SDK with
``mcp_client``.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import httpx2
import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client as Browser
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from django_dance.exceptions import AuthorizationRequired
from django_dance.http import guarded_transport
from django_dance.interop import mcp_client
from django_dance.models import ClientRegistration
from django_dance.providers import providers

from ..keys import jwk

#: A person does not press the button again and again.
MOST_DANCES = 4


def run(url: str, context: dict, mode: str) -> None:
    """Connect the server, list its tools and call one."""
    call_command("migrate", verbosity=0)
    if context.get("client_id"):
        add_credentials(url, context)
    Person(url, mode).do(list_and_call)


def run_for_the_site(url: str, context: dict, mode: str) -> None:
    """Do the same for the site itself, without a user."""
    call_command("migrate", verbosity=0)
    add_credentials(url, context)
    token = providers["mcp"].at(url).client_credentials()

    async def work() -> None:
        http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token['access_token']}"},
            transport=guarded_transport(httpx2),
            trust_env=False,
        )
        async with http, Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            await list_and_call(client)

    asyncio.run(work())


class Refused(Exception):
    """The site has refused a dance."""


class Person:
    """A user of the site, and the browser of this user."""

    def __init__(self, url: str, mode: str) -> None:
        self.url, self.mode, self.user = url, mode, User.objects.create_user("ada")
        self.browser = Browser(SERVER_NAME="localhost", SERVER_PORT="8000")
        self.browser.force_login(self.user)

    @property
    def session(self):
        return providers["mcp"].at(self.url).session(user=self.user)

    def connect(self, login_url: str) -> None:
        """Go through a dance: the button of the site, the server, the callback."""
        page = self.browser.post(login_url, headers={"HX-Request": "true"})
        if "HX-Redirect" not in page.headers:
            raise Refused(page.content.decode())
        answer = requests.get(page.headers["HX-Redirect"], allow_redirects=False, timeout=30)
        callback = urlsplit(answer.headers["Location"])
        back = self.browser.get(f"{callback.path}?{callback.query}")
        if back.status_code != 302:
            raise Refused(back.content.decode())

    def do(self, work):
        """Do the work, and connect the server as often as it is needed."""
        for _ in range(MOST_DANCES):
            try:
                return asyncio.run(self._run(work))
            except AuthorizationRequired as required:
                if required.reason == "declined_scopes":
                    raise
                self.connect(required.login_url)
        raise Refused("The server wants one dance after another.")

    async def _run(self, work):
        async with mcp_client(self.session, mode=self.mode) as client:
            return await work(client)


async def list_and_call(client):
    await client.list_tools()
    await client.call_tool("test-tool", {})


def add_credentials(url: str, context: dict) -> None:
    """Add the credentials of the suite, as an administrator would."""
    metadata = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    found = requests.get(f"{metadata}/.well-known/oauth-protected-resource/mcp", timeout=30).json()
    key = context.get("private_key_pem")
    row = ClientRegistration(
        provider="mcp",
        issuer=found["authorization_servers"][0],
        client_id=context["client_id"],
        token_endpoint_auth_method="private_key_jwt" if key else "client_secret_basic",
    )
    secret = jwk_of(key, context["signing_algorithm"]) if key else context["client_secret"]
    row.secrets = {"client_secret": secret}
    row.save()


def jwk_of(pem: str, algorithm: str) -> str:
    """A private key in PEM as a JWK."""
    return jwk(load_pem_private_key(pem.encode(), password=None), algorithm)
