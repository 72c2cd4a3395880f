"""The commands ``dance_server_client`` and ``dance_server_prune``."""

import io

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test.utils import isolate_apps
from django.urls import include, path

from django_dance.server import AuthorizationServer
from django_dance.server.admin import ClientAdmin
from django_dance.server.models import AbstractClient, Client, Grant, Token

from .conftest import CALLBACK, assert_invalid_grant, is_alive, make_server, serve
from .test_token import later


def run(*arguments, **options):
    output = io.StringIO()
    call_command(*arguments, stdout=output, **options)
    return output.getvalue()


def lines(text):
    return dict(line.split(": ") for line in text.splitlines())


def test_a_client_is_registered_and_its_secret_printed_once(db):
    said = lines(
        run("dance_server_client", "Notes", "--redirect-uri", CALLBACK, "--scope", "email")
    )
    client = Client.objects.get()
    assert said["client_id"] == client.client_id
    assert client.check_client_secret(said["client_secret"])
    assert said["client_secret"] not in client.client_secret
    assert (client.redirect_uris, client.default_scopes) == ([CALLBACK], ["email"])


def test_a_public_client_is_registered_without_a_secret(db):
    said = lines(run("dance_server_client", "Notes", "--public", "--redirect-uri", CALLBACK))
    assert said.keys() == {"client_id"}
    assert Client.objects.get().is_confidential is False


def test_a_secret_is_rotated(app, granted):
    said = lines(run("dance_server_client", "--rotate-secret", app.client.client_id))
    client = Client.objects.get()
    assert client.check_client_secret(said["client_secret"])
    assert not client.check_client_secret(app.secret)
    assert not is_alive(app, granted["access_token"])


@pytest.mark.parametrize(
    "arguments, why",
    [
        ([], "Pass the name of the new client"),
        (["--rotate-secret", "unknown"], "There is no client unknown"),
        (["Notes", "--redirect-uri", "http://app.example/"], "must be https"),
        (["Notes", "--grant-types", "authorisation_code"], "There is no authorisation_code"),
        (["Notes"], "needs a redirect URI"),
        (["Notes", "--grant-types", ""], "no grant type"),
        (["Notes", "--grant-types", "refresh_token"], "no grant type"),
        (["Notes", "--public", "--grant-types", "client_credentials"], "leave out --public"),
        (["Notes", "--grant-types", "password"], "does not allow the password grant"),
        (["Notes", "--redirect-uri", CALLBACK, "--scope", "mail"], "has no scope mail"),
        (["Notes", "--server", "nowhere"], "There is no server nowhere"),
        (["--rotate-secret", "any", "--public"], "leave out --public"),
        (
            ["Notes", "--rotate-secret", "any", "--redirect-uri", CALLBACK, "--scope", "email"],
            "leave out the name, --redirect-uri, --scope",
        ),
        (["--rotate-secret", "any", "--grant-types", "password"], "leave out --grant-types"),
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_the_command_reports_invalid_arguments(db, arguments, why):
    with pytest.raises(CommandError, match=why):
        run("dance_server_client", *arguments)
    assert not Client.objects.exists()


def test_a_public_clients_secret_cannot_be_rotated(register):
    app = register(public=True)
    with pytest.raises(CommandError, match="is a public client, which has no secret"):
        run("dance_server_client", "--rotate-secret", app.client.client_id)


def test_the_command_refuses_an_unknown_scope(db, settings):
    settings.DANCE_SERVER_SCOPES = {"email": "see your email address"}
    settings.ROOT_URLCONF = "tests.server.own_client_urls"
    with pytest.raises(CommandError, match="has no scope mail"):
        run("dance_server_client", "Notes", "--redirect-uri", CALLBACK, "--scope", "mail email")
    run("dance_server_client", "Notes", "--redirect-uri", CALLBACK, "--scope", "email")


@pytest.fixture
def own_models(settings):
    """A site whose server has a client model of its own."""
    with isolate_apps("tests"):

        class Partner(AbstractClient):
            contract = models.CharField(max_length=20, default="none")
            user = models.ForeignKey(
                get_user_model(), models.CASCADE, null=True, blank=True, related_name="+"
            )

    own = make_server(client=Partner)
    serve(settings, own, path("admin/", admin.site.urls))
    with connection.schema_editor() as editor:
        editor.create_model(Partner)
    yield Partner
    with connection.schema_editor() as editor:
        editor.delete_model(Partner)


@pytest.mark.django_db(transaction=True)
def test_a_client_is_registered_in_the_model_of_the_server(own_models):
    said = lines(run("dance_server_client", "Notes", "--redirect-uri", CALLBACK))
    client = own_models._default_manager.get()
    assert said["client_id"] == client.client_id
    assert client.check_client_secret(said["client_secret"])
    said = lines(run("dance_server_client", "--rotate-secret", client.client_id))
    client.refresh_from_db()
    assert client.check_client_secret(said["client_secret"])
    assert not Client.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_admin_says_that_no_server_finds_its_clients(own_models, make_user, rf):
    request = rf.get("/admin/django_dance_server/client/")
    request.user = make_user("boss", is_staff=True, is_superuser=True)
    request.session, request._messages = {}, CookieStorage(request)
    page = ClientAdmin(Client, admin.site)
    assert not page.has_add_permission(request)
    page.changelist_view(request)
    (message,) = request._messages
    assert "No server finds its clients in django_dance_server.Client" in str(message)
    assert "'oauth_server' in tests.Partner" in str(message)
    assert ClientAdmin(own_models, admin.site).has_add_permission(request) is True


def test_the_command_says_that_it_cannot_register_in_a_function_of_the_site(db, settings):
    own = make_server()
    own.clientgetter(lambda client_id: None)
    serve(settings, own)
    with pytest.raises(CommandError, match="by a function of the site"):
        run("dance_server_client", "Notes", "--redirect-uri", CALLBACK)
    assert not Client.objects.exists()


def test_the_command_asks_for_the_server_if_their_tables_differ(db, settings):
    first, second = AuthorizationServer("first", issuer="https://testserver"), make_server()
    serve(settings, second, path("first/", include(first.urls)))
    arguments = ["dance_server_client", "Notes", "--redirect-uri", CALLBACK]
    with pytest.raises(CommandError, match="pass --server NAME"):
        run(*arguments)
    run(*arguments, "--server", "oauth_server")
    assert Client.objects.exists()


def test_pruning_deletes_expired_rows(app, member):
    for _ in range(3):
        app.token(member)
    app.code(member)
    later(days=31)
    said = run("dance_server_prune", "--batch-size", "2")
    assert "django_dance_server.Grant: 4 deleted" in said
    assert "django_dance_server.Token: 3 deleted" in said
    assert not Grant.objects.exists() and not Token.objects.exists()


def test_pruning_keeps_valid_rows(app, member):
    code, token = app.code(member), app.token(member)
    run("dance_server_prune")
    assert is_alive(app, token["access_token"])
    assert app.redeem(code).status_code == 200


def test_pruning_deletes_an_unused_code(app, member):
    app.code(member)
    later(minutes=2)
    run("dance_server_prune")
    assert not Grant.objects.exists()


def test_pruning_keeps_the_rows_that_detect_a_replay(app, member):
    code = app.code(member)
    first = app.redeem(code).json()
    second = app.refresh(first["refresh_token"]).json()
    later(days=5)
    run("dance_server_prune")
    third = app.refresh(second["refresh_token"]).json()
    assert is_alive(app, third["access_token"])
    later(seconds=11)
    assert_invalid_grant(app.refresh(first["refresh_token"]))
    assert not is_alive(app, third["access_token"])
    fourth = app.token(member)
    later(days=5)
    run("dance_server_prune")
    fifth = app.refresh(fourth["refresh_token"]).json()
    assert_invalid_grant(app.redeem(code))
    assert is_alive(app, fifth["access_token"])


def test_pruning_keeps_a_used_code_while_its_access_token_is_valid(app, member, settings):
    settings.DANCE_SERVER_ACCESS_TOKEN_LIFETIME = 60 * 24 * 3600
    code = app.code(member)
    token = app.redeem(code).json()
    later(days=40)
    run("dance_server_prune")
    assert is_alive(app, token["access_token"])
    assert_invalid_grant(app.redeem(code))
    assert not is_alive(app, token["access_token"])


@pytest.mark.django_db
def test_pruning_needs_no_client_if_the_lifetimes_are_functions_of_the_client(settings):
    settings.DANCE_SERVER_ACCESS_TOKEN_LIFETIME = lambda client: 3600
    settings.DANCE_SERVER_REFRESH_TOKEN_LIFETIME = lambda client: 7200
    assert not Client.objects.exists()
    assert "django_dance_server.Token: 0 deleted" in run("dance_server_prune")


def test_pruning_deletes_expired_client_credentials_tokens(register):
    app = register(grant_types="client_credentials")
    app.post("token/", {"grant_type": "client_credentials"})
    later(hours=2)
    run("dance_server_prune")
    assert not Token.objects.exists()


def test_pruning_is_done_in_batches(app, member, django_assert_num_queries):
    for _ in range(5):
        app.code(member)
    later(minutes=2)
    with django_assert_num_queries(2 + 2 + 2 + 1 + 1 + 1):
        run("dance_server_prune", "--batch-size", "2")
