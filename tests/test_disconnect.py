"""The disconnect view."""

import pytest
import requests
from django.contrib.auth.models import Permission

from django_dance.contrib.github import GitHub
from django_dance.models import OAuthToken
from django_dance.providers import OAuth2Provider

from .conftest import GRANTED, Browser, make_session, provider_url
from .models import SiteToken


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
    page = member.get("/login/connections/").content.decode()
    assert "did not confirm that the permission has ended." in page


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


# --- connections of the site or of a team ---------------------------------------------------------


@pytest.fixture
def site_token(settings, db):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"model": "tests.SiteToken"},
    }
    SiteToken.objects.create(provider="github", token=GRANTED)


@pytest.mark.parametrize("visitor", ["nobody", "member"])
def test_a_visitor_cannot_end_the_connection_of_the_site(
    site_token, user, events, revoked_tokens, visitor
):
    browser = Browser()
    if visitor == "member":
        browser.force_login(user)
    response = browser.post("/login/github/disconnect/")
    assert response.status_code == 403
    assert "You have no permission to end it." in response.content.decode()
    assert events.codes == ["disconnect_refused"]
    assert SiteToken.objects.exists() and revoked_tokens == []


def test_a_member_cannot_end_the_connection_of_a_team(
    member, make_user, settings, events, revoked_tokens
):
    team = make_user("team")
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"user_id": team.pk},
    }
    make_session(team).token = GRANTED
    assert member.post("/login/github/disconnect/").status_code == 403
    assert events.codes == ["disconnect_refused"]
    assert OAuthToken.objects.get().user == team and revoked_tokens == []


def test_a_user_with_the_permission_ends_the_connection_of_the_site(
    site_token, member, user, revoked_tokens
):
    user.user_permissions.add(Permission.objects.get(codename="delete_sitetoken"))
    assert member.post("/login/github/disconnect/").status_code == 302
    assert not SiteToken.objects.exists() and len(revoked_tokens) == 1


def test_the_site_may_let_each_visitor_end_its_connection(site_token, settings, revoked_tokens):
    github = {**settings.DANCE_PROVIDERS["github"], "LISTED": True}
    settings.DANCE_PROVIDERS = {"github": github}
    assert Browser().post("/login/github/disconnect/").status_code == 302
    assert not SiteToken.objects.exists() and len(revoked_tokens) == 1


def test_a_place_of_a_provider_without_places_is_refused(member, dance, events):
    dance(member).callback()
    response = member.post("/login/github/disconnect/", {"place": "one.example"})
    assert response.status_code == 400
    assert events.codes == ["place_refused"]
    assert OAuthToken.objects.exists()
