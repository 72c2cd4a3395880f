"""The packages with which sites test their calls intercept every call: none takes a short cut."""

import pytest
import requests_mock
import responses
import vcr
from asgiref.sync import async_to_sync

from django_dance.exceptions import ProviderUnavailable
from django_dance.http import protocol_call

from .conftest import Api

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

ANSWER = {"name": "planned"}


def protocol_get(session, url):
    return protocol_call("GET", url)


def protocol_post(session, url):
    return protocol_call("POST", url, data={"grant_type": "a-grant"})


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def api():
    with Api() as server:
        yield server


@pytest.fixture(
    params=[
        lambda session, url: session.get(url),
        lambda session, url: async_to_sync(session.aget)(url),
        lambda session, url: session.post(url, json={}),
        lambda session, url: session.protocol_call("GET", url),
        protocol_get,
        protocol_post,
    ],
    ids=["get", "aget", "post", "session.protocol_call", "protocol GET", "protocol POST"],
)
def call(request):
    """One of the ways in which a call leaves the site."""
    return request.param


@pytest.fixture
def session(api, connect):
    """A session that has called the API before, so that there is a connection to it."""
    session = connect(api)
    assert session.get("/warm").ok
    protocol_call("GET", f"{api.url}/v1/warm")
    api.received.clear()
    return session


@pytest.mark.django_db
def test_responses_intercepts_the_call(api, session, call):
    url = f"{api.url}/v1/me"
    with responses.RequestsMock() as mock:
        for method in ("GET", "POST"):
            mock.add(method, url, json=ANSWER)
        mock.assert_all_requests_are_fired = False
        assert call(session, url).json() == ANSWER
        assert len(mock.calls) == 1
    assert not api.received


@pytest.mark.django_db
def test_requests_mock_intercepts_the_call(api, session, call):
    with requests_mock.Mocker() as mock:
        mock.register_uri(requests_mock.ANY, f"{api.url}/v1/me", json=ANSWER)
        assert call(session, f"{api.url}/v1/me").json() == ANSWER
        assert mock.call_count == 1
    assert not api.received


@pytest.mark.django_db
def test_vcrpy_records_the_call_and_plays_it_again(api, session, call, tmp_path):
    api.pages["/v1/me"] = (200, {"Content-Type": "application/json"}, '{"name": "planned"}')
    for _ in range(2):
        # Without the filter, vcrpy refuses to write the token into the file.
        path, hidden = str(tmp_path / "calls.yaml"), ["Authorization"]
        with vcr.use_cassette(path, filter_headers=hidden) as cassette:
            assert call(session, f"{api.url}/v1/me").json() == ANSWER
    assert cassette.play_count == 1
    assert len(api.at("/v1/me")) == 1


@pytest.mark.django_db
def test_a_mock_without_an_answer_refuses_the_call(api, session):
    with responses.RequestsMock(), pytest.raises(ProviderUnavailable, match="ConnectionError"):
        protocol_call("GET", f"{api.url}/v1/me")
    assert not api.received
