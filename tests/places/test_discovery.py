"""Places whose authorization server is discovered: registration, mix-up, refresh, new issuers."""

import base64
import json
from types import SimpleNamespace

import pytest

from django_dance.exceptions import AuthorizationRequired, PlaceError
from django_dance.models import ClientRegistration
from django_dance.providers import (
    OAuth2Provider,
    UrlPlace,
    discover_authorization_server,
    providers,
    server_metadata,
)

from ..conftest import Browser, flow_cookies, provider_url, query
from ..internet import ELSEWHERE, PUBLIC
from .conftest import JSON, connect, refusal

PLACE = "https://rs.example/mcp"


@pytest.fixture(autouse=True)
def _forget_documents():
    server_metadata.forget()


class Anything(OAuth2Provider):
    """A provider whose places name their authorization server themselves."""

    place_kind = UrlPlace()
    base_url = "{place}"
    authorization_url = "{place}/authorize"
    token_url = "{place}/token"
    account_url = "{place}/me"
    account_id = "id"
    #: The issuer that the place names now.
    issuers = SimpleNamespace(now="https://auth.example")

    def discover(self, asked_by):
        return discover_authorization_server(
            self.issuers.now, asked_by=asked_by, verify=self.ca_bundle or True
        )


class Server:
    """An authorization server and the API of its place."""

    def __init__(self, issuer):
        self.issuer, self.metadata, self.received = issuer, {}, []
        self.grants = iter(range(1, 100))
        self.refreshes = self.publishes = True
        self.token_fields = {}

    def document(self):
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "registration_endpoint": f"{self.issuer}/register",
            "code_challenge_methods_supported": ["S256"],
            **self.metadata,
        }

    def answer(self, received):
        self.received.append(received)
        if received.path.startswith("/.well-known/") and not self.publishes:
            return 404, JSON, "{}"
        if received.path == "/.well-known/oauth-authorization-server":
            return 200, JSON, json.dumps(self.document())
        if received.path == "/register":
            wanted = json.loads(received.body)
            name = self.issuer.removeprefix("https://")
            client = {**wanted, "client_id": f"at-{name}", "token_endpoint_auth_method": "none"}
            return 201, JSON, json.dumps(client)
        if received.path == "/token":
            number = next(self.grants)
            token = {"access_token": f"planted-{number}", "token_type": "Bearer", "expires_in": 60}
            if self.refreshes:
                token["refresh_token"] = f"planted-refresh-{number}"
            return 200, JSON, json.dumps({**token, **self.token_fields})
        return 200, JSON, json.dumps({"id": 7})

    def forms(self, path):
        return [dict(received.form) for received in self.received if received.path == path]


@pytest.fixture
def server(internet, authority, bundle, settings, monkeypatch):
    monkeypatch.setattr(Anything.issuers, "now", "https://auth.example")
    settings.DANCE_TIMEOUT = 60  # a busy machine may be slow
    settings.DANCE_PROVIDERS = {
        "remote": {"PROVIDER": Anything, "PLACES": "any", "CA_BUNDLE": bundle}
    }
    server = Server("https://auth.example")
    api = Server("https://rs.example")
    with (
        internet.site(authority, "auth.example", PUBLIC, server.answer),
        internet.site(authority, "rs.example", "192.0.79.32", api.answer),
    ):
        yield server


@pytest.fixture
def other(internet, authority, server):
    """Another authorization server, which gets no secret of the first one."""
    other = Server("https://other.example")
    with internet.site(authority, "other.example", ELSEWHERE, other.answer):
        yield other


def begin(browser, place=PLACE):
    return browser.post("/login/remote/", {"place": place, "next": "/after/"})


def callback(browser, begun, **params):
    state = query(provider_url(begun))["state"]
    params = {"state": state, "code": "planted-code", **params}
    kept = {name: value for name, value in params.items() if value is not None}
    return browser.get("/login/remote/authorized/", kept)


def expire(user):
    row = user.oauth_tokens.get()
    row.token = {**row.token.fields_to_store, "expires_at": 1}
    row.save()
    return providers["remote"].at(row.place).session(user=user)


def test_the_login_view_discovers_and_registers_once(server, member, user, internet):
    begun = begin(member)
    asked = query(provider_url(begun))
    assert provider_url(begun).startswith("https://auth.example/authorize?")
    assert asked["client_id"] == "at-auth.example"
    assert callback(member, begun)["Location"] == "/after/"
    (form,) = server.forms("/token")
    assert form["client_id"] == "at-auth.example" and form["code"] == "planted-code"
    assert len(server.forms("/register")) == 1
    registration = ClientRegistration.objects.get()
    (row,) = user.oauth_tokens.all()
    assert row.place == PLACE
    assert row.token["granted_by"]["issuer"] == "https://auth.example"
    assert row.token["granted_by"]["registration"] == str(registration.pk)


def test_at_makes_no_call(server, user, make_request, internet):
    session = make_request(user).oauth.remote.at(PLACE)
    assert not session.authorized
    with pytest.raises(AuthorizationRequired):
        session.get("tools")
    assert internet.resolved == [] and not ClientRegistration.objects.exists()


def test_a_refresh_needs_no_discovery(server, member, user):
    callback(member, begin(member))
    server_metadata.forget()
    server.metadata = {"token_endpoint": "https://evil.example/token"}
    Anything.issuers.now = "https://evil.example"
    before = len(server.received)
    session = expire(user)
    session.refresh()
    assert session.token["access_token"] == "planted-2"
    assert [received.path for received in server.received[before:]] == ["/token"]
    (_, form) = server.forms("/token")
    assert form["refresh_token"] == "planted-refresh-1"
    assert form["client_id"] == "at-auth.example"
    # The facts stay with the token, so the next refresh needs no discovery either.
    assert session.token["granted_by"]["issuer"] == "https://auth.example"


def test_a_token_answer_cannot_name_another_server(server, member, user):
    server.token_fields = {"granted_by": {"token_url": "https://evil.example/token"}}
    callback(member, begin(member))
    stored = user.oauth_tokens.get().token["granted_by"]
    assert stored["token_url"] == "https://auth.example/token"


def test_a_new_issuer_gets_neither_the_old_refresh_token_nor_the_old_client(
    server, other, member, user
):
    """P23: the place names another server while a refresh token of the first one is stored."""
    callback(member, begin(member))
    Anything.issuers.now = "https://other.example"
    other.refreshes = False  # a dance without a refresh token keeps the one from before
    assert callback(member, begin(member)).status_code == 302
    row = user.oauth_tokens.get()
    assert row.token["granted_by"]["issuer"] == "https://other.example"
    assert "refresh_token" not in row.token
    for form in other.forms("/token"):
        assert form["client_id"] == "at-other.example"
        assert "planted-refresh" not in json.dumps(form)


def test_a_new_registration_does_not_get_the_old_refresh_token(server, member, user):
    callback(member, begin(member))
    ClientRegistration.objects.update(current=None)  # the server has forgotten the client
    server.refreshes = False
    callback(member, begin(member))
    assert "refresh_token" not in user.oauth_tokens.get().token


def test_a_deleted_registration_ends_no_connection_silently(server, member, user):
    callback(member, begin(member))
    ClientRegistration.objects.all().delete()
    with pytest.raises(PlaceError) as caught:
        expire(user).refresh()
    assert caught.value.code == "place_needs_client"
    assert len(server.forms("/token")) == 1


# --- mix-up ---------------------------------------------------------------------------------------


def test_metadata_of_another_issuer_are_refused_before_the_redirect(server, other, member):
    """P14."""
    server.metadata = {"issuer": "https://other.example"}
    assert refusal(begin(member)) == "issuer_mismatch"
    assert flow_cookies(member) == [] and other.received == []


@pytest.mark.parametrize(
    "issuer", ["https://auth.example/", "https://AUTH.example", "https://auth.example:443"]
)
def test_an_issuer_is_compared_in_every_character(server, member, issuer):
    """P15."""
    server.metadata = {"issuer": issuer}
    assert refusal(begin(member)) == "issuer_mismatch"
    server.metadata = {}
    server_metadata.forget()
    begun = begin(member)
    assert refusal(callback(member, begun, iss=issuer)) == "issuer_mismatch"
    assert server.forms("/token") == []


@pytest.mark.parametrize(
    "token_endpoint",
    ["http://auth.example/token", "https://127.0.0.1/token", "https://x.internal/"],
)
def test_an_endpoint_that_must_not_be_called_is_refused(server, member, token_endpoint):
    """P16."""
    server.metadata = {"token_endpoint": token_endpoint}
    assert refusal(begin(member)) == "place_metadata"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "http://auth.example/"])
def test_a_browser_is_not_sent_to_such_an_address(server, member, url):
    """P17."""
    server.metadata = {"authorization_endpoint": url}
    response = begin(member)
    assert refusal(response) == "place_metadata"
    assert url not in response.content.decode() and flow_cookies(member) == []


def test_a_callback_of_another_issuer_is_refused_and_its_text_is_not_shown(server, member, events):
    """P22: ``iss`` is compared before the error is read (RFC 9207 §2.4)."""
    begun = begin(member)
    error = {"error": "access_denied", "error_description": "<b>planted words</b>"}
    response = callback(member, begun, code=None, iss="https://other.example", **error)
    assert refusal(response) == "issuer_mismatch"
    assert "planted words" not in response.content.decode()
    (sent,) = events.named("oauth_error")
    assert sent["error"] is None and sent["error_description"] is None
    response = callback(member, begun, iss="https://other.example")
    assert refusal(response) == "issuer_mismatch"
    assert server.forms("/token") == []


def test_a_server_that_promises_iss_must_send_it(server, member):
    server.metadata = {"authorization_response_iss_parameter_supported": True}
    begun = begin(member)
    assert refusal(callback(member, begun)) == "issuer_missing"
    assert server.forms("/token") == []
    assert callback(member, begun, iss="https://auth.example").status_code == 302


@pytest.fixture
def mixed_up(server, other):
    """A server that names the authorization endpoint of another server, and its own for tokens."""
    server.metadata = {"authorization_endpoint": "https://other.example/authorize"}
    return server


def test_the_code_of_another_server_is_not_sent_to_this_one(mixed_up, member):
    """The other server does not send ``iss``."""
    assert refusal(callback(member, begin(member))) == "issuer_missing"
    assert mixed_up.forms("/token") == []


def test_a_server_with_endpoints_on_two_hosts_must_send_iss(mixed_up, member):
    response = callback(member, begin(member), iss="https://auth.example")
    assert response.status_code == 302


@pytest.mark.parametrize(("places", "accepted"), [([PLACE], True), ([".rs.example"], False)])
def test_a_place_that_the_settings_name_may_have_endpoints_on_two_hosts(
    mixed_up, member, settings, places, accepted
):
    options = settings.DANCE_PROVIDERS["remote"]
    settings.DANCE_PROVIDERS = {"remote": {**options, "PLACES": places}}
    place = PLACE if accepted else "https://a.rs.example/mcp"
    response = callback(member, begin(member, place))
    assert (response.status_code == 302) is accepted
    assert len(mixed_up.forms("/token")) == accepted


def test_an_endpoint_may_be_at_a_subdomain_of_the_other(server, member):
    server.metadata = {"authorization_endpoint": "https://login.auth.example/authorize"}
    assert callback(member, begin(member)).status_code == 302


@pytest.mark.parametrize(
    "parameter", ["scope=admin", "code_challenge=x", "CLIENT_ID=x", "redirect_uri", "%73tate=x"]
)
def test_a_server_cannot_add_parameters_to_the_authorization_request(server, member, parameter):
    server.metadata = {"authorization_endpoint": f"https://auth.example/authorize?{parameter}"}
    assert refusal(begin(member)) == "place_metadata"
    server_metadata.forget()
    server.metadata = {"authorization_endpoint": "https://auth.example/authorize?tenant=x"}
    assert query(provider_url(begin(member)))["tenant"] == "x"


def test_the_code_goes_to_the_server_of_the_flow(server, other, member):
    """The place names another server between the two steps."""
    begun = begin(member)
    Anything.issuers.now = "https://other.example"
    assert callback(member, begun).status_code == 302
    assert len(server.forms("/token")) == 1 and other.received == []


def test_a_place_that_does_not_answer_is_reported(server, member, internet):
    internet.names["auth.example"] = []
    assert refusal(begin(member)) == "place_unreachable"


def test_a_place_without_metadata_is_reported(server, member):
    server.publishes = False
    assert refusal(begin(member)) == "place_metadata"


def test_one_user_cannot_make_the_site_ask_many_servers(server, member, clock):
    codes = set()
    for number in range(server_metadata.PER_USER + 1):
        Anything.issuers.now = f"https://s{number}.example"
        codes.add(refusal(begin(member, f"https://p{number}.example")))
    assert codes == {"place_unreachable", "place_limit"}


def test_visitors_behind_a_proxy_are_counted_apart(server, settings, clock):
    settings.DANCE_CLIENT_ADDRESS = lambda request: request.headers["X-Real-IP"]

    def code(address, number):
        Anything.issuers.now = f"https://s{number}.example"
        visitor = Browser(headers={"X-Real-IP": address})
        return refusal(begin(visitor, f"https://p{number}.example"))

    first = [code("192.0.2.1", number) for number in range(server_metadata.PER_USER + 1)]
    assert first == ["place_unreachable"] * server_metadata.PER_USER + ["place_limit"]
    assert code("192.0.2.2", 100) == "place_unreachable"


def test_disconnecting_revokes_at_the_server_of_the_grant(server, other, member, user):
    callback(member, begin(member))
    Anything.issuers.now = "https://other.example"
    providers["remote"].at(PLACE).session(user=user).disconnect()
    (form,) = server.forms("/revoke")
    assert form["token"] == "planted-refresh-1" and other.received == []


def test_the_token_of_a_deleted_user_is_revoked_at_its_place(
    server, member, user, django_capture_on_commit_callbacks
):
    callback(member, begin(member))
    with django_capture_on_commit_callbacks(execute=True):
        user.delete()
    (form,) = server.forms("/revoke")
    assert form["token"] == "planted-refresh-1"


# --- Mastodon -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["4.2", "4.4"])
def test_mastodon_registers_an_app(internet, authority, bundle, settings, member, user, version):
    """Before 4.3 a server has no metadata."""
    settings.DANCE_TIMEOUT = 60
    settings.DANCE_PROVIDERS = {
        "mastodon": {
            "PROVIDER": "django_dance.contrib.mastodon.Mastodon",
            "PLACES": ["one.example"],
            "CA_BUNDLE": bundle,
        }
    }
    received = []

    def answer(request):
        received.append(request)
        root = "https://one.example"
        if request.path == "/.well-known/oauth-authorization-server" and version == "4.4":
            document = {
                "issuer": f"{root}/",
                "authorization_endpoint": f"{root}/oauth/authorize",
                "token_endpoint": f"{root}/oauth/token",
                "revocation_endpoint": f"{root}/oauth/revoke",
                "app_registration_endpoint": f"{root}/api/v1/apps",
            }
            return 200, JSON, json.dumps(document)
        if request.path == "/api/v1/apps":
            return 200, JSON, json.dumps({"client_id": "app", "client_secret": "planted-app"})
        if request.path == "/oauth/token":
            return 200, JSON, json.dumps({"access_token": "planted", "token_type": "Bearer"})
        if request.path.startswith("/api/"):
            return 200, JSON, json.dumps({"id": "1", "acct": "ada"})
        return 404, JSON, "{}"

    with internet.site(authority, "one.example", PUBLIC, answer):
        assert connect(member, "@ada@one.example")["Location"] == "/after/"
    (call,) = [each for each in received if each.path == "/oauth/token"]
    basic = base64.b64encode(b"app:planted-app").decode()
    assert call.headers["Authorization"] == f"Basic {basic}"
    assert user.oauth_tokens.get().place == "one.example"
    assert ClientRegistration.objects.get().issuer == "https://one.example/"


def test_a_registration_by_hand_is_used_at_its_place_only(
    internet, authority, bundle, settings, member
):
    settings.DANCE_PROVIDERS = {
        "gitlab": {
            "PROVIDER": "django_dance.contrib.gitlab.GitLab",
            "PLACES": "any",
            "CA_BUNDLE": bundle,
            "CLIENT_ID": "at-gitlab.com",
            "CLIENT_SECRET": "planted-of-gitlab.com",
        }
    }
    row = ClientRegistration(
        provider="gitlab", issuer="https://git.example/gitlab", client_id="by-hand"
    )
    row.secrets = {"client_secret": "planted-by-hand"}
    row.save()
    begun = member.post("/login/gitlab/", {"place": "git.example/gitlab"})
    assert provider_url(begun).startswith("https://git.example/gitlab/oauth/authorize?")
    assert query(provider_url(begun))["client_id"] == "by-hand"
    response = member.post("/login/gitlab/", {"place": "evil.example"})
    assert refusal(response) == "place_needs_client"
    assert "planted" not in response.content.decode()


def test_a_flow_with_a_discovered_server_fits_into_its_cookie(server, member):
    begun = begin(member, "https://rs.example/" + "x" * 200)
    headers = sum(len(name) + len(value) for name, value in begun.headers.items())
    cookies = sum(len(morsel.OutputString()) for morsel in begun.cookies.values())
    assert headers + cookies < 2048
