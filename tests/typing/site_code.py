"""The code of a site, as a type checker sees it. ``make check`` runs mypy and pyright on it.

It is not executed. ``assert_type`` states the type that the checker must infer.
"""

from typing import Any, assert_type

import requests
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.generic import View

from django_dance import tokens
from django_dance.decorators import authorization_required
from django_dance.exceptions import AuthorizationRequired
from django_dance.mixins import AuthorizationRequiredMixin
from django_dance.models import OAuthToken
from django_dance.providers import AccountInfo, Provider, providers
from django_dance.providers.device import DeviceAuthorization
from django_dance.sessions import DanceSession, OAuth
from django_dance.tokens import Connection, Token


class SiteRequest(HttpRequest):
    """The request of a site with ``OAuthMiddleware``."""

    oauth: OAuth


@authorization_required("github", scope=["repo"])
def profile(request: SiteRequest, page: int = 1) -> JsonResponse:
    response = request.oauth.github.get("/user", params={"page": page})
    assert_type(response, requests.Response)
    return JsonResponse(response.json())


@authorization_required("github")
async def async_profile(request: SiteRequest) -> HttpResponse:
    response = await request.oauth.github.aget("/user")
    assert_type(response, requests.Response)
    return HttpResponse(response.content)


class Profile(AuthorizationRequiredMixin, View):
    provider = "github"

    def get(self, request: SiteRequest) -> HttpResponse:
        return profile(request, page=2)


def use_a_session(request: SiteRequest, user: User) -> None:
    assert_type(profile(request), JsonResponse)
    session = request.oauth["github"]
    assert_type(session, DanceSession)
    assert_type(request.oauth.github, DanceSession)
    assert_type("github" in request.oauth, bool)
    assert_type(session.authorized, bool)
    assert_type(session.token, Token | None)
    assert_type(session.access_token, str | None)
    assert_type(session.scopes, frozenset[str])
    assert_type(session.missing_scopes("repo"), tuple[str, ...])
    assert_type(session.refresh(), Token)
    assert_type(session.refresh(within=600), Token)
    assert_type(session.login_url, str)
    assert_type(session.get_login_url(next="/", scope="repo"), str)
    assert_type(session.get_login_url(account="1", prompt="login", login_hint="ada"), str)
    assert_type(session.get_login_url(acr_values=["high"], max_age=60), str)
    assert_type(session.account_info(), AccountInfo)
    assert_type(session.accounts, list[DanceSession])
    assert_type(session.account("1").account_label, str)
    assert_type(session.for_user(user), DanceSession)
    assert_type(session.id_claims, dict[str, Any])
    assert_type(session.userinfo(), dict[str, Any])
    assert_type(session.logout_url("https://example.com/"), str | None)
    session.require(scope="repo")
    session.disconnect()
    session.token = {"access_token": "a"}
    del session.token
    assert_type(request.oauth.adopt("github"), list[str])
    assert_type(session.connection, Connection | None)
    assert_type(request.oauth.connections(), list[Connection])
    assert_type(providers["github"].connections(user), list[Connection])
    assert_type(OAuthToken.objects.active().first(), OAuthToken | None)


def use_a_provider(user: User) -> None:
    provider = providers["github"]
    assert_type(provider, Provider)
    assert_type(provider.session(user=user), DanceSession)
    assert_type(provider.client_credentials(), Token)
    device = provider.begin_device(scope="repo")
    assert_type(device, DeviceAuthorization)
    assert_type(device.user_code, str)
    assert_type(provider.wait_for_device(device), Token)
    try:
        provider.session(user_id=user.pk).get("/user")
    except AuthorizationRequired as required:
        assert_type(required.reason, str)
        assert_type(required.missing_scopes, tuple[str, ...])


async def use_a_session_in_async_code(request: SiteRequest) -> None:
    session = request.oauth.github
    assert_type(await session.aauthorized(), bool)
    assert_type(await session.atoken(), Token | None)
    await session.arequire(scope="repo")
    assert_type(await session.apost("/user", json={}), requests.Response)
    await session.adisconnect()


def name_that_is_no_name_of_ours() -> object:
    return tokens.Tokens  # type: ignore[attr-defined]
