"""HubSpot: the account by introspection."""

import pytest

from django_dance.exceptions import AuthorizationRequired, InvalidResponse
from django_dance.providers import providers

from ..catalogue import PRESETS
from .conftest import GRANTED, expire_token, form_fields, with_field

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


INTROSPECT = "https://api.hubapi.com/oauth/2026-03/token/introspect"


INTROSPECTED = {
    "active": True,
    "hub_id": 62515,
    "user_id": 123456,
    "user": "ada@example.com",
    "scopes": ["oauth"],
    "token_use": "access_token",
}


def test_a_hubspot_account_is_a_user_in_a_hub(connected, responses):
    responses.post(INTROSPECT, json=INTROSPECTED)
    info = connected("hubspot").account_info()
    assert (info.id, info.label) == ("62515:123456", "ada@example.com")


def test_a_hubspot_account_does_not_repeat_the_token(connected, responses):
    responses.post(INTROSPECT, json={**INTROSPECTED, "token": "planted-access"})
    assert "token" not in connected("hubspot").account_info().fields


def test_the_hubspot_account_is_requested_by_introspection(connected, responses):
    responses.post(INTROSPECT, json=INTROSPECTED)
    connected("hubspot").account_info()
    assert form_fields(responses.calls[0]) == {
        "token": "planted-access",
        "token_type_hint": "access_token",
        "client_id": "the client",
        "client_secret": "planted-client-secret",
    }


def test_the_hubspot_account_is_requested_once_per_session(connected, responses):
    responses.post(INTROSPECT, json=INTROSPECTED)
    session = connected("hubspot")
    assert session.account_info() is session.account_info()
    assert len(responses.calls) == 1


@pytest.mark.parametrize("field", ["hub_id", "user_id"])
@pytest.mark.parametrize("value", [True, False, "", None, 0, [1], {}, ...])
def test_an_incomplete_hubspot_introspection_is_an_error(connected, responses, field, value):
    responses.post(INTROSPECT, json=with_field(INTROSPECTED, field, value))
    with pytest.raises(InvalidResponse, match="HubSpot did not name the account"):
        connected("hubspot").account_info()


def test_an_inactive_hubspot_token_is_an_error(connected, responses):
    responses.post(INTROSPECT, json={"active": False})
    with pytest.raises(InvalidResponse, match="did not name the account"):
        connected("hubspot").account_info()


def test_a_hubspot_token_is_refreshed_before_the_introspection(connected, responses):
    responses.post(PRESETS["hubspot"].token_url, json={**GRANTED, "access_token": "planted-2"})
    responses.post(INTROSPECT, json=INTROSPECTED)
    expire_token(connected("hubspot")).account_info()
    assert form_fields(responses.calls[-1])["token"] == "planted-2"


def test_without_a_token_hubspot_gets_no_request(site, user, responses):
    site("hubspot")
    with pytest.raises(AuthorizationRequired):
        providers["hubspot"].session(user=user).account_info()
    assert not responses.calls
