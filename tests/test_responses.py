"""The answers to a visitor whose view cannot go on: a page for a person, JSON for a program."""

import asyncio
import html
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import AppDirectoriesFinder
from django.template.loader import render_to_string
from django.test import AsyncClient, Client

import django_dance
from django_dance.decorators import authorization_required
from django_dance.providers import providers

from .conftest import GRANTED, TOKEN_URL, query

pytestmark = pytest.mark.one_database("These tests differ in headers and pages, not in rows")

NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": "*/*"}


@pytest.fixture
def program(user):
    """A program that sends the session cookie, and no header of a browser."""
    client = Client()
    client.force_login(user)
    return client


def is_challenge(response):
    """Whether it is the answer for programs."""
    return (
        response.status_code == 401
        and response["Content-Type"] == "application/json"
        and response["WWW-Authenticate"] == 'OAuth realm="github"'
    )


# --- a person or a program ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"accept": "*/*"},
        {"accept": "application/json, text/plain, */*"},
        {"accept": "application/json"},
        {"accept": "text/*"},
        {"accept": "text/html;q=0, */*"},
        {"accept": "text/htmlx"},
        {"accept": ""},
        {"accept": "text/html", "sec-fetch-mode": "cors"},
        {"accept": "text/html", "sec-fetch-mode": "no-cors"},
        {"accept": "text/html", "sec-fetch-mode": "same-origin"},
        {"accept": "text/html", "x-requested-with": "XMLHttpRequest"},
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_a_program_gets_a_401_with_a_challenge(program, headers, method):
    assert is_challenge(getattr(program, method)("/uncaught/", headers=headers))


@pytest.mark.parametrize(
    "headers",
    [
        NAVIGATION,
        {"accept": "text/html"},
        {"accept": "application/xhtml+xml,text/html;q=0.9,*/*;q=0.8"},
        {"accept": "TEXT/HTML;charset=utf-8"},
    ],
)
def test_a_person_who_opens_a_page_is_redirected(program, headers):
    response = program.get("/uncaught/?tab=1", headers=headers)
    assert response.status_code == 302
    assert query(response["Location"]) == {"next": "/uncaught/?tab=1"}


@pytest.mark.parametrize("method", ["head", "put", "patch", "delete", "options"])
def test_a_method_that_no_person_uses_gets_a_401(program, method):
    assert is_challenge_head(getattr(program, method)("/uncaught/", headers=NAVIGATION))


def is_challenge_head(response):
    return response.status_code == 401 and "WWW-Authenticate" in response


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        ("/answers-json/", NAVIGATION, 401),
        ("/answers-page/", {"accept": "application/json"}, 302),
        ("/async-answers-json/", NAVIGATION, 401),
        ("/class-answers-json/", NAVIGATION, 401),
    ],
)
def test_a_view_can_choose_the_answer(program, url, headers, status):
    assert program.get(url, headers=headers).status_code == status


@pytest.mark.django_db(transaction=True)
@pytest.mark.one_database("It tests which answer a view under ASGI chooses")
def test_an_async_view_can_choose_the_answer_under_asgi():
    response = asyncio.run(AsyncClient().get("/async-answers-json/", headers=NAVIGATION))
    assert response.status_code == 401


def test_the_answer_of_a_view_is_one_of_three():
    with pytest.raises(ValueError, match=r'"auto", "page" or "json"'):
        authorization_required("github", answer="html")


def test_the_challenge_names_the_account(program, user):
    response = program.get("/account/17/")
    assert is_challenge(response)
    assert response.json()["account"] == "17"


# --- a form ---------------------------------------------------------------------------------------


def links(response):
    found = re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a>', response.content.decode())
    return {text: html.unescape(url) for url, text in found}


@pytest.mark.parametrize("headers", [NAVIGATION, {"accept": "text/html"}])
def test_a_person_who_submits_a_form_gets_a_page_with_a_link_to_connect(program, headers):
    headers = {**headers, "referer": "https://testserver/form/?draft=1"}
    response = program.post("/uncaught/", {"text": "long"}, headers=headers, secure=True)
    assert response.status_code == 403
    assert response["Content-Type"].startswith("text/html")
    assert query(links(response)["Connect again"]) == {"next": "/form/?draft=1"}
    assert b"Back button" in response.content


@pytest.mark.parametrize(
    "referer", [None, "https://evil.example/", "https://testserver", "no address"]
)
def test_after_a_form_of_an_unknown_page_the_dance_ends_at_the_default_page(program, referer):
    headers = NAVIGATION if referer is None else {**NAVIGATION, "referer": referer}
    response = program.post("/uncaught/", headers=headers, secure=True)
    link = links(response)["Connect again"]
    assert link.partition("?")[0] == "/login/github/"
    assert query(link) in ({}, {"next": "/"})


# --- htmx -----------------------------------------------------------------------------------------

HTMX = {
    "hx-request": "true",
    "hx-current-url": "https://testserver/page/?tab=1",
    "sec-fetch-mode": "cors",
}


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_htmx_is_told_to_open_the_login(program, method):
    response = getattr(program, method)("/uncaught/", headers=HTMX, secure=True)
    assert is_challenge(response)
    link = response["HX-Redirect"]
    assert link.startswith("/login/github/?")
    assert query(link) == {"next": "/page/?tab=1"}


def test_a_boosted_link_returns_to_the_page_that_it_names(program):
    headers = {**HTMX, "hx-boosted": "true"}
    response = program.get("/uncaught/", headers=headers, secure=True)
    assert query(response["HX-Redirect"]) == {"next": "/uncaught/"}


def test_htmx_does_not_return_to_another_site(program):
    headers = {**HTMX, "hx-current-url": "https://evil.example/"}
    response = program.get("/uncaught/", headers=headers, secure=True)
    assert response["HX-Redirect"] == "/login/github/"


def test_after_a_declined_scope_htmx_opens_a_button_and_no_dance(program, user):
    token = {**GRANTED, "declined_scope": ["repo"]}
    providers["github"].session(user=user).token = token
    response = program.get("/async-profile/", headers=HTMX, secure=True)
    assert response.json()["reason"] == "declined_scopes"
    assert query(response["HX-Redirect"])["confirm"] == "1"
    page = program.get(response["HX-Redirect"], headers=NAVIGATION, secure=True)
    assert page.status_code == 200
    assert b'<form method="post">' in page.content


# --- the token of another user --------------------------------------------------------------------


def test_a_visitor_is_not_sent_to_the_login_for_the_token_of_another_user(program, make_user):
    grace = make_user("grace")
    response = program.get(f"/user/{grace.pk}/", headers=NAVIGATION)
    assert response.status_code == 403
    assert "Another user must connect to GitHub" in response.content.decode()
    assert [*links(response)] == ["Back to the site"]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_program_gets_no_login_link_for_the_token_of_another_user(program, make_user, headers):
    response = program.get(f"/user/{make_user('grace').pk}/", headers=headers)
    assert is_challenge(response)
    assert response.json()["login_url"] is None
    assert "HX-Redirect" not in response


def test_a_view_that_names_the_visitor_sends_the_visitor_to_the_login(program, user):
    assert program.get(f"/user/{user.pk}/", headers=NAVIGATION).status_code == 302


# --- a provider that does not answer --------------------------------------------------------------


@pytest.fixture
def expired(user, clock):
    providers["github"].session(user=user).token = {**GRANTED, "expires_in": -1}


@pytest.mark.parametrize(
    ("method", "headers", "kind"),
    [
        ("get", NAVIGATION, "text/html"),
        ("post", NAVIGATION, "text/html"),
        ("get", {}, "application/json"),
        ("get", HTMX, "application/json"),
    ],
)
def test_the_answer_while_the_provider_fails_says_when_to_try_again(
    program, expired, responses, clock, method, headers, kind
):
    responses.post(TOKEN_URL, status=502)
    first = getattr(program, method)("/uncaught/", headers=headers)
    assert first.status_code == 503
    assert first["Content-Type"].startswith(kind)
    assert first["Retry-After"] == "5"
    clock.now += 1.5
    second = getattr(program, method)("/uncaught/", headers=headers)
    assert second.status_code == 503
    assert second["Retry-After"] == "4"
    assert len(responses.calls) == 1


def test_the_provider_says_when_to_try_again(program, expired, responses, clock):
    responses.post(TOKEN_URL, status=429, headers={"Retry-After": "120"})
    assert program.get("/uncaught/")["Retry-After"] == "120"


# --- caches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("get", "/uncaught/", NAVIGATION),
        ("post", "/uncaught/", NAVIGATION),
        ("get", "/uncaught/", {}),
        ("get", "/uncaught/", HTMX),
        ("get", "/login/github/", NAVIGATION),
        ("get", "/login/github/?confirm=1", NAVIGATION),
        ("get", "/login/github/", {**NAVIGATION, "sec-purpose": "prefetch"}),
        ("get", "/login/github/?ask=forged", NAVIGATION),
        ("put", "/login/github/", NAVIGATION),
        ("get", "/login/github/authorized/?state=x&code=y", NAVIGATION),
        ("post", "/login/github/authorized/", NAVIGATION),
        ("get", "/login/github/disconnect/", NAVIGATION),
        ("post", "/login/github/disconnect/", NAVIGATION),
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_no_cache_stores_one_of_our_answers(program, method, url, headers):
    response = getattr(program, method)(url, headers=headers, secure=True)
    assert response["Cache-Control"] == "no-store, private"


# --- pages under a Content-Security-Policy --------------------------------------------------------

PAGES = [
    "bounce",
    "connections",
    "continue",
    "declined",
    "disconnect",
    "error",
    "log_in_again",
    "login",
    "other_account",
    "place",
    "reconnect",
]


def render(name):
    context = {
        "provider": providers["github"],
        "code": "access_denied",
        "login_url": "/login/github/",
        "back_url": "/",
        "url": "https://github.com/login/oauth/authorize?a=b&c=d",
        "connected": "hubot",
        "needed": "octocat",
    }
    return render_to_string(f"django_dance/{name}.html", context)


def test_the_list_of_pages_is_complete():
    folder = Path(django_dance.__file__).parent / "templates" / "django_dance"
    others = ["base", "connection_list", "unavailable"]
    assert sorted([*PAGES, *others]) == sorted(path.stem for path in folder.glob("*.html"))


@pytest.mark.parametrize("name", [*PAGES, "unavailable"])
def test_a_page_has_one_stylesheet_and_nothing_inline(name):
    page = render(name)
    assert re.findall(r"<link[^>]*>", page) == [
        '<link rel="stylesheet" href="/static/django_dance/pages.css">'
    ]
    assert not re.search(r"<style|<script|\sstyle=|\son\w+=|javascript:", page)
    assert '<meta name="color-scheme" content="light dark">' in page


@pytest.mark.parametrize("name", [*PAGES, "unavailable"])
def test_a_site_without_static_files_has_pages_without_a_stylesheet(name, settings):
    settings.STATIC_URL = None
    page = render(name)
    assert "<link" not in page
    assert "<h1>" in page or "<a href=" in page


def test_a_missing_manifest_leaves_the_pages_without_a_stylesheet(settings):
    settings.DEBUG = False
    storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": storage}}
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.staticfiles"]
    settings.STATIC_ROOT = "/nonexistent"
    page = render("error")
    assert "<link" not in page
    assert "<h1>" in page


def test_the_finders_of_staticfiles_find_the_stylesheet(settings):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.staticfiles"]
    found = AppDirectoriesFinder().find("django_dance/pages.css")
    assert "color-scheme: light dark" in Path(found).read_text("utf-8")
