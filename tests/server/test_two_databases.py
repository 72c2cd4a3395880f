"""A server whose tables are in another database than the default one."""

import threading
import time

import pytest
from django.contrib.auth import get_user
from django.core.management import call_command
from django.db import connections, transaction
from django.db.models.signals import pre_save

from django_dance.server import AuthorizationServer, bind_cache_grant, bind_models
from django_dance.server.models import Client, Consent, Grant, Token

from ..conftest import query
from ..other_database import ALIAS
from . import site
from .conftest import assert_invalid_grant, is_alive, serve

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", ALIAS])

APPLICATIONS = "/oauth/applications/"


class ServerElsewhere(AuthorizationServer):
    database = ALIAS


@pytest.fixture(autouse=True)
def _route_to_other_database(other_database, settings):
    """All models are in the other database; the default one has no row."""
    settings.DATABASE_ROUTERS = ["tests.other_database.Apart"]


@pytest.fixture
def server(settings):
    server = ServerElsewhere(issuer="https://testserver", scopes=site.SCOPES)
    bind_models(server, current_user=get_user, **site.MODELS)
    serve(settings, server)
    return server


@pytest.fixture
def app(server, register):
    return register()


@pytest.fixture
def caching(server, app, settings):
    """The server stores its codes in a cache, and caches verified tokens."""
    bind_cache_grant(server, get_user)
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    return server


def rows_in_the_default_database():
    models = (Client, Consent, Grant, Token)
    return sum(model.objects.using("default").count() for model in models)


def in_another_thread(work):
    """The result of the work in another thread, with database connections of its own."""
    results = []

    def run():
        try:
            results.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    (result,) = results
    return result


def test_an_application_is_connected_and_disconnected_in_the_other_database(app, member):
    token = app.token(member)
    assert is_alive(app, token["access_token"])
    refreshed = app.refresh(token["refresh_token"]).json()
    assert is_alive(app, refreshed["access_token"])
    assert app.introspect(refreshed["access_token"]).json()["active"] is True
    assert app.revoke(refreshed["access_token"]).status_code == 200
    assert not is_alive(app, refreshed["access_token"])
    assert Token.objects.using(ALIAS).count() == 2
    assert rows_in_the_default_database() == 0


def test_consent_is_stored_in_the_other_database_and_grows(app, member):
    app.code(member)
    assert "code" in query(member.get(app.address())["Location"])
    app.code(member, scope="address")
    assert Consent.objects.using(ALIAS).get().scopes == ["email", "address"]
    assert app.client.name in member.get(APPLICATIONS).content.decode()
    assert rows_in_the_default_database() == 0


def test_consent_grows_in_a_transaction_of_the_other_database(app, member):
    """Or of two answers at the same moment one would be lost."""
    app.code(member)
    seen = []

    def look(sender, **arguments):
        seen.append(connections[ALIAS].in_atomic_block)

    pre_save.connect(look, sender=Consent)
    try:
        app.code(member, scope="address")
    finally:
        pre_save.disconnect(look, sender=Consent)
    assert seen == [True]


def test_consent_is_withdrawn_in_the_other_database(app, member):
    token, code = app.token(member), app.code(member)
    consent = Consent.objects.using(ALIAS).get()
    assert member.post(APPLICATIONS, {"application": consent.pk}).status_code == 302
    assert not is_alive(app, token["access_token"])
    assert_invalid_grant(app.redeem(code))
    assert not Consent.objects.using(ALIAS).exists()


@pytest.mark.parametrize("used", ["code", "refresh token"])
def test_a_code_or_refresh_token_is_used_up_with_the_tokens_stored_or_not_at_all(
    server, app, member, used
):
    code = app.code(member)
    if used == "refresh token":
        first = app.redeem(code).json()
    stored = server.callbacks.required("tokensetter")

    def fail(token, request):
        raise RuntimeError("the disk is full")

    app.line.raise_request_exception = False
    server.callbacks.register("tokensetter", fail)

    def use():
        return app.redeem(code) if used == "code" else app.refresh(first["refresh_token"])

    assert use().status_code == 500
    server.callbacks.register("tokensetter", stored)
    assert use().status_code == 200


def test_two_uses_of_a_code_before_the_commit_leave_no_valid_token(caching, app, member):
    code = app.code(member)
    with transaction.atomic(using=ALIAS):
        token = app.redeem(code).json()
        # Another process comes with the code, and cannot see the tokens yet.
        assert (
            caching.callbacks.required("grantgetter")(app.client.client_id, code).redeem() is False
        )
    assert not is_alive(app, token["access_token"])
    assert_invalid_grant(app.refresh(token["refresh_token"]))


def test_a_second_use_is_detected_during_a_transaction_of_another_database(caching, app, member):
    code = app.code(member)
    with transaction.atomic(using="default"):
        assert app.redeem(code).status_code == 200
        assert_invalid_grant(app.redeem(code))
        assert not Token.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize("end", ["refresh", "revoke", "revoke without a revoker", "withdraw"])
def test_a_token_that_was_verified_during_its_revocation_is_refused_afterwards(
    caching, app, member, monkeypatch, end
):
    """The transaction is committed later: a token that was read before is not cached."""
    token = app.token(member)
    consent = Consent.objects.get()
    if end == "revoke without a revoker":
        monkeypatch.delitem(caching.callbacks.functions, "tokenrevoker")
    now = time.time()
    with transaction.atomic(using=ALIAS):
        if end == "refresh":
            assert app.refresh(token["refresh_token"]).status_code == 200
        elif end == "withdraw":
            assert member.post(APPLICATIONS, {"application": consent.pk}).status_code == 302
        else:
            assert app.revoke(token["access_token"]).status_code == 200
        monkeypatch.setattr(time, "time", lambda: now + 5)
        assert in_another_thread(lambda: is_alive(app, token["access_token"]))
        monkeypatch.setattr(time, "time", lambda: now + 10)
    assert not is_alive(app, token["access_token"])


def test_a_transaction_of_the_default_database_delays_nothing(caching, app, member):
    token = app.token(member)
    assert is_alive(app, token["access_token"])
    with transaction.atomic(using="default"):
        assert app.revoke(token["access_token"]).status_code == 200
        assert not is_alive(app, token["access_token"])


@pytest.mark.parametrize("atomic", [ALIAS, "default"])
def test_revoked_tokens_stay_revoked_if_a_later_step_fails(
    server, app, member, monkeypatch, atomic
):
    """Where each request is a transaction, too."""
    monkeypatch.setitem(connections[atomic].settings_dict, "ATOMIC_REQUESTS", True)
    token = app.token(member)

    def fail(**arguments):
        raise ConnectionError("the cache of the codes is down")

    server.callbacks.register("grantrevoker", fail)
    member.raise_request_exception = False
    consent = Consent.objects.get()
    assert member.post(APPLICATIONS, {"application": consent.pk}).status_code == 500
    assert Consent.objects.exists()
    if atomic == ALIAS:
        assert not is_alive(app, token["access_token"])


def test_pruning_deletes_rows_of_the_other_database(app, member, capsys):
    app.token(member)
    Grant.objects.all().update(used_at="2000-01-01T00:00Z")
    Token.objects.all().update(expires="2000-01-01T00:00Z", refresh_expires="2000-01-01T00:00Z")
    call_command("dance_server_prune")
    assert not Grant.objects.exists()
    assert not Token.objects.exists()
    assert "1 deleted" in capsys.readouterr().out
