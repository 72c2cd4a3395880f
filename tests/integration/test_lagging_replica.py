"""A router reads from a standby that lags behind the primary."""

from contextlib import ExitStack
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user, get_user_model
from django.db import connections

from django_dance.exceptions import AuthorizationRequired
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.server import bind_cache_grant
from django_dance.storage import ModelStorage

from ..clusters import postgresql_pair, start_or_skip
from ..conftest import Browser
from ..contention import (
    Callers,
    RotatingProvider,
    api,
    assert_refreshed_once,
    owner_of,
    store_expiring_token,
)
from ..databases import further_database
from ..loopback import Loopback
from ..server.conftest import is_alive, make_server, register_application, serve
from ..servers import HOST
from .guide import blocks

pytestmark = [pytest.mark.interop, pytest.mark.repository]

NAME = "lagging"
ROUTERS = {
    "the guide's router": "guide_routers.ReadFromReplica",
    # It reads the tables of django-dance from the replica, too.
    "a worse router": "tests.integration.routers.ReadTokensFromReplica",
}


@pytest.fixture(scope="module")
def pair():
    with ExitStack() as stack:
        pair = start_or_skip(stack, postgresql_pair)
        pair.primary.create(NAME)
        yield pair


@pytest.fixture(params=ROUTERS.values(), ids=ROUTERS)
def user(request, pair, databases, settings, tmp_path, monkeypatch):
    """A user whom the replica knows. It shows nothing that happens afterwards."""
    (tmp_path / "guide_routers.py").write_text(blocks("A replica that lags", "python")[0], "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    settings.DATABASE_ROUTERS = [request.param]
    settings.DANCE_CACHE = None
    place = {"ENGINE": "django.db.backends.postgresql", "NAME": NAME, "USER": "postgres"}
    entry = {**place, "HOST": HOST, "PORT": pair.primary.port, "OPTIONS": {}}
    replica = {**connections.settings["default"], **entry, "PORT": pair.standby.port}
    with further_database("replica", replica), databases.borrow(entry):
        OAuthToken.objects.using("default").all().delete()
        get_user_model().objects.all().delete()
        user = get_user_model().objects.create_user("ada")
        store_expiring_token(user)
        pair.wait_for_standby()
        with pair.standby.lag():
            yield user
            assert OAuthToken.objects.using("replica").get().token["access_token"] == "access-0", (
                "the replica has not lagged: the test proves nothing"
            )
        connections.close_all()
    pair.wait_for_standby()


def test_each_refresh_sends_the_newest_refresh_token(user, settings):
    provider = RotatingProvider()
    with Loopback(provider) as server:
        settings.DEBUG, settings.DANCE_PROVIDERS = True, api(server.url, 0)
        for number in range(1, 5):
            session = providers["github"].session(user=user)
            assert session.refresh()["access_token"] == f"access-{number}"
            answer = providers["github"].session(user=user).get("/me")
            assert answer.json()["token"] == f"Bearer access-{number}"
    assert not provider.dead


def test_a_connection_that_was_made_or_ended_is_known_at_once(user):
    owner = owner_of(user).for_account("new")
    ModelStorage().set(owner, {"access_token": "new"})
    assert ModelStorage().get(owner)["access_token"] == "new"
    assert list(ModelStorage().accounts(owner_of(user))) == ["new"]
    ModelStorage().delete(owner)
    ModelStorage().delete(owner_of(user))
    assert ModelStorage().get(owner) is None
    session = providers["github"].session(user=user)
    assert not session.authorized
    with pytest.raises(AuthorizationRequired):
        session.get("https://api.github.com/user")


def test_64_threads_refresh_once(user, settings, tmp_path_factory):
    routers = settings.DATABASE_ROUTERS
    with Callers.of(user, tmp_path_factory) as callers:
        assert_refreshed_once(callers, DANCE_CACHE=None, DATABASE_ROUTERS=routers)


def test_a_row_from_the_replica_does_not_overwrite_a_newer_token(user):
    old = OAuthToken.objects.using("replica").get()
    assert old.token["access_token"] == "access-0"
    ModelStorage().set(owner_of(user), {"access_token": "newer"})
    old.label = "a label"
    old.save()
    row = OAuthToken.objects.using("default").get()
    assert (row.token["access_token"], row.label) == ("newer", "a label")


def test_a_visitor_goes_through_a_dance(user, settings):
    """The flow, the session and the connection are read where they are written."""

    def answer(received):
        granted = '{"access_token": "granted", "token_type": "bearer", "id": 7}'
        return 200, {"Content-Type": "application/json"}, granted

    browser = Browser()
    browser.force_login(user)
    with Loopback(answer) as server:
        settings.DEBUG, settings.DANCE_PROVIDERS = True, api(server.url, 0)
        settings.ALLOWED_HOSTS = ["testserver"]
        begun = browser.get("/login/github/", {"next": "/"})
        (state,) = parse_qs(urlsplit(begun["Location"]).query)["state"]
        done = browser.get("/login/github/authorized/", {"state": state, "code": "code"})
    assert done.status_code == 302, done.content
    assert ModelStorage().get(owner_of(user))["access_token"] == "granted"


def test_a_server_issues_refreshes_and_revokes(user, settings):
    own = make_server(current_user=get_user)
    bind_cache_grant(own, get_user)
    serve(settings, own)
    app, browser = register_application(), Browser()
    browser.force_login(user)
    token = app.token(browser)
    renewed = app.refresh(token["refresh_token"]).json()
    assert is_alive(app, renewed["access_token"])
    assert app.revoke(renewed["access_token"]).status_code == 200
    assert not is_alive(app, renewed["access_token"])
