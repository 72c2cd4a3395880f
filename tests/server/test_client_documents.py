"""Client ID metadata documents, fetched over real sockets."""

import json
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.http import JsonResponse
from django.urls import path

from django_dance.http.environment import forget_environment
from django_dance.server import bind_cache_grant, client_documents
from django_dance.server.models import Client, Consent, Grant, Token

from ..conftest import Browser, query
from ..internet import PUBLIC
from .conftest import Application, consent_form, make_server, serve

pytestmark = pytest.mark.one_database(
    "These tests differ in documents and redirect URIs, not in rows"
)

URL = "https://client.example/mcp.json"
CALLBACK = "https://client.example/callback"


@pytest.fixture(autouse=True)
def _trust(bundle, monkeypatch):
    """The process trusts the authority of the tests."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    forget_environment()
    yield
    monkeypatch.undo()
    forget_environment()


def document(**changes):
    fields = {
        "client_id": URL,
        "client_name": "Assistant",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


@pytest.fixture
def server(settings):
    settings.DANCE_SERVER_CLIENT_DOCUMENTS = True
    settings.DANCE_SERVER_OPEN_SCOPES = ["email"]
    settings.DANCE_TIMEOUT = 60
    own = make_server()
    serve(settings, own)
    return own


@pytest.fixture
def publisher(server, internet, authority):
    """The site of the client; a test may change its answer."""
    answer = SimpleNamespace(
        status=200,
        headers={"Content-Type": "application/json"},
        document=document(),
        body=None,
    )

    def respond(received):
        return answer.status, answer.headers, answer.body or json.dumps(answer.document)

    with internet.site(authority, "client.example", answer=respond) as site:
        answer.received = site.received
        answer.internet = internet
        yield answer


@pytest.fixture
def app():
    return Application(SimpleNamespace(client_id=URL), None)


def ask(app, browser, **changes):
    return browser.get(app.address(redirect_uri=CALLBACK, **changes))


def problem_of(response):
    """The text on the error page; the browser was not sent to the client."""
    assert response.status_code == 400, response
    return response.context["error_description"]


# --- the whole connection -------------------------------------------------------------------------


@pytest.mark.parametrize("codes", ["table", "cache"])
def test_a_client_with_a_document_gets_tokens_and_refreshes_them(
    codes, server, app, publisher, member
):
    if codes == "cache":
        bind_cache_grant(server)
    assert member.get("/oauth/.well-known/oauth-authorization-server").json()[
        "client_id_metadata_document_supported"
    ]
    page = ask(app, member).content.decode()
    assert "Assistant" in page
    assert 'The application comes from <strong dir="ltr">client.example</strong>.' in page
    assert "Nobody on this site has checked this application" in page
    assert "own computer" not in page
    assert not Client.objects.exists()  # nobody has consented
    response = app.send(member, redirect_uri=CALLBACK)
    assert response["Location"].startswith(CALLBACK)
    token = app.redeem(query(response["Location"])["code"], redirect_uri=CALLBACK).json()
    assert app.get("/email/", token["access_token"]).json()["client"] == "Assistant"
    assert app.refresh(token["refresh_token"]).status_code == 200
    assert len(publisher.received) == 1
    (row,) = Client.objects.all()
    assert (row.client_id, row.registration, row.is_confidential) == (URL, "document", False)
    assert row.scope == "email"
    applications = member.get("/oauth/applications/").content.decode()
    assert "Assistant" in applications


def test_the_request_for_the_document_has_no_credentials(app, publisher, member):
    ask(app, member)
    (received,) = publisher.received
    assert received.method == "GET" and received.target == "/mcp.json"
    assert {"Cookie", "Authorization", "Referer"}.isdisjoint(received.headers)


def test_the_user_is_asked_each_time(app, publisher, member):
    for _ in range(2):
        assert b'value="allow"' in ask(app, member).content
        app.send(member, redirect_uri=CALLBACK)
    Client.objects.update(is_trusted=True)
    assert b'value="allow"' in ask(app, member).content


def test_a_loopback_address_of_a_document_may_have_any_port(app, publisher, member):
    publisher.document = document(redirect_uris=["http://127.0.0.1/cb", "com.example.app:/cb"])
    local = "http://127.0.0.1:54321/cb"
    page = member.get(app.address(redirect_uri=local)).content.decode()
    assert "any program there can use this name" in page
    code = query(app.send(member, redirect_uri=local)["Location"])["code"]
    assert app.redeem(code, redirect_uri=local).status_code == 200
    # The scheme of an app is left out: any app can claim it.
    assert problem_of(member.get(app.address(redirect_uri="com.example.app:/cb")))


def test_a_redirect_uri_outside_of_the_document_is_refused(app, publisher, member):
    for uri in (
        "https://client.example/other",
        "https://evil.example/callback",
        "http://client.example/callback",
    ):
        assert "redirect" in problem_of(member.get(app.address(redirect_uri=uri)))


def test_only_open_scopes_are_granted(app, publisher, member, settings):
    response = app.send(member, redirect_uri=CALLBACK, scope="email admin")
    code = query(response["Location"])["code"]
    assert app.redeem(code, redirect_uri=CALLBACK).json()["scope"] == "email"
    assert "scope" in problem_of(ask(app, member, scope="admin"))
    publisher.document = document(scope="address email")
    cache.clear()
    assert ask(app, member, scope=None).context["scopes"] == [("email", "see your email address")]
    settings.DANCE_SERVER_OPEN_SCOPES = []
    assert "scope" in problem_of(ask(app, member))


def test_a_scope_that_is_no_longer_open_is_not_refreshed(app, publisher, member, settings):
    code = query(app.send(member, redirect_uri=CALLBACK)["Location"])["code"]
    token = app.redeem(code, redirect_uri=CALLBACK).json()
    settings.DANCE_SERVER_OPEN_SCOPES = ["address"]
    response = app.refresh(token["refresh_token"])
    assert response.json()["error"] == "invalid_scope"


def test_without_refresh_token_in_its_grant_types_a_client_gets_none(app, publisher, member):
    publisher.document = document(grant_types=None)
    code = query(app.send(member, redirect_uri=CALLBACK)["Location"])["code"]
    assert "refresh_token" not in app.redeem(code, redirect_uri=CALLBACK).json()


def test_a_changed_document_changes_the_row_at_the_next_consent(app, publisher, member):
    app.send(member, redirect_uri=CALLBACK)
    publisher.document = document(
        client_name="Renamed", redirect_uris=["https://client.example/new"]
    )
    assert "Assistant" in ask(app, member).content.decode()  # from the cache
    cache.clear()
    assert "redirect" in problem_of(ask(app, member))
    app.send(member, redirect_uri="https://client.example/new")
    row = Client.objects.get()
    assert (row.name, row.redirect_uris) == ("Renamed", ["https://client.example/new"])


def test_a_document_that_changes_while_the_page_is_open_shows_the_page_again(
    app, publisher, member
):
    shown_to = ask(app, member).context["shown_to"]
    publisher.document = document(client_name="Renamed")
    cache.clear()
    form = {"decision": "allow", "shown_to": shown_to}
    response = member.post(app.address(redirect_uri=CALLBACK), form)
    assert response.status_code == 200 and "Renamed" in response.content.decode()
    assert not Client.objects.exists()


def test_the_answer_goes_to_the_redirect_uri_that_the_page_has_shown(app, publisher, member):
    """A request without a redirect URI gets the only one of the document."""
    publisher.document = document(redirect_uris=["https://well-known.example/callback"])
    page = member.get(app.address(redirect_uri=None))
    assert page.context["redirect_host"] == "well-known.example"
    publisher.document = document(redirect_uris=["https://other.example/callback"])
    cache.clear()
    response = member.post(app.address(redirect_uri=None), consent_form(page))
    assert response.status_code == 200 and response.context["redirect_host"] == "other.example"
    assert not Grant.objects.exists()


def test_a_deactivated_client_is_refused(app, publisher, member):
    app.send(member, redirect_uri=CALLBACK)
    Client.objects.update(is_active=False)
    assert problem_of(ask(app, member))
    assert not Consent.objects.exclude(client_id=URL).exists()


def test_a_denial_stores_nothing(app, publisher, member):
    response = app.send(member, "deny", redirect_uri=CALLBACK)
    assert query(response["Location"])["error"] == "access_denied"
    assert not Client.objects.exists()


def test_a_client_that_the_site_has_registered_under_a_url_needs_no_document(
    app, publisher, member
):
    Client.objects.create(
        client_id=URL,
        name="Ours",
        is_confidential=False,
        registered_redirect_uris=CALLBACK,
        scope="email",
    )
    page = ask(app, member)
    assert "Ours" in page.content.decode()
    assert "Nobody on this site" not in page.content.decode()
    assert publisher.received == []


# --- requests that fetch nothing ------------------------------------------------------------------


def test_documents_are_off_by_default(app, publisher, member, settings):
    del settings.DANCE_SERVER_CLIENT_DOCUMENTS
    assert problem_of(ask(app, member))
    metadata = member.get("/oauth/.well-known/oauth-authorization-server").json()
    assert "client_id_metadata_document_supported" not in metadata
    assert publisher.internet.resolved == []


def test_a_client_is_refused_after_documents_are_switched_off(app, publisher, member, settings):
    code = query(app.send(member, redirect_uri=CALLBACK)["Location"])["code"]
    token = app.redeem(code, redirect_uri=CALLBACK).json()
    settings.DANCE_SERVER_CLIENT_DOCUMENTS = False
    assert problem_of(ask(app, member))
    assert app.refresh(token["refresh_token"]).status_code == 200


def test_a_visitor_logs_in_before_the_document_is_fetched(app, publisher, client, user):
    response = ask(app, client)
    assert response["Location"].startswith("/accounts/login/?next=")
    assert app.send(client, redirect_uri=CALLBACK).status_code == 302
    assert "redirected" not in problem_of(ask(app, client, prompt="none"))
    assert publisher.internet.resolved == []
    form = {"username": "ada", "password": "pw"}
    page = client.post(response["Location"], form, follow=True)
    assert "Assistant" in page.content.decode()


@pytest.mark.parametrize(
    "client_id",
    [
        "https://client.example",
        "https://client.example/",
        "https://client.example:443/mcp.json",
        "https://Client.example/mcp.json",
        "https://client.example/../mcp.json",
        "https://client.example/a/%2E%2e/mcp.json",
        "https://client.example/./mcp.json",
        "https://client.example/mcp.json#x",
        "https://u@client.example/mcp.json",
        "https://client.example:22/mcp.json",
        "https://127.0.0.1/mcp.json",
        "https://localhost/mcp.json",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/mcp.json",
        f"https://client.example/{'a' * 255}",
        "http://client.example/mcp.json",
    ],
)
def test_a_url_of_another_form_is_not_fetched(client_id, publisher, member):
    app = Application(SimpleNamespace(client_id=client_id), None)
    assert problem_of(ask(app, member))
    assert publisher.internet.resolved == publisher.internet.connected == []


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["::ffff:10.0.0.1"]])
def test_a_document_on_a_private_address_is_not_fetched(addresses, app, publisher, member):
    publisher.internet.names["client.example"] = addresses
    text = problem_of(ask(app, member))
    assert text == "The document about the application cannot be read."
    assert publisher.internet.connected == []


# --- documents that cannot be used ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"client_id": "https://client.example/other.json"}, "client_id is not its URL"),
        ({"client_id": f"{URL}/"}, "client_id is not its URL"),
        ({"client_id": None}, "client_id is not its URL"),
        ({"client_secret": "x"}, "client_secret"),
        ({"client_secret_expires_at": 0}, "client_secret_expires_at"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "auth_method must be none"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "auth_method must be none"),
        ({"redirect_uris": None}, "no redirect_uris"),
        ({"redirect_uris": []}, "no redirect_uris"),
        ({"redirect_uris": CALLBACK}, "list of strings"),
        ({"redirect_uris": [7]}, "list of strings"),
        ({"redirect_uris": ["http://client.example/cb"]}, "plain http is allowed for loopback"),
        ({"redirect_uris": ["com.example.app:/cb"]}, "must be https, or http on loopback"),
        ({"redirect_uris": ["https://*.example/cb"]}, "wildcard"),
        ({"redirect_uris": [f"https://client.example/{'a' * 500}"]}, "more than 500 characters"),
        ({"redirect_uris": [f"https://client.example/{n}" for n in range(21)]}, "more than 20"),
        ({"grant_types": ["client_credentials"]}, "contain authorization_code"),
        ({"response_types": ["token"]}, "contain code"),
        ({"client_name": "a" * 101}, "more than 100 characters"),
        ({"client_name": "Safe\N{RIGHT-TO-LEFT OVERRIDE}elif"}, "cannot be printed"),
        ({"client_name": "\N{HANGUL FILLER}\N{BRAILLE PATTERN BLANK}"}, "cannot be seen"),
        ({"client_name": "\N{COMBINING GRAPHEME JOINER}"}, "cannot be seen"),
        ({"client_name": "a" + "\N{COMBINING DOUBLE LOW LINE}" * 5}, "combining marks"),
        ({"client_name": 7}, "must be a text"),
        ({"client_name": " "}, "must be a text"),
        ({"scope": ["email"]}, "scope must be a string"),
    ],
)
def test_an_invalid_document_is_refused_with_the_reason(changes, why, app, publisher, member):
    publisher.document = document(**changes)
    assert why in problem_of(ask(app, member))
    assert not Client.objects.exists()


@pytest.mark.parametrize("text", ["\r\nforged line", "\x1b[31mred", "\u202eoverride", "\ud800"])
def test_a_refused_redirect_uri_is_ascii_on_the_page_and_in_the_log(
    text, app, publisher, member, caplog
):
    publisher.document = document(redirect_uris=[text])
    assert ascii(text) in problem_of(ask(app, member))
    (record,) = [record for record in caplog.records if record.name == "django_dance.server"]
    assert record.getMessage().isascii() and record.getMessage().isprintable()


@pytest.mark.parametrize(
    "change",
    [
        {"status": 404},
        {"status": 500},
        {"status": 201},
        {"status": 302, "headers": {"Location": "https://client.example/elsewhere"}},
        {"headers": {"Content-Type": "text/html"}},
        {"headers": {}},
        {"body": "[]"},
        {"body": "no json"},
        {"document": document(padding="a" * 5200)},
        {"headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}},
    ],
)
def test_a_document_that_cannot_be_read_is_refused(change, app, publisher, member, caplog):
    vars(publisher).update(change)
    text = problem_of(ask(app, member))
    assert text == "The document about the application cannot be read."
    assert "the document of a client cannot be read" in caplog.text
    assert len(publisher.received) == 1


@pytest.mark.parametrize("name", ["Việt", "Vie\u0323\u0302t", "ราชบุรี", "בְּרֵאשִׁ֖ית", "😀", "+"])
def test_a_name_in_any_script_is_accepted(name, app, publisher, member):
    publisher.document = document(client_name=name)
    assert ask(app, member).context["client_name"] == name


def test_a_document_without_a_name_has_the_host_of_its_redirect_uri(app, publisher, member):
    publisher.document = document(client_name=None)
    assert "client.example" in ask(app, member).context["client_name"]


def test_members_that_the_server_does_not_use_are_not_fetched(app, publisher, member):
    publisher.document = document(
        logo_uri="https://logo.example/x.png",
        client_uri="https://home.example/",
        jwks_uri="https://keys.example/jwks",
    )
    page = ask(app, member).content.decode()
    assert "logo.example" not in page and "home.example" not in page
    assert publisher.internet.resolved == ["client.example"]


# --- caching, with an end, and limits -------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        (None, 3600),
        ("max-age=600", 600),
        ("max-age=1", 60),
        ("no-store", 60),
        ("max-age=99999999", 24 * 3600),
    ],
)
def test_a_document_is_cached_for_a_time_with_an_end(
    control, seconds, app, publisher, member, clock
):
    if control:
        publisher.headers = {**publisher.headers, "Cache-Control": control}
    ask(app, member)
    clock.now += seconds - 1
    ask(app, member)
    assert len(publisher.received) == 1
    clock.now += 1
    ask(app, member)
    assert len(publisher.received) == 2


def test_a_failure_is_cached_for_a_minute(app, publisher, member, clock):
    publisher.status = 404
    for _ in range(3):
        problem_of(ask(app, member))
    assert len(publisher.received) == 1
    publisher.status = 200
    clock.now += 60
    assert "Assistant" in ask(app, member).content.decode()


def test_an_entry_of_the_cache_that_others_wrote_is_not_used(app, publisher, member, server):
    ask(app, member)
    key = f"django_dance:server:client_document:{server.cache_name(URL)}"
    cache.set(key, json.dumps({"until": 9e9, "document": document(client_name="Forged")}))
    assert "Assistant" in ask(app, member).content.decode()


def test_a_user_may_make_the_server_fetch_some_documents_in_a_minute(
    publisher, member, clock, make_user
):
    def ask_for(number, browser):
        url = f"https://client.example/{number}.json"
        publisher.document = document(client_id=url)
        app = Application(SimpleNamespace(client_id=url), None)
        return ask(app, browser)

    for number in range(10):
        assert ask_for(number, member).status_code == 200
    assert "Too many new applications" in problem_of(ask_for(10, member))
    assert ask_for(3, member).status_code == 200  # it is in the cache
    assert len(publisher.received) == 10
    other = Browser()
    other.force_login(make_user("grace"))
    assert ask_for(10, other).status_code == 200
    clock.now += 60
    assert ask_for(11, member).status_code == 200


def test_all_users_together_have_a_limit(app, publisher, member, monkeypatch):
    monkeypatch.setattr(client_documents, "_FOR_ALL", 0)
    assert "Too many new applications" in problem_of(ask(app, member))
    assert publisher.received == []


def test_no_document_is_fetched_if_nobody_counts(app, publisher, member, settings):
    settings.CACHES = {
        **settings.CACHES,
        "down": {"BACKEND": "tests.caches.RaisingCache"},
    }
    settings.DANCE_SERVER_LIMIT_CACHE = "down"
    assert "Too many new applications" in problem_of(ask(app, member))
    assert publisher.received == []


# --- rows -----------------------------------------------------------------------------------------


def test_another_spelling_of_the_id_is_another_client(publisher, member):
    ids = [URL, "https://client.example/MCP.json"]
    outcomes = []
    for client_id in ids:
        publisher.document = document(client_id=client_id, client_name=client_id)
        app = Application(SimpleNamespace(client_id=client_id), None)
        outcomes.append(app.send(member, redirect_uri=CALLBACK))
    assert outcomes[0].status_code == 303
    # A database that ignores the case has no room for the second one.
    names = set(Client.objects.values_list("client_id", "name"))
    assert names <= {(client_id, client_id) for client_id in ids}
    assert (outcomes[1].status_code == 303) == (len(names) == 2)


def test_the_signal_has_the_stored_client(
    app, publisher, member, connect_receiver, django_capture_on_commit_callbacks
):
    from django_dance.server.signals import application_authorized

    heard = []

    def receive(client, **kwargs):
        heard.append(client.pk)

    connect_receiver(application_authorized, receive)
    with django_capture_on_commit_callbacks(execute=True):
        app.send(member, redirect_uri=CALLBACK)
    assert heard == [Client.objects.get().pk]


def test_a_server_with_a_function_of_the_site_has_no_documents(app, publisher, member, settings):
    own = make_server()

    @own.clientgetter
    def find(client_id):
        return None

    serve(settings, own, path("x", lambda request: JsonResponse({})))
    assert problem_of(ask(app, member))
    assert publisher.internet.resolved == []


def test_a_disconnected_client_has_no_tokens(app, publisher, member):
    code = query(app.send(member, redirect_uri=CALLBACK)["Location"])["code"]
    token = app.redeem(code, redirect_uri=CALLBACK).json()
    (consent,) = Consent.objects.all()
    member.post("/oauth/applications/", {"application": consent.pk})
    assert app.get("/email/", token["access_token"]).status_code == 401
    assert Token.objects.filter(revoked_at=None).count() == 0
    assert Grant.objects.filter(used_at=None).count() == 0
