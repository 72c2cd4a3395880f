"""The page to which a dance returns."""

import pytest

from django_dance.flows import Flow

from ..conftest import GRANTED, TOKEN_URL, flow_cookies


@pytest.mark.parametrize(
    "next_url",
    [
        "//evil.example",
        "///evil.example",
        "/////evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "ftp://testserver/",
        "https://testserver@evil.example/",
        "https://testserver:443@evil.example/",
        "https://testserver\\@evil.example",
        "https://testserver%2f@evil.example",
        "https://testserver.evil.example/",
        "https://eviltestserver/",
        "https://testserver:8443/",
        "http://testserver/",
        "https://testserver//evil.example",
        "／／evil.example",
        "https://evil。example",
        "https:evil.example",
        "https:/evil.example",
        "profile/",
        "",
        "/" + "x" * 5000,
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_a_hostile_next_is_dropped(member, dance, next_url):
    assert dance(member, next=next_url).callback()["Location"] == "/"


@pytest.mark.parametrize(
    ("next_url", "location"),
    [
        ("/%2f%2fevil", "/%2f%2fevil"),
        ("/..//evil", "/..//evil"),
        ("https://testserver/page?a=1", "/page?a=1"),
        ("https://testserver", "/"),
        ("https://testserver?a=/page/", "/?a=/page/"),
        ("/page?next=//evil", "/page?next=//evil"),
    ],
)
def test_next_stays_on_this_host(member, dance, next_url, location):
    assert dance(member, next=next_url).callback()["Location"] == location


def test_next_given_twice_is_dropped(member, responses):
    responses.post(TOKEN_URL, json=GRANTED)
    member.get("/login/github/?next=/a&next=/b")
    (name,) = flow_cookies(member)
    flow = Flow.unseal(member.cookies[name].value, name.rpartition("_")[2])
    assert flow.next == "/"


def test_next_at_the_callback_is_ignored(member, dance):
    assert dance(member, next="/mine").callback(next="/theirs")["Location"] == "/mine"


def test_a_dance_without_next_returns_to_the_configured_page(member, dance, settings):
    providers_setting = settings.DANCE_PROVIDERS
    settings.DANCE_LOGIN_REDIRECT_URL = "/welcome/"
    assert dance(member).callback()["Location"] == "/welcome/"
    settings.DANCE_PROVIDERS = {"github": {**providers_setting["github"], "REDIRECT_TO": "login"}}
    assert dance(member).callback()["Location"] == "/accounts/login/"
    settings.DANCE_PROVIDERS = {
        "github": {
            **providers_setting["github"],
            "REDIRECT_TO": "login",
            "REDIRECT_URL": "https://app.example.net/",
        }
    }
    assert dance(member).callback()["Location"] == "https://app.example.net/"
