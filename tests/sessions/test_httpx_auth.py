"""Clients of httpx and httpx2 with the token of a session."""

import asyncio
import subprocess
import sys

import httpx
import httpx2
import pytest
from asgiref.sync import async_to_sync

from django_dance.exceptions import AuthorizationRequired, UntrustedOrigin
from django_dance.interop import httpx_auth
from django_dance.models import OAuthToken
from django_dance.providers import OAuth2Provider

from ..loopback import Loopback
from .conftest import Api
from .test_call_flow import Acme, answer_by_token

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows"),
]


class Named(OAuth2Provider):
    account_id = "id"
    account_url = "/account"


class Words(OAuth2Provider):
    """A provider that answers 200 to a token that is over."""

    token_over = {"error": ("token_expired",)}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def api():
    with Api() as server:
        yield server


@pytest.fixture(params=["httpx", "httpx2"])
def package(request):
    return {"httpx": httpx, "httpx2": httpx2}[request.param]


@pytest.fixture(params=["sync", "async"])
def call(request, package):
    """Makes a call by a client of the package, sync or async."""

    def call(session, method, url, **kwargs):
        options = {name: kwargs.pop(name) for name in ("follow_redirects",) if name in kwargs}
        if request.param == "sync":
            with package.Client(auth=httpx_auth(session), timeout=60, **options) as client:
                return client.request(method, url, **kwargs)

        async def request_async():
            async with package.AsyncClient(
                auth=httpx_auth(session), timeout=60, **options
            ) as client:
                return await client.request(method, url, **kwargs)

        return async_to_sync(request_async)()

    return call


def sent(server, path):
    return [received.headers["Authorization"] for received in server.at(path)]


def test_a_request_has_the_token(api, connect, call):
    session = connect(api)
    assert call(session, "GET", f"{api.url}/v1/me", params={"a": "1"}).status_code == 200
    assert sent(api, "/v1/me") == ["Bearer planted"]
    assert api.received[0].query == [("a", "1")]


def test_an_expired_token_is_refreshed(api, connect, call):
    api.grants()
    session = connect(api, {"expires_in": -5})
    assert call(session, "GET", f"{api.url}/v1/me").status_code == 200
    assert sent(api, "/v1/me") == ["Bearer newer"]
    assert OAuthToken.objects.get().token["access_token"] == "newer"


def test_a_refused_token_is_replaced_and_the_request_is_sent_once_more(api, connect, call):
    api.grants()
    api.pages["/v1/me"] = answer_by_token
    answer = call(connect(api), "GET", f"{api.url}/v1/me")
    assert answer.json() == {"token": "newer"}
    assert sent(api, "/v1/me") == ["Bearer planted", "Bearer newer"]


def test_a_request_is_not_sent_a_third_time(api, connect, call):
    api.grants()
    api.pages["/v1/me"] = (401, {}, "no")
    assert call(connect(api), "GET", f"{api.url}/v1/me").status_code == 401
    assert sent(api, "/v1/me") == ["Bearer planted", "Bearer newer"]


def test_a_request_that_is_not_idempotent_is_not_repeated(api, connect, call):
    api.grants()
    api.pages["/v1/me"] = answer_by_token
    session = connect(api)
    assert call(session, "POST", f"{api.url}/v1/me", json={"a": 1}).status_code == 401
    assert len(api.at("/v1/me")) == 1
    # The next request has the new token.
    assert call(session, "POST", f"{api.url}/v1/me", json={"a": 1}).status_code == 200


def test_an_idempotent_request_is_repeated_with_its_body(api, connect, call):
    api.grants()
    api.pages["/v1/me"] = answer_by_token
    assert call(connect(api), "PUT", f"{api.url}/v1/me", json={"a": 1}).status_code == 200
    assert [received.body for received in api.at("/v1/me")] == [b'{"a":1}'] * 2


def test_a_token_that_the_account_address_refuses_too_is_judged(api, connect, call):
    api.pages["/v1/me"] = api.pages["/v1/account"] = (401, {}, "")
    session = connect(api, {"refresh_token": None, "account_accepted": True}, kind=Named)
    with pytest.raises(AuthorizationRequired) as required:
        call(session, "GET", f"{api.url}/v1/me")
    assert required.value.reason in ("rejected", "rejected_at_once")
    assert sent(api, "/v1/account") == ["Bearer planted"]


def test_a_token_that_the_body_refuses_is_replaced(api, connect, call):
    def answer(received):
        over = received.headers["Authorization"] != "Bearer newer"
        body = '{"error": "token_expired"}' if over else '{"ok": true}'
        return 200, {"Content-Type": "application/json"}, body

    api.grants()
    api.pages["/v1/me"] = answer
    answer = call(connect(api, kind=Words), "GET", f"{api.url}/v1/me")
    assert answer.json() == {"ok": True}


def test_a_user_without_a_token_must_connect(api, connect, call):
    with pytest.raises(AuthorizationRequired):
        call(connect(api, None), "GET", f"{api.url}/v1/me")
    assert not api.received


def test_the_token_is_not_sent_to_another_origin(api, connect, call):
    with Loopback() as other:
        with pytest.raises(UntrustedOrigin):
            call(connect(api), "GET", f"{other.url}/v1/me")
        assert not other.received


def test_the_token_does_not_follow_a_redirect_to_another_origin(api, connect, call):
    with Loopback() as other:
        api.pages["/v1/me"] = (302, {"Location": f"{other.url}/"}, "")
        answer = call(connect(api), "GET", f"{api.url}/v1/me", follow_redirects=True)
        assert answer.status_code == 200
        assert [received.headers["Authorization"] for received in other.received] == [None]


def test_a_401_of_the_target_of_a_redirect_refreshes_nothing(api, connect, call):
    with Api() as other:
        other.pages["/x"] = (401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}, "")
        api.pages["/v1/me"] = (302, {"Location": f"{other.url}/x"}, "")
        answer = call(connect(api), "GET", f"{api.url}/v1/me", follow_redirects=True)
        assert answer.status_code == 401
        assert [received.path for received in api.received] == ["/v1/me"]


def test_a_request_with_a_token_of_its_own_is_refused(api, connect, call):
    with pytest.raises(ValueError, match="sets Authorization itself"):
        call(connect(api), "GET", f"{api.url}/v1/me", headers={"Authorization": "Bearer mine"})
    assert not api.received


def test_a_token_in_a_header_that_redirects_keep_is_refused(api, connect):
    with pytest.raises(TypeError, match="X-Acme-Token"):
        httpx_auth(connect(api, kind=Acme))


def test_the_secret_of_the_client_in_such_a_header_is_refused(api, connect):
    session = connect(api, REQUEST_HEADERS={"x-api-key": "{client_id}:{client_secret}"})
    with pytest.raises(TypeError, match="sends a secret in the header x-api-key"):
        httpx_auth(session)


def test_the_id_of_the_client_in_such_a_header_is_sent(api, connect, call):
    session = connect(api, REQUEST_HEADERS={"Client-Id": "{client_id}"})
    call(session, "GET", f"{api.url}/v1/me")
    assert api.received[0].headers["Client-Id"] == "client"


def test_the_headers_of_the_provider_are_sent(api, connect, call):
    class Versioned(OAuth2Provider):
        request_headers = {"X-Version": "1", "Accept": "application/json"}

    call(connect(api, kind=Versioned), "GET", f"{api.url}/v1/me", headers={"Accept": "text/plain"})
    assert api.received[0].headers["X-Version"] == "1"
    assert api.received[0].headers["Accept"] == "text/plain"


def test_a_streamed_answer_is_not_read(api, connect, package):
    api.pages["/v1/file"] = (200, {}, "x" * 1000)
    with package.Client(auth=httpx_auth(connect(api)), timeout=60) as client:
        with client.stream("GET", f"{api.url}/v1/file") as answer:
            assert not answer.is_stream_consumed
            assert len(answer.read()) == 1000


def test_many_tasks_refresh_once(api, connect, package):
    api.grants()
    auth = httpx_auth(connect(api, {"expires_in": -5}))

    async def page():
        async with package.AsyncClient(auth=auth, timeout=60) as client:
            calls = (client.get(f"{api.url}/v1/{n}") for n in range(50))
            return await asyncio.gather(*calls)

    assert {answer.status_code for answer in async_to_sync(page)()} == {200}
    assert len(api.at("/token")) == 1


def test_many_refused_tasks_refresh_once(api, connect, package):
    api.grants()
    auth = httpx_auth(connect(api))
    for n in range(50):
        api.pages[f"/v1/{n}"] = answer_by_token

    async def page():
        async with package.AsyncClient(auth=auth, timeout=60) as client:
            calls = (client.get(f"{api.url}/v1/{n}") for n in range(50))
            return await asyncio.gather(*calls)

    assert {answer.status_code for answer in async_to_sync(page)()} == {200}
    assert len(api.at("/token")) == 1


def test_the_auth_does_not_print_the_token(api, connect):
    session = connect(api)
    assert session.authorized
    assert "planted" not in repr(httpx_auth(session))
    assert "api" in repr(httpx_auth(session))


def test_neither_package_is_imported_before_it_is_needed():
    script = "import sys; import django_dance.interop; print(*sorted(sys.modules))"
    settings = "from django.conf import settings; settings.configure(); "
    found = subprocess.run(
        [sys.executable, "-c", settings + script], capture_output=True, text=True, check=True
    )
    imported = {name.partition(".")[0] for name in found.stdout.split()}
    assert "django_dance" in imported
    assert not imported & {"httpx", "httpx2", "httpcore", "google", "azure", "requests"}


def test_a_missing_package_is_named(api, connect, monkeypatch):
    for name in ("httpx", "httpx2"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(ModuleNotFoundError, match="pip install httpx"):
        httpx_auth(connect(api))
