"""QuickBooks: the company of a connection."""

import pytest

from django_dance.exceptions import UntrustedOrigin
from django_dance.providers import providers

from ..conftest import Dance
from .conftest import GRANTED, expire_token

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


@pytest.fixture
def quickbooks_dance(site, member, responses, user):
    def dance(**params):
        responses.post(site("quickbooks", scope="accounting").token_url, json=GRANTED)
        assert Dance(member, "quickbooks").callback(**params).status_code == 302
        return providers["quickbooks"].session(user=user)

    return dance


def test_the_quickbooks_company_is_stored_with_the_token(quickbooks_dance):
    session = quickbooks_dance(realmId="1185883450")
    assert session.token["realmId"] == "1185883450"
    assert session.token["access_token"] == "planted-access"
    assert 3500 < session.token["expires_in"] <= 3600


def test_a_quickbooks_token_without_a_company_is_stored(quickbooks_dance):
    assert "realmId" not in quickbooks_dance().token


def test_the_quickbooks_company_is_kept_by_a_refresh(quickbooks_dance):
    session = expire_token(quickbooks_dance(realmId="1185883450"))
    assert session.ready_token()["realmId"] == "1185883450"
    assert not session.token.expired


@pytest.mark.parametrize("realm", ["../../x", "..%2f..%2fx", "..\\..\\x", "x/../../.."])
def test_a_hostile_company_does_not_leave_the_path_of_quickbooks_api(
    quickbooks_dance, responses, realm
):
    session = quickbooks_dance(realmId=realm)
    asked = len(responses.calls)
    with pytest.raises(UntrustedOrigin, match=r"must not lead out|neither control characters"):
        session.get(f"company/{session.token['realmId']}/companyinfo")
    assert len(responses.calls) == asked


def test_a_hostile_company_does_not_change_the_user_of_the_account(quickbooks_dance, responses):
    session = quickbooks_dance(realmId="somebody else's")
    responses.get(session.provider.account_url, json={"sub": "a1b2", "email": "ada@example.com"})
    assert session.account_info().id == "somebody else's:a1b2"


def test_a_hostile_company_does_not_change_other_fields_of_the_token(quickbooks_dance):
    session = quickbooks_dance(realmId='","access_token":"mine', access_token="mine")
    assert session.access_token == "planted-access"
