"""All steps of an application and a user, from the consent page to the revocation."""

import pytest

from django_dance.server.models import Token

from ..conftest import query
from .conftest import CALLBACK, is_alive


def test_a_code_is_granted_redeemed_used_refreshed_and_revoked(app, member):
    page = member.get(app.address())
    assert page.status_code == 200
    assert "see your email address" in page.content.decode()

    response = app.send(member)
    assert response.status_code == 303
    answer = query(response["Location"])
    assert response["Location"].startswith(CALLBACK)
    assert answer.keys() == {"code", "state", "iss"}
    assert (answer["state"], answer["iss"]) == ("planted-state", "https://testserver")

    response = app.redeem(answer["code"])
    assert response["Cache-Control"] == "no-store"
    token = response.json()
    assert token.keys() == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "scope",
    }
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 3600, "email")
    assert app.get("/email/", token["access_token"]).json() == {
        "user": "ada",
        "granted_by": "ada",
        "client": "Notes",
        "scopes": ["email"],
    }

    second = app.refresh(token["refresh_token"]).json()
    assert is_alive(app, second["access_token"])
    assert not is_alive(app, token["access_token"])

    claims = app.introspect(second["access_token"]).json()
    assert claims["active"] and claims["scope"] == "email"

    assert app.revoke(second["refresh_token"]).status_code == 200
    assert not is_alive(app, second["access_token"])
    assert app.introspect(second["access_token"]).json() == {"active": False}


def test_a_denial_grants_nothing(app, member):
    response = app.send(member, "deny")
    answer = query(response["Location"])
    assert answer["error"] == "access_denied"
    assert (answer["state"], answer["iss"]) == ("planted-state", "https://testserver")
    assert not Token.objects.exists()


def test_a_visitor_logs_in_first_and_comes_back(app, client, user):
    response = client.get(app.address())
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=/oauth/authorize/%3F")
    back = query(response["Location"])["next"]
    client.force_login(user)
    assert client.get(back).status_code == 200


def test_a_public_client_redeems_with_pkce_alone(register, member):
    app = register(public=True)
    token = app.token(member)
    assert is_alive(app, token["access_token"])
    assert is_alive(app, app.refresh(token["refresh_token"]).json()["access_token"])


def test_a_client_acts_for_itself(register):
    app = register(grant_types="client_credentials")
    token = app.post("token/", {"grant_type": "client_credentials", "scope": "email"}).json()
    assert token.keys() == {"access_token", "token_type", "expires_in", "scope"}
    answer = app.get("/email/", token["access_token"]).json()
    assert (answer["user"], answer["granted_by"]) == ("AnonymousUser", "None")


def test_a_client_that_asks_for_no_scope_gets_its_own(app, member):
    assert app.token(member, scope=None)["scope"] == "email address"


@pytest.mark.parametrize("missing", ["state", "scope"])
def test_optional_attributes_may_be_missing(app, member, missing):
    answer = query(app.send(member, **{missing: None})["Location"])
    assert "code" in answer and "error" not in answer
