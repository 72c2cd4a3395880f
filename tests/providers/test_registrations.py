"""This site's credentials at servers that are not in the settings (RFC 7591, Mastodon, CIMD)."""

import json
import threading
import time
import traceback
from datetime import timedelta

import jwt
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from django_dance.exceptions import PlaceError, SealBroken, TokenRequestRefused
from django_dance.models import ClientRegistration
from django_dance.providers import (
    OAuth2Provider,
    ServerMetadata,
    find_or_register,
    forget_registration,
    owner_tenant,
    registered_credentials,
    registrations,
    signing_key,
)
from django_dance.tokens import ResourceOwner

from ..internet import ELSEWHERE, PUBLIC
from ..keys import EC256, EC384, ED25519, RSA, jwk

ISSUER, CALLBACK = "https://auth.example", "https://site.example/login/remote/authorized/"
JSON = {"Content-Type": "application/json"}


class Remote(OAuth2Provider):
    authorization_url = f"{ISSUER}/authorize"
    token_url = f"{ISSUER}/token"
    registers_itself = True


@pytest.fixture
def provider(bundle, settings):
    settings.DANCE_TIMEOUT = 60  # a busy machine may be slow
    return Remote("remote", ca_bundle=bundle)


@pytest.fixture
def server(internet, authority):
    """An authorization server with dynamic registration. ``server.next`` is its next answer."""
    counter = iter(range(1, 1000))

    def answer(received):
        if site.next is not None:
            status, body = site.next
            return status, JSON, body if isinstance(body, str) else json.dumps(body)
        return 201, JSON, json.dumps(registered(f"client-{next(counter)}"))

    with internet.site(authority, "auth.example", PUBLIC, answer) as site:
        site.next = None
        yield site


def registered(client_id="client-1", **members):
    return {
        "client_id": client_id,
        "client_secret": f"planted-secret-of-{client_id}",
        "client_secret_expires_at": 0,
        "registration_access_token": "planted-registration-token",
        **members,
    }


def metadata(issuer=ISSUER, **members):
    return ServerMetadata(
        issuer=issuer,
        authorization_endpoint=f"{ISSUER}/authorize",
        token_endpoint=f"{ISSUER}/token",
        **{"registration_endpoint": f"{ISSUER}/register", **members},
    )


def configured(**columns):
    row = ClientRegistration(
        **{"provider": "remote", "issuer": ISSUER, "client_id": "by-hand", **columns}
    )
    row.secrets = {"client_secret": "planted-secret-by-hand"}
    row.save()
    return row


def requests_to(server):
    return [json.loads(received.body) for received in server.received]


def refused(call):
    with pytest.raises(PlaceError) as caught:
        call()
    return caught.value.code


# --- dynamic registration -------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "extra",
    [
        "NaN",
        "1e400",
        '"\\ud800"',
        '"\\u0000"',
        '{"\\ud800": 1}',
        f"{'[' * 45}{']' * 45}",
        f'["a", {"[" * 45}{"]" * 45}]',
    ],
)
def test_an_answer_that_no_database_stores_is_no_crash(provider, server, extra):
    answer = json.dumps(registered(contacts=["ops@auth.example"]))
    server.next = 201, f'{answer[:-1]}, "extra": {extra}, "\\u0000": 1}}'
    assert find_or_register(provider, metadata(), CALLBACK).client_id == "client-1"
    kept = ClientRegistration.objects.get().metadata
    assert kept["contacts"] == ["ops@auth.example"]
    assert "extra" not in kept and "\0" not in kept


@pytest.mark.django_db
def test_the_site_registers_itself_once(provider, server, settings):
    settings.DANCE_CLIENT_METADATA = {"client_name": "Album", "client_uri": "https://site.example"}
    first = find_or_register(provider, metadata(), CALLBACK)
    again = find_or_register(provider, metadata(), CALLBACK)
    assert first == again and first.client_id == "client-1"
    assert first.client_secret == "planted-secret-of-client-1"
    assert first.token_endpoint_auth_method == "client_secret_basic"
    assert requests_to(server) == [
        {
            "client_name": "Album",
            "client_uri": "https://site.example",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_basic",
            "application_type": "web",
        }
    ]
    row = ClientRegistration.objects.get()
    assert (row.issuer, row.redirect_uri, row.source) == (ISSUER, CALLBACK, row.REGISTERED)
    assert "planted" not in row.sealed + json.dumps(row.metadata)
    assert row.secrets["registration_access_token"] == "planted-registration-token"


@pytest.mark.django_db
def test_each_issuer_redirect_uri_tenant_and_provider_has_a_registration(
    provider, server, internet, authority, bundle
):
    def answer(received):
        return 201, JSON, json.dumps(registered("elsewhere"))

    other = metadata("https://other.example", registration_endpoint="https://other.example/reg")
    with internet.site(authority, "other.example", ELSEWHERE, answer):
        ids = [
            find_or_register(provider, metadata(), CALLBACK),
            find_or_register(provider, metadata(), f"{CALLBACK}2"),
            find_or_register(provider, metadata(), CALLBACK, tenant="a"),
            find_or_register(provider, metadata(), CALLBACK, tenant="A"),
            find_or_register(Remote("second", ca_bundle=bundle), metadata(), CALLBACK),
            find_or_register(provider, other, CALLBACK),
        ]
    assert len({found.client_id for found in ids}) == 6


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("supported", "method"),
    [
        (None, "client_secret_basic"),
        (("client_secret_post", "none"), "client_secret_post"),
        (("none",), "none"),
        (("private_key_jwt",), "client_secret_basic"),
    ],
)
def test_the_best_method_that_the_server_supports_is_asked_for(supported, method, provider, server):
    find_or_register(provider, metadata(token_endpoint_auth_methods_supported=supported), CALLBACK)
    assert requests_to(server)[0]["token_endpoint_auth_method"] == method


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("members", "method", "secret"),
    [
        ({"token_endpoint_auth_method": "client_secret_post"}, "client_secret_post", True),
        ({"token_endpoint_auth_method": "none"}, "none", False),
        ({"client_secret": None}, "none", False),
    ],
)
def test_the_server_may_choose_another_method(members, method, secret, provider, server):
    """RFC 7591 §3.2.1"""
    server.next = 201, registered(**members)
    found = find_or_register(provider, metadata(), CALLBACK)
    assert found.token_endpoint_auth_method == method
    assert bool(found.client_secret) is secret


@pytest.mark.django_db
@pytest.mark.parametrize(
    "answer",
    [
        (400, {"error": "invalid_redirect_uri", "error_description": "no localhost"}),
        (201, "no JSON"),
        (201, "[]"),
        (201, {}),
        (201, registered(client_id="")),
        (201, registered(client_id=7)),
        (201, registered(client_id="a\nb")),
        (201, registered(client_id="x" * 501)),
        (201, registered(client_secret="a\nb")),
        (201, registered(client_secret="x" * 5000)),
        (201, registered(token_endpoint_auth_method="tls_client_auth")),
        (201, registered(token_endpoint_auth_method=["none"])),
        (201, registered(redirect_uris=["https://evil.example/"])),
        (201, registered(redirect_uris=CALLBACK)),
        (302, ""),
    ],
)
def test_a_registration_that_cannot_be_used_is_refused(answer, provider, server):
    server.next = answer
    with pytest.raises(PlaceError) as caught:
        find_or_register(provider, metadata(), CALLBACK)
    assert caught.value.code == "place_refusal"
    if answer[0] == 400:
        assert "no localhost" in str(caught.value) and "dance_clients add" in str(caught.value)
    assert not ClientRegistration.objects.exists()


@pytest.mark.django_db
def test_a_traceback_shows_no_secret(provider, server):
    server.next = 201, registered(redirect_uris=["https://evil.example/"])
    with pytest.raises(PlaceError) as caught:
        find_or_register(provider, metadata(), CALLBACK)
    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    assert "planted-secret" not in shown and "planted-registration" not in shown


@pytest.mark.django_db
def test_a_site_on_loopback_is_a_native_client(provider, server):
    find_or_register(provider, metadata(), "http://localhost:8000/login/remote/authorized/")
    assert requests_to(server)[0]["application_type"] == "native"


@pytest.mark.django_db
def test_refresh_tokens_are_not_asked_for_where_there_are_none(provider, server):
    find_or_register(provider, metadata(grant_types_supported=("authorization_code",)), CALLBACK)
    assert requests_to(server)[0]["grant_types"] == ["authorization_code"]


@pytest.mark.django_db
def test_an_expired_registration_is_replaced_and_kept_for_its_connections(provider, server):
    soon = int(time.time()) + 3600
    server.next = 201, registered("old", client_secret_expires_at=soon)
    old = find_or_register(provider, metadata(), CALLBACK)
    ClientRegistration.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    server.next = None
    new = find_or_register(provider, metadata(), CALLBACK)
    assert (old.client_id, new.client_id) == ("old", "client-1")
    names = {"issuer": ISSUER, "provider": "remote", "tenant": ""}
    assert registered_credentials(old.registration_id, **names) == old
    assert find_or_register(provider, metadata(), CALLBACK) == new


@pytest.mark.django_db
def test_a_server_that_forgets_a_registration_gets_a_new_one_once(provider, server):
    old = find_or_register(provider, metadata(), CALLBACK)
    forget_registration(old.registration_id)  # it was made a moment ago
    assert find_or_register(provider, metadata(), CALLBACK) == old
    ClientRegistration.objects.update(created_at=timezone.now() - timedelta(hours=1))
    forget_registration(old.registration_id)
    new = find_or_register(provider, metadata(), CALLBACK)
    forget_registration(new.registration_id)
    assert find_or_register(provider, metadata(), CALLBACK) == new != old
    assert len(server.received) == 2


@pytest.mark.django_db
def test_the_answer_invalid_client_forgets_the_registration(provider, server):
    old = find_or_register(provider, metadata(), CALLBACK)
    ClientRegistration.objects.update(created_at=timezone.now() - timedelta(hours=1))
    server.next = 401, {"error": "invalid_client"}
    settings_of_the_site = configured(tenant="other")
    with pytest.raises(TokenRequestRefused):
        provider_at_loopback(provider, server).grant(
            f"https://localhost:{server.server_port}/token", {"grant_type": "x"}, old
        )
    assert ClientRegistration.objects.get(pk=old.registration_id).current is None
    forget_registration(str(settings_of_the_site.pk))
    settings_of_the_site.refresh_from_db()
    assert settings_of_the_site.current is not None  # only its administrator replaces it


def provider_at_loopback(provider, server):
    """A provider whose calls reach the server without the guard."""

    class Direct(Remote):
        def call(self, method, url, *, data=None, json=None, headers=None, auth=None):
            from django_dance.http import call_untrusted

            return call_untrusted(
                method,
                f"{ISSUER}/token",
                data=data,
                headers=headers,
                auth=auth,
                verify=self.ca_bundle,
            )

    return Direct("remote", ca_bundle=provider.ca_bundle)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "sent"),
    [
        ("client_secret_basic", {}),
        (
            "client_secret_post",
            {"client_id": "by-hand", "client_secret": "planted-secret-by-hand"},
        ),
        ("none", {"client_id": "by-hand"}),
    ],
)
def test_the_token_request_uses_the_registered_method(method, sent, provider, server):
    row = configured(token_endpoint_auth_method=method)
    client = find_or_register(provider, metadata(), CALLBACK)
    assert client.registration_id == str(row.pk)
    server.next = 200, {"access_token": "x", "token_type": "bearer"}
    provider_at_loopback(provider, server).grant("", {"grant_type": "x"}, client)
    (received,) = server.received
    assert dict(received.form) == {"grant_type": "x", **sent}
    assert ("Authorization" in received.headers) is (method == "client_secret_basic")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("algorithm", "key"), [("ES256", EC256), ("ES384", EC384), ("EdDSA", ED25519), ("RS256", RSA)]
)
def test_a_private_key_signs_an_assertion_for_one_server(algorithm, key, provider, server):
    row = configured(token_endpoint_auth_method="private_key_jwt")
    row.secrets = {"client_secret": jwk(key, algorithm, kid="planted-kid")}
    row.save()
    client = find_or_register(provider, metadata(), CALLBACK)
    # Nothing that sends a client secret, such as a revocation, can send the key.
    assert client.client_secret == ""
    assert "kty" not in repr(client)
    server.next = 200, {"access_token": "x", "token_type": "bearer"}
    for _ in range(2):
        provider_at_loopback(provider, server).grant("", {"grant_type": "x"}, client)
    sent = [dict(received.form) for received in server.received]
    assertions = [form.pop("client_assertion") for form in sent]
    assert sent[0] == {
        "grant_type": "x",
        "client_id": "by-hand",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    assert not any("Authorization" in received.headers for received in server.received)
    first, second = (
        jwt.decode(text, key.public_key(), algorithms=[algorithm], audience=ISSUER)
        for text in assertions
    )
    assert (first["iss"], first["sub"], first["aud"]) == ("by-hand", "by-hand", ISSUER)
    assert first["exp"] == first["iat"] + 300
    assert first["jti"] != second["jti"]
    assert jwt.get_unverified_header(assertions[0])["kid"] == "planted-kid"


@pytest.mark.django_db
def test_a_registration_whose_key_is_no_key_says_so_without_quoting_it(provider, server):
    configured(token_endpoint_auth_method="private_key_jwt")
    client = find_or_register(provider, metadata(), CALLBACK)
    with pytest.raises(ImproperlyConfigured, match="dance_clients rotate") as caught:
        provider_at_loopback(provider, server).grant("", {"grant_type": "x"}, client)
    assert "planted-secret" not in "".join(traceback.format_exception(caught.value))
    assert server.received == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "planted-secret",
        "[]",
        "null",
        '"d"',
        '["d"]',
        '{"d": 1}',
        '{"kty": "oct", "k": "cGxhbnRlZA", "d": "x"}',
        '{"kty": "EC", "crv": "P-256", "x": "planted", "y": "planted", "d": "planted"}',
        jwk(EC256.public_key(), "ES256"),
        jwk(EC256, "ES256", alg="none"),
        jwk(EC256, "ES256", alg="RS256"),
    ],
)
def test_a_text_that_is_no_private_key_is_refused(text):
    with pytest.raises(ValueError, match="a private key as a JWK") as caught:
        signing_key(text)
    assert "planted" not in str(caught.value)


@pytest.mark.django_db
def test_registrations_are_limited_for_each_user(provider, server, internet, monkeypatch, clock):
    monkeypatch.setattr(registrations, "PER_USER", 2)
    codes = []
    for number in range(4):
        uri = f"{CALLBACK}{number}"
        try:
            find_or_register(provider, metadata(), uri, asked_by="7")
        except PlaceError as error:
            codes.append(error.code)
    assert codes == ["place_limit"] * 2 and len(server.received) == 2


# --- Mastodon -------------------------------------------------------------------------------------


def mastodon(**members):
    return metadata(
        registration_endpoint="", app_registration_endpoint=f"{ISSUER}/api/v1/apps", **members
    )


@pytest.mark.django_db
def test_an_app_of_mastodon_has_the_scopes_of_all_dances(provider, server):
    first = find_or_register(provider, mastodon(), CALLBACK, scope=["read"])
    assert find_or_register(provider, mastodon(), CALLBACK, scope=["read"]) == first
    second = find_or_register(provider, mastodon(), CALLBACK, scope=["write"])
    assert find_or_register(provider, mastodon(), CALLBACK, scope=["read"]) == second
    assert find_or_register(provider, mastodon(), CALLBACK, scope=["read", "write"]) == second
    assert requests_to(server) == [
        {"client_name": "site.example", "redirect_uris": CALLBACK, "scopes": "read"},
        {"client_name": "site.example", "redirect_uris": CALLBACK, "scopes": "read write"},
    ]
    # The connections of the first app still refresh with it.
    names = {"issuer": ISSUER, "provider": "remote", "tenant": ""}
    assert registered_credentials(first.registration_id, **names) == first


@pytest.mark.django_db
def test_an_app_of_mastodon_always_has_a_secret(provider, server):
    metadata = mastodon(token_endpoint_auth_methods_supported=("client_secret_post", "none"))
    found = find_or_register(provider, metadata, CALLBACK, scope=["read"])
    assert found.token_endpoint_auth_method == "client_secret_post"


# --- credentials that an administrator has added --------------------------------------------------


@pytest.mark.django_db
def test_configured_credentials_come_first(provider, internet):
    configured(client_id="for all")
    configured(client_id="for the redirect URI", redirect_uri=CALLBACK)
    configured(client_id="for the place", place="https://mcp.example/mcp")
    configured(client_id="for another place", place="https://other.example/mcp")
    supports_both = metadata(client_id_metadata_document_supported=True)
    for place, found in (
        ("https://mcp.example/mcp", "for the place"),
        ("", "for the redirect URI"),
    ):
        assert find_or_register(provider, supports_both, CALLBACK, place=place).client_id == found
    assert find_or_register(provider, supports_both, f"{CALLBACK}2").client_id == "for all"
    assert internet.resolved == []


@pytest.mark.django_db
def test_credentials_go_only_to_their_issuer_provider_and_tenant(provider):
    row = configured(tenant="a")
    names = {"issuer": ISSUER, "provider": "remote", "tenant": "a"}
    assert registered_credentials(str(row.pk), **names).client_secret == "planted-secret-by-hand"
    for name, other in (
        ("issuer", f"{ISSUER}/"),
        ("issuer", "https://evil.example"),
        ("provider", "second"),
        ("tenant", "b"),
        ("tenant", "A"),
        ("tenant", ""),
    ):
        wrong = {**names, name: other}
        assert refused(lambda wrong=wrong: registered_credentials(str(row.pk), **wrong)) == (
            "place_needs_client"
        )
    nothing = metadata(registration_endpoint="")
    for tenant in ("", "b", "A"):
        call = lambda tenant=tenant: find_or_register(provider, nothing, CALLBACK, tenant=tenant)  # noqa: E731
        assert refused(call) == "place_needs_client"
    for gone in ("", "x", "00000000-0000-0000-0000-000000000000"):
        assert refused(lambda gone=gone: registered_credentials(gone, **names)) == (
            "place_needs_client"
        )


@pytest.mark.django_db
def test_a_secret_that_was_copied_to_another_row_does_not_open(provider):
    one, other = configured(tenant="a"), configured(tenant="b")
    ClientRegistration.objects.filter(pk=other.pk).update(sealed=one.sealed)
    with pytest.raises(SealBroken):
        find_or_register(provider, metadata(), CALLBACK, tenant="b")


@pytest.mark.django_db
def test_there_is_one_current_row_for_each_server():
    configured()
    with pytest.raises(IntegrityError), transaction.atomic():
        configured(client_id="second")


@pytest.mark.django_db
def test_without_credentials_the_error_says_what_to_register(provider):
    with pytest.raises(PlaceError) as caught:
        find_or_register(
            provider, metadata(registration_endpoint=""), CALLBACK, scope=["files:read"]
        )
    assert caught.value.code == "place_needs_client"
    for part in (CALLBACK, "files:read", f'dance_clients add remote {ISSUER} CLIENT_ID"'):
        assert part in str(caught.value)


@pytest.mark.django_db
def test_without_credentials_the_error_names_the_tenant(provider):
    with pytest.raises(PlaceError, match="CLIENT_ID --tenant 'one two'\"") as caught:
        find_or_register(provider, metadata(registration_endpoint=""), CALLBACK, tenant="one two")
    assert caught.value.code == "place_needs_client"


# --- the tenant of an owner -----------------------------------------------------------------------


def tenant_of(owner):
    return f"tenant-{owner.user_id}"


@pytest.mark.django_db
def test_the_tenant_of_an_owner_needs_no_request(provider, settings):
    settings.DANCE_OWNER_TENANT = "tests.providers.test_registrations.tenant_of"
    assert owner_tenant(ResourceOwner(provider, user_id=7)) == "tenant-7"
    settings.DANCE_OWNER_TENANT = lambda owner: None
    assert owner_tenant(ResourceOwner(provider, user_id=7)) == ""
    settings.DANCE_OWNER_TENANT = None
    assert owner_tenant(ResourceOwner(provider, user_id=7)) == ""
    settings.DANCE_TENANT = lambda: "current"
    assert owner_tenant(ResourceOwner(provider, user_id=7)) == "current"


# --- several threads ------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_threads_that_need_the_same_registration_make_one(provider, server):
    found, failures = [], []

    def run():
        try:
            found.append(find_or_register(provider, metadata(), CALLBACK))
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures and len(set(found)) == 1 and len(found) == 4
    assert len(server.received) == 1


@pytest.mark.django_db(transaction=True)
def test_a_registration_survives_the_rollback_of_the_view(provider, server, several_writers):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert not ClientRegistration.objects.exists()  # MariaDB takes its snapshot here
        first = find_or_register(provider, metadata(), CALLBACK)
        raise ZeroDivisionError
    assert not connection.in_atomic_block
    assert find_or_register(provider, metadata(), CALLBACK) == first
    assert len(server.received) == 1
