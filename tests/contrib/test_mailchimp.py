"""Mailchimp: the data centre of the user's API."""

import pytest

from django_dance.exceptions import UntrustedOrigin
from django_dance.providers import providers

from ..conftest import Dance
from .conftest import assert_refused

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


METADATA = {
    "dc": "us6",
    "role": "owner",
    "accountname": "Analytical Engines",
    "user_id": 15197,
    "login": {"email": "ada@example.com", "login_id": 15198},
    "login_url": "https://login.mailchimp.com",
    "api_endpoint": "https://us6.api.mailchimp.com",
}


@pytest.fixture
def mailchimp_dance(site, member, responses):
    def dance(metadata, status=200):
        provider = site("mailchimp")
        responses.post(
            provider.token_url,
            json={"access_token": "planted-access", "expires_in": 0, "scope": None},
        )
        responses.get("https://login.mailchimp.com/oauth2/metadata", json=metadata, status=status)
        return Dance(member, "mailchimp").callback()

    return dance


def test_the_mailchimp_metadata_are_requested_with_the_new_token(mailchimp_dance, responses):
    assert mailchimp_dance(METADATA).status_code == 302
    assert responses.calls[-1].request.headers["Authorization"] == "OAuth planted-access"


def test_mailchimps_api_is_at_the_address_in_the_metadata(mailchimp_dance, user, responses):
    mailchimp_dance(METADATA)
    responses.get("https://us6.api.mailchimp.com/3.0/lists", json={})
    assert providers["mailchimp"].session(user=user).get("lists").ok


def test_mailchimps_tokens_do_not_expire(mailchimp_dance, user):
    mailchimp_dance(METADATA)
    token = providers["mailchimp"].session(user=user).token
    assert token.expires_at is None and "expires_in" not in token


def test_the_mailchimp_account_is_stored_with_the_token(mailchimp_dance, user, responses):
    mailchimp_dance(METADATA)
    asked = len(responses.calls)
    info = providers["mailchimp"].session(user=user).account_info()
    assert (info.id, info.label) == ("15197", "Analytical Engines")
    assert len(responses.calls) == asked


@pytest.mark.parametrize(
    ("metadata", "status"), [({}, 200), ({"error": "invalid_token"}, 401), ({"dc": "us6"}, 200)]
)
def test_without_a_data_centre_mailchimp_is_refused(mailchimp_dance, events, metadata, status):
    assert_refused(mailchimp_dance(metadata, status), events, "token_response_invalid")


FOREIGN = [
    "https://evil.example",
    "https://evilapi.mailchimp.com",
    "https://us6.api.mailchimp.com.evil.example",
    "https://us6.api.mailchimp.com@evil.example",
    "http://us6.api.mailchimp.com",
    5,
    {},
]


@pytest.mark.parametrize("endpoint", FOREIGN)
def test_a_dance_with_a_foreign_api_endpoint_is_refused(mailchimp_dance, events, endpoint):
    response = mailchimp_dance({**METADATA, "api_endpoint": endpoint})
    assert_refused(response, events, "token_response_invalid")


@pytest.mark.parametrize("endpoint", FOREIGN)
def test_a_stored_foreign_api_endpoint_gets_no_call(connected, responses, endpoint):
    session = connected("mailchimp", {"api_endpoint": endpoint})
    with pytest.raises(UntrustedOrigin, match="Mailchimp's token names"):
        session.get("lists")
    assert not responses.calls
