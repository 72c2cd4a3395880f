"""The official SDK of MCP connects to a site that is set up from our page, over real HTTP.

Only three things differ from the page: the site is at a port of this machine, it trusts the
authority of the tests, and it may fetch a document from this machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode

import httpx2
import pytest
import requests
from authlib.common.security import generate_token
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from django_dance.server.mcp import REVISIONS

from ..conftest import query
from ..loopback import Loopback, reserved_port
from ..servers import end

pytestmark = [
    pytest.mark.interop,
    pytest.mark.repository,
    pytest.mark.one_database("The site has a database of its own"),
]

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "server-mcp.md").read_text("utf-8")
EXAMPLE = ROOT / "docs" / "examples" / "mcp_server.py"
CALLBACK = "http://localhost/callback"
TIMEOUT = 60
#: For the test of a token for another resource.
OTHER = """
from mysite import oauth
oauth.server.add_resource(f"{oauth.settings.DANCE_SERVER_ISSUER}/other", ["email"])
"""


def blocks():
    """The files of the page, by name."""
    pattern = r"`mysite/(\w+)\.py`[^`]*:\n\n```python\n(.*?)^```$"
    return dict(re.findall(pattern, PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def site(tmp_path_factory, authority):
    """The site of the page, in a process of its own."""
    folder = tmp_path_factory.mktemp("mcp")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DJANGO")},
        "PYTHONPATH": str(ROOT),
        "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"),
        "NO_PROXY": "*",
        "DJANGO_SUPERUSER_PASSWORD": "pw",
    }

    def run(*command):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            timeout=300,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()

    run("-m", "django", "startproject", "mysite", ".")
    with reserved_port() as port:
        url = f"http://localhost:{port}"
        pasted = blocks()
        assert {"settings", "oauth", "urls"} <= pasted.keys()
        settings = folder / "mysite" / "settings.py"
        text = settings.read_text() + pasted["settings"].replace("https://mysite.example", url)
        settings.write_text(f'{text}\nDANCE_PRIVATE_HOSTS = ["localhost"]\n')
        for name in ("oauth", "urls"):
            (folder / "mysite" / f"{name}.py").write_text(pasted[name])
        (folder / "mysite" / "mcp_server.py").write_text(EXAMPLE.read_text("utf-8") + OTHER)
        run("manage.py", "check")
        run("manage.py", "migrate")
        run(
            "manage.py", "createsuperuser", "--noinput", "--username=ada", "--email=ada@example.com"
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "uvicorn",
                    "mysite.mcp_server:application",
                    f"--port={port}",
                ],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
            try:
                wait_for(url, process, folder / "log")
                yield SimpleNamespace(url=url, resource=f"{url}/mcp")
            finally:
                end(process, TIMEOUT)


def wait_for(url, process, log):
    for _ in range(20 * TIMEOUT):
        try:
            requests.get(f"{url}/.well-known/oauth-authorization-server", timeout=TIMEOUT)
        except requests.ConnectionError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"The site does not answer: {log.read_text()}")


def field(page, name):
    return re.search(rf'name="{name}" value="([^"]+)"', page.text)[1]


class Person:
    """A person with a browser, who logs in once and agrees."""

    def __init__(self, site):
        self.site, self.pages = site, []
        self.browser = requests.Session()
        self.browser.trust_env = False

    def send(self, page, **fields):
        form = {"csrfmiddlewaretoken": field(page, "csrfmiddlewaretoken"), **fields}
        return self.browser.post(page.url, form, timeout=TIMEOUT, allow_redirects=False)

    def open(self, url):
        """Open an authorization request, and return the parameters of the response."""
        page = self.browser.get(url, timeout=TIMEOUT)
        if "/accounts/login/" in page.url:
            answer = self.send(
                page, username="ada", password="pw", next=query(page.url).get("next", "")
            )
            page = self.browser.get(self.site.url + answer.headers["Location"], timeout=TIMEOUT)
        self.pages.append(page.text)
        answer = self.send(page, decision="allow", shown_to=field(page, "shown_to"))
        assert answer.status_code == 303, answer.text
        return query(answer.headers["Location"])


class Storage:
    """What the SDK keeps."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Assistant:
    """A client of MCP, made with the official SDK."""

    def __init__(self, site, document=None, mode="auto"):
        self.person, self.storage = Person(site), Storage()
        self.site, self.mode, self.requests = site, mode, []
        self.provider = OAuthClientProvider(
            server_url=site.resource,
            client_metadata=OAuthClientMetadata(
                client_name="Assistant",
                redirect_uris=["http://localhost:3456/callback"],
                grant_types=["authorization_code", "refresh_token"],
                token_endpoint_auth_method="none",
            ),
            storage=self.storage,
            redirect_handler=self.redirect,
            callback_handler=self.callback,
            client_metadata_url=document,
        )

    async def redirect(self, url):
        self.asked = query(url)
        self.answer = await asyncio.to_thread(self.person.open, url)

    async def callback(self):
        return AuthorizationCodeResult(
            code=self.answer["code"], state=self.answer["state"], iss=self.answer["iss"]
        )

    async def note(self, request):
        body = parse_qs(request.content.decode()) if request.url.path == "/oauth/token/" else {}
        self.requests.append((request.method, request.url.path, body))

    def run(self):
        return asyncio.run(self.use())

    async def use(self):
        """List the tools, call them, and do it again after the token has expired."""
        hooks = {"request": [self.note]}
        async with httpx2.AsyncClient(
            auth=self.provider, event_hooks=hooks, trust_env=False, timeout=TIMEOUT
        ) as http:
            transport = streamable_http_client(self.site.resource, http_client=http)
            async with Client(transport, mode=self.mode) as client:
                self.revision = client.protocol_version
                tools = await client.list_tools()
                called = await client.call_tool("whoami", {})
                first = self.storage.tokens
                self.provider.context.token_expiry_time = time.time() - 1
                again = await client.call_tool("count_words", {"text": "one two three"})
                assert self.storage.tokens.access_token != first.access_token
                assert self.storage.tokens.refresh_token != first.refresh_token
        return (
            [tool.name for tool in tools.tools],
            called.content[0].text,
            again.content[0].text,
        )

    def grants(self):
        return [body["grant_type"] for _, path, body in self.requests if path == "/oauth/token/"]


EXPECTED = ["whoami", "count_words"], "ada@example.com", "3"


def assert_connected(assistant, site):
    assert assistant.run() == EXPECTED
    assert assistant.revision in REVISIONS
    assert assistant.grants() == [["authorization_code"], ["refresh_token"]]
    assert assistant.asked["resource"] == site.resource
    assert assistant.asked["scope"] == "email"
    assert assistant.asked["code_challenge_method"] == "S256"
    for _, path, body in assistant.requests:
        if path == "/oauth/token/":
            assert body["resource"] == [site.resource]
    (page,) = assistant.person.pages
    assert "Assistant" in page and "Nobody on this site has checked" in page


@pytest.mark.parametrize(("mode", "revision"), [("auto", REVISIONS[0]), ("legacy", REVISIONS[1])])
def test_the_sdk_connects_with_dynamic_registration(mode, revision, site):
    assistant = Assistant(site, mode=mode)
    assert_connected(assistant, site)
    assert assistant.revision == revision
    paths = [path for _, path, _ in assistant.requests]
    assert "/oauth/register/" in paths
    assert "/.well-known/oauth-protected-resource/mcp" in paths
    assert "/.well-known/oauth-authorization-server" in paths
    assert assistant.storage.client.client_secret is None


def test_the_sdk_connects_with_a_metadata_document(site, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    def answer(received):
        document = {
            "client_id": url,
            "client_name": "Assistant",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
        return 200, {"Content-Type": "application/json"}, json.dumps(document)

    with Loopback(answer, tls=context) as publisher:
        url = f"https://localhost:{publisher.server_port}/client.json"
        assistant = Assistant(site, document=url)
        assert_connected(assistant, site)
        assert len(publisher.received) == 1
    assert assistant.asked["client_id"] == url
    assert "/oauth/register/" not in [path for _, path, _ in assistant.requests]
    assert f"localhost:{publisher.server_port}" in assistant.person.pages[0]


def token_for(site, resource):
    """A token for a resource, which a client gets step by step."""
    metadata = requests.get(
        f"{site.url}/.well-known/oauth-authorization-server", timeout=TIMEOUT
    ).json()
    registered = requests.post(
        metadata["registration_endpoint"], json={"redirect_uris": [CALLBACK]}, timeout=TIMEOUT
    ).json()
    verifier = generate_token(48)
    asked = {
        "response_type": "code",
        "client_id": registered["client_id"],
        "redirect_uri": CALLBACK,
        "scope": "email",
        "resource": resource,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    answer = Person(site).open(f"{metadata['authorization_endpoint']}?{urlencode(asked)}")
    form = {
        "grant_type": "authorization_code",
        "client_id": registered["client_id"],
        "redirect_uri": CALLBACK,
        "resource": resource,
        "code": answer["code"],
        "code_verifier": verifier,
    }
    return requests.post(metadata["token_endpoint"], form, timeout=TIMEOUT).json()["access_token"]


def test_a_token_for_another_resource_is_refused(site):
    own, foreign = (token_for(site, f"{site.url}/{name}") for name in ("mcp", "other"))
    for token, status in ((own, 200), (foreign, 401), ("unknown", 401), (None, 401)):
        headers = {"Accept": "application/json, text/event-stream"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        answer = requests.post(
            site.resource,
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}},
            headers=headers,
            timeout=TIMEOUT,
        )
        assert answer.status_code == status, answer.text
        if status == 401:
            assert "resource_metadata=" in answer.headers["WWW-Authenticate"]
        else:
            names = [tool["name"] for tool in answer.json()["result"]["tools"]]
            assert names == ["whoami", "count_words"]


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_page_names_the_revisions(revision):
    assert revision in PAGE


def test_the_example_is_short():
    assert len(EXAMPLE.read_text("utf-8").splitlines()) <= 100
