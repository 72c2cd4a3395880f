"""Clients in browsers, on another origin than the server."""

import pytest

from django_dance.server.models import Client

from .conftest import basic

METADATA = "/oauth/.well-known/oauth-authorization-server"
ORIGIN = "https://app.example"


@pytest.fixture
def public(register):
    return register(public=True)


@pytest.fixture
def allowed(settings):
    settings.DANCE_SERVER_BROWSER_CLIENTS = True


def ask(app, path="token/", origin=ORIGIN, **headers):
    form = {"grant_type": "refresh_token", "refresh_token": "unknown", "token": "unknown"}
    return app.post(path, form, origin=origin, **headers)


def test_every_origin_can_read_the_metadata(client):
    response = client.get(METADATA, headers={"Origin": "https://any.example"})
    assert response["Access-Control-Allow-Origin"] == "*"
    response = client.options(METADATA, headers={"Origin": "https://any.example"})
    assert response.status_code == 204
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "GET" in response["Access-Control-Allow-Methods"]


def test_no_origin_can_read_a_token_response_by_default(public, member):
    response = ask(public)
    assert "Access-Control-Allow-Origin" not in response
    assert public.line.options("/oauth/token/").status_code == 405


@pytest.mark.parametrize("path", ["token/", "revoke/"])
def test_a_public_client_can_read_responses_at_the_origin_of_its_redirect_uri(
    public, allowed, path
):
    response = ask(public, path)
    assert response["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in response
    assert "Origin" in response["Vary"]
    assert public.line.options(f"/oauth/{path}").status_code == 204


def test_a_public_client_gets_its_token(public, allowed, member):
    form = {
        "grant_type": "authorization_code",
        "code": public.code(member),
        "redirect_uri": f"{ORIGIN}/callback",
        "code_verifier": public.verifier,
    }
    response = public.post("token/", form, origin=ORIGIN)
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin",
    [
        "https://other.example",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.other.example",
        "null",
        "",
    ],
)
def test_another_origin_cannot_read_the_response(public, allowed, origin):
    assert "Access-Control-Allow-Origin" not in ask(public, origin=origin)


def test_a_local_page_in_development_is_an_origin_too(register, allowed):
    app = register(public=True, registered_redirect_uris="http://localhost:5173/callback")
    assert ask(app, origin="http://localhost:5173")["Access-Control-Allow-Origin"]
    assert "Access-Control-Allow-Origin" not in ask(app, origin="http://localhost:5174")


def test_a_client_with_a_secret_or_an_unknown_client_cannot_read_the_response(
    register, public, allowed
):
    assert "Access-Control-Allow-Origin" not in ask(register("Other"))
    Client.objects.all().delete()
    assert "Access-Control-Allow-Origin" not in ask(public)
    assert "Access-Control-Allow-Origin" not in ask(public, authorization=basic("x", "y"))


def test_introspection_is_not_for_browsers(public, allowed):
    assert "Access-Control-Allow-Origin" not in ask(public, "introspect/")
    assert public.line.options("/oauth/introspect/").status_code == 405
