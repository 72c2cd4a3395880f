"""A dance at a place, and the calls with its token."""

import pytest
from django.core.exceptions import BadRequest, ImproperlyConfigured

from django_dance.exceptions import AddressRefused, AuthorizationRequired, PlaceError
from django_dance.models import OAuthToken
from django_dance.providers import providers

from ..conftest import Browser, flow_cookies, provider_url, query
from ..internet import ELSEWHERE, PUBLIC
from .conftest import connect, refusal


def test_two_places_have_a_connection_each(servers, member, user, make_request):
    one, two = servers
    for name in ("one.example", "https://TWO.example/"):
        answer = connect(member, name)
        assert (answer.status_code, answer["Location"]) == (302, "/after/")
    rows = {row.place: row for row in user.oauth_tokens.all()}
    assert rows.keys() == {"one.example", "two.example"}
    # The same account id at two servers is two accounts.
    assert {row.account for row in rows.values()} == {"1"}
    session = make_request(user).oauth.mastodon
    assert session.places() == ["two.example", "one.example"]
    for server in servers:
        at_place = session.at(server.name)
        assert at_place.token["access_token"] in server.tokens
        assert at_place.get("v1/timelines/home").status_code == 200
        assert at_place.account_label == f"ada at {server.name}"
    assert one.tokens.isdisjoint(two.tokens)


def test_the_credentials_of_a_place_are_sent_to_that_place_only(servers, member):
    for server in servers:
        connect(member, server.name)
        (call,) = [call for call in server.received if call.path == "/oauth/token"]
        form = dict(call.form)
        assert form["client_id"] == f"client of {server.name}"
        assert form["client_secret"] == f"planted secret of {server.name}"
        assert form["redirect_uri"] == "https://testserver/login/mastodon/authorized/"


def test_the_form_asks_for_the_place(mastodon, member, internet):
    page = member.get("/login/mastodon/?next=/after/")
    assert page.status_code == 200
    assert b'name="place"' in page.content
    assert b'name="next" value="/after/"' in page.content
    assert flow_cookies(member) == [] and internet.resolved == []


def test_a_link_of_a_stranger_with_a_place_gets_a_button_that_names_it(mastodon, member):
    page = member.get("/login/mastodon/?place=evil.example")
    assert page.status_code == 200 and flow_cookies(member) == []
    assert b'<strong dir="ltr">evil.example</strong>' in page.content
    assert b'name="place" value="evil.example"' in page.content


def test_a_signed_link_begins_the_dance_at_its_place(mastodon, member, user, make_request):
    link = make_request(user).oauth.mastodon.at("one.example").login_url
    assert "one.example" not in link.partition("?")[0]
    begun = member.get(link)
    assert begun["Location"].startswith("https://one.example/oauth/authorize?")
    # Another place beside the signed one has no effect.
    begun = member.get(f"{link}&place=evil.example")
    assert begun["Location"].startswith("https://one.example/oauth/authorize?")


def test_a_signed_link_is_for_its_user_only(mastodon, user, make_user, make_request):
    link = make_request(user).oauth.mastodon.at("one.example").login_url
    browser = Browser()
    browser.force_login(make_user("eve"))
    assert refusal(browser.get(link)) == "scope_invalid"


def test_login_makes_no_call_if_the_facts_name_all_endpoints(mastodon, member, internet):
    begun = member.post("/login/mastodon/", {"place": "@me@one.example"})
    assert provider_url(begun).startswith("https://one.example/oauth/authorize?")
    assert internet.resolved == []


def test_a_call_without_a_connection_names_the_place(mastodon, user, make_request, member):
    session = make_request(user).oauth.mastodon.at("one.example")
    assert not session.authorized
    with pytest.raises(AuthorizationRequired, match=r"mastodon at one\.example") as caught:
        session.get("v1/timelines/home")
    assert caught.value.place == "one.example"
    assert member.get(caught.value.login_url)["Location"].startswith("https://one.example/")


def test_without_a_request(servers, member, user):
    connect(member, "one.example")
    session = providers["mastodon"].at("one.example").session(user=user)
    assert session.get("v1/timelines/home").status_code == 200
    (connection,) = providers["mastodon"].connections(user)
    assert (connection.place, connection.account) == ("one.example", "1")
    assert providers["mastodon"].at("two.example").connections(user) == []


def test_a_session_without_a_place_says_how_to_name_one(mastodon, user, make_request):
    session = make_request(user).oauth.mastodon
    assert not session.authorized and session.places() == []
    with pytest.raises(ImproperlyConfigured, match=r"request\.oauth\.mastodon\.at\(place\)"):
        session.get("v1/timelines/home")
    with pytest.raises(ImproperlyConfigured, match=r"mastodon\.at\(place\)"):
        providers["mastodon"].client_credentials()


def test_disconnecting_one_place_keeps_the_other(servers, member, user, make_request):
    one, two = servers
    for server in servers:
        connect(member, server.name)
    make_request(user).oauth.mastodon.at("one.example").disconnect()
    assert [row.place for row in user.oauth_tokens.all()] == ["two.example"]
    assert not one.tokens and two.tokens


def test_the_disconnect_view_takes_a_place(servers, member, user, mastodon):
    for server in servers:
        connect(member, server.name)
    mastodon(["two.example"])  # the other place can still be disconnected
    member.post("/login/mastodon/disconnect/", {"place": "one.example"})
    assert [row.place for row in user.oauth_tokens.all()] == ["two.example"]


def test_two_users_may_have_the_same_account_id_at_two_places(servers, member, make_user):
    connect(member, "one.example")
    browser = Browser()
    browser.force_login(make_user("bob"))
    assert connect(browser, "two.example").status_code == 302
    # One account at one server belongs to one user.
    assert refusal(connect(browser, "one.example")) == "account_taken"


def test_an_anonymous_visitor_connects_places_too(servers, client):
    for server in servers:
        connect(client, server.name)
    request = client.get("/plain/").wsgi_request
    session = request.oauth.mastodon
    assert session.places() == ["two.example", "one.example"]
    for server in servers:
        assert session.at(server.name).token["access_token"] in server.tokens
    assert {each.place for each in request.oauth.connections()} == {"one.example", "two.example"}


# --- hostile places -------------------------------------------------------------------------------

#: P1 to P5 of the list of hostile inputs.
HOSTILE = [
    "http://mastodon.social",
    "https://mastodon.social@evil.example/",
    "https://u:p@one.example/",
    "https://one.example/#x",
    "one.example?x=1",
    "one.example/path",
    "one.example\\@evil.example",
    "one.example:22",
    "localhost",
    "x.localhost",
    "127.0.0.1",
    "[::1]",
    "0.0.0.0",
    "10.0.0.1",
    "169.254.169.254",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "[::ffff:169.254.169.254]",
    "{client_secret}.example",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "a" * 300 + ".example",
    "one.example\nevil.example",
    "@me@127.0.0.1",
]


@pytest.mark.parametrize("place", HOSTILE)
def test_a_hostile_place_is_refused_before_its_name_is_resolved(mastodon, member, internet, place):
    response = member.post("/login/mastodon/", {"place": place})
    assert refusal(response) == "place_invalid"
    with pytest.raises(PlaceError) as caught:
        providers["mastodon"].at(place)
    assert caught.value.code == "place_invalid"
    assert internet.resolved == [] and internet.connected == []
    assert flow_cookies(member) == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["::ffff:169.254.169.254"],
        ["64:ff9b::a9fe:a9fe"],
        ["2002:a9fe:a9fe::1"],
        ["::127.0.0.1"],
        [PUBLIC, "127.0.0.1"],
    ],
    ids=["mapped", "nat64", "6to4", "compatible", "one of two"],
)
def test_a_place_with_a_private_address_gets_no_call(
    mastodon, member, internet, addresses, make_request, user
):
    """P6 to P8."""
    internet.names["evil.example"] = addresses
    response = connect(member, "evil.example")
    assert refusal(response) == "address_refused"
    assert internet.resolved == ["evil.example"] and internet.connected == []
    # The same rule holds for calls of the API.
    session = make_request(user).oauth.mastodon.at("evil.example")
    session.token = {"access_token": "planted"}
    with pytest.raises(AddressRefused, match="not public"):
        session.get("v1/timelines/home")
    assert internet.connected == []


def test_a_redirect_of_the_api_to_a_private_address_is_not_followed(
    internet, authority, mastodon, user, make_request
):
    def answer(received):
        return 302, {"Location": "https://inside.example/latest"}, ""

    internet.names["inside.example"] = ["169.254.169.254"]
    with internet.site(authority, "one.example", answer=answer):
        session = make_request(user).oauth.mastodon.at("one.example")
        session.token = {"access_token": "planted"}
        with pytest.raises(AddressRefused, match="not public"):
            session.get("v1/timelines/home")
    assert internet.connected == [PUBLIC]


def test_an_unhandled_place_of_a_visitor_is_a_bad_request(mastodon, user, make_request):
    with pytest.raises(BadRequest):
        make_request(user).oauth.mastodon.at("http://evil.example")


def test_a_callback_of_one_place_is_not_redeemed_at_another(servers, member):
    """The flow, which is sealed, names the place; the callback cannot change it."""
    one, two = servers
    begun = member.post("/login/mastodon/", {"place": "one.example"})
    state = query(provider_url(begun))["state"]
    params = {"state": state, "code": "planted-code", "place": "two.example"}
    assert member.get("/login/mastodon/authorized/", params).status_code == 302
    assert "/oauth/token" in one.paths and two.paths == []


@pytest.mark.parametrize("allowed", [True, False])
def test_a_flow_of_one_tenant_connects_no_place_that_another_tenant_forbids(
    servers, member, mastodon, settings, allowed
):
    """A user has accounts at both tenants, and moves the cookie of the flow."""
    settings.ALLOWED_HOSTS = ["one.tenant.example", "two.tenant.example"]
    hosts = ["one.tenant.example", *(["two.tenant.example"] if allowed else [])]
    mastodon(lambda request, place: request.get_host() in hosts)
    headers = {"host": "one.tenant.example"}
    begun = member.post("/login/mastodon/", {"place": "one.example"}, headers=headers)
    params = {"state": query(provider_url(begun))["state"], "code": "planted-code"}
    headers = {"host": "two.tenant.example"}
    response = member.get("/login/mastodon/authorized/", params, headers=headers)
    assert OAuthToken.objects.exists() is allowed
    if not allowed:
        assert refusal(response) == "place_refused"
        assert servers[0].received == []


def test_calls_reach_the_address_of_the_place_only(servers, member, internet):
    connect(member, "two.example")
    assert set(internet.connected) == {ELSEWHERE}
