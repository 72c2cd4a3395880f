"""DocuSign: the server of the user's default account."""

import pytest

from django_dance.providers import providers

from ..conftest import Dance
from .conftest import GRANTED, assert_refused

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def account(name, default, server):
    return {
        "account_id": name,
        "is_default": default,
        "account_name": "Analytical Engines",
        "base_uri": f"https://{server}",
    }


# https://developers.docusign.com/platform/auth/reference/user-info
USER_INFO = {
    "sub": "4799e5e9",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "accounts": [
        account("first", False, "eu.docusign.net"),
        account("second", True, "na3.docusign.net"),
    ],
}


@pytest.fixture
def docusign_dance(site, member, responses):
    def dance(user_info, **options):
        provider = site("docusign", **options)
        responses.post(provider.token_url, json=GRANTED)
        responses.get(provider.account_url, json=user_info)
        return Dance(member, "docusign").callback()

    return dance


def test_a_call_goes_to_the_server_of_the_default_account(docusign_dance, user, responses):
    assert docusign_dance(USER_INFO).status_code == 302
    session = providers["docusign"].session(user=user)
    responses.get("https://na3.docusign.net/restapi/v2.1/accounts/second/envelopes", json={})
    assert session.get(f"v2.1/accounts/{session.token['account_id']}/envelopes").ok


def test_the_account_is_the_user(docusign_dance, user):
    docusign_dance(USER_INFO)
    info = providers["docusign"].session(user=user).account_info()
    assert (info.id, info.label) == ("4799e5e9", "Ada Lovelace")
    assert [account["account_id"] for account in info.fields["accounts"]] == ["first", "second"]


def test_the_sandbox_asks_its_own_user_information(docusign_dance, responses):
    demo = {**USER_INFO, "accounts": [account("third", True, "demo.docusign.net")]}
    assert docusign_dance(demo, sandbox=True).status_code == 302
    assert {call.request.url for call in responses.calls} == {
        "https://account-d.docusign.com/oauth/token",
        "https://account-d.docusign.com/oauth/userinfo",
    }


@pytest.mark.parametrize(
    "accounts",
    [None, {}, [], [account("first", False, "eu.docusign.net")], [{"is_default": True}], [5]],
    ids=str,
)
def test_without_a_default_account_docusign_is_refused(docusign_dance, events, accounts):
    response = docusign_dance({**USER_INFO, "accounts": accounts})
    assert_refused(response, events, "token_response_invalid")


@pytest.mark.parametrize(
    "server", ["evil.example", "docusign.net.evil.example", "www.docusign.net@evil.example"]
)
def test_a_server_of_another_domain_is_refused(docusign_dance, events, server):
    response = docusign_dance({**USER_INFO, "accounts": [account("first", True, server)]})
    assert_refused(response, events, "token_response_invalid")
