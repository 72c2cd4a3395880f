"""The client of this package uses the server of this package."""

import re
from urllib.parse import urlsplit

import pytest

from django_dance.providers import OAuth2Provider, providers
from django_dance.server.models import Token

from ..conftest import Browser, query
from .conftest import consent_form, is_alive

pytestmark = pytest.mark.urlconf("tests.server.own_client_urls")

EVERYTHING = re.compile(r"https://testserver/.*")


class Ours(OAuth2Provider):
    base_url = "https://testserver/"
    authorization_url = "https://testserver/oauth/authorize/"
    token_url = "https://testserver/oauth/token/"
    revocation_url = "https://testserver/oauth/revoke/"
    issuer = "https://testserver"
    scope = "email"


@pytest.fixture
def bridge(responses):
    """The requests of the client reach the views of the server."""

    def forward(request):
        headers = {
            name.lower(): str(value)
            for name, value in request.headers.items()
            if name.lower() not in ("content-length", "content-type", "host")
        }
        response = Browser().generic(
            request.method,
            urlsplit(request.url).path,
            request.body or "",
            content_type=request.headers.get("Content-Type", ""),
            headers=headers,
        )
        return response.status_code, dict(response.headers), response.content

    for method in ("GET", "POST"):
        responses.add_callback(method, EVERYTHING, callback=forward)


@pytest.fixture(params=["basic", "post", "none"])
def ours(request, register, settings, bridge):
    settings.DANCE_PROVIDERS = {
        "ours": {
            "PROVIDER": f"{__name__}.Ours",
            "CLIENT_AUTH": request.param,
        }
    }
    app = register(
        public=request.param == "none",
        registered_redirect_uris="https://testserver/login/ours/authorized/",
    )
    settings.OURS_OAUTH_CLIENT_ID = app.client.client_id
    settings.OURS_OAUTH_CLIENT_SECRET = app.secret or ""
    return app


def dance(browser):
    asked = browser.get("/login/ours/")["Location"]
    answer = browser.post(asked, consent_form(browser.get(asked)))["Location"]
    return answer, browser.get(answer)


def test_the_whole_way(ours, member, user):
    answer, response = dance(member)
    assert query(answer)["iss"] == "https://testserver"
    assert response["Location"] == "/"
    session = providers["ours"].session(user=user)
    assert session.get("/email/").json()["user"] == "ada"

    first = session.access_token
    session.token = {**session.token, "expires_at": 1.0, "expires_in": None}
    assert session.get("/email/").json()["user"] == "ada"
    assert session.access_token != first
    assert not is_alive(ours, first)

    last = session.access_token
    session.disconnect()
    assert not is_alive(ours, last)
    assert not Token.objects.filter(revoked_at=None).exists()


def test_a_denial_is_reported_as_access_denied(ours, member, events):
    asked = member.get("/login/ours/")["Location"]
    answer = member.post(asked, consent_form(member.get(asked), "deny"))["Location"]
    assert query(answer)["iss"] == "https://testserver"
    assert member.get(answer).status_code == 403
    assert events.codes == ["access_denied"]


def test_a_response_of_another_issuer_is_refused(ours, member, events, settings):
    settings.DANCE_PROVIDERS = {
        "ours": {**settings.DANCE_PROVIDERS["ours"], "ISSUER": "https://other.example"}
    }
    _, response = dance(member)
    assert response.status_code == 400
    assert events.codes == ["issuer_mismatch"]
