"""A router with a replica that lags: a read that decides about a write is not made there."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user, get_user_model
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.utils import timezone

from django_dance.server import bind_cache_grant
from django_dance.server.models import Client, Consent, Grant, Token

from ..conftest import Browser, query
from ..other_database import ALIAS
from .conftest import assert_invalid_grant, is_alive, make_server, serve
from .site import server

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", ALIAS])


class Replica:
    """Rows of the server are read from a replica, which has none of them yet."""

    def db_for_read(self, model, **hints):
        return ALIAS if model._meta.app_label == "django_dance_server" else None

    def db_for_write(self, model, **hints):
        if model._meta.app_label != "django_dance_server":
            return None
        # As Django's own default does: a row that was read from the replica would go back there.
        instance = hints.get("instance")
        return (instance and instance._state.db) or "default"

    def allow_relation(self, first, second, **hints):
        return True


@pytest.fixture(autouse=True)
def _read_from_the_replica(other_database, settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.Replica"]


@pytest.fixture(params=["table", "cache"])
def app(request, register, settings):
    if request.param == "cache":
        own = make_server(current_user=get_user)
        bind_cache_grant(own, get_user)
        serve(settings, own)
    return register()


def test_a_code_is_issued_redeemed_and_refreshed(app, member):
    first = app.token(member)
    assert is_alive(app, first["access_token"])
    second = app.refresh(first["refresh_token"]).json()
    third = app.refresh(second["refresh_token"]).json()
    assert app.introspect(third["access_token"]).json()["active"]
    assert app.revoke(third["access_token"]).status_code == 200
    assert not is_alive(app, third["access_token"])


def test_a_second_use_within_seconds_does_not_revoke_the_new_pair(app, member):
    first = app.token(member)
    second = app.refresh(first["refresh_token"]).json()
    assert_invalid_grant(app.refresh(first["refresh_token"]))
    assert is_alive(app, second["access_token"])


def test_consents_are_remembered_and_withdrawn(app, member):
    app.token(member)
    assert "code" in query(member.get(app.address())["Location"])
    app.code(member, scope="address")
    (consent,) = Consent.objects.using("default").all()
    assert consent.scopes == ["email", "address"]
    assert app.client.name in member.get("/oauth/applications/").content.decode()
    assert member.post("/oauth/applications/", {"application": consent.pk}).status_code == 302
    assert "Allow" in member.get(app.address()).content.decode()


def test_an_earlier_hash_is_replaced(app):
    Client.objects.using("default").update(client_secret=make_password(app.secret))
    assert app.introspect("unknown").status_code == 200
    assert Client.objects.using("default").get().client_secret.startswith("sha256$")


def test_the_commands_do_not_read_the_replica(app, member, capsys):
    app.code(member)
    past = timezone.now() - timedelta(days=90)
    Grant.objects.using("default").update(expires=past)
    call_command("dance_server_prune")
    assert not Grant.objects.using("default").exists()
    call_command("dance_server_client", rotate_secret=app.client.client_id)
    assert "client_secret: " in capsys.readouterr().out


def test_the_admin_rotates_the_secret_in_the_database_for_writing(register, member):
    register()
    get_user_model().objects.update(is_staff=True, is_superuser=True)
    with_row = Client.objects.using("default").get()
    with_row.save(using=ALIAS)  # the list in the admin is read from the replica
    Client.objects.using(ALIAS).update(client_secret="old")
    form = {"action": "rotate_secret", "_selected_action": [with_row.pk]}
    page = member.post("/admin/django_dance_server/client/", form)
    assert page.status_code == 200
    assert Client.objects.using("default").get().client_secret != with_row.client_secret


def test_the_replica_has_no_rows(app, member):
    """Else the tests above prove nothing."""
    app.token(member)
    assert not any(model.objects.exists() for model in (Client, Consent, Grant, Token))


class Primary(Replica):
    """Rows of the server are written to the other database; the default one has none."""

    def db_for_read(self, model, **hints):
        return None

    def db_for_write(self, model, **hints):
        return ALIAS if model._meta.app_label in ("django_dance_server", "auth") else None


def test_the_server_follows_the_router_to_the_database_for_writing(register, user, settings):
    """Without a subclass that names the database."""
    settings.DATABASE_ROUTERS = [f"{__name__}.Primary"]
    user.save(using=ALIAS)
    app, browser = register(), Browser()
    browser.force_login(user)
    token = app.token(browser)
    assert server.database == ALIAS
    assert is_alive(app, app.refresh(token["refresh_token"]).json()["access_token"])
    assert Token.objects.using(ALIAS).count() == 2
    assert not Token.objects.using("default").exists()
