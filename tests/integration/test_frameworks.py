"""Views of Django REST framework, of django-ninja and with django-htmx, with the real packages."""

import pytest
from django.http import HttpResponse
from django.urls import include, path

from django_dance.decorators import authorization_required
from django_dance.exceptions import PlaceError
from django_dance.mixins import AuthorizationRequiredMixin
from django_dance.providers import providers

pytestmark = [
    pytest.mark.interop,
    pytest.mark.one_database("These tests differ in the answers, not in rows"),
]

LOGIN = "/login/github/"


@pytest.fixture
def serve(settings):
    """Serves views beside those of the dance: ``path("view/", …)``."""

    class Site:
        urlpatterns = [path("login/", include("django_dance.urls"))]

    def serve(*routes):
        Site.urlpatterns = [*Site.urlpatterns, *routes]
        settings.ROOT_URLCONF = Site

    return serve


@pytest.fixture
def github(fake_provider):
    github = fake_provider("github")
    github.route("GET", "/user", {"login": "ada"})
    return github


# --- Django REST framework ------------------------------------------------------------------------


@pytest.fixture
def rest_framework(settings, user):
    pytest.importorskip("rest_framework")
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "rest_framework"]
    settings.REST_FRAMEWORK = {
        "EXCEPTION_HANDLER": "django_dance.rest_framework.exception_handler",
        "DEFAULT_AUTHENTICATION_CLASSES": [f"{__name__}.HeaderAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "UNAUTHENTICATED_USER": None,
    }


class HeaderAuthentication:
    """The user whom a header names, as with an API token: Django has logged nobody in."""

    def authenticate(self, request):
        from django.contrib.auth import get_user_model

        name = request.headers.get("X-User")
        return None if name is None else (get_user_model().objects.get(username=name), None)

    def authenticate_header(self, request):
        return "Header"


@pytest.fixture(params=["mixin", "decorator", "call"])
def view(request, rest_framework, serve):
    """A view that calls the API of GitHub."""
    from rest_framework.decorators import api_view
    from rest_framework.response import Response
    from rest_framework.views import APIView

    def get(self, request):
        return Response(request.oauth.github.get("/user").json())

    class Protected(AuthorizationRequiredMixin, APIView):
        provider, scope = "github", ["read:user"]

    Protected.get = get

    class Calling(APIView):
        pass

    Calling.get = get

    @api_view(["GET"])
    @authorization_required("github")
    def decorated(request):
        return get(None, request)

    views = {"mixin": Protected.as_view(), "decorator": decorated, "call": Calling.as_view()}
    serve(path("view/", views[request.param]))


def test_rest_framework_answers_401_with_the_login(view, github, client, user):
    answer = client.get("/view/", headers={"X-User": "ada", "Accept": "application/json"})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'OAuth realm="github"'
    assert answer.json() == {
        "error": "authorization_required",
        "provider": "github",
        "account": "",
        "reason": "no_token",
        "missing_scopes": [],
        "login_url": LOGIN,
    }
    github.assert_not_asked()


def test_the_user_is_the_one_of_the_authentication(view, github, connect, client, user):
    connect(user, "github", expired=True)
    answer = client.get("/view/", headers={"X-User": "ada", "Accept": "application/json"})
    assert answer.json() == {"login": "ada"}
    github.assert_refreshed()


def test_a_request_that_is_not_authenticated_is_answered_first(view, github, client, user):
    answer = client.get("/view/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Header")
    github.assert_not_asked()


def test_rest_framework_answers_503_if_the_provider_fails(view, github, connect, client, user):
    connect(user, "github", expired=True)
    github.limit_rate(60, at="token")
    answer = client.get("/view/", headers={"X-User": "ada", "Accept": "application/json"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert answer.json() == {"error": "provider_unavailable"}


@pytest.fixture
def timeline(rest_framework, serve, override_providers):
    """A view of REST framework that needs a connection to the place in its URL."""
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Timeline(AuthorizationRequiredMixin, APIView):
        provider = "mastodon"

        def get_place(self):
            return self.kwargs["place"]

        def get(self, request, place):
            return Response(request.oauth.mastodon.at(place).place)

    serve(path("timeline/<place>/", Timeline.as_view()))
    options = {"PROVIDER": "django_dance.contrib.mastodon.Mastodon", "PLACES": ["one.example"]}
    override_providers(mastodon=options)


def test_the_mixin_takes_the_place_of_a_view_of_rest_framework(timeline, client, user):
    place = providers["mastodon"].at("one.example")
    headers = {"X-User": "ada", "Accept": "application/json"}
    refused = client.get("/timeline/one.example/", headers=headers)
    assert (refused.status_code, refused.json()["place"]) == (401, "one.example")
    place.session(user=user).token = {"access_token": "planted", "token_type": "bearer"}
    assert client.get("/timeline/one.example/", headers=headers).json() == "one.example"


def test_rest_framework_answers_400_to_a_place_that_is_not_allowed(timeline, client, user):
    headers = {"X-User": "ada", "Accept": "application/json"}
    answer = client.get("/timeline/two.example/", headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"error": "place_refused"})


def test_other_exceptions_are_answered_as_before(rest_framework, serve, client, user):
    from rest_framework.exceptions import Throttled
    from rest_framework.views import APIView

    class View(APIView):
        def get(self, request):
            raise Throttled(3)

    serve(path("view/", View.as_view()))
    answer = client.get("/view/", headers={"X-User": "ada", "Accept": "application/json"})
    assert (answer.status_code, answer["Retry-After"]) == (429, "3")


# --- django-ninja ---------------------------------------------------------------------------------


@pytest.fixture
def ninja(serve):
    pytest.importorskip("ninja")
    from ninja import NinjaAPI

    from django_dance.ninja import add_exception_handlers

    api = NinjaAPI(urls_namespace="frameworks")
    add_exception_handlers(api)

    @api.get("/user")
    def read_user(request):
        return request.oauth.github.get("/user").json()

    @api.get("/async")
    async def read_user_async(request):
        return (await request.oauth.github.aget("/user")).json()

    @api.get("/timeline/{place}")
    def read_timeline(request, place: str):
        raise PlaceError("No such place.", "place_refused")

    serve(path("api/", api.urls))


@pytest.mark.parametrize("address", ["/api/user", "/api/async"])
def test_ninja_answers_401_with_the_login(ninja, github, member, settings, address):
    settings.DEBUG = True  # without the handlers, ninja then answers with a traceback
    answer = member.get(address)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'OAuth realm="github"'
    assert "no-store" in answer["Cache-Control"]
    assert (answer.json()["reason"], answer.json()["login_url"]) == ("no_token", LOGIN)


@pytest.mark.parametrize("address", ["/api/user", "/api/async"])
def test_ninja_calls_the_api(ninja, github, connect, member, user, address):
    connect(user, "github", expired=True)
    assert member.get(address).json() == {"login": "ada"}


def test_ninja_answers_503_if_the_provider_fails(ninja, github, connect, member, user):
    connect(user, "github", expired=True)
    github.limit_rate(60, at="token")
    answer = member.get("/api/user")
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert answer.json() == {"error": "provider_unavailable"}


def test_ninja_answers_400_to_a_place_that_is_not_allowed(ninja, member):
    answer = member.get("/api/timeline/two.example")
    assert (answer.status_code, answer.json()) == (400, {"error": "place_refused"})


# --- django-htmx ----------------------------------------------------------------------------------


@pytest.fixture
def htmx(settings, serve):
    pytest.importorskip("django_htmx")
    ours = settings.MIDDLEWARE.index("django_dance.middleware.OAuthMiddleware")
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE[:ours],
        "django_htmx.middleware.HtmxMiddleware",
        *settings.MIDDLEWARE[ours:],
    ]

    @authorization_required("github")
    def part(request):
        login = request.oauth.github.get("/user").json()["login"]
        return HttpResponse(f"<b>{login}</b>" if request.htmx else f"<html>{login}</html>")

    serve(path("part/", part))


PAGE = {"HX-Request": "true", "HX-Current-URL": "https://testserver/page/"}


def test_htmx_opens_the_login_and_comes_back_to_the_page(htmx, github, member):
    answer = member.get("/part/", headers=PAGE)
    assert answer.status_code == 401
    assert answer["HX-Redirect"] == f"{LOGIN}?next=%2Fpage%2F"
    assert github.dance(member, login_url=answer["HX-Redirect"])["Location"] == "/page/"
    assert member.get("/part/", headers=PAGE).content == b"<b>ada</b>"
