"""The disconnect view."""

import pytest
import requests

from django_dance.contrib.github import GitHub
from django_dance.models import OAuthToken
from django_dance.providers import OAuth2Provider

from .conftest import Browser, provider_url


class Revoking(GitHub):
    """A provider that revokes by RFC 7009."""

    revocation_url = "https://github.com/revoke"
    revocation_auth = OAuth2Provider.revocation_auth
    revocation_params = OAuth2Provider.revocation_params


def test_disconnect_revokes_and_deletes(member, dance, responses, settings, events):
    settings.DANCE_PROVIDERS = {"github": {"PROVIDER": "tests.test_disconnect.Revoking"}}
    dance(member).callback()
    revoked = responses.post("https://github.com/revoke")
    response = member.post("/login/github/disconnect/", {"next": "/bye/"})
    assert (response.status_code, response["Location"]) == (302, "/bye/")
    assert not OAuthToken.objects.exists()
    assert (
        "token=planted-refresh-token&token_type_hint=refresh_token" in revoked.calls[0].request.body
    )
    assert events.named("token_revoked")[0]["reason"] == "disconnected"


@pytest.mark.parametrize("answer", [{"status": 503}, {"body": requests.ConnectionError()}])
def test_disconnect_deletes_the_token_even_if_the_provider_fails(
    member, dance, responses, settings, answer
):
    settings.DANCE_PROVIDERS = {"github": {"PROVIDER": "tests.test_disconnect.Revoking"}}
    dance(member).callback()
    responses.post("https://github.com/revoke", **answer)
    assert member.post("/login/github/disconnect/").status_code == 302
    assert not OAuthToken.objects.exists()


def test_disconnect_requires_a_post_with_a_csrf_token(user):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get("/login/github/disconnect/").status_code == 405
    assert browser.post("/login/github/disconnect/").status_code == 403


def test_after_disconnecting_a_page_leads_to_another_site(member, settings):
    """The policy ``form-action 'self'`` blocks a redirect of a form to another site."""
    github = {**settings.DANCE_PROVIDERS["github"], "REDIRECT_URL": "https://app.example.net/"}
    settings.DANCE_PROVIDERS = {"github": github}
    response = member.post("/login/github/disconnect/")
    assert response.status_code == 200
    assert provider_url(response) == "https://app.example.net/"
    assert member.post("/login/github/disconnect/", {"next": "/bye/"})["Location"] == "/bye/"
