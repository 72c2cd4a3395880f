"""The metadata of servers that a user or an answer names, over real sockets.

The resolver keeps a log. The numbers P… are those of the list of hostile inputs.
"""

import gzip
import itertools
import json
import threading
from contextlib import ExitStack

import pytest
from django.core.exceptions import BadRequest

from django_dance.exceptions import PlaceError
from django_dance.providers import (
    discover_authorization_server,
    discover_resource,
    discovery,
    server_metadata,
)

from ..http.test_protocol_calls import drip, server
from ..internet import ELSEWHERE, PUBLIC
from ..loopback import Loopback

pytestmark = pytest.mark.one_database("These tests store nothing")

ISSUER = "https://auth.example"
RESOURCE = "https://mcp.example/mcp"
WELL_KNOWN = "/.well-known/oauth-authorization-server"
OF_RESOURCE = "/.well-known/oauth-protected-resource"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _memory(settings):
    settings.DANCE_TIMEOUT = 60  # a busy machine may be slow
    server_metadata.forget()
    yield
    server_metadata.forget()


@pytest.fixture
def forbidden():
    """A server on loopback, which nothing may reach."""
    with Loopback() as listener:
        yield listener
        assert listener.connections == 0


def of_issuer(issuer=ISSUER, **members):
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "code_challenge_methods_supported": ["S256"],
        **members,
    }


def of_resource(resource=RESOURCE, **members):
    return {"resource": resource, "authorization_servers": [ISSUER], **members}


def answering(documents, headers=JSON):
    """An answer for each path: a document, or a status; 404 for other paths."""

    def answer(received):
        found = documents.get(received.target, 404)
        if isinstance(found, int):
            return found, {}, ""
        return 200, headers, found if isinstance(found, (str, bytes)) else json.dumps(found)

    return answer


@pytest.fixture
def site(internet, authority, bundle):
    """Start the server ``name`` with these documents, and return it."""
    with ExitStack() as stack:

        def start(documents, name="auth.example", address=PUBLIC, headers=JSON):
            answer = documents if callable(documents) else answering(documents, headers)
            return stack.enter_context(internet.site(authority, name, address, answer))

        yield start


def targets(site):
    return [received.target for received in site.received]


def refused(call):
    with pytest.raises(PlaceError) as caught:
        call()
    return caught.value.code


# --- where the documents are ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issuer", "paths"),
    [
        (ISSUER, [WELL_KNOWN, "/.well-known/openid-configuration"]),
        (f"{ISSUER}/", [WELL_KNOWN, "/.well-known/openid-configuration"]),
        (
            f"{ISSUER}/t1",
            [
                f"{WELL_KNOWN}/t1",
                "/.well-known/openid-configuration/t1",
                "/t1/.well-known/openid-configuration",
            ],
        ),
    ],
)
def test_the_documents_of_a_server_are_tried_in_the_order_of_the_specifications(
    issuer, paths, site, bundle
):
    server = site({paths[-1]: of_issuer(issuer)})
    found = discover_authorization_server(issuer, verify=bundle)
    assert targets(server) == paths
    assert found.issuer == issuer and found.token_endpoint == f"{ISSUER}/token"


def test_the_first_document_is_used(site, bundle):
    server = site({WELL_KNOWN: of_issuer(), "/.well-known/openid-configuration": "{}"})
    discover_authorization_server(ISSUER, verify=bundle)
    assert targets(server) == [WELL_KNOWN]


def test_all_members_are_read(site, bundle):
    members = {
        "registration_endpoint": f"{ISSUER}/register",
        "app_registration_endpoint": f"{ISSUER}/api/v1/apps",
        "revocation_endpoint": "https://other.example/revoke",
        "scopes_supported": ["a", "b"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": "true",
        "jwks_uri": "",
        "unknown": {},
    }
    site({WELL_KNOWN: of_issuer(**members)})
    found = discover_authorization_server(ISSUER, verify=bundle)
    assert found.registration_endpoint == f"{ISSUER}/register"
    assert found.app_registration_endpoint == f"{ISSUER}/api/v1/apps"
    assert found.revocation_endpoint == "https://other.example/revoke"
    assert found.scopes_supported == ("a", "b")
    assert found.authorization_response_iss_parameter_supported is True
    assert found.client_id_metadata_document_supported is False  # a text is not true
    assert found.jwks_uri == "" and found.grant_types_supported is None


@pytest.mark.parametrize(
    ("url", "path", "resource"),
    [
        (RESOURCE, f"{OF_RESOURCE}/mcp", RESOURCE),
        (RESOURCE, OF_RESOURCE, RESOURCE),
        (RESOURCE, OF_RESOURCE, "https://mcp.example"),
        ("https://mcp.example/", OF_RESOURCE, "https://mcp.example"),
        ("https://mcp.example/", OF_RESOURCE, "https://mcp.example/"),
        (f"{RESOURCE}?a=b", f"{OF_RESOURCE}/mcp?a=b", f"{RESOURCE}?a=b"),
    ],
)
def test_the_document_of_a_resource_is_at_its_path_or_at_the_root(
    url, path, resource, site, bundle
):
    site({path: of_resource(resource, scopes_supported=["files:read"])}, "mcp.example")
    found = discover_resource(url, verify=bundle)
    assert found.resource == resource and found.authorization_servers == (ISSUER,)
    assert found.scopes_supported == ("files:read",)


def test_a_resource_at_the_root_is_tried_once(site, bundle):
    server = site({}, "mcp.example")
    assert refused(lambda: discover_resource("https://mcp.example/", verify=bundle)) == (
        "place_metadata"
    )
    assert targets(server) == [OF_RESOURCE]


def test_a_challenge_says_where_the_document_is(site, bundle):
    server = site({"/meta": of_resource()}, "mcp.example")
    found = discover_resource(RESOURCE, "https://mcp.example/meta", verify=bundle)
    assert found.resource == RESOURCE and targets(server) == ["/meta"]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [f"{ISSUER}/", "https://Auth.example", f"{ISSUER}:443", None, 7])
def test_another_issuer_is_refused(named, site, bundle):
    """P14, P15"""
    site({WELL_KNOWN: of_issuer(named)})
    assert refused(lambda: discover_authorization_server(ISSUER, verify=bundle)) == (
        "issuer_mismatch"
    )


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (f"{OF_RESOURCE}/mcp", "https://evil.example/mcp"),
        (f"{OF_RESOURCE}/mcp", "https://mcp.example"),
        (f"{OF_RESOURCE}/mcp", f"{RESOURCE}/"),
        (f"{OF_RESOURCE}/mcp", "https://MCP.example/mcp"),
        (OF_RESOURCE, "https://mcp.example/other"),
        (OF_RESOURCE, [RESOURCE]),
    ],
)
def test_another_resource_is_refused(path, named, site, bundle):
    """P13"""
    site({path: of_resource(named)}, "mcp.example")
    assert refused(lambda: discover_resource(RESOURCE, verify=bundle)) == "place_metadata"


def test_a_challenge_must_lead_to_a_document_of_this_resource(site, bundle):
    site({"/meta": of_resource("https://mcp.example")}, "mcp.example")
    call = lambda: discover_resource(RESOURCE, "https://mcp.example/meta", verify=bundle)  # noqa: E731
    assert refused(call) == "place_metadata"


@pytest.mark.parametrize(
    "challenge", ["http://169.254.169.254/latest", "file:///etc/passwd", "https://127.0.0.1/", ""]
)
def test_a_challenge_does_not_lead_into_the_network_of_the_site(challenge, internet, forbidden):
    """P12"""
    assert refused(lambda: discover_resource(RESOURCE, challenge)) == "place_refused"
    assert internet.resolved == internet.connected == []


@pytest.mark.parametrize("issuer", ["http://auth.example", f"{ISSUER}?a", f"{ISSUER}#a", "", "a"])
def test_an_issuer_that_is_no_issuer_is_refused(issuer, internet):
    assert refused(lambda: discover_authorization_server(issuer)) == "place_refused"
    assert internet.resolved == []


def test_a_name_with_a_private_address_is_refused_with_and_without_a_proxy(
    internet, forbidden, monkeypatch
):
    """P8. A proxy of the environment would resolve the name again."""
    internet.names["auth.example"] = [PUBLIC, "127.0.0.1"]
    for proxy in ("", f"http://127.0.0.1:{forbidden.server_port}"):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        server_metadata.forget()
        assert refused(lambda: discover_authorization_server(ISSUER)) == "place_refused"
    assert internet.resolved == ["auth.example"] * 2 and internet.connected == []


def test_a_name_that_changes_its_address_is_resolved_for_each_connection(
    internet, site, bundle, forbidden
):
    """P9"""
    server = site({"/.well-known/openid-configuration": of_issuer()})
    internet.names["auth.example"] = itertools.chain([[PUBLIC]], itertools.repeat(["127.0.0.1"]))
    assert refused(lambda: discover_authorization_server(ISSUER, verify=bundle)) == "place_refused"
    assert targets(server) == [WELL_KNOWN] and internet.connected == [PUBLIC]


def test_a_redirect_is_not_followed(internet, site, bundle, forbidden):
    """P10"""
    to = {"Location": f"http://127.0.0.1:{forbidden.server_port}/"}
    site(lambda received: (302, to, ""))
    assert refused(lambda: discover_authorization_server(ISSUER, verify=bundle)) == (
        "place_metadata"
    )
    assert internet.connected == [PUBLIC] * 2


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("token_endpoint", "http://auth.example/token"),  # P16
        ("token_endpoint", "https://127.0.0.1/token"),
        ("token_endpoint", "https://user:pw@auth.example/token"),
        ("authorization_endpoint", "javascript:alert(1)"),  # P17
        ("authorization_endpoint", "data:text/html,x"),
        ("registration_endpoint", "https://internal/register"),
        ("revocation_endpoint", 7),
        ("jwks_uri", "file:///etc/passwd"),
        ("authorization_endpoint", None),
        ("token_endpoint", ""),
    ],
)
def test_an_endpoint_that_must_not_be_called_is_refused(name, url, internet, site, bundle):
    site({WELL_KNOWN: of_issuer(**{name: url})})
    assert refused(lambda: discover_authorization_server(ISSUER, verify=bundle)) == (
        "place_metadata"
    )
    assert internet.resolved == ["auth.example"]


@pytest.mark.parametrize(
    "document",
    [
        "no JSON",
        "[]",
        "null",
        b"\xff",
        "[" * 100_000,
        '{"issuer": "' + "x" * server_metadata.MAX_METADATA,
        json.dumps(of_issuer(scopes_supported="a b")),
        json.dumps(of_issuer(scopes_supported=["a"] * 501)),
        json.dumps(of_issuer(grant_types_supported=["x" * 3000])),
        json.dumps(of_issuer(grant_types_supported=[{}])),
    ],
)
def test_a_document_of_another_form_is_refused(document, site, bundle):
    """P18: the size of a document is limited."""
    site({WELL_KNOWN: document})
    assert refused(lambda: discover_authorization_server(ISSUER, verify=bundle)) == (
        "place_metadata"
    )


def test_a_compressed_document_is_refused_without_expanding_it(site, bundle):
    """P19"""
    bomb = gzip.compress(bytes(10_000_000))
    site({WELL_KNOWN: bomb}, headers={**JSON, "Content-Encoding": "gzip"})
    assert refused(lambda: discover_authorization_server(ISSUER, verify=bundle)) == (
        "place_metadata"
    )


def test_all_tries_together_have_one_time_limit(internet, settings):
    """P18: one byte at a time."""
    settings.DANCE_TIMEOUT = 2
    settings.DEBUG = True
    settings.DANCE_PRIVATE_HOSTS = ["localhost"]
    internet.names["localhost"] = ["127.0.0.1"]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n"
    with server(drip(head, b" ")) as (url, seen):
        assert refused(lambda: discover_authorization_server(f"{url}/a")) == "place_unreachable"
    assert len(seen) == 1  # no time was left for the other documents


@pytest.mark.parametrize("servers", [None, [], [""], "https://auth.example", [7]])
def test_a_resource_must_name_its_servers(servers, site, bundle):
    document = of_resource(authorization_servers=servers)
    site({f"{OF_RESOURCE}/mcp": document}, "mcp.example")
    assert refused(lambda: discover_resource(RESOURCE, verify=bundle)) == "place_metadata"


def test_a_server_that_is_busy_is_unreachable(site, bundle):
    site(lambda received: (503, {}, ""))
    assert refused(lambda: discover_authorization_server(ISSUER, verify=bundle)) == (
        "place_unreachable"
    )


def test_a_view_that_does_not_catch_the_failure_answers_400():
    assert issubclass(PlaceError, BadRequest)


# --- the memory and the limits --------------------------------------------------------------------


def test_a_document_is_kept(site, bundle):
    server = site({WELL_KNOWN: of_issuer()})
    first = discover_authorization_server(ISSUER, verify=bundle)
    assert discover_authorization_server(ISSUER, verify=bundle) is first
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 3600),
        ("max-age=600", 600),
        ("no-store", 60),
        ("max-age=999999", 3600),
    ],
)
def test_a_document_is_kept_for_a_limited_time(header, seconds, site, bundle, monkeypatch):
    """RFC 9728 §7.10"""
    headers = JSON if header is None else {**JSON, "Cache-Control": header}
    server = site({WELL_KNOWN: of_issuer()}, headers=headers)
    discover_authorization_server(ISSUER, verify=bundle)
    began = discovery.time.monotonic()
    for later, fetches in ((seconds - 10, 1), (seconds + 10, 2)):
        monkeypatch.setattr(
            discovery, "time", type("clock", (), {"monotonic": lambda now=began + later: now})
        )
        discover_authorization_server(ISSUER, verify=bundle)
        assert len(server.received) == fetches


def test_a_failure_is_kept_for_a_short_time(internet, monkeypatch):
    for _ in range(3):
        assert refused(lambda: discover_authorization_server(ISSUER)) == "place_unreachable"
    assert internet.resolved == ["auth.example"] * 2  # its two documents, once
    later = discovery.time.monotonic() + 61
    monkeypatch.setattr(discovery, "time", type("clock", (), {"monotonic": lambda: later}))
    refused(lambda: discover_authorization_server(ISSUER))
    assert len(internet.resolved) == 4


def test_the_number_of_documents_is_limited(internet, settings, monkeypatch):
    monkeypatch.setattr(server_metadata, "FOR_ALL", 10_000)
    documents = discovery.Documents(most=3)
    monkeypatch.setattr(server_metadata, "_documents", documents)
    for number in range(10):
        refused(lambda n=number: discover_authorization_server(f"https://s{n}.example"))
    assert len(documents._entries) == 3
    # The document that was used last stays.
    assert documents.is_fresh(("server", "https://s9.example", "True"))
    assert not documents.is_fresh(("server", "https://s0.example", "True"))


def test_one_user_cannot_name_many_servers(internet, clock):
    for number in range(server_metadata.PER_USER):
        url = f"https://s{number}.example"
        call = lambda: discover_authorization_server(url, asked_by="7")  # noqa: B023, E731
        assert refused(call) == "place_unreachable"
    before = len(internet.resolved)
    call = lambda: discover_authorization_server("https://new.example", asked_by="7")  # noqa: E731
    assert refused(call) == "place_limit"
    # A document that is known already costs nothing.
    call = lambda: discover_authorization_server("https://s1.example", asked_by="7")  # noqa: E731
    assert refused(call) == "place_unreachable"
    assert len(internet.resolved) == before
    # Another user is not stopped, not even at the address that was refused.
    call = lambda: discover_authorization_server("https://new.example", asked_by="8")  # noqa: E731
    assert refused(call) == "place_unreachable"


def test_all_users_together_cannot_name_any_number_of_servers(internet, clock, monkeypatch):
    monkeypatch.setattr(server_metadata, "FOR_ALL", 3)
    codes = [
        refused(lambda n=n: discover_resource(f"https://s{n}.example/", asked_by=str(n)))
        for n in range(5)
    ]
    assert codes == ["place_unreachable"] * 3 + ["place_limit"] * 2


def test_threads_that_need_the_same_document_wait_for_one_fetch(site, bundle):
    go = threading.Event()

    def answer(received):
        go.wait(30)
        return answering({WELL_KNOWN: of_issuer()})(received)

    server = site(answer)
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(discover_authorization_server(ISSUER, verify=bundle))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(60)
    assert len(results) == 4 and len(server.received) == 1


def test_the_address_of_another_server_is_of_no_use(internet, site, bundle):
    """Two servers have two documents."""
    site({WELL_KNOWN: of_issuer()})
    site({WELL_KNOWN: of_issuer("https://two.example")}, "two.example", ELSEWHERE)
    one = discover_authorization_server(ISSUER, verify=bundle)
    two = discover_authorization_server("https://two.example", verify=bundle)
    assert (one.issuer, two.issuer) == (ISSUER, "https://two.example")
