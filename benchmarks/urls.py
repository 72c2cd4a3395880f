"""The pages of the site: our dance, and Authlib's as its documentation has it."""

from __future__ import annotations

from authlib.integrations.django_client import OAuth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path

authlib = OAuth()
authlib.register("github")


def authlib_login(request: HttpRequest) -> HttpResponse:
    callback = request.build_absolute_uri("/authlib/authorized/")
    response: HttpResponse = authlib.github.authorize_redirect(request, callback)
    return response


def authlib_authorized(request: HttpRequest) -> HttpResponse:
    request.session["token"] = authlib.github.authorize_access_token(request)
    return HttpResponseRedirect("/")


urlpatterns = [
    path("login/", include("django_dance.urls")),
    path("authlib/", authlib_login),
    path("authlib/authorized/", authlib_authorized),
]
