"""The pages of the site: our dance, Authlib's dance as in its documentation, and pages that our
server and django-oauth-toolkit protect."""

from __future__ import annotations

from authlib.integrations.django_client import OAuth
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import include, path
from oauth2_provider.decorators import protected_resource

from django_dance.decorators import authorization_required
from django_dance.models import OAuthToken
from django_dance.server import AuthorizationServer, bind_models

authlib = OAuth()
authlib.register("github")


@login_required
def authlib_login(request: HttpRequest) -> HttpResponse:
    callback = request.build_absolute_uri("/authlib/authorized/")
    response: HttpResponse = authlib.github.authorize_redirect(request, callback)
    return response


@login_required
def authlib_authorized(request: HttpRequest) -> HttpResponse:
    """Store the token for the user, sealed, in the table that our dance uses, too."""
    token = authlib.github.authorize_access_token(request)
    OAuthToken.objects.update_or_create(
        user=request.user, provider="authlib", account="", defaults={"token": dict(token)}
    )
    return HttpResponseRedirect("/")


server = AuthorizationServer()
bind_models(
    server,
    client="django_dance_server.Client",
    token="django_dance_server.Token",
    grant="django_dance_server.Grant",
)


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


@authorization_required("fake")
def expired(request: HttpRequest) -> HttpResponse:
    """The view that the benchmark of a test calls."""
    return JsonResponse(request.oauth.fake.get("/user").json())  # type: ignore[attr-defined]


urlpatterns = [
    path("login/", include("django_dance.urls")),
    path("authlib/", authlib_login),
    path("authlib/authorized/", authlib_authorized),
    path("allauth/", include("allauth.urls")),
    path("social/", include("social_django.urls")),
    path("expired/", expired),
    path("open/", page),
    path("protected/", server.require_oauth("read")(page)),
    path("toolkit/", protected_resource(scopes=["read"])(page)),
]
