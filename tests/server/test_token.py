"""The endpoints for clients: token, revocation, introspection."""

import base64
import io
import json
import time
from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.core.management import call_command
from django.db.models import F
from django.test.utils import isolate_apps
from django.utils import timezone

from django_dance.server import endpoints as protocol
from django_dance.server.models import Client, Grant, Token

from ..conftest import query
from .conftest import FORM, assert_invalid_grant, basic, is_alive, make_server
from .site import server

USERS = get_user_model().objects


def assert_error(response, error, status=400):
    assert response.status_code == status, response.content
    answer = response.json()
    assert answer["error"] == error
    assert answer.keys() <= {"error", "error_description"}
    assert response["Cache-Control"] == "no-store"


def later(**fields):
    """Move the times of all rows into the past."""
    for model in (Grant, Token):
        names = {field.name for field in model._meta.get_fields()}
        moments = {"created_at", "expires", "refresh_expires", "used_at", "spent_at"} & names
        model.objects.update(**{name: F(name) - timedelta(**fields) for name in moments})


# --- the request ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["token/", "revoke/", "introspect/"])
@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch", "options"])
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_the_endpoints_accept_only_post(app, path, method):
    response = getattr(app.line, method)(app.root + path)
    assert response.status_code == 405
    assert response["Allow"] == "POST"


@pytest.mark.parametrize("path", ["token/", "revoke/", "introspect/"])
def test_parameters_in_the_url_are_refused(app, path):
    assert_error(app.post(f"{path}?grant_type=x&token=x", {"token": "x"}), "invalid_request")


@pytest.mark.parametrize("path", ["token/", "revoke/", "introspect/"])
@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""]
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_a_body_of_another_content_type_is_refused(app, path, content_type):
    fields = {"grant_type": "client_credentials", "token": "x"}
    body = json.dumps(fields) if "json" in content_type else urlencode(fields)
    headers = {"authorization": basic(app.client.client_id, app.secret)}
    response = app.line.post(app.root + path, body, content_type, headers=headers)
    assert_error(response, "invalid_request")


@pytest.mark.parametrize(
    "name", ["grant_type", "code", "redirect_uri", "client_id", "code_verifier", "scope", "other"]
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_a_repeated_parameter_is_refused(app, member, name):
    form = [
        ("grant_type", "authorization_code"),
        ("code", app.code(member)),
        ("redirect_uri", "https://app.example/callback"),
        ("code_verifier", app.verifier),
        ("client_id", app.client.client_id),
    ]
    body = urlencode([*form, (name, dict(form).get(name, "a")), ("other", "a")])
    headers = {"authorization": basic(app.client.client_id, app.secret)}
    response = app.line.post("/oauth/token/", body, FORM, headers=headers)
    if name in (*dict(form), "other"):
        assert_error(response, "invalid_request")
    assert Token.objects.exists() is (name == "scope")


@pytest.mark.parametrize("name", ["token", "token_type_hint"])
@pytest.mark.parametrize("path", ["revoke/", "introspect/"])
def test_a_repeated_parameter_of_revocation_or_introspection_is_refused(app, path, name):
    headers = {"authorization": basic(app.client.client_id, app.secret)}
    body = urlencode([("token", "x"), (name, "x"), (name, "x")])
    response = app.line.post(app.root + path, body, FORM, headers=headers)
    assert_error(response, "invalid_request")


@pytest.mark.parametrize("value", ["a\0b", "a\nb", "é", "\ud800", "x" * 5000])
@pytest.mark.parametrize("name", ["grant_type", "code", "client_id", "refresh_token"])
def test_an_invalid_parameter_is_refused(app, name, value):
    form = {"grant_type": "authorization_code", name: value}
    body = urlencode(form, errors="surrogatepass")
    response = app.line.post("/oauth/token/", body, FORM)
    assert_error(response, "invalid_request")


def test_parameters_do_not_set_the_user_or_the_client(register, user):
    app = register(grant_types="client_credentials")
    extra = {"user": str(user.pk), "client": "x", "scopes": "admin", "family": "x", "grant": "x"}
    response = app.post("token/", {"grant_type": "client_credentials", "scope": "email", **extra})
    assert response.json()["scope"] == "email"
    row = Token.objects.get()
    assert (row.user, row.client, row.scopes) == (None, app.client, ["email"])


@pytest.mark.parametrize("kind", ["implicit", "unknown", "password", "AUTHORIZATION_CODE"])
def test_an_unknown_grant_type_is_not_supported(app, kind):
    form = {"grant_type": kind, "username": "ada", "password": "pw"}
    assert_error(app.post("token/", form), "unsupported_grant_type")


@pytest.mark.parametrize("form", [{}, {"grant_type": ""}])
def test_a_request_without_a_grant_type_is_invalid(app, form):
    assert_error(app.post("token/", form), "invalid_request")


@pytest.mark.parametrize(
    "kind, form",
    [
        ("client_credentials", {}),
        ("authorization_code", {"code": "x"}),
        ("refresh_token", {"refresh_token": "x"}),
    ],
)
def test_a_client_may_use_only_its_own_grant_types(app, kind, form):
    Client.objects.update(grant_types="none")
    assert_error(app.post("token/", {"grant_type": kind, **form}), "unauthorized_client")


def test_a_client_that_may_not_refresh_gets_no_refresh_token(register, member):
    app = register(grant_types="authorization_code")
    assert "refresh_token" not in app.token(member)


def test_a_public_client_does_not_act_for_itself(register):
    app = register(public=True, grant_types="client_credentials")
    assert_error(app.post("token/", {"grant_type": "client_credentials"}), "invalid_client", 401)


# --- the client -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["token/", "revoke/", "introspect/"])
def test_a_client_may_authenticate_by_form(register, path):
    app = register(grant_types="client_credentials")
    form = {
        "grant_type": "client_credentials",
        "token": "x",
        "client_id": app.client.client_id,
        "client_secret": app.secret,
    }
    assert app.post(path, form, authorization=None).status_code == 200


@pytest.mark.parametrize("path", ["token/", "revoke/", "introspect/"])
@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !",
        "Basic eDp5",
        "Basic " + base64.b64encode(b"without a colon").decode(),
        "Basic " + base64.b64encode("é:é".encode()).decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Basic " + base64.b64encode(b"a%00b:x").decode(),
        "Bearer x",
        "",
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_a_request_without_authentication_gets_a_challenge(app, path, header):
    form = {"grant_type": "client_credentials", "token": "x"}
    response = app.post(path, form, authorization=header)
    assert_error(response, "invalid_client", 401)
    assert response["WWW-Authenticate"] == 'Basic realm="oauth_server"'


@pytest.mark.parametrize("path", ["token/", "revoke/", "introspect/"])
@pytest.mark.parametrize(
    "secret", ["wrong", "", None, pytest.param("HASH", id="the hash in the table")]
)
def test_a_wrong_secret_is_refused(app, path, secret):
    secret = app.client.client_secret if secret == "HASH" else secret
    form = {
        "grant_type": "refresh_token",
        "refresh_token": "x",
        "token": "x",
        "client_id": app.client.client_id,
        "client_secret": secret,
    }
    assert_error(app.post(path, form, authorization=None), "invalid_client", 401)


@pytest.mark.parametrize("path", ["token/", "revoke/", "introspect/"])
def test_a_client_must_not_authenticate_in_two_ways(app, path):
    form = {"grant_type": "client_credentials", "token": "x", "client_secret": app.secret}
    assert_error(app.post(path, form), "invalid_request")


def test_a_client_must_not_send_two_different_client_ids(app):
    form = {"grant_type": "client_credentials", "client_id": "other"}
    assert_error(app.post("token/", form), "invalid_request")


def test_a_client_may_send_the_same_client_id_twice(register):
    app = register(grant_types="client_credentials")
    form = {"grant_type": "client_credentials", "client_id": app.client.client_id}
    assert app.post("token/", form).status_code == 200


def test_credentials_are_form_encoded_before_basic(register):
    app = register(grant_types="client_credentials", client_id="a:b%41 +")
    assert app.post("token/", {"grant_type": "client_credentials"}).status_code == 200


def test_a_public_client_with_a_secret_is_refused(register, member):
    app = register(public=True)
    code = app.code(member)
    assert_error(app.redeem(code, client_secret="x"), "invalid_client", 401)
    assert app.redeem(code).status_code == 200


def test_a_client_without_a_stored_secret_cannot_authenticate_with_an_empty_one(app):
    Client.objects.update(client_secret="")
    for secret in ("", "x"):
        form = {"grant_type": "client_credentials"}
        header = basic(app.client.client_id, secret)
        assert_error(app.post("token/", form, authorization=header), "invalid_client", 401)


# --- the code -------------------------------------------------------------------------------------


def test_a_code_is_valid_once_and_a_second_use_revokes_its_tokens(app, member):
    code = app.code(member)
    token = app.redeem(code).json()
    refreshed = app.refresh(token["refresh_token"]).json()
    assert_invalid_grant(app.redeem(code))
    assert not is_alive(app, refreshed["access_token"])
    assert_invalid_grant(app.refresh(refreshed["refresh_token"]))


def test_a_second_use_is_detected_long_after_the_first(app, member):
    code = app.code(member)
    token = app.redeem(code).json()
    later(minutes=30)
    assert is_alive(app, token["access_token"])
    assert_invalid_grant(app.redeem(code))
    assert not is_alive(app, token["access_token"])


def test_a_used_code_from_another_client_revokes_nothing(app, register, member):
    other = register("Other")
    code = app.code(member)
    token = app.redeem(code).json()
    assert_invalid_grant(app.redeem(code, code_verifier="x" * 43))
    assert_invalid_grant(app.redeem(code, redirect_uri="https://app.example/other"))
    other.verifier = app.verifier
    assert_invalid_grant(other.redeem(code))
    assert is_alive(app, token["access_token"])


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "wrong"},
        {"redirect_uri": "https://app.example/other"},
        {"redirect_uri": "https://app.example/callback/"},
        {"redirect_uri": None},
        {"code_verifier": "x" * 43},
        {"code_verifier": "x" * 42},
        {"code_verifier": "x" * 129},
        {"code_verifier": "é" * 43},
    ],
    ids=str,
)
def test_the_token_request_must_match_the_authorization_request(app, member, changes):
    response = app.redeem(**{"code": app.code(member), **changes})
    error = "invalid_request" if "é" in str(changes) else "invalid_grant"
    assert_error(response, error)
    assert not Token.objects.exists()


def test_a_code_needs_its_verifier(app, member):
    assert_error(app.redeem(app.code(member), code_verifier=None), "invalid_request")


def test_a_code_without_a_challenge_is_refused(app, member):
    """Were it ever stored: a verifier alone proves nothing."""
    code = app.code(member)
    Grant.objects.update(code_challenge="", code_challenge_method="")
    assert_invalid_grant(app.redeem(code))
    assert_error(app.redeem(code, code_verifier=None), "invalid_request")


def test_a_challenge_with_another_method_is_refused(app, member):
    code = app.code(member)
    Grant.objects.update(code_challenge=app.verifier, code_challenge_method="plain")
    assert_invalid_grant(app.redeem(code))


def test_an_omitted_redirect_uri_may_be_sent_later_if_it_is_the_default(app, member):
    code = app.code(member, redirect_uri=None)
    assert_invalid_grant(app.redeem(code, redirect_uri="https://app.example/other"))
    assert app.redeem(code).status_code == 200


def test_a_code_is_valid_for_its_client_only(app, register, member):
    other = register("Other")
    other.verifier = app.verifier
    code = app.code(member)
    assert_invalid_grant(other.redeem(code))
    assert app.redeem(code).status_code == 200


@pytest.mark.parametrize("seconds, good", [(55, True), (61, False)])
def test_a_code_lives_for_a_minute(app, member, seconds, good):
    code = app.code(member)
    later(seconds=seconds)
    assert (app.redeem(code).status_code == 200) is good


def test_a_code_from_the_future_is_refused(app, member):
    code = app.code(member)
    later(seconds=-30)
    assert_invalid_grant(app.redeem(code))


def test_verifier_and_challenge_are_compared_in_constant_time(app, member, monkeypatch):
    compared = []

    def compare(first, second):
        compared.append((first, second))
        return first == second

    monkeypatch.setattr(protocol, "constant_time_compare", compare)
    app.redeem(app.code(member))
    assert compared == [(app.challenge, app.challenge)]


# --- refreshing -----------------------------------------------------------------------------------


def test_a_second_use_of_a_refresh_token_revokes_its_family(app, granted):
    second = app.refresh(granted["refresh_token"]).json()
    third = app.refresh(second["refresh_token"]).json()
    later(seconds=11)
    assert_invalid_grant(app.refresh(granted["refresh_token"]))
    assert not is_alive(app, third["access_token"])
    assert_invalid_grant(app.refresh(third["refresh_token"]))


def test_a_second_use_of_a_refresh_token_within_seconds_is_only_refused(app, granted):
    second = app.refresh(granted["refresh_token"]).json()
    later(seconds=8)
    assert_invalid_grant(app.refresh(granted["refresh_token"]))
    assert is_alive(app, second["access_token"])


def test_revoking_a_family_leaves_other_families(app, member, granted):
    other = app.token(member)
    app.refresh(granted["refresh_token"])
    later(seconds=11)
    app.refresh(granted["refresh_token"])
    assert is_alive(app, other["access_token"])


def test_a_refresh_token_of_another_client_is_refused_and_revokes_nothing(app, register, granted):
    other = register("Other")
    assert_invalid_grant(other.refresh(granted["refresh_token"]))
    refreshed = app.refresh(granted["refresh_token"]).json()
    later(seconds=11)
    assert_invalid_grant(other.refresh(granted["refresh_token"]))
    assert is_alive(app, refreshed["access_token"])


def test_rotation_does_not_prolong_the_thirty_days(app, granted):
    token = granted
    for _ in range(29):
        later(days=1)
        token = app.refresh(token["refresh_token"]).json()
    later(days=1, seconds=1)
    assert_invalid_grant(app.refresh(token["refresh_token"]))


@pytest.mark.parametrize("wrong", ["x", "", None])
def test_an_unknown_refresh_token_is_refused(app, granted, wrong):
    error = "invalid_grant" if wrong else "invalid_request"
    assert_error(app.refresh(wrong), error)


def test_an_access_token_does_not_refresh(app, granted):
    assert_invalid_grant(app.refresh(granted["access_token"]))


def test_a_refresh_may_ask_for_fewer_scopes_and_later_for_all(app, member):
    token = app.token(member, scope="email address")
    less = app.refresh(token["refresh_token"], scope="email").json()
    assert less["scope"] == "email"
    assert app.refresh(less["refresh_token"]).json()["scope"] == "email address"


def test_a_refresh_cannot_add_scopes(app, granted):
    assert_error(app.refresh(granted["refresh_token"], scope="email address"), "invalid_scope")
    assert app.refresh(granted["refresh_token"]).status_code == 200


def test_a_refresh_gives_only_scopes_that_the_client_may_still_request(app, member):
    token = app.token(member, scope="email address")
    app.client.scope = "email"
    app.client.save()
    less = app.refresh(token["refresh_token"]).json()
    assert less["scope"] == "email"
    assert_error(app.refresh(less["refresh_token"], scope="address"), "invalid_scope")
    app.client.scope = "admin"
    app.client.save()
    assert_error(app.refresh(less["refresh_token"]), "invalid_scope")
    app.client.scope = "email address admin"
    app.client.save()
    assert app.refresh(less["refresh_token"]).json()["scope"] == "email address"


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_without_time_zones_codes_and_refresh_tokens_expire_on_time(app, member, settings, zone):
    settings.USE_TZ, settings.TIME_ZONE = False, zone
    token = app.token(member)
    said = app.introspect(token["access_token"]).json()
    assert said["exp"] - said["iat"] == 3600
    assert abs(said["iat"] - time.time()) < 60
    token = app.refresh(token["refresh_token"]).json()
    call_command("dance_server_prune", stdout=io.StringIO())
    assert is_alive(app, token["access_token"])
    late = app.code(member)
    later(minutes=2)
    assert_invalid_grant(app.redeem(late))
    later(days=31)
    assert_invalid_grant(app.refresh(token["refresh_token"]))
    call_command("dance_server_prune", stdout=io.StringIO())
    assert not Token.objects.exists() and not Grant.objects.exists()


# --- when something has changed -------------------------------------------------------------------


CHANGES = {
    "the user was deactivated": lambda: USERS.update(is_active=False),
    "the user was deleted": lambda: USERS.all().delete(),
    "the user's password was changed": lambda: USERS.update(password="other"),
    "the client was deactivated": lambda: Client.objects.update(is_active=False),
    "the client's secret was rotated": lambda: Client.objects.update(client_secret="md5$a$b"),
    "the client was deleted": lambda: Client.objects.all().delete(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_user_or_client_invalidates_codes_and_tokens(app, member, granted, change):
    code = app.code(member)
    client_changed = "client" in change
    CHANGES[change]()
    if change == "the client's secret was rotated":
        client = Client.objects.get()
        app.secret = client.rotate_secret()
        client.save()
        client_changed = False
    for response in (app.redeem(code), app.refresh(granted["refresh_token"])):
        if client_changed:
            assert_error(response, "invalid_client", 401)
        else:
            assert_invalid_grant(response)
    assert not is_alive(app, granted["access_token"])
    if not client_changed:
        assert app.introspect(granted["access_token"]).json() == {"active": False}


def test_a_rotated_secret_key_keeps_codes_and_tokens_valid(app, granted, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key"
    assert is_alive(app, granted["access_token"])
    assert app.refresh(granted["refresh_token"]).status_code == 200


def test_a_login_keeps_codes_and_tokens_valid(app, member, granted):
    user = USERS.get()
    user.last_login = timezone.now()
    user.save()
    assert is_alive(app, granted["access_token"])


# --- revocation (RFC 7009) ------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "unknown"])
def test_revoking_one_token_revokes_its_family(app, granted, which, hint):
    response = app.revoke(granted[which], token_type_hint=hint)
    assert (response.status_code, response.content) == (200, b"")
    assert not is_alive(app, granted["access_token"])
    assert_invalid_grant(app.refresh(granted["refresh_token"]))


def test_revoking_an_old_token_revokes_the_newest(app, granted):
    newest = app.refresh(granted["refresh_token"]).json()
    assert app.revoke(granted["refresh_token"]).status_code == 200
    assert not is_alive(app, newest["access_token"])


def test_revoking_an_unknown_token_succeeds(app):
    assert app.revoke("unknown").status_code == 200


def test_revoking_without_a_token_is_an_error(app):
    assert_error(app.revoke(None), "invalid_request")


def test_another_client_cannot_revoke_a_token(app, register, granted):
    assert_invalid_grant(register("Other").revoke(granted["access_token"]))
    assert is_alive(app, granted["access_token"])


def test_a_public_client_can_revoke_its_token(register, member):
    app = register(public=True)
    token = app.token(member)
    assert app.revoke(token["refresh_token"]).status_code == 200
    assert not is_alive(app, token["access_token"])


# --- introspection (RFC 7662) ---------------------------------------------------------------------


def test_a_client_may_introspect_its_access_token(app, user, granted):
    claims = app.introspect(granted["access_token"]).json()
    row = Token.objects.get()
    assert claims == {
        "active": True,
        "scope": "email",
        "client_id": app.client.client_id,
        "token_type": "Bearer",
        "iss": "https://testserver",
        "sub": str(user.pk),
        "exp": int(row.expires.timestamp()),
        "iat": int(row.created_at.timestamp()),
    }


def test_introspection_reads_the_client_and_its_token(app, granted, django_assert_num_queries):
    with django_assert_num_queries(2) as queries:
        assert app.introspect(granted["access_token"]).json()["active"] is True
    tables = [Client._meta.db_table in query["sql"] for query in queries.captured_queries]
    assert tables == [True, False]


def test_a_token_of_another_client_is_bound_to_its_own_client(app, register, granted, monkeypatch):
    other = register("Resource server")
    monkeypatch.setattr(server, "may_introspect", lambda client, token: True)
    assert other.introspect(granted["access_token"]).json()["client_id"] == app.client.client_id
    app.client.rotate_secret()
    app.client.save()
    assert other.introspect(granted["access_token"]).json() == {"active": False}


def test_a_client_may_introspect_its_refresh_token(app, granted):
    claims = app.introspect(granted["refresh_token"]).json()
    assert claims["active"] and "token_type" not in claims
    assert claims["exp"] == int(Token.objects.get().refresh_expires.timestamp())


def test_a_client_cannot_introspect_a_token_of_another_client(app, register, granted):
    assert register("Other").introspect(granted["access_token"]).json() == {"active": False}


def test_a_public_client_cannot_introspect(register, member):
    app = register(public=True)
    token = app.token(member)["access_token"]
    assert_error(app.introspect(token), "invalid_client", 401)


def test_a_resource_server_may_introspect_if_the_site_allows_it(
    app, register, granted, monkeypatch
):
    other = register("Resource server")
    monkeypatch.setattr(
        server, "may_introspect", lambda client, token: client.name == "Resource server"
    )
    assert other.introspect(granted["access_token"]).json()["active"] is True


def test_an_expired_token_is_not_active(app, granted):
    later(hours=2)
    assert app.introspect(granted["access_token"]).json() == {"active": False}
    assert app.introspect(granted["refresh_token"]).json()["active"] is True


def test_a_token_that_was_refreshed_is_not_active(app, granted):
    app.refresh(granted["refresh_token"])
    for token in (granted["access_token"], granted["refresh_token"]):
        assert app.introspect(token).json() == {"active": False}


def test_a_clients_own_token_has_no_subject(register, user):
    app = register(grant_types="client_credentials", client_id=str(user.pk))
    token = app.post("token/", {"grant_type": "client_credentials"}).json()["access_token"]
    claims = app.introspect(token).json()
    assert claims["active"] and "sub" not in claims
    assert app.get("/email/", token).json()["user"] == "AnonymousUser"


# --- the password grant ---------------------------------------------------------------------------


@pytest.fixture
def trusted(register, settings):
    settings.DANCE_SERVER_ALLOW_PASSWORD_GRANT = True
    return register(grant_types="password")


def by_password(app, username="ada", password="pw", **changes):
    form = {"grant_type": "password", "username": username, "password": password, "scope": "email"}
    return app.post("token/", {**form, **changes})


def test_the_password_grant_works_if_the_site_allows_it(trusted, user, client):
    response = by_password(trusted)
    assert is_alive(trusted, response.json()["access_token"])
    metadata = client.get("/oauth/.well-known/oauth-authorization-server").json()
    assert "password" in metadata["grant_types_supported"]


@pytest.mark.parametrize("name, password", [("ada", "wrong"), ("grace", "pw")])
def test_a_wrong_password_is_refused(trusted, user, name, password):
    assert_invalid_grant(by_password(trusted, name, password))


def test_a_deactivated_users_password_is_refused(trusted, user):
    USERS.update(is_active=False)
    assert_invalid_grant(by_password(trusted))


def test_a_password_may_have_any_character_but_no_name_a_control_character(trusted, make_user):
    grace = make_user("grace")
    grace.set_password("pä ss ☃")
    grace.save()
    assert by_password(trusted, "grace", "pä ss ☃").status_code == 200
    assert_error(by_password(trusted, "gr\0ace"), "invalid_request")


class LockedOut:
    """A backend as that of a lockout: it refuses every login after the first failure."""

    failed: ClassVar[list] = []

    def authenticate(self, request, username=None, password=None):
        assert request.POST["grant_type"] == "password"
        if self.failed:
            raise PermissionDenied


def test_the_backends_of_the_site_decide_about_a_password(trusted, user, settings, monkeypatch):
    failed = []
    monkeypatch.setattr(LockedOut, "failed", failed)

    def fail(sender, credentials, request, **kwargs):
        failed.append((credentials["username"], request.path))
        assert credentials["password"] != "wrong"

    user_login_failed.connect(fail)
    settings.AUTHENTICATION_BACKENDS = [
        f"{__name__}.LockedOut",
        "django.contrib.auth.backends.ModelBackend",
    ]
    try:
        assert by_password(trusted).status_code == 200
        assert_invalid_grant(by_password(trusted, password="wrong"))
        assert failed == [("ada", "/oauth/token/")]
        assert_invalid_grant(by_password(trusted))
    finally:
        user_login_failed.disconnect(fail)


def test_the_bound_model_may_be_a_proxy_of_the_user_model(trusted, user, settings):
    with isolate_apps("tests"):

        class Person(get_user_model()):
            class Meta:
                proxy = True

    own = make_server(user=Person)
    assert type(own.callbacks.required("usergetter")("ada", "pw", None, None)) is Person
    own = make_server(user=Client)
    with pytest.raises(ImproperlyConfigured, match="usergetter"):
        own.callbacks.required("usergetter")("ada", "pw", None, None)


def test_a_client_without_the_password_grant_is_refused(trusted, register, user):
    assert_error(by_password(register("Other")), "unauthorized_client")


@pytest.mark.parametrize("value", ["yes", 1, "False"])
def test_only_true_allows_the_password_grant(trusted, user, settings, value):
    settings.DANCE_SERVER_ALLOW_PASSWORD_GRANT = value
    assert_error(by_password(trusted), "unsupported_grant_type")


# --- the answer -----------------------------------------------------------------------------------


def test_the_lifetimes_are_settings(register, member, settings):
    settings.DANCE_SERVER_ACCESS_TOKEN_LIFETIME = 60
    settings.DANCE_SERVER_REFRESH_TOKEN_LIFETIME = 120
    settings.DANCE_SERVER_CODE_LIFETIME = 10
    app = register()
    assert app.token(member)["expires_in"] == 60
    row, grant = Token.objects.get(), Grant.objects.get()
    assert round((row.expires - row.created_at).total_seconds()) == 60
    assert round((row.refresh_expires - row.created_at).total_seconds()) == 120
    assert round((grant.expires - grant.created_at).total_seconds()) == 10


def test_the_response_is_the_same_for_every_invalid_code(app, granted):
    answers = {app.redeem(code).content for code in ("x", "y" * 43, granted["access_token"])}
    assert len(answers) == 1


def test_an_error_does_not_quote_the_request(app):
    form = {"grant_type": "<script>", "state": "planted-state", "scope": "planted-scope"}
    response = app.post("token/", form)
    assert_error(response, "unsupported_grant_type")
    assert b"planted" not in response.content and b"<script" not in response.content


def test_an_authorization_response_reads_the_same_for_a_second_code(app, member):
    first, second = (query(app.send(member)["Location"])["code"] for _ in range(2))
    assert first != second and len(first) == len(second) == 43
