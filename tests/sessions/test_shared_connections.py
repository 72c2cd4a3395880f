"""A session prepares a call with less work than ``requests``, and with the same result."""

import io

import pytest
import requests
from requests.auth import HTTPBasicAuth

from django_dance.http import get_shared_adapter
from django_dance.sessions.shared_connections import SharedConnectionsMixin

pytestmark = pytest.mark.one_database("These tests use no database")

URL = "https://api.example.com/a b?q=1"


def note(response, *args, **kwargs):
    pass


def prepared(session, **fields):
    request = session.prepare_request(requests.Request(**{"method": "get", "url": URL, **fields}))
    return {
        **vars(request),
        "headers": list(request.headers.items()),
        "_cookies": repr(request._cookies),
    }


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"params": {"a": [1, 2], "b": None}},
        {"params": "a=1"},
        {"headers": {"accept": "text/plain", "X-More": "1", "User-Agent": None}},
        {"method": "POST", "data": {"a": "1"}},
        {"method": "POST", "data": b"bytes", "headers": {"Content-Type": "text/plain"}},
        {"method": "PUT", "json": {"a": 1}},
        {"method": "POST"},
        {"method": "POST", "files": {"file": ("name", b"text")}, "auth": HTTPBasicAuth("a", "b")},
        {"hooks": {"response": note}},
        {"cookies": {"a": "1"}},
        {"auth": ("name", "password")},
        {"url": "https://name:password@api.example.com/"},
        {"url": "https://bücher.example/ä"},
    ],
    ids=[
        "nothing",
        "params",
        "a query",
        "headers",
        "a form",
        "bytes",
        "JSON",
        "no body",
        "files",
        "hooks",
        "cookies",
        "a password",
        "a password in the URL",
        "an international host",
    ],
)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"params": {"page": "1"}},
        {"hooks": {"response": [note]}},
        {"auth": ("name", "password")},
        {"headers": {"X-Own": "1", "Accept": None}},
    ],
    ids=["nothing", "params", "hooks", "a password", "headers"],
)
def test_a_request_is_prepared_as_requests_prepares_it(fields, settings, monkeypatch):
    monkeypatch.setattr("requests.models.choose_boundary", lambda: "boundary", raising=False)
    monkeypatch.setattr("urllib3.filepost.choose_boundary", lambda: "boundary")
    ours, theirs = SharedConnectionsMixin(), requests.Session()
    for session in (ours, theirs):
        headers = settings.get("headers", {})
        vars(session).update({k: v for k, v in settings.items() if k != "headers"})
        session.headers.update(headers)
    for _ in range(2):
        assert prepared(ours, **fields) == prepared(theirs, **fields)


def test_a_stream_is_prepared_as_requests_prepares_it():
    ours, theirs = SharedConnectionsMixin(), requests.Session()
    fields = {"method": "POST", "data": io.BytesIO(b"text")}
    assert prepared(ours, **fields) == prepared(theirs, **fields)


def test_the_cookies_of_a_session_are_sent():
    ours, theirs = SharedConnectionsMixin(), requests.Session()
    for session in (ours, theirs):
        session.cookies.set("a", "1")
    assert prepared(ours)["headers"] == prepared(theirs)["headers"]
    assert ("Cookie", "a=1") in prepared(ours)["headers"]


@pytest.mark.parametrize("cookies", [{}, {"a": "1"}], ids=["headers only", "cookies"])
def test_the_content_type_of_a_session_is_not_used_for_an_upload(cookies):
    session = SharedConnectionsMixin()
    session.headers["content-type"] = "application/json"
    session.cookies.update(cookies)
    upload = requests.Request("POST", URL, files={"file": ("name", b"text")})
    sent = session.prepare_request(upload)
    assert sent.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert upload.headers == {}
    upload.headers = {"CONTENT-TYPE": "multipart/mixed"}
    assert session.prepare_request(upload).headers["Content-Type"] == "multipart/mixed"
    text = requests.Request("POST", URL, data="{}")
    assert session.prepare_request(text).headers["Content-Type"] == "application/json"


def test_a_change_of_the_sessions_headers_has_effect_at_the_next_call():
    session = SharedConnectionsMixin()
    prepared(session)
    session.headers["X-Own"] = "1"
    assert ("X-Own", "1") in prepared(session)["headers"]
    del session.headers["X-Own"]
    assert ("X-Own", "1") not in prepared(session)["headers"]


def test_a_prepared_request_does_not_change_the_next_one():
    session = SharedConnectionsMixin()
    first = session.prepare_request(requests.Request("GET", URL))
    first.headers["Authorization"] = "Bearer planted"
    first._cookies.set("a", "1")
    second = session.prepare_request(requests.Request("GET", URL))
    assert "Authorization" not in second.headers
    assert not list(second._cookies)


@pytest.mark.parametrize("value", ["a\nb", " a", 1])
def test_a_header_that_cannot_be_sent_is_refused(value):
    session = SharedConnectionsMixin()
    for _ in range(2):
        with pytest.raises(requests.exceptions.InvalidHeader):
            session.prepare_request(requests.Request("GET", URL, headers={"X-Own": value}))


def test_a_call_works_after_its_connections_were_given_up():
    """There is room for the connections to a number of hosts only."""
    adapter = get_shared_adapter()
    request = requests.Request("GET", "http://localhost:9/").prepare()
    first = adapter.get_connection_with_tls_context(request, True)
    adapter.poolmanager.clear()
    second = adapter.get_connection_with_tls_context(request, True)
    assert second is not first
    assert (second.host, second.port) == ("localhost", 9)
