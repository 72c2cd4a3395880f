"""The views of a dance: each guard of a request without the others that would refuse it, too."""

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import RequestFactory

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.signals import oauth_authorized, oauth_error
from django_dance.views import DisconnectView

from .conftest import GRANTED, TOKEN_URL, Browser, flow_cookies, provider_url, query

DISCONNECT = "/login/github/disconnect/"
LOGIN = "/login/github/"


@pytest.fixture
def connected(user):
    """A user who has connected GitHub; the provider takes no call."""
    providers["github"].session(user=user).token = GRANTED
    return user


@pytest.fixture
def without_csrf_middleware(settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "csrf" not in name.lower()]


def browser_of(user):
    """A browser that sends no CSRF token by itself."""
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    return browser


# --- CSRF ---------------------------------------------------------------------------------------


def test_a_foreign_form_does_not_disconnect_without_the_csrf_middleware(
    connected, responses, without_csrf_middleware
):
    response = browser_of(connected).post(DISCONNECT)
    assert response.status_code == 403
    assert OAuthToken.objects.exists()
    assert not responses.calls


def test_a_foreign_form_begins_no_dance_without_the_csrf_middleware(user, without_csrf_middleware):
    browser = browser_of(user)
    assert browser.post(LOGIN, {"next": "/"}).status_code == 403
    assert flow_cookies(browser) == []


@pytest.mark.parametrize("middleware", [True, False])
def test_the_sites_own_form_begins_a_dance_and_disconnects(
    connected, responses, settings, middleware
):
    if not middleware:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "csrf" not in name.lower()]
    responses.delete("https://api.github.com/applications/github-client/token", status=204)
    browser = browser_of(connected)
    page = browser.get(LOGIN, headers={"sec-fetch-site": "cross-site"})
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.content.decode())[1]
    here = {"referer": f"https://testserver{LOGIN}"}
    form = {"csrfmiddlewaretoken": token}
    begun = browser.post(LOGIN, form, headers=here)
    assert provider_url(begun).startswith("https://github.com/")
    assert browser.post(DISCONNECT, form, headers=here).status_code == 302
    assert not OAuthToken.objects.exists()


def test_a_form_of_the_provider_needs_no_csrf_token(user, settings):
    """The form changes nothing; the GET request that follows is checked."""
    settings.DANCE_PROVIDERS = {"github": {"PROVIDER": "tests.flows.test_form_post.Posting"}}
    response = browser_of(user).post("/login/github/authorized/", {"state": "x"})
    assert response.status_code == 302
    assert response["Location"].startswith("/login/github/authorized/?dance_posted=")


# --- disconnecting ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "patch", "delete"])
def test_only_a_post_disconnects(member, connected, responses, method):
    assert getattr(member, method)(DISCONNECT).status_code == 405
    assert OAuthToken.objects.exists()
    assert not responses.calls


@pytest.mark.parametrize(
    ("next_url", "location"),
    [
        ("/profile/", "/profile/"),
        ("https://testserver/profile/", "/profile/"),
        ("", "/"),
        (None, "/"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/a\tb", "/"),
        ("/a b", "/"),
        ("/a\r\nX-Evil: 1", "/"),
        ("/a\x7f", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_the_next_url_after_disconnecting_is_checked(member, next_url, location):
    fields = {} if next_url is None else {"next": next_url}
    assert member.post(DISCONNECT, fields)["Location"] == location


def test_the_next_url_after_disconnecting_is_read_from_the_form_only(member):
    assert member.post(f"{DISCONNECT}?next=/profile/")["Location"] == "/"


@pytest.mark.parametrize("next_url", ["/a\tb", "/a b", "/a\x7f", "/a\\b", "/\x00"])
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_the_next_url_after_a_dance_has_no_control_character(member, dance, next_url, method):
    for asked, expected in ((next_url, "/"), ("/profile/", "/profile/")):
        begun = dance(member)
        response = getattr(member, method)(LOGIN, {"next": asked})
        state = query(provider_url(response))["state"]
        assert begun.callback(state=state)["Location"] == expected


# --- who may begin, and who may come back -------------------------------------------------------


@pytest.fixture
def deactivate_user(member, user, settings):
    """A user who was deactivated, on a site whose backend keeps such users logged in."""
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    member.force_login(user)

    def deactivate():
        user.is_active = False
        user.save()

    return deactivate


def test_a_deactivated_user_begins_no_dance(member, deactivate_user, events):
    deactivate_user()
    response = member.get(LOGIN)
    assert response.status_code == 403
    assert events.codes == ["user_inactive"]
    assert flow_cookies(member) == []
    assert events.named("oauth_before_login") == []


def test_a_user_who_is_deactivated_during_the_dance_gets_no_connection(
    member, deactivate_user, dance, events, responses
):
    begun = dance(member)
    deactivate_user()
    assert begun.callback().status_code == 403
    assert events.codes == ["user_inactive"]
    assert not responses.calls
    assert not OAuthToken.objects.exists()


@pytest.mark.parametrize(
    ("began", "came"),
    [("ada", "grace"), ("ada", None), (None, "ada")],
    ids=["another user", "logged out", "logged in"],
)
def test_the_user_of_the_callback_must_be_the_user_of_the_login(
    client, make_user, dance, events, responses, began, came
):
    users = {name: make_user(name) for name in ("ada", "grace")} | {None: AnonymousUser()}
    client.get("/whoami/")
    if began:
        client.force_login(users[began])
    begun = dance(client)
    cookies = {name: client.cookies[name] for name in flow_cookies(client)}
    client.logout()
    client.cookies.update(cookies)
    if came:
        client.force_login(users[came])
    assert begun.callback().status_code == 403
    assert events.codes == ["user_mismatch"]
    assert not responses.calls


def test_a_callback_of_another_provider_is_refused_before_the_provider_is_asked(
    member, dance, events, responses
):
    begun = dance(member)
    assert begun.callback(provider="gitlab").status_code == 400
    assert events.codes == ["provider_mismatch"]
    assert not responses.calls


# --- a session cookie that is withheld ----------------------------------------------------------


@pytest.fixture
def came_back(client, user, dance, settings):
    """Begins a dance, and comes back from the provider; the response."""

    def came_back(samesite, *, logged_in=True, session_cookie=False, session=True, **params):
        settings.SESSION_COOKIE_SAMESITE = samesite
        if logged_in:
            client.force_login(user)
        elif session:
            client.cookies["sessionid"] = "x" * 32
        begun = dance(client)
        if not session_cookie:
            client.cookies.pop("sessionid", None)
        return begun.callback(**params)

    return came_back


BOUNCE = b'http-equiv="refresh"'


@pytest.mark.parametrize("samesite", ["Strict", "strict"])
def test_a_strict_session_cookie_that_is_missing_is_fetched(came_back, events, samesite):
    response = came_back(samesite)
    assert response.status_code == 200
    assert BOUNCE in response.content
    assert events.codes == []


def test_an_anonymous_visitors_strict_session_cookie_is_fetched(came_back):
    response = came_back("Strict", logged_in=False)
    assert (response.status_code, BOUNCE in response.content) == (200, True)


def test_a_session_cookie_is_fetched_once_only(came_back, events):
    assert came_back("Strict", dance_bounced="1").status_code == 403
    assert events.codes == ["user_mismatch"]


@pytest.mark.parametrize("samesite", ["Lax", "None", None, False])
def test_a_session_cookie_without_samesite_strict_is_not_fetched(came_back, events, samesite):
    assert came_back(samesite).status_code == 403
    assert events.codes == ["user_mismatch"]


def test_a_strict_session_cookie_that_arrived_is_not_fetched(came_back):
    assert came_back("Strict", session_cookie=True).status_code == 302


def test_no_session_cookie_is_fetched_if_there_was_none(came_back):
    assert came_back("Strict", logged_in=False, session=False).status_code == 302


# --- a browser that fetches pages ahead ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("sec-purpose", "prerender"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
    ],
)
def test_a_prefetched_page_begins_no_dance(member, events, name, value):
    response = member.get(LOGIN, headers={name: value})
    assert (response.status_code, response.content) == (204, b"")
    assert "no-store" in response["Cache-Control"]
    assert flow_cookies(member) == []
    assert events == []


@pytest.mark.parametrize("name", ["sec-purpose", "purpose", "x-moz"])
def test_a_page_that_the_visitor_opens_begins_a_dance(member, name):
    assert member.get(LOGIN, headers={name: "navigate"}).status_code == 302


@pytest.mark.parametrize(
    ("site", "status"),
    [("cross-site", 200), ("same-site", 302), ("same-origin", 302), ("none", 302)],
)
def test_only_a_link_on_a_foreign_site_leads_to_the_button(member, site, status):
    response = member.get(LOGIN, headers={"sec-fetch-site": site})
    assert response.status_code == status
    assert len(flow_cookies(member)) == (status == 302)


def test_the_button_repeats_only_our_parameters_of_the_link(member):
    response = member.get(
        f"{LOGIN}?next=/a&ask=b&state=c&csrfmiddlewaretoken=d",
        headers={"sec-fetch-site": "cross-site"},
    )
    fields = re.findall(r'name="(\w+)" value="([^"]*)"', response.content.decode())
    assert [(name, value) for name, value in fields if name != "csrfmiddlewaretoken"] == [
        ("ask", "b"),
        ("next", "/a"),
    ]


def test_fields_of_the_form_take_precedence_over_the_address(member, dance):
    """A form without fields of ours leaves them in its address."""
    for url, form, location in (
        (f"{LOGIN}?next=/address", {"next": "/form"}, "/form"),
        (f"{LOGIN}?next=/address", {"other": "x"}, "/address"),
        (f"{LOGIN}?next=/address", {"ask": ""}, None),
    ):
        begun = dance(member)
        response = member.post(url, form)
        went = None
        if location is not None:
            went = begun.callback(state=query(provider_url(response))["state"])["Location"]
        assert (went, response.status_code) == (location, 200 if location else 400)


# --- responses ----------------------------------------------------------------------------------


def assert_guarded(response, referrer="no-referrer"):
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == referrer
    assert response["X-Frame-Options"] == "DENY"


def test_no_response_of_a_dance_is_cached_or_framed_or_sends_a_referrer(
    member, dance, settings, events
):
    begun = dance(member)
    assert_guarded(begun.response)
    assert_guarded(member.get(LOGIN, headers={"purpose": "prefetch"}))
    assert_guarded(member.get(LOGIN, headers={"sec-fetch-site": "cross-site"}), "strict-origin")
    assert_guarded(begun.callback(state="other"), "strict-origin")
    assert_guarded(begun.callback())
    assert_guarded(member.post(DISCONNECT))
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    begun = dance(member)
    member.cookies.pop("sessionid")
    assert_guarded(begun.callback())
    settings.DANCE_PROVIDERS = {"github": {"PROVIDER": "tests.flows.test_form_post.Posting"}}
    assert_guarded(member.post("/login/github/authorized/", {"state": "x"}))


def test_a_response_of_a_receiver_has_the_security_headers(member, dance, responses):
    def answer(sender, **arguments):
        return HttpResponse("mine")

    for signal, params in ((oauth_authorized, {}), (oauth_error, {"error": "access_denied"})):
        begun = dance(member)
        signal.connect(answer)
        try:
            response = begun.callback(**params)
        finally:
            signal.disconnect(answer)
        assert response.content == b"mine"
        assert_guarded(response)


@pytest.mark.parametrize(
    ("error", "status"), [("access_denied", 403), ("server_error", 400), ("invalid_scope", 400)]
)
def test_a_refusal_by_the_visitor_is_forbidden_and_any_other_is_a_bad_request(
    member, dance, error, status
):
    assert dance(member).callback(code=None, error=error).status_code == status


# --- what a request still says after us ---------------------------------------------------------


SECRETS = {
    "code": "planted-code",
    "oauth_token": "planted-token",
    "oauth_verifier": "planted-verifier",
    "denied": "planted-denied",
    "access_token": "planted-access",
    "id_token": "planted-id",
}


def test_the_request_has_no_secret_of_the_callback(member, dance, responses):
    seen = []

    def look(sender, request, **arguments):
        seen.append(request)

    begun = dance(member)
    oauth_authorized.connect(look)
    try:
        query = "&".join(f"{name}={value}" for name, value in SECRETS.items())
        path = f"{LOGIN}authorized/?{query}&state={begun.asked['state']}&locale=de"
        member.get(path, headers={"x-other": "1"}, REQUEST_URI=path, RAW_URI=path)
    finally:
        oauth_authorized.disconnect(look)
    (request,) = seen
    texts = [request.META[name] for name in ("QUERY_STRING", "REQUEST_URI", "RAW_URI")]
    for text in (*texts, request.get_full_path(), request.GET.urlencode()):
        assert "planted" not in text
        assert begun.asked["state"] not in text
        assert "locale=de" in text
    assert {request.GET[name] for name in (*SECRETS, "state")} == {"***"}
    assert request.META["QUERY_STRING"] == request.GET.urlencode()
    assert request.META["REQUEST_URI"] == f"{LOGIN}authorized/?{request.META['QUERY_STRING']}"
    with pytest.raises(AttributeError, match="immutable"):
        request.GET["code"] = "x"


def test_a_receiver_gets_the_url_of_the_provider(member, events):
    location = member.get(LOGIN)["Location"]
    (told,) = events.named("oauth_before_login")
    assert told["url"] == location
    assert told["owner"].request is told["request"]


def test_the_view_of_a_removed_provider_still_answers(rf, user, settings):
    """A URLconf is loaded once; tests and sites with own providers change the settings."""
    provider = providers["github"]
    settings.DANCE_PROVIDERS = {}
    request = RequestFactory().post(DISCONNECT, secure=True)
    request.user, request._dont_enforce_csrf_checks = user, True
    view = DisconnectView.as_view(provider=provider)
    assert view(request).status_code == 302


def test_a_view_uses_the_current_settings(member, settings, responses):
    responses.post(TOKEN_URL, json=GRANTED)
    settings.DANCE_PROVIDERS = {
        "github": {**settings.DANCE_PROVIDERS["github"], "SCOPE": "repo gist"}
    }
    assert "scope=repo+gist" in member.get(LOGIN)["Location"]
