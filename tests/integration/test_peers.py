"""Clients of other projects dance with our server, over real HTTP; and our client dances with our
server, and with Authlib's. With django-oauth-toolkit's it does in ``test_real_server.py``."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx_oauth.oauth2
import pytest
import requests
import requests_oauthlib
from authlib.common.security import generate_token
from authlib.integrations import requests_client
from authlib.integrations.base_client import OAuthError
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from django.db.models import F
from django.http import JsonResponse
from django.urls import include, path
from oauthlib.oauth2 import WebApplicationClient
from requests.auth import HTTPBasicAuth

from django_dance.exceptions import AuthorizationRequired
from django_dance.providers import providers
from django_dance.server import AuthorizationServer, bind_models
from django_dance.server.authorization import servers
from django_dance.server.models import Client, Grant, Token
from django_dance.tokens import NEEDS_RECONNECT

from .. import urls
from ..authlib_server import AuthlibServer
from ..conftest import make_older, query
from .test_real_server import Form, browse, configure, expire  # noqa: F401  two are fixtures

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows"),
    pytest.mark.interop,
]

#: No server listens there: the browser does not open the address of the callback.
CALLBACK = "https://app.example/callback"
TIMEOUT = 60


@pytest.fixture(autouse=True)
def _loopback(monkeypatch):
    """Allow plain http for the peers, without a proxy."""
    for name in ("OAUTHLIB_INSECURE_TRANSPORT", "AUTHLIB_INSECURE_TRANSPORT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("NO_PROXY", "*")


# --- the server ---------------------------------------------------------------------------------


class Site:
    """This site as an authorization server; its addresses are those of the live one."""

    def __init__(self, url):
        self.url = url
        self.server = AuthorizationServer(
            issuer=url, scopes={"read": "Read everything", "write": "Change everything"}
        )
        bind_models(
            self.server,
            client="django_dance_server.Client",
            token="django_dance_server.Token",
            grant="django_dance_server.Grant",
        )
        self.authorize, self.token, self.revoke, self.introspect, self.applications = (
            f"{url}/as/{name}/"
            for name in ("authorize", "token", "revoke", "introspect", "applications")
        )
        self.me = f"{url}/as/api/me"

    @property
    def urlpatterns(self):
        @self.server.require_oauth("read")
        def me(request):
            token = request.oauth_token
            return JsonResponse({"login": token.user.username, "scope": sorted(token.scopes)})

        return (
            path(
                ".well-known/oauth-authorization-server",
                self.server.view("metadata", namespace=self.server.name),
            ),
            path("as/", include(self.server.urls)),
            path("as/api/me", me),
            *urls.urlpatterns,
        )

    def register(self, redirect_uri=CALLBACK, **fields):
        """A client, and its secret."""
        client = Client(
            name="A peer",
            registered_redirect_uris=redirect_uri,
            **{"scope": "read write", **fields},
        )
        secret = str(client.rotate_secret()) if client.is_confidential else None
        client.save()
        return client, secret

    def knows(self, access_token):
        """The status that the API answers a token with."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return requests.get(self.me, headers=headers, timeout=TIMEOUT).status_code

    def says(self, token, client, secret):
        """What introspection answers the client, for a peer that has no method for it."""
        answer = requests.post(
            self.introspect, {"token": token}, auth=(client.client_id, secret), timeout=TIMEOUT
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def is_active(self, said, client, user):
        """Whether introspection says that a token is active; every field is checked."""
        if said == {"active": False}:
            return False
        assert said["exp"] - said["iat"] == 3600
        times = {name: said[name] for name in ("exp", "iat")}
        assert said == {
            "active": True,
            "scope": "read",
            "client_id": client.client_id,
            "iss": self.url,
            "token_type": "Bearer",
            "sub": str(user.pk),
            **times,
        }
        return True


@pytest.fixture
def site(live_server, settings):
    site = Site(live_server.url)
    settings.DEBUG = True  # http, for it is loopback
    settings.ROOT_URLCONF = site.urlpatterns
    yield site
    servers.discard(site.server)  # it is nothing that system checks should see


def consent(browser, url, decision="allow"):
    """Where the browser is sent when its user has decided."""
    page = browser.get(url)
    assert page.status_code == 200, page.text
    form = {**Form(page).fields, "decision": decision}
    answer = browser.post(page.url, data=form, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


# --- requests-oauthlib alone --------------------------------------------------------------------


def test_requests_oauthlib_dances_refreshes_introspects_and_revokes(site, browse, user):  # noqa: F811
    client, secret = site.register()
    basic = HTTPBasicAuth(client.client_id, secret)
    with requests_oauthlib.OAuth2Session(
        client.client_id, redirect_uri=CALLBACK, scope=["read"], pkce="S256"
    ) as session:
        url, _ = session.authorization_url(site.authorize)
        answer = consent(browse(), url)
        assert query(answer)["iss"] == site.url
        first = session.fetch_token(
            site.token, authorization_response=answer, client_secret=secret, timeout=TIMEOUT
        )
        assert first["scope"] == ["read"]
        assert session.get(site.me).json() == {"login": "ada", "scope": ["read"]}

        def active(token):
            said = site.says(token["access_token"], client, secret)
            return site.is_active(said, client, user)

        assert active(first)
        second = session.refresh_token(site.token, auth=basic, timeout=TIMEOUT)
        assert second["refresh_token"] != first["refresh_token"]
        assert session.get(site.me).status_code == 200
        assert site.knows(first["access_token"]) == 401
        assert (active(first), active(second)) == (False, True)

        # requests-oauthlib lets oauthlib prepare this request, and the caller sends it.
        where, headers, body = WebApplicationClient(
            client.client_id
        ).prepare_token_revocation_request(site.revoke, second["refresh_token"])
        revoked = requests.post(where, body, headers=headers, auth=basic, timeout=TIMEOUT)
        assert revoked.status_code == 200
        assert session.get(site.me).status_code == 401
        assert not active(second)


def test_requests_oauthlib_refreshes_an_expired_token_by_itself(site, browse, user):  # noqa: F811
    client, secret = site.register()
    updates = []
    with requests_oauthlib.OAuth2Session(
        client.client_id,
        redirect_uri=CALLBACK,
        scope=["read"],
        pkce="S256",
        auto_refresh_url=site.token,
        auto_refresh_kwargs={"client_id": client.client_id, "client_secret": secret},
        token_updater=updates.append,
    ) as session:
        url, _ = session.authorization_url(site.authorize)
        token = session.fetch_token(
            site.token,
            authorization_response=consent(browse(), url),
            client_secret=secret,
            include_client_id=True,
        )
        session.token = {**token, "expires_at": 1, "expires_in": -1}
        assert session.get(site.me).json()["login"] == "ada"
        (update,) = updates
        assert update["refresh_token"] != token["refresh_token"]


# --- Authlib's client ---------------------------------------------------------------------------


def authlib_session(site, client, secret, **options):
    return requests_client.OAuth2Session(
        client.client_id,
        secret,
        redirect_uri=CALLBACK,
        scope="read",
        code_challenge_method="S256",
        default_timeout=TIMEOUT,
        **options,
    )


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_authlib_dances_refreshes_introspects_and_revokes(site, browse, user, method):  # noqa: F811
    client, secret = site.register(is_confidential=method != "none")
    options = {"token_endpoint_auth_method": method, "revocation_endpoint_auth_method": method}
    with authlib_session(site, client, secret, **options) as session:

        def active(token):
            answer = session.introspect_token(
                site.introspect, token=token["access_token"], token_type_hint="access_token"
            )
            if method == "none":  # only a client with a secret may introspect
                assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
                return site.knows(token["access_token"]) == 200
            return site.is_active(answer.json(), client, user)

        verifier = generate_token(48)
        url, state = session.create_authorization_url(site.authorize, code_verifier=verifier)
        first = session.fetch_token(
            site.token,
            authorization_response=consent(browse(), url),
            state=state,
            code_verifier=verifier,
        )
        assert session.get(site.me).json() == {"login": "ada", "scope": ["read"]}
        assert active(first)

        second = session.refresh_token(site.token)
        assert second["refresh_token"] != first["refresh_token"]
        assert session.get(site.me).status_code == 200
        assert site.knows(first["access_token"]) == 401
        assert (active(first), active(second)) == (False, True)

        revoked = session.revoke_token(
            site.revoke, token=second["refresh_token"], token_type_hint="refresh_token"
        )
        assert revoked.status_code == 200
        assert site.knows(second["access_token"]) == 401
        assert not active(second)


def test_authlib_without_the_verifier_is_refused(site, browse, user):  # noqa: F811
    client, secret = site.register()
    with authlib_session(site, client, secret) as session:
        url, state = session.create_authorization_url(
            site.authorize, code_verifier=generate_token(48)
        )
        answer = consent(browse(), url)
        with pytest.raises(OAuthError, match="invalid_grant"):
            session.fetch_token(
                site.token,
                authorization_response=answer,
                state=state,
                code_verifier=generate_token(48),
            )
        assert not Token.objects.exists()


def test_a_denial_is_reported_to_authlib_as_an_error(site, browse, user):  # noqa: F811
    client, secret = site.register()
    with authlib_session(site, client, secret) as session:
        url, _ = session.create_authorization_url(site.authorize, code_verifier=generate_token(48))
        answer = query(consent(browse(), url, "deny"))
        assert (answer["error"], answer["iss"]) == ("access_denied", site.url)
        assert not Grant.objects.exists()


# --- httpx-oauth --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_httpx_oauth_dances_refreshes_introspects_and_revokes(site, browse, user, method):  # noqa: F811
    client, secret = site.register()
    peer = httpx_oauth.oauth2.OAuth2(
        client.client_id,
        secret,
        site.authorize,
        site.token,
        refresh_token_endpoint=site.token,
        revoke_token_endpoint=site.revoke,
        base_scopes=["read"],
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    verifier = generate_token(48)
    url = asyncio.run(
        peer.get_authorization_url(
            CALLBACK,
            state="planted-state",
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
    )
    answer = query(consent(browse(), url))
    assert (answer["state"], answer["iss"]) == ("planted-state", site.url)
    first = asyncio.run(peer.get_access_token(answer["code"], CALLBACK, verifier))
    assert site.knows(first["access_token"]) == 200

    def active(token):
        return site.is_active(site.says(token["access_token"], client, secret), client, user)

    assert active(first)

    second = asyncio.run(peer.refresh_token(first["refresh_token"]))
    assert second["refresh_token"] != first["refresh_token"]
    assert [site.knows(token["access_token"]) for token in (first, second)] == [401, 200]
    assert (active(first), active(second)) == (False, True)

    asyncio.run(peer.revoke_token(second["refresh_token"], "refresh_token"))
    assert site.knows(second["access_token"]) == 401
    assert not active(second)


# --- our own client -----------------------------------------------------------------------------


@pytest.fixture
def ours(site, configure, settings):  # noqa: F811
    """The site as a client of itself; it requires the issuer in every callback."""
    client, secret = site.register(f"{site.url}/login/github/authorized/")
    settings.GITHUB_OAUTH_CLIENT_ID, settings.GITHUB_OAUTH_CLIENT_SECRET = client.client_id, secret
    return configure(
        site.url,
        AUTHORIZATION_URL=site.authorize,
        TOKEN_URL=site.token,
        REVOCATION_URL=site.revoke,
        ISSUER=site.url,
        AUTHORIZATION_RESPONSE_ISS=True,
        SCOPE="read",
    )


@pytest.fixture
def browser(browse, user):  # noqa: F811
    """A browser where ``user`` is logged in."""
    return browse()


@pytest.fixture
def connected(ours, browser, user):
    """The session of a user who has danced."""
    ended = browser.submit(browser.get("/login/github/?next=/whoami/"), decision="allow")
    assert ended.url == f"{browser.url}/whoami/", ended.text
    return ours.session(user=user)


def me(session):
    return session.get("/as/api/me").json()


def later(**fields):
    """Move the dates of the server's rows into the past."""
    moved = ("created_at", "expires", "spent_at")
    Token.objects.update(**{name: F(name) - timedelta(**fields) for name in moved})


def test_our_client_dances_with_our_server(connected, user, events):
    assert me(connected) == {"login": "ada", "scope": ["read"]}
    token = user.oauth_tokens.get().token
    assert (token["scope"], token["expires_in"] > 3500) == (["read"], True)
    assert events.codes == []


def test_our_client_reports_a_denial(ours, browser, user, events):
    ended = browser.submit(browser.get("/login/github/?next=/whoami/"), decision="deny")
    assert ended.status_code == 403
    assert events.codes == ["access_denied"]
    assert not user.oauth_tokens.exists()


@pytest.mark.parametrize(
    ("issuer", "code"),
    [(None, "issuer_missing"), ("https://evil.example", "issuer_mismatch")],
)
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_our_client_refuses_a_callback_of_our_server_without_the_issuer(
    ours, browser, user, events, issuer, code, decision
):
    answer = consent(browser, "/login/github/?next=/whoami/", decision)
    said = {**query(answer), "iss": issuer}
    forged = urlencode({name: value for name, value in said.items() if value})
    assert browser.get(f"{urlsplit(answer).path}?{forged}").status_code == 400
    assert events.codes == [code]
    # And the right answer is not lost by it.
    browser.get(answer)
    assert user.oauth_tokens.exists() == (decision == "allow")


def test_our_client_gets_a_new_pair_of_tokens_when_the_access_token_expires(
    connected, ours, user, events
):
    before = user.oauth_tokens.get().token
    expire(user)
    assert me(ours.session(user=user))["login"] == "ada"
    after = user.oauth_tokens.get().token
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert len(events.named("token_refreshed")) == 1
    assert Token.objects.filter(spent_at=None, revoked_at=None).count() == 1


def test_a_reused_refresh_token_revokes_all_tokens_of_our_client(
    connected, ours, site, user, settings, events
):
    copied = str(user.oauth_tokens.get().token["refresh_token"])
    expire(user)
    assert me(ours.session(user=user))["login"] == "ada"
    # A reuse within moments counts as the client's own second attempt.
    later(minutes=1)
    answer = requests.post(
        site.token,
        data={"grant_type": "refresh_token", "refresh_token": copied},
        auth=(settings.GITHUB_OAUTH_CLIENT_ID, settings.GITHUB_OAUTH_CLIENT_SECRET),
        timeout=TIMEOUT,
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")

    make_older(user)
    with pytest.raises(AuthorizationRequired) as raised:
        me(ours.session(user=user))
    assert raised.value.reason in ("revoked", "revoked_at_once")
    assert user.oauth_tokens.get().state == NEEDS_RECONNECT
    assert [event["reason"] for event in events.named("token_revoked")] == ["invalid_grant"]


def test_our_client_revokes_at_our_server_when_it_disconnects(connected, site, user):
    access_token = str(connected.access_token)
    assert site.knows(access_token) == 200
    connected.disconnect()
    assert site.knows(access_token) == 401
    assert not Token.objects.filter(revoked_at=None).exists()
    assert not user.oauth_tokens.exists()


def test_our_client_needs_a_new_dance_after_our_server_revoked_the_grant(
    connected, ours, site, browser, user
):
    page = browser.get(site.applications)
    assert "A peer" in page.text
    assert "No application is connected." in browser.submit(page).text
    make_older(user)
    with pytest.raises(AuthorizationRequired) as raised:
        me(ours.session(user=user))
    assert raised.value.reason in ("revoked", "revoked_at_once")
    assert user.oauth_tokens.get().state == NEEDS_RECONNECT
    # And then it is asked for anew: the consent went with the tokens.
    page = browser.get("/login/github/")
    assert page.url.startswith(site.authorize)
    assert page.status_code == 200


def test_our_client_can_request_another_scope_at_our_server(connected, ours, browser, user):
    assert connected.missing_scopes("write") == ("write",)
    page = browser.get(connected.get_login_url(next="/whoami/", scope=["write"]))
    assert "Change everything" in page.text
    browser.submit(page, decision="allow")
    session = ours.session(user=user)
    assert session.missing_scopes("read", "write") == ()
    assert me(session)["scope"] == ["read", "write"]


# --- Authlib's server ---------------------------------------------------------------------------


@pytest.fixture
def authlib(configure, settings):  # noqa: F811
    with AuthlibServer(
        settings.GITHUB_OAUTH_CLIENT_ID,
        settings.GITHUB_OAUTH_CLIENT_SECRET,
        "https://testserver/login/github/authorized/",
    ) as server:
        configure(
            server.url,
            AUTHORIZATION_URL="authorize",
            TOKEN_URL="token",
            REVOCATION_URL="revoke",
            ISSUER=server.url,
            AUTHORIZATION_RESPONSE_ISS=True,
        )
        yield server


@pytest.fixture
def at_authlib(authlib, member, user):
    """The session of a user who has danced with Authlib's server."""
    begun = member.get("/login/github/", {"next": "/whoami/"})["Location"]
    asked = parse_qs(urlsplit(begun).query)
    assert asked["code_challenge_method"] == ["S256"]
    answer = requests.get(begun, allow_redirects=False, timeout=TIMEOUT)
    assert query(answer.headers["Location"])["iss"] == authlib.url
    ended = member.get(answer.headers["Location"])
    assert ended["Location"] == "/whoami/", ended.content
    return providers["github"].session(user=user)


def test_our_client_dances_with_authlibs_server(at_authlib, authlib, user, events):
    assert at_authlib.get("/api/me").json() == {"login": "ada", "scope": "read"}
    (issued,) = authlib.tokens
    assert user.oauth_tokens.get().token["access_token"] == issued["access_token"]
    assert events.codes == []


def test_our_client_follows_the_token_rotation_of_authlibs_server(
    at_authlib, authlib, user, events
):
    for count in (2, 3):
        expire(user)
        assert providers["github"].session(user=user).get("/api/me").json()["login"] == "ada"
        token = user.oauth_tokens.get().token
        assert len(authlib.tokens) == count
        assert token["refresh_token"] == authlib.tokens[-1]["refresh_token"]
    assert len(events.named("token_refreshed")) == 2


def test_our_client_revokes_at_authlibs_server_when_it_disconnects(at_authlib, authlib, user):
    at_authlib.disconnect()
    assert authlib.tokens[-1].revoked
    assert not user.oauth_tokens.exists()


def test_a_token_that_authlibs_server_revoked_needs_a_new_dance(at_authlib, authlib, user):
    authlib.tokens[-1].revoked = True
    make_older(user)
    with pytest.raises(AuthorizationRequired) as raised:
        providers["github"].session(user=user).get("/api/me")
    assert raised.value.reason in ("revoked", "revoked_at_once")
    assert user.oauth_tokens.get().state == NEEDS_RECONNECT
