"""What a session remembers, when the view logs another user in, or the user out."""

import pytest
from django.contrib.auth import login, logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.test import RequestFactory

from django_dance.exceptions import FlowError, OwnerRequired
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.sessions import OAuth
from django_dance.storage import SessionStorage

from ..conftest import GRANTED, store_token

API = "https://api.github.com/user"

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_of():
    """Makes a request with a session, of a user or an anonymous visitor."""

    def request_of(user=None):
        request = RequestFactory().get("/")
        request.session = SessionStore()
        request.session.create()
        request.user = user or AnonymousUser()
        request.oauth = OAuth(request)
        return request

    return request_of


@pytest.fixture
def grace(make_user):
    return make_user("grace")


@pytest.fixture
def accounts(responses):
    """The API, at which each access token is one of the account of the same name."""

    def answer(request):
        name = request.headers["Authorization"].split()[-1]
        return 200, {"Set-Cookie": f"seen={name}"}, f'{{"id": "{name}", "login": "{name}"}}'

    responses.add_callback("GET", API, answer)
    return responses


def test_account_info_is_that_of_the_user_who_is_logged_in(request_of, user, grace, accounts):
    store_token(user, "adas")
    store_token(grace, "graces")
    request = request_of(user)
    github = request.oauth.github
    assert github.account_info().id == "adas"
    request.user = grace
    assert github.account_info().id == "graces"
    request.user = AnonymousUser()
    with pytest.raises(Exception, match="no_token"):
        github.account_info()


def test_a_token_that_is_set_is_stored_for_the_account_of_the_user(request_of, user, grace):
    store_token(user, "adas", account="A")
    request = request_of(user)
    github = request.oauth.github
    assert github.access_token == "adas"
    request.user = grace
    github.token = {"access_token": "new"}
    (row,) = OAuthToken.objects.filter(user=grace)
    assert row.account == ""


def test_cookies_do_not_go_along_with_a_call_without_the_token(request_of, user, grace, accounts):
    store_token(user, "adas")
    request = request_of(user)
    github = request.oauth.github
    github.get(API)
    assert github.cookies.get("seen") == "adas"
    request.user = grace
    accounts.get("https://api.github.com/public", json={})
    github.get("/public", withhold_token=True)
    assert "Cookie" not in accounts.calls[-1].request.headers


def test_an_anonymous_visitors_token_ends_with_the_session(request_of, accounts):
    request = request_of()
    github = request.oauth.github
    github.token = {"access_token": "visitors"}
    assert github.account_info().id == "visitors"
    logout(request)
    assert github.token is None
    assert not github.authorized


def test_an_anonymous_visitors_token_outlasts_a_new_session_key(request_of, accounts):
    request = request_of()
    github = request.oauth.github
    github.token = {"access_token": "visitors"}
    assert github.authorized
    request.session.cycle_key()
    assert github.authorized


def test_a_token_that_may_not_be_adopted_is_not_used(request_of, user, grace, accounts, settings):
    store_token(grace, "shared", account="shared")
    request = request_of()
    github = request.oauth.github
    github.token = {"access_token": "shared"}
    request.session.save()
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    with pytest.raises(FlowError, match="account_taken"):
        request.oauth.adopt("github")
    assert github.token is None
    assert not github.authorized
    assert not OAuthToken.objects.filter(user=user).exists()


# --- a storage in the session ---------------------------------------------------------------------


@pytest.fixture
def in_the_session(settings):
    settings.DANCE_STORAGE = "django_dance.storage.SessionStorage"


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.disconnect(),
        lambda session: setattr(session, "token", GRANTED),
        lambda session: delattr(session, "token"),
    ],
    ids=["disconnect", "set", "delete"],
)
def test_a_session_stores_the_token_of_its_visitor_only(
    in_the_session, request_of, user, grace, act
):
    request = request_of(user)
    request.oauth.github.token = {"access_token": "adas"}
    other = request.oauth.github.for_user(grace)
    assert other.token is None
    with pytest.raises(OwnerRequired, match="its own visitor only"):
        act(other)
    assert providers["github"].session(request).access_token == "adas"


def test_a_session_of_an_anonymous_visitor_is_no_place_for_a_users_token(
    in_the_session, request_of, user
):
    with pytest.raises(OwnerRequired, match="its own visitor only"):
        request_of().oauth.github.for_user(user).disconnect()


def test_a_visitor_whom_a_framework_calls_none_is_anonymous(in_the_session, request_of, user):
    request = request_of()
    request.oauth.github.token = {"access_token": "the-visitors"}
    request.user = None  # as Django REST framework does with UNAUTHENTICATED_USER = None
    with pytest.raises(OwnerRequired, match="its own visitor only"):
        request.oauth.github.for_user(user).disconnect()
    assert providers["github"].session(request).access_token == "the-visitors"


def test_the_visitor_may_be_named_by_the_primary_key(in_the_session, request_of, user):
    request = request_of(user)
    request.oauth.github.token = {"access_token": "adas"}
    for key in (user.pk, str(user.pk)):
        providers["github"].session(request, user_id=key).disconnect()
    assert SessionStorage().get(request.oauth.github.owner) is None
