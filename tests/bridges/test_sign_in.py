"""The parts of the bridges that need no library: the moment of storing, OAuth 1, the settings."""

import logging
from types import SimpleNamespace

import pytest
from django.contrib.auth import login
from django.contrib.auth.models import AnonymousUser
from django.core import checks

from django_dance.bridges.social_auth import store_token
from django_dance.management.sources import AllAuth, SocialAuth
from django_dance.providers import ClientCredentials, providers

from ..conftest import make_session

pytestmark = pytest.mark.django_db

PAIR = {"oauth_token": "planted-token", "oauth_token_secret": "planted-secret"}


class Backend:
    """A backend of OAuth 1, as a step of the pipeline sees it."""

    name = "tripit"

    def __init__(self, request):
        self.strategy = SimpleNamespace(request=request)

    def get_key_and_secret(self):
        return "tripit-client", "planted-tripit-client-secret"

    def setting(self, name):
        return None


def sign_in(request, user, **response):
    store_token(Backend(request), {"access_token": PAIR, **response}, "13", user=user)


def test_a_token_of_oauth_1_is_stored(user, make_request):
    request = make_request(user)
    sign_in(request, user)
    token = user.oauth_tokens.get().token
    assert {name: token[name] for name in PAIR} == PAIR
    assert request.oauth.tripit.authorized


def test_the_token_is_stored_when_the_user_is_logged_in(user, make_request):
    request = make_request()
    sign_in(request, user)
    assert not user.oauth_tokens.exists()
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    assert user.oauth_tokens.get().token["oauth_token"] == "planted-token"


def test_the_token_is_not_stored_for_another_user_who_logs_in(
    user, make_request, django_user_model
):
    request, grace = make_request(), django_user_model.objects.create(username="grace")
    sign_in(request, user)
    login(request, grace, "django.contrib.auth.backends.ModelBackend")
    assert not user.oauth_tokens.exists()
    assert not grace.oauth_tokens.exists()


def test_the_token_is_stored_by_one_login_only(user, make_request):
    request = make_request()
    sign_in(request, user)
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    make_session(user)  # another request
    providers["tripit"].session(user=user).disconnect()
    login(make_request(), user, "django.contrib.auth.backends.ModelBackend")
    assert not user.oauth_tokens.exists()


def test_a_pipeline_without_a_user_stores_nothing(make_request, django_user_model):
    request = make_request()
    sign_in(request, None)
    assert isinstance(request.user, AnonymousUser)
    assert not request.oauth.connections()


def test_a_token_that_cannot_be_sent_is_not_stored(user, make_request, caplog):
    request = make_request(user)
    with caplog.at_level(logging.WARNING, "django_dance"):
        sign_in(request, user, access_token="planted token with spaces")
    assert not user.oauth_tokens.exists()
    (record,) = caplog.records
    assert record.message == (
        "tripit: the token of a sign-in is not stored: the row has no valid token of OAuth 1"
    )


def test_the_token_of_a_team_is_left_alone(user, make_user, make_request, settings, caplog):
    team = make_user("team:1")
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"user": lambda owner: team},
    }
    with caplog.at_level(logging.WARNING, "django_dance"):
        sign_in(make_request(user), user)
    assert not team.oauth_tokens.exists()
    assert "the user's connections are those of a team" in caplog.text


class GitHub(Backend):
    name = "github"

    def get_key_and_secret(self):
        return "github-client", "planted-github-client-secret"

    def get_scope(self):
        return ["read:user"]


class Row:
    """A row of the library."""

    saved = None

    def __init__(self, **extra):
        self.extra_data = extra

    def save(self, *, update_fields):
        self.saved = [dict(self.extra_data), update_fields]


def test_a_refresh_token_that_social_auth_has_stored_before_is_taken_over(user, make_request):
    request, row = make_request(user), Row(id="42", refresh_token="planted-earlier")
    answer = {"access_token": "planted-new", "token_type": "bearer", "expires_in": 3600}
    store_token(GitHub(request), answer, "42", user=user, social=row, details={"username": "ada"})
    stored = user.oauth_tokens.get()
    assert (stored.account, stored.label, stored.scope) == ("42", "ada", "read:user")
    assert stored.token["refresh_token"] == "planted-earlier"
    assert row.saved == [{"id": "42"}, ["extra_data"]]


def test_the_refresh_token_is_removed_from_the_row_under_each_name(user, make_request):
    request, row = make_request(user), Row(id="42", refresh="planted-one")
    answer = {"access_token": "planted-new", "refresh_token": "planted-one", "expires": 3600}
    store_token(GitHub(request), answer, "42", user=user, social=row)
    assert user.oauth_tokens.get().token["refresh_token"] == "planted-one"
    assert row.extra_data == {"id": "42"}


# --- which provider is which -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("library", "theirs", "ours"),
    [
        (AllAuth, "google", "google"),
        (SocialAuth, "google-oauth2", "google"),
        (SocialAuth, "facebook", None),
        (AllAuth, "company-login", "gitlab"),
        (AllAuth, "github", None),
    ],
)
def test_a_provider_of_a_library_belongs_to_one_of_ours(settings, library, theirs, ours):
    settings.DANCE_BRIDGES = {"company-login": "gitlab", "github": None}
    assert library().name_here(theirs, {}) == ours


@pytest.mark.parametrize("value", [["google"], {"google": "nowhere"}, {1: "google"}])
def test_the_check_reports_an_invalid_mapping(settings, value):
    settings.DANCE_BRIDGES = value
    (message,) = [m for m in checks.run_checks(tags=["django_dance"]) if m.id.endswith("E008")]
    assert message.msg == f"DANCE_BRIDGES is {value!r}."
    assert "another library's name of a provider" in message.hint


def test_the_check_reports_a_bridge_that_does_not_exist(settings):
    settings.SOCIAL_AUTH_PIPELINE = ["django_dance.bridges.nowhere.store_token"]
    (message,) = [m for m in checks.run_checks(tags=["django_dance"]) if m.id.endswith("E022")]
    assert message.msg == "The bridge django_dance.bridges.nowhere cannot be imported."


# --- credentials ------------------------------------------------------------------------------


def credentials(provider, owner):
    return ClientCredentials(f"client-of-{provider.name}", "planted-secret")


@pytest.mark.parametrize("function", [credentials, f"{__name__}.credentials"])
def test_a_function_may_return_the_credentials(settings, function):
    entry = {**settings.DANCE_PROVIDERS["github"], "CREDENTIALS": function}
    settings.DANCE_PROVIDERS = {"github": entry}
    settings.GITHUB_OAUTH_CLIENT_ID = None
    github = providers["github"]
    assert github.missing_credentials() == []
    assert github.get_client_credentials(github.session().owner).client_id == "client-of-github"
