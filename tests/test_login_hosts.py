"""The login on a site with several hosts, behind a proxy, or below a path."""

import pytest
from django.test import Client
from django.urls import set_script_prefix

from django_dance.models import OAuthToken

from .conftest import assert_refused, flow_cookies, provider_url, query

pytestmark = pytest.mark.one_database("These tests differ in hosts and addresses, not in rows")

LOGIN = "/login/github/"
BASE = "https://www.example.com"
#: Headers as a browser sends them to the public host.
AT_BASE = {"host": "www.example.com"}
CALLBACK = f"{BASE}/login/github/authorized/"


@pytest.fixture
def base_url(settings):
    settings.DANCE_BASE_URL = BASE


@pytest.fixture
def proxied(client, user):
    """A browser that uses https, behind a proxy that sends plain http to the site."""
    client.force_login(user)
    client.scheme = "http"
    return client


# --- the host of DANCE_BASE_URL -------------------------------------------------------------------


@pytest.mark.parametrize("address", [LOGIN, f"{LOGIN}?next=/page/&x=1"])
def test_a_login_on_another_host_moves_to_the_base_url_first(member, base_url, address):
    response = member.get(address, headers={"host": "shop.example.com"})
    assert response.status_code == 302
    separator = "&" if "?" in address else "?"
    assert response["Location"] == f"{BASE}{address}{separator}dance_at_base=1"
    assert flow_cookies(member) == []
    there = member.get(response["Location"].removeprefix(BASE), headers=AT_BASE)
    assert query(there["Location"])["redirect_uri"] == CALLBACK


@pytest.mark.parametrize("host", ["www.example.com", "WWW.EXAMPLE.COM", "www.example.com:443"])
def test_a_login_on_the_host_of_the_base_url_begins_at_once(member, base_url, host):
    response = member.get(LOGIN, headers={"host": host})
    assert query(response["Location"])["redirect_uri"] == CALLBACK


def test_a_login_behind_a_proxy_that_hides_the_host_moves_once(member, base_url):
    first = member.get(LOGIN)
    second = member.get(first["Location"].removeprefix(BASE))
    assert query(second["Location"])["redirect_uri"] == CALLBACK


def test_a_form_on_another_host_is_refused_with_the_cure(member, base_url, events, caplog):
    headers = {"host": "shop.example.com", "origin": "https://shop.example.com"}
    assert_refused(member.post(LOGIN, headers=headers), "wrong_host", events)
    assert "correct DANCE_BASE_URL" in caplog.text
    assert flow_cookies(member) == []


@pytest.mark.parametrize(
    "headers",
    [
        {**AT_BASE, "origin": BASE},
        AT_BASE,
        {"origin": BASE},
        {"origin": "null"},
        {},
    ],
    ids=["at the base URL", "no origin", "hidden host", "null", "hidden host, no origin"],
)
def test_a_form_that_may_come_from_the_base_url_begins_the_dance(member, base_url, headers):
    url = provider_url(member.post(LOGIN, headers=headers))
    assert query(url)["redirect_uri"] == CALLBACK


def test_without_a_base_url_every_allowed_host_is_its_own(member):
    response = member.get(LOGIN, headers={"host": "shop.example.com"})
    redirect_uri = "https://shop.example.com/login/github/authorized/"
    assert query(response["Location"])["redirect_uri"] == redirect_uri


@pytest.mark.parametrize("next_url", [f"{BASE}/page/?a=1", "https://testserver/page/?a=1"])
def test_next_may_be_an_address_of_the_base_url(member, base_url, dance, next_url):
    begun = dance(member, next=next_url, dance_at_base="1")
    assert begun.callback()["Location"] == "/page/?a=1"


# --- an https base URL ----------------------------------------------------------------------------


def test_with_an_https_base_url_the_flow_has_a_secure_cookie(proxied, base_url):
    proxied.get(LOGIN, headers=AT_BASE)
    (name,) = flow_cookies(proxied)
    assert name.startswith("__Host-dance_")
    assert proxied.cookies[name]["secure"]


def test_with_an_https_base_url_a_dance_ends_behind_a_proxy(proxied, base_url, dance, user):
    begun = dance(proxied, dance_at_base="1")
    assert begun.callback().status_code == 302
    assert OAuthToken.objects.filter(user=user).exists()
    assert flow_cookies(proxied) == []


def test_with_an_https_base_url_a_cookie_without_the_prefix_is_no_flow(
    proxied, base_url, dance, events
):
    """A sub-domain can plant such a cookie."""
    begun = dance(proxied, dance_at_base="1")
    (name,) = flow_cookies(proxied)
    proxied.cookies[name.removeprefix("__Host-")] = proxied.cookies.pop(name).value
    assert_refused(begun.callback(), "flow_unknown", events)


def test_an_http_base_url_while_debugging_has_plain_cookies(proxied, settings):
    settings.DEBUG = True
    settings.DANCE_BASE_URL = "http://localhost:8000"
    proxied.get(LOGIN, headers={"host": "localhost:8000"})
    (name,) = flow_cookies(proxied)
    assert name.startswith("dance_")
    assert not proxied.cookies[name]["secure"]


# --- any host -------------------------------------------------------------------------------------


def test_a_site_that_accepts_every_host_begins_no_dance(member, settings, events, caplog):
    settings.ALLOWED_HOSTS = ["*"]
    response = member.get(LOGIN, headers={"host": "evil.example"})
    assert_refused(response, "host_unknown", events)
    assert "set DANCE_BASE_URL" in caplog.text


def test_a_site_that_accepts_every_host_dances_with_a_base_url(member, settings, base_url):
    settings.ALLOWED_HOSTS = ["*"]
    response = member.get(f"{LOGIN}?dance_at_base=1", headers={"host": "evil.example"})
    assert query(response["Location"])["redirect_uri"] == CALLBACK


def test_a_site_that_accepts_every_host_dances_while_debugging(member, settings):
    settings.ALLOWED_HOSTS = ["*"]
    settings.DEBUG = True
    assert member.get(LOGIN, headers={"host": "dev.example"}).status_code == 302


# --- a visit --------------------------------------------------------------------------------------

VISIT = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "same-site"}


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
        {"sec-fetch-mode": "same-origin", "sec-fetch-dest": "empty"},
        {"sec-fetch-mode": "no-cors"},
        {"sec-fetch-dest": "image"},
        {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"sec-fetch-mode": "navigate", "sec-fetch-dest": "embed"},
        {"sec-fetch-mode": "websocket", "sec-fetch-dest": "websocket"},
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_only_a_visit_begins_a_dance(member, events, headers, method):
    response = getattr(member, method)(LOGIN, headers={**VISIT, "sec-fetch-dest": "", **headers})
    assert response.status_code == 403
    assert b"opens this address as a page" in response.content
    assert flow_cookies(member) == []
    assert events == []


def test_a_visit_begins_a_dance(member):
    assert member.get(LOGIN, headers=VISIT).status_code == 302


@pytest.mark.one_database("The provider is not asked")
def test_an_image_makes_no_call_to_a_provider_of_oauth_1(member, responses):
    headers = {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    assert member.get("/login/tripit/", headers=headers).status_code == 403
    assert not responses.calls


def test_a_head_request_begins_no_dance(member):
    assert member.head(LOGIN).status_code == 405
    assert flow_cookies(member) == []


HTMX = {"hx-request": "true", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}


def test_a_link_that_htmx_follows_is_opened_by_the_browser(member):
    response = member.get(f"{LOGIN}?next=/page/", headers=HTMX)
    assert response["HX-Redirect"] == f"{LOGIN}?next=/page/"
    assert flow_cookies(member) == []


def test_a_form_that_htmx_sends_begins_the_dance(member, dance):
    response = member.post(LOGIN, headers=HTMX)
    assert response["HX-Redirect"].startswith("https://github.com/")
    assert len(flow_cookies(member)) == 1


@pytest.mark.parametrize("next_url", ["/", "/" + "x" * 500])
def test_a_browser_with_many_pending_flows_gets_a_button_and_loses_none(member, dance, next_url):
    first = dance(member)
    for _ in range(30):
        response = member.get(LOGIN, {"next": next_url})
    assert response.status_code == 200
    assert b'<form method="post">' in response.content
    assert first.callback().status_code == 302


# --- below a path, and the page where a dance ends ------------------------------------------------


@pytest.fixture
def below_shop(settings):
    settings.FORCE_SCRIPT_NAME = "/shop"
    set_script_prefix("/shop/")
    yield
    set_script_prefix("/")


@pytest.mark.parametrize(
    ("setting", "location"),
    [
        (None, "/"),
        ("/", "/"),
        ("/welcome/", "/welcome/"),
        ("login", "/accounts/login/"),
        ("https://app.example.net/", "https://app.example.net/"),
    ],
)
def test_a_dance_ends_as_the_setting_says(member, dance, settings, setting, location):
    settings.DANCE_LOGIN_REDIRECT_URL = setting
    assert dance(member).callback()["Location"] == location


def test_a_dance_of_a_site_below_a_path_ends_at_the_root_of_the_site(member, settings, below_shop):
    assert end_of_dance(member) == "/shop/"
    settings.DANCE_LOGIN_REDIRECT_URL = "login"
    assert end_of_dance(member) == "/shop/accounts/login/"


def end_of_dance(member):
    page = member.get(f"{LOGIN}authorized/?state=x").content.decode()
    return page.partition("Try again</a>")[2].partition('href="')[2].partition('"')[0]


def test_a_page_below_a_path_returns_to_itself(user, below_shop):
    client = Client()
    client.force_login(user)
    response = client.get("/uncaught/", headers=VISIT)
    link = response["Location"]
    assert link.startswith("/shop/login/github/?")
    assert query(link)["next"] == "/shop/uncaught/"
