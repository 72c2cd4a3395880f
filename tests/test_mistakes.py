"""Mistakes that a newcomer makes. A check or the text of an error names the cure of each."""

from __future__ import annotations

import asyncio
import logging
import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core import checks
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client, override_settings
from django.views.generic import View

from django_dance.decorators import authorization_required
from django_dance.exceptions import AuthorizationRequired
from django_dance.mixins import AuthorizationRequiredMixin
from django_dance.models import OAuthToken
from django_dance.providers import OAuth2Provider, providers
from django_dance.sessions import OAuth

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database("the texts are the same on each database"),
]

PRESET = "django_dance.contrib.github.GitHub"
GITHUB = {"PROVIDER": PRESET, "SCOPE": "read:user"}
AUTH0 = {"PROVIDER": "django_dance.contrib.auth0.Auth0"}
OAUTH2 = {
    "PROVIDER": "django_dance.providers.OAuth2Provider",
    "AUTHORIZATION_URL": "https://example.com/authorize",
    "TOKEN_URL": "https://example.com/token",
}


def github(**options):
    return {"DANCE_PROVIDERS": {"github": {**GITHUB, **options}}}


#: Settings with a mistake → the id of the check, and the cure in its hint.
SETTINGS = {
    "the name of the setting": ({"DANCE_PROVIDER": {}}, "E007", "Did you mean DANCE_PROVIDERS?"),
    "the name of another setting": (
        {"DANCE_REDIRECT_URL": "/"},
        "E007",
        "Did you mean DANCE_LOGIN_REDIRECT_URL?",
    ),
    "a list of providers": ({"DANCE_PROVIDERS": ["github"]}, "E001", f'{{"PROVIDER": "{PRESET}"}}'),
    "a path instead of options": (
        {"DANCE_PROVIDERS": {"github": PRESET}},
        "E001",
        'must be a dict of options, with at least "PROVIDER"',
    ),
    "no PROVIDER": ({"DANCE_PROVIDERS": {"github": {}}}, "E001", f'such as "{PRESET}"'),
    "the name of a preset": (github(PROVIDER="github"), "E001", f"Did you mean '{PRESET}'?"),
    "the case of a preset": (
        github(PROVIDER="django_dance.contrib.github.Github"),
        "E001",
        f"Did you mean '{PRESET}'?",
    ),
    "the module of a preset": (
        github(PROVIDER="django_dance.contrib.githab.GitHub"),
        "E001",
        f"Did you mean '{PRESET}'?",
    ),
    "a module instead of a class": (
        github(PROVIDER="django_dance.contrib.google"),
        "E001",
        'such as "django_dance.contrib.google.Google"',
    ),
    "capitals in a name": ({"DANCE_PROVIDERS": {"GitHub": GITHUB}}, "E001", "lower-case letters"),
    "SCOPES": (github(SCOPES="repo"), "E002", "Did you mean SCOPE?"),
    "REDIRECT_URI": (github(REDIRECT_URI="/"), "E002", "Did you mean REDIRECT_URL?"),
    "KEY, as elsewhere": (github(KEY="id"), "E002", "CLIENT_ID, CLIENT_SECRET"),
    "the text of a boolean": (github(SIGN_IN="yes"), "E004", "a bool; use the same type"),
    "http at the provider": (
        {"DANCE_PROVIDERS": {"acme": {**OAUTH2, "TOKEN_URL": "http://example.com/token"}}},
        "E003",
        "It must be an https address",
    ),
    "no endpoint": (
        {"DANCE_PROVIDERS": {"acme": {**OAUTH2, "TOKEN_URL": ""}}},
        "E003",
        "Add TOKEN_URL to its options",
    ),
    "no HOST": ({"DANCE_PROVIDERS": {"auth0": AUTH0}}, "E003", "Add HOST to its options"),
    "a URL as HOST": (
        {"DANCE_PROVIDERS": {"auth0": {**AUTH0, "HOST": "https://acme.auth0.com/"}}},
        "E003",
        'without "https://" and without a path',
    ),
    "no issuer": (
        {"DANCE_PROVIDERS": {"acme": {"PROVIDER": "django_dance.providers.OIDCProvider"}}},
        "E003",
        "Add ISSUER to its options",
    ),
    "the kind of client authentication": (
        github(CLIENT_AUTH="header"),
        "E004",
        '"basic", "post" or, for a client without a secret, "none"',
    ),
    "no credentials": (
        {"GITHUB_OAUTH_CLIENT_ID": None, **github()},
        "W005",
        "Register the site at the provider, and set GITHUB_OAUTH_CLIENT_ID.",
    ),
    "credentials with another name": (
        {"GITHUB_OAUTH_CLIENT_ID": None, "GITHUB_CLIENT_ID": "id", **github()},
        "W005",
        "Or is it GITHUB_CLIENT_ID? Rename it.",
    ),
    "sign-in without the backend": (
        {**github(SIGN_IN=True), "AUTHENTICATION_BACKENDS": ["a.Backend"]},
        "E027",
        'Add "django_dance.backends.ConnectedAccountBackend" to AUTHENTICATION_BACKENDS.',
    ),
    "no middleware": (
        {"MIDDLEWARE": []},
        "E009",
        'Add "django_dance.middleware.OAuthMiddleware" to MIDDLEWARE, after',
    ),
    "the order of the middleware": (
        {
            "MIDDLEWARE": [
                "django_dance.middleware.OAuthMiddleware",
                "django.contrib.sessions.middleware.SessionMiddleware",
            ]
        },
        "E010",
        'Move "django_dance.middleware.OAuthMiddleware" below',
    ),
    "no URLs": (
        {"ROOT_URLCONF": "tests.bare_urls", **github()},
        "W011",
        'Add path("login/", include("django_dance.urls")) to your URLconf',
    ),
    "no templates": ({"TEMPLATES": []}, "E012", '"APP_DIRS": True'),
    "the class of a storage": (
        {"DANCE_STORAGE": "django_dance.storage.ModelStore"},
        "E006",
        "Did you mean 'django_dance.storage.ModelStorage'?",
    ),
    "a storage without BACKEND": ({"DANCE_STORAGE": {}}, "E006", '{"BACKEND": "dotted.path"'),
    "one key instead of a list": (
        {"DANCE_ENCRYPTION_KEYS": "k" * 50},
        "E008",
        "must be a list of strings",
    ),
    "a short key": ({"DANCE_ENCRYPTION_KEYS": ["short"]}, "E008", "secrets.token_urlsafe(48)"),
    "an origin without https": (
        {"DANCE_BASE_URL": "example.com"},
        "E008",
        'public https origin, without a path: "https://example.com"',
    ),
    "an unknown cache": ({"DANCE_CACHE": "redis"}, "E008", "an alias in CACHES, or None"),
    "an unknown page after the dance": (
        {"DANCE_LOGIN_REDIRECT_URL": "profil"},
        "E008",
        "a path that begins with a slash, or the name of a URL",
    ),
}


@pytest.mark.parametrize(("mistake", "check", "cure"), SETTINGS.values(), ids=SETTINGS)
def test_a_check_names_the_cure(mistake, check, cure):
    with override_settings(**mistake):
        found = {
            message.id: message.hint
            for message in checks.run_checks()
            if message.id.startswith("django_dance.")
        }
    assert cure in found[f"django_dance.{check}"]


@pytest.mark.parametrize("scope", ["read:user repo", "read:user,repo", ["read:user", "repo"]])
def test_settings_without_a_mistake_pass(scope):
    with override_settings(**github(SCOPE=scope)):
        assert [m for m in checks.run_checks() if m.id.startswith("django_dance.")] == []


# --- code -----------------------------------------------------------------------------------------


@pytest.fixture
def request_(rf, user):
    made = rf.get("/")
    made.user, made.session = user, {}
    made.oauth = OAuth(made)
    return made


def sync_call_in_async_code(request):
    async def view():
        return providers["github"].session(user=request.user).get("/user")

    return asyncio.run(view())


def unnamed_view(request):
    class ProfileView(AuthorizationRequiredMixin, View):
        pass

    return ProfileView().dispatch(request)


NO_USER = "pass one, providers['github'].session(user=user)."
#: A mistake in code → the cure in the text of the error.
CODE = {
    "no parentheses": (
        lambda request: authorization_required(HttpResponse),
        'Name the provider: @authorization_required("github").',
    ),
    "scopes=": (
        lambda request: authorization_required("github", scopes=["repo"]),
        '@authorization_required("github", scope=["…"])',
    ),
    "a scope without its name": (
        lambda request: authorization_required("github", "repo"),
        '@authorization_required("github", scope=["…"])',
    ),
    "an unknown answer": (
        lambda request: authorization_required("github", answer="html"),
        'it must be "auto", "page" or "json"',
    ),
    "a mixin without provider": (unnamed_view, 'must name its provider: provider = "github"'),
    "the name in a decorator": (
        lambda request: authorization_required("githb")(HttpResponse)(request),
        "Did you mean 'github'?",
    ),
    "the name of an attribute": (
        lambda request: request.oauth.githb,
        "Did you mean 'github'?",
    ),
    "no middleware": (
        lambda request: (
            delattr(request, "oauth") or authorization_required("github")(HttpResponse)(request)
        ),
        'add "django_dance.middleware.OAuthMiddleware" to MIDDLEWARE',
    ),
    "an attribute of the registry": (
        lambda request: providers.github,
        "The provider of this name is providers['github'].",
    ),
    "a call of a provider": (
        lambda request: providers["github"].get("/user"),
        "Sessions have it: request.oauth['github'], or providers['github'].session(user=user)",
    ),
    "a change of a provider": (
        lambda request: setattr(providers["github"], "scope", "repo"),
        "set SCOPE in DANCE_PROVIDERS['github']",
    ),
    "a job for an anonymous visitor": (
        lambda request: providers["github"].session(user=AnonymousUser()).get("/user"),
        NO_USER,
    ),
    "a job without a user": (lambda request: providers["github"].session().get("/user"), NO_USER),
    "a job for a new user": (
        lambda request: providers["github"].session(user=get_user_model()()).get("/user"),
        NO_USER,
    ),
    "a job for no user": (
        lambda request: providers["github"].session(user=None),
        "Pass a stored user, or the primary key of one",
    ),
    "a primary key as user": (
        lambda request: providers["github"].session(user=request.user.pk),
        "session(user_id=…)",
    ),
    "a user as request": (
        lambda request: providers["github"].session(request.user),
        "Name the argument: session(user=user)",
    ),
    "a token as text": (
        lambda request: setattr(request.oauth.github, "token", "abc"),
        'session.token = {"access_token": …}',
    ),
    "another host": (
        lambda request: request.oauth.github.get("https://example.com/"),
        "add the origin to API_ORIGINS in DANCE_PROVIDERS['github']",
    ),
    "http for the API": (
        lambda request: request.oauth.github.get("http://api.github.com/user"),
        "write https://",
    ),
    "a sync call in async code": (sync_call_in_async_code, "aget() for get()"),
}


@pytest.mark.parametrize(("mistake", "cure"), CODE.values(), ids=CODE)
def test_the_text_of_the_error_names_the_cure(request_, mistake, cure):
    request_.oauth.github.token = {"access_token": "planted"}
    with pytest.raises(Exception, match=re.escape(cure)):
        mistake(request_)


def test_an_error_within_a_property_of_a_provider_is_not_hidden():
    class Acme(OAuth2Provider):
        @property
        def plan(self):
            return self.no_such_fact

    with pytest.raises(AttributeError, match="no attribute 'no_such_fact'"):
        _ = Acme("acme").plan


def test_a_job_for_a_user_who_is_not_connected_has_the_address_of_the_login(user):
    with pytest.raises(AuthorizationRequired) as caught:
        providers["github"].session(user=user).get("/user")
    assert caught.value.login_url == "/login/github/"


@pytest.mark.parametrize("who", ["visitor", "job"])
def test_a_missing_table_names_the_command(user, request_, who):
    session = request_.oauth.github if who == "visitor" else providers["github"].session(user=user)
    table = OAuthToken._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_elsewhere")
    try:
        with pytest.raises(Exception, match=table) as caught:
            session.get("/user")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table}_elsewhere RENAME TO {table}")
    assert "run `python manage.py migrate`" in caught.value.__notes__[0]


def test_http_in_production_names_the_settings_of_a_proxy(caplog):
    client = Client()
    with caplog.at_level(logging.WARNING, "django_dance"):
        answer = client.get("/login/github/", headers={"host": "www.example.com"})
    assert answer.status_code == 400
    assert "set SECURE_PROXY_SSL_HEADER or DANCE_BASE_URL" in caplog.text


def test_a_command_shows_the_redirect_uri_to_register(capsys):
    call_command("dance_providers", base_url="https://example.com")
    assert "https://example.com/login/github/authorized/" in capsys.readouterr().out


def test_the_table_has_forty_mistakes():
    assert len(SETTINGS) + len(CODE) >= 40
