"""A fake provider beside the libraries that answer the calls of ``requests``."""

import pytest
import requests
import requests_mock
import responses as responses_library
import vcr

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

USERS = "https://api.github.com/users"
OTHER = "https://other.example/news"


@pytest.fixture
def send():
    """The function that sends each request; it must be there again after the test."""
    before = requests.adapters.HTTPAdapter.send
    yield before
    assert requests.adapters.HTTPAdapter.send is before


@pytest.fixture
def expired(connect, fake_provider, user):
    """Opens a fake GitHub; the user's token has expired, so that each call is two requests."""

    def open_fake(**attributes):
        github = fake_provider("github")
        vars(github).update(attributes)
        github.route("GET", "/user/repos", [])
        return github, connect(user, "github", expired=True)

    return open_fake


def test_responses_answers_for_other_hosts(send, expired, responses):
    github, session = expired()
    responses.get(OTHER, json=["news"])
    assert requests.get(OTHER, timeout=1).json() == ["news"]
    assert session.get("/user/repos").json() == []
    github.assert_refreshed()


def test_responses_can_answer_the_api(expired, responses):
    github, session = expired(passes_api_calls=True)
    responses.get(USERS, json=["ada"])
    assert session.get("/users").json() == ["ada"]
    assert session.get("/user/repos").json() == []
    github.assert_refreshed()
    github.assert_not_called("GET", "/users")


@responses_library.activate
def test_responses_may_be_a_decorator(expired):
    github, session = expired()
    responses_library.get(OTHER, json=["news"])
    assert session.get("/user/repos").json() == []
    assert requests.get(OTHER, timeout=1).json() == ["news"]
    github.assert_refreshed()


def test_a_fake_provider_leaves_nothing_behind_if_responses_ends_first(send, fake_provider):
    mock = responses_library.RequestsMock()
    mock.start()
    fake_provider("github")
    mock.stop()


def test_responses_may_begin_after_the_fake_provider(expired):
    _, session = expired(passes_api_calls=True)
    with responses_library.RequestsMock() as mock:
        mock.get(USERS, json=["ada"])
        mock.post("https://github.com/login/oauth/access_token", json={"access_token": "newer"})
        assert session.get("/users").json() == ["ada"]


def test_requests_mock_answers_for_other_hosts(send, expired):
    with requests_mock.Mocker(real_http=True) as mock:
        github, session = expired(passes_api_calls=True)
        mock.get(OTHER, json=["news"])
        mock.get(USERS, json=["ada"])
        assert requests.get(OTHER, timeout=1).json() == ["news"]
        assert session.get("/users").json() == ["ada"]
        assert session.get("/user/repos").json() == []
    github.assert_refreshed()


def test_vcr_records_no_request_to_a_fake_provider(send, expired, tmp_path):
    with vcr.use_cassette(tmp_path / "calls.yaml", record_mode="none") as cassette:
        github, session = expired()
        assert session.get("/user/repos").json() == []
    github.assert_refreshed()
    assert len(cassette) == 0


CASSETTE = """
interactions:
- request: {method: GET, uri: 'https://api.github.com/users', body: null, headers: {}}
  response:
    status: {code: 200, message: OK}
    headers: {Content-Type: [application/json]}
    body: {string: '["ada"]'}
version: 1
"""


def test_vcr_can_answer_the_api(expired, tmp_path):
    (tmp_path / "calls.yaml").write_text(CASSETTE)
    github, session = expired(passes_api_calls=True)
    with vcr.use_cassette(tmp_path / "calls.yaml", record_mode="none"):
        assert session.get("/users").json() == ["ada"]
    github.assert_refreshed()
