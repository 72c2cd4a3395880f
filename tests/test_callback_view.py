"""The callback view finishes a dance, or refuses it."""

import base64
import hashlib
import html
import re
import time
from urllib.parse import parse_qs

import pytest
from django.db import DatabaseError, connection

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.signals import oauth_authorized
from django_dance.storage import FallbackStorage

from .conftest import TOKEN_URL, Browser, assert_refused, flow_cookies, query


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
    assert sent["client_id"] == "github-client"
    assert sent["client_secret"] == "planted-github-client-secret"
    assert "Authorization" not in call.request.headers
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


# --- callbacks that are refused -------------------------------------------------------------------


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
@pytest.mark.one_database("These tests differ in the request, not in rows")
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


def test_a_user_who_logged_out_during_the_dance_is_refused(member, dance, events):
    begun = dance(member)
    member.logout()
    member.cookies.update(begun.response.cookies)
    assert_refused(begun.callback(), "user_mismatch", events, status=403)


def test_an_anonymous_flow_is_not_linked_to_a_user_who_logged_in_meanwhile(
    client, dance, events, user
):
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


@pytest.mark.parametrize("method", ["head", "post", "put"])
def test_the_callback_is_for_get_only(member, dance, method, responses):
    begun = dance(member)
    url = f"/login/github/authorized/?state={begun.asked['state']}&code=planted-code"
    assert getattr(member, method)(url).status_code == 405
    assert not responses.calls
    assert begun.callback().status_code == 302


def test_the_state_is_checked_before_the_refusal_of_the_provider(member, dance, events):
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
def test_an_unknown_refusal_ends_the_flow(member, dance, events, error, responses):
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


# --- anonymous visitors, scopes -------------------------------------------------------------------


def test_an_anonymous_visitor_has_a_separate_token(client, dance, responses):
    dance(client).callback()
    assert not OAuthToken.objects.exists()
    responses.get("https://api.github.com/user", json={"login": "x"})
    assert client.get("/profile/").json() == {"login": "x"}
    assert Browser().get("/profile/").status_code == 302


def test_an_anonymous_token_is_not_adopted_at_login(client, user, dance):
    dance(client).callback()
    client.force_login(user)
    assert client.get("/profile/").status_code == 302


def test_a_missing_scope_is_requested_with_the_granted_ones(member, dance, responses):
    dance(member).callback()
    response = member.get("/async-profile/")
    assert response.status_code == 302
    url = response["Location"]
    asked = query(member.get(url)["Location"])
    assert asked["scope"] == "read:user repo"


@pytest.mark.parametrize("answer", ["read:user", ""])
def test_scopes_are_not_declined_if_the_configuration_changes_in_between(
    member, dance, settings, user, answer
):
    begun = dance(member, granted={"scope": answer})
    github = settings.DANCE_PROVIDERS["github"]
    settings.DANCE_PROVIDERS = {"github": {**github, "SCOPE": "read:user repo"}}
    assert begun.callback().status_code == 302
    token = providers["github"].session(user=user).token
    assert "declined_scope" not in token
    assert token.get("scope", []) == answer.split()


def test_a_declined_scope_of_the_configuration_is_stored(member, dance, settings, user):
    github = settings.DANCE_PROVIDERS["github"]
    settings.DANCE_PROVIDERS = {"github": {**github, "SCOPE": "read:user repo"}}
    dance(member, granted={"scope": "read:user"}).callback()
    assert providers["github"].session(user=user).token["declined_scope"] == ["repo"]


def test_a_declined_scope_ends_on_a_page_and_not_in_a_loop(member, dance, responses):
    dance(member).callback()
    begun = dance(member, **query(member.get("/async-profile/")["Location"]))
    assert begun.callback()["Location"] == "/async-profile/"
    response = member.get("/async-profile/")
    assert response.status_code == 403
    assert b"repo" in response.content and b"/login/github/?next=" in response.content


# --- a strict session cookie ----------------------------------------------------------------------


def test_a_strict_session_cookie_is_fetched_by_one_reload(member, user, dance, settings, events):
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


# --- caches, middleware, storages that fail -------------------------------------------------------


@pytest.mark.parametrize("backend", ["Raising", "Silent"])
def test_a_cache_that_is_down_does_not_stop_a_dance(member, dance, settings, backend):
    settings.CACHES = {"default": {"BACKEND": f"tests.caches.{backend}Cache"}}
    assert dance(member).callback().status_code == 302
    assert OAuthToken.objects.count() == 1


def test_a_bad_callback_touches_no_database(client, django_assert_num_queries, responses):
    with django_assert_num_queries(0):
        assert client.get("/login/github/authorized/?state=x&code=y").status_code == 400
    assert not responses.calls


def test_login_required_middleware_allows_the_dance(client, dance, settings):
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert dance(client).callback().status_code == 302
    assert client.get("/plain/").status_code == 302


def test_a_storage_that_fails_is_a_500_and_sends_oauth_error(member, dance, events, monkeypatch):
    def fail(self, owner, token, known, *, exclusively):
        raise DatabaseError("the disk is full")

    begun = dance(member)
    member.raise_request_exception = False
    monkeypatch.setattr(FallbackStorage, "set_granted", fail)
    assert begun.callback().status_code == 500
    assert events.codes == ["storage_failed"]


def test_a_token_too_large_for_the_session_is_refused(member, dance, events, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.DANCE_STORAGE = {"BACKEND": "django_dance.storage.SessionStorage"}
    client = Browser()
    response = dance(client, granted={"access_token": "x" * 4000}).callback()
    assert_refused(response, "token_too_large", events)


def test_a_storage_that_requires_a_user_refuses_an_anonymous_visitor(
    client, dance, events, settings
):
    settings.DANCE_STORAGE = {"BACKEND": "django_dance.storage.ModelStorage"}
    assert_refused(dance(client).callback(), "user_required", events, status=403)


def test_the_error_page_links_to_the_dance_and_to_a_page_outside(member, dance, user):
    link = providers["github"].session(user=user).get_login_url("/async-profile/", "repo")
    begun = dance(member, **query(link))
    page = begun.callback(code=None, error="access_denied").content.decode()
    again, back, connections = (
        html.unescape(url) for url in re.findall(r'<a href="([^"]+)"', page)
    )
    assert (back, connections) == ("/", "/login/connections/")
    assert query(member.get(again)["Location"])["scope"] == "read:user repo"
    assert query(again)["next"] == "/async-profile/"
