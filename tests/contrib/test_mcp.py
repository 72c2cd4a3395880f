"""MCP servers that users name, over real sockets, with a resolver that keeps a log.

The numbers M… are those of the rules of the specification, the numbers P… those of the hostile
inputs. A listener on loopback shows that nothing reaches a forbidden address.
"""

import asyncio
import json
import re
from contextlib import ExitStack
from urllib.parse import parse_qs, urlsplit

import pytest

from django_dance.contrib.mcp import REVISIONS
from django_dance.exceptions import AddressRefused, AuthorizationRequired, PlaceError
from django_dance.interop import mcp_client
from django_dance.models import ClientRegistration, OAuthToken
from django_dance.providers import providers, server_metadata
from django_dance.server import mcp as of_the_server
from django_dance.signals import connection_lost

from ..internet import ELSEWHERE, PUBLIC
from ..loopback import Loopback, reserved_port

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows"),
]

PLACE, ISSUER, NEW_ISSUER = "https://mcp.example/mcp", "https://auth.example", "https://new.example"
DOCUMENT = "/.well-known/oauth-protected-resource/mcp"
METADATA = "/.well-known/oauth-authorization-server"
JSON = {"Content-Type": "application/json"}


class Remote:
    """An MCP server, and its authorization servers. Tests change its attributes."""

    def __init__(self):
        self.issuers = [ISSUER]
        self.scopes_supported, self.challenged_scope = None, ""
        #: The address of the document that a challenge names.
        self.document = f"https://mcp.example{DOCUMENT}"
        #: Method of MCP → the scope that its call needs; the server grants each scope.
        self.needs = {}
        self.metadata = {}
        self.token_answer = None
        self.granted = []
        self.valid = set()
        #: The scope of the last dance.
        self.asked_scope = ""
        #: Requests by host and path.
        self.received = []

    # --- the resource ---

    def resource(self, received):
        self.received.append(("mcp.example", received))
        if received.path == DOCUMENT:
            document = {"resource": PLACE, "authorization_servers": self.issuers}
            if self.scopes_supported is not None:
                document["scopes_supported"] = self.scopes_supported
            return 200, JSON, json.dumps(document)
        if received.path != "/mcp" or received.method != "POST":
            return 404 if received.path != "/mcp" else 405, {}, ""
        message = json.loads(received.body)
        token = (received.headers["Authorization"] or "").removeprefix("Bearer ")
        where = f'resource_metadata="{self.document}"'
        if self.challenged_scope:
            where += f', scope="{self.challenged_scope}"'
        if token not in self.valid:
            return 401, {"WWW-Authenticate": f"Bearer {where}"}, ""
        needed = self.needs.get(message["method"], "")
        needed = needed() if callable(needed) else needed
        if needed and needed not in dict(self.granted)[token].split():
            error = f'error="insufficient_scope", scope="{needed}"'
            return 403, {"WWW-Authenticate": f"Bearer {error}, {where}"}, ""
        if "id" not in message:
            return 202, {}, ""  # a notification
        return 200, JSON, json.dumps(self.result(message))

    def result(self, message):
        results = {
            "initialize": {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "remote", "version": "1"},
            },
            "tools/list": {"tools": [{"name": "add", "inputSchema": {"type": "object"}}]},
            "tools/call": {"content": [{"type": "text", "text": "3"}]},
        }
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] not in results:
            return {**answer, "error": {"code": -32601, "message": "Method not found"}}
        return {**answer, "result": results[message["method"]]}

    # --- the authorization servers ---

    def authorization(self, issuer):
        def answer(received):
            self.received.append((urlsplit(issuer).netloc, received))
            if received.path == METADATA:
                document = {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "registration_endpoint": f"{issuer}/register",
                    "code_challenge_methods_supported": ["S256"],
                    "authorization_response_iss_parameter_supported": True,
                    **self.metadata,
                }
                known = {name: value for name, value in document.items() if value is not None}
                return 200, JSON, json.dumps(known)
            if received.path == "/register":
                client = {"client_id": f"client of {issuer}", "client_secret": "planted-secret"}
                return 201, JSON, json.dumps({**client, "client_secret_expires_at": 0})
            if received.path == "/token":
                return self.token_answer or self.grant(received)
            return 404, {}, ""

        return answer

    def grant(self, received):
        token = f"planted-token-{len(self.granted)}"
        self.granted.append((token, self.asked_scope))
        self.valid = self.valid | {token} if isinstance(self.valid, set) else self.valid
        fields = {
            "access_token": token,
            "token_type": "Bearer",
            "refresh_token": f"planted-refresh-{len(self.granted)}",
        }
        return (
            200,
            JSON,
            json.dumps(fields | ({"scope": self.asked_scope} if self.asked_scope else {})),
        )

    asked_scope = ""

    def paths(self, host):
        return [received.path for at, received in self.received if at == host]


@pytest.fixture
def forbidden():
    with Loopback() as listener:
        yield listener
        assert listener.connections == 0


@pytest.fixture
def remote(internet, authority, bundle, settings):
    settings.DANCE_TIMEOUT = 60  # a busy machine may be slow
    settings.DANCE_PROVIDERS = {
        "mcp": {
            "PROVIDER": "django_dance.contrib.mcp.MCP",
            "PLACES": "any",
            "CA_BUNDLE": bundle,
        }
    }
    server_metadata.forget()
    remote = Remote()
    with ExitStack() as stack:
        sites = {"mcp.example": (PUBLIC, remote.resource)}
        for number, issuer in enumerate((ISSUER, NEW_ISSUER)):
            host = urlsplit(issuer).netloc
            sites[host] = (f"151.101.1.{number + 70}", remote.authorization(issuer))
        for name, (address, answer) in sites.items():
            stack.enter_context(internet.site(authority, name, address, answer))
        yield remote
    server_metadata.forget()


@pytest.fixture
def person(client, user, remote):
    client.force_login(user)
    return Person(client, user, remote)


class Person:
    """A user of the site, with a browser."""

    def __init__(self, client, user, remote):
        self.client, self.user, self.remote = client, user, remote

    @property
    def session(self):
        return providers["mcp"].at(PLACE).session(user=self.user)

    def begin(self, url=None, **fields):
        """Press the button of the site; the result is the page, or the query at the server."""
        url = url or f"/login/mcp/?place={PLACE}"
        page = self.client.post(url, headers={"HX-Request": "true"})
        if "HX-Redirect" not in page.headers:
            return page
        to = urlsplit(page.headers["HX-Redirect"])
        asked = {name: value[0] for name, value in parse_qs(to.query).items()}
        self.remote.asked_scope = asked.get("scope", "")
        return {**asked, "at": f"{to.scheme}://{to.netloc}{to.path}"}

    def come_back(self, asked, **params):
        params = {"code": "planted-code", "state": asked["state"], "iss": ISSUER, **params}
        known = {name: value for name, value in params.items() if value is not None}
        return self.client.get("/login/mcp/authorized/", known)

    def connect(self, url=None, iss=ISSUER):
        asked = self.begin(url)
        assert isinstance(asked, dict), asked.content
        back = self.come_back(asked, iss=iss)
        assert back.status_code == 302, back.content
        return asked

    def call(self, *calls):
        """Make calls with the client of the SDK."""

        async def run():
            async with mcp_client(self.session, mode="legacy") as client:
                for name in calls:
                    if name == "tools/list":
                        await client.list_tools()
                    else:
                        found = await client.call_tool("add", {"a": 1, "b": 2})
                return found.content[0].text if "tools/call" in calls else None

        return asyncio.run(run())


def code_on(page):
    return page.content.decode().partition('"small">')[2].partition("<")[0].strip()


# --- a connection ---------------------------------------------------------------------------------


def test_a_user_connects_a_server_and_calls_a_tool(person, remote, internet):
    remote.scopes_supported = ["files:read", "files:write"]
    asked = person.connect()
    assert asked["at"] == f"{ISSUER}/authorize"
    assert asked["client_id"] == f"client of {ISSUER}"
    assert asked["resource"] == PLACE  # M13
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "files:read files:write"  # M29
    assert person.call("tools/list", "tools/call") == "3"
    (received,) = [r for at, r in remote.received if r.path == "/token"]
    assert dict(received.form)["resource"] == PLACE
    (row,) = OAuthToken.objects.all()
    assert row.place == PLACE and row.user == person.user
    # The page was opened with one probe, which had no token.
    (probe, *rest) = [r for at, r in remote.received if r.path == "/mcp"]
    assert probe.headers["Authorization"] is None
    assert all(r.headers["Authorization"] == "Bearer planted-token-0" for r in rest)  # M33
    assert all(r.query == [] for r in rest)


def test_the_page_after_the_button_names_the_authorization_server(person):
    page = person.client.post(f"/login/mcp/?place={PLACE}").content.decode()
    assert 'Server: <strong dir="ltr">auth.example</strong>' in page


def test_the_scopes_of_the_challenge_are_preferred(person, remote):
    remote.scopes_supported = ["everything"]
    remote.challenged_scope = "files:read"
    assert person.begin()["scope"] == "files:read"


def test_no_scope_is_asked_for_if_the_server_names_none(person):
    assert "scope" not in person.begin()


def test_refresh_tokens_are_asked_for_by_their_scope(person, remote):
    remote.scopes_supported = ["files:read"]
    remote.metadata = {"scopes_supported": ["files:read", "offline_access"]}
    assert person.begin()["scope"] == "files:read offline_access"


def test_a_scope_with_characters_that_no_scope_may_have_is_not_asked_for(person, remote):
    remote.scopes_supported = ["\ud800", "\0", 'a"b', "é", "files:read"]
    assert person.begin()["scope"] == "files:read"


def test_more_scopes_than_a_cookie_stores_are_not_asked_for(person, remote):
    remote.scopes_supported = [f"scope-{number}" for number in range(200)]
    assert "scope" not in person.begin()


def test_a_refresh_needs_no_discovery(person, remote):
    person.connect()
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": 1}
    row.save()
    before = len(remote.received)
    assert person.call("tools/call") == "3"
    later = [(at, r.path) for at, r in remote.received[before:]]
    assert later[0] == ("auth.example", "/token")
    assert {path for at, path in later[1:]} == {"/mcp"}
    received = remote.received[before][1]
    assert dict(received.form)["resource"] == PLACE
    assert dict(received.form)["grant_type"] == "refresh_token"


def test_the_client_id_is_also_in_the_form(person, remote):
    """The authorization server of the official SDK reads it there, even with HTTP Basic."""
    person.connect()
    (received,) = [r for at, r in remote.received if r.path == "/token"]
    assert received.headers["Authorization"].startswith("Basic ")
    assert dict(received.form)["client_id"] == f"client of {ISSUER}"


def test_the_site_asks_for_a_token_for_itself(db, remote):
    row = ClientRegistration(provider="mcp", issuer=ISSUER, client_id="the-site")
    row.secrets = {"client_secret": "planted-secret"}
    row.save()
    remote.scopes_supported = ["files:read"]
    remote.metadata = {"scopes_supported": ["files:read", "offline_access"]}
    token = providers["mcp"].at(PLACE).client_credentials()
    assert token["access_token"] == "planted-token-0"
    (received,) = [r for at, r in remote.received if r.path == "/token"]
    assert dict(received.form) == {
        "grant_type": "client_credentials",
        "client_id": "the-site",
        "resource": PLACE,
        "scope": "files:read",
    }
    assert not OAuthToken.objects.exists()


def test_the_site_does_not_register_itself_for_its_own_token(db, remote, settings):
    settings.DANCE_OWNER_TENANT = lambda owner: "opal"
    command = f"dance_clients add mcp {ISSUER} CLIENT_ID --tenant opal"
    with pytest.raises(PlaceError, match=re.escape(command)) as refused:
        providers["mcp"].at(PLACE).client_credentials()
    assert refused.value.code == "place_needs_client"
    assert "/register" not in remote.paths("auth.example")


def test_both_revisions_are_those_of_the_server_part():
    assert REVISIONS == of_the_server.REVISIONS


# --- refusals before anything is sent to the browser ----------------------------------------------


@pytest.mark.parametrize("methods", [None, [], ["plain"]])
def test_a_server_that_does_not_state_pkce_is_refused(methods, person, remote):
    """M12, P21"""
    remote.metadata = {"code_challenge_methods_supported": methods}
    page = person.begin()
    assert page.status_code == 400 and code_on(page) == "place_metadata"
    assert "/register" not in remote.paths("auth.example")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"issuer": NEW_ISSUER}, "issuer_mismatch"),  # P14
        ({"issuer": f"{ISSUER}/"}, "issuer_mismatch"),  # P15
        ({"token_endpoint": "http://auth.example/token"}, "place_metadata"),  # P16
        ({"token_endpoint": "https://127.0.0.1/token"}, "place_metadata"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "place_metadata"),  # P17
        ({"registration_endpoint": None}, "place_needs_client"),
    ],
)
def test_metadata_that_cannot_be_used_are_refused(members, code, person, remote):
    remote.metadata = members
    page = person.begin()
    assert page.status_code == 400 and code_on(page) == code


@pytest.mark.parametrize(
    "place",
    [
        "http://mcp.example/mcp",  # P1
        "https://user:pw@mcp.example/mcp",  # P2
        "https://mcp.example/mcp%23x#y",  # P3
        "https://localhost/mcp",  # P4
        "https://169.254.169.254/mcp",
        "https://0x7f.1/mcp",  # P5
        "https://[::ffff:169.254.169.254]/mcp",  # P6
        "file:///etc/passwd",
    ],
)
def test_a_place_that_must_not_be_called_is_refused(place, person, internet, forbidden):
    page = person.client.post("/login/mcp/", {"place": place})
    assert page.status_code == 400
    assert internet.resolved == internet.connected == []


def test_a_place_with_a_private_address_is_refused(person, internet, forbidden):
    """P8"""
    internet.names["mcp.example"] = [PUBLIC, "127.0.0.1"]
    page = person.begin()
    assert page.status_code == 400 and code_on(page) == "place_refused"
    assert internet.connected == []


@pytest.mark.parametrize(
    "document", ["http://169.254.169.254/latest", "file:///etc/passwd", "https://127.0.0.1/"]
)
def test_a_challenge_does_not_lead_into_the_network_of_the_site(
    document, person, remote, internet, forbidden
):
    """P12"""
    remote.document = document
    page = person.begin()
    assert page.status_code == 400 and code_on(page) == "place_refused"
    assert internet.resolved == ["mcp.example"] and internet.connected == [PUBLIC]


# --- the callback ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("iss", "code"),
    [
        (NEW_ISSUER, "issuer_mismatch"),
        (f"{ISSUER}/", "issuer_mismatch"),
        ("https://AUTH.example", "issuer_mismatch"),
        (f"{ISSUER}:443", "issuer_mismatch"),
        (None, "issuer_missing"),
    ],
)
def test_an_answer_of_another_server_is_refused(iss, code, person, remote):
    """M26, M27, P15, P22: the code goes nowhere."""
    back = person.come_back(person.begin(), iss=iss)
    assert back.status_code == 400 and code_on(back) == code
    assert "/token" not in remote.paths("auth.example") + remote.paths("new.example")


def test_the_words_of_another_server_are_not_shown(person, remote, caplog):
    """M28, P22"""
    words = {"error": "planted-error", "error_description": "<b>planted words</b>"}
    asked = person.begin()
    back = person.come_back(
        asked, code=None, iss=NEW_ISSUER, error_uri="https://evil.example/planted", **words
    )
    assert back.status_code == 400 and code_on(back) == "issuer_mismatch"
    assert "planted" not in back.content.decode() and "planted" not in caplog.text
    # The dance goes on: the answer of the right server is accepted.
    assert person.come_back(asked).status_code == 302


def test_a_redirect_of_the_token_endpoint_is_not_followed(person, remote, internet, forbidden):
    """P11"""
    asked = person.begin()
    there = f"http://127.0.0.1:{forbidden.server_port}/token"
    remote.token_answer = 307, {"Location": there}, ""
    back = person.come_back(asked)
    assert back.status_code == 400
    assert remote.paths("new.example") == [] and not OAuthToken.objects.exists()


def test_the_token_endpoint_of_the_flow_gets_the_code(person, remote):
    """The metadata change between the two steps: the code goes where the dance was begun."""
    asked = person.begin()
    remote.metadata = {"token_endpoint": f"{NEW_ISSUER}/token"}
    remote.issuers = [NEW_ISSUER]
    server_metadata.forget()
    assert person.come_back(asked).status_code == 302
    assert "/token" in remote.paths("auth.example")
    assert remote.paths("new.example") == []


# --- the life of a connection ---------------------------------------------------------------------


def test_a_new_issuer_gets_neither_the_token_nor_the_client_of_the_old_one(
    person, remote, connect_receiver
):
    """M22, P23"""
    lost = []
    connect_receiver(connection_lost, lambda **kwargs: lost.append(kwargs["reason"]))
    person.connect()
    remote.issuers, remote.valid = [NEW_ISSUER], set()
    with pytest.raises(AuthorizationRequired) as required:
        person.call("tools/list")
    assert required.value.reason == "issuer_changed" and lost == ["issuer_changed"]
    row = OAuthToken.objects.get()
    assert (row.state, row.reason, row.token) == ("needs_reconnect", "issuer_changed", None)
    assert remote.paths("new.example") == []
    assert remote.paths("auth.example").count("/token") == 1
    # The user connects again: at the new server, as another client.
    asked = person.connect(required.value.login_url, iss=NEW_ISSUER)
    assert asked["at"] == f"{NEW_ISSUER}/authorize"
    assert asked["client_id"] == f"client of {NEW_ISSUER}"
    assert person.call("tools/call") == "3"
    assert ClientRegistration.objects.count() == 2


def test_a_token_that_was_revoked_is_refreshed_and_the_call_repeated(person, remote):
    person.connect()
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "granted_at": 1}
    row.save()
    remote.valid = set()
    assert person.call("tools/call") == "3"
    assert [token for token, _ in remote.granted] == ["planted-token-0", "planted-token-1"]


def test_a_token_that_is_refused_after_a_refresh_needs_a_new_dance(person, remote):
    person.connect()
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "granted_at": 1}
    row.save()
    remote.valid = frozenset()  # of no token
    with pytest.raises(AuthorizationRequired):
        person.call("tools/call")
    assert len(remote.granted) == 2
    assert OAuthToken.objects.get().reason == "rejected"


def test_a_call_that_needs_another_scope_asks_for_all(person, remote):
    """M31, M32: the union of the scopes."""
    remote.scopes_supported = ["files:read"]
    remote.needs = {"tools/call": "files:write"}
    person.connect()
    with pytest.raises(AuthorizationRequired) as required:
        person.call("tools/list", "tools/call")
    assert required.value.missing_scopes == ("files:write",)
    asked = person.connect(required.value.login_url)
    assert asked["scope"] == "files:read files:write"
    assert person.call("tools/call") == "3"


def test_a_server_that_always_wants_other_scopes_is_left(person, remote):
    """P25: at most three dances, and then one error, which does not begin another dance."""
    numbers = iter(range(1000))
    remote.needs = {"tools/call": lambda: f"more-{next(numbers)}"}
    person.connect()
    dances = 1
    for _ in range(10):
        with pytest.raises(AuthorizationRequired) as required:
            person.call("tools/call")
        if required.value.reason == "declined_scopes":
            break
        person.connect(required.value.login_url)
        dances += 1
    assert required.value.reason == "declined_scopes" and dances == 3


# --- the calls of the SDK -------------------------------------------------------------------------


def test_the_calls_of_the_sdk_reach_only_public_addresses(person, internet, forbidden):
    """P9: the name leads to loopback after the dance."""
    person.connect()
    internet.names["mcp.example"] = ["127.0.0.1"]
    with pytest.raises(AddressRefused):
        person.call("tools/list")


def test_the_proxies_of_the_environment_do_not_get_the_calls(person, forbidden, monkeypatch):
    person.connect()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{forbidden.server_port}")
    assert person.call("tools/call") == "3"


def test_without_a_connection_there_is_no_call(person, remote, internet):
    with pytest.raises(AuthorizationRequired) as required:
        person.call("tools/list")
    assert required.value.reason == "no_token" and required.value.place == PLACE
    assert internet.resolved == []


def test_the_next_address_of_a_server_is_tried(person, internet):
    person.connect()
    with reserved_port() as closed:
        internet.names["mcp.example"] = [ELSEWHERE, PUBLIC]
        internet.hosts[ELSEWHERE] = closed
        assert person.call("tools/call") == "3"
    assert {ELSEWHERE, PUBLIC} <= set(internet.connected)
