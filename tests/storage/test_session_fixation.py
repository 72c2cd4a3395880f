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
def make_request(rf):
    """A request with the session of a browser, as the middleware loads it."""

    def make_request(browser, user=None):
        request = rf.get("/")
        store = importlib.import_module(django_settings.SESSION_ENGINE).SessionStore
        request.session = store(browser.cookies[COOKIE].value)
        request.user = user or AnonymousUser()
        request.oauth = OAuth(request)
        return request

    return make_request


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
    attacker, client, dance, make_request
):
    """The session that is planted has a token already: the attacker's own."""
    dance(attacker, granted={"access_token": "theirs"}).callback()
    plant(attacker, client)
    dance(client).callback()
    assert uses_the_token(client)
    assert make_request(attacker).oauth.github.access_token != GRANTED["access_token"]


def test_a_planted_session_of_a_user_does_not_open_the_token(
    attacker, client, dance, make_user, session_storage, engine
):
    """The victim does not notice that this is the attacker's account."""
    attacker.force_login(make_user("mallory"))
    plant(attacker, client)
    assert dance(client).callback().status_code == 302
    assert uses_the_token(client)
    assert not uses_the_token(attacker)


def test_setting_a_token_in_a_view_changes_the_session_key(attacker, make_request):
    request = make_request(attacker)
    request.oauth.github.token = GRANTED
    request.session.save()
    assert request.session.session_key != attacker.cookies[COOKIE].value
    assert request.session["theirs"]
    assert not uses_the_token(attacker)


def test_storing_a_visitors_token_in_memory_changes_the_session_key(
    attacker, client, dance, settings
):
    settings.DANCE_STORAGE = MemoryStorage()
    plant(attacker, client)
    assert dance(client).callback().status_code == 302
    assert uses_the_token(client)
    assert not uses_the_token(attacker)


# --- a planted session ------------------------------------------------------------------------


def test_a_token_that_the_attacker_adds_to_a_planted_session_is_not_adopted(
    attacker, client, dance, make_request, user
):
    plant(attacker, client)
    dance(attacker).callback()
    assert uses_the_token(attacker)
    request = make_request(client)
    login(request, user)
    assert request.oauth.adopt() == []
    assert not user.oauth_tokens.exists()


# --- unchanged behaviour ----------------------------------------------------------------------


def test_a_visitors_own_token_is_adopted_after_the_login(engine, client, dance, make_request, user):
    dance(client).callback()
    request = make_request(client)
    login(request, user)
    assert request.oauth.adopt() == ["github"]
    assert user.oauth_tokens.get().token["access_token"] == GRANTED["access_token"]


def test_a_visitors_own_token_is_adopted_in_the_session(
    engine, client, dance, make_request, user, session_storage
):
    dance(client).callback()
    request = make_request(client)
    login(request, user)
    assert request.oauth.adopt() == ["github"]
    request.session.save()
    client.cookies[COOKIE] = request.session.session_key
    assert uses_the_token(client)


def test_a_login_in_another_users_session_leaves_nothing_to_adopt(
    engine, client, dance, make_request, user, make_user
):
    dance(client).callback()
    request = make_request(client)
    login(request, make_user("grace"))
    login(request, user)
    assert request.oauth.adopt() == []


def test_the_flows_of_two_tabs_both_finish(engine, client, dance, make_request):
    client.cookies[COOKIE] = client.session.session_key
    first, second = dance(client), Dance(client, "gitlab")
    assert second.callback().status_code == first.callback().status_code == 302
    oauth = make_request(client).oauth
    assert oauth.github.access_token == GRANTED["access_token"]
    assert oauth.gitlab.access_token == "of-gitlab"


def test_a_dance_keeps_the_other_values_of_the_session(engine, client, dance):
    session = client.session
    session["cart"] = ["book"]
    session.save()
    client.cookies[COOKIE] = session.session_key
    dance(client).callback()
    assert client.session["cart"] == ["book"]


def test_a_refresh_keeps_the_session_key(client, dance, api, make_request):
    dance(client).callback()
    key = client.cookies[COOKIE].value
    api.replace("POST", TOKEN_URL, json={**GRANTED, "access_token": "renewed"})
    request = make_request(client)
    request.oauth.github.refresh()
    assert request.session.session_key == key
    assert make_request(client).oauth.github.access_token == "renewed"


def test_refreshing_a_visitors_token_in_memory_keeps_the_session_key(
    client, dance, api, settings, make_request
):
    settings.DANCE_STORAGE = MemoryStorage()
    dance(client).callback()
    api.replace("POST", TOKEN_URL, json={**GRANTED, "access_token": "renewed"})
    request = make_request(client)
    request.oauth.github.refresh()
    assert request.session.session_key == client.cookies[COOKIE].value
    assert make_request(client).oauth.github.access_token == "renewed"
    api.replace("POST", TOKEN_URL, status=400, json={"error": "invalid_grant"})
    with pytest.raises(AuthorizationRequired):
        make_request(client).oauth.github.refresh()
    assert not make_request(client).oauth.github.authorized


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file"], indirect=True)
def test_a_token_does_not_restore_a_session_that_has_ended(
    engine, member, dance, session_storage, make_request
):
    begun = dance(member)

    def log_out_elsewhere(request, **kwargs):
        type(request.session)(request.session.session_key).flush()

    oauth_authorized.connect(log_out_elsewhere)
    try:
        assert begun.callback().status_code == 400  # Django's SessionInterrupted
    finally:
        oauth_authorized.disconnect(log_out_elsewhere)
    assert list(make_request(member).session.keys()) == []


# --- the seal ---------------------------------------------------------------------------------


@pytest.fixture
def visitor_request(rf):
    """A request whose session holds a visitor's token."""
    request = rf.get("/")
    request.session, request.user = SessionStore(), AnonymousUser()
    request.session.create()
    SessionStorage().set(owner_of(request), GRANTED)
    return request


def owner_of(request):
    return ResourceOwner(providers["github"], request)


@pytest.mark.parametrize("other_has_a_token", [True, False])
def test_a_token_copied_to_another_session_does_not_open(visitor_request, rf, other_has_a_token):
    other = rf.get("/")
    other.session, other.user = SessionStore(), AnonymousUser()
    if other_has_a_token:
        SessionStorage().set(owner_of(other), {**GRANTED, "access_token": "theirs"})
    other.session["github_oauth_token"] = visitor_request.session["github_oauth_token"]
    assert SessionStorage().get(owner_of(other)) is None
    assert SessionStorage().get(owner_of(visitor_request)) is not None


def test_a_token_opens_after_cycle_key_but_not_after_flush(visitor_request):
    sealed = visitor_request.session["github_oauth_token"]
    visitor_request.session.cycle_key()
    assert SessionStorage().get(owner_of(visitor_request)) is not None
    visitor_request.session.flush()
    SessionStorage().set(owner_of(visitor_request), GRANTED)
    visitor_request.session["github_oauth_token"] = sealed
    assert SessionStorage().get(owner_of(visitor_request)) is None


@pytest.mark.parametrize("named", [True, False])
def test_a_token_sealed_by_an_older_version_is_ignored(visitor_request, named):
    """Its session has the same key as before the dance, so an attacker may know the key."""
    visitor_request.session["github_oauth_token"] = seal(
        json.dumps(GRANTED).encode(),
        purpose="session",
        identity=json.dumps(["github", "", ""]),
    )
    if not named:
        del visitor_request.session["_dance_visitor"]
    assert SessionStorage().get(owner_of(visitor_request)) is None
    SessionStorage().delete(owner_of(visitor_request))
    assert "github_oauth_token" not in visitor_request.session


def test_a_token_too_large_for_the_cookie_does_not_change_it(rf, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    request = rf.get("/")
    request.session = importlib.import_module(settings.SESSION_ENGINE).SessionStore()
    request.user = AnonymousUser()
    with pytest.raises(TokenTooLarge):
        SessionStorage().set(owner_of(request), {"access_token": "x" * 4000})
    assert list(request.session.keys()) == []
