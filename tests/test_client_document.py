"""The client ID metadata document (draft-ietf-oauth-client-id-metadata-document)."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client

from django_dance.providers import (
    OAuth2Provider,
    ServerMetadata,
    client_document_url,
    find_or_register,
    providers,
    registered_credentials,
)

pytestmark = pytest.mark.one_database("These tests store nothing")
ISSUER = "https://auth.example"
METADATA = ServerMetadata(
    issuer=ISSUER,
    authorization_endpoint=f"{ISSUER}/authorize",
    token_endpoint=f"{ISSUER}/token",
    client_id_metadata_document_supported=True,
)


class Remote(OAuth2Provider):
    authorization_url = f"{ISSUER}/authorize"
    token_url = f"{ISSUER}/token"
    registers_itself = True


@pytest.fixture(autouse=True)
def _site(settings):
    settings.DANCE_BASE_URL = "https://site.example"
    settings.DANCE_PROVIDERS = {
        "remote": {"PROVIDER": f"{__name__}.Remote"},
        "github": {"PROVIDER": "django_dance.contrib.github.GitHub"},
    }


def test_the_document_describes_the_site(settings, client):
    settings.DANCE_CLIENT_METADATA = {"client_name": "Album", "contacts": ["a@site.example"]}
    response = client.get("/login/client.json")
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert response.json() == {
        "client_id": "https://site.example/login/client.json",
        "client_name": "Album",
        "contacts": ["a@site.example"],
        # Of the providers that have credentials in the settings, there is none.
        "redirect_uris": ["https://site.example/login/remote/authorized/"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }


def test_a_provider_with_a_mistake_does_not_hide_the_document(settings, client):
    settings.DANCE_PROVIDERS = {
        **settings.DANCE_PROVIDERS,
        "broken": {"PROVIDER": "django_dance.contrib.nothing.Nothing"},
    }
    uris = client.get("/login/client.json").json()["redirect_uris"]
    assert uris == ["https://site.example/login/remote/authorized/"]


def test_everybody_gets_the_same_bytes(client, settings):
    settings.ALLOWED_HOSTS = ["testserver", "other.example"]
    answers = [
        Client().get("/login/client.json", headers=headers)
        for headers in (
            {},
            {"host": "other.example", "accept-language": "de"},
        )
    ]
    assert answers[0].content == answers[1].content
    assert not any(answer.cookies for answer in answers)
    assert client.post("/login/client.json").status_code == 405


@pytest.mark.django_db
def test_a_server_that_supports_it_needs_no_registration():
    callback = "https://site.example/login/remote/authorized/"
    found = find_or_register(providers["remote"], METADATA, callback)
    assert found.client_id == "https://site.example/login/client.json"
    assert (found.client_secret, found.token_endpoint_auth_method) == ("", "none")
    # The connection refreshes as this client even if the document moves.
    again = registered_credentials(
        found.registration_id, issuer=ISSUER, provider="remote", tenant="any"
    )
    assert again == found


@pytest.mark.parametrize(
    ("base", "stated", "found"),
    [
        ("https://site.example/", None, "https://site.example/login/client.json"),
        (None, None, None),
        ("http://localhost:8000", None, None),
        ("https://localhost", None, None),
        (None, "https://cdn.example/client.json", "https://cdn.example/client.json"),
    ],
)
def test_the_url_of_the_document(base, stated, found, settings):
    settings.DANCE_BASE_URL, settings.DANCE_CLIENT_DOCUMENT = base, stated
    assert client_document_url() == found


@pytest.mark.django_db  # in Django 6.1, `check` asks the database
@pytest.mark.parametrize(
    "url",
    [
        "http://site.example/client.json",
        "https://site.example/",
        "https://site.example:443/client.json",
        "https://site.example/client.json?a",
        "https://site.example/client.json#a",
        "https://u@site.example/client.json",
        "https://localhost/client.json",
        7,
    ],
)
def test_a_url_that_no_server_accepts_is_reported(url, settings):
    settings.DANCE_CLIENT_DOCUMENT = url
    with pytest.raises(SystemCheckError, match="DANCE_CLIENT_DOCUMENT"):
        call_command("check")


@pytest.mark.django_db
@pytest.mark.parametrize("value", [{"client_secret": "x"}, {"redirect_uris": []}, ["client_name"]])
def test_a_description_with_other_members_is_reported(value, settings):
    settings.DANCE_CLIENT_METADATA = value
    with pytest.raises(SystemCheckError, match="DANCE_CLIENT_METADATA"):
        call_command("check")


def test_a_document_that_servers_would_not_read_is_an_error(settings, client):
    settings.DANCE_CLIENT_METADATA = {"client_name": "x" * 5000}
    with pytest.raises(ImproperlyConfigured, match="shorten DANCE_CLIENT_METADATA"):
        client.get("/login/client.json")


def test_the_document_is_small(client):
    assert len(json.dumps(client.get("/login/client.json").json())) < 1000
