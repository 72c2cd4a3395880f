"""Dynamic registration (RFC 7591), and the removal of clients that nobody uses."""

import json
from datetime import timedelta
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.utils import timezone

from django_dance.server import dynamic_registration
from django_dance.server.models import Client, Consent, Grant, Token

from ..conftest import Browser, before_first, query
from .conftest import Application, make_server, serve

pytestmark = pytest.mark.one_database(
    "These tests differ in requests and limits; the rows are those of any client"
)

CALLBACK = "https://app.example/callback"


@pytest.fixture
def server(settings):
    settings.DANCE_SERVER_REGISTRATION = True
    settings.DANCE_SERVER_OPEN_SCOPES = ["email", "address"]
    own = make_server()
    serve(settings, own)
    return own


def register(metadata=None, *, body=None, kind="application/json", **options):
    fields = {
        "client_name": "Assistant",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        **(metadata or {}),
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    body = json.dumps(fields) if body is None else body
    return Browser().post("/oauth/register/", body, content_type=kind, **options)


@pytest.fixture
def app(server, db):
    return Application(SimpleNamespace(client_id=register().json()["client_id"]), None)


# --- registration ---------------------------------------------------------------------------------


def test_it_is_off_by_default(server, client, settings):
    del settings.DANCE_SERVER_REGISTRATION
    assert register().status_code == 404
    metadata = client.get("/oauth/.well-known/oauth-authorization-server").json()
    assert "registration_endpoint" not in metadata
    assert not Client.objects.exists()


def test_a_client_registers_itself(server, client):
    metadata = client.get("/oauth/.well-known/oauth-authorization-server").json()
    assert metadata["registration_endpoint"] == "https://testserver/oauth/register/"
    response = register({"software_id": "x", "logo_uri": "https://logo.example/"})
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    row = Client.objects.get()
    assert response.json() == {
        "client_id": row.client_id,
        "client_id_issued_at": int(row.created_at.timestamp()),
        "client_name": "Assistant",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "email address",
    }
    assert (row.registration, row.is_confidential, row.client_secret) == ("dynamic", False, "")


def test_a_registered_client_gets_tokens_and_refreshes_them(app, member):
    token = app.token(member)
    assert app.get("/email/", token["access_token"]).status_code == 200
    assert app.refresh(token["refresh_token"]).status_code == 200


def test_every_consent_page_says_that_nobody_has_checked_the_client(app, member):
    for _ in range(2):
        page = member.get(app.address()).content.decode()
        assert 'value="allow"' in page
        assert "Nobody on this site has checked this application or its name." in page
        app.code(member)
    Client.objects.update(is_trusted=True, is_confidential=True)
    assert b'value="allow"' in member.get(app.address()).content


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ({"token_endpoint_auth_method": "client_secret_basic"}, {}),
        ({"grant_types": None}, {"grant_types": ["authorization_code"]}),
        (
            {"grant_types": ["authorization_code", "client_credentials", "password"]},
            {"grant_types": ["authorization_code"]},
        ),
        ({"response_types": None}, {}),
        ({"scope": "email admin"}, {"scope": "email"}),
        ({"scope": "admin"}, {"scope": ""}),
        ({"scope": ""}, {"scope": ""}),
        ({"client_name": None}, {"client_name": "app.example"}),
        ({"redirect_uris": ["http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost:8/"]}, {}),
    ],
)
def test_the_server_replaces_what_it_does_not_support(asked, answered, server, db):
    response = register(asked)
    assert response.status_code == 201, response.content
    fields = response.json()
    assert fields["token_endpoint_auth_method"] == "none"
    assert fields["response_types"] == ["code"]
    assert fields.items() >= answered.items()


@pytest.mark.parametrize(
    ("metadata", "error", "why"),
    [
        ({"redirect_uris": None}, "invalid_redirect_uri", "no redirect_uris"),
        ({"redirect_uris": []}, "invalid_redirect_uri", "no redirect_uris"),
        ({"redirect_uris": ["http://app.example/"]}, "invalid_redirect_uri", "must be https"),
        ({"redirect_uris": ["com.app:/cb"]}, "invalid_redirect_uri", "http on loopback"),
        (
            {"redirect_uris": [CALLBACK, "com.app:/cb"]},
            "invalid_redirect_uri",
            "http on loopback",
        ),
        ({"redirect_uris": ["https://*.app.example/"]}, "invalid_redirect_uri", "wildcard"),
        ({"redirect_uris": [f"{CALLBACK}#x"]}, "invalid_redirect_uri", "fragment"),
        ({"redirect_uris": [f"{CALLBACK}?code=x"]}, "invalid_redirect_uri", "its query has code"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri", "scheme"),
        ({"redirect_uris": [CALLBACK + "a" * 500]}, "invalid_redirect_uri", "more than 500"),
        (
            {"redirect_uris": [f"{CALLBACK}/{number}" for number in range(21)]},
            "invalid_client_metadata",
            "more than 20",
        ),
        ({"redirect_uris": CALLBACK}, "invalid_client_metadata", "list of strings"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata", "grant_types"),
        ({"grant_types": ["refresh_token"]}, "invalid_client_metadata", "grant_types"),
        ({"grant_types": "authorization_code"}, "invalid_client_metadata", "list of strings"),
        ({"response_types": ["token"]}, "invalid_client_metadata", "response_types"),
        ({"client_name": "a" * 101}, "invalid_client_metadata", "more than 100"),
        ({"client_name": "a\u202eb"}, "invalid_client_metadata", "cannot be printed"),
        ({"client_name": ["x"]}, "invalid_client_metadata", "must be a text"),
        ({"scope": 7}, "invalid_client_metadata", "scope"),
    ],
)
def test_metadata_that_cannot_be_used_are_refused(metadata, error, why, server, db, caplog):
    response = register(metadata)
    assert response.status_code == 400
    assert response.json()["error"] == error
    assert why in response.json()["error_description"]
    assert "registration refused" in caplog.text
    assert not Client.objects.exists()


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        ("{}", "text/plain", "must be application/json"),
        ("redirect_uris=x", "application/x-www-form-urlencoded", "must be application/json"),
        (" ", "application/json", "not JSON"),
        ("{", "application/json", "not JSON"),
        ("[" * 10_000, "application/json", "not JSON"),
        ("\udcff".encode("utf-8", "surrogatepass"), "application/json", "not JSON"),
        ("[]", "application/json", "JSON object"),
        (json.dumps({"client_name": "a" * 17_000}), "application/json", "more than 16384 bytes"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(body, kind, why, server, db):
    response = register(body=body, kind=kind)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_client_metadata"
    assert why in response.json()["error_description"]


def test_only_post_is_answered(server, client):
    assert client.get("/oauth/register/").status_code == 405
    assert client.options("/oauth/register/").status_code == 405


def test_a_client_in_a_browser_can_register(server, client, settings):
    assert "Access-Control-Allow-Origin" not in register()
    settings.DANCE_SERVER_BROWSER_CLIENTS = True
    preflight = client.options("/oauth/register/")
    assert preflight["Access-Control-Allow-Methods"] == "POST"
    assert register()["Access-Control-Allow-Origin"] == "*"


def test_a_server_that_cannot_store_clients_says_so(server, settings, db):
    own = make_server()
    own.clientgetter(lambda client_id: None)
    serve(settings, own)
    with pytest.raises(ImproperlyConfigured, match="inherits AbstractClient"):
        register()


# --- redirects ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["a stranger", "a user"])
@pytest.mark.parametrize(
    "changes",
    [
        {"response_type": "token"},
        {"scope": "unknown"},
        {"code_challenge": None},
        {"prompt": "none"},
        {"prompt": "none", "max_age": "0"},
        {"request": "x"},
    ],
    ids=str,
)
def test_a_wrong_request_sends_nobody_to_a_page_that_a_stranger_has_registered(
    app, user, who, changes
):
    browser = Browser()
    if who == "a user":
        browser.force_login(user)
    response = browser.get(app.address(**changes))
    assert response.status_code == 400
    assert "app.example" not in response.content.decode()


def test_the_user_who_denies_goes_back_to_the_application(app, member):
    answer = query(app.send(member, "deny")["Location"])
    assert answer["error"] == "access_denied"


def test_a_program_on_this_machine_hears_of_its_wrong_request(server, member):
    uri = "http://127.0.0.1:8000/callback"
    client_id = register({"redirect_uris": [uri]}).json()["client_id"]
    own = Application(SimpleNamespace(client_id=client_id), None)
    response = member.get(own.address(redirect_uri=uri, scope="unknown"))
    assert query(response["Location"])["error"] == "invalid_scope"


# --- scopes ---------------------------------------------------------------------------------------


def test_a_client_gets_no_scope_that_is_not_open(app, member, settings):
    assert app.token(member, scope="email admin")["scope"] == "email"
    # Even if its row has more.
    Client.objects.update(scope="email admin")
    assert member.get(app.address(scope="admin")).context["error"] == "invalid_scope"
    settings.DANCE_SERVER_OPEN_SCOPES = ()
    assert member.get(app.address()).context["error"] == "invalid_scope"


def test_by_default_no_scope_is_open(server, db, settings):
    del settings.DANCE_SERVER_OPEN_SCOPES
    assert register().json()["scope"] == ""


def test_a_token_without_a_request_has_open_scopes_only(server, app, user):
    Client.objects.update(scope="email admin")
    with pytest.raises(ValueError, match="may request"):
        server.create_token(user, app.client.client_id, ["admin"])
    assert server.create_token(user, app.client.client_id, ["email"])["scope"] == "email"


# --- limits ---------------------------------------------------------------------------------------


def test_an_address_may_register_some_clients_in_an_hour(server, db, clock):
    here = {"REMOTE_ADDR": "203.0.113.7"}
    for _ in range(10):
        assert register(**here).status_code == 201
    refused = register(**here)
    assert refused.status_code == 429
    assert refused.json()["error"] == "temporarily_unavailable"
    assert 0 < int(refused["Retry-After"]) <= 3600
    assert register(REMOTE_ADDR="203.0.113.8").status_code == 201
    clock.now += int(refused["Retry-After"])
    assert register(**here).status_code == 201


def test_a_network_of_ipv6_counts_as_one_address(server, db):
    for number in range(10):
        assert register(REMOTE_ADDR=f"2001:db8::{number}").status_code == 201
    assert register(REMOTE_ADDR="2001:db8::ffff").status_code == 429


def test_all_addresses_together_have_a_limit(server, db, monkeypatch):
    monkeypatch.setattr(dynamic_registration, "FROM_ALL", 3)
    answers = [register(REMOTE_ADDR=f"203.0.113.{number}").status_code for number in range(5)]
    assert answers == [201, 201, 201, 429, 429]
    assert Client.objects.count() == 3


def test_a_refused_request_is_not_counted(server, db):
    for _ in range(20):
        assert register({"redirect_uris": []}).status_code == 400
    assert register().status_code == 201


def test_no_client_is_registered_if_nobody_counts(server, db, settings):
    settings.CACHES = {**settings.CACHES, "down": {"BACKEND": "tests.caches.RaisingCache"}}
    settings.DANCE_SERVER_LIMIT_CACHE = "down"
    assert register().status_code == 429
    assert not Client.objects.exists()


# --- clients that nobody uses ---------------------------------------------------------------------


def prune(days=1, **options):
    """Run the command as if so many days had passed since the clients were created."""
    Client.objects.update(created_at=timezone.now() - timedelta(days=days, seconds=5))
    call_command("dance_server_prune", verbosity=0, stdout=StringIO(), **options)


def test_a_client_without_a_token_is_removed_after_a_day(app, server):
    prune(days=0)
    assert Client.objects.count() == 1
    prune()
    assert not Client.objects.exists()


def test_a_client_with_a_token_stays_until_the_token_is_removed(app, member):
    app.token(member)
    prune()
    assert Client.objects.count() == Consent.objects.count() == 1
    Token.objects.update(
        expires=timezone.now() - timedelta(days=40),
        refresh_expires=timezone.now() - timedelta(days=1),
    )
    Grant.objects.update(used_at=timezone.now() - timedelta(days=40))
    prune()
    assert not Client.objects.exists()
    assert not Consent.objects.exists()


def test_a_client_with_a_code_stays(app, member):
    code = app.code(member)
    prune()
    assert app.redeem(code).status_code == 200


def test_a_client_with_a_document_is_removed_too(server, db):
    Client.objects.create(client_id="https://a.example/x", name="x", registration="document")
    prune()
    assert not Client.objects.exists()


def test_a_client_that_the_site_has_registered_stays(server, register):
    register()
    prune(days=400)
    assert Client.objects.count() == 1


def test_a_client_that_gets_a_token_while_the_command_runs_stays(app, server):
    # The command begins to delete with a savepoint, within the transaction of the test.
    with before_first("SAVEPOINT", lambda: server.create_token(None, app.client.client_id, [])):
        prune()
    assert Client.objects.count() == Token.objects.count() == 1


def test_many_clients_are_removed_in_batches(server, member, db):
    rows = [
        Client(name=str(number), is_confidential=False, registration="dynamic")
        for number in range(7)
    ]
    Client.objects.bulk_create(rows)
    server.create_token(None, rows[3].client_id, [])
    prune(batch_size=2)
    assert [row.name for row in Client.objects.all()] == ["3"]


def test_clients_stay_if_the_site_keeps_tokens_elsewhere(server, app):
    server.tokengetter(lambda access_token=None, refresh_token=None: None)
    prune()
    assert Client.objects.count() == 1
