import asyncio
import subprocess
import sys
import textwrap

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import AsyncClient, RequestFactory
from django.views.generic import View

from django_dance.decorators import authorization_required
from django_dance.exceptions import AuthorizationRequired
from django_dance.middleware import OAuthMiddleware
from django_dance.mixins import AuthorizationRequiredMixin
from django_dance.models import OAuthToken
from django_dance.providers import providers

from .conftest import GRANTED, TOKEN_URL

API = "https://api.github.com/user"
VIEWS = ["/profile/", "/uncaught/", "/class-profile/", "/async-class-profile/"]


@pytest.fixture
def connected(member, user, responses):
    providers["github"].session(user=user).token = {**GRANTED, "scope": "read:user repo"}
    responses.get(API, json={"login": "ada"})
    return member


@pytest.mark.parametrize("url", [*VIEWS, "/async-profile/"])
def test_every_kind_of_view_accepts_a_connected_user(connected, url):
    assert connected.get(url).json() == {"login": "ada"}


@pytest.mark.parametrize("url", [*VIEWS, "/async-profile/"])
def test_every_kind_of_view_redirects_other_users_to_the_login(member, url):
    response = member.get(url)
    assert response.status_code == 302
    assert response["Location"].startswith(f"/login/github/?next=%2F{url.strip('/')}%2F")


@pytest.mark.parametrize(
    "url", ["/profile/", "/async-profile/", "/async-class-profile/", "/uncaught/"]
)
@pytest.mark.django_db(transaction=True)
def test_every_kind_of_view_works_under_asgi(url, make_user, responses):
    user = make_user()
    responses.get(API, json={"login": "ada"})

    def connect():
        providers["github"].session(user=user).token = {**GRANTED, "scope": "read:user repo"}

    async def visit():
        client, headers = AsyncClient(), {"accept": "text/html"}
        await client.aforce_login(user)
        before = await client.get(url, headers=headers)
        await sync_to_async(connect)()
        return before, await client.get(url, headers=headers)

    before, after = asyncio.run(visit())
    assert before.status_code == 302
    assert after.json() == {"login": "ada"}


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-mode": "cors"},
        {"accept": "application/json"},
        {"x-requested-with": "XMLHttpRequest"},
    ],
)
def test_a_script_gets_a_401_with_the_login_url(member, headers):
    response = member.get("/uncaught/", headers=headers)
    assert response.status_code == 401
    assert response.json() == {
        "error": "authorization_required",
        "provider": "github",
        "account": "",
        "reason": "no_token",
        "missing_scopes": [],
        "login_url": "/login/github/",
    }
    assert response["WWW-Authenticate"] == 'OAuth realm="github"'


def test_the_decorator_checks_the_token_for_each_request(member, user):
    assert member.get("/class-profile/").status_code == 302
    providers["github"].session(user=user).token = {"access_token": "x", "expires_in": -1}
    assert member.get("/class-profile/").status_code == 302
    OAuthToken.objects.all().delete()
    assert member.get("/class-profile/").status_code == 302


def test_a_page_without_oauth_costs_no_query_and_no_session_write(
    client, django_assert_num_queries
):
    with django_assert_num_queries(0):
        response = client.get("/plain/")
    assert response.content == b"plain" and not response.cookies


def test_a_page_with_one_call_costs_session_user_and_token(connected, django_assert_num_queries):
    with django_assert_num_queries(3) as queries:
        connected.get("/profile/")
    assert "django_dance_oauthtoken" in queries[-1]["sql"]


def test_a_page_without_oauth_does_not_import_requests():
    program = textwrap.dedent("""
        import os, sys
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.lean_settings"
        import django
        django.setup()
        from django.test import Client
        assert Client().get("/plain/").content == b"plain"
        assert Client().get("/nowhere/").status_code == 404
        heavy = {"requests", "requests_oauthlib", "oauthlib", "urllib3"} & set(sys.modules)
        assert not heavy, heavy
    """)
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_without_the_middleware_the_error_of_the_decorator_names_it():
    view = authorization_required("github")(lambda request: HttpResponse())
    with pytest.raises(ImproperlyConfigured, match="MIDDLEWARE, after the session"):
        view(RequestFactory().get("/"))


def test_a_view_can_require_two_providers(connect, make_request, user):
    @authorization_required("github")
    @authorization_required("gitlab")
    def view(request):
        return HttpResponse("in")

    for name in ("github", "gitlab"):
        with pytest.raises(AuthorizationRequired) as caught:
            view(make_request(user))
        assert caught.value.provider.name == name
        connect(user, name)
    assert view(make_request(user)).content == b"in"


def test_the_decorator_requires_a_provider_name():
    with pytest.raises(TypeError, match=r'@authorization_required\("github"\)'):
        authorization_required(lambda request: None)


def test_the_session_has_the_decorator(connected, rf, user):
    request = rf.get("/")
    request.user = user
    OAuthMiddleware(lambda request: HttpResponse())(request)
    view = request.oauth.github.authorization_required(lambda request: "in")
    assert view(request) == "in"


def test_the_mixin_requires_a_provider_name(rf):
    class Nameless(AuthorizationRequiredMixin, View):
        pass

    with pytest.raises(ImproperlyConfigured, match="Nameless must name its provider"):
        Nameless.as_view()(rf.get("/"))


def test_the_middleware_is_sync_and_async_capable():
    assert OAuthMiddleware.sync_capable and OAuthMiddleware.async_capable


@pytest.mark.parametrize(
    ("headers", "kind"), [({}, "text/html"), ({"accept": "application/json"}, "application/json")]
)
def test_a_provider_that_is_down_is_a_503(member, user, responses, headers, kind):
    providers["github"].session(user=user).token = {**GRANTED, "expires_in": -1}
    responses.post(TOKEN_URL, status=502)
    response = member.get("/uncaught/", headers=headers)
    assert response.status_code == 503
    assert response["Content-Type"].startswith(kind)


def test_a_storage_that_requires_a_user_redirects_an_anonymous_visitor_to_the_login(
    client, settings
):
    settings.DANCE_STORAGE = {"BACKEND": "django_dance.storage.ModelStorage"}
    assert client.get("/profile/").status_code == 302
    assert client.get("/uncaught/").status_code == 302
