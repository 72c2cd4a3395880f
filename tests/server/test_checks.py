"""What the owner of a site has: checks, commands, the admin; and what nobody gets to see."""

import io
import logging
import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.management import CommandError, call_command
from django.core.serializers import serialize
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from django_dance.server import AuthorizationServer, bind_cache_grant, bind_models
from django_dance.server.authorization import servers
from django_dance.server.checks import check_deployment, check_servers, check_settings
from django_dance.server.models import Client, Consent, Grant, Token

from ..test_secrets import assert_clean, report
from .conftest import CALLBACK, assert_invalid_grant, basic, is_alive
from .site import MODELS, server
from .test_token import later

# --- system checks --------------------------------------------------------------------------------


def made(name="checked", issuer="https://testserver", bound=True, **options):
    made = AuthorizationServer(name, issuer=issuer, **options)
    if bound:
        bind_models(made, **MODELS)
    return made


def found(only, check=check_servers):
    """What a check finds when there is no server but this one."""
    others = set(servers) - {only}
    servers.difference_update(others)
    try:
        return check()
    finally:
        servers.update(others)


def assert_found(messages, id, *words):
    (message,) = messages
    assert message.id == f"django_dance_server.{id}"
    for word in words:
        assert word in f"{message.msg} {message.hint}"


def test_the_server_of_the_tests_has_no_problems():
    assert found(server) == []


@pytest.mark.parametrize(
    "issuer",
    [
        None,
        "",
        "testserver",
        "http://example.com",
        "https://example.com?x",
        "https://example.com#x",
        "https://user@example.com",
        7,
    ],
)
def test_an_invalid_issuer_is_found(issuer):
    assert_found(found(made(issuer=issuer)), "E002", "DANCE_SERVER_ISSUER", repr(issuer))


def test_plain_http_is_allowed_for_loopback_while_debugging(settings):
    assert_found(found(made(issuer="http://localhost:8000")), "E002")
    settings.DEBUG = True
    assert found(made(issuer="http://localhost:8000")) == []


def test_an_issuer_may_have_a_path():
    assert found(made(issuer="https://example.com/oauth")) == []


def test_missing_functions_are_found():
    messages = found(made(bound=False))
    assert_found(messages, "E003", "has no clientgetter, tokengetter", "bind_models(server")


@pytest.mark.parametrize(
    "options, word",
    [
        ({"access_token_lifetime": 0}, "access_token_lifetime"),
        ({"refresh_token_lifetime": "3600"}, "positive number"),
        ({"code_lifetime": True}, "code_lifetime"),
        ({"code_lifetime": 601}, "ten minutes"),
        ({"scopes": ["email"]}, "must be a dict"),
        ({"token_generator": "nowhere.at_all"}, "cannot be imported"),
    ],
)
def test_an_invalid_option_is_found(options, word):
    assert_found(found(made(**options)), "E004", word)


def test_a_view_that_cannot_be_imported_is_found():
    broken = made()
    broken.token_view = "nowhere.TokenView"
    assert_found(found(broken), "E004", "no token_view", "nowhere.TokenView")


def test_the_password_grant_gives_a_warning():
    assert_found(found(made(allow_password_grant=True)), "W005", "must not be used")


def test_an_unknown_setting_is_found(settings):
    assert check_settings() == []
    settings.DANCE_SERVER_ISUER = "x"
    assert_found(check_settings(), "E001", "DANCE_SERVER_ISUER", "Did you mean DANCE_SERVER_ISSUER")


def test_the_check_of_the_client_ignores_settings_of_the_server(settings):
    from django_dance import conf

    settings.DANCE_SERVER_ISUER = "x"
    assert "DANCE_SERVER_ISUER" not in conf.settings.unknown()


def test_an_unknown_token_cache_is_found(settings):
    settings.DANCE_SERVER_TOKEN_CACHE = "nowhere"
    assert_found(check_settings(), "E004", "DANCE_SERVER_TOKEN_CACHE", "an alias of CACHES")


def test_a_cache_that_is_not_shared_gives_a_warning_at_deployment(settings):
    cached = made()
    assert found(cached, check_deployment) == []
    bind_cache_grant(cached)
    assert_found(found(cached, check_deployment), "W006", "'default'")
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    assert_found(found(made(), check_deployment), "W006")


def test_a_shared_cache_whose_keys_do_not_name_the_site_gives_a_warning_at_deployment(settings):
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x"}
    settings.CACHES = {"default": redis, "codes": redis}
    cached = made()
    bind_cache_grant(cached, cache="codes")
    assert_found(found(cached, check_deployment), "W008", "'codes'", "DANCE_SITE_KEY", "KEY_PREFIX")
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    assert ["'codes'" in m.msg for m in check_deployment() if m.id.endswith("W008")] == [
        True,
        False,
    ]
    settings.DANCE_SITE_KEY = "example.com production"
    assert check_deployment() == []
    settings.DANCE_SITE_KEY = None
    settings.CACHES = {alias: {**redis, "KEY_PREFIX": "mysite"} for alias in settings.CACHES}
    assert check_deployment() == []


def test_two_servers_with_one_name_are_found():
    twins = [made("twin"), made("twin")]
    assert_found(
        [message for message in check_servers() if "'twin'" in message.msg], "E007", "its own name"
    )
    assert len(twins) == 2


def test_a_cache_that_cannot_store_codes_is_found(settings, tmp_path):
    settings.CACHES = {
        **settings.CACHES,
        "files": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": tmp_path,
        },
    }
    cached = made()
    bind_cache_grant(cached, cache="files")
    assert_found(found(cached), "E004", "'files'", "both could use the same code", "bind_models(")


def test_the_checks_are_registered():
    registered = checks.registry.registry.get_checks(include_deployment_checks=True)
    assert {check_settings, check_servers, check_deployment} <= set(registered)


def test_a_urlconf_that_fails_is_left_to_django():
    with override_settings(ROOT_URLCONF="nowhere"):
        assert check_servers() == []
    with override_settings(ROOT_URLCONF=None):
        assert check_servers() == []


# --- commands -------------------------------------------------------------------------------------


def run(*arguments, **options):
    output = io.StringIO()
    call_command(*arguments, stdout=output, **options)
    return output.getvalue()


def lines(text):
    return dict(line.split(": ") for line in text.splitlines())


def test_a_client_is_registered_and_its_secret_printed_once(db):
    said = lines(
        run("dance_server_client", "Notes", "--redirect-uri", CALLBACK, "--scope", "email")
    )
    client = Client.objects.get()
    assert said["client_id"] == client.client_id
    assert client.check_client_secret(said["client_secret"])
    assert said["client_secret"] not in client.client_secret
    assert (client.redirect_uris, client.default_scopes) == ([CALLBACK], ["email"])


def test_a_public_client_is_registered_without_a_secret(db):
    said = lines(run("dance_server_client", "Notes", "--public"))
    assert said.keys() == {"client_id"}
    assert Client.objects.get().is_confidential is False


def test_a_secret_is_rotated(app, granted):
    said = lines(run("dance_server_client", "--rotate-secret", app.client.client_id))
    client = Client.objects.get()
    assert client.check_client_secret(said["client_secret"])
    assert not client.check_client_secret(app.secret)
    assert not is_alive(app, granted["access_token"])


@pytest.mark.parametrize(
    "arguments, why",
    [
        ([], "Pass the name of the new client"),
        (["--rotate-secret", "unknown"], "There is no client unknown"),
        (["Notes", "--redirect-uri", "http://app.example/"], "must be https"),
        (["Notes", "--grant-types", "authorisation_code"], "There is no authorisation_code"),
        (["--rotate-secret", "any", "--public"], "leave out --public"),
    ],
)
def test_the_command_reports_invalid_arguments(db, arguments, why):
    with pytest.raises(CommandError, match=why):
        run("dance_server_client", *arguments)
    assert not Client.objects.exists()


def test_a_public_clients_secret_cannot_be_rotated(register):
    app = register(public=True)
    with pytest.raises(CommandError, match="is a public client, which has no secret"):
        run("dance_server_client", "--rotate-secret", app.client.client_id)


def test_the_command_refuses_an_unknown_scope(db, settings):
    settings.DANCE_SERVER_SCOPES = {"email": "see your email address"}
    with pytest.raises(CommandError, match="DANCE_SERVER_SCOPES has no mail"):
        run("dance_server_client", "Notes", "--scope", "mail email")
    run("dance_server_client", "Notes", "--scope", "email")


def test_pruning_deletes_expired_rows(app, member):
    for _ in range(3):
        app.token(member)
    app.code(member)
    later(days=31)
    said = run("dance_server_prune", "--batch-size", "2")
    assert "django_dance_server.Grant: 4 deleted" in said
    assert "django_dance_server.Token: 3 deleted" in said
    assert not Grant.objects.exists() and not Token.objects.exists()


def test_pruning_keeps_valid_rows(app, member):
    code, token = app.code(member), app.token(member)
    run("dance_server_prune")
    assert is_alive(app, token["access_token"])
    assert app.redeem(code).status_code == 200


def test_pruning_deletes_an_unused_code(app, member):
    app.code(member)
    later(minutes=2)
    run("dance_server_prune")
    assert not Grant.objects.exists()


def test_pruning_keeps_the_rows_that_detect_a_replay(app, member):
    code = app.code(member)
    first = app.redeem(code).json()
    second = app.refresh(first["refresh_token"]).json()
    later(days=5)
    run("dance_server_prune")
    third = app.refresh(second["refresh_token"]).json()
    assert is_alive(app, third["access_token"])
    later(seconds=11)
    assert_invalid_grant(app.refresh(first["refresh_token"]))
    assert not is_alive(app, third["access_token"])
    fourth = app.token(member)
    later(days=5)
    run("dance_server_prune")
    fifth = app.refresh(fourth["refresh_token"]).json()
    assert_invalid_grant(app.redeem(code))
    assert is_alive(app, fifth["access_token"])


def test_pruning_keeps_a_used_code_while_its_access_token_is_valid(app, member, settings):
    settings.DANCE_SERVER_ACCESS_TOKEN_LIFETIME = 60 * 24 * 3600
    code = app.code(member)
    token = app.redeem(code).json()
    later(days=40)
    run("dance_server_prune")
    assert is_alive(app, token["access_token"])
    assert_invalid_grant(app.redeem(code))
    assert not is_alive(app, token["access_token"])


def test_pruning_deletes_expired_client_credentials_tokens(register):
    app = register(grant_types="client_credentials")
    app.post("token/", {"grant_type": "client_credentials"})
    later(hours=2)
    run("dance_server_prune")
    assert not Token.objects.exists()


def test_pruning_is_done_in_batches(app, member, django_assert_num_queries):
    for _ in range(5):
        app.code(member)
    later(minutes=2)
    with django_assert_num_queries(2 + 2 + 2 + 1 + 1):
        run("dance_server_prune", "--batch-size", "2")


# --- the admin ------------------------------------------------------------------------------------


@pytest.fixture
def boss(make_user):
    from ..conftest import Browser

    browser = Browser()
    browser.force_login(make_user("boss", is_staff=True, is_superuser=True))
    return browser


ADMIN = "/admin/django_dance_server/"


def client_form(**changes):
    return {
        "name": "Notes",
        "is_confidential": "on",
        "registered_redirect_uris": CALLBACK,
        "scope": "email",
        "grant_types": "authorization_code",
        "is_active": "on",
        **changes,
    }


def test_the_admin_shows_a_new_secret_once(boss):
    response = boss.post(f"{ADMIN}client/add/", client_form())
    client = Client.objects.get()
    (secret,) = re.findall(r"secret of Notes is: <code>(\S+)</code>", response.content.decode())
    assert "no-store" in response["Cache-Control"]
    assert "messages" not in response.cookies
    assert client.check_client_secret(secret)
    for path in ("client/", f"client/{client.pk}/change/", f"client/{client.pk}/history/"):
        text = boss.get(ADMIN + path).content.decode()
        assert secret not in text and client.client_secret not in text


def test_the_admin_keeps_the_secret_when_a_client_is_changed(boss, app):
    before = Client.objects.get().client_secret
    boss.post(f"{ADMIN}client/{app.client.pk}/change/", client_form(name="Other"))
    client = Client.objects.get()
    assert (client.name, client.client_secret) == ("Other", before)


def test_the_admin_gives_a_public_client_no_secret(boss):
    form = client_form()
    del form["is_confidential"]
    boss.post(f"{ADMIN}client/add/", form)
    assert Client.objects.get().client_secret == ""


def test_the_admin_rotates_a_secret(boss, app, granted):
    form = {"action": "rotate_secret", "_selected_action": app.client.pk}
    response = boss.post(f"{ADMIN}client/", form)
    assert "is not shown again" in response.content.decode()
    assert "messages" not in response.cookies
    assert not is_alive(app, granted["access_token"])


def test_the_admin_refuses_an_invalid_redirect_uri(boss):
    form = client_form(registered_redirect_uris="http://app.example/")
    assert "must be https" in boss.post(f"{ADMIN}client/add/", form).content.decode()


@pytest.mark.parametrize("model", [Grant, Token, Consent])
def test_the_admin_shows_rows_without_their_secrets(boss, app, member, model):
    app.token(member)
    row = model.objects.get()
    hidden = [
        getattr(row, name)
        for name in ("code_digest", "access_digest", "refresh_digest", "bound_to", "family")
        if hasattr(row, name)
    ]
    name = model._meta.model_name
    for path in (f"{name}/", f"{name}/{row.pk}/change/"):
        text = boss.get(ADMIN + path).content.decode()
        assert "ada" in text
        assert not any(value in text for value in hidden)
    assert boss.get(f"{ADMIN}{name}/add/").status_code == 403
    searched = boss.get(f"{ADMIN}{name}/?q=x").content.decode()
    assert 'name="q"' not in searched


@pytest.mark.parametrize("column", ["client_secret", "client_secret__startswith"])
def test_the_admin_does_not_filter_by_a_secret(boss, app, column):
    response = boss.get(f"{ADMIN}client/", {column: "md5"})
    assert response.status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "grant/?code_digest__startswith=0",
        "token/?refresh_digest__gt=0",
        "token/?client__client_secret__gt=0",
        "token/?bound_to__startswith=0",
    ],
)
def test_the_admin_does_not_filter_by_a_hidden_field(boss, db, path):
    assert boss.get(ADMIN + path).status_code == 400


def test_the_admin_reads_a_list_with_a_constant_number_of_queries(
    boss, app, member, django_assert_max_num_queries
):
    for _ in range(5):
        app.token(member)
    with django_assert_max_num_queries(8):
        boss.get(f"{ADMIN}token/")


# --- what is kept, printed and logged -------------------------------------------------------------


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
    assert Client.objects.get().client_secret.startswith("md5$")
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
    assert record.getMessage() == "oauth_server: '/oauth/token/' refused, invalid_grant"


def test_deleting_a_user_deletes_the_users_rows(app, member, granted):
    app.code(member)
    get_user_model().objects.all().delete()
    assert not Grant.objects.exists()
    assert not Token.objects.exists()
    assert not Consent.objects.exists()
    assert timezone.now() - Client.objects.get().created_at < timedelta(minutes=5)
