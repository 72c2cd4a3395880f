"""Each protocol call of a provider, to a server of this machine: the CA it trusts, and its request.

The server has a certificate of a CA that only ``CA_BUNDLE`` names.
"""

import json
import ssl

import pytest

from django_dance.exceptions import ProviderUnavailable
from django_dance.flows import Flow
from django_dance.providers import OIDCProvider, discovery, providers
from django_dance.tokens import Token

from ..catalogue import PRESETS
from ..loopback import Loopback

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows"),
]

BASIC = "Basic Y2xpZW50OnBsYW50ZWQtc2VjcmV0"  # client:planted-secret


class OpenIDProvider(Loopback):
    """Publishes its endpoints, and answers at each of them."""

    def answer(self, received):
        endpoints = {
            name: f"{self.url}/{name}"
            for name in (
                "authorization_endpoint",
                "token_endpoint",
                "revocation_endpoint",
                "userinfo_endpoint",
                "device_authorization_endpoint",
                "jwks_uri",
            )
        }
        pages = {
            "/.well-known/openid-configuration": {"issuer": self.url, **endpoints},
            "/token_endpoint": {"access_token": "planted-new", "token_type": "bearer"},
            "/userinfo_endpoint": {"sub": "1"},
            "/device_authorization_endpoint": {
                "device_code": "planted-device",
                "user_code": "AB-CD",
                "verification_uri": "https://id.example.com/device",
            },
            "/token_endpoint/introspect": {"hub_id": 1, "user_id": 2},
            "/api/metadata": {"api_endpoint": "https://us1.api.mailchimp.com"},
        }
        return 200, {}, json.dumps(pages.get(received.path, {}))


class RevokedByToken(OIDCProvider):
    """A provider where the access token itself may end the grant."""

    revocation_auth = "token"
    revocation_method = "DELETE"
    revocation_param = "tok"


@pytest.fixture
def op(authority, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with OpenIDProvider(tls=context) as server:
        yield server


@pytest.fixture
def make_session(authority, settings, tmp_path, user):
    """Makes the session of a connected user from a provider's entry in the settings."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))

    def make_session(**entry):
        settings.ID_OAUTH_CLIENT_ID, settings.ID_OAUTH_CLIENT_SECRET = "client", "planted-secret"
        settings.DANCE_PROVIDERS = {"id": {"CA_BUNDLE": str(bundle), **entry}}
        session = providers["id"].session(user=user)
        session.token = {"access_token": "planted-1", "refresh_token": "planted-2"}
        return session

    discovery.forget()
    yield make_session
    discovery.forget()


@pytest.fixture
def connect(op, make_session):
    """Makes the session of a connected user; every endpoint but the metadata is known already."""

    def connect(**options):
        return make_session(
            **{
                "PROVIDER": "django_dance.providers.OIDCProvider",
                "ISSUER": op.url,
                "AUTHORIZATION_URL": f"{op.url}/authorization_endpoint",
                "TOKEN_URL": f"{op.url}/token_endpoint",
                "REVOCATION_URL": f"{op.url}/revocation_endpoint",
                "USERINFO_URL": f"{op.url}/userinfo_endpoint",
                "DEVICE_AUTHORIZATION_URL": f"{op.url}/device_authorization_endpoint",
                "JWKS_URL": f"{op.url}/jwks_uri",
                **options,
            }
        )

    return connect


#: A protocol call → the call, and the request that arrives: method, path, form, authorization.
CALLS = {
    "refresh": (
        lambda session: session.refresh(),
        "POST",
        "/token_endpoint",
        {"grant_type": "refresh_token", "refresh_token": "planted-2"},
        BASIC,
    ),
    "client credentials": (
        lambda session: session.provider.client_credentials("read"),
        "POST",
        "/token_endpoint",
        {"grant_type": "client_credentials", "scope": "read"},
        BASIC,
    ),
    "device": (
        lambda session: session.provider.begin_device("openid"),
        "POST",
        "/device_authorization_endpoint",
        {"client_id": "client", "scope": "openid"},
        BASIC,
    ),
    "revoke": (
        lambda session: session.provider.revoke(session.owner, session.token),
        "POST",
        "/revocation_endpoint",
        {"token": "planted-2", "token_type_hint": "refresh_token"},
        BASIC,
    ),
    "userinfo": (
        lambda session: session.userinfo(),
        "GET",
        "/userinfo_endpoint",
        {},
        "Bearer planted-1",
    ),
    "metadata": (
        lambda session: session.provider.metadata(),
        "GET",
        "/.well-known/openid-configuration",
        {},
        None,
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_protocol_call_trusts_the_ca_that_the_settings_name(op, connect, call):
    make, method, path, form, authorization = CALLS[call]
    make(connect())
    (received,) = op.received
    assert (received.method, received.path) == (method, path)
    assert dict(received.form) == form
    assert received.headers["Authorization"] == authorization
    assert received.headers["Accept"].startswith("application/json")


@pytest.mark.parametrize("call", CALLS)
def test_a_protocol_call_to_a_server_with_an_unknown_ca_is_not_sent(op, connect, call):
    make, *_ = CALLS[call]
    session = connect(CA_BUNDLE=None)
    with pytest.raises(ProviderUnavailable, match="SSLError"):
        make(session)
    assert not op.received


@pytest.mark.parametrize("call", CALLS)
def test_a_ca_file_that_is_missing_makes_the_provider_unavailable(op, connect, call, tmp_path):
    make, *_ = CALLS[call]
    session = connect(CA_BUNDLE=str(tmp_path / "missing.pem"))
    with pytest.raises(ProviderUnavailable, match="FileNotFoundError"):
        make(session)
    assert not op.received


def test_no_keys_are_requested_from_a_server_with_an_unknown_ca(op, connect):
    header = "eyJhbGciOiJSUzI1NiJ9"  # {"alg":"RS256"}
    fields = Token({"access_token": "planted", "id_token": f"{header}.e30.e30"})
    session = connect(CA_BUNDLE=None)
    client = session.provider.get_client_credentials(session.owner)
    with pytest.raises(ProviderUnavailable, match="SSLError"):
        session.provider.verified_claims(fields, client, nonce=None)
    assert not op.received


def test_a_self_revoking_token_is_not_sent_to_a_server_with_an_unknown_ca(op, connect):
    session = connect(CA_BUNDLE=None, PROVIDER=RevokedByToken)
    with pytest.raises(ProviderUnavailable, match="SSLError"):
        session.provider.revoke(session.owner, session.token)
    assert not op.received
    session = connect(PROVIDER=RevokedByToken)
    session.provider.revoke(session.owner, session.token)
    (received,) = op.received
    assert (received.method, dict(received.form)) == ("DELETE", {"tok": "planted-2"})
    assert received.headers["Authorization"] == "Bearer planted-1"


def test_an_api_call_to_a_server_with_an_unknown_ca_is_not_sent(op, connect):
    session = connect(CA_BUNDLE=None, BASE_URL=f"{op.url}/")
    with pytest.raises(OSError, match="certificate verify failed"):
        session.get("/me")
    assert not op.received
    assert connect(BASE_URL=f"{op.url}/").get("/me").ok


# --- the presets' own calls -------------------------------------------------------------------


def revoke(session):
    session.provider.revoke(session.owner, session.token)


def complete_a_dance(session):
    client = session.provider.get_client_credentials(session.owner)
    flow = Flow(provider="id", secret="planted", began=0, user="1", next="/")
    session.provider.granted({"access_token": "planted-1"}, flow, client)


def ask_for_the_account(session):
    session.provider.account_info(session)


REVOCATION = "/revocation_endpoint"
#: Preset → the call that is its own, the method and the path of the request.
OWN_CALLS = {
    "github": (revoke, "DELETE", "/api/applications/client/token"),
    "hubspot": (ask_for_the_account, "POST", "/token_endpoint/introspect"),
    "mailchimp": (complete_a_dance, "GET", "/api/metadata"),
    "miro": (revoke, "POST", REVOCATION),
    "mollie": (revoke, "DELETE", REVOCATION),
    "soundcloud": (revoke, "POST", REVOCATION),
    "square": (revoke, "POST", REVOCATION),
    "stripe": (revoke, "POST", REVOCATION),
}


@pytest.fixture
def connect_preset(op, make_session):
    """Makes the session of a connected user; the preset's addresses are those of the server."""

    def connect_preset(name, **options):
        if name != "github":  # its address is relative to BASE_URL
            options["REVOCATION_URL"] = f"{op.url}{REVOCATION}"
        return make_session(
            PROVIDER=PRESETS[name],
            BASE_URL=f"{op.url}/api/",
            TOKEN_URL=f"{op.url}/token_endpoint",
            **options,
        )

    return connect_preset


@pytest.mark.parametrize("name", OWN_CALLS)
def test_the_own_call_of_a_preset_trusts_the_ca_that_the_settings_name(op, connect_preset, name):
    make_call, method, path = OWN_CALLS[name]
    make_call(connect_preset(name))
    assert [(received.method, received.path) for received in op.received] == [(method, path)]


@pytest.mark.parametrize("name", OWN_CALLS)
def test_the_own_call_of_a_preset_to_a_server_with_an_unknown_ca_is_not_sent(
    op, connect_preset, name
):
    make_call, *_ = OWN_CALLS[name]
    session = connect_preset(name, CA_BUNDLE=None)
    with pytest.raises(ProviderUnavailable, match="SSLError"):
        make_call(session)
    assert not op.received
