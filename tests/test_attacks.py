"""Doors that were found open once. Each is tried again here."""

import asyncio
import copy
import json
import threading
import time
from types import SimpleNamespace

import pytest
import requests
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError
from django.template import Context, Template
from django.test import RequestFactory

from django_dance.exceptions import (
    AuthorizationRequired,
    OwnerRequired,
    ProviderUnavailable,
    UntrustedOrigin,
)
from django_dance.models import OAuthToken
from django_dance.providers import OIDCProvider, discovery, providers
from django_dance.sessions import OAuth
from django_dance.storage import ModelStorage
from django_dance.tokens import Token

from .conftest import GRANTED, TOKEN_URL, Browser, assert_refused
from .loopback import Loopback
from .test_secrets import assert_clean, report

API = "https://api.github.com"


@pytest.fixture
def session(user):
    session = providers["github"].session(user=user)
    session.token = GRANTED
    return session


# --- where the token goes ---------------------------------------------------------------------


def test_a_backslash_in_a_url_does_not_change_its_origin(user, settings):
    settings.DEBUG = True
    with Loopback() as home, Loopback() as evil:
        options = {**settings.DANCE_PROVIDERS["github"], "BASE_URL": home.url}
        settings.DANCE_PROVIDERS = {"github": options}
        session = providers["github"].session(user=user)
        session.token = GRANTED
        for url in (f"{evil.url}\\@{home.url.partition('//')[2]}/user", "https:\\\\evil.example"):
            with pytest.raises(UntrustedOrigin):
                session.get(url)
        assert evil.received == []


def test_a_request_to_another_origin_is_not_signed(session):
    """If two parsers of URLs disagree, the prepared request decides."""
    elsewhere = requests.Request("GET", "https://evil.example/").prepare()
    with pytest.raises(UntrustedOrigin):
        session._signer(session.token)(elsewhere)
    assert "Authorization" not in elsewhere.headers


@pytest.mark.parametrize("name", ["etsy", "trakt", "twitch"])
def test_the_headers_of_a_preset_are_not_sent_to_another_origin(user, settings, responses, name):
    from .catalogue import PRESETS

    settings.DANCE_PROVIDERS = {name: {"PROVIDER": PRESETS[name]}}
    setattr(settings, f"{name.upper()}_OAUTH_CLIENT_ID", "planted-id")
    setattr(settings, f"{name.upper()}_OAUTH_CLIENT_SECRET", "planted-secret")
    session = providers[name].session(user=user)
    session.token = GRANTED
    url = session.absolute_url("a")
    responses.get(url, status=302, headers={"Location": "https://evil.example/b"})
    responses.get("https://evil.example/b")
    session.get("a")
    session.get("https://evil.example/b", withhold_token=True)
    at_home, *elsewhere = (str(dict(call.request.headers.items())) for call in responses.calls)
    assert "***" in at_home
    for headers in elsewhere:
        assert "planted" not in headers and "***" not in headers
    assert_clean(repr(session.headers))


# --- whose token it is ------------------------------------------------------------------------


def test_a_session_follows_the_logged_in_user(make_user):
    ada, grace = make_user("ada"), make_user("grace")
    for user in (ada, grace):
        providers["github"].session(user=user).token = {"access_token": user.username}
    request = RequestFactory().get("/")
    request.user = ada
    session = OAuth(request).github
    assert session.access_token == "ada"
    session.cookies.set("theirs", "ada")
    request.user = grace
    assert session.access_token == "grace"
    assert not session.cookies
    request.user = AnonymousUser()
    assert not session.authorized


def test_every_operator_that_changes_config_drops_the_token(session, make_user):
    session.config |= {"user": make_user("grace")}
    assert not session.authorized


@pytest.mark.parametrize("nobody", [None, AnonymousUser()])
def test_for_user_refuses_none_and_anonymous_users(session, nobody):
    with pytest.raises(OwnerRequired):
        session.for_user(nobody)


def test_a_template_cannot_disconnect(session):
    Template("{{ session.disconnect }}").render(Context({"session": session}))
    assert OAuthToken.objects.exists()


def test_the_container_can_be_copied(rf):
    request = rf.get("/")
    copied = copy.copy(OAuth(request))
    assert copied._request is request


def test_facts_cannot_be_changed_by_a_request():
    with pytest.raises(TypeError):
        providers["github"].authorization_url_params["login_hint"] = "ada"
    assert providers["github"].authorization_url_params == {}


# --- error reports ----------------------------------------------------------------------------


def test_a_database_that_fails_while_storing_reports_no_token(user, monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr("django.db.models.sql.compiler.SQLInsertCompiler.execute_sql", fail)
    try:
        providers["github"].session(user=user).token = Token.granted(GRANTED)
    except DatabaseError as error:
        text = report(error)
    assert "the disk is full" in text
    assert_clean(text)


def test_the_error_of_an_invalid_refresh_response_has_no_token(user, responses):
    session = providers["github"].session(user=user)
    session.token = {**GRANTED, "expires_in": -1}
    responses.post(TOKEN_URL, body=json.dumps({**GRANTED, "token_type": "mac"}))
    try:
        session.get("/user")
    except Exception as error:
        text = report(error)
    assert "of a type that is not supported" in text
    assert_clean(text)


# --- hostile responses of a provider ----------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({"scope": "\ud800"}, "token_response_invalid"),
        ({"scope": ["\ud800"]}, "token_response_invalid"),
        ({"expires_in": 0, "refresh_token": None}, "token_response_invalid"),
    ],
)
def test_an_invalid_grant_is_refused(member, dance, events, extra, code):
    assert_refused(dance(member, granted=extra).callback(), code, events)


@pytest.mark.parametrize("depth", [60, 500, 900, 5000])
def test_a_deeply_nested_response_is_refused(member, dance, events, responses, depth):
    body = json.dumps(GRANTED)[:-1] + ', "x": ' + "[" * depth + "]" * depth + "}"
    responses.post(TOKEN_URL, body=body)
    assert_refused(dance(member, granted=False).callback(), "token_response_invalid", events)


@pytest.mark.parametrize("moment", [10**400, 1e20, "abc", [1], -(10**30), True, float("nan")])
def test_an_invalid_expiry_is_not_a_500(member, dance, moment):
    granted = {"expires_at": moment, "expires_in": None}
    assert dance(member, granted=granted).callback().status_code == 302
    assert OAuthToken.objects.get().expires_at is None


def test_a_grant_cannot_set_internal_fields(clock, member, dance):
    granted = {"id_claims": {"sub": "admin"}, "declined_scope": 5, "granted_at": "never"}
    dance(member, granted=granted).callback()
    token = OAuthToken.objects.get().token
    assert "id_claims" not in token and "declined_scope" not in token
    assert token["granted_at"] == clock.now


def test_a_refresh_cannot_set_internal_fields(session, responses):
    stored = {**GRANTED, "expires_in": -1, "id_claims": {"sub": "me"}}
    session.token = stored
    responses.post(TOKEN_URL, json={**GRANTED, "id_claims": {"sub": "admin"}})
    responses.get(f"{API}/user", json={})
    session.get("/user")
    assert session.token["id_claims"] == {"sub": "me"}


@pytest.mark.parametrize("location", ["https://[", "//[", "https://℀.com", "\x80\xff"])
def test_an_invalid_redirect_is_not_a_500(member, dance, events, responses, session, location):
    responses.post(TOKEN_URL, status=302, headers={"Location": location})
    OAuthToken.objects.all().delete()
    assert_refused(dance(member, granted=False).callback(), "token_response_invalid", events)


def test_an_invalid_redirect_of_the_api_is_not_followed(session, responses):
    responses.get(f"{API}/a", status=302, headers={"Location": "https://["})
    assert session.get("/a").status_code == 302


def test_a_401_of_another_host_refreshes_nothing(session, responses):
    responses.get(f"{API}/a", status=302, headers={"Location": "https://elsewhere.example/"})
    responses.get("https://elsewhere.example/", status=401)
    assert session.get("/a").status_code == 401
    assert len(responses.calls) == 2


def test_a_grant_that_is_revoked_at_once_ends_on_a_page_and_not_in_a_loop(member, dance, responses):
    dance(member, granted={"expires_in": 0}).callback()
    responses.replace("POST", TOKEN_URL, status=400, json={"error": "invalid_grant"})
    response = member.get("/uncaught/")
    assert response.status_code == 403
    assert b"/login/github/" in response.content


# --- cookies ----------------------------------------------------------------------------------


def test_a_stray_cookie_does_not_stop_a_dance(member, dance):
    for name in ("__Host-dance_[x]", "__Host-dance_" + "z" * 24, "__Host-dance_"):
        member.cookies.load({})
        member.cookies[name.replace("[", "").replace("]", "")] = "x" * 5100
    assert dance(member).response.status_code == 302
    request = RequestFactory().get("/", HTTP_COOKIE="dance_[x]=" + "x" * 5100)
    from django_dance.flows.cookies import _pending_flows

    assert _pending_flows(request) == []


def test_a_long_next_is_measured_in_bytes(member, dance):
    assert dance(member, next="/" + "🕺" * 300).callback()["Location"] == "/"


def test_an_anonymous_visitor_keeps_a_strict_session(settings, dance, db):
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    browser = Browser()
    session = browser.session
    session["cart"] = ["book"]
    session.save()
    begun = dance(browser)
    withheld = browser.cookies.pop("sessionid")
    response = begun.callback()
    assert b"dance_bounced" in response.content and not response.cookies
    browser.cookies["sessionid"] = withheld.value
    assert begun.callback(dance_bounced="1").status_code == 302
    assert browser.session["cart"] == ["book"]


# --- elsewhere --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_async_call_goes_to_the_host_in_the_token(make_user, settings, responses):
    settings.DANCE_PROVIDERS = {
        "salesforce": {"PROVIDER": "django_dance.contrib.salesforce.Salesforce"}
    }
    session = providers["salesforce"].session(user=make_user())
    session.token = {"access_token": "x", "instance_url": "https://acme.my.salesforce.com"}
    responses.get("https://acme.my.salesforce.com/a", json={})
    fresh = providers["salesforce"].session(user=session.owner.user)
    assert asyncio.run(fresh.aget("/a")).ok


@pytest.mark.django_db(transaction=True)
def test_compliance_hooks_run_for_async_calls(make_user, responses):
    session = providers["github"].session(user=make_user())
    session.token = GRANTED
    seen = []

    def hook(url, headers, data):
        seen.append(url)
        return url, headers, data

    session.register_compliance_hook("protected_request", hook)
    responses.get(f"{API}/a", json={})
    asyncio.run(session.aget("/a"))
    session.get("/a")
    assert seen == ["/a", "/a"]


def test_threads_that_wait_for_metadata_share_the_response(responses, monkeypatch):
    """One slow failure is one failure, and not one after another."""
    discovery.forget()
    # No second passes for those who come late; after one the provider may be asked again.
    monkeypatch.setattr(discovery, "time", SimpleNamespace(monotonic=lambda: 0.0))
    asked, everybody = [], threading.Barrier(6)

    def slowly(request):
        asked.append(1)
        time.sleep(0.3)
        return 500, {}, ""

    url = "https://slow.example.com/.well-known/openid-configuration"
    responses.add_callback("GET", url, slowly)
    provider = OIDCProvider("slow", issuer="https://slow.example.com")
    failures = []

    def ask():
        everybody.wait(60)
        try:
            provider.metadata()
        except ProviderUnavailable:
            failures.append(1)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(asked), len(failures)) == (1, 6)
    discovery.forget()


def test_a_form_that_cannot_be_signed_is_an_error(user):
    session = providers["tripit"].session(user=user)
    session.token = {"oauth_token": "a", "oauth_token_secret": "b"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with pytest.raises(ValueError, match="must be text"):
        session.post("/a", data=b"a=\xff", headers=form)


def test_the_error_of_invalid_storage_options_names_the_cause():
    from django.core.exceptions import ImproperlyConfigured

    with pytest.raises(ImproperlyConfigured, match="cannot be imported"):
        ModelStorage(user="nowhere.current_user")
    with pytest.raises(ImproperlyConfigured, match="not a model"):
        _ = ModelStorage(model=None).model


def test_a_call_without_any_token_requires_authorization(user):
    with pytest.raises(AuthorizationRequired):
        providers["github"].session(user=user).get("/user")


def test_another_token_means_another_account(session, responses):
    responses.get(f"{API}/user", json={"id": 1, "login": "ada"})
    assert session.account_info().id == "1"
    session.token = {**GRANTED, "access_token": "of another account"}
    responses.replace("GET", f"{API}/user", json={"id": 2, "login": "grace"})
    assert session.account_info().id == "2"


def test_a_refused_callback_leaves_no_request_token_in_the_request(member, events):
    member.get("/login/tripit/authorized/", {"denied": "planted", "access_token": "planted"})
    (heard,) = events.named("oauth_error")
    assert "planted" not in str(heard["request"].GET) + heard["request"].META["QUERY_STRING"]
