"""The models of the app, and models that inherit the abstract ones."""

import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import isolate_apps

from django_dance.server import AuthorizationServer, bind_models
from django_dance.server.models import (
    AbstractClient,
    AbstractGrant,
    AbstractToken,
    Client,
)
from django_dance.server.redirects import redirect_uri_error

from .conftest import CALLBACK, Application, is_alive
from .site import SCOPES, server


def test_the_migrations_are_complete(db):
    call_command("makemigrations", "django_dance_server", check=True, dry_run=True, verbosity=0)


def test_the_package_can_be_imported_before_django_is_set_up():
    code = "import django_dance.server as s; s.bind_models(s.AuthorizationServer(), token='a.B')"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=300)


def owner(model):
    """A foreign key to users for models that no registry knows."""
    return models.ForeignKey(
        get_user_model(), on_delete=models.CASCADE, null=True, related_name="+"
    )


@pytest.mark.django_db(transaction=True)
def test_models_of_a_site_can_inherit_the_abstract_ones(member):
    with isolate_apps("tests"):

        class Partner(AbstractClient):
            contract = models.CharField(max_length=20)
            user = owner("Partner")

        class PartnerGrant(AbstractGrant):
            user = owner("PartnerGrant")
            client = models.ForeignKey(Partner, models.CASCADE, to_field="client_id")

        class PartnerToken(AbstractToken):
            user = owner("PartnerToken")
            client = models.ForeignKey(Partner, models.CASCADE, to_field="client_id")

    tables = [Partner, PartnerGrant, PartnerToken]
    with connection.schema_editor() as editor:
        for table in tables:
            editor.create_model(table)
    before = dict(server.callbacks.functions)
    try:
        bind_models(server, client=Partner, token=PartnerToken, grant=PartnerGrant)
        partner = Partner(
            name="Partner", contract="1", registered_redirect_uris=CALLBACK, scope="email"
        )
        app = Application(partner, partner.rotate_secret())
        partner.save()
        code = app.code(member)
        token = app.redeem(code).json()
        assert is_alive(app, token["access_token"])
        second = app.refresh(token["refresh_token"]).json()
        assert app.redeem(code).status_code == 400
        assert not is_alive(app, second["access_token"])
        assert PartnerToken.objects.count() == 2 and not Client.objects.exists()
    finally:
        server.callbacks.functions = before
        with connection.schema_editor() as editor:
            for table in reversed(tables):
                editor.delete_model(table)


def test_the_text_columns_of_a_client_are_read_as_lists(db):
    client = Client(
        registered_redirect_uris="https://a.example/\n https://b.example/ ",
        scope="email  address",
        grant_types="authorization_code refresh_token",
    )
    assert client.redirect_uris == ["https://a.example/", "https://b.example/"]
    assert client.default_redirect_uri is None
    assert client.default_scopes == ["email", "address"]
    assert client.allowed_grant_types == ["authorization_code", "refresh_token"]


def test_a_public_client_has_no_secret_to_rotate():
    with pytest.raises(ValueError, match="Set is_confidential first"):
        Client(name="Notes", is_confidential=False).rotate_secret()


def test_a_secret_is_printed_as_asterisks(db):
    assert repr(Client(name="Notes").rotate_secret()) == "'***'"


@pytest.mark.parametrize("name", ["Goo\u202egle", "a\nb", "a\0b"])
def test_a_name_with_direction_characters_is_refused(db, name):
    with pytest.raises(ValidationError, match="cannot be printed"):
        Client(name=name).full_clean()


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/callback",
        "https://app.example:8443/callback?x=1",
        "http://localhost:8000/callback",
        "http://127.0.0.1/callback",
        "http://[::1]:8000/callback",
        "com.example.app:/callback",
    ],
)
def test_a_valid_redirect_uri_has_no_error(uri):
    assert redirect_uri_error(uri) is None


def test_a_client_id_is_generated():
    first, second = Client(), Client()
    assert first.client_id != second.client_id and len(first.client_id) == 24


@pytest.mark.django_db(transaction=True)
def test_a_replay_revokes_the_family_with_atomic_requests(app, member, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    code = app.code(member)
    token = app.redeem(code).json()
    assert app.redeem(code).status_code == 400
    assert not is_alive(app, token["access_token"])


def test_the_metadata_have_the_urls_of_an_outer_namespace(rf):
    from django.test import override_settings

    nested = AuthorizationServer("nested", issuer="https://testserver", scopes=SCOPES)
    with override_settings(ROOT_URLCONF=namespaced(nested)):
        from django.test import Client as Browser

        said = Browser().get("/outer/o/.well-known/oauth-authorization-server").json()
    assert said["token_endpoint"] == "https://testserver/outer/o/token/"


def namespaced(nested):
    from django.urls import include, path

    inner = ([path("o/", include(nested.urls))], "outer")
    return type("Urls", (), {"urlpatterns": [path("outer/", include(inner))]})
