"""Presets whose revocation follows no RFC."""

import json
import logging

import pytest

from django_dance.exceptions import ProviderError, ProviderUnavailable
from django_dance.models import OAuthToken

from .conftest import GRANTED, basic_credentials, expire_token, form_fields, revoke_token

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def test_github_revokes_by_delete_with_basic_and_json(connected, responses):
    url = "https://api.github.com/applications/the%20client/token"
    responses.delete(url, status=204)
    revoke_token(connected("github"))
    (call,) = responses.calls
    assert basic_credentials(call) == "the+client:planted-client-secret"
    assert json.loads(call.request.body) == {"access_token": "planted-access"}


def test_github_enterprise_revokes_at_its_own_host(connected, responses):
    responses.delete("https://git.example.com/api/v3/applications/the%20client/token", status=204)
    revoke_token(
        connected("github", host="git.example.com", base_url="https://git.example.com/api/v3/")
    )
    assert len(responses.calls) == 1


@pytest.mark.parametrize(
    "name", ["coinbase", "digitalocean", "dropbox", "miro", "strava", "todoist", "zendesk"]
)
def test_an_expired_access_token_is_refreshed_before_its_revocation(connected, responses, name):
    session = expire_token(connected(name))
    provider = session.provider
    responses.post(provider.auto_refresh_url, json={**GRANTED, "access_token": "planted-newer"})
    responses.add(provider.revocation_method, provider.revocation_url)
    revoke_token(session)
    refresh, revocation = (call.request for call in responses.calls)
    assert "planted-refresh" in str(refresh.body)
    assert "planted-newer" in f"{revocation.headers.get('Authorization')} {revocation.body}"


def test_an_expired_token_with_a_revocable_refresh_token_is_not_refreshed(connected, responses):
    session = expire_token(connected("box"))
    responses.post(session.provider.revocation_url)
    revoke_token(session)
    (call,) = responses.calls
    assert form_fields(call)["token"] == "planted-refresh"


def test_an_expired_token_whose_grant_has_ended_needs_no_revocation(connected, responses):
    session = expire_token(connected("dropbox"))
    responses.post(session.provider.token_url, status=400, json={"error": "invalid_grant"})
    revoke_token(session)
    assert len(responses.calls) == 1


@pytest.mark.parametrize("status", [400, 503])
def test_an_expired_token_that_cannot_be_refreshed_is_not_revoked(connected, responses, status):
    session = expire_token(connected("dropbox"))
    responses.post(session.provider.token_url, status=status, json={"error": "invalid_client"})
    with pytest.raises(ProviderError):
        revoke_token(session)
    assert len(responses.calls) == 1


def test_gusto_revokes_by_json(connected, responses):
    responses.post("https://api.gusto.com/oauth/revoke")
    revoke_token(connected("gusto"))
    assert json.loads(responses.calls[0].request.body) == {
        "client_id": "the client",
        "client_secret": "planted-client-secret",
        "token": "planted-access",
    }


def test_miro_revokes_by_json_with_names_of_its_own(connected, responses):
    responses.post("https://api.miro.com/v2/oauth/revoke", status=204)
    revoke_token(connected("miro"))
    assert json.loads(responses.calls[0].request.body) == {
        "accessToken": "planted-access",
        "clientId": "the client",
        "clientSecret": "planted-client-secret",
    }


@pytest.mark.parametrize("status", [200, 400, 503])
def test_miro_cannot_bring_its_secrets_into_the_words_of_a_refusal(connected, responses, status):
    def repeat(request):
        text = request.body if isinstance(request.body, str) else request.body.decode()
        return status, {}, json.dumps({"error": "refused", "error_description": f"bad {text}"})

    responses.add_callback("POST", "https://api.miro.com/v2/oauth/revoke", repeat)
    with pytest.raises(ProviderError) as caught:
        revoke_token(connected("miro"))
    assert "bad" in caught.value.error_description
    assert "planted" not in f"{caught.value} {caught.value.error_description}"


@pytest.mark.parametrize(
    ("token", "sent"),
    [
        ({}, {"token": "planted-refresh", "token_type_hint": "refresh_token"}),
        (
            {"refresh_token": None},
            {"token": "planted-access", "token_type_hint": "access_token"},
        ),
    ],
)
def test_mollie_revokes_by_delete_with_a_form(connected, responses, token, sent):
    responses.delete("https://api.mollie.com/oauth2/tokens", status=204)
    revoke_token(connected("mollie", token))
    assert form_fields(responses.calls[0]) == sent
    assert basic_credentials(responses.calls[0]) == "the+client:planted-client-secret"


NAVER = "https://nid.naver.com/oauth2.0/revoke"


def test_naver_revokes_as_rfc_7009_says(connected, responses):
    responses.post(NAVER)
    revoke_token(connected("naver"))
    assert form_fields(responses.calls[0]) == {
        "token": "planted-refresh",
        "token_type_hint": "refresh_token",
        "client_id": "the client",
        "client_secret": "planted-client-secret",
    }


def test_smartsheet_revokes_by_delete_with_the_token(connected, responses):
    responses.delete("https://api.smartsheet.com/2.0/token", json={"message": "SUCCESS"})
    revoke_token(connected("smartsheet"))
    (call,) = responses.calls
    assert call.request.headers["Authorization"] == "Bearer planted-access"
    assert not call.request.body


def test_soundcloud_revokes_by_json(connected, responses):
    responses.post("https://secure.soundcloud.com/sign-out")
    revoke_token(connected("soundcloud"))
    (call,) = responses.calls
    assert json.loads(call.request.body) == {"access_token": "planted-access"}
    assert "Authorization" not in call.request.headers


def test_square_revokes_as_the_client(connected, responses):
    responses.post("https://connect.squareup.com/oauth2/revoke", json={"success": True})
    revoke_token(connected("square"))
    (call,) = responses.calls
    assert call.request.headers["Authorization"] == "Client planted-client-secret"
    assert json.loads(call.request.body) == {
        "client_id": "the client",
        "access_token": "planted-access",
    }


def test_stripe_disconnects_an_account_with_the_secret_key_in_a_header(connected, responses):
    responses.post("https://connect.stripe.com/oauth/deauthorize", json={})
    revoke_token(connected("stripe", {"stripe_user_id": "acct_1"}))
    (call,) = responses.calls
    assert call.request.headers["Authorization"] == "Bearer planted-client-secret"
    assert form_fields(call) == {"client_id": "the client", "stripe_user_id": "acct_1"}


def test_a_stripe_token_without_an_account_is_deleted(connected, responses):
    responses.post("https://connect.stripe.com/oauth/deauthorize", json={}, status=400)
    connected("stripe").disconnect()
    assert not OAuthToken.objects.exists()


SLACK = "https://slack.com/api/auth.revoke"
USER = {"id": "U1", "access_token": "planted-user", "refresh_token": "planted-user-refresh"}


@pytest.mark.parametrize(
    ("name", "fields", "revoked"),
    [
        ("slack", {"refresh_token": None}, ["planted-access"]),
        (
            "slack",
            {"authed_user": USER},
            ["planted-access", "planted-refresh", "planted-user", "planted-user-refresh"],
        ),
        # A token of a user only, which has the user's fields, too.
        (
            "slack",
            {**USER, "authed_user": USER},
            ["planted-user", "planted-user-refresh"],
        ),
        ("slack_login", {}, ["planted-access", "planted-refresh"]),
        ("slack_login", {"refresh_token": None}, ["planted-access"]),
    ],
)
def test_slack_revokes_each_token(connected, responses, name, fields, revoked):
    responses.post(SLACK, json={"ok": True, "revoked": True})
    revoke_token(connected(name, fields))
    headers = [call.request.headers["Authorization"] for call in responses.calls]
    assert headers == [f"Bearer {token}" for token in revoked]


@pytest.mark.parametrize("name", ["slack", "slack_login"])
def test_slack_may_not_revoke_and_answer_200(connected, responses, name):
    responses.post(SLACK, json={"ok": False, "error": "internal_error"})
    with pytest.raises(ProviderError, match="did not revoke") as caught:
        revoke_token(connected(name))
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("name", ["slack", "slack_login"])
@pytest.mark.parametrize("error", ["token_revoked", "token_expired", "account_inactive"])
def test_a_token_that_is_over_at_slack_needs_no_revocation(connected, responses, name, error):
    responses.post(SLACK, json={"ok": False, "error": error})
    revoke_token(connected(name))
    assert len(responses.calls) == 2


@pytest.mark.parametrize(
    ("name", "url", "sent", "header"),
    [
        (
            "kick",
            "https://id.kick.com/oauth/revoke",
            {"token": "planted-refresh", "token_type_hint": "refresh_token"},
            None,
        ),
        (
            "nylas",
            "https://api.us.nylas.com/v3/connect/revoke",
            {"token": "planted-access"},
            "Bearer planted-client-secret",
        ),
    ],
)
def test_a_revocation_may_have_its_parameters_in_the_url(
    connected, responses, caplog, name, url, sent, header
):
    caplog.set_level(logging.DEBUG, logger="urllib3")
    responses.post(url)
    revoke_token(connected(name))
    (call,) = responses.calls
    assert call.request.params == sent
    assert not call.request.body
    assert call.request.headers.get("Authorization") == header
    responses.replace("POST", url, status=400, json={"error": f"no {sent['token']}"})
    with pytest.raises(ProviderError) as caught:
        revoke_token(connected(name))
    assert "planted" not in f"{caught.value}{caplog.text}"


#: Preset → how it is asked to revoke a token.
REVOCATIONS = {
    "github": ("DELETE", "https://api.github.com/applications/the%20client/token"),
    "gusto": ("POST", "https://api.gusto.com/oauth/revoke"),
    "kick": ("POST", "https://id.kick.com/oauth/revoke"),
    "miro": ("POST", "https://api.miro.com/v2/oauth/revoke"),
    "mollie": ("DELETE", "https://api.mollie.com/oauth2/tokens"),
    "naver": ("POST", NAVER),
    "nylas": ("POST", "https://api.us.nylas.com/v3/connect/revoke"),
    "smartsheet": ("DELETE", "https://api.smartsheet.com/2.0/token"),
    "soundcloud": ("POST", "https://secure.soundcloud.com/sign-out"),
    "square": ("POST", "https://connect.squareup.com/oauth2/revoke"),
    "stripe": ("POST", "https://connect.stripe.com/oauth/deauthorize"),
    "webflow": ("POST", "https://webflow.com/oauth/revoke_authorization"),
}


@pytest.mark.parametrize(("status", "error"), [(400, ProviderError), (503, ProviderUnavailable)])
@pytest.mark.parametrize("name", REVOCATIONS)
def test_a_failed_revocation_raises_an_error(connected, responses, name, status, error):
    responses.add(*REVOCATIONS[name], status=status, json={})
    with pytest.raises(error, match=str(status)) as caught:
        revoke_token(connected(name, {"stripe_user_id": "acct_1"}))
    assert caught.value.status == status
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("name", REVOCATIONS)
def test_a_token_is_deleted_if_its_revocation_fails(connected, responses, name):
    responses.add(*REVOCATIONS[name], status=503)
    connected(name, {"stripe_user_id": "acct_1"}).disconnect()
    assert not OAuthToken.objects.exists()
