"""Two servers with the same tables and cache: each refuses the codes and tokens of the other."""

import copy

import pytest
from django.contrib.auth import get_user
from django.contrib.auth import views as auth
from django.urls import include, path

from django_dance.server import AuthorizationServer, bind_cache_grant, bind_models
from django_dance.server.models import Consent, Grant, Token

from ..conftest import query
from . import site
from .conftest import assert_invalid_grant, is_alive
from .test_token import later

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["table", "cache"])
def servers(request, settings):
    """Two servers whose codes are in the table or in the cache; the second one is "partners"."""
    servers = []
    for name in ("oauth_server", "partners"):
        server = AuthorizationServer(name, issuer="https://testserver", scopes=site.SCOPES)
        bind_models(server, current_user=get_user, **site.MODELS)
        if request.param == "cache":
            bind_cache_grant(server, get_user)
        servers.append(server)
    first, second = servers
    login = auth.LoginView.as_view(template_name="login.html")
    settings.ROOT_URLCONF = type(
        "Urls",
        (),
        {
            "urlpatterns": [
                path("oauth/", include(first.urls)),
                path("partners/", include(second.urls)),
                path("accounts/login/", login, name="login"),
                path("email/", first.require_oauth("email")(site.whoami)),
                path("partners/email/", second.require_oauth("email")(site.whoami)),
            ]
        },
    )
    return servers


@pytest.fixture
def elsewhere(app, servers):
    """The same application, that speaks to the second server."""
    elsewhere = copy.copy(app)
    elsewhere.root = "/partners/"
    return elsewhere


def test_each_server_grants_by_itself(app, elsewhere, member):
    assert is_alive(app, app.token(member)["access_token"])
    token = elsewhere.token(member)["access_token"]
    assert elsewhere.get("/partners/email/", token).status_code == 200


def test_a_code_can_be_redeemed_only_at_its_server(app, elsewhere, member):
    for granted_by, other in ((app, elsewhere), (elsewhere, app)):
        code = granted_by.code(member)
        assert_invalid_grant(other.redeem(code))
        # It was not used up, and no replay of it was seen.
        token = granted_by.redeem(code)
        assert token.status_code == 200
        assert granted_by.refresh(token.json()["refresh_token"]).status_code == 200


def test_a_used_code_at_the_other_server_revokes_nothing(app, elsewhere, member):
    code = app.code(member)
    token = app.redeem(code).json()
    assert_invalid_grant(elsewhere.redeem(code))
    assert is_alive(app, token["access_token"])


def test_a_refresh_token_works_only_at_its_server(app, elsewhere, member):
    for issued_by, other in ((app, elsewhere), (elsewhere, app)):
        token = issued_by.token(member)["refresh_token"]
        assert_invalid_grant(other.refresh(token))
        assert not Token.objects.exclude(spent_at=None).exists()
        assert issued_by.refresh(token).status_code == 200
        Token.objects.all().delete()


def test_a_spent_refresh_token_at_the_other_server_revokes_nothing(app, elsewhere, member):
    first = app.token(member)
    second = app.refresh(first["refresh_token"]).json()
    later(seconds=11)
    assert_invalid_grant(elsewhere.refresh(first["refresh_token"]))
    assert is_alive(app, second["access_token"])


@pytest.mark.parametrize("remembered", [False, True])
def test_an_access_token_works_only_at_its_server(app, elsewhere, member, settings, remembered):
    settings.DANCE_SERVER_TOKEN_CACHE = "default" if remembered else None
    token = app.token(member)["access_token"]
    for _ in range(2):
        assert app.get("/email/", token).status_code == 200
        assert app.get("/partners/email/", token).status_code == 401


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_the_other_server_cannot_revoke_a_token(app, elsewhere, member, which):
    token = app.token(member)
    assert elsewhere.revoke(token[which]).status_code == 200  # RFC 7009 §2.2: it is unknown there
    assert is_alive(app, token["access_token"])
    assert app.revoke(token[which]).status_code == 200
    assert not is_alive(app, token["access_token"])


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_the_other_server_cannot_introspect_a_token(app, elsewhere, member, which):
    token = app.token(member)[which]
    assert elsewhere.introspect(token).json() == {"active": False}
    assert app.introspect(token).json()["active"] is True


def test_consent_at_one_server_does_not_count_at_the_other(app, elsewhere, member):
    app.code(member)
    assert "code" in query(member.get(app.address())["Location"])
    assert member.get(elsewhere.address()).status_code == 200
    elsewhere.code(member)
    assert sorted(Consent.objects.values_list("server", flat=True)) == ["oauth_server", "partners"]


def test_an_application_is_listed_and_disconnected_at_its_own_server(app, elsewhere, member):
    token, other = app.token(member), elsewhere.token(member)
    code, other_code = app.code(member), elsewhere.code(member)
    mine = Consent.objects.get(server="oauth_server")
    assert f'value="{mine.pk}"' not in member.get("/partners/applications/").content.decode()
    assert member.post("/partners/applications/", {"application": mine.pk}).status_code == 404
    assert is_alive(app, token["access_token"])
    assert member.post("/oauth/applications/", {"application": mine.pk}).status_code == 302
    # All that the first server issued has ended, and nothing of the second.
    assert not is_alive(app, token["access_token"])
    assert_invalid_grant(app.redeem(code))
    assert app.get("/partners/email/", other["access_token"]).status_code == 200
    assert elsewhere.refresh(other["refresh_token"]).status_code == 200
    assert elsewhere.redeem(other_code).status_code == 200
    assert list(Consent.objects.values_list("server", flat=True)) == ["partners"]


def test_a_family_is_revoked_at_its_own_server_only(app, elsewhere, member, servers):
    token = app.token(member)
    family = Token.objects.get().family
    for server, alive in zip(reversed(servers), (True, False), strict=True):
        server.callbacks.required("tokenrevoker")(family=family)
        assert is_alive(app, token["access_token"]) is alive


def test_rows_name_the_server_that_issued_them(app, elsewhere, member, servers):
    elsewhere.token(member)
    assert Token.objects.get().server == "partners"
    in_the_table = servers[0].grant_cache is None
    assert [grant.server for grant in Grant.objects.all()] == ["partners"] * in_the_table
