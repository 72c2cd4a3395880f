"""Protected views of Django REST framework and django-ninja, with the real packages."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import include, path

from ..conftest import Browser
from .conftest import make_server, serve

pytestmark = pytest.mark.interop

CHALLENGE = 'Bearer realm="oauth_server", scope="email"'
INVALID = (
    'Bearer realm="oauth_server", error="invalid_token", '
    'error_description="Bearer token not found.", scope="email"'
)


def insufficient(scope):
    return (
        'Bearer realm="oauth_server", error="insufficient_scope", '
        f'error_description="Bearer token scope not valid.", scope="{scope}"'
    )


@pytest.fixture(params=["rest_framework", "ninja"])
def api(request, db, settings):
    """The path of a view that needs the scope ``email``, or a session with its CSRF token."""
    make = request.getfixturevalue(request.param)
    return make()


@pytest.fixture
def rest_framework(settings):
    framework = pytest.importorskip("rest_framework")
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "rest_framework"]
    from rest_framework.authentication import SessionAuthentication
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from django_dance.server import rest_framework as ours

    assert framework

    def make(permission=None, **attributes):
        own = make_server()

        class OAuth(ours.TokenAuthentication):
            server = own

        class View(APIView):
            authentication_classes = (OAuth, SessionAuthentication)
            permission_classes = (permission or TokenOrSession,)
            required_scopes = ("email",)

            def get(self, request):
                return Response(seen(request))

            def post(self, request):
                return Response(seen(request))

        for name, value in attributes.items():
            setattr(View, name, value)
        serve(
            settings,
            own,
            path("api/", View.as_view(), name="api"),
            path("", include("rest_framework.urls")),
        )
        return "/api/"

    class TokenOrSession(ours.HasScopes):
        def has_permission(self, request, view):
            if request.auth is None:
                return request.user.is_authenticated
            return super().has_permission(request, view)

    return make


@pytest.fixture
def ninja(settings):
    pytest.importorskip("ninja")
    from ninja import NinjaAPI
    from ninja.security import django_auth

    from django_dance.server.ninja import TokenAuth, add_challenges

    def make():
        own = make_server()
        api = NinjaAPI(auth=[TokenAuth(own, "email"), django_auth])
        add_challenges(api)

        @api.get("/")
        def get(request):
            return seen(request)

        @api.post("/")
        def post(request):
            return seen(request)

        @api.get("/async")
        async def asynchronous(request):
            return {"client": request.auth.client_id}

        serve(settings, own, path("api/", api.urls))
        return "/api/"

    return make


def seen(request):
    token = request.auth
    return {
        "user": str(request.user),
        "token": type(token).__name__,
        "client": getattr(token, "client_id", None),
    }


def call(browser, method, path, token=None):
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return getattr(browser, method)(path, headers=headers)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_request_with_a_token_is_accepted_without_a_cookie(api, app, member, method):
    token = app.token(member)["access_token"]
    response = call(Browser(enforce_csrf_checks=True), method, api, token)
    assert response.status_code == 200, response.content
    assert response.json() == {
        "user": "ada",
        "token": "AccessToken",
        "client": app.client.client_id,
    }


def test_a_session_without_a_csrf_token_is_refused(api, member, user):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    assert call(browser, "post", api).status_code == 403
    assert call(browser, "get", api).status_code == 200


def test_the_token_counts_if_there_is_a_session_too(api, app, member, make_user):
    token = app.token(member)["access_token"]
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(make_user("grace"))
    assert call(browser, "post", api, token).json()["user"] == "ada"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_request_without_a_token_gets_a_challenge(api, method):
    response = call(Browser(), method, api)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == CHALLENGE


def test_an_unknown_token_is_refused(api):
    response = call(Browser(), "get", api, "unknown")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == INVALID
    assert response.json()["error"] == "invalid_token"


def test_a_token_without_the_scope_is_refused(api, app, member):
    response = call(Browser(), "get", api, app.token(member, scope="address")["access_token"])
    assert response.status_code == 403
    assert response["WWW-Authenticate"] == insufficient("email")
    assert response.json()["error"] == "insufficient_scope"


def test_a_malformed_header_is_refused(api):
    response = call(Browser(), "get", api, "a b")
    assert response.status_code == 400
    assert 'error="invalid_request"' in response["WWW-Authenticate"]


# --- Django REST framework ------------------------------------------------------------------------


def test_the_scopes_can_depend_on_the_method(rest_framework, app, member):
    from django_dance.server.rest_framework import HasScopes

    api = rest_framework(
        HasScopes, required_scopes={"GET": ["email"], "POST": ["email", "address"]}
    )
    token = app.token(member)["access_token"]
    assert call(Browser(), "get", api, token).status_code == 200
    response = call(Browser(), "post", api, token)
    assert (response.status_code, response["WWW-Authenticate"]) == (
        403,
        insufficient("email address"),
    )


def test_one_of_the_scopes_can_be_enough(rest_framework, app, member):
    from django_dance.server.rest_framework import HasAnyScope

    api = rest_framework(HasAnyScope, required_scopes=["email", "address"])
    assert call(Browser(), "get", api, app.token(member)["access_token"]).status_code == 200
    wide = app.token(member, scope="address")["access_token"]
    assert call(Browser(), "get", api, wide).status_code == 200


def test_a_client_that_acts_for_itself_is_accepted_by_its_scopes(rest_framework, register):
    from django_dance.server.rest_framework import HasScopes

    api = rest_framework(HasScopes)
    app = register(grant_types="client_credentials")
    token = app.post("token/", {"grant_type": "client_credentials"}).json()["access_token"]
    assert call(Browser(), "get", api, token).json()["user"] == "AnonymousUser"


def test_a_session_alone_has_no_scopes(rest_framework, member):
    from django_dance.server.rest_framework import HasScopes

    api = rest_framework(HasScopes)
    assert call(member, "get", api).status_code == 403


def test_the_requests_of_a_client_are_limited(rest_framework, app, register, member):
    from django_dance.server.rest_framework import ClientRateThrottle

    class Throttle(ClientRateThrottle):
        rate = "2/hour"

    api = rest_framework(throttle_classes=[Throttle])
    token = app.token(member)["access_token"]
    assert [call(Browser(), "get", api, token).status_code for _ in range(3)] == [200, 200, 429]
    other = register("Other").token(member)["access_token"]
    assert call(Browser(), "get", api, other).status_code == 200


@pytest.mark.filterwarnings("error::django.core.cache.CacheKeyWarning")
def test_the_requests_of_a_client_with_the_longest_id_are_limited(
    rest_framework, app, register, member
):
    """The id of a client can be the URL of its document; a key of memcached has 250 characters."""
    from django_dance.server.rest_framework import ClientRateThrottle

    api = rest_framework(throttle_classes=[type("T", (ClientRateThrottle,), {"rate": "1/hour"})])
    client_id = "https://client.example/".ljust(255, "a")
    token = register("Long", client_id=client_id).token(member)["access_token"]
    assert [call(Browser(), "get", api, token).status_code for _ in range(2)] == [200, 429]


def test_a_method_that_the_view_does_not_have_is_answered_405(rest_framework, app, member):
    url = rest_framework(required_scopes={"GET": ["email"], "POST": ["email"]})
    token = app.token(member)["access_token"]
    for method in ("delete", "put"):
        assert call(Browser(), method, url).status_code == 401
        assert call(Browser(), method, url, token).status_code in (403, 405)


def test_a_resource_is_known_before_the_first_request(rest_framework):
    from django_dance.server.rest_framework import TokenAuthentication

    site = make_server()
    type("Tools", (TokenAuthentication,), {"server": site, "resource": "https://testserver/tools"})
    assert set(site.resources) == {"https://testserver/tools"}
    with pytest.raises(ImproperlyConfigured, match="must name its server"):
        type("Lost", (TokenAuthentication,), {"resource": "https://testserver/tools"})


def test_the_browsable_api_works(rest_framework, app, member):
    api = rest_framework()
    token = app.token(member)["access_token"]
    for browser, headers in ((member, {}), (Browser(), {"Authorization": f"Bearer {token}"})):
        page = browser.get(api, headers={"Accept": "text/html", **headers})
        assert page.status_code == 200 and "Django REST framework" in page.content.decode()
    assert Browser().get(api, headers={"Accept": "text/html"}).status_code == 401


def test_the_schema_of_drf_spectacular_has_the_scopes(rest_framework, app):
    pytest.importorskip("drf_spectacular")
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.openapi import AutoSchema
    from drf_spectacular.validation import validate_schema

    rest_framework(schema=AutoSchema())
    schema = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(schema)
    assert {"oauth2": ["email"]} in schema["paths"]["/api/"]["get"]["security"]
    flow = schema["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"]
    assert flow["tokenUrl"] == "https://testserver/oauth/token/"
    assert flow["scopes"]["email"] == "see your email address"


# --- django-ninja ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_async_operation_of_ninja_gets_the_token(ninja, app, member):
    api = ninja()
    token = app.token(member)["access_token"]
    response = call(Browser(), "get", f"{api}async", token)
    assert response.json() == {"client": app.client.client_id}


def test_the_schema_of_ninja_has_the_bearer_scheme(ninja):
    api = ninja()
    schema = Browser().get(f"{api}openapi.json").json()
    assert {"type": "http", "scheme": "bearer"} in schema["components"]["securitySchemes"].values()
