"""Session fixation: a session key that an attacker has planted in a visitor's browser.

A sub-domain can set a cookie for its parent domain, so the attacker knows the visitor's session
key, or has the visitor use the attacker's session.
"""

import importlib
import json

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import login
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore

from django_dance.exceptions import AuthorizationRequired, TokenTooLarge
from django_dance.providers import providers
from django_dance.sessions import OAuth
from django_dance.signals import oauth_authorized
from django_dance.storage import MemoryStorage, SessionStorage
from django_dance.tokens import ResourceOwner, seal

from ..conftest import GRANTED, TOKEN_URL, Browser, Dance

API = "https://api.github.com/user"
ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]
COOKIE = "sessionid"

pytestmark = pytest.mark.django_db


@pytest.fixture(params=ENGINES)
def engine(request, settings, tmp_path):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    return request.param


@pytest.fixture
def session_storage(settings):
    settings.DANCE_STORAGE = "django_dance.storage.SessionStorage"


@pytest.fixture(autouse=True)
def api(responses):
    responses.get(API, json={"id": 1, "login": "ada"})
    responses.post("https://gitlab.com/oauth/token", json={**GRANTED, "access_token": "of-gitlab"})
    return responses


@pytest.fixture
def attacker(engine):
    """The attacker's browser, with a session of its own."""
    browser = Browser()
    session = browser.session
    session["theirs"] = True
    session.save()
    browser.cookies[COOKIE] = session.session_key
    return browser


@pytest.fixture
def request_of(rf):
    """A request with the session of a browser, as the middleware loads it."""

    def request_of(browser, user=None):
        request = rf.get("/")
        store = importlib.import_module(django_settings.SESSION_ENGINE).SessionStore
        request.session = store(browser.cookies[COOKIE].value)
        request.user = user or AnonymousUser()
        request.oauth = OAuth(request)
        return request

    return request_of


def plant(attacker, browser):
    """Set the attacker's session cookie in another browser, as a sub-domain can."""
    browser.cookies[COOKIE] = attacker.cookies[COOKIE].value


def uses_the_token(browser):
    response = browser.get("/profile/")
    return response.status_code == 200 and response.json()["login"] == "ada"


# --- a planted session key --------------------------------------------------------------------


def test_a_planted_session_key_does_not_open_the_token(attacker, client, dance):
    plant(attacker, client)
    assert dance(client).callback().status_code == 302
    assert uses_the_token(client)
    assert not uses_the_token(attacker)


def test_a_planted_session_key_does_not_open_the_token_of_the_next_dance(
    attacker, client, dance, request_of
):
    """The session that is planted has a token already: the attacker's own."""
    dance(attacker, granted={"access_token": "theirs"}).callback()
    plant(attacker, client)
    dance(client).callback()
    assert uses_the_token(client)
    assert request_of(attacker).oauth.github.access_token != GRANTED["access_token"]


def test_a_planted_session_of_a_user_does_not_open_the_token(
    attacker, client, dance, make_user, session_storage, engine
):
    """The victim does not notice that this is the attacker's account."""
    attacker.force_login(make_user("mallory"))
    plant(attacker, client)
    assert dance(client).callback().status_code == 302
    assert uses_the_token(client)
    assert not uses_the_token(attacker)


def test_a_token_that_a_view_sets_gives_the_session_another_key(attacker, request_of):
    request = request_of(attacker)
    request.oauth.github.token = GRANTED
    request.session.save()
    assert request.session.session_key != attacker.cookies[COOKIE].value
    assert request.session["theirs"]
    assert not uses_the_token(attacker)


def test_a_visitors_token_in_the_process_gives_the_session_another_key(
    attacker, client, dance, settings
):
    settings.DANCE_STORAGE = MemoryStorage()
    plant(attacker, client)
    assert dance(client).callback().status_code == 302
    assert uses_the_token(client)
    assert not uses_the_token(attacker)


# --- a planted session ------------------------------------------------------------------------


def test_a_session_that_was_planted_before_the_attackers_dance_is_not_adopted(
    attacker, client, dance, request_of, user
):
    plant(attacker, client)
    dance(attacker).callback()
    assert uses_the_token(attacker)
    request = request_of(client)
    login(request, user)
    assert request.oauth.adopt() == []
    assert not user.oauth_tokens.exists()


# --- what goes on as before -------------------------------------------------------------------


def test_a_visitors_own_token_is_adopted_after_the_login(engine, client, dance, request_of, user):
    dance(client).callback()
    request = request_of(client)
    login(request, user)
    assert request.oauth.adopt() == ["github"]
    assert user.oauth_tokens.get().token["access_token"] == GRANTED["access_token"]


def test_a_visitors_own_token_is_adopted_in_the_session(
    engine, client, dance, request_of, user, session_storage
):
    dance(client).callback()
    request = request_of(client)
    login(request, user)
    assert request.oauth.adopt() == ["github"]
    request.session.save()
    client.cookies[COOKIE] = request.session.session_key
    assert uses_the_token(client)


def test_a_login_in_another_users_session_leaves_nothing_to_adopt(
    engine, client, dance, request_of, user, make_user
):
    dance(client).callback()
    request = request_of(client)
    login(request, make_user("grace"))
    login(request, user)
    assert request.oauth.adopt() == []


def test_flows_of_two_tabs_end_one_after_the_other(engine, client, dance, request_of):
    client.cookies[COOKIE] = client.session.session_key
    first, second = dance(client), Dance(client, "gitlab")
    assert second.callback().status_code == first.callback().status_code == 302
    oauth = request_of(client).oauth
    assert oauth.github.access_token == GRANTED["access_token"]
    assert oauth.gitlab.access_token == "of-gitlab"


def test_what_the_session_held_before_stays(engine, client, dance):
    session = client.session
    session["cart"] = ["book"]
    session.save()
    client.cookies[COOKIE] = session.session_key
    dance(client).callback()
    assert client.session["cart"] == ["book"]


def test_a_refresh_keeps_the_session_key(client, dance, api, request_of):
    dance(client).callback()
    key = client.cookies[COOKIE].value
    api.replace("POST", TOKEN_URL, json={**GRANTED, "access_token": "renewed"})
    request = request_of(client)
    request.oauth.github.refresh()
    assert request.session.session_key == key
    assert request_of(client).oauth.github.access_token == "renewed"


def test_a_visitors_token_in_the_process_is_refreshed_with_the_same_session_key(
    client, dance, api, settings, request_of
):
    settings.DANCE_STORAGE = MemoryStorage()
    dance(client).callback()
    api.replace("POST", TOKEN_URL, json={**GRANTED, "access_token": "renewed"})
    request = request_of(client)
    request.oauth.github.refresh()
    assert request.session.session_key == client.cookies[COOKIE].value
    assert request_of(client).oauth.github.access_token == "renewed"
    api.replace("POST", TOKEN_URL, status=400, json={"error": "invalid_grant"})
    with pytest.raises(AuthorizationRequired):
        request_of(client).oauth.github.refresh()
    assert not request_of(client).oauth.github.authorized


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file"], indirect=True)
def test_a_session_that_has_ended_meanwhile_is_not_made_again_by_a_token(
    engine, member, dance, session_storage, request_of
):
    begun = dance(member)

    def log_out_elsewhere(request, **kwargs):
        type(request.session)(request.session.session_key).flush()

    oauth_authorized.connect(log_out_elsewhere)
    try:
        assert begun.callback().status_code == 400  # Django's SessionInterrupted
    finally:
        oauth_authorized.disconnect(log_out_elsewhere)
    assert list(request_of(member).session.keys()) == []


# --- the seal ---------------------------------------------------------------------------------


@pytest.fixture
def stored(rf):
    """A request whose session holds a visitor's token."""
    request = rf.get("/")
    request.session, request.user = SessionStore(), AnonymousUser()
    request.session.create()
    SessionStorage().set(owner_of(request), GRANTED)
    return request


def owner_of(request):
    return ResourceOwner(providers["github"], request)


@pytest.mark.parametrize("other_has_a_token", [True, False])
def test_a_token_that_is_copied_to_another_session_does_not_open(stored, rf, other_has_a_token):
    other = rf.get("/")
    other.session, other.user = SessionStore(), AnonymousUser()
    if other_has_a_token:
        SessionStorage().set(owner_of(other), {**GRANTED, "access_token": "theirs"})
    other.session["github_oauth_token"] = stored.session["github_oauth_token"]
    assert SessionStorage().get(owner_of(other)) is None
    assert SessionStorage().get(owner_of(stored)) is not None


def test_a_token_opens_under_the_next_session_key_and_not_after_a_flush(stored):
    sealed = stored.session["github_oauth_token"]
    stored.session.cycle_key()
    assert SessionStorage().get(owner_of(stored)) is not None
    stored.session.flush()
    SessionStorage().set(owner_of(stored), GRANTED)
    stored.session["github_oauth_token"] = sealed
    assert SessionStorage().get(owner_of(stored)) is None


@pytest.mark.parametrize("named", [True, False])
def test_a_token_that_an_older_version_has_sealed_is_no_token(stored, named):
    """The key of its session is what it was before the dance, so somebody else may know it."""
    stored.session["github_oauth_token"] = seal(
        json.dumps(GRANTED).encode(),
        purpose="session",
        identity=json.dumps(["github", "", ""]),
    )
    if not named:
        del stored.session["_dance_visitor"]
    assert SessionStorage().get(owner_of(stored)) is None
    SessionStorage().delete(owner_of(stored))
    assert "github_oauth_token" not in stored.session


def test_a_token_that_does_not_fit_leaves_the_cookie_as_it_was(rf, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    request = rf.get("/")
    request.session = importlib.import_module(settings.SESSION_ENGINE).SessionStore()
    request.user = AnonymousUser()
    with pytest.raises(TokenTooLarge):
        SessionStorage().set(owner_of(request), {"access_token": "x" * 4000})
    assert list(request.session.keys()) == []
