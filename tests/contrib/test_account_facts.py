"""Presets name the account of a token."""

import json
import pickle

import pytest

from django_dance.exceptions import AuthorizationRequired, InvalidResponse
from django_dance.providers import providers

from ..catalogue import PRESETS
from .conftest import with_field

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


#: Preset → the request for the account, the response, and (id, label) of the account.
ACCOUNTS = {
    "anilist": (
        ("POST", "https://graphql.anilist.co/"),
        {"data": {"Viewer": {"id": 5662, "name": "ada"}}},
        ("5662", "ada"),
    ),
    "asana": (
        ("GET", "https://app.asana.com/api/1.0/users/me"),
        {"data": {"gid": "12345", "resource_type": "user", "name": "Ada Lovelace"}},
        ("12345", "Ada Lovelace"),
    ),
    "aweber": (
        ("GET", "https://api.aweber.com/1.0/accounts"),
        {"start": 0, "total_size": 1, "entries": [{"id": 123, "uuid": "u", "company": "Engines"}]},
        ("123", "Engines"),
    ),
    "calendly": (
        ("GET", "https://api.calendly.com/users/me"),
        {"resource": {"uri": "https://api.calendly.com/users/AAAA", "name": "Ada"}},
        ("https://api.calendly.com/users/AAAA", "Ada"),
    ),
    "canva": (
        ("GET", "https://api.canva.com/rest/v1/users/me"),
        {"team_user": {"user_id": "auDAbliZ2rQNNOsUl5OLu", "team_id": "Oi2RJILTrKk0KRhRUZozX"}},
        ("Oi2RJILTrKk0KRhRUZozX:auDAbliZ2rQNNOsUl5OLu", "auDAbliZ2rQNNOsUl5OLu"),
    ),
    "deel": (
        ("GET", "https://api.letsdeel.com/rest/v2/organizations"),
        {"data": [{"id": "1a2b", "name": "Engines"}]},
        ("1a2b", "Engines"),
    ),
    "digitalocean": (
        ("GET", "https://api.digitalocean.com/v2/account"),
        {
            "account": {
                "uuid": "b6fc89db",
                "email": "ada@example.com",
                "team": {"uuid": "5df3e300", "name": "Engines"},
            }
        },
        ("5df3e300:b6fc89db", "ada@example.com (Engines)"),
    ),
    "discord": (
        ("GET", "https://discord.com/api/users/@me"),
        {"id": "80351110224678912", "username": "ada", "global_name": None},
        ("80351110224678912", "ada"),
    ),
    "dropbox": (
        ("POST", "https://api.dropboxapi.com/2/users/get_current_account"),
        {"account_id": "dbid:AAH4f99", "name": {"display_name": "Ada", "surname": "L"}},
        ("dbid:AAH4f99", "Ada"),
    ),
    "ebay": (
        ("GET", "https://apiz.ebay.com/commerce/identity/v1/user/"),
        {"userId": "k9Tz", "username": "ada", "accountType": "INDIVIDUAL"},
        ("k9Tz", "ada"),
    ),
    "github": (
        ("GET", "https://api.github.com/user"),
        {"login": "octocat", "id": 1, "node_id": "MDQ6VXNlcjE="},
        ("1", "octocat"),
    ),
    "gumroad": (
        ("GET", "https://api.gumroad.com/v2/user"),
        {"success": True, "user": {"user_id": "G_-mnBf9b1j9A7a4ub4nFQ==", "name": "Ada"}},
        ("G_-mnBf9b1j9A7a4ub4nFQ==", "Ada"),
    ),
    "gusto": (
        ("GET", "https://api.gusto.com/v1/token_info"),
        {"scope": "public", "resource": {"type": "Company", "uuid": "7b1d"}},
        ("7b1d", "7b1d"),
    ),
    "harvest": (
        ("GET", "https://id.getharvest.com/api/v2/accounts"),
        {"user": {"id": 1782959, "email": "ada@example.com"}, "accounts": [{"id": 1000012}]},
        ("1782959", "ada@example.com"),
    ),
    "jira": (
        ("GET", "https://jira.example.com/rest/api/2/myself"),
        {"key": "JIRAUSER10100", "name": "ada", "displayName": "Ada Lovelace"},
        ("JIRAUSER10100", "Ada Lovelace"),
    ),
    "klaviyo": (
        ("GET", "https://a.klaviyo.com/api/accounts/"),
        {
            "data": [
                {
                    "type": "account",
                    "id": "AbC123",
                    "attributes": {"contact_information": {"organization_name": "Engines"}},
                }
            ]
        },
        ("AbC123", "Engines"),
    ),
    "linear": (
        ("POST", "https://api.linear.app/graphql"),
        {"data": {"viewer": {"id": "90a91a09", "name": "Ada"}}},
        ("90a91a09", "Ada"),
    ),
    "intercom": (
        ("GET", "https://api.intercom.io/me"),
        {"type": "admin", "id": "1", "name": "Ada", "app": {"id_code": "xk1", "name": "Engines"}},
        ("xk1:1", "Ada (Engines)"),
    ),
    "linkedin": (
        ("GET", "https://api.linkedin.com/v2/userinfo"),
        {"sub": "782bbtaQ", "name": "Ada Lovelace", "locale": "en-US"},
        ("782bbtaQ", "Ada Lovelace"),
    ),
    "miro": (
        ("GET", "https://api.miro.com/v1/oauth-token"),
        {
            "type": "oAuthToken",
            "team": {"id": "3074457351", "name": "Engines"},
            "user": {"id": "3074457350", "name": "Ada"},
            "scopes": [],
        },
        ("3074457351:3074457350", "Ada (Engines)"),
    ),
    "monday": (
        ("POST", "https://api.monday.com/v2"),
        {"data": {"me": {"id": "4012689", "name": "Ada"}}, "account_id": 1},
        ("4012689", "Ada"),
    ),
    "naver": (
        ("GET", "https://openapi.naver.com/v1/nid/me"),
        {"resultcode": "00", "response": {"id": "32742776", "nickname": "ada"}},
        ("32742776", "ada"),
    ),
    "notion": (
        ("GET", "https://api.notion.com/v1/users/me"),
        {
            "object": "user",
            "id": "the bot",
            "type": "bot",
            "bot": {"owner": {"type": "user", "user": {"id": "d40e767c", "name": "Ada"}}},
        },
        ("d40e767c", "Ada"),
    ),
    "pipedrive": (
        ("GET", "https://api.pipedrive.com/api/v1/users/me"),
        {
            "success": True,
            "data": {"id": 1, "name": "Ada", "company_id": 2, "company_name": "Engines"},
        },
        ("2:1", "Ada (Engines)"),
    ),
    "railway": (
        ("GET", "https://backboard.railway.com/oauth/me"),
        {"sub": "user_abc123", "name": "Ada"},
        ("user_abc123", "Ada"),
    ),
    "shopify": (
        ("GET", "https://host.example.com/admin/api/2026-10/shop.json"),
        {"shop": {"id": 548380009, "name": "Engines", "domain": "engines.example"}},
        ("548380009", "Engines"),
    ),
    "spotify": (
        ("GET", "https://api.spotify.com/v1/me"),
        {"id": "ada", "account_id": "aB3dE5fG7h", "display_name": "Ada"},
        ("aB3dE5fG7h", "Ada"),
    ),
    "teamleader": (
        ("POST", "https://api.focus.teamleader.eu/users.me"),
        {"data": {"id": "cb8da52a", "first_name": "Ada", "email": "ada@example.com"}},
        ("cb8da52a", "ada@example.com"),
    ),
    "tiktok": (
        (
            "GET",
            "https://open.tiktokapis.com/v2/user/info/?fields=open_id,display_name",
        ),
        {
            "data": {"user": {"open_id": "723f24d7", "display_name": "ada"}},
            "error": {"code": "ok", "message": ""},
        },
        ("723f24d7", "ada"),
    ),
    "twitch": (
        ("GET", "https://api.twitch.tv/helix/users"),
        {"data": [{"id": "141981764", "login": "ada", "display_name": "Ada"}]},
        ("141981764", "Ada"),
    ),
    "uber": (
        ("GET", "https://api.uber.com/v1.2/me"),
        {"rider_id": "8OlTlUG1TyeA", "first_name": "Ada", "mobile_verified": True},
        ("8OlTlUG1TyeA", "Ada"),
    ),
    "wrike": (
        ("GET", "https://www.wrike.com/api/v4/contacts?me=true"),
        {
            "kind": "contacts",
            "data": [
                {"id": "KUAA", "profiles": [{"accountId": "IEAA", "email": "ada@example.com"}]}
            ],
        },
        ("IEAA:KUAA", "ada@example.com"),
    ),
    "zoho": (
        ("GET", "https://accounts.zoho.com/oauth/user/info"),
        {"First_Name": "Ada", "Display_Name": "Ada", "ZUID": 14527219},
        ("14527219", "Ada"),
    ),
}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_the_provider_names_the_account(connected, responses, name):
    asked, answer, who = ACCOUNTS[name]
    responses.add(*asked, json=answer)
    info = connected(name).account_info()
    assert (info.id, info.label) == who
    assert info.fields == answer


@pytest.mark.parametrize("name", ACCOUNTS)
def test_the_account_is_requested_once_per_session_with_the_token(connected, responses, name):
    asked, answer, _ = ACCOUNTS[name]
    responses.add(*asked, json=answer)
    session = connected(name)
    assert session.account_info() is session.account_info()
    (call,) = responses.calls
    assert "planted-" in call.request.headers[session.provider.token_header]


@pytest.mark.parametrize("value", [True, False, "", None, 1.5, [], {"id": 1}, ...], ids=str)
@pytest.mark.parametrize("name", ACCOUNTS)
def test_an_invalid_account_id_is_an_error(connected, responses, name, value):
    asked, answer, _ = ACCOUNTS[name]
    responses.add(*asked, json=with_field(answer, PRESETS[name].account_id, value))
    session = connected(name)
    with pytest.raises(InvalidResponse, match=f"{session.provider.label} did not name the account"):
        session.account_info()


@pytest.mark.parametrize(
    ("body", "status"),
    [("", 200), ("<html>", 200), ("[]", 200), ("null", 200), ('"x"', 200), ("full", 404)],
)
@pytest.mark.parametrize("name", ["github", "klaviyo", "linear", "twitch", "zoho"])
def test_an_invalid_account_response_is_an_error(connected, responses, name, body, status):
    asked, answer, _ = ACCOUNTS[name]
    responses.add(*asked, body=json.dumps(answer) if body == "full" else body, status=status)
    with pytest.raises(InvalidResponse, match="did not name the account"):
        connected(name).account_info()


@pytest.mark.parametrize("name", ["anilist", "linear", "meetup", "monday", "snapchat"])
def test_a_graphql_query_is_sent_as_json(connected, responses, name):
    session = connected(name)
    responses.post(session.absolute_url(session.provider.account_url), json={})
    with pytest.raises(InvalidResponse):
        session.account_info()
    query = json.loads(responses.calls[0].request.body)["query"]
    for field in session.provider.account_id.split(".")[1:]:
        assert field in query


def test_a_graphql_error_is_an_error(connected, responses):
    url = "https://api.linear.app/graphql"
    responses.post(url, json={"errors": [{"message": "no"}], "data": None})
    with pytest.raises(InvalidResponse, match="Linear did not name the account"):
        connected("linear").account_info()


#: Preset → the fields of a token that name the account, and (id, label) of the account.
TOKENS = {
    "close": ({"user_id": "user_1", "organization_id": "orga_2"}, ("orga_2:user_1", "user_1")),
    "sentry": (
        {"user": {"id": "96", "name": "Ada"}, "organization_id": "4507"},
        ("4507:96", "Ada"),
    ),
    "bungie": ({"membership_id": "4611686018"}, ("4611686018", "4611686018")),
    "mailchimp": ({"user_id": 15197, "accountname": "Engines"}, ("15197", "Engines")),
    "orcid": (
        {"orcid": "0000-0001-2345-6789", "name": "Ada"},
        ("0000-0001-2345-6789", "Ada"),
    ),
    "salesforce": (
        {"id": "https://login.salesforce.com/id/00Dx/005x"},
        ("https://login.salesforce.com/id/00Dx/005x",) * 2,
    ),
    "slack": (
        {"authed_user": {"id": "U1234"}, "workspace": {"name": "Engines", "id": "T9"}},
        ("T9:U1234", "Engines"),
    ),
    "square": ({"merchant_id": "MLEFBHHSJGVHD"}, ("MLEFBHHSJGVHD", "MLEFBHHSJGVHD")),
    "stripe": ({"stripe_user_id": "acct_1"}, ("acct_1", "acct_1")),
    "withings": ({"userid": 363}, ("363", "363")),
}


@pytest.mark.parametrize("name", TOKENS)
def test_the_token_names_the_account_without_a_request(connected, responses, name):
    fields, who = TOKENS[name]
    info = connected(name, fields).account_info()
    assert (info.id, info.label) == who
    assert not responses.calls


#: Preset → the fields of a token that name the workspace, the answer to the request for the
#: account, and (id, label) of the account.
WORKSPACES = {
    "notion": (
        {"workspace_id": "ef40", "workspace_name": "Engines"},
        ACCOUNTS["notion"][1],
        ("ef40:d40e767c", "Ada (Engines)"),
    ),
    "quickbooks": (
        {"realmId": "9130"},
        {"sub": "a1b2", "email": "ada@example.com"},
        ("9130:a1b2", "ada@example.com"),
    ),
    "wordpress_com": (
        {"blog_id": "612", "blog_url": "https://engines.example"},
        {"ID": 584, "display_name": "Ada"},
        ("612:584", "Ada (https://engines.example)"),
    ),
}


@pytest.mark.parametrize("name", WORKSPACES)
def test_the_token_names_the_workspace_of_the_account(connected, responses, name):
    fields, answer, who = WORKSPACES[name]
    session = connected(name, fields)
    responses.get(session.absolute_url(session.provider.account_url), json=answer)
    info = session.account_info()
    assert (info.id, info.label) == who
    assert info.fields == answer


@pytest.mark.parametrize("nothing", [None, "", 0, "0", ...], ids=str)
def test_an_account_without_a_workspace_is_named_by_its_user(connected, nothing):
    fields = with_field(TOKENS["sentry"][0], "organization_id", nothing)
    assert connected("sentry", fields).account_info().id == "96"


@pytest.mark.parametrize("value", [True, 1.5, [1], {"id": 1}, "null", "a\u200b"], ids=str)
def test_an_invalid_workspace_is_an_error(connected, value):
    fields = with_field(TOKENS["sentry"][0], "organization_id", value)
    with pytest.raises(InvalidResponse, match="the account"):
        connected("sentry", fields).account_info()


@pytest.mark.parametrize("name", [n for n in PRESETS if PRESETS[n].account_workspace])
def test_each_workspace_of_a_user_is_an_account(fake_preset, member, user, name):
    fake = fake_preset(name)
    fake.route("GET", "planted", {})
    for fake.workspace in ("1", "2"):
        if PRESETS[name].account_workspace in fake.facts.callback_fields:
            fake.callback_parameters[PRESETS[name].account_workspace] = fake.workspace
        assert fake.dance(member).status_code == 302
        assert providers[name].session(user=user).account_id == fake.account_id
    accounts = providers[name].session(user=user).accounts
    assert sorted(a.account_id for a in accounts) == [f"{w}:{fake.account}" for w in "12"]
    for account in accounts:
        assert account.get("planted").ok


@pytest.mark.parametrize("name", TOKENS)
def test_the_fields_of_an_account_have_no_secret_of_the_token(connected, name):
    fields = json.loads(json.dumps(TOKENS[name][0]))
    fields["nested"] = {"list": [{"access_token": "planted", "id": 1}]}
    info = connected(name, fields).account_info()
    assert "planted" not in json.dumps(info.fields)
    assert b"planted" not in pickle.dumps(info)
    assert info.fields["nested"] == {"list": [{"id": 1}]}


@pytest.mark.parametrize("value", [True, False, "", None, [], ...], ids=str)
@pytest.mark.parametrize("name", TOKENS)
def test_a_token_without_an_account_id_is_an_error(connected, name, value):
    fields = with_field(TOKENS[name][0], PRESETS[name].account_id, value)
    with pytest.raises(InvalidResponse, match="did not name the account"):
        connected(name, fields).account_info()


@pytest.mark.parametrize("name", TOKENS)
def test_account_info_without_a_token_requires_authorization(site, user, name):
    site(name)
    with pytest.raises(AuthorizationRequired):
        providers[name].session(user=user).account_info()
