"""API calls, sync and async, to a server of this machine that records each request."""

import asyncio
import copy
import inspect
import io
import ssl
import threading
import traceback
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
import trustme
from asgiref.sync import async_to_sync

from django_dance.exceptions import (
    AuthorizationRequired,
    InvalidResponse,
    ProviderUnavailable,
    UntrustedOrigin,
)
from django_dance.http import forget_environment, pool
from django_dance.http.protocol_calls import MAX_ANSWER
from django_dance.models import OAuthToken
from django_dance.providers import OAuth1Provider, OAuth2Provider, providers
from django_dance.sessions import OAuth2Session
from django_dance.tokens import Token

from ..loopback import Loopback, reserved_port
from ..test_secrets import report
from .conftest import Api

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows"),
]

#: Seconds that a server waits for an earlier event, and a client for its response.
LONG = 30


class Acme(OAuth2Provider):
    """A provider whose API wants the token, and more, in headers of its own."""

    token_header = "X-Acme-Token"
    request_headers = {"X-Acme-Key": "planted-key", "X-Version": "1"}


class Plain(OAuth2Provider):
    """A provider whose class signs requests itself, with a plain text."""

    def sign(self, request, token):
        request.headers["Authorization"] = f"Token {token['access_token']}"
        return request


class Tenants(OAuth2Provider):
    """A provider whose token names the host of its API."""

    base_url_from_token = "{home}/api/"
    base_url_domains = ("127.0.0.1",)


def redirect_to(status, location):
    return status, {"Location": location}, ""


def answer_by_token(received):
    """Answers 200 to a request with the newer token, and 401 to another."""
    if received.headers["Authorization"] == "Bearer newer":
        return 200, {}, '{"token": "newer"}'
    return 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}, "no"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def api():
    with Api() as server:
        yield server


@pytest.fixture
def other():
    """A server at another origin."""
    with Api() as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def call(request):
    """Makes a call by ``session.request``, or by its async twin."""

    def call(session, method, url, *args, **kwargs):
        if request.param == "sync":
            return session.request(method, url, *args, **kwargs)
        return async_to_sync(session.arequest)(method, url, *args, **kwargs)

    return call


@pytest.fixture(params=["", "a"], ids=["sync", "async"])
def verb(request):
    """Makes a call by a method such as ``session.get``, or by its async twin."""

    def verb(session, name, *args, **kwargs):
        method = getattr(session, request.param + name)
        return (async_to_sync(method) if request.param else method)(*args, **kwargs)

    return verb


# --- what arrives ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "body", "kind"),
    [
        ("get", (), {}, b"", None),
        ("head", (), {}, b"", None),
        ("options", (), {}, b"", None),
        ("delete", (), {}, b"", None),
        ("delete", (), {"json": {"a": 1}}, b'{"a": 1}', "application/json"),
        ("post", (), {}, b"", None),
        ("post", ({"a": "1"},), {}, b"a=1", "application/x-www-form-urlencoded"),
        ("post", (None, {"a": 1}), {}, b'{"a": 1}', "application/json"),
        ("post", (), {"data": b"raw"}, b"raw", None),
        ("post", (), {"json": [1]}, b"[1]", "application/json"),
        ("put", (b"raw",), {}, b"raw", None),
        ("put", (), {"json": [1]}, b"[1]", "application/json"),
        ("patch", (b"raw",), {}, b"raw", None),
        ("patch", (), {"data": {"a": "1"}}, b"a=1", "application/x-www-form-urlencoded"),
    ],
)
def test_a_call_arrives_as_it_was_made(verb, api, connect, name, args, kwargs, body, kind):
    session = connect(api)
    more = {"params": {"page": "2"}, "headers": {"X-Name": "value"}}
    assert verb(session, name, "/things", *args, **more, **kwargs).status_code == 200
    (received,) = api.received
    assert received.method == name.upper()
    assert received.target == "/v1/things?page=2"
    assert received.body == body
    assert received.headers["Content-Type"] == kind
    assert received.headers["X-Name"] == "value"
    assert received.headers["Authorization"] == "Bearer planted"


def test_the_arguments_of_requests_are_taken_by_position(call, api, connect):
    api.pages["/v1/things"] = (302, {"Location": "/v1/elsewhere"}, "moved")
    heard = []
    hooks = {"response": lambda response, **kwargs: heard.append(response)}
    response = call(
        connect(api),
        "POST",
        "/things",
        {"page": "2"},
        {"a": "b"},
        {"X-Name": "value"},
        {"choice": "dark"},
        None,
        None,
        LONG,
        False,
        {},
        hooks,
    )
    (received,) = api.received
    assert received.query == [("page", "2")]
    assert received.form == [("a", "b")]
    assert received.headers["X-Name"] == "value"
    assert received.headers["Cookie"] == "choice=dark"
    assert response.status_code == 302
    assert heard == [response]


def test_a_stream_is_asked_for_by_position(call, api, connect):
    session, before_stream = connect(api), [None] * 10
    with call(session, "GET", "/things", *before_stream, True) as response:
        assert not response.raw.closed
    assert call(session, "GET", "/things", *before_stream).raw.closed


def test_files_are_taken_by_position(call, api, connect):
    files = {"file": ("name.txt", b"content")}
    call(connect(api), "POST", "/things", None, None, None, None, files)
    (received,) = api.received
    assert received.headers["Content-Type"].startswith("multipart/form-data")
    assert b"content" in received.body


def test_the_last_argument_by_position_is_the_json(call, api, connect):
    names = list(inspect.signature(requests.Session.request).parameters)
    args = [None] * len(names[names.index("params") : names.index("json")])
    call(connect(api), "POST", "/things", *args, {"a": 1})
    assert api.received[0].body == b'{"a": 1}'


def test_the_headers_of_the_caller_take_precedence_over_the_providers(call, api, connect):
    session = connect(api, kind=Acme)
    call(session, "GET", "/things", headers={"x-version": "2"})
    call(session, "GET", "/things")
    first, second = (received.headers for received in api.received)
    assert first.get_all("X-Version") == ["2"]
    assert second.get_all("X-Version") == ["1"]
    assert first["X-Acme-Key"] == second["X-Acme-Key"] == "planted-key"
    assert first["X-Acme-Token"].endswith("planted")
    assert "Authorization" not in first


def test_a_redirect_is_followed_by_get_and_not_by_head(verb, api, connect):
    api.pages["/v1/old"] = redirect_to(302, "/v1/new")
    session = connect(api)
    assert verb(session, "get", "/old").status_code == 200
    assert verb(session, "get", "/old", allow_redirects=False).status_code == 302
    assert verb(session, "head", "/old").status_code == 302
    assert verb(session, "head", "/old", allow_redirects=True).status_code == 200
    assert [received.path for received in api.received] == [
        "/v1/old",
        "/v1/new",
        "/v1/old",
        "/v1/old",
        "/v1/old",
        "/v1/new",
    ]


def test_a_url_may_be_bytes(call, api, connect):
    assert call(connect(api), "GET", b"/things").status_code == 200
    assert api.received[0].path == "/v1/things"


@pytest.fixture
def silent():
    """A server that answers when the test is over, or after a long time."""
    over = threading.Event()

    def late(received):
        over.wait(LONG)
        return 200, {}, "{}"

    with Loopback(late) as server:
        yield server
        over.set()


@pytest.mark.parametrize(
    ("setting", "args", "kwargs"),
    [
        (0.2, (), {}),
        (0.2, (), {"timeout": None}),
        (LONG, (), {"timeout": 0.2}),
        (LONG, (), {"timeout": (LONG, 0.2)}),
        (LONG, (None, None, None, None, None, None, 0.2), {}),
    ],
)
def test_a_call_ends_at_its_timeout(call, silent, connect, settings, setting, args, kwargs):
    settings.DANCE_TIMEOUT = setting
    with pytest.raises(requests.ReadTimeout):
        call(connect(silent), "GET", "/things", *args, **kwargs)


def test_a_call_without_the_token_has_a_timeout_too(call, silent, connect, settings):
    settings.DANCE_TIMEOUT = 0.2
    with pytest.raises(requests.ReadTimeout):
        call(connect(silent), "GET", "/things", withhold_token=True)


# --- without the token ----------------------------------------------------------------------------


def test_a_call_without_the_token_goes_to_any_origin(call, api, other, connect):
    session = connect(api, kind=Acme)
    call(session, "POST", f"{other.url}/x", json={"a": 1}, withhold_token=True)
    (received,) = other.received
    assert received.body == b'{"a": 1}'
    for name in ("Authorization", "X-Acme-Token", "X-Acme-Key", "X-Version"):
        assert name not in received.headers


def test_a_call_without_the_token_may_have_its_own_authorization(call, api, connect):
    session = connect(api, token=None)
    call(session, "GET", "/a", auth=("ada", "pw"), withhold_token=True)
    call(session, "GET", "/b", headers={"Authorization": "Basic x"}, withhold_token=True)
    assert api.received[0].headers["Authorization"] == "Basic YWRhOnB3"
    assert api.received[1].headers["Authorization"] == "Basic x"


def test_netrc_is_not_read(call, api, connect, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login evil password evil")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    session = connect(api)
    call(session, "GET", "/a", withhold_token=True)
    call(session, "GET", "/b")
    assert "Authorization" not in api.received[0].headers
    assert api.received[1].headers["Authorization"] == "Bearer planted"


def test_a_401_without_the_token_refreshes_nothing(call, api, connect):
    api.grants()
    api.pages["/v1/me"] = (401, {}, "")
    assert call(connect(api), "GET", "/me", withhold_token=True).status_code == 401
    assert [received.path for received in api.received] == ["/v1/me"]


# --- where the token may go -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "http://127.0.0.1/v1/me",
        "http://localhost:{port}/v1/me",
        "http://127.0.0.1.evil.example:{port}/",
        "//evil.example/x",
        "///x",
        "mailto:ada@example.com",
        "http:/v1/me",
        "http://[bad",
        "/a\r\nHost: evil",
        "/a\\b",
        "../me",
        "/a/%2e%2e/%2E%2e/me",
        "/a/..%5c..%5cme",
        "http://127.0.0.1:{port}\\@evil.example/",
    ],
)
def test_the_token_does_not_leave_its_origin(call, api, connect, url):
    session = connect(api)
    with pytest.raises(UntrustedOrigin):
        call(session, "GET", url.format(port=api.server_port))
    assert not api.received


def test_further_origins_may_be_trusted(call, api, other, connect):
    session = connect(api, API_ORIGINS=[other.url])
    call(session, "GET", f"{other.url}/x")
    assert other.received[0].headers["Authorization"] == "Bearer planted"


def test_an_origin_that_is_not_trusted_is_named(call, api, other, connect):
    with pytest.raises(UntrustedOrigin, match=rf"^{other.url} is not a trusted origin of api"):
        call(connect(api), "GET", f"{other.url}/x")


def test_plain_http_is_refused_without_debug(call, api, connect, settings):
    session = connect(api)
    assert session.authorized
    settings.DEBUG = False
    with pytest.raises(UntrustedOrigin, match="over https only"):
        call(session, "GET", f"{api.url}/v1/me")
    assert not api.received


def test_a_relative_url_needs_a_base_url(call, api, connect):
    session = connect(api, BASE_URL=None, API_ORIGINS=[api.url])
    with pytest.raises(UntrustedOrigin, match=r"'/me' .* set BASE_URL in DANCE_PROVIDERS\['api'\]"):
        call(session, "GET", "/me?q=planted")
    assert call(session, "GET", f"{api.url}/me").status_code == 200


class Rewriting(OAuth2Session):
    """A site's own session, which changes the URL after it was checked."""

    def prepare_request(self, request):
        request.url = self.elsewhere
        return super().prepare_request(request)


def test_a_url_that_changes_while_it_is_prepared_is_checked_again(call, api, other, connect):
    session = connect(api, SESSION_CLASS=Rewriting)
    session.elsewhere = f"{other.url}/x"
    with pytest.raises(UntrustedOrigin):
        call(session, "GET", "/me")
    assert not other.received


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        (OAuth2Provider, {"auth": ("ada", "pw")}),
        (OAuth2Provider, {"headers": {"authorization": "Basic x"}}),
        (OAuth2Provider, {"headers": {b"Authorization": "Basic x"}}),
        (Acme, {"headers": {"x-acme-token": "x"}}),
    ],
)
def test_a_second_authorization_is_refused(call, api, connect, kind, kwargs):
    with pytest.raises(ValueError, match="withhold_token=True"):
        call(connect(api, kind=kind), "GET", "/me", **kwargs)
    assert not api.received


def test_another_header_is_no_second_authorization(call, api, connect):
    call(connect(api, kind=Acme), "GET", "/me", headers={"Authorization": "Basic x"})
    assert api.received[0].headers["Authorization"] == "Basic x"


def test_a_header_with_a_line_break_is_refused(call, api, connect):
    with pytest.raises(requests.exceptions.InvalidHeader):
        call(connect(api), "GET", "/me", headers={"X-Name": "a\r\nb"})
    assert not api.received


# --- a home that the token names ------------------------------------------------------------------


def test_a_call_goes_to_the_host_that_the_token_names(call, api, other, connect):
    session = connect(api, {"home": other.url}, kind=Tenants)
    call(session, "GET", "/me")
    assert other.received[0].path == "/api/me"
    assert other.received[0].headers["Authorization"] == "Bearer planted"


def test_a_call_goes_to_the_host_that_the_refreshed_token_names(call, api, other, connect):
    session = connect(api, {"home": api.url, "expires_in": -1}, kind=Tenants)
    api.grants(home=other.url)
    call(session, "GET", "/me")
    assert [received.path for received in api.received] == ["/token"]
    assert other.received[0].headers["Authorization"] == "Bearer newer"


def test_an_absolute_url_on_the_host_that_the_token_names_is_trusted(call, api, other, connect):
    session = connect(api, {"home": other.url}, kind=Tenants)
    assert call(session, "GET", f"{other.url}/x").status_code == 200
    assert call(session, "GET", f"{api.url}/x").status_code == 200  # the origin of base_url
    with pytest.raises(UntrustedOrigin):
        call(session, "GET", "http://127.0.0.1/x")


def test_no_token_is_needed_to_call_without_it(call, api, connect):
    session = connect(api, token=None, kind=Tenants)
    assert call(session, "GET", "/me", withhold_token=True).status_code == 200
    with pytest.raises(AuthorizationRequired):
        call(session, "GET", "/me")
    assert [received.path for received in api.received] == ["/v1/me"]


# --- redirects ------------------------------------------------------------------------------------


def test_a_redirect_within_the_origin_keeps_the_headers(call, api, connect):
    api.pages["/v1/a"] = redirect_to(302, "/v1/b")
    call(connect(api, kind=Acme), "GET", "/a")
    (received,) = api.at("/v1/b")
    assert received.headers["X-Acme-Token"].endswith("planted")
    assert received.headers["X-Acme-Key"] == "planted-key"


@pytest.mark.parametrize("kind", [OAuth2Provider, Acme])
def test_a_redirect_to_another_origin_loses_the_headers(call, api, other, connect, kind):
    api.pages["/v1/a"] = redirect_to(302, f"{other.url}/b")
    call(connect(api, kind=kind), "GET", "/a", headers={"X-Name": "kept"})
    (received,) = other.received
    assert received.headers["X-Name"] == "kept"
    for name in ("Authorization", "X-Acme-Token", "X-Acme-Key", "X-Version"):
        assert name not in received.headers


def test_a_redirect_to_an_origin_that_is_trusted_loses_the_headers_too(call, api, other, connect):
    api.pages["/v1/a"] = redirect_to(302, f"{other.url}/b")
    call(connect(api, API_ORIGINS=[other.url]), "GET", "/a")
    assert "Authorization" not in other.received[0].headers


def test_a_redirect_to_another_origin_and_back_has_no_token(call, api, other, connect):
    api.pages["/v1/a"] = redirect_to(302, f"{other.url}/b")
    other.pages["/b"] = redirect_to(302, f"{api.url}/v1/c")
    call(connect(api, kind=Acme), "GET", "/a")
    (received,) = api.at("/v1/c")
    assert "X-Acme-Token" not in received.headers
    assert "X-Acme-Key" not in received.headers


def test_the_password_of_a_call_without_the_token_is_not_sent_to_another_origin(
    call, api, other, connect
):
    api.pages["/v1/a"] = redirect_to(302, f"{other.url}/b")
    call(connect(api, kind=Acme), "GET", "/a", auth=("ada", "pw"), withhold_token=True)
    assert "Authorization" in api.received[0].headers
    assert "Authorization" not in other.received[0].headers


@pytest.mark.parametrize(
    ("status", "method", "kwargs", "arrives"),
    [
        (301, "GET", {}, ["GET"]),
        (302, "POST", {"data": {"a": "b"}}, ["GET"]),
        (303, "PUT", {"data": b"body"}, ["GET"]),
        (307, "GET", {}, ["GET"]),
        (308, "DELETE", {}, ["DELETE"]),
        (307, "POST", {"data": {"a": "b"}}, []),
        (308, "PUT", {"data": b"body"}, []),
        (307, "POST", {"json": {}}, []),
    ],
)
def test_no_body_is_sent_to_another_origin(
    call, api, other, connect, status, method, kwargs, arrives
):
    api.pages["/v1/a"] = redirect_to(status, f"{other.url}/b")
    response = call(connect(api), method, "/a", **kwargs)
    assert [received.method for received in other.received] == arrives
    assert [received.body for received in other.received] == [b""] * len(arrives)
    assert response.status_code == (200 if arrives else status)


def test_a_body_is_sent_again_within_the_origin(call, api, connect):
    api.pages["/v1/a"] = redirect_to(307, "/v1/b")
    call(connect(api), "POST", "/a", data={"a": "b"})
    assert api.at("/v1/b")[0].body == b"a=b"


@pytest.mark.parametrize("location", ["http://[bad", "ftp://127.0.0.1/"])
def test_a_redirect_to_an_invalid_url_is_returned_to_the_caller(call, api, connect, location):
    api.pages["/v1/a"] = redirect_to(302, location)
    response = call(connect(api), "GET", "/a")
    assert response.status_code == 302
    assert response.headers["Location"] == location


# --- OAuth 1 --------------------------------------------------------------------------------------


@pytest.fixture
def signing(connect):
    """Makes a session of OAuth 1."""

    def signing(server):
        session = connect(server, token=None, kind=OAuth1Provider)
        session.token = {"oauth_token": "planted", "oauth_token_secret": "planted-secret"}
        return session

    return signing


def test_a_call_of_oauth_1_is_signed(call, api, signing):
    response = call(signing(api), "POST", "/me", {"page": "2"}, {"a": "b"})
    assert response.status_code == 200
    (received,) = api.received
    assert (received.target, received.form) == ("/v1/me?page=2", [("a", "b")])
    assert 'oauth_token="planted"' in received.headers["Authorization"]
    assert "oauth_signature=" in received.headers["Authorization"]


def test_a_redirect_of_oauth_1_within_the_origin_is_signed_anew(call, api, signing):
    api.pages["/v1/a"] = redirect_to(302, "/v1/b")
    call(signing(api), "GET", "/a")
    first, second = (received.headers["Authorization"] for received in api.received)
    assert "oauth_signature=" in first and "oauth_signature=" in second
    assert first != second


def test_a_redirect_of_oauth_1_to_another_origin_is_not_signed(call, api, other, signing):
    api.pages["/v1/a"] = redirect_to(302, f"{other.url}/b")
    call(signing(api), "GET", "/a")
    assert "Authorization" not in other.received[0].headers


def test_a_401_of_oauth_1_is_returned_to_the_caller(call, api, signing):
    api.pages["/v1/me"] = (401, {}, "no")
    assert call(signing(api), "GET", "/me").text == "no"
    assert len(api.received) == 1


def test_a_call_of_oauth_1_without_the_token_is_not_signed(call, api, signing):
    call(signing(api), "GET", "/me", withhold_token=True)
    assert "Authorization" not in api.received[0].headers


# --- refreshing -----------------------------------------------------------------------------------


def test_a_call_of_a_user_without_a_token_requires_authorization(call, api, connect):
    with pytest.raises(AuthorizationRequired, match="no_token"):
        call(connect(api, token=None), "GET", "/me")
    assert not api.received


def test_an_expired_token_without_a_refresh_token_requires_authorization(call, api, connect):
    session = connect(api, {"refresh_token": None, "expires_in": -1})
    with pytest.raises(AuthorizationRequired, match="expired"):
        call(session, "GET", "/me")
    assert not api.received


def test_an_expired_token_is_refreshed_before_the_call(call, api, connect, user):
    api.grants(refresh_token="planted-2")
    api.pages["/v1/me"] = answer_by_token
    assert call(connect(api, {"expires_in": -1}), "GET", "/me").json() == {"token": "newer"}
    assert [received.path for received in api.received] == ["/token", "/v1/me"]
    assert user.oauth_tokens.get().token["refresh_token"] == "planted-2"


def test_a_refusal_of_the_refresh_token_requires_authorization(call, api, connect):
    api.pages["/token"] = (400, {}, '{"error": "invalid_grant"}')
    with pytest.raises(AuthorizationRequired, match="revoked"):
        call(connect(api, {"expires_in": -1}), "GET", "/me")
    assert [received.path for received in api.received] == ["/token"]
    assert OAuthToken.objects.get().token is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "get"])
def test_a_401_refreshes_and_repeats_an_idempotent_call(call, api, connect, method):
    api.grants()
    api.pages["/v1/me"] = answer_by_token
    response = call(connect(api), method, "/me", headers={"X-Name": "value"}, params={"page": "2"})
    assert response.status_code == 200
    first, second = api.at("/v1/me")
    assert first.method == second.method == method.upper()
    assert first.target == second.target == "/v1/me?page=2"
    assert first.headers["X-Name"] == second.headers["X-Name"] == "value"
    assert first.headers["Authorization"] == "Bearer planted"
    assert second.headers["Authorization"] == "Bearer newer"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_401_refreshes_and_does_not_repeat_another_call(call, api, connect, method):
    api.grants()
    api.pages["/v1/me"] = answer_by_token
    session = connect(api)
    assert call(session, method, "/me").status_code == 401
    assert len(api.at("/v1/me")) == 1
    assert session.access_token == "newer"


@pytest.mark.parametrize(
    "kwargs",
    [
        {"data": "text"},
        {"data": b"bytes"},
        {"data": {"a": "b"}},
        {"data": [("a", "b")]},
        {"data": (("a", "b"),)},
        {"json": {"a": "b"}},
    ],
)
def test_a_body_that_can_be_read_again_is_sent_again(call, api, connect, kwargs):
    api.grants()
    api.pages["/v1/me"] = answer_by_token
    assert call(connect(api), "PUT", "/me", **kwargs).status_code == 200
    first, second = api.at("/v1/me")
    assert first.body == second.body != b""


@pytest.mark.parametrize(
    "body",
    [
        lambda: {"data": iter([b"once"])},
        lambda: {"data": io.BytesIO(b"once")},
        lambda: {"files": {"f": ("name", b"content")}},
    ],
    ids=["iterator", "file", "files"],
)
def test_a_body_that_can_be_read_only_once_is_not_sent_again(call, api, connect, body):
    api.grants()
    api.pages["/v1/me"] = answer_by_token
    assert call(connect(api), "PUT", "/me", **body()).status_code == 401
    assert len(api.at("/v1/me")) == 1


def test_a_second_401_is_returned_to_the_caller(call, api, connect):
    api.grants()
    api.pages["/v1/me"] = (401, {}, "no")
    assert call(connect(api), "GET", "/me").text == "no"
    assert [received.path for received in api.received] == ["/v1/me", "/token", "/v1/me"]


def test_a_401_while_the_provider_is_down_is_returned_to_the_caller(call, api, connect):
    api.pages["/token"] = (503, {}, "")
    api.pages["/v1/me"] = (401, {}, "no")
    assert call(connect(api), "GET", "/me").text == "no"
    assert [received.path for received in api.received] == ["/v1/me", "/token"]


def test_the_refused_response_is_closed_before_the_call_is_repeated(call, api, connect):
    api.grants()
    api.pages["/v1/me"] = answer_by_token
    heard = []
    hooks = {"response": lambda response, **kwargs: heard.append(response)}
    answer = call(connect(api), "GET", "/me", hooks=hooks, stream=True)
    refused, repeated = heard
    assert repeated is answer
    assert refused.raw.closed and not repeated.raw.closed
    answer.close()


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture
def other_bundle(tmp_path):
    path = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def tls_api(authority):
    """An API over TLS that asks for the client's certificate, and takes those of one CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    authority.configure_trust(context)
    with Api(tls=context) as server:
        yield server


@pytest.fixture
def certificate(authority, tmp_path):
    """Files with the certificate of a client, its key, and both."""

    def certificate(name):
        issued = authority.issue_cert(f"{name}.example", common_name=name)
        for part, blobs in (
            ("cert", issued.cert_chain_pems),
            ("key", [issued.private_key_pem]),
            ("both", [issued.private_key_and_cert_chain_pem]),
        ):
            content = b"".join(blob.bytes() for blob in blobs)
            (tmp_path / f"{name}.{part}").write_bytes(content)
        return tmp_path / name

    return certificate


def test_a_server_with_an_unknown_ca_is_not_called(call, tls_api, connect):
    session = connect(tls_api)
    with pytest.raises(requests.exceptions.SSLError):
        call(session, "GET", "/me")
    with pytest.raises(requests.exceptions.SSLError):
        call(session, "GET", "/me", withhold_token=True)
    assert not tls_api.received


def test_a_server_with_the_ca_that_the_settings_name_is_called(call, tls_api, connect, bundle):
    assert call(connect(tls_api, CA_BUNDLE=bundle), "GET", "/me").status_code == 200
    assert tls_api.received[0].headers["Authorization"] == "Bearer planted"


def test_a_ca_that_a_call_or_a_session_names_is_trusted(
    call, tls_api, connect, bundle, other_bundle
):
    session = connect(tls_api)
    assert call(session, "GET", "/me", verify=bundle).status_code == 200
    session.verify = bundle
    assert call(session, "GET", "/me").status_code == 200
    with pytest.raises(requests.exceptions.SSLError):
        call(session, "GET", "/me", verify=other_bundle)


def test_a_ca_may_be_named_by_a_path_object(call, tls_api, connect, bundle, other_bundle):
    assert call(connect(tls_api, CA_BUNDLE=Path(bundle)), "GET", "/me").status_code == 200
    session = connect(tls_api)
    assert call(session, "GET", "/me", verify=Path(bundle)).status_code == 200
    session.verify = Path(bundle)
    assert session.protocol_call("GET", f"{tls_api.url}/me").status == 200
    with pytest.raises(requests.exceptions.SSLError):
        call(session, "GET", "/me", verify=Path(other_bundle))


@pytest.mark.parametrize("verify", [None, ""])
def test_only_false_turns_the_verification_off(send, tls_api, connect, verify):
    session = connect(tls_api)
    request = prepare(session, tls_api, "/me")
    with pytest.raises(requests.exceptions.SSLError):
        send(session, request, verify=verify)
    assert not tls_api.received


def test_a_protocol_call_trusts_the_ca_of_the_session_alone(tls_api, connect, bundle, other_bundle):
    session = connect(tls_api)
    session.verify = bundle
    assert session.protocol_call("GET", f"{tls_api.url}/me").status == 200
    session = connect(tls_api, CA_BUNDLE=bundle)
    session.verify = other_bundle
    with pytest.raises(ProviderUnavailable):
        session.protocol_call("GET", f"{tls_api.url}/me")


def test_the_ca_of_the_settings_takes_precedence_over_the_environment(
    call, tls_api, connect, bundle, other_bundle, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", other_bundle)
    assert call(connect(tls_api, CA_BUNDLE=bundle), "GET", "/me").status_code == 200
    with pytest.raises(requests.exceptions.SSLError):
        call(connect(tls_api), "GET", "/me")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    forget_environment()
    assert call(connect(tls_api), "GET", "/me").status_code == 200


def test_the_certificate_of_another_host_is_refused(call, authority, connect, bundle):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with Api(tls=context) as server:
        with pytest.raises(requests.exceptions.SSLError):
            call(connect(server, CA_BUNDLE=bundle), "GET", "/me")
        assert not server.received


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_unverified_connection_is_not_used_by_other_calls(call, tls_api, connect):
    session = connect(tls_api)
    assert call(session, "GET", "/me", verify=False, withhold_token=True).status_code == 200
    with pytest.raises(requests.exceptions.SSLError):
        call(session, "GET", "/me")
    assert len(tls_api.received) == 1


def test_a_client_certificate_arrives(call, tls_api, connect, bundle, certificate):
    session = connect(tls_api, CA_BUNDLE=bundle)
    ada, bob = certificate("ada"), certificate("bob")
    call(session, "GET", "/a", cert=f"{ada}.both")
    call(session, "GET", "/b", cert=(f"{bob}.cert", f"{bob}.key"))
    call(session, "GET", "/c", cert=[f"{ada}.cert", f"{ada}.key"])
    call(session, "GET", "/d")
    session.cert = (f"{bob}.cert", f"{bob}.key")
    call(session, "GET", "/e")
    shown = [received.certificate for received in tls_api.received]
    assert shown == ["ada", "bob", "ada", None, "bob"]


def test_a_redirect_from_https_to_http_is_returned_to_the_caller(
    call, tls_api, api, connect, bundle
):
    tls_api.pages["/v1/a"] = redirect_to(302, f"{api.url}/b")
    response = call(connect(tls_api, CA_BUNDLE=bundle), "GET", "/a")
    assert response.status_code == 302
    assert not api.received


def test_a_redirect_from_http_to_https_is_followed_without_the_token(
    call, tls_api, api, connect, bundle
):
    api.pages["/v1/a"] = redirect_to(302, f"{tls_api.url}/b")
    assert call(connect(api, CA_BUNDLE=bundle), "GET", "/a").status_code == 200
    assert "Authorization" not in tls_api.received[0].headers


def test_a_missing_ca_file_fails_before_the_call_is_sent(call, tls_api, connect, tmp_path):
    with pytest.raises(OSError, match="No such file"):
        call(connect(tls_api, CA_BUNDLE=str(tmp_path / "missing.pem")), "GET", "/me")
    assert not tls_api.received


# --- what an error report shows -------------------------------------------------------------------


def assert_no_token(text):
    """Kept apart, because a report quotes the source around each frame."""
    assert "Authorization: Bearer" not in text
    assert "Bearer planted" not in text


@pytest.fixture
def closed_port():
    """The address of a port where no server listens."""
    with reserved_port() as port:
        yield SimpleNamespace(url=f"http://127.0.0.1:{port}")


def test_the_error_report_of_a_call_to_a_closed_port_has_no_token(call, closed_port, connect):
    session = connect(closed_port)
    try:
        call(session, "POST", "/me", data={"field": "planted"}, headers={"X-Name": "planted"})
    except requests.ConnectionError as exception:
        failure = exception
    causes, cause = [], failure
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    assert any(isinstance(cause, ConnectionRefusedError) for cause in causes)
    del causes, cause
    text = report(failure)
    assert "_send" in text
    assert_no_token(text)


def test_an_error_of_ours_during_a_call_has_no_frames_of_the_call(call, api, other, connect):
    session = connect(api, SESSION_CLASS=Rewriting)
    session.elsewhere = f"{other.url}/x"
    with pytest.raises(UntrustedOrigin) as refusal:
        call(session, "GET", "/me")
    frames = [frame.name for frame in traceback.extract_tb(refusal.value.__traceback__)]
    assert "_send" in frames[-1]
    assert refusal.value.__context__ is None


# --- protocol calls -------------------------------------------------------------------------------


def test_a_protocol_call_has_the_token_and_the_body(api, connect):
    api.pages["/v1/me"] = (200, {}, '{"id": 7}')
    answer = connect(api, kind=Acme).protocol_call("POST", "/me", json={"query": "{ me }"})
    assert (answer.status, answer.json()) == (200, {"id": 7})
    (received,) = api.received
    assert (received.method, received.body) == ("POST", b'{"query": "{ me }"}')
    assert received.headers["X-Acme-Token"] == "Bearer planted"
    assert received.headers["X-Acme-Key"] == "planted-key"
    assert received.headers["Accept"] == "application/json"
    assert received.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("page", "error", "message"),
    [
        (redirect_to(302, "/v1/elsewhere"), InvalidResponse, "redirect"),
        ((200, {"Content-Encoding": "gzip"}, "{}"), InvalidResponse, "compressed"),
        ((200, {}, b" " * (MAX_ANSWER + 1)), InvalidResponse, "longer than"),
        ((503, {}, "{}"), ProviderUnavailable, "answered 503"),
    ],
    ids=["redirect", "compressed", "too long", "busy"],
)
def test_a_protocol_call_with_the_token_has_limits(api, connect, page, error, message):
    api.pages["/v1/me"] = page
    with pytest.raises(error, match=message):
        connect(api).protocol_call("GET", "/me")
    assert [received.path for received in api.received] == ["/v1/me"]


def test_a_protocol_call_does_not_send_the_token_to_another_origin(api, other, connect):
    with pytest.raises(UntrustedOrigin):
        connect(api).protocol_call("GET", f"{other.url}/me")
    assert not other.received


# --- connections ----------------------------------------------------------------------------------


def test_sessions_share_a_connection_and_a_closed_one_leaves_it_open(call, api, connect, make_user):
    session = connect(api)
    with session as same:
        call(same, "GET", "/a")
    call(session.for_user(make_user("grace")), "GET", "/b", withhold_token=True)
    call(session, "GET", "/c")
    assert len(api.received) == 3
    assert api.connections == 1


def test_a_forked_process_has_no_connection_of_its_parent(api, connect):
    session = connect(api)
    session.get("/a")
    pool._after_fork()  # as in a forked process; a test of a real site forks one
    session.get("/b")
    session.get("/c")
    assert api.connections == 2


def test_the_proxy_of_the_environment_is_used(call, api, other, connect, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", other.url)
    pool._after_fork()
    for _ in range(2):
        call(connect(api), "GET", "/me")
    assert [received.target for received in other.received] == [f"{api.url}/v1/me"] * 2
    assert other.connections == 1
    assert not api.received


# --- async alone ----------------------------------------------------------------------------------


def test_async_calls_wait_for_the_network_in_parallel(connect):
    together = threading.Barrier(3)

    def answer(received):
        together.wait(LONG)  # broken, and an answer is missing, if the calls come one by one
        return 200, {}, "{}"

    with Loopback(answer) as server:
        session = connect(server)

        async def page():
            calls = (session.aget(f"/{n}", timeout=LONG + 10) for n in range(3))
            return await asyncio.gather(*calls)

        assert [response.status_code for response in async_to_sync(page)()] == [200] * 3


def test_an_async_call_uses_the_storage_in_the_thread_of_the_orm(api, connect, user):
    threads = []

    class Watched(OAuth2Session):
        def ready_token(self):
            threads.append(("ready", threading.get_ident()))
            return super().ready_token()

        def replace_rejected_token(self, rejected):
            threads.append(("renewed", threading.get_ident()))
            return super().replace_rejected_token(rejected)

        def _signer(self, token):
            threads.append(("signer", threading.get_ident()))
            return super()._signer(token)

        def send(self, request, **kwargs):
            threads.append(("sent", threading.get_ident()))
            return super().send(request, **kwargs)

    api.grants()
    api.pages["/v1/me"] = answer_by_token
    session = connect(api, SESSION_CLASS=Watched)
    assert async_to_sync(session.aget)("/me").status_code == 200
    here = threading.get_ident()
    assert [(name, ident == here) for name, ident in threads] == [
        ("ready", True),
        ("signer", True),
        ("sent", False),
        ("renewed", True),
        ("signer", True),
        ("sent", False),
    ]


# --- URLs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "url", "joined"),
    [
        ("https://x.example/v1/", "me", "https://x.example/v1/me"),
        ("https://x.example/v1", "/me", "https://x.example/v1/me"),
        ("https://x.example/v1//", "//", None),
        ("https://x.example/v1/", "?page=2", "https://x.example/v1/?page=2"),
        ("https://x.example/v1", "?page=2", "https://x.example/v1?page=2"),
        ("https://x.example/v1/", "", "https://x.example/v1/"),
        ("https://x.example/v1", "", "https://x.example/v1"),
        ("https://x.example/X/", "/X", "https://x.example/X/X"),
        ("https://x.example/v1/", "/a/b..c/..d", "https://x.example/v1/a/b..c/..d"),
        ("https://x.example/v1/", "/a?next=../x", "https://x.example/v1/a?next=../x"),
        ("https://x.example/v1/", "https://y.example/../z", "https://y.example/../z"),
        ("https://x.example/v1/", "http://y.example", "http://y.example"),
        ("https://x.example/v1/", "/a\x00", None),
        ("https://x.example/v1/", "/a\x1f", None),
        ("https://x.example/v1/", "/a\x7f", None),
        ("https://x.example/v1/", "/a\x20b", "https://x.example/v1/a\x20b"),
        ("https://x.example/v1/", "https://y.example\\z", None),
        ("https://x.example/v1/", "ftp://y.example/", None),
        ("https://x.example/v1/", "https:me", None),
        ("https://x.example/v1/", "https:///me", None),
        ("https://x.example/v1/", "x:me", None),
        ("https://x.example/v1/", "//y.example/me", None),
        ("https://x.example/v1/", "///me", None),
        ("https://x.example/v1/", "https://[me", None),
        ("https://x.example/v1/", "..", None),
        ("https://x.example/v1/", "a/%2E%2e", None),
        ("https://x.example/v1/", "a/..%5cb", None),
    ],
)
def test_a_relative_url_is_joined_to_the_base_url(user, settings, base, url, joined):
    options = {**settings.DANCE_PROVIDERS["github"], "BASE_URL": base}
    settings.DANCE_PROVIDERS = {"github": options}
    session = providers["github"].session(user=user)
    if joined is None:
        with pytest.raises(UntrustedOrigin):
            session.absolute_url(url)
    else:
        assert session.absolute_url(url) == joined


def test_the_error_about_a_url_does_not_repeat_its_query(user):
    session = providers["github"].session(user=user)
    for url in ("mailto:x?subject=planted", "//x/?planted"):
        with pytest.raises(UntrustedOrigin) as refusal:
            session.absolute_url(url)
        assert repr(url.split("?")[0]) in str(refusal.value)
        assert "planted" not in str(refusal.value)


def test_an_unsaved_token_is_sent(call, api, connect):
    session = connect(api, token=None)
    session.current_token.use_unsaved(Token.granted({"access_token": "carried"}))
    call(session, "GET", "/me")
    assert api.received[0].headers["Authorization"] == "Bearer carried"


# --- requests that the caller has prepared --------------------------------------------------------


@pytest.fixture(params=["sync", "async"])
def send(request):
    """Sends a prepared request by ``session.send``, or by its async twin."""

    def send(session, prepared, **kwargs):
        if request.param == "sync":
            return session.send(prepared, **kwargs)
        return async_to_sync(session.asend)(prepared, **kwargs)

    return send


def prepare(session, server, path="/v1/me", method="GET", **kwargs):
    return session.prepare_request(requests.Request(method, f"{server.url}{path}", **kwargs))


@pytest.mark.parametrize("kind", [OAuth2Provider, Acme])
def test_a_prepared_request_is_sent_with_the_token(send, api, connect, kind):
    session = connect(api, kind=kind)
    request = prepare(session, api, method="POST", json={"a": 1}, headers={"X-Version": "2"})
    assert send(session, request).status_code == 200
    (received,) = api.received
    assert received.headers[kind.token_header].endswith("planted")
    assert received.body == b'{"a": 1}'
    assert received.headers.get_all("X-Version") == ["2"]
    assert kind.token_header not in request.headers


def test_a_prepared_request_of_oauth_1_is_signed(send, api, signing):
    session = signing(api)
    assert send(session, prepare(session, api, "/v1/things?a=b")).status_code == 200
    assert api.received[0].headers["Authorization"].startswith("OAuth ")


def test_a_prepared_request_to_another_origin_is_refused(send, api, other, connect):
    session = connect(api)
    with pytest.raises(UntrustedOrigin, match="is not a trusted origin"):
        send(session, prepare(session, other))
    assert not other.received


def test_a_prepared_request_may_be_sent_without_the_token(send, api, other, connect):
    session = connect(api)
    assert send(session, prepare(session, other), withhold_token=True).status_code == 200
    assert "Authorization" not in other.received[0].headers


def test_a_prepared_request_has_the_headers_of_the_provider_with_the_token_only(
    send, api, other, connect
):
    session = connect(api, kind=Acme)
    send(session, prepare(session, api))
    send(session, prepare(session, other), withhold_token=True)
    assert api.received[0].headers["X-Acme-Key"] == "planted-key"
    assert api.received[0].headers["X-Version"] == "1"
    assert "X-Acme-Key" not in other.received[0].headers
    assert "X-Version" not in other.received[0].headers


def test_a_prepared_request_with_another_authorization_is_refused(send, api, connect):
    session = connect(api)
    request = prepare(session, api, auth=("ada", "planted-password"))
    with pytest.raises(ValueError, match="sets Authorization itself"):
        send(session, request)
    assert send(session, request, withhold_token=True).status_code == 200
    assert api.received[0].headers["Authorization"].startswith("Basic ")


def test_a_prepared_request_without_a_token_needs_authorization(send, api, connect):
    session = connect(api, token=None)
    with pytest.raises(AuthorizationRequired, match="no_token"):
        send(session, prepare(session, api))
    assert not api.received


def test_a_prepared_request_is_repeated_after_a_refresh(send, api, connect):
    api.grants()
    api.pages["/v1/me"] = answer_by_token
    session = connect(api)
    request = prepare(session, api, method="PUT", data={"a": "b"})
    assert send(session, request).status_code == 200
    assert [received.body for received in api.at("/v1/me")] == [b"a=b", b"a=b"]


def test_a_prepared_body_that_may_be_used_up_is_not_sent_again(send, api, connect):
    api.grants()
    api.pages["/v1/me"] = answer_by_token
    session = connect(api)
    request = prepare(session, api, method="PUT", data=iter([b"once"]))
    assert send(session, request).status_code == 401
    assert len(api.at("/v1/me")) == 1


@pytest.mark.parametrize("withhold", [False, True])
def test_a_redirect_of_a_prepared_request_to_another_origin_has_no_token(
    send, api, other, connect, withhold
):
    api.pages["/v1/me"] = redirect_to(302, f"{other.url}/x")
    session = connect(api)
    assert send(session, prepare(session, api), withhold_token=withhold).status_code == 200
    assert "Authorization" not in other.received[0].headers


def test_a_prepared_request_waits_no_longer_than_the_setting(send, silent, connect, settings):
    settings.DANCE_TIMEOUT = 0.2
    session = connect(silent)
    with pytest.raises(requests.ReadTimeout):
        send(session, prepare(session, silent))


@pytest.fixture(params=["the address", "a redirect", "the next of a redirect"])
def earlier(request, api, connect):
    """A session, and a request of it that has a token already."""
    session = connect(api)
    if request.param == "the address":
        return session, session.get("/me").request
    api.pages["/v1/moved"] = redirect_to(302, "/v1/me")
    if request.param == "a redirect":
        answer = session.get("/moved")
        assert answer.history
        return session, answer.request
    return session, session.get("/moved", allow_redirects=False).next


def test_the_request_of_an_answer_is_not_sent_to_another_origin(send, other, earlier):
    session, request = earlier
    request.url = f"{other.url}/v1/me"
    for sent in (request, request.copy(), copy.copy(request)):
        with pytest.raises(UntrustedOrigin):
            send(session, sent)
    assert other.received == []


def test_the_request_of_an_answer_is_sent_without_the_token_if_it_is_withheld(
    send, api, other, earlier
):
    session, request = earlier
    assert "Authorization" in request.headers
    for sent, server in ((request.copy(), api), (request, other)):
        sent.url = f"{server.url}/v1/me"
        assert send(session, sent, withhold_token=True).status_code == 200
        assert "Authorization" not in server.received[-1].headers


@pytest.mark.parametrize("kind", [OAuth1Provider, Acme, Plain])
def test_the_token_of_any_kind_is_withheld(send, api, other, connect, signing, kind):
    session = signing(api) if kind is OAuth1Provider else connect(api, kind=kind)
    request = session.get("/me").request
    request.url = f"{other.url}/v1/me"
    with pytest.raises(UntrustedOrigin):
        send(session, request)
    assert send(session, request, withhold_token=True).status_code == 200
    assert not [text for text in other.received[0].headers.values() if "planted" in text]
    assert "Authorization" not in other.received[0].headers


def test_the_request_of_an_answer_is_sent_again_with_the_present_token(send, api, earlier):
    session, request = earlier
    session.token = {"access_token": "planted-newer"}
    request.url = f"{api.url}/v1/page/2"
    assert send(session, request).status_code == 200
    assert api.received[-1].headers["Authorization"] == "Bearer planted-newer"


def test_a_request_that_is_not_prepared_is_refused(api, connect):
    session = connect(api)
    with pytest.raises(ValueError, match="PreparedRequest"):
        session.send(requests.Request("GET", f"{api.url}/v1/me"))
