"""The hashes of client secrets, and codes and tokens that were issued under an earlier hash."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher, make_password
from django.core import serializers
from django.core.management.color import no_style
from django.db import connection
from django.utils import timezone

from django_dance.server import bind_cache_grant, client_secrets
from django_dance.server.models import Client, Grant, Token

from ..conftest import Browser
from .conftest import Application, assert_invalid_grant, basic, is_alive, make_server, serve

#: Rows that earlier commits wrote, with the settings of the tests, and their secrets. Do not
#: write them anew: rows with these hashes exist.
WRITTEN = json.loads((Path(__file__).parent / "rows_of_earlier_releases.json").read_text("utf-8"))
CHOSEN = "planted-correct horse battery staple"
CREDENTIALS = {"grant_type": "client_credentials"}


@pytest.fixture
def hashed(monkeypatch):
    """The secrets that a password hasher has hashed."""
    hashed = []
    encode = MD5PasswordHasher.encode

    def recording(self, password, salt):
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", recording)
    return hashed


@pytest.fixture(params=WRITTEN, ids=lambda written: written["written_by"])
def written(request, db):
    """The applications that an earlier commit registered, by the kind of their secret."""
    for row in serializers.deserialize("python", request.param["rows"]):
        row.save()
    # The rows have the keys of the earlier release. On PostgreSQL, new rows get the next ones.
    with connection.cursor() as cursor:
        models = [Client, Grant, Token]
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
    later = timezone.now() + timedelta(hours=1)
    Grant.objects.update(expires=later, created_at=timezone.now())
    Token.objects.update(expires=later, refresh_expires=later)
    found = {}
    for client in Client.objects.all():
        kept = request.param["secrets"][client.name]
        found[client.name] = app = Application(client, kept["client_secret"])
        app.kept, app.verifier = kept, kept["code_verifier"]
    return found


def stored(app):
    return Client.objects.get(pk=app.client.pk).client_secret


# --- generated secrets ----------------------------------------------------------------------------


def test_a_generated_secret_is_checked_without_a_password_hasher(app, granted, hashed):
    assert stored(app).startswith("sha256$")
    assert app.refresh(granted["refresh_token"]).status_code == 200
    assert app.introspect(granted["access_token"]).status_code == 200
    assert hashed == []


def test_an_unknown_client_costs_as_much_as_a_generated_secret(app, hashed, monkeypatch):
    """By the same work: a client id cannot be tried by the clock."""
    digests = []
    digest = client_secrets._digest
    monkeypatch.setattr(
        client_secrets, "_digest", lambda secret: digests.append(str(secret)) or digest(secret)
    )
    for name in (app.client.client_id, "unknown"):
        response = app.post("token/", CREDENTIALS, authorization=basic(name, "no"))
        assert response.status_code == 401
    assert hashed == [] and digests == ["no", "no"]


def test_a_rotated_secret_key_keeps_generated_secrets_valid(app, settings):
    Client.objects.update(grant_types="client_credentials")
    settings.SECRET_KEY = "another key"
    assert app.post("token/", CREDENTIALS).status_code == 200


@pytest.mark.parametrize("secret", ["", "no", "0" * 43, "0" * 64])
def test_a_wrong_secret_is_refused(app, secret):
    client = Client.objects.get()
    assert not client.check_client_secret(secret)
    assert not client.check_client_secret(client.client_secret)


def test_generated_secrets_have_the_format_of_generated_secrets():
    assert all(client_secrets.is_generated(client_secrets.generate()) for _ in range(5000))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "short",
        "a" * 43,
        "correct-horse-battery-staple-correct-horse-",
        "A1b" + "x" * 40,  # the last character has more than four bits
        "A1b" + "x" * 39 + "A\n",
        "\u0661Ab" + "x" * 39 + "A",
        "zQn3LC5z5mBqTOYNI7QKFA",
    ],
    ids=range(8),
)
def test_a_chosen_secret_does_not_have_the_format_of_a_generated_one(secret):
    assert not client_secrets.is_generated(secret)


# --- the hashes of earlier releases ---------------------------------------------------------------


def test_an_earlier_hash_of_a_generated_secret_is_replaced_when_it_is_used(written, hashed):
    app = written["generated"]
    old = stored(app)
    assert app.introspect(app.kept["access_token"]).json()["active"]
    assert hashed == [app.secret]
    assert stored(app).startswith("sha256$") and stored(app) != old
    assert app.introspect(app.kept["access_token"]).json()["active"]
    assert app.refresh(app.kept["refresh_token"]).status_code == 200
    assert hashed == [app.secret]


def test_a_wrong_secret_does_not_replace_a_hash(written):
    app = written["generated"]
    old = stored(app)
    right, app.secret = app.secret, client_secrets.generate()
    assert app.introspect(app.kept["access_token"]).status_code == 401
    assert stored(app) == old
    app.secret = right
    assert app.introspect(app.kept["access_token"]).json()["active"]


def test_the_hash_of_a_chosen_secret_stays(written, hashed):
    app = written["chosen"]
    old = stored(app)
    assert app.refresh(app.kept["refresh_token"]).status_code == 200
    assert app.redeem(app.kept["code"]).status_code == 200
    assert stored(app) == old
    assert hashed == [CHOSEN, CHOSEN]


def test_codes_and_tokens_are_valid_after_the_hash_is_replaced(written):
    app = written["generated"]
    token = app.kept["access_token"]
    assert is_alive(app, token)
    first = app.refresh(app.kept["refresh_token"])  # this replaces the hash
    assert first.status_code == 200, first.content
    assert stored(app).startswith("sha256$")
    second = app.refresh(first.json()["refresh_token"]).json()
    assert is_alive(app, second["access_token"])
    assert app.introspect(second["access_token"]).json()["active"]
    redeemed = app.redeem(app.kept["code"])
    assert redeemed.status_code == 200, redeemed.content
    assert is_alive(app, redeemed.json()["access_token"])
    assert app.revoke(redeemed.json()["access_token"]).status_code == 200
    assert not is_alive(app, redeemed.json()["access_token"])


def test_a_code_in_the_cache_is_valid_after_the_hash_is_replaced(member, register, settings):
    own = make_server()
    bind_cache_grant(own)
    serve(settings, own)
    app = register()
    Client.objects.update(client_secret=make_password(app.secret))
    code, other = app.code(member), app.code(member)
    assert app.redeem(code).status_code == 200
    assert stored(app).startswith("sha256$")
    assert app.redeem(other).status_code == 200


def test_a_new_secret_invalidates_tokens_from_before_the_replacement(written):
    app = written["generated"]
    token = app.refresh(app.kept["refresh_token"]).json()
    client = Client.objects.get(pk=app.client.pk)
    app.secret = client.rotate_secret()
    client.save()
    assert not is_alive(app, token["access_token"])
    assert_invalid_grant(app.redeem(app.kept["code"]))


def test_a_secret_that_was_rotated_meanwhile_is_not_overwritten(written):
    app = written["generated"]
    stale = Client.objects.get(pk=app.client.pk)
    client = Client.objects.get(pk=app.client.pk)
    new = client.rotate_secret()
    client.save()
    stale.check_client_secret(app.secret)
    assert Client.objects.get(pk=app.client.pk).check_client_secret(new)


def test_a_hash_that_would_be_too_long_stays(register, monkeypatch):
    app = register()
    long = f"md5${'s' * 200}$"
    Client.objects.update(client_secret=long)
    monkeypatch.setattr(MD5PasswordHasher, "verify", lambda self, password, encoded: True)
    assert app.introspect("unknown").status_code == 200
    assert stored(app) == long


def test_two_processes_can_use_an_earlier_hash_at_the_same_time(written):
    app = written["generated"]
    first, second = (Client.objects.get(pk=app.client.pk) for _ in range(2))
    assert first.check_client_secret(app.secret) and second.check_client_secret(app.secret)
    assert is_alive(app, app.kept["access_token"])
    assert first.check_client_secret(app.secret)


def test_a_member_can_consent_after_the_hash_is_replaced(written, django_user_model):
    app = written["generated"]
    browser = Browser()
    browser.force_login(django_user_model.objects.get())
    assert app.refresh(app.kept["refresh_token"]).status_code == 200
    app.new_verifier()
    assert is_alive(app, app.token(browser)["access_token"])
