"""The login view begins a dance."""

import html
import re

import pytest
from django.urls import set_script_prefix

from django_dance.cache import last_provider_error
from django_dance.providers import providers

from .conftest import GRANTED, Browser, assert_refused, flow_cookies, provider_url, query


def test_login_sends_the_visitor_to_the_provider(member, dance):
    begun = dance(member, next="/profile/")
    assert begun.url.startswith("https://github.com/login/oauth/authorize?")
    assert begun.asked["response_type"] == "code"
    assert begun.asked["client_id"] == "github-client"
    assert begun.asked["scope"] == "read:user"
    assert begun.asked["redirect_uri"] == "https://testserver/login/github/authorized/"
    assert begun.asked["code_challenge_method"] == "S256"
    assert len(begun.asked["state"]) == len(begun.asked["code_challenge"]) == 43


def test_a_cross_site_start_gets_a_button(member, dance):
    response = member.get("/login/github/?next=/profile/", headers={"sec-fetch-site": "cross-site"})
    assert response.status_code == 200
    assert b'<form method="post">' in response.content
    assert b'name="next" value="/profile/"' in response.content
    assert response["X-Frame-Options"] == "DENY"
    assert flow_cookies(member) == []


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_a_place_of_a_provider_without_places_is_refused(member, events, name, method):
    """Any visitor can add the parameter, so it is no mistake in the settings."""
    response = getattr(member, method)(f"/login/{name}/", {"place": "one.example"})
    assert_refused(response, "place_refused", events)
    assert flow_cookies(member) == []
    assert last_provider_error(name) is None


def test_the_button_begins_the_dance(member):
    """Its answer is a page and no redirect, which the policy ``form-action 'self'`` blocks."""
    response = member.post("/login/github/", {"next": "/profile/"})
    assert response.status_code == 200
    assert response["Referrer-Policy"] == "no-referrer"
    url = provider_url(response)
    assert url.startswith("https://github.com/")
    assert f'<a href="{html.escape(url)}">Continue to GitHub</a>' in response.content.decode()
    assert len(flow_cookies(member)) == 1


def test_a_setting_requires_the_button_for_every_dance(member, settings):
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
    assert browser.post("/login/github/", fields, headers=home).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"sec-purpose": "prefetch;prerender"}, {"purpose": "prefetch"}, {"x-moz": "prefetch"}],
)
def test_a_prefetch_begins_no_dance(member, headers):
    response = member.get("/login/github/", headers=headers)
    assert response.status_code == 204
    assert flow_cookies(member) == []


@pytest.mark.parametrize("method", ["head", "options", "put", "delete"])
def test_other_methods_begin_no_dance(member, method):
    assert getattr(member, method)("/login/github/").status_code == 405
    assert flow_cookies(member) == []


def test_the_redirect_to_the_provider_is_not_cached_and_sends_no_referrer(member, dance):
    response = dance(member).response
    assert response.content == b""
    assert response["Cache-Control"] == "no-store, private"
    assert response["Referrer-Policy"] == "no-referrer"


def test_forwarded_headers_are_ignored(member, dance):
    response = member.get(
        "/login/github/",
        headers={"x-forwarded-host": "evil.example", "x-forwarded-proto": "http"},
    )
    assert query(response["Location"])["redirect_uri"].startswith("https://testserver/")


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


def test_a_login_link_sends_its_parameters_to_the_provider(member, user):
    link = (
        providers["github"]
        .session(user=user)
        .get_login_url(
            prompt="login", login_hint="ada@example.com", acr_values=["high", "low"], max_age=0
        )
    )
    asked = query(member.get(link)["Location"])
    assert asked["prompt"] == "login"
    assert asked["login_hint"] == "ada@example.com"
    assert asked["acr_values"] == "high low"
    assert asked["max_age"] == "0"
    assert asked["scope"] == "read:user"


def test_a_link_that_one_user_got_is_refused_for_another(client, make_user, events):
    ada, grace = make_user("ada"), make_user("grace")
    link = providers["github"].session(user=ada).get_login_url(scope="repo")
    client.force_login(grace)
    assert_refused(client.get(link), "scope_invalid", events)
    client.logout()
    assert_refused(client.get(link), "scope_invalid", events)
    client.force_login(ada)
    assert client.get(link).status_code == 302


def test_a_link_for_an_anonymous_visitor_is_refused_for_a_user(client, user, events):
    link = providers["github"].session().get_login_url(scope="repo")
    assert client.get(link).status_code == 302
    client.force_login(user)
    assert_refused(client.get(link), "scope_invalid", events)


def test_a_link_of_one_provider_is_refused_at_another(member, user, events):
    link = providers["github"].session(user=user).get_login_url(scope="repo")
    assert_refused(member.get(link.replace("github", "gitlab")), "scope_invalid", events)


def test_a_login_link_becomes_invalid_after_a_day(member, user, events, clock):
    link = providers["github"].session(user=user).get_login_url(scope="repo")
    clock.now += 24 * 3600 - 1
    assert member.get(link).status_code == 302
    clock.now += 2
    assert_refused(member.get(link), "scope_invalid", events)


def test_the_cookie_of_a_flow_does_not_contain_the_configured_scopes(member, settings):
    def size(count):
        settings.DANCE_PROVIDERS = {
            "github": {
                "PROVIDER": "django_dance.contrib.github.GitHub",
                "SCOPE": [f"scope-{number:03}" for number in range(count)],
            }
        }
        cookies = member.get("/login/github/").cookies
        return sum(len(morsel.OutputString()) for morsel in cookies.values())

    assert size(1) == size(200)


@pytest.mark.parametrize("parameter", ["scope", "ask"])
def test_an_unsigned_scope_is_refused(member, events, parameter):
    response = member.get(f"/login/github/?{parameter}=admin")
    assert_refused(response, "scope_invalid", events)
    assert flow_cookies(member) == []


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
def test_environment_variables_do_not_allow_plain_http(member, monkeypatch, variable, events):
    monkeypatch.setenv(variable, "1")
    member.scheme = "http"
    assert_refused(member.get("/login/github/"), "insecure_transport", events)


def test_pages_with_forms_let_the_browser_send_the_origin(member):
    response = member.get("/login/github/", headers={"sec-fetch-site": "cross-site"})
    assert response["Referrer-Policy"] == "strict-origin"


# --- the size of the answer -----------------------------------------------------------------------

#: 45 scopes, as at EVE Online.
SCOPES = [f"esi-characters.read_agents_research.v{number}" for number in range(45)]


@pytest.fixture
def with_scopes(settings):
    def with_scopes(scopes):
        github = {"PROVIDER": "django_dance.contrib.github.GitHub", "SCOPE": scopes}
        settings.DANCE_PROVIDERS = {"github": github}

    return with_scopes


def size_of_headers(response):
    lines = [f"{name}: {value}\r\n" for name, value in response.items() if name != "Location"]
    lines += [f"Set-Cookie: {morsel.OutputString()}\r\n" for morsel in response.cookies.values()]
    return sum(len(line.encode()) for line in lines)


@pytest.mark.parametrize("count", [1, 45, 500])
@pytest.mark.parametrize("method", ["get", "post"])
def test_the_headers_of_a_login_are_small_however_many_scopes_are_configured(
    member, with_scopes, count, method
):
    with_scopes((SCOPES * 12)[:count])
    response = getattr(member, method)("/login/github/", {"next": "/" + "é" * 255})
    assert size_of_headers(response) < 2000


def test_the_headers_of_a_login_are_small_however_many_scopes_were_granted(
    member, user, with_scopes
):
    with_scopes("read:user")
    providers["github"].session(user=user).token = {**GRANTED, "scope": " ".join(SCOPES)}
    link = providers["github"].session(user=user).get_login_url("/" + "é" * 255, "repo")
    response = member.get(link)
    assert set(SCOPES) < set(query(response["Location"])["scope"].split())
    assert size_of_headers(response) < 2000


def test_a_login_with_the_longest_additions_has_small_headers(member, user, with_scopes):
    with_scopes("read:user")
    scopes = " ".join(SCOPES)[: 512 - len('{"scope":"","keep_granted":true}')]
    link = providers["github"].session(user=user).get_login_url("/" + "é" * 255, scopes)
    response = member.get(link)
    assert response.status_code == 302
    assert size_of_headers(response) < 2000


def test_scopes_that_do_not_fit_are_refused_with_the_cure(
    member, user, with_scopes, events, caplog
):
    with_scopes("read:user")
    link = providers["github"].session(user=user).get_login_url(scope=SCOPES)
    assert_refused(member.get(link), "flow_too_large", events)
    assert "in SCOPE of DANCE_PROVIDERS['github']" in caplog.text
    with_scopes(SCOPES)
    assert member.get(link).status_code == 302


def test_the_scopes_of_a_dance_are_those_that_were_granted_or_asked_for(
    member, user, dance, responses
):
    """The flow stores none of those that were granted before."""
    providers["github"].session(user=user).token = {**GRANTED, "scope": "read:user gist"}
    link = providers["github"].session(user=user).get_login_url(scope="repo")
    begun = dance(member, granted={"scope": "read:user"}, **query(link))
    assert begun.asked["scope"] == "read:user gist repo"
    begun.callback()
    token = providers["github"].session(user=user).token
    assert token["declined_scope"] == ["gist", "repo"]


def test_scopes_are_not_declined_if_others_were_granted_in_between(member, user, dance):
    providers["github"].session(user=user).token = {**GRANTED, "scope": "read:user"}
    link = providers["github"].session(user=user).get_login_url(scope="repo")
    begun = dance(member, granted={"scope": "read:user"}, **query(link))
    providers["github"].session(user=user).token = {**GRANTED, "scope": "read:user gist"}
    begun.callback()
    assert "declined_scope" not in providers["github"].session(user=user).token
