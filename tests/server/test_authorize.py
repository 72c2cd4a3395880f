"""The authorization endpoint, the consents, the applications page and the metadata."""

import re
from pathlib import Path

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import connection
from django.http import HttpResponse
from django.test import Client as DjangoClient
from django.urls import include, path

from django_dance.server import bind_cache_grant
from django_dance.server.models import Client, Consent, Grant

from ..conftest import Browser, query
from .conftest import CALLBACK, consent_form, is_alive, make_server, serve
from .site import server


def assert_page(response, error=None):
    """The error is shown to the user and not reported to a client."""
    assert response.status_code == 400
    assert "Location" not in response
    assert response["X-Frame-Options"] == "DENY"
    if error:
        assert error in response.content.decode()
    assert not Grant.objects.exists()


def assert_told(response, error, state="planted-state"):
    """The client is told, at the address that is its own."""
    assert response.status_code in (302, 303), response.content
    assert response["Location"].startswith(f"{CALLBACK}?")
    answer = query(response["Location"])
    assert answer["error"] == error
    assert answer.get("state") == state
    assert answer["iss"] == "https://testserver"
    assert not Grant.objects.exists()


@pytest.fixture(params=["GET", "POST"])
def ask(request, app, member):
    """Asks, with changes, by GET and by POST."""

    def ask(**changes):
        address = app.address(**changes)
        if request.param == "GET":
            return member.get(address)
        return member.post(address, {"decision": "allow"})

    return ask


# --- who asks, and where the answer goes ----------------------------------------------------------


@pytest.mark.parametrize("client_id", ["unknown", None, "", "a\0b", "é", "x" * 5000])
def test_an_unknown_client_gets_a_page_and_no_redirect(ask, client_id):
    assert_page(ask(client_id=client_id))


def test_an_inactive_client_gets_a_page_and_no_redirect(ask, app):
    Client.objects.update(is_active=False)
    assert_page(ask(), "invalid_request")


def test_a_clients_name_in_another_case_is_another_client(ask, app):
    Client.objects.update(client_id="abc")
    app.client.refresh_from_db()
    assert_page(ask(client_id="ABC"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"response_type": "token"},
        {"response_type": None},
        {"scope": "unknown"},
        {"code_challenge": None},
        {"prompt": "none"},
        {"request": "eyJ"},
        {"response_mode": "fragment"},
    ],
    ids=str,
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_errors_are_not_sent_to_an_unregistered_redirect_uri(ask, changes):
    assert_page(ask(redirect_uri="https://evil.example/callback", **changes))


@pytest.mark.parametrize(
    "uri",
    [
        f"{CALLBACK}?more=1",
        f"{CALLBACK};param",
        f"{CALLBACK}#fragment",
        f"{CALLBACK}#",
        "https://app.example@evil.example/callback",
        "https://user@app.example/callback",
        "https://app.example/Callback",
        "https://APP.example/callback",
        f"{CALLBACK}/",
        "https://app.example/x/../callback",
        "https://app.example:443/callback",
        "https://app.example:8443/callback",
        "https://app.example/%63allback",
        "http://app.example/callback",
        "http://localhost:80@evil.example/",
        "https://app.example\\@evil.example/callback",
        f" {CALLBACK}",
        f"{CALLBACK}\t",
        "//app.example/callback",
        "javascript:alert(1)",
        "callback",
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_a_redirect_uri_must_match_the_registered_one_exactly(ask, uri):
    assert_page(ask(redirect_uri=uri))


def test_a_redirect_uri_may_be_left_out_if_there_is_only_one(app, member):
    response = app.send(member, redirect_uri=None)
    code = query(response["Location"])["code"]
    assert app.redeem(code, redirect_uri=None).status_code == 200


def test_a_redirect_uri_may_not_be_left_out_if_there_are_several(ask, app):
    Client.objects.update(registered_redirect_uris=f"{CALLBACK}\nhttps://app.example/other")
    assert_page(ask(redirect_uri=None))


@pytest.mark.parametrize(
    "uri, why",
    [
        ("http://app.example/callback", "must be https"),
        ("https://app.example/callback#x", "fragment"),
        ("https://user@app.example/", "no user"),
        ("javascript:alert(1)", "its scheme"),
        ("data:text/html,x", "its scheme"),
        ("https://[/", "not a URI"),
        ("https://[v1.a]/", "not the name or address"),
        ("http://[v1.localhost]/", "not the name or address"),
        ("https:///callback", "must have a host"),
        ("https://*.example/callback", "has a wildcard"),
        ("https://app.example/*", "has a wildcard"),
        ("https://app.example/callback?next=*", "has a wildcard"),
        ("com.example.app:/*", "has a wildcard"),
        ("https://app.example:99999/callback", "its port"),
        ("https://app.example:0/callback", "its port"),
        ("https://app.example:/callback", "its port"),
        ("https://app.example:port/callback", "its port"),
        ("http://127.0.0.1:65536/callback", "its port"),
        ("https://app..example/callback", "not the name or address"),
        ("https://.example/callback", "not the name or address"),
        ("https://-app.example/callback", "not the name or address"),
        ("https://app%2eexample/callback", "not the name or address"),
        ("https://app.example/%zz", "not allowed in a URI"),
        ('https://app.example/"', "not allowed in a URI"),
        ("https://app.example/callback?code=1", "its query has code"),
        ("https://app.example/callback?x=1&state", "its query has state"),
        ("https://app.example/callback?iss=https://other.example", "its query has iss"),
        ("https://app.example/callback?ERROR=x&%63ode=1", "its query has code, error"),
        ("com.example.app:/callback?code=1", "its query has code"),
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_an_invalid_redirect_uri_cannot_be_registered(db, uri, why):
    with pytest.raises(ValidationError, match=re.escape(uri)) as caught:
        Client(name="Notes", registered_redirect_uris=uri).full_clean()
    assert why in str(caught.value)


@pytest.mark.parametrize("uri", ["com.example.app:/callback", "http://127.0.0.1:7777/cb"])
def test_an_app_gets_the_response_at_its_private_scheme(register, member, uri):
    app = register(public=True, registered_redirect_uris=uri)
    app.client.full_clean()
    response = app.send(member, redirect_uri=uri)
    assert response["Location"].startswith(f"{uri}?")


@pytest.mark.parametrize(
    "uri", ["http://app.example/callback", "javascript:alert(1)", "https://app.example/#x"]
)
@pytest.mark.parametrize("named", [True, False])
def test_no_code_is_sent_to_an_invalid_redirect_uri_even_if_it_is_registered(
    register, member, uri, named
):
    app = register(registered_redirect_uris=uri)
    assert_page(app.send(member, redirect_uri=uri if named else None))


NATIVE = "http://127.0.0.1/callback"


@pytest.mark.parametrize("allowed", [False, True])
def test_the_name_localhost_with_any_port_needs_a_setting(register, member, settings, allowed):
    settings.DANCE_SERVER_LOCALHOST_PORTS = allowed
    app = register(public=True, registered_redirect_uris="http://localhost/callback")
    response = app.send(member, redirect_uri="http://localhost:1234/callback")
    assert response.status_code == (303 if allowed else 400)
    for other in ("http://127.0.0.1:1234/callback", "http://localhost:1234/other"):
        assert app.send(member, redirect_uri=other).status_code == 400
    confidential = register("Other", registered_redirect_uris="http://localhost/callback")
    response = confidential.send(member, redirect_uri="http://localhost:1234/callback")
    assert response.status_code == 400


@pytest.mark.parametrize("uri", [NATIVE, "http://127.0.0.1:1234/callback"])
def test_a_public_client_may_use_any_port_on_loopback(register, member, uri):
    app = register(public=True, registered_redirect_uris=NATIVE)
    code = query(app.send(member, redirect_uri=uri)["Location"])["code"]
    assert app.redeem(code, redirect_uri="http://127.0.0.1:9/callback").status_code == 400
    assert app.redeem(code, redirect_uri=uri).status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1234/other",
        "http://127.0.0.1:1234",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1:123456/callback",
        "http://127.0.0.1:/callback",
        "https://127.0.0.1:1234/callback",
        "http://localhost:1234/callback",
        "http://[::1]:1234/callback",
        "http://127.0.0.2/callback",
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_only_the_port_of_a_loopback_uri_may_differ(register, member, uri):
    app = register(public=True, registered_redirect_uris=NATIVE)
    assert_page(app.send(member, redirect_uri=uri))


def test_a_confidential_client_must_use_the_registered_port(register, member):
    app = register(registered_redirect_uris=NATIVE)
    assert_page(app.send(member, redirect_uri="http://127.0.0.1:1234/callback"))


# --- what is asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "unknown",
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_a_repeated_parameter_is_refused(app, member, name):
    for first, second in (("a", "b"), ("a", "a")):
        parameters = {**app.asking(), name: app.asking().get(name, first)}
        address = f"{app.root}authorize/"
        response = member.get(address, [*parameters.items(), (name, second)])
        assert_page(response, "invalid_request")


def test_parameters_must_not_be_in_the_url_and_in_the_form(app, member):
    response = member.post(app.address(), {**app.asking(), "decision": "allow"})
    assert_page(response, "send them in one of them")


def test_a_form_may_repeat_the_parameters_in_its_fields(app, member):
    form = consent_form(member.get(app.address()))
    response = member.post(f"{app.root}authorize/", {**app.asking(), **form})
    assert "code" in query(response["Location"])


@pytest.mark.parametrize("kind", ["token", "id_token", "code token", "code id_token", "CODE", ""])
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_only_the_response_type_code_is_supported(ask, kind):
    assert_told(ask(response_type=kind), "unsupported_response_type")


def test_the_response_type_is_required(ask):
    assert_told(ask(response_type=None), "invalid_request")


@pytest.mark.parametrize("mode", ["fragment", "form_post", "web_message"])
def test_only_the_response_mode_query_is_supported(ask, mode):
    assert_told(ask(response_mode=mode), "invalid_request")


@pytest.mark.parametrize("name", ["request", "request_uri"])
def test_request_objects_are_not_supported(ask, name):
    assert_told(ask(**{name: "https://evil.example/"}), f"{name}_not_supported")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None},
        {"code_challenge": ""},
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge": "x" * 42},
        {"code_challenge": "x" * 129},
        {"code_challenge": "x" * 42 + "="},
        {"code_challenge": "x" * 42 + "+"},
    ],
    ids=str,
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_a_code_challenge_with_s256_is_required(ask, changes):
    assert_told(ask(**changes), "invalid_request")


@pytest.mark.parametrize("scope", ["unknown", "admin unknown", "admin", "EMAIL", "email,address"])
def test_a_client_may_request_only_its_own_scopes(ask, scope):
    assert_told(ask(scope=scope), "invalid_scope")


def test_scopes_that_the_client_may_not_request_are_left_out(app, member):
    wide = "email admin unknown"
    page = member.get(app.address(scope=wide)).content.decode()
    assert "see your email address" in page and "change everything" not in page
    token = app.token(member, scope=wide)
    assert token["scope"] == "email"
    assert Consent.objects.get().scopes == ["email"]
    assert "code" in query(member.get(app.address(scope=wide))["Location"])


def test_the_scopes_of_a_client_that_acts_for_itself_are_narrowed_too(register):
    app = register(grant_types="client_credentials")
    form = {"grant_type": "client_credentials", "scope": "email admin"}
    assert app.post("token/", form).json()["scope"] == "email"


def test_a_scope_that_the_server_does_not_know_is_refused(ask, app):
    Client.objects.update(scope="email forgotten")
    assert_told(ask(scope="forgotten"), "invalid_scope")


def test_a_client_without_the_grant_type_gets_no_code(ask, app):
    Client.objects.update(grant_types="client_credentials")
    assert_told(ask(), "unauthorized_client")


def test_an_error_without_a_state_has_none(ask):
    assert_told(ask(scope="unknown", state=None), "invalid_scope", state=None)


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "é", "x" * 5000])
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_an_invalid_parameter_is_not_quoted_in_the_error(ask, value):
    response = ask(state=value)
    assert_page(response, "invalid_request")
    assert value not in response.content.decode()


def test_the_state_is_returned_unchanged(app, member):
    state = "a b&c=d#e%20+/\"<'~"
    assert query(app.send(member, state=state)["Location"])["state"] == state


# --- the consent page -----------------------------------------------------------------------------


def test_the_consent_page_has_the_security_headers(app, member):
    page = member.get(app.address())
    assert page["X-Frame-Options"] == "DENY"
    assert page["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert page["Referrer-Policy"] == "strict-origin"
    assert page["Cache-Control"] == "no-store, private"


def test_the_redirect_with_the_code_is_not_cached_and_sends_no_referrer(app, member):
    response = app.send(member)
    assert response["Cache-Control"] == "no-store, private"
    assert response["Referrer-Policy"] == "no-referrer"


def test_the_consent_page_shows_the_client_and_the_host_of_the_redirect_uri(register, member):
    name = "<script>alert(1)</script> & Googlе"
    page = member.get(register(name).address()).content.decode()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Googlе" in page
    assert "app.example" in page
    assert "logged in as <bdi>ada</bdi>" in page


@pytest.mark.parametrize("char", ["\u202e", "\u2066", "\u200b", "\n", "\x07"])
def test_the_pages_replace_characters_that_change_the_text_around_a_name(register, member, char):
    """A row that was stored without the checks of the admin."""
    app = register(f"Goo{char}gle")
    for address in (app.address(), app.address(prompt="login")):
        page = member.get(address, follow=True).content.decode()
        assert f"Goo{char}gle" not in page
    assert "Goo\N{REPLACEMENT CHARACTER}gle" in member.get(app.address()).content.decode()
    app.code(member)
    page = member.get("/oauth/applications/").content.decode()
    assert "Goo\N{REPLACEMENT CHARACTER}gle" in page


@pytest.mark.parametrize(
    "header",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Moz": "prefetch"},
    ],
    ids=str,
)
def test_a_prefetch_gets_no_code(app, member, header):
    app.code(member)
    assert "code" in query(member.get(app.address())["Location"])
    issued = Grant.objects.count()
    response = member.get(app.address(), headers=header)
    assert response.status_code == 204 and response["Cache-Control"] == "no-store, private"
    assert Grant.objects.count() == issued


def test_a_head_request_gets_no_code(app, member, settings):
    own = make_server()

    @own.authorize_handler
    def authorize(request, **asked):
        return True

    serve(settings, own, path("own/", authorize))
    address = app.address().replace("/oauth/authorize/", "/own/")
    for response in (member.head(address), member.head(app.address())):
        assert "Location" not in response
    assert not Grant.objects.exists()


def test_the_consent_form_has_csrf_protection_even_without_the_middleware(app, user, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "csrf" not in name.lower()]
    browser = DjangoClient(enforce_csrf_checks=True)
    browser.force_login(user)
    assert app.send(browser).status_code == 403
    assert not Grant.objects.exists()


def test_the_form_works_over_https_with_its_csrf_token(app, user):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    page = browser.get(app.address())
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    response = browser.post(
        app.address(),
        {**consent_form(page), "csrfmiddlewaretoken": token},
        headers={"referer": "https://testserver/"},
    )
    assert "code" in query(response["Location"])


def test_the_consent_form_of_one_user_cannot_be_posted_by_another(app, user, make_user):
    browser = Browser(enforce_csrf_checks=True)
    browser.login(username="ada", password="pw")
    page = browser.get(app.address())
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
    make_user("grace")
    here = {"referer": "https://testserver/"}
    form = {"username": "grace", "password": "pw", "csrfmiddlewaretoken": token}
    assert "sessionid" in browser.post("/accounts/login/", form, headers=here).cookies
    form = {**consent_form(page), "csrfmiddlewaretoken": token}
    assert browser.post(app.address(), form, headers=here).status_code == 403
    assert not Grant.objects.exists()


@pytest.mark.parametrize("decision", ["", "deny", "Allow", "1"])
def test_any_decision_except_allow_denies(app, member, decision):
    assert_told(app.send(member, decision), "access_denied")


def test_no_code_is_sent_to_a_visitor_who_is_not_logged_in(app, client):
    response = app.send(client)
    assert response["Location"].startswith("/accounts/login/")
    assert not Grant.objects.exists()


def test_a_deactivated_user_who_is_still_logged_in_is_refused(app, member, user, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    member.force_login(user, settings.AUTHENTICATION_BACKENDS[0])
    get_user_model().objects.update(is_active=False)
    assert_told(member.get(app.address()), "access_denied")
    assert_told(app.send(member), "access_denied")
    assert not Consent.objects.exists()


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_the_endpoint_takes_get_and_post(app, member, method):
    assert getattr(member, method)(app.address()).status_code in (200, 405)
    assert not Grant.objects.exists()


def test_a_head_request_grants_nothing(app, member):
    app.send(member)
    Grant.objects.all().delete()
    assert member.head(app.address()).status_code == 405
    assert not Grant.objects.exists()


def test_json_responses_ignore_a_callback_parameter(app, member):
    response = app.post("token/", {"grant_type": "x", "callback": "alert"})
    assert response["Content-Type"] == "application/json"
    assert b"alert" not in response.content


def test_the_endpoints_send_no_cors_headers(app, member):
    for response in (
        member.get(app.address(), headers={"origin": "https://evil.example"}),
        app.post("token/", {"grant_type": "x"}, origin="https://evil.example"),
    ):
        assert "Access-Control-Allow-Origin" not in response


def test_the_consent_page_shows_a_private_scheme_without_a_host(app, member):
    uri = "com.planted.app://accounts.example.com/callback"
    app.client.registered_redirect_uris = uri
    app.client.save()
    text = member.get(app.address(redirect_uri=uri)).content.decode()
    assert "com.planted.app:" in text
    assert "accounts.example.com" not in text


@pytest.mark.parametrize(
    "uri, separator",
    [
        ("com.example.app:/callback", "?"),
        ("com.example.app://callback", "?"),
        ("com.example.app:///callback", "?"),
        ("https://app.example/callback?", ""),
        ("https://app.example/callback?flag", "&"),
        ("https://app.example/callback?a=b%20c", "&"),
        ("https://app.example/callback?a=%7B~%2F", "&"),
        ("https://app.example/callback?a=b;c=d", "&"),
    ],
)
@pytest.mark.parametrize("decision, first", [("allow", "code="), ("deny", "error=")])
def test_the_redirect_uri_is_used_as_it_was_registered(
    app, member, uri, separator, decision, first
):
    app.client.registered_redirect_uris = uri
    app.client.full_clean()
    app.client.save()
    location = app.send(member, decision, redirect_uri=uri)["Location"]
    assert location.startswith(f"{uri}{separator}{first}")


def test_a_content_security_policy_is_kept_and_forbids_framing(app, member, settings):
    own = make_server()
    page = HttpResponse("page", headers={"Content-Security-Policy": "script-src 'none'"})
    serve(settings, own, path("page/", own.authorize_handler(lambda request, **asked: page)))
    policy = member.get(app.address().replace("oauth/authorize", "page"))["Content-Security-Policy"]
    assert policy == "script-src 'none'; frame-ancestors 'none'"


def test_a_page_may_set_its_own_frame_ancestors(app, member, settings):
    own = make_server()
    page = HttpResponse("page", headers={"Content-Security-Policy": "Frame-Ancestors 'self'"})
    serve(settings, own, path("page/", own.authorize_handler(lambda request, **asked: page)))
    policy = member.get(app.address().replace("oauth/authorize", "page"))["Content-Security-Policy"]
    assert policy == "Frame-Ancestors 'self'"


@pytest.mark.parametrize("place", ["authorize", "applications"])
def test_the_current_user_function_may_return_none(app, client, settings, place):
    serve(settings, make_server(current_user=lambda request: None))
    address = app.address() if place == "authorize" else "/oauth/applications/"
    assert client.get(address)["Location"].startswith("/accounts/login/")


def verifying(get_response):
    def middleware(request):
        server.verify_request(request)
        return get_response(request)

    return middleware


def test_a_token_does_not_log_in_at_the_pages_for_users(app, granted, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.verifying"]
    header = {"authorization": f"Bearer {granted['access_token']}"}
    address = app.address(scope="email address")
    response = app.line.post(address, {"decision": "allow"}, headers=header)
    assert response["Location"].startswith("/accounts/login/")
    assert app.line.get("/oauth/applications/", headers=header).status_code == 302


# --- consent, remembered --------------------------------------------------------------------------


def test_granted_scopes_are_not_asked_again(app, member):
    app.send(member, scope="email address")
    response = member.get(app.address(scope="email"))
    assert response.status_code == 302
    assert "code" in query(response["Location"])


def test_more_scopes_than_were_granted_are_asked(app, member):
    app.send(member, scope="email")
    assert member.get(app.address(scope="email address")).status_code == 200


def test_scopes_that_were_granted_separately_are_granted_together(app, member):
    app.send(member, scope="email")
    app.send(member, scope="address")
    assert member.get(app.address(scope="email address")).status_code == 302


def test_another_redirect_uri_asks_again(app, member):
    other = "https://app.example/other"
    Client.objects.update(registered_redirect_uris=f"{CALLBACK} {other}")
    app.send(member)
    assert member.get(app.address(redirect_uri=other)).status_code == 200


def test_a_public_client_asks_each_time(register, member):
    app = register(public=True)
    app.send(member)
    assert member.get(app.address()).status_code == 200


def test_a_client_that_became_confidential_asks_once_more(register, member):
    app = register(public=True)
    app.send(member)
    assert "Notes" in member.get("/oauth/applications/").content.decode()
    app.client.is_confidential = True
    app.client.rotate_secret()
    app.client.save()
    assert member.get(app.address()).status_code == 200


def test_a_user_who_denied_is_asked_again(app, member):
    app.send(member, "deny")
    assert member.get(app.address()).status_code == 200


def test_the_consent_of_one_user_does_not_count_for_another(app, member, make_user):
    app.send(member)
    browser = Browser()
    browser.force_login(make_user("grace"))
    assert browser.get(app.address()).status_code == 200


def test_prompt_consent_asks_again(app, member):
    app.send(member)
    assert member.get(app.address(prompt="consent")).status_code == 200


def test_prompt_none_shows_no_page(app, member, client):
    assert_told(member.get(app.address(prompt="none")), "consent_required")
    app.send(member)
    assert "code" in query(member.get(app.address(prompt="none"))["Location"])


def test_prompt_none_shows_no_login(app, db):
    assert_told(Browser().get(app.address(prompt="none")), "login_required")


@pytest.mark.parametrize("prompt", ["none login", "select_account", "NONE"])
def test_an_unknown_prompt_is_refused(ask, prompt):
    assert_told(ask(prompt=prompt), "invalid_request")


# --- connected applications -----------------------------------------------------------------------


APPLICATIONS = "/oauth/applications/"


def test_the_applications_page_lists_the_consents_of_the_user(app, member):
    app.send(member, scope="email address")
    page = member.get(APPLICATIONS)
    text = page.content.decode()
    assert "Notes" in text and "see where you live" in text
    assert page["X-Frame-Options"] == "DENY"


def test_the_applications_page_requires_a_login(client):
    assert client.get(APPLICATIONS)["Location"].startswith("/accounts/login/?next=")


def test_the_applications_page_does_not_list_the_consents_of_other_users(app, member, make_user):
    app.send(member)
    browser = Browser()
    browser.force_login(make_user("grace"))
    assert "Notes" not in browser.get(APPLICATIONS).content.decode()


def test_disconnecting_an_application_revokes_its_tokens_immediately(app, member, granted):
    pending = app.code(member)
    response = member.post(APPLICATIONS, {"application": Consent.objects.get().pk})
    assert response["Location"] == APPLICATIONS
    assert app.get("/email/", granted["access_token"]).status_code == 401
    assert app.refresh(granted["refresh_token"]).status_code == 400
    assert app.redeem(pending).status_code == 400
    assert member.get(app.address()).status_code == 200


def test_disconnecting_leaves_the_tokens_of_other_users(app, member, granted, make_user):
    browser = Browser()
    browser.force_login(make_user("grace"))
    app.send(browser)
    browser.post(APPLICATIONS, {"application": Consent.objects.get(user__username="grace").pk})
    assert app.get("/email/", granted["access_token"]).status_code == 200


@pytest.mark.parametrize("other", ["", "0", "999", "x", "１", "-1"])
def test_an_unknown_consent_cannot_be_disconnected(member, other):
    assert member.post(APPLICATIONS, {"application": other}).status_code == 404


@pytest.mark.parametrize("digits", [20, 30, 5000])
def test_a_primary_key_that_is_too_long_is_not_found(member, digits):
    response = member.post("/oauth/applications/", {"application": "9" * digits})
    assert response.status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("atomic", [False, True])
def test_tokens_are_revoked_even_if_the_cache_of_the_codes_is_down(
    app, member, settings, monkeypatch, atomic
):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    own = make_server()
    bind_cache_grant(own, cache="grants")
    serve(settings, own)
    local = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    settings.CACHES = {**settings.CACHES, "grants": local}
    token = app.token(member)["access_token"]
    consent = Consent.objects.get()
    settings.CACHES = {**settings.CACHES, "grants": {"BACKEND": "tests.caches.RaisingCache"}}
    member.raise_request_exception = False
    form = {"application": consent.pk}
    assert member.post("/oauth/applications/", form).status_code == 500
    assert not is_alive(app, token)
    assert Consent.objects.exists(), "it can be disconnected again"
    settings.CACHES = {**settings.CACHES, "grants": local}
    assert member.post("/oauth/applications/", form).status_code == 302
    assert not Consent.objects.exists()


def test_the_consent_of_another_user_cannot_be_disconnected(app, member, make_user, granted):
    browser = Browser()
    browser.force_login(make_user("grace"))
    response = browser.post(APPLICATIONS, {"application": Consent.objects.get().pk})
    assert response.status_code == 404
    assert app.get("/email/", granted["access_token"]).status_code == 200


def test_disconnecting_has_csrf_protection(app, user):
    browser = DjangoClient(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.post(APPLICATIONS, {"application": 1}).status_code == 403


def test_disconnecting_needs_a_tokenrevoker(app, member, granted, monkeypatch):
    """A page that says "disconnected" where nothing ends would be a lie."""
    monkeypatch.delitem(server.callbacks.functions, "tokenrevoker")
    with pytest.raises(ImproperlyConfigured, match=r"@server\.tokenrevoker"):
        member.post(APPLICATIONS, {"application": Consent.objects.get().pk})
    assert Consent.objects.exists()


# --- metadata -------------------------------------------------------------------------------------


METADATA = "/oauth/.well-known/oauth-authorization-server"


def test_the_metadata_describe_the_server(client):
    assert client.get(METADATA).json() == {
        "issuer": "https://testserver",
        "authorization_endpoint": "https://testserver/oauth/authorize/",
        "token_endpoint": "https://testserver/oauth/token/",
        "revocation_endpoint": "https://testserver/oauth/revoke/",
        "introspection_endpoint": "https://testserver/oauth/introspect/",
        "scopes_supported": ["address", "admin", "email"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "none",
        ],
        "revocation_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "none",
        ],
        "introspection_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
        ],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


def test_the_host_header_does_not_change_the_metadata(app, member, settings):
    settings.ALLOWED_HOSTS = ["*"]
    said = member.get(METADATA, headers={"host": "evil.example"}).json()
    assert all("evil" not in str(value) for value in said.values())
    response = member.post(
        app.address(),
        consent_form(member.get(app.address())),
        headers={"host": "evil.example", "x-forwarded-host": "evil.example"},
    )
    assert query(response["Location"])["iss"] == "https://testserver"


def test_metadata_at_the_root_can_name_an_outer_namespace(client, settings):
    own = make_server()
    at_root = own.view("metadata", namespace="api:oauth_server")
    inner = ([path("oauth/", include(own.urls))], "api")
    settings.ROOT_URLCONF = type(
        "Urls", (), {"urlpatterns": [path("api/", include(inner)), path("root", at_root)]}
    )
    said = client.get("/root").json()
    assert said == client.get("/api/oauth/.well-known/oauth-authorization-server").json()
    assert said["token_endpoint"] == "https://testserver/api/oauth/token/"


def test_metadata_without_the_urls_raise_an_error_with_the_cure(client, settings):
    routes = [path("root", make_server().view("metadata"))]
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": routes})
    with pytest.raises(ImproperlyConfigured, match='namespace="outer:oauth_server"'):
        client.get("/root")


@pytest.mark.parametrize("prefix", ["en/", ""])
def test_the_urls_in_the_metadata_are_the_same_in_every_language(client, settings, prefix):
    own = make_server()
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    routes = [
        path("root", own.view("metadata")),
        *i18n_patterns(path("oauth/", include(own.urls)), prefix_default_language=bool(prefix)),
    ]
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": routes})
    english, german = (
        client.get("/root", headers={"accept-language": name}).json() for name in ("en", "de")
    )
    assert german == english
    assert english["token_endpoint"] == f"https://testserver/{prefix}oauth/token/"
    assert client.get(english["authorization_endpoint"]).status_code == 400


def test_only_the_applications_page_requires_a_login(app, client, settings):
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert client.get(METADATA).status_code == 200
    assert app.post("token/", {"grant_type": "x"}).status_code == 400
    assert app.revoke("x").status_code == 200
    assert app.introspect("x").json() == {"active": False}
    assert client.get(app.address(client_id="unknown")).status_code == 400
    assert client.get("/email/").status_code == 401


# --- an account switcher --------------------------------------------------------------------------


@pytest.fixture
def switcher(app, member, user, make_user, settings):
    """A site where a visitor has several accounts, and chooses one of them."""
    accounts = {"chosen": user, "ada": user, "grace": make_user("grace")}
    serve(settings, make_server(current_user=lambda request: accounts["chosen"]))
    return accounts


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_consent_form_is_bound_to_the_user_who_has_seen_it(app, member, switcher, decision):
    form = consent_form(member.get(app.address()), decision)
    switcher["chosen"] = switcher["grace"]
    again = member.post(app.address(), form)
    assert again.status_code == 200
    assert "You are logged in as <bdi>grace</bdi>" in again.content.decode()
    assert not Grant.objects.exists() and not Consent.objects.exists()
    assert "code" in query(member.post(app.address(), consent_form(again))["Location"])
    assert Grant.objects.get().user == Consent.objects.get().user == switcher["grace"]


def test_a_form_in_another_tab_is_bound_to_its_own_user(app, member, switcher):
    form = consent_form(member.get(app.address()))
    switcher["chosen"] = switcher["grace"]
    member.get(app.address())
    response = member.post(app.address(), form)
    assert response.status_code == 200 and not Grant.objects.exists()


def test_the_form_is_accepted_from_the_user_who_has_seen_it(app, member, switcher):
    form = consent_form(member.get(app.address()))
    assert "code" in query(member.post(app.address(), form)["Location"])


@pytest.mark.parametrize("shown_to", [None, "", "0" * 64, "é"])
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_form_that_does_not_say_to_whom_it_was_shown_is_answered_with_the_page(
    app, member, decision, shown_to
):
    member.get(app.address())
    form = {"decision": decision, **({} if shown_to is None else {"shown_to": shown_to})}
    again = member.post(app.address(), form)
    assert again.status_code == 200
    assert not Grant.objects.exists() and not Consent.objects.exists()
    assert "code" in query(member.post(app.address(), consent_form(again))["Location"])


def test_a_template_without_the_field_is_an_error_before_anybody_sees_the_page(
    app, member, settings, tmp_path
):
    template = tmp_path / "django_dance_server" / "authorize.html"
    template.parent.mkdir()

    def use(text):
        template.write_text(text)
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]

    use("<form method=post>{% csrf_token %}<button name=decision></form>")
    with pytest.raises(ImproperlyConfigured, match="Add this field to the form") as raised:
        member.get(app.address())
    (field,) = re.findall("<input.*?>", str(raised.value))
    use(f"<form method=post>{{% csrf_token %}}{field}</form>")
    assert consent_form(member.get(app.address()))["shown_to"]


# --- a view of the site's own ---------------------------------------------------------------------


@pytest.fixture
def own_view(app, member, settings, tmp_path):
    """The view in the guide, with a form of the site's own."""
    template = tmp_path / "mysite" / "authorize.html"
    template.parent.mkdir()
    template.write_text(
        "<form method=post>{{ client.client_name }} {{ scopes|join:' ' }}"
        '<input type="hidden" name="shown_to" value="{{ shown_to }}"></form>'
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    text = (Path(__file__).resolve().parents[2] / "docs" / "server.md").read_text()
    (block,) = re.findall(r"```python\n([^`]*asked\.was_shown_to[^`]*)```", text)
    own = make_server()
    given = {"server": own, "__name__": "mysite.views"}
    exec(block.replace("from .oauth import server\n", ""), given)
    serve(settings, own, path("own/", given["authorize"]))
    return app.address().replace("/oauth/authorize/", "/own/")


def own_form(page, confirm="yes"):
    return {**consent_form(page), "confirm": confirm}


def test_the_view_of_the_guide_grants_what_its_form_has_shown(app, member, own_view):
    page = member.get(own_view)
    assert not Grant.objects.exists()
    assert "error=access_denied" in member.post(own_view, own_form(page, "no"))["Location"]
    assert "code" in query(member.post(own_view, own_form(page))["Location"])


def test_the_view_of_the_guide_asks_again_if_another_user_has_logged_in(
    app, member, make_user, own_view
):
    form = own_form(member.get(own_view))
    member.force_login(make_user("grace"))
    again = member.post(own_view, form)
    assert again.status_code == 200 and not Grant.objects.exists()
    assert member.post(own_view, {"confirm": "yes"}).status_code == 200
    assert "code" in query(member.post(own_view, own_form(again))["Location"])
    assert Grant.objects.get().user.username == "grace"
