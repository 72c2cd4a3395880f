"""Tokens without a request, lifetimes per client, trusted clients, and the signals."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from django_dance.server import bind_cache_grant, signals
from django_dance.server.models import Client, Consent, Grant, Token

from ..conftest import Browser, query
from .conftest import CALLBACK, assert_invalid_grant, is_alive, make_server, serve
from .site import server

SIGNALS = ["access_token_issued", "access_token_revoked", "application_authorized"]


@pytest.fixture
def heard():
    """The signals that were sent: (name, arguments)."""
    heard, receivers = [], []
    for name in SIGNALS:

        def receive(sender, signal, name=name, **arguments):
            assert issubclass(sender, type(arguments["server"]))
            heard.append((name, arguments))

        receivers.append(receive)
        getattr(signals, name).connect(receive)
    yield heard
    for name, receive in zip(SIGNALS, receivers, strict=True):
        getattr(signals, name).disconnect(receive)


# --- tokens without a request ---------------------------------------------------------------------


def test_a_token_is_created_for_a_user(app, user):
    for client in (app.client, app.client.client_id):
        token = server.create_token(user, client, ["email"])
        assert token["expires_in"] == 3600 and token["token_type"] == "Bearer"
        assert app.get("/email/", token["access_token"]).json()["granted_by"] == "ada"
        assert repr(token["access_token"]) == "'***'"
        assert "refresh_token" not in token
    assert app.get("/both/", token["access_token"]).status_code == 403


def test_a_created_token_may_live_longer_and_be_refreshed(app, user):
    token = server.create_token(
        user, app.client, ["email"], lifetime=86400, with_refresh_token=True
    )
    row = Token.objects.get()
    assert timedelta(hours=23) < row.expires - timezone.now() <= timedelta(days=1)
    assert is_alive(app, app.refresh(token["refresh_token"]).json()["access_token"])


def test_a_client_gets_a_token_for_itself(app):
    token = server.create_token(None, app.client, ["email"])
    assert app.get("/email/", token["access_token"]).json()["granted_by"] == "None"


def test_a_token_that_the_client_may_not_have_is_not_created(app, user, register):
    with pytest.raises(ValueError, match="may request the scopes email, address"):
        server.create_token(user, app.client, ["admin"])
    with pytest.raises(ValueError, match="There is no client nobody"):
        server.create_token(user, "nobody", ["email"])
    only = register("Only", grant_types="authorization_code")
    with pytest.raises(ValueError, match="do not contain refresh_token"):
        server.create_token(user, only.client, ["email"], with_refresh_token=True)
    with pytest.raises(ValueError, match="A token without a user has no refresh token"):
        server.create_token(None, app.client, ["email"], with_refresh_token=True)
    user.is_active = False
    with pytest.raises(ValueError, match="deactivated"):
        server.create_token(user, app.client, ["email"])
    assert not Token.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cached", [False, True])
def test_all_tokens_and_codes_of_a_user_are_ended(register, user, make_user, settings, cached):
    own = make_server()
    if cached:
        bind_cache_grant(own)
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    serve(settings, own)
    first, second = register(), register("Other")
    member, other = Browser(), Browser()
    member.force_login(user)
    other.force_login(make_user("grace"))
    tokens = [first.token(member), second.token(member)]
    kept, code = first.token(other), first.code(member)
    assert is_alive(first, tokens[0]["access_token"])
    own.end_tokens(user)
    assert not any(is_alive(first, token["access_token"]) for token in tokens)
    assert_invalid_grant(first.refresh(tokens[0]["refresh_token"]))
    assert_invalid_grant(first.redeem(code))
    assert is_alive(first, kept["access_token"])


def test_the_tokens_of_a_user_are_ended_for_one_client(app, register, member, user):
    other = register("Other")
    first, second = app.token(member), other.token(member)
    server.end_tokens(user, app.client.client_id)
    assert not is_alive(app, first["access_token"])
    assert is_alive(other, second["access_token"])


# --- lifetimes ------------------------------------------------------------------------------------


def lifetime(client):
    return 100 if client.name == "Notes" else 200


@pytest.mark.parametrize("option", [lifetime, f"{__name__}.lifetime"], ids=["function", "path"])
def test_a_lifetime_can_be_a_function_of_the_client(app, register, member, settings, option):
    settings.DANCE_SERVER_ACCESS_TOKEN_LIFETIME = option
    settings.DANCE_SERVER_REFRESH_TOKEN_LIFETIME = option
    other = register("Other")
    assert app.token(member)["expires_in"] == 100
    assert other.token(member)["expires_in"] == 200
    row = Token.objects.get(client_id=other.client.client_id)
    assert timedelta(seconds=190) < row.refresh_expires - timezone.now() <= timedelta(seconds=200)


def test_pruning_keeps_a_used_code_as_long_as_the_longest_token(app, register, member, settings):
    settings.DANCE_SERVER_ACCESS_TOKEN_LIFETIME = lifetime
    settings.DANCE_SERVER_REFRESH_TOKEN_LIFETIME = lambda client: 10**8
    app.token(member)
    used = timezone.now() - timedelta(days=900)
    Grant.objects.update(used_at=used, expires=used)
    call_command("dance_server_prune", verbosity=0)
    assert Grant.objects.exists()
    Grant.objects.update(used_at=timezone.now() - timedelta(days=1200))
    call_command("dance_server_prune", verbosity=0)
    assert not Grant.objects.exists()


# --- trusted clients ------------------------------------------------------------------------------


def test_a_trusted_client_needs_no_consent(register, member):
    app = register(is_trusted=True)
    for _ in range(2):
        code = query(member.get(app.address())["Location"])["code"]
        assert is_alive(app, app.redeem(code).json()["access_token"])
    assert not Consent.objects.exists()
    assert "Allow" in member.get(app.address(prompt="consent")).content.decode()
    Client.objects.update(is_trusted=False)
    assert "Allow" in member.get(app.address()).content.decode()


@pytest.mark.parametrize(
    ("uri", "asks"), [(CALLBACK, False), ("http://127.0.0.1:7/", True), ("com.example:/", True)]
)
def test_a_trusted_public_client_is_asked_unless_its_redirect_uri_is_https(
    register, member, uri, asks
):
    app = register(is_trusted=True, public=True, registered_redirect_uris=uri)
    response = member.get(app.address(redirect_uri=uri))
    assert (response.status_code == 200) is asks


# --- signals --------------------------------------------------------------------------------------

after_commit = pytest.mark.django_db(transaction=True)


@after_commit
def test_receivers_hear_of_a_consent_a_token_and_its_revocation(app, member, user, heard):
    token = app.token(member)
    app.revoke(token["access_token"])
    assert [name for name, _ in heard] == [
        "application_authorized",
        "access_token_issued",
        "access_token_revoked",
    ]
    (_, authorized), (_, issued), (_, revoked) = heard
    row = Token.objects.get()
    for arguments in (authorized, issued):
        assert (arguments["user"], arguments["client"]) == (user, app.client)
        assert arguments["scopes"] == ["email"] and arguments["server"] is server
    assert authorized["request"].path == "/oauth/authorize/"
    assert issued["grant_type"] == "authorization_code" and issued["family"] == row.family
    assert issued["request"].path == "/oauth/token/"
    assert (revoked["reason"], revoked["family"]) == ("revoked", row.family)


@after_commit
def test_receivers_hear_of_a_created_token(app, user, heard):
    server.create_token(user, app.client, ["email"])
    ((name, arguments),) = heard
    assert name == "access_token_issued"
    assert arguments["grant_type"] == "" and arguments["request"] is None


@after_commit
def test_receivers_hear_the_reason_of_a_revocation(app, member, user, heard):
    code = app.code(member)
    app.redeem(code)
    app.redeem(code)
    consent = Consent.objects.get()
    member.post("/oauth/applications/", {"application": consent.pk})
    server.end_tokens(user)
    revoked = [arguments for name, arguments in heard if name == "access_token_revoked"]
    assert [arguments["reason"] for arguments in revoked] == ["replayed", "disconnected", "ended"]
    assert [arguments["user"] for arguments in revoked] == [None, user, user]
    assert [arguments["client_id"] for arguments in revoked] == [None, app.client.client_id, None]


@after_commit
def test_receivers_hear_of_nothing_that_is_rolled_back(app, member, user, heard):
    with pytest.raises(RuntimeError), transaction.atomic():
        app.token(member)
        server.create_token(user, app.client, ["email"])
        server.end_tokens(user)
        raise RuntimeError
    assert heard == [] and not Token.objects.exists()


@after_commit
def test_receivers_hear_of_a_token_after_the_commit(app, user, heard):
    with transaction.atomic():
        server.create_token(user, app.client, ["email"])
        assert heard == []
    assert [name for name, _ in heard] == ["access_token_issued"]


@pytest.fixture
def failing():
    """A receiver that raises an exception, before the receivers that are connected later."""

    def fail(sender, **arguments):
        raise RuntimeError("a receiver")

    for name in SIGNALS:
        getattr(signals, name).connect(fail)
    yield
    for name in SIGNALS:
        getattr(signals, name).disconnect(fail)


@after_commit
def test_a_receiver_that_fails_changes_neither_the_response_nor_other_receivers(
    failing, app, member, heard, caplog
):
    token = app.token(member)
    assert is_alive(app, token["access_token"])
    assert app.revoke(token["access_token"]).status_code == 200
    assert [name for name, _ in heard] == [
        "application_authorized",
        "access_token_issued",
        "access_token_revoked",
    ]
    assert "a receiver" in caplog.text and token["access_token"] not in caplog.text


@after_commit
def test_a_refusal_sends_no_signal(app, member, heard):
    app.send(member, "deny")
    app.refresh("unknown")
    app.revoke("unknown")
    assert heard == []
