"""The views of a server. Each check is tested without the other checks."""

import pytest
from django.contrib.auth.models import User
from django.urls import path

from django_dance.server.models import Consent, Grant

from ..conftest import Browser, query
from . import site
from .conftest import is_alive

pytestmark = pytest.mark.django_db

APPLICATIONS = "/oauth/applications/"


@pytest.fixture(params=[True, False], ids=["middleware", "no middleware"])
def csrf_middleware(request, settings):
    if not request.param:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "csrf" not in name.lower()]


def browser_of(user):
    """A browser that sends no CSRF token by itself."""
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    return browser


# --- CSRF ---------------------------------------------------------------------------------------


def test_a_form_of_another_site_grants_nothing(csrf_middleware, app, user):
    assert app.send(browser_of(user)).status_code == 403
    assert not Grant.objects.exists()
    assert not Consent.objects.exists()


def test_a_form_of_another_site_disconnects_nothing(csrf_middleware, app, member, user):
    token = app.token(member)
    form = {"application": Consent.objects.get().pk}
    assert browser_of(user).post(APPLICATIONS, form).status_code == 403
    assert is_alive(app, token["access_token"])
    assert Consent.objects.exists()


def test_the_endpoints_for_clients_need_no_csrf_token(csrf_middleware, app, member):
    """A client has no cookies, and authenticates by its secret."""
    code = app.code(member)
    app.line = Browser(enforce_csrf_checks=True)
    token = app.redeem(code).json()
    assert app.introspect(token["access_token"]).json()["active"] is True
    token = app.refresh(token["refresh_token"]).json()
    assert app.revoke(token["refresh_token"]).status_code == 200
    assert app.introspect(token["access_token"]).json() == {"active": False}


# --- methods ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "patch", "delete"])
@pytest.mark.parametrize("path", ["token", "revoke", "introspect"])
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_an_endpoint_for_clients_accepts_only_post(client, path, method):
    response = getattr(client, method)(f"/oauth/{path}/")
    assert (response.status_code, response["Allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["head", "options", "put", "patch", "delete"])
def test_the_applications_page_accepts_get_and_post(member, method):
    response = getattr(member, method)(APPLICATIONS)
    assert (response.status_code, response["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_metadata_is_read_only(client, method):
    path = "/oauth/.well-known/oauth-authorization-server"
    assert getattr(client, method)(path).status_code == 405


# --- who may agree ------------------------------------------------------------------------------


@pytest.fixture
def deactivated_browser(member, user, settings):
    """A browser of a deactivated user, on a site that keeps such users logged in."""
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
    member.force_login(user)
    User.objects.update(is_active=False)
    return member


def test_a_deactivated_user_is_not_asked(app, deactivated_browser):
    assert query(deactivated_browser.get(app.address())["Location"])["error"] == "access_denied"


def test_the_consent_of_a_deactivated_user_is_not_stored(app, deactivated_browser):
    assert query(app.send(deactivated_browser)["Location"])["error"] == "access_denied"
    assert not Consent.objects.exists()
    assert not Grant.objects.exists()


def test_an_earlier_consent_of_a_deactivated_user_does_not_count(app, member, deactivated_browser):
    User.objects.update(is_active=True)
    app.code(member)
    User.objects.update(is_active=False)
    assert query(member.get(app.address())["Location"])["error"] == "access_denied"
    assert Grant.objects.count() == 1


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_the_consent_of_a_visitor_is_not_stored(app, client, decision):
    response = app.send(client, decision)
    assert response["Location"].startswith("/accounts/login/?next=/oauth/authorize/")
    assert not Consent.objects.exists()
    assert not Grant.objects.exists()


@pytest.mark.parametrize("decision", ["deny", "", "Allow", "allow "])
def test_any_other_decision_is_no_consent(app, member, decision):
    assert query(app.send(member, decision)["Location"])["error"] == "access_denied"
    assert not Consent.objects.exists()


def test_the_applications_page_is_for_users(app, member, client):
    app.token(member)
    pk = Consent.objects.get().pk
    client.logout()
    for response in (client.get(APPLICATIONS), client.post(APPLICATIONS, {"application": pk})):
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/")
    assert Consent.objects.exists()


# --- responses ----------------------------------------------------------------------------------


def assert_guarded(response):
    assert "no-store" in response["Cache-Control"]
    assert response["X-Frame-Options"] == "DENY"
    assert response["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert response["Referrer-Policy"] == "strict-origin"


def test_pages_of_the_server_cannot_be_cached_or_framed(app, member):
    assert_guarded(member.get(app.address()))
    assert_guarded(member.get("/oauth/authorize/?client_id=unknown"))
    app.token(member)
    assert_guarded(member.get(APPLICATIONS))
    pk = Consent.objects.get().pk
    assert_guarded(member.post(APPLICATIONS, {"application": pk}))


# --- views of a site's own ----------------------------------------------------------------------


def test_a_sites_own_view_of_an_endpoint_wants_no_csrf_token(app, member, settings):
    code = app.code(member)
    own = site.server.token_handler(lambda request: None)
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("oauth/token/", own)]})
    app.line = Browser(enforce_csrf_checks=True)
    assert app.redeem(code).status_code == 200


def test_no_foreign_form_reaches_a_sites_own_consent_page(csrf_middleware, app, user, settings):
    own = site.server.authorize_handler(lambda request, **asked: True)
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("oauth/authorize/", own)]})
    response = browser_of(user).post(app.address(), {"decision": "allow"})
    assert response.status_code == 403
    assert not Grant.objects.exists()
