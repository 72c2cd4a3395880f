"""A fake provider at an address of this machine."""

import httpx
import pytest
import requests
from django.core.management import call_command

from django_dance.interop import httpx_auth
from django_dance.providers import providers
from django_dance.testing.interception import find_fake

from ..documents import DOCS, load_module

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


@pytest.fixture
def github(fake_provider):
    github = fake_provider("github", served=True)
    github.route("GET", "/user/repos", [])
    return github


def test_a_dance_and_a_call_go_over_the_network(github, member, user):
    assert github.dance(member).status_code == 302
    session = providers["github"].session(user=user)
    answer = session.get("/user/repos")
    assert answer.url == f"{github.url}/api.github.com/user/repos"
    github.assert_called("GET", "/user/repos", times=1)


def test_other_clients_reach_it(github, connect, user):
    session = connect(user, "github", expired=True)
    with httpx.Client(auth=httpx_auth(session), trust_env=False) as client:
        assert client.get(session.absolute_url("/user/repos")).json() == []
    github.assert_refreshed()


def test_a_browser_is_sent_back_to_the_site(github, member):
    address = member.get("/login/github/")["Location"]
    answer = requests.get(address, allow_redirects=False, timeout=5)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("https://testserver/login/github/authorized/?")


def test_the_command_of_the_guide_serves_a_fake_provider(monkeypatch, capsys, member):
    example = load_module(DOCS / "examples" / "runfake.py")
    profiles = []

    def runserver(*arguments, **options):
        profiles.append(find_fake("github").dance(member).status_code)
        profiles.append(member.get("/profile/").json())

    monkeypatch.setattr(example, "call_command", runserver)
    call_command(example.Command())
    assert profiles == [302, {"id": 1, "login": "ada"}]
    assert "The fake GitHub is at http://127.0.0.1:" in capsys.readouterr().out


def test_a_call_without_a_route_is_answered_with_the_cure(github, connect, user):
    answer = connect(user, "github").get("/zen")
    assert answer.status_code == 501
    assert 'route("GET", "/zen"' in answer.text


def test_it_misbehaves_over_the_network(github, connect, user):
    session = connect(user, "github")
    github.drop()
    with pytest.raises(requests.ConnectionError):
        session.get("/user/repos")
    github.limit_rate()
    assert session.get("/user/repos").status_code == 429
    github.be_slow(1)
    with pytest.raises(requests.ReadTimeout):
        session.get("/user/repos", timeout=0.05)


def test_a_parameter_of_the_api_reaches_the_route(github, connect, user):
    github.route("GET", "/search", lambda received: dict(received.query))
    assert connect(user, "github").get("/search", params={"q": "a b"}).json() == {"q": "a b"}
