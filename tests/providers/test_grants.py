from urllib.parse import parse_qs

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_dance.exceptions import (
    FlowError,
    InvalidResponse,
    ProviderUnavailable,
    TokenRequestRefused,
)
from django_dance.providers import OAuth2Provider
from django_dance.providers import device as grants

TOKEN = "https://example.com/token"
DEVICE = "https://example.com/device"
CODES = {
    "device_code": "planted-device",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://example.com/activate",
    "expires_in": 600,
    "interval": 3,
}
GRANTED = {"access_token": "planted", "token_type": "bearer", "expires_in": 3600}


@pytest.fixture
def provider():
    return OAuth2Provider(
        "mine",
        authorization_url="https://example.com/authorize",
        token_url=TOKEN,
        device_authorization_url=DEVICE,
        client_id="id",
        client_secret="secret",
        scope=["read", "write"],
    )


@pytest.fixture
def naps(monkeypatch):
    taken = []
    monkeypatch.setattr(grants.time, "sleep", taken.append)
    return taken


def sent(call):
    return {name: values[0] for name, values in parse_qs(call.request.body).items()}


def test_client_credentials_grant_a_token_for_the_site(provider, responses):
    responses.post(TOKEN, json=GRANTED)
    token = provider.client_credentials(scope="admin")
    assert token["access_token"] == "planted" and not token.expired
    assert sent(responses.calls[0]) == {"grant_type": "client_credentials", "scope": "admin"}
    assert responses.calls[0].request.headers["Authorization"].startswith("Basic ")


def test_the_grants_without_a_browser_send_the_parameters_of_token_requests(responses):
    provider = OAuth2Provider(
        "mine",
        authorization_url="https://example.com/authorize",
        token_url=TOKEN,
        device_authorization_url=DEVICE,
        client_id="id",
        client_secret="secret",
        token_url_params={"resource": "https://api.example.com/", "scope": "ignored"},
    )
    responses.post(TOKEN, json=GRANTED)
    responses.post(DEVICE, json=CODES)
    provider.client_credentials("admin")
    provider.poll_device(provider.begin_device("admin"))
    for call in responses.calls:
        assert sent(call)["resource"] == "https://api.example.com/"
    assert [sent(call).get("scope") for call in responses.calls[:2]] == ["admin", "admin"]
    assert sent(responses.calls[2])["grant_type"].endswith("device_code")


def test_a_device_shows_its_code_and_gets_a_token(provider, responses, naps):
    responses.post(DEVICE, json=CODES)
    for error in ("authorization_pending", "slow_down", "authorization_pending"):
        responses.post(TOKEN, status=400, json={"error": error})
    responses.post(TOKEN, json=GRANTED)
    authorization = provider.begin_device()
    assert authorization.user_code == "ABCD-EFGH"
    assert authorization.verification_uri_complete is None
    assert "planted" not in repr(authorization)
    assert sent(responses.calls[0]) == {"client_id": "id", "scope": "read write"}
    token = provider.wait_for_device(authorization)
    assert token["scope"] == ["read", "write"]
    assert naps == [3, 3, 8, 8]
    assert sent(responses.calls[1]) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "planted-device",
        "client_id": "id",
    }


@pytest.mark.parametrize(
    ("error", "code"), [("access_denied", "access_denied"), ("expired_token", "flow_expired")]
)
def test_a_refused_device_stops_waiting(provider, responses, naps, error, code):
    responses.post(DEVICE, json=CODES)
    responses.post(TOKEN, status=400, json={"error": error})
    with pytest.raises(FlowError) as caught:
        provider.wait_for_device(provider.begin_device())
    assert caught.value.code == code


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_optional_member_of_a_device_authorization_may_be_empty(provider, responses, nothing):
    optional = ("error", "interval", "expires_in", "verification_uri_complete", "verification_url")
    responses.post(DEVICE, json={**CODES, **dict.fromkeys(optional, nothing)})
    authorization = provider.begin_device()
    assert authorization.interval == 5
    assert authorization.verification_uri_complete is None


def test_a_device_stops_waiting_when_its_code_expires(provider, responses, naps, monkeypatch):
    responses.post(DEVICE, json=CODES)
    responses.post(TOKEN, status=400, json={"error": "authorization_pending"})
    authorization = provider.begin_device()
    start, asked = grants.time.time(), []
    monkeypatch.setattr(grants.time, "time", lambda: start + 200 * len(asked))
    monkeypatch.setattr(grants.time, "sleep", asked.append)
    with pytest.raises(FlowError, match="flow_expired"):
        provider.wait_for_device(authorization)
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"device_code": None}, InvalidResponse),
        ({"user_code": 7}, InvalidResponse),
        ({"verification_uri": "javascript:alert(1)"}, InvalidResponse),
        ({"verification_uri_complete": "http://example.com/"}, InvalidResponse),
        ({"error": "unauthorized_client"}, TokenRequestRefused),
    ],
)
def test_invalid_device_codes_are_refused(provider, responses, change, error):
    responses.post(DEVICE, json={**CODES, **change})
    with pytest.raises(error):
        provider.begin_device()


@pytest.mark.parametrize("interval", [None, 0, -1, "x", 10**9])
def test_invalid_intervals_are_limited(provider, responses, interval):
    responses.post(DEVICE, json={**CODES, "interval": interval, "expires_in": "soon"})
    assert 1 <= provider.begin_device().interval <= 60


def test_a_refused_grant_raises_an_error(provider, responses):
    responses.post(TOKEN, status=401, json={"error": "invalid_client"})
    with pytest.raises(TokenRequestRefused, match="invalid_client"):
        provider.client_credentials()
    responses.post(DEVICE, status=503)
    with pytest.raises(ProviderUnavailable):
        provider.begin_device()


def test_the_error_without_the_endpoint_names_the_option():
    provider = OAuth2Provider("mine", client_id="id", client_secret="secret")
    with pytest.raises(ImproperlyConfigured, match="DEVICE_AUTHORIZATION_URL"):
        provider.begin_device()
