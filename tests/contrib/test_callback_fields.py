"""Presets that keep parameters of the callback with the token, and use them in later requests."""

import pytest

from django_dance.exceptions import UntrustedOrigin
from django_dance.models import OAuthToken
from django_dance.providers import providers

from ..conftest import Dance
from .conftest import GRANTED, assert_refused, calls_to, expire_token, form_fields

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

ZOHO = {**GRANTED, "api_domain": "https://www.zohoapis.in"}
INDIA = {"accounts-server": "https://accounts.zoho.in", "location": "in"}
ACCOUNT = {"ZUID": 14527219, "Display_Name": "Ada"}


@pytest.fixture
def zoho_dance(site, member, responses, user):
    def dance(host, answer=ZOHO, **params):
        site("zoho")
        responses.post(f"https://{host}/oauth/v2/token", json=answer)
        responses.get(f"https://{host}/oauth/user/info", json=ACCOUNT)
        assert Dance(member, "zoho").callback(**params).status_code == 302
        return providers["zoho"].session(user=user)

    return dance


def test_the_token_is_requested_at_the_server_that_zoho_names(zoho_dance, responses):
    session = zoho_dance("accounts.zoho.in", **INDIA)
    assert session.token["accounts-server"] == "https://accounts.zoho.in"
    assert not calls_to(responses, "https://accounts.zoho.com")
    assert form_fields(responses.calls[0])["code"] == "planted-code"


def test_without_the_name_of_a_server_the_configured_one_is_used(zoho_dance):
    assert "accounts-server" not in zoho_dance("accounts.zoho.com").token


def test_a_refresh_is_requested_at_the_server_of_the_token(zoho_dance, responses):
    session = expire_token(zoho_dance("accounts.zoho.in", **INDIA))
    asked = len(responses.calls)
    assert session.ready_token()["accounts-server"] == "https://accounts.zoho.in"
    (call,) = [*responses.calls][asked:]
    assert call.request.url == "https://accounts.zoho.in/oauth/v2/token"
    assert form_fields(call)["refresh_token"] == "planted-refresh"


@pytest.mark.parametrize("named", ["https://accounts.zoho.eu", "https://evil.example", ["x"]])
def test_a_refresh_does_not_move_the_token_to_another_server(zoho_dance, responses, named):
    session = expire_token(zoho_dance("accounts.zoho.in", **INDIA))
    moved = {**ZOHO, "accounts-server": named}
    responses.replace("POST", "https://accounts.zoho.in/oauth/v2/token", json=moved)
    assert session.ready_token()["accounts-server"] == "https://accounts.zoho.in"
    responses.post("https://accounts.zoho.in/oauth/v2/token/revoke")
    assert session.disconnect()


def test_the_account_is_asked_for_at_the_server_of_the_token(zoho_dance):
    session = zoho_dance("accounts.zoho.in", **INDIA)
    session.forget_token()
    assert session.account_info().id == "14527219"
    assert OAuthToken.objects.get().account == "14527219"


def test_the_token_is_revoked_at_the_server_of_the_token(zoho_dance, responses):
    session = zoho_dance("accounts.zoho.in", **INDIA)
    responses.post("https://accounts.zoho.in/oauth/v2/token/revoke")
    session.disconnect()
    assert calls_to(responses, "https://accounts.zoho.in/oauth/v2/token/revoke")


def test_the_token_is_not_sent_to_the_server_of_another_account(zoho_dance):
    session = zoho_dance("accounts.zoho.in", **INDIA)
    with pytest.raises(UntrustedOrigin, match="is not a trusted origin"):
        session.get("https://accounts.zoho.eu/oauth/user/info")


@pytest.mark.parametrize(
    "server",
    [
        "https://evil.example",
        "https://accounts.zoho.in.evil.example",
        "https://accounts.zoho.in@evil.example",
        "http://accounts.zoho.in",
        "https://accounts.zoho.in:8443",
        "//accounts.zoho.in",
        "accounts.zoho.in",
        "javascript:alert(1)",
    ],
)
def test_a_server_that_is_not_one_of_zohos_is_refused(site, member, responses, events, server):
    site("zoho")
    response = Dance(member, "zoho").callback(**{"accounts-server": server})
    assert_refused(response, events, "issuer_mismatch")
    assert not responses.calls


def test_a_stored_token_with_a_foreign_server_is_not_sent(connected, responses):
    session = connected("zoho", {"accounts-server": "https://evil.example"})
    with pytest.raises(UntrustedOrigin, match=r"evil\.example, which is not one of Zoho's"):
        session.get("crm/v8/users")
    assert not responses.calls


def test_a_server_that_is_named_twice_is_refused(site, member, events):
    site("zoho")
    response = Dance(member, "zoho").callback(
        **{"accounts-server": ["https://accounts.zoho.in"] * 2}
    )
    assert_refused(response, events, "parameter_repeated")


# --- VK ID ----------------------------------------------------------------------------------------


@pytest.fixture
def vk_session(site, member, responses, user):
    provider = site("vk_id")
    responses.post(provider.token_url, json={**GRANTED, "user_id": 1234567890})
    assert Dance(member, "vk_id").callback(device_id="dev-1", type="code_v2").status_code == 302
    return providers["vk_id"].session(user=user)


def test_vk_id_gets_the_device_of_the_callback_with_each_request(vk_session, responses):
    assert form_fields(responses.calls[0])["device_id"] == "dev-1"
    expire_token(vk_session).ready_token()
    sent = form_fields(responses.calls[1])
    assert (sent["grant_type"], sent["device_id"]) == ("refresh_token", "dev-1")


def test_other_parameters_of_the_callback_are_not_stored(vk_session):
    assert "type" not in vk_session.token
    assert vk_session.account_info().id == "1234567890"


def test_the_answer_of_the_provider_takes_precedence_over_the_callback(
    site, member, responses, user
):
    responses.post(site("quickbooks").token_url, json={**GRANTED, "realmId": "granted"})
    Dance(member, "quickbooks").callback(realmId="sent")
    assert providers["quickbooks"].session(user=user).token["realmId"] == "granted"


# --- the redirect URI in a refresh ----------------------------------------------------------------


def test_a_refresh_at_mollie_names_the_redirect_uri_of_the_dance(site, member, responses, user):
    provider = site("mollie")
    responses.post(provider.token_url, json=GRANTED)
    responses.get(f"{provider.base_url}organizations/me", json={"id": "org_1", "name": "Ada"})
    assert Dance(member, "mollie").callback().status_code == 302
    expire_token(providers["mollie"].session(user=user)).ready_token()
    granted, refreshed = map(form_fields, calls_to(responses, provider.token_url))
    assert refreshed["grant_type"] == "refresh_token"
    assert refreshed["redirect_uri"] == granted["redirect_uri"]


def test_a_token_that_was_stored_without_its_redirect_uri_is_refreshed_without_it(
    connected, responses
):
    responses.post("https://api.mollie.com/oauth2/tokens", json=GRANTED)
    expire_token(connected("mollie")).ready_token()
    assert "redirect_uri" not in form_fields(responses.calls[0])


def test_other_presets_do_not_store_the_redirect_uri(vk_session):
    assert "redirect_uri" not in vk_session.token
