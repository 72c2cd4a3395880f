"""The proxies and the CA bundle of the environment, which are read once."""

import pytest
import requests
from requests.utils import select_proxy

from django_dance.http import EnvironmentMixin, forget_environment

URL = "https://api.example.com/user"

pytestmark = pytest.mark.one_database("These tests use no database")


class Session(EnvironmentMixin):
    pass


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """An environment without these variables; ``environment(name=value)`` sets one."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)

    def set_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


def merged(session, url=URL, **call):
    arguments = {"proxies": None, "stream": None, "verify": None, "cert": None, **call}
    return session.merge_environment_settings(url, **arguments)


def test_the_environment_is_read_once(environment):
    environment(HTTPS_PROXY="http://first:1", REQUESTS_CA_BUNDLE="/first.pem")
    before = merged(Session())
    environment(HTTPS_PROXY="http://second:2", REQUESTS_CA_BUNDLE="/second.pem")
    assert merged(Session()) == before
    assert before["proxies"]["https"] == "http://first:1"
    assert before["verify"] == "/first.pem"


def test_it_is_read_again_after_it_was_forgotten(environment):
    environment(HTTPS_PROXY="http://first:1", REQUESTS_CA_BUNDLE="/first.pem")
    merged(Session())
    environment(HTTPS_PROXY="http://second:2", REQUESTS_CA_BUNDLE="/second.pem")
    forget_environment()
    after = merged(Session())
    assert after["proxies"]["https"] == "http://second:2"
    assert after["verify"] == "/second.pem"


def test_each_origin_has_the_proxies_that_no_proxy_leaves_it(environment):
    environment(HTTPS_PROXY="http://proxy:1", NO_PROXY="inside.example.com,api.example.com:8443")
    hosts = ["api.example.com", "inside.example.com", "api.example.com:8443", "[::1]"]
    proxied = [bool(merged(Session(), f"https://{host}/")["proxies"]) for host in hosts]
    assert proxied == [True, False, False, True]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HTTPS_PROXY": "http://proxy:1"},
        {"ALL_PROXY": "socks5://proxy:1", "NO_PROXY": "example.org, 10.0.0.0/8"},
        {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "*"},
        {"REQUESTS_CA_BUNDLE": "/requests.pem", "CURL_CA_BUNDLE": "/curl.pem"},
        {"CURL_CA_BUNDLE": "/curl.pem"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "call",
    [
        {},
        {"proxies": {"https": "http://mine:9"}},
        {"proxies": {"https": None}},
        {"proxies": {"no_proxy": "example.com"}},
        {"verify": True},
        {"verify": False},
        {"verify": "/mine.pem", "cert": ("/client.pem", "/key.pem"), "stream": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("trust_env", [True, False])
def test_a_call_gets_the_same_settings_as_with_requests(environment, variables, call, trust_env):
    environment(**variables)
    ours, theirs = Session(), requests.Session()
    ours.trust_env = theirs.trust_env = trust_env
    # `requests` adds the proxies of the environment to the argument.
    expected = merged(theirs, **{**call, "proxies": dict(call.get("proxies") or {})})
    found = merged(ours, **call)
    assert select_proxy(URL, found.pop("proxies")) == select_proxy(URL, expected.pop("proxies"))
    assert found == expected


@pytest.mark.parametrize("scheme", ["https", "all", "https://api.example.com"])
def test_the_proxy_of_a_session_wins_over_the_environment(environment, scheme):
    environment(HTTPS_PROXY="http://proxy:1")
    session = Session()
    session.proxies = {scheme: "http://mine:9"}
    assert merged(session)["proxies"] == {scheme: "http://mine:9"}


def test_the_ca_of_a_session_wins_over_the_environment(environment):
    environment(REQUESTS_CA_BUNDLE="/requests.pem")
    session = Session()
    session.verify, session.cert, session.stream = "/mine.pem", "/client.pem", True
    expected = {"verify": "/mine.pem", "cert": "/client.pem", "stream": True, "proxies": {}}
    assert merged(session) == expected


def test_the_settings_of_a_call_win_over_those_of_a_session(environment):
    session = Session()
    session.verify, session.cert = "/session.pem", "/session-client.pem"
    session.proxies = {"https": "http://session:1", "http": "http://session:1"}
    found = merged(session, proxies={"https": "http://call:2"}, verify="/call.pem", cert="/c.pem")
    assert found == {
        "proxies": {"https": "http://call:2", "http": "http://session:1"},
        "verify": "/call.pem",
        "cert": "/c.pem",
        "stream": False,
    }


def test_the_arguments_of_a_call_are_not_changed(environment):
    environment(HTTPS_PROXY="http://proxy:1")
    proxies = {"http": "http://mine:9"}
    merged(Session(), proxies=proxies)
    assert proxies == {"http": "http://mine:9"}
