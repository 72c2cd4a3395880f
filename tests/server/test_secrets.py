"""The database, logs, reprs and error pages have no secret of the server."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.serializers import serialize
from django.db import connection
from django.utils import timezone

from django_dance.server.models import Client, Consent, Grant, Token

from ..test_secrets import assert_clean, report
from .conftest import basic


def everything():
    """All that a thief of the database has."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            yield str(cursor.fetchall())


def test_the_database_has_digests_only(app, member):
    pending, code = app.code(member), app.code(member)
    first = app.redeem(code).json()
    second = app.refresh(first["refresh_token"]).json()
    stolen = "\n".join(everything())
    for secret in (
        pending,
        code,
        app.secret,
        app.verifier,
        *(token[name] for token in (first, second) for name in ("access_token", "refresh_token")),
    ):
        assert secret not in stolen
    assert Client.objects.get().client_secret.startswith("sha256$")
    assert len(Token.objects.first().access_digest) == 64


def test_no_log_or_repr_has_a_secret(app, member, caplog, settings):
    """At DEBUG, with every logger there is."""
    settings.DANCE_SERVER_ALLOW_PASSWORD_GRANT = True
    caplog.set_level(logging.DEBUG)
    for name in ("oauthlib", "django_dance", "django_dance.server", "django"):
        caplog.set_level(logging.DEBUG, logger=name)
    Client.objects.update(grant_types="authorization_code refresh_token password")
    code = app.code(member)
    first = app.redeem(code).json()
    app.redeem(code, code_verifier="planted-verifier" * 4)
    second = app.refresh(first["refresh_token"]).json()
    app.refresh(first["refresh_token"])
    app.refresh("planted-refresh-token")
    form = {"grant_type": "password", "username": "ada", "password": "planted-password"}
    app.post("token/", form)
    app.post("token/", form, authorization=basic(app.client.client_id, "planted-secret"))
    app.get("/email/", "planted-bearer-token")
    app.introspect(second["access_token"])
    app.revoke(second["access_token"])
    assert "refused" in caplog.text and "oauthlib" in caplog.text
    grants = (code, app.secret, app.verifier)
    tokens = (
        token[name] for token in (first, second) for name in ("access_token", "refresh_token")
    )
    assert_clean(caplog.text, *grants, *tokens)


def test_a_fixture_has_no_secret(app, granted):
    fixture = serialize("json", [*Client.objects.all(), *Token.objects.all()])
    for secret in (app.secret, granted["access_token"], granted["refresh_token"]):
        assert secret not in fixture


def test_the_repr_of_a_row_has_no_digest(app, granted):
    for row in (Client.objects.get(), Grant.objects.get(), Token.objects.get()):
        text = f"{row} {row!r}"
        assert app.client.client_id in text or "Notes" in text
        for name in ("access_digest", "code_digest", "client_secret", "bound_to"):
            assert not getattr(row, name, None) or getattr(row, name) not in text


@pytest.mark.parametrize("debug", [True, False])
def test_an_error_page_has_no_secret(app, member, settings, monkeypatch, debug):
    settings.DEBUG = debug
    code = app.code(member)
    app.line.raise_request_exception = False

    def fail(*args, **kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("django.db.models.sql.compiler.SQLInsertCompiler.execute_sql", fail)
    response = app.redeem(code)
    assert response.status_code == 500
    for secret in (code, app.secret, app.verifier):
        assert secret not in response.content.decode()
        assert secret not in report(response.exc_info[1])
    assert Token.objects.count() == 0


def test_a_code_is_not_used_up_if_the_token_cannot_be_stored(app, member, monkeypatch):
    """The code and its tokens: both or neither."""
    code = app.code(member)
    app.line.raise_request_exception = False

    def fail(*args, **kwargs):
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("django.db.models.sql.compiler.SQLInsertCompiler.execute_sql", fail)
        assert app.redeem(code).status_code == 500
    assert app.redeem(code).status_code == 200


def test_a_refusal_writes_one_warning(app, db, caplog):
    app.redeem("unknown")
    (record,) = [record for record in caplog.records if record.name == "django_dance.server"]
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "oauth_server: '/oauth/token/' refused, invalid_grant: "
        "the code is unknown, expired, or another client's"
    )


def test_deleting_a_user_deletes_the_users_rows(app, member, granted):
    app.code(member)
    get_user_model().objects.all().delete()
    assert not Grant.objects.exists()
    assert not Token.objects.exists()
    assert not Consent.objects.exists()
    assert timezone.now() - Client.objects.get().created_at < timedelta(minutes=5)
