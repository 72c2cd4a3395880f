import base64
import hashlib
import html
import json
import re
import time
from urllib.parse import parse_qs

import pytest
import requests
from django.contrib.auth import login
from django.db import DatabaseError, connection
from django.http import HttpResponse
from django.urls import set_script_prefix

from django_dance.contrib.github import GitHub
from django_dance.flows import Flow
from django_dance.models import OAuthToken
from django_dance.providers import OAuth2Provider
from django_dance.signals import oauth_authorized, oauth_error
from django_dance.storage import FallbackStorage
from django_dance.tokens import seal, sign_scope

from .conftest import GRANTED, TOKEN_URL, Browser, flow_cookies, query


def test_login_sends_the_visitor_to_the_provider(member, dance):
    begun = dance(member, next="/profile/")
    assert begun.url.startswith("https://github.com/login/oauth/authorize?")
    assert begun.asked["response_type"] == "code"
    assert begun.asked["client_id"] == "github-client"
    assert begun.asked["scope"] == "read:user"
    assert begun.asked["redirect_uri"] == "https://testserver/login/github/authorized/"
    assert begun.asked["code_challenge_method"] == "S256"
    assert len(begun.asked["state"]) == len(begun.asked["code_challenge"]) == 43


def test_a_finished_dance_stores_the_token_and_returns_to_next(
    member, user, dance, responses, events
):
    begun = dance(member, next="/profile/?tab=1")
    response = begun.callback()
    assert (response.status_code, response["Location"]) == (302, "/profile/?tab=1")
    token = user.oauth_tokens.get().token
    assert token["access_token"] == "planted-access-token"
    assert token["scope"] == ["read:user"]

    (call,) = [call for call in responses.calls if call.request.url == TOKEN_URL]
    sent = {name: values[0] for name, values in parse_qs(call.request.body).items()}
    assert sent["grant_type"] == "authorization_code"
    assert sent["code"] == "planted-code"
    assert sent["redirect_uri"] == begun.asked["redirect_uri"]
    digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == begun.asked["code_challenge"]
    basic = base64.b64encode(b"github-client:planted-github-client-secret").decode()
    assert call.request.headers["Authorization"] == f"Basic {basic}"
    assert call.request.url == TOKEN_URL
    assert [name for name, _ in events] == ["oauth_before_login", "oauth_authorized"]
    assert flow_cookies(member) == []


def test_the_first_example_works(member, dance, responses):
    response = member.get("/profile/")
    assert (response.status_code, response["Location"]) == (
        302,
        "/login/github/?next=%2Fprofile%2F",
    )
    dance(member, next="/profile/").callback()
    responses.get("https://api.github.com/user", json={"login": "ada"})
    assert member.get("/profile/").json() == {"login": "ada"}
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer planted-access-token"


# --- starting ---------------------------------------------------------------------------------


def test_a_cross_site_start_gets_a_button(member, dance):
    response = member.get("/login/github/?next=/profile/", headers={"sec-fetch-site": "cross-site"})
    assert response.status_code == 200
    assert b'<form method="post">' in response.content
    assert b'name="next" value="/profile/"' in response.content
    assert response["X-Frame-Options"] == "DENY"
    assert flow_cookies(member) == []


def test_the_button_begins_the_dance(member):
    response = member.post("/login/github/", {"next": "/profile/"})
    assert response.status_code == 302
    assert response["Location"].startswith("https://github.com/")


def test_the_button_can_be_made_the_rule(member, settings):
    settings.DANCE_LOGIN_ON_GET = False
    assert b"<form" in member.get("/login/github/").content
    assert flow_cookies(member) == []


def test_a_post_needs_a_csrf_token(user):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.post("/login/github/").status_code == 403
    page = browser.get("/login/github/", headers={"sec-fetch-site": "cross-site"})
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.content.decode())[1]
    fields = {"csrfmiddlewaretoken": token}
    origin = {"origin": "https://evil.example", "referer": "https://evil.example/"}
    assert browser.post("/login/github/", fields, headers=origin).status_code == 403
    assert flow_cookies(browser) == []
    home = {"referer": "https://testserver/login/github/"}
    assert browser.post("/login/github/", fields, headers=home).status_code == 302


@pytest.mark.parametrize(
    "headers",
    [{"sec-purpose": "prefetch;prerender"}, {"purpose": "prefetch"}, {"x-moz": "prefetch"}],
)
def test_a_prefetch_begins_nothing(member, headers):
    response = member.get("/login/github/", headers=headers)
    assert response.status_code == 204
    assert flow_cookies(member) == []


@pytest.mark.parametrize("method", ["head", "options", "put", "delete"])
def test_other_methods_begin_nothing(member, method):
    assert getattr(member, method)("/login/github/").status_code == 405
    assert flow_cookies(member) == []


def test_the_redirect_to_the_provider_leaves_no_trace(member, dance):
    response = dance(member).response
    assert response.content == b""
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "no-referrer"


def test_the_flow_cookie_is_locked(member, dance):
    (name,) = dance(member).response.cookies
    morsel = member.cookies[name]
    assert name.startswith("__Host-dance_")
    assert morsel["httponly"] and morsel["secure"] and morsel["path"] == "/"
    assert morsel["samesite"] == "Lax" and morsel["max-age"] == 600 and not morsel["domain"]
    assert len(morsel.value) < 400


def test_the_cookie_tells_nothing(member, dance):
    begun = dance(member)
    (name,) = flow_cookies(member)
    raw = base64.urlsafe_b64decode(member.cookies[name].value + "===")
    assert b"github" not in raw and begun.asked["state"].encode() not in raw
    assert begun.asked["state"] not in name


def test_forwarded_headers_have_no_say(member, dance):
    response = member.get(
        "/login/github/",
        headers={"x-forwarded-host": "evil.example", "x-forwarded-proto": "http"},
    )
    assert query(response["Location"])["redirect_uri"].startswith("https://testserver/")


def test_the_base_url_decides_the_callback_address(member, settings, dance):
    settings.DANCE_BASE_URL = "https://public.example.com"
    assert dance(member).asked["redirect_uri"] == (
        "https://public.example.com/login/github/authorized/"
    )


def test_plain_http_is_refused(user, events, caplog):
    browser = Browser()
    browser.scheme = "http"
    browser.force_login(user)
    response = browser.get("/login/github/")
    assert response.status_code == 400
    assert events.codes == ["insecure_transport"]
    assert "SECURE_PROXY_SSL_HEADER" in caplog.text
    assert flow_cookies(browser) == []


@pytest.mark.parametrize(
    "path", ["/login/gitea/", "/login/../admin/", "/login/github//", "/login/GitHub/"]
)
def test_other_paths_are_not_found(member, path):
    assert member.get(path).status_code == 404


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
def test_a_hostile_next_is_dropped(member, dance, next_url):
    assert dance(member, next=next_url).callback()["Location"] == "/"


@pytest.mark.parametrize(
    ("next_url", "location"),
    [
        ("/%2f%2fevil", "/%2f%2fevil"),
        ("/..//evil", "/..//evil"),
        ("https://testserver/page?a=1", "/page?a=1"),
        ("https://testserver", "/"),
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


def test_where_to_go_without_next(member, dance, settings):
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


# --- the callback -----------------------------------------------------------------------------


def assert_refused(response, code, events, *, user=None, status=400):
    assert response.status_code == status, response.content
    assert f'"small">{code}' in response.content.decode()
    assert events.codes[-1] == code
    assert not OAuthToken.objects.exists()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"state": None}, "state_missing"),
        ({"state": ""}, "state_missing"),
        ({"state": "x" * 43}, "flow_unknown"),
        ({"state": "x" * 60_000}, "state_invalid"),
        ({"state": "ｘ" * 43}, "state_invalid"),
        ({"code": None}, "code_missing"),
        ({"code": ""}, "code_missing"),
        ({"code": "x" * 5000}, "code_invalid"),
    ],
)
def test_a_wrong_callback_is_refused_and_the_flow_survives(member, dance, events, change, code):
    begun = dance(member)
    assert_refused(begun.callback(**change), code, events)
    assert len(events.codes) == 1
    assert begun.callback().status_code == 302
    assert OAuthToken.objects.count() == 1


@pytest.mark.parametrize(
    "change", [str.lower, lambda s: s + " ", lambda s: s + "\u0000", str.upper]
)
def test_state_is_compared_exactly(member, dance, events, change):
    begun = dance(member)
    assert begun.callback(state=change(begun.asked["state"])).status_code == 400
    assert not OAuthToken.objects.exists()
    assert begun.callback().status_code == 302


@pytest.mark.parametrize(
    "extra",
    [
        "state=wrong",
        "code=b",
        "iss=a&iss=b",
        "error=a&error=b",
        "error_description=a&error_description=b",
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_parameter_given_twice_is_refused(member, dance, events, extra, before):
    begun = dance(member)
    right = f"state={begun.asked['state']}&code=planted-code"
    joined = f"{extra}&{right}" if before else f"{right}&{extra}"
    response = member.get(f"/login/github/authorized/?{joined}")
    assert_refused(response, "parameter_repeated", events)
    assert begun.callback().status_code == 302


def test_a_replay_is_refused_without_asking_the_provider(member, dance, events, responses):
    begun = dance(member)
    (name,) = flow_cookies(member)
    cookie = member.cookies[name].value
    assert begun.callback().status_code == 302
    OAuthToken.objects.all().delete()
    assert_refused(begun.callback(), "flow_unknown", events)
    member.cookies[name] = cookie
    assert_refused(begun.callback(), "flow_spent", events)
    assert [call.request.url for call in responses.calls].count(TOKEN_URL) == 1


def test_a_spent_state_stays_spent_when_the_token_request_fails(member, dance, events, responses):
    begun = dance(member, granted=False)
    responses.post(TOKEN_URL, status=500)
    (name,) = flow_cookies(member)
    cookie = member.cookies[name].value
    assert_refused(begun.callback(), "provider_unavailable", events)
    member.cookies[name] = cookie
    assert_refused(begun.callback(), "flow_spent", events)
    assert len(responses.calls) == 1


@pytest.mark.parametrize("atomic", [True, False])
def test_a_spent_state_stays_spent_when_a_receiver_fails(
    member, dance, events, responses, settings, atomic, monkeypatch
):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)

    def fail(**kwargs):
        raise ZeroDivisionError

    begun = dance(member)
    (name,) = flow_cookies(member)
    cookie = member.cookies[name].value
    member.raise_request_exception = False
    oauth_authorized.connect(fail)
    try:
        assert begun.callback().status_code == 500
    finally:
        oauth_authorized.disconnect(fail)
    assert events.codes == ["receiver_failed"]
    member.cookies[name] = cookie
    assert_refused(begun.callback(), "flow_spent", events)
    assert len(responses.calls) == 1


def test_a_callback_in_another_browser_is_refused(member, dance, events, make_user):
    begun = dance(member)
    other = Browser()
    assert_refused(begun.callback(client=other), "flow_unknown", events)
    other.force_login(make_user("grace"))
    assert_refused(begun.callback(client=other), "flow_unknown", events)
    assert begun.callback().status_code == 302


def test_the_state_of_another_provider_is_refused(member, dance, events):
    begun = dance(member)
    assert_refused(begun.callback(provider="gitlab"), "provider_mismatch", events)
    assert begun.callback().status_code == 302


def test_another_user_is_refused(member, user, dance, events, make_user):
    begun = dance(member)
    member.force_login(make_user("grace"))
    assert_refused(begun.callback(), "user_mismatch", events, status=403)
    member.force_login(user)
    assert begun.callback().status_code == 302
    assert OAuthToken.objects.get().user == user


def test_who_logged_out_meanwhile_is_refused(member, dance, events):
    begun = dance(member)
    member.logout()
    member.cookies.update(begun.response.cookies)
    assert_refused(begun.callback(), "user_mismatch", events, status=403)


def test_an_anonymous_flow_is_not_linked_to_who_logged_in_meanwhile(client, dance, events, user):
    begun = dance(client)
    client.force_login(user)
    assert_refused(begun.callback(), "user_mismatch", events, status=403)


def test_a_deactivated_user_is_refused(member, user, dance, events, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    member.force_login(user)
    begun = dance(member)
    user.is_active = False
    user.save()
    assert_refused(begun.callback(), "user_inactive", events, status=403)


def test_a_flow_too_old_is_refused(member, dance, events, monkeypatch):
    begun = dance(member)
    later = time.time() + 601
    monkeypatch.setattr("django_dance.flows.flow.time.time", lambda: later)
    assert_refused(begun.callback(), "flow_expired", events)


def test_ten_tabs_finish_in_any_order(member, dance):
    tabs = [dance(member, next=f"/tab/{n}/") for n in range(10)]
    assert len({tab.asked["state"] for tab in tabs}) == 10
    for n in (3, 9, 0, 7, 1, 8, 2, 6, 5, 4):
        assert tabs[n].callback()["Location"] == f"/tab/{n}/"
    assert flow_cookies(member) == []


def test_pending_flows_are_bounded_and_the_oldest_go(member, dance):
    for _ in range(30):
        newest = dance(member, next="/" + "x" * 300)
    cookies = flow_cookies(member)
    assert len(cookies) <= 12
    assert sum(len(member.cookies[n].OutputString().split(";")[0]) for n in cookies) <= 5000
    assert newest.callback().status_code == 302


@pytest.mark.parametrize("junk", ["", "x", "AQ", "é", "A" * 200])
def test_a_forged_cookie_is_refused(member, dance, events, junk):
    begun = dance(member)
    (name,) = flow_cookies(member)
    right = member.cookies[name].value
    member.cookies[name] = junk
    assert begun.callback().status_code == 400
    assert events.codes == ["flow_unknown"]
    member.cookies[name] = right
    assert begun.callback().status_code == 302


def test_a_flow_of_another_shape_is_refused(member, dance, events):
    begun = dance(member)
    (name,) = flow_cookies(member)
    digest = name.rpartition("_")[2]
    for fields in ([], ["github"], {"provider": "github"}, [1, 2, 3, 4, 5, 6], None):
        member.cookies[name] = seal(json.dumps(fields).encode(), purpose="flow", identity=digest)
        assert begun.callback().status_code == 400
    assert set(events.codes) == {"flow_unknown"}


def test_a_renamed_cookie_is_refused(member, dance, events):
    first, second = dance(member), dance(member)
    a, b = flow_cookies(member)
    member.cookies[a], member.cookies[b] = member.cookies[b].value, member.cookies[a].value
    assert_refused(first.callback(), "flow_unknown", events)
    assert_refused(second.callback(), "flow_unknown", events)


@pytest.mark.parametrize("method", ["head", "post", "put"])
def test_the_callback_is_for_get_only(member, dance, method, responses):
    begun = dance(member)
    url = f"/login/github/authorized/?state={begun.asked['state']}&code=planted-code"
    assert getattr(member, method)(url).status_code == 405
    assert not responses.calls
    assert begun.callback().status_code == 302


def test_the_providers_refusal_comes_after_the_state(member, dance, events):
    begun = dance(member)
    response = begun.callback(state="x" * 43, error="access_denied", error_description="forged")
    assert_refused(response, "flow_unknown", events)
    assert events.named("oauth_error")[0]["error_description"] is None
    response = begun.callback(
        code=None,
        error="access_denied",
        error_description="The <b>user</b> said no",
        error_uri="javascript:alert(1)",
    )
    assert_refused(response, "access_denied", events, status=403)
    heard = events.named("oauth_error")[1]
    assert heard["error"] == "access_denied"
    assert heard["error_description"] == "The <b>user</b> said no"
    assert heard["error_uri"] is None
    assert b"<b>user</b>" not in response.content and b"javascript" not in response.content
    assert_refused(begun.callback(), "flow_unknown", events)


@pytest.mark.parametrize(
    "error", ["", "nonsense", "temporarily_unavailable", "x" * 9999, "\r\nfoo: bar"]
)
def test_an_odd_refusal_ends_the_flow(member, dance, events, error, responses):
    begun = dance(member)
    assert_refused(begun.callback(error=error), "provider_error", events)
    assert_refused(begun.callback(), "flow_unknown", events)
    assert not responses.calls


def test_the_issuer_is_compared_exactly(member, dance, events, settings):
    settings.DANCE_PROVIDERS = {
        "github": {
            **settings.DANCE_PROVIDERS["github"],
            "ISSUER": "https://github.com/login/oauth",
            "AUTHORIZATION_RESPONSE_ISS": True,
        }
    }
    begun = dance(member)
    for issuer in ("https://github.com/login/oauth/", "https://GITHUB.com/login/oauth", "x", ""):
        assert_refused(begun.callback(iss=issuer), "issuer_mismatch", events)
        refusal = begun.callback(iss=issuer, code=None, error="access_denied")
        assert_refused(refusal, "issuer_mismatch", events)
    assert_refused(begun.callback(), "issuer_missing", events)
    assert begun.callback(iss="https://github.com/login/oauth").status_code == 302


def test_tokens_and_scopes_in_the_callback_are_ignored(member, dance):
    begun = dance(member)
    begun.callback(access_token="evil", token_type="bearer", scope="admin", expires_in="9")
    token = OAuthToken.objects.get().token
    assert token["access_token"] == "planted-access-token"
    assert token["scope"] == ["read:user"]


# --- the token endpoint's answer --------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"json": {"error": "invalid_grant"}}, "token_refused"),
        ({"json": {"error": "invalid_grant"}, "status": 400}, "token_refused"),
        ({"json": {"error": "invalid_client"}, "status": 401}, "token_refused"),
        ({"json": {"error": 7}, "status": 400}, "token_refused"),
        ({"json": {"error": "temporarily_unavailable"}, "status": 400}, "provider_unavailable"),
        ({"json": {}, "status": 429}, "provider_unavailable"),
        ({"json": {}, "status": 503}, "provider_unavailable"),
        ({"json": {}, "status": 408}, "provider_unavailable"),
        ({"json": {}, "status": 404}, "token_response_invalid"),
        ({"json": {}}, "token_response_invalid"),
        ({"json": []}, "token_response_invalid"),
        ({"json": "x"}, "token_response_invalid"),
        ({"json": 1}, "token_response_invalid"),
        ({"json": None}, "token_response_invalid"),
        ({"json": True}, "token_response_invalid"),
        ({"body": "<html>"}, "token_response_invalid"),
        ({"body": b"\xff\xfe"}, "token_response_invalid"),
        ({"body": "[" * 100_000}, "token_response_invalid"),
        ({"body": "access_token=x&token_type=bearer"}, "token_response_invalid"),
        ({"body": " " * 2_000_000}, "token_response_invalid"),
        (
            {"status": 302, "headers": {"Location": "https://evil.example/"}},
            "token_response_invalid",
        ),
        (
            {"status": 307, "headers": {"Location": "https://evil.example/"}},
            "token_response_invalid",
        ),
        ({"json": GRANTED, "headers": {"Content-Encoding": "gzip"}}, "token_response_invalid"),
        ({"body": requests.ConnectionError("planted-secret")}, "provider_unavailable"),
        ({"body": requests.Timeout()}, "provider_unavailable"),
        *(
            ({"json": {**GRANTED, "access_token": value}}, "token_response_invalid")
            for value in (7, None, "", [], {}, "a b", "a\r\nb", "a\0b", "ä", "x" * 100_000, True)
        ),
        ({"json": {**GRANTED, "refresh_token": "a\r\nb"}}, "token_response_invalid"),
        ({"json": {**GRANTED, "refresh_token": 5}}, "token_response_invalid"),
        ({"json": {**GRANTED, "token_type": "mac"}}, "token_response_invalid"),
        ({"json": {**GRANTED, "token_type": 5}}, "token_response_invalid"),
    ],
)
def test_a_useless_answer_is_refused(member, dance, events, responses, answer, code):
    responses.post(TOKEN_URL, **answer)
    assert_refused(dance(member, granted=False).callback(), code, events)
    assert len(events.codes) == 1
    assert len(responses.calls) == 1


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        ("3600", 3600),
        (3600.9, 3600),
        (1e30, 10 * 365 * 24 * 3600),
        (10**18, 10 * 365 * 24 * 3600),
        ("abc", None),
        ("NaN", None),
        (float("nan"), None),
        (float("inf"), None),
        ([1], None),
        ({}, None),
        (True, None),
        (None, None),
        ("9" * 400, None),
    ],
)
def test_expires_in_is_read_as_providers_mean_it(clock, member, dance, expires_in, lifetime):
    dance(member, granted={"expires_in": expires_in}).callback()
    token = OAuthToken.objects.get().token
    assert token.lifetime == lifetime
    if lifetime is None:
        assert token.expires_at is None
    else:
        assert token.expires_at == clock.now + lifetime


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("a b", ["a", "b"]),
        ("a,b", ["a", "b"]),
        (["b", "a"], ["b", "a"]),
        ("", ["read:user"]),
        (None, ["read:user"]),
        ({"a": 1}, ["read:user"]),
    ],
)
def test_scopes_are_read_as_providers_mean_them(member, dance, scope, granted):
    dance(member, granted={"scope": scope}).callback()
    assert OAuthToken.objects.get().token["scope"] == granted


# --- signals ----------------------------------------------------------------------------------


@pytest.fixture
def receiver(request):
    connected = []

    def connect(signal, function):
        signal.connect(function)
        connected.append((signal, function))

    yield connect
    for signal, function in connected:
        signal.disconnect(function)


def test_a_response_from_oauth_authorized_is_sent_and_nothing_is_stored(member, dance, receiver):
    receiver(oauth_authorized, lambda **kwargs: HttpResponse("first"))
    receiver(oauth_authorized, lambda **kwargs: HttpResponse("second"))
    response = dance(member).callback()
    assert response.content == b"first"
    assert not OAuthToken.objects.exists()


@pytest.mark.parametrize(("returned", "stored"), [(False, 0), (None, 1), (0, 1), (True, 1)])
def test_false_from_oauth_authorized_means_do_not_store(member, dance, receiver, returned, stored):
    receiver(oauth_authorized, lambda **kwargs: returned)
    assert dance(member, next="/x").callback()["Location"] == "/x"
    assert OAuthToken.objects.count() == stored


def test_a_receiver_can_call_the_api_and_log_somebody_in(
    client, user, dance, responses, receiver, events
):
    responses.get("https://api.github.com/user", json={"login": "ada"})

    def log_in(request, session, **kwargs):
        assert session.get("/user").json() == {"login": "ada"}
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")

    receiver(oauth_authorized, log_in)
    assert dance(client).callback().status_code == 302
    assert OAuthToken.objects.get().user == user
    assert client.get("/whoami/").content.decode() == str(user.pk)


def test_a_receiver_whose_api_call_fails_is_no_500(member, dance, responses, receiver, events):
    responses.get("https://api.github.com/user", body=requests.ConnectionError())
    receiver(oauth_authorized, lambda session, **kwargs: session.get("/user"))
    assert_refused(dance(member).callback(), "receiver_failed", events)


@pytest.mark.parametrize(
    ("path", "change"), [("start", {}), ("state", {"state": "x"}), ("code", {"error": "x"})]
)
def test_a_response_from_oauth_error_is_sent_on_every_path(member, dance, receiver, path, change):
    receiver(oauth_error, lambda **kwargs: HttpResponse("mine", status=418))
    if path == "start":
        member.scheme = "http"
        response = member.get("/login/github/")
    else:
        response = dance(member).callback(**change)
    assert (response.status_code, response.content) == (418, b"mine")


def test_signals_carry_who_and_where(member, user, dance, events):
    dance(member).callback()
    for name, heard in events:
        assert heard["sender"] is GitHub, name
        assert heard["provider"].name == "github"
        assert heard["owner"].user_id == user.pk
        assert heard["request"].path.startswith("/login/github/")


# --- anonymous visitors, scopes, disconnecting ------------------------------------------------


def test_an_anonymous_visitor_has_a_token_of_his_own(client, dance, responses):
    dance(client).callback()
    assert not OAuthToken.objects.exists()
    responses.get("https://api.github.com/user", json={"login": "x"})
    assert client.get("/profile/").json() == {"login": "x"}
    assert Browser().get("/profile/").status_code == 302


def test_an_anonymous_token_is_not_carried_over_at_login(client, user, dance):
    dance(client).callback()
    client.force_login(user)
    assert client.get("/profile/").status_code == 302


def test_a_missing_scope_is_asked_for_with_those_granted_before(member, dance, responses):
    dance(member).callback()
    response = member.get("/async-profile/")
    assert response.status_code == 302
    url = response["Location"]
    asked = query(member.get(url)["Location"])
    assert asked["scope"] == "read:user repo"


def test_a_scope_that_nobody_signed_is_refused(member, events):
    response = member.get("/login/github/?scope=admin")
    assert_refused(response, "scope_invalid", events)
    assert flow_cookies(member) == []


def test_a_declined_scope_ends_on_a_page_and_not_in_a_loop(member, dance, responses):
    dance(member).callback()
    scope = query(member.get("/async-profile/")["Location"])["scope"]
    begun = dance(member, scope=scope, next="/async-profile/")
    assert begun.callback()["Location"] == "/async-profile/"
    response = member.get("/async-profile/")
    assert response.status_code == 403
    assert b"repo" in response.content and b"/login/github/?next=" in response.content


class Revoking(GitHub):
    """A provider that revokes by RFC 7009."""

    revocation_url = "https://github.com/revoke"
    revocation_auth = OAuth2Provider.revocation_auth
    revocation_params = OAuth2Provider.revocation_params


def test_disconnect_revokes_and_deletes(member, dance, responses, settings, events):
    settings.DANCE_PROVIDERS = {"github": {"PROVIDER": "tests.test_dance.Revoking"}}
    dance(member).callback()
    revoked = responses.post("https://github.com/revoke")
    response = member.post("/login/github/disconnect/", {"next": "/bye/"})
    assert (response.status_code, response["Location"]) == (302, "/bye/")
    assert not OAuthToken.objects.exists()
    assert (
        "token=planted-refresh-token&token_type_hint=refresh_token" in revoked.calls[0].request.body
    )
    assert events.named("token_revoked")[0]["reason"] == "disconnected"


@pytest.mark.parametrize("answer", [{"status": 503}, {"body": requests.ConnectionError()}])
def test_disconnect_deletes_even_if_the_provider_does_not_listen(
    member, dance, responses, settings, answer
):
    settings.DANCE_PROVIDERS = {"github": {"PROVIDER": "tests.test_dance.Revoking"}}
    dance(member).callback()
    responses.post("https://github.com/revoke", **answer)
    assert member.post("/login/github/disconnect/").status_code == 302
    assert not OAuthToken.objects.exists()


def test_disconnect_is_for_post_with_a_csrf_token_only(user):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get("/login/github/disconnect/").status_code == 405
    assert browser.post("/login/github/disconnect/").status_code == 403


# --- a strict session cookie ------------------------------------------------------------------


def test_a_strict_session_cookie_is_fetched_by_one_bounce(member, user, dance, settings, events):
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    begun = dance(member)
    withheld = member.cookies.pop("sessionid")
    response = begun.callback()
    assert response.status_code == 200
    url = html.unescape(re.search(r'url=([^"]+)"', response.content.decode())[1])
    assert "dance_bounced=1" in url and response["Referrer-Policy"] == "no-referrer"
    assert_refused(member.get(url), "user_mismatch", events, status=403)
    member.cookies["sessionid"] = withheld.value
    assert member.get(url).status_code == 302
    assert OAuthToken.objects.get().user == user


# --- the cache that remembers spent flows -----------------------------------------------------


@pytest.mark.parametrize("backend", ["Raising", "Silent"])
def test_a_cache_that_is_down_keeps_nobody_out(member, dance, settings, backend):
    settings.CACHES = {"default": {"BACKEND": f"tests.caches.{backend}Cache"}}
    assert dance(member).callback().status_code == 302
    assert OAuthToken.objects.count() == 1


def test_a_bad_callback_touches_no_database(client, django_assert_num_queries, responses):
    with django_assert_num_queries(0):
        assert client.get("/login/github/authorized/?state=x&code=y").status_code == 400
    assert not responses.calls


def test_login_required_middleware_lets_the_dance_through(client, dance, settings):
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert dance(client).callback().status_code == 302
    assert client.get("/plain/").status_code == 302


def test_a_script_prefix_is_part_of_the_callback_address(member):
    set_script_prefix("/sub/")
    try:
        response = member.get("/login/github/")
    finally:
        set_script_prefix("/")
    assert query(response["Location"])["redirect_uri"] == (
        "https://testserver/sub/login/github/authorized/"
    )


@pytest.mark.parametrize(
    "variable",
    ["OAUTHLIB_INSECURE_TRANSPORT", "OAUTHLIB_RELAX_TOKEN_SCOPE", "AUTHLIB_INSECURE_TRANSPORT"],
)
def test_the_environment_loosens_nothing(member, monkeypatch, variable, events):
    monkeypatch.setenv(variable, "1")
    member.scheme = "http"
    assert_refused(member.get("/login/github/"), "insecure_transport", events)


def test_a_storage_that_breaks_is_a_500_but_not_without_the_event(
    member, dance, events, monkeypatch
):
    def fail(self, owner, token):
        raise DatabaseError("the disk is full")

    begun = dance(member)
    member.raise_request_exception = False
    monkeypatch.setattr(FallbackStorage, "set", fail)
    assert begun.callback().status_code == 500
    assert events.codes == ["storage_failed"]


def test_a_site_without_room_for_the_token_says_so(member, dance, events, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.DANCE_STORAGE = {"BACKEND": "django_dance.storage.SessionStorage"}
    client = Browser()
    response = dance(client, granted={"access_token": "x" * 4000}).callback()
    assert_refused(response, "token_too_large", events)


def test_a_storage_that_wants_a_user_refuses_an_anonymous_visitor(client, dance, events, settings):
    settings.DANCE_STORAGE = {"BACKEND": "django_dance.storage.ModelStorage"}
    assert_refused(dance(client).callback(), "user_required", events, status=403)


def test_the_error_page_leads_back_out_and_not_into_the_next_dance(member, dance):
    scope = sign_scope("github", ["repo"])
    begun = dance(member, next="/async-profile/", scope=scope)
    page = begun.callback(code=None, error="access_denied").content.decode()
    again, back = (html.unescape(url) for url in re.findall(r'<a href="([^"]+)"', page))
    assert back == "/"
    assert query(member.get(again)["Location"])["scope"] == "read:user repo"
    assert query(again)["next"] == "/async-profile/"


def test_pages_with_forms_let_the_browser_say_where_it_comes_from(member):
    response = member.get("/login/github/", headers={"sec-fetch-site": "cross-site"})
    assert response["Referrer-Policy"] == "strict-origin"


# --- callbacks that come as a form ------------------------------------------------------------


@pytest.fixture
def form_post(settings):
    settings.DANCE_PROVIDERS = {
        **settings.DANCE_PROVIDERS,
        "github": {"PROVIDER": "tests.test_dance.Posting", "SCOPE": "read:user"},
    }


class Posting(GitHub):
    """A provider that sends its answer as a form."""

    response_mode = "form_post"


def test_a_form_changes_nothing_and_comes_back_by_get(form_post, member, user, dance, responses):
    begun = dance(member, next="/x")
    assert begun.asked["response_mode"] == "form_post"
    theirs = Browser(enforce_csrf_checks=True)  # the browser withholds all cookies from it
    fields = {"state": begun.asked["state"], "code": "planted-code", "access_token": "evil"}
    response = theirs.post("/login/github/authorized/", fields)
    assert response.status_code == 302
    assert (
        "planted" not in response["Location"] and begun.asked["state"] not in response["Location"]
    )
    assert not responses.calls and not response.cookies
    assert member.get(response["Location"])["Location"] == "/x"
    assert OAuthToken.objects.get().user == user


def test_a_form_provider_takes_no_query(form_post, member, dance, responses):
    begun = dance(member)
    assert begun.callback().status_code == 405
    assert member.get("/login/github/authorized/?dance_posted=junk").status_code == 405
    assert not responses.calls


def test_a_hostile_form_is_refused_when_it_comes_back(form_post, member, dance, events):
    begun = dance(member)
    for fields in ({}, {"state": "x" * 43}, {"state": "x" * 100_000}, {"state": ["a", "b"]}):
        location = member.post("/login/github/authorized/", fields)["Location"]
        assert len(location) < 8000
        assert member.get(location).status_code == 400
    assert events.codes == ["state_missing", "flow_unknown", "state_missing", "parameter_repeated"]
    right = {"state": begun.asked["state"], "code": "planted-code"}
    location = member.post("/login/github/authorized/", right)["Location"]
    assert member.get(location).status_code == 302
    assert member.get(location).status_code == 400  # a replay
    elsewhere = location.replace("/login/github/", "/login/gitlab/")
    assert member.get(elsewhere).status_code == 400
