"""The examples for SDKs, with the real packages and a server on this machine."""

import importlib.util
import json
import threading
from pathlib import Path

import httpx
import httpx2
import pytest
import uvicorn
from asgiref.sync import async_to_sync
from azure.core.rest import HttpRequest
from google.auth.transport.requests import AuthorizedSession
from mcp.server import MCPServer
from starlette.responses import Response

from django_dance.exceptions import AuthorizationRequired
from django_dance.interop import azure_credential, google_credentials, httpx_auth, token_source
from django_dance.models import OAuthToken
from django_dance.providers import OAuth1Provider

from ..conftest import run_concurrently
from ..sessions.conftest import Api, connect  # noqa: F401  a fixture

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows"),
    pytest.mark.interop,
    pytest.mark.repository,
]

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "sdks.py"
EXPIRED = {"expires_in": -5}
THREADS = 32


@pytest.fixture(scope="module")
def examples():
    specification = importlib.util.spec_from_file_location("sdks", EXAMPLES)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def api():
    """An API that accepts the token "newer" only, which its token endpoint grants."""

    def answer(received):
        if received.headers["Authorization"] != "Bearer newer":
            return 401, {"Content-Type": "application/json"}, '{"ok": false}'
        return 200, {"Content-Type": "application/json"}, '{"ok": true, "login": "ada"}'

    with Api() as server:
        server.grants()
        for path in ("/v1/me", "/v1/user", "/v1/auth.test"):
            server.pages[path] = answer
        yield server


def by_gspread(examples, session, api):
    client = examples.google_client(session)
    return client.http_client.request("get", f"{api.url}/v1/me").json()


def by_google_auth(examples, session, api):
    return AuthorizedSession(google_credentials(session)).get(f"{api.url}/v1/me").json()


def by_pygithub(examples, session, api):
    client = examples.github_client(session, base_url=f"{api.url}/v1")
    return {"login": client.get_user().login}


def by_slack_sdk(examples, session, api):
    return examples.slack_client(session, base_url=f"{api.url}/v1/").auth_test().data


def by_azure_core(examples, session, api):
    client = examples.azure_client(session, api.url)
    answer = client.send_request(HttpRequest("GET", f"{api.url}/v1/me"), enforce_https=False)
    answer.raise_for_status()
    return answer.json()


def by_httpx(examples, session, api):
    return httpx.get(f"{api.url}/v1/me", auth=httpx_auth(session)).json()


def by_httpx2(examples, session, api):
    return httpx2.get(f"{api.url}/v1/me", auth=httpx_auth(session)).json()


def by_token_source(examples, session, api):
    headers = {"Authorization": f"Bearer {token_source(session)()}"}
    return httpx.get(f"{api.url}/v1/me", headers=headers).json()


@pytest.fixture(
    params=[
        by_gspread,
        by_google_auth,
        by_pygithub,
        by_slack_sdk,
        by_azure_core,
        by_httpx,
        by_httpx2,
        by_token_source,
    ],
    ids=lambda function: function.__name__,
)
def call(request):
    return request.param


def test_an_expired_token_is_refreshed(examples, api, connect, call):  # noqa: F811
    assert call(examples, connect(api, EXPIRED), api)["login"] == "ada"
    assert OAuthToken.objects.get().token["access_token"] == "newer"
    assert len(api.at("/token")) == 1


def test_many_threads_refresh_once(examples, api, connect, call, user):  # noqa: F811
    session = connect(api, EXPIRED)
    jobs = [lambda: call(examples, session, api)["login"]] * THREADS
    assert run_concurrently(*jobs) == ["ada"] * THREADS
    assert len(api.at("/token")) == 1


@pytest.mark.parametrize("call", [by_gspread, by_google_auth, by_httpx, by_httpx2])
def test_a_token_that_the_api_refuses_is_replaced(examples, api, connect, call):  # noqa: F811
    assert call(examples, connect(api), api)["login"] == "ada"
    assert len(api.at("/token")) == 1


def test_a_user_without_a_token_must_connect(examples, api, connect, call):  # noqa: F811
    with pytest.raises(AuthorizationRequired):
        call(examples, connect(api, None), api)
    assert not api.received


@pytest.mark.parametrize("function", [token_source, google_credentials, azure_credential])
def test_a_provider_of_oauth_1_has_no_access_tokens(api, connect, function):  # noqa: F811
    session = connect(api, {"oauth_token": "a", "oauth_token_secret": "b"}, kind=OAuth1Provider)
    with pytest.raises(TypeError, match="OAuth 1"):
        function(session)


def test_the_official_mcp_client_gets_the_token(examples, connect):  # noqa: F811
    site = MCPServer("calculator")

    @site.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    app = site.streamable_http_app()
    granted = {"access_token": "newer", "token_type": "bearer", "expires_in": 3600}

    async def guarded(scope, receive, send):
        headers = dict(scope.get("headers") or ())
        if scope["type"] == "http" and scope["path"] == "/token":
            answer = Response(json.dumps(granted), media_type="application/json")
            refreshes.append(scope["path"])
            return await answer(scope, receive, send)
        if scope["type"] == "http" and headers.get(b"authorization") != b"Bearer newer":
            return await Response(status_code=401)(scope, receive, send)
        return await app(scope, receive, send)

    refreshes = []
    server = uvicorn.Server(uvicorn.Config(guarded, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            threading.Event().wait(0.01)
        server.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        session = connect(server, EXPIRED)
        assert async_to_sync(examples.mcp_tools)(session, f"{server.url}/mcp") == ["add"]
    finally:
        server.should_exit = True
        thread.join(60)
    assert len(refreshes) == 1
