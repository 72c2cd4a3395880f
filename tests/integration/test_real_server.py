"""OAuth 2.0 over real HTTP: with django-oauth-toolkit, and with servers that look on."""

import html.parser
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests
from django.db import connection
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, RefreshToken

from django_dance.exceptions import AuthorizationRequired
from django_dance.providers import OAuth2Provider, providers
from django_dance.sessions import OAuth2Session
from django_dance.storage import ModelStorage
from django_dance.tokens import NEEDS_RECONNECT, Token

from ..conftest import make_older
from ..loopback import Loopback

pytestmark = pytest.mark.django_db(transaction=True)

ME = "/api/me"


# --- a browser ----------------------------------------------------------------------------------


class Form(html.parser.HTMLParser):
    """The fields of a page's form."""

    def __init__(self, response):
        super().__init__()
        self.response, self.fields = response, {}
        self.feed(response.text)
        assert "csrfmiddlewaretoken" in self.fields, response.text

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "input" and "name" in attributes:
            self.fields[attributes["name"]] = attributes.get("value") or ""


class Browser(requests.Session):
    """A browser on one site."""

    def __init__(self, url):
        super().__init__()
        self.trust_env = False
        self.headers["Accept"] = "text/html,*/*;q=0.8"
        self.url = url

    def send(self, request, **options):
        # On a kept connection Nagle's algorithm holds wsgiref's second packet back for 40 ms.
        response = super().send(request, **options)
        self.close()
        return response

    def request(self, method, url, **options):
        return super().request(method, urljoin(self.url, url), **{"timeout": 10, **options})

    def submit(self, page, without=(), **fields):
        """Submit the form of a page."""
        form = Form(page).fields
        data = {name: value for name, value in {**form, **fields}.items() if name not in without}
        return self.post(page.url, data=data)

    def log_in(self, name):
        page = self.submit(self.get("/accounts/login/?next=/whoami/"), username=name, password="pw")
        assert page.url == f"{self.url}/whoami/", page.text
        return self


@pytest.fixture
def browse(live_server):
    """Opens a browser where ``name`` is logged in."""
    browsers = []

    def browse(name="ada"):
        browsers.append(Browser(live_server.url))
        return browsers[-1].log_in(name)

    yield browse
    for browser in browsers:
        browser.close()


@pytest.fixture
def configure(settings):
    """Gives github other options, and lets it live on http while it is loopback."""
    settings.DEBUG = True

    def configure(base_url, **options):
        settings.DANCE_PROVIDERS = {
            **settings.DANCE_PROVIDERS,
            "github": {
                "PROVIDER": OAuth2Provider,
                "BASE_URL": base_url,
                "AUTHORIZATION_URL": "o/authorize/",
                "TOKEN_URL": "o/token/",
                "REVOCATION_URL": "o/revoke_token/",
                "SCOPE": "read",
                **options,
            },
        }
        return providers["github"]

    return configure


# --- django-oauth-toolkit -----------------------------------------------------------------------


@pytest.fixture
def toolkit(live_server, configure, settings, user):
    """This site as a client of itself, by the rules of django-oauth-toolkit."""
    Application.objects.create(
        name="The other half",
        client_id=settings.GITHUB_OAUTH_CLIENT_ID,
        client_secret=settings.GITHUB_OAUTH_CLIENT_SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=f"{live_server.url}/login/github/authorized/",
    )
    return configure(live_server.url)


def begun(browser, next="/whoami/"):
    """The consent page that a dance leads to."""
    page = browser.get("/login/github/", params={"next": next})
    assert page.url.startswith(f"{browser.url}/o/authorize/?"), page.url
    return page


@pytest.fixture
def session(toolkit, browse, user):
    """The session of ``user`` after a dance."""
    browser = browse()
    browser.submit(begun(browser))
    return toolkit.session(user=user)


def expire(user):
    row = user.oauth_tokens.get()
    row.token = {**row.token.fields_to_store, "expires_at": time.time() - 5, "granted_at": 1}
    row.save()


def test_a_dance_with_a_real_server_stores_a_token_that_its_api_accepts(
    toolkit, browse, user, events
):
    browser = browse()
    ended = browser.submit(begun(browser, next="/whoami/?from=dance"))
    assert ended.url == f"{browser.url}/whoami/?from=dance"
    assert ended.text == str(user.pk)
    assert [cookie for cookie in browser.cookies if "dance_" in cookie.name] == []

    token = user.oauth_tokens.get().token
    issued = AccessToken.objects.get()
    assert (token["access_token"], issued.user) == (issued.token, user)
    assert token["refresh_token"] == RefreshToken.objects.get().token
    assert token["scope"] == ["read"]
    response = toolkit.session(user=user).get(ME)
    assert (response.status_code, response.json()) == (200, {"login": "ada"})
    assert [heard for heard, _ in events] == ["oauth_before_login", "oauth_authorized"]


def test_a_callback_with_the_issuer_is_accepted(
    toolkit, live_server, configure, settings, browse, user, events
):
    settings.OAUTH2_PROVIDER = {
        **settings.OAUTH2_PROVIDER,
        "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
        "OIDC_ISS_ENDPOINT": live_server.url,
    }
    configure(live_server.url, ISSUER=live_server.url, AUTHORIZATION_RESPONSE_ISS=True)
    browser = browse()
    ended = browser.submit(begun(browser))
    assert ended.url == f"{browser.url}/whoami/", ended.text
    assert (events.codes, user.oauth_tokens.count()) == ([], 1)


def test_a_callback_without_a_promised_issuer_is_refused(
    toolkit, live_server, configure, browse, user, events
):
    configure(live_server.url, ISSUER=live_server.url, AUTHORIZATION_RESPONSE_ISS=True)
    browser = browse()
    assert browser.submit(begun(browser)).status_code == 400
    assert events.codes == ["issuer_missing"]
    assert not user.oauth_tokens.exists()


@pytest.mark.parametrize("client_auth", ["basic", "post"])
def test_the_server_accepts_both_ways_of_client_authentication(
    toolkit, live_server, configure, browse, user, client_auth
):
    configure(live_server.url, CLIENT_AUTH=client_auth)
    browser = browse()
    browser.submit(begun(browser))
    providers["github"].session(user=user).disconnect()
    assert not AccessToken.objects.exists()


def test_a_public_client_dances_without_a_secret(toolkit, live_server, configure, browse, user):
    Application.objects.update(client_type=Application.CLIENT_PUBLIC)
    configure(live_server.url, CLIENT_AUTH="none")
    browser = browse()
    browser.submit(begun(browser))
    assert providers["github"].session(user=user).get(ME).status_code == 200


def test_a_wrong_client_secret_is_refused(toolkit, browse, user, settings, events):
    settings.GITHUB_OAUTH_CLIENT_SECRET = "another-secret"
    browser = browse()
    ended = browser.submit(begun(browser))
    assert ended.status_code == 400
    assert events.codes == ["token_refused"]
    assert events.named("oauth_error")[0]["error"] == "invalid_client"
    assert not user.oauth_tokens.exists()


def test_an_expired_token_is_refreshed_once_and_the_rotated_one_is_kept(session, user, events):
    before = user.oauth_tokens.get().token
    expire(user)
    session = session.for_user(user)
    assert session.get(ME).json() == {"login": "ada"}
    after = user.oauth_tokens.get().token
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert after["expires_at"] > time.time() + 3000
    live = RefreshToken.objects.get(revoked=None)
    assert (after["access_token"], after["refresh_token"]) == (live.access_token.token, live.token)

    assert session.get(ME).status_code == 200
    assert len(events.named("token_refreshed")) == 1


def test_eight_threads_with_an_expired_token_refresh_it_once(toolkit, session, user, events):
    expire(user)
    barrier = threading.Barrier(8, timeout=60)

    def call(_):
        try:
            mine = toolkit.session(user_id=user.pk)
            assert mine.authorized
            barrier.wait()
            return mine.get(ME).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [200] * 8
    assert len(events.named("token_refreshed")) == 1
    assert RefreshToken.objects.filter(revoked=None).count() == 1


def test_a_grant_revoked_at_the_server_ends_in_authorization_required(
    toolkit, session, user, events
):
    RefreshToken.objects.get().revoke()
    expire(user)
    with pytest.raises(AuthorizationRequired) as raised:
        toolkit.session(user=user).get(ME)
    assert raised.value.reason == "revoked"
    assert user.oauth_tokens.get().state == NEEDS_RECONNECT
    assert [event["reason"] for event in events.named("token_revoked")] == ["invalid_grant"]

    # The next call does not ask the server.
    with pytest.raises(AuthorizationRequired) as raised:
        toolkit.session(user=user).get(ME)
    assert raised.value.reason == "revoked"
    assert len(events.named("token_revoked")) == 1


def test_disconnecting_revokes_the_grant_at_the_server(toolkit, browse, user, events):
    browser = browse()
    page = begun(browser)
    browser.submit(page)
    assert AccessToken.objects.exists()
    ended = browser.post(
        "/login/github/disconnect/",
        data={
            "csrfmiddlewaretoken": Form(page).fields["csrfmiddlewaretoken"],
            "next": "/whoami/",
        },
    )
    assert ended.url == f"{browser.url}/whoami/"
    assert not AccessToken.objects.exists()
    assert RefreshToken.objects.get().revoked is not None
    assert not user.oauth_tokens.exists()
    assert [event["reason"] for event in events.named("token_revoked")] == ["disconnected"]


def test_a_visitor_who_does_not_consent_gets_a_page(toolkit, browse, user, events):
    browser = browse()
    ended = browser.submit(begun(browser), without=("allow",))
    assert ended.status_code == 403
    assert events.codes == ["access_denied"]
    assert not user.oauth_tokens.exists()
    assert not AccessToken.objects.exists()


def test_ten_tabs_dance_at_once_and_finish_in_any_order(toolkit, browse, user, events):
    browser = browse()
    tabs = [begun(browser, next=f"/whoami/?tab={tab}") for tab in range(10)]
    for tab in (7, 0, 9, 4, 2, 8, 1, 6, 3, 5):
        ended = browser.submit(tabs[tab])
        assert ended.url == f"{browser.url}/whoami/?tab={tab}"
        token = AccessToken.objects.latest("pk").token
        assert user.oauth_tokens.get().token["access_token"] == token
    assert events.codes == []


@pytest.fixture
def api(toolkit, live_server, configure):
    """An API elsewhere that takes the server's tokens, and says 401 to others."""

    def answer(received):
        try:
            token = received.headers["Authorization"].removeprefix("Bearer ")
            known = AccessToken.objects.filter(token=token, expires__gt=timezone.now()).exists()
        finally:
            connection.close()
        return 200 if known else 401, {"Content-Type": "application/json"}, '{"login": "ada"}'

    with Loopback(answer) as api:
        configure(
            f"{api.url}/v1/",
            AUTHORIZATION_URL=f"{live_server.url}/o/authorize/",
            TOKEN_URL=f"{live_server.url}/o/token/",
            REVOCATION_URL=f"{live_server.url}/o/revoke_token/",
        )
        yield api


def test_a_view_that_needs_the_token_leads_through_the_dance_and_back(api, browse):
    browser = browse()
    page = browser.get("/uncaught/")
    assert page.url.startswith(f"{browser.url}/o/authorize/?")
    ended = browser.submit(page)
    assert (ended.url, ended.json()) == (f"{browser.url}/uncaught/", {"login": "ada"})
    (received,) = api.received
    assert received.path == "/v1/user"


def test_a_token_that_the_api_refuses_is_refreshed_and_the_call_repeated(api, browse, user, events):
    browser = browse()
    browser.submit(begun(browser))
    make_older(user)
    before = user.oauth_tokens.get().token
    AccessToken.objects.update(expires=timezone.now())
    assert browser.get("/uncaught/").json() == {"login": "ada"}
    assert len(events.named("token_refreshed")) == 1
    after = user.oauth_tokens.get().token["access_token"]
    assert [received.headers["Authorization"] for received in api.received] == [
        f"Bearer {before['access_token']}",
        f"Bearer {after}",
    ]


def test_a_revoked_grant_leads_the_visitor_to_a_new_dance(api, browse, user, events):
    browser = browse()
    browser.submit(begun(browser))
    RefreshToken.objects.get().revoke()
    expire(user)
    page = browser.get("/uncaught/")
    assert page.url.startswith(f"{browser.url}/o/authorize/?")
    assert user.oauth_tokens.get().state == NEEDS_RECONNECT
    assert browser.submit(page).json() == {"login": "ada"}


# --- a token endpoint that counts ---------------------------------------------------------------


def test_four_callbacks_at_once_make_one_token_request(configure, browse, user, events):
    def slow(received):
        time.sleep(0.3)
        body = {"access_token": "planted-access-token", "token_type": "bearer"}
        return 200, {"Content-Type": "application/json"}, json.dumps(body)

    with Loopback(slow) as endpoint:
        configure(endpoint.url)
        browser = browse()
        response = browser.get("/login/github/", allow_redirects=False)
        (state,) = parse_qs(urlsplit(response.headers["Location"]).query)["state"]
        callback = f"{browser.url}/login/github/authorized/"
        cookies = browser.cookies.get_dict()
        barrier = threading.Barrier(4, timeout=60)

        def arrive(_):
            barrier.wait()
            return requests.get(
                callback,
                params={"code": "planted-code", "state": state},
                cookies=cookies,
                allow_redirects=False,
                timeout=60,
            ).status_code

        with ThreadPoolExecutor(4) as pool:
            answers = sorted(pool.map(arrive, range(4)))
        assert answers == [302, 400, 400, 400]
        assert events.codes == ["flow_spent"] * 3
        assert len(endpoint.received) == 1
        assert user.oauth_tokens.count() == 1


# --- whose token, and which connection ----------------------------------------------------------


step = threading.Barrier(2, timeout=60)


class LockstepStorage(ModelStorage):
    """Waits, a token loaded, until another one is loaded."""

    def get(self, owner):
        token = super().get(owner)
        step.wait()
        return token


class LockstepSession(OAuth2Session):
    """Waits before a request is made of a call, and again before it is sent."""

    def prepare_request(self, request):
        step.wait()
        return super().prepare_request(request)

    def send(self, request, **options):
        step.wait()
        return super().send(request, **options)


class Lockstep(OAuth2Provider):
    """Two threads that make calls make each step of them together."""

    storage = LockstepStorage()
    session_class = LockstepSession

    def sign(self, request, token):
        step.wait()
        return super().sign(request, token)


def test_two_users_in_two_threads_each_send_their_own_token(configure, make_user):
    users = [make_user("ada"), make_user("grace")]
    with Loopback() as api:
        provider = configure(api.url, PROVIDER=Lockstep)
        for user in users:
            provider.session(user=user).token = {"access_token": f"planted-of-{user.username}"}

        def calls(user):
            try:
                for _ in range(50):
                    provider.session(user=user).get(f"/{user.username}")
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(calls, users))
        assert len(api.received) == 100
        for received in api.received:
            mine = f"Bearer planted-of-{received.path[1:]}"
            assert received.headers.get_all("Authorization") == [mine]


def carrying(provider, user_id, token="planted-access-token"):
    """A session with a token, without a row."""
    session = provider.session(user_id=user_id)
    session.current_token.use_unsaved(Token.granted({"access_token": token}))
    return session


def test_twenty_calls_open_one_connection(configure):
    with Loopback() as api:
        provider = configure(api.url)
        session = carrying(provider, 1)
        for _ in range(20):
            assert session.get(ME).status_code == 200
        assert len(api.received) == 20
        assert api.connections == 1


def test_the_sessions_of_two_users_share_one_connection_and_no_credentials(configure):
    with Loopback() as api:
        provider = configure(api.url)
        for turn in range(20):
            who = turn % 2
            with carrying(provider, who, f"planted-of-{who}") as session:
                session.get(f"/{who}")
        assert api.connections == 1
        assert [received.headers["Authorization"] for received in api.received] == [
            f"Bearer planted-of-{turn % 2}" for turn in range(20)
        ]


def test_cookies_that_the_api_sets_for_one_user_are_not_sent_for_another(configure):
    def greet(received):
        return 200, {"Set-Cookie": "account=ada; Path=/"}, "{}"

    with Loopback(greet) as api:
        provider = configure(api.url)
        ada, grace = carrying(provider, 1), carrying(provider, 2)
        for session in (ada, grace, ada, carrying(provider, 2)):
            session.get(ME)
        sent = [received.headers["Cookie"] for received in api.received]
        assert sent == [None, None, "account=ada", None]
        assert api.connections == 1


def test_the_token_endpoint_gets_no_cookies_and_no_second_request(configure, user):
    """Also when the connection breaks after the request was sent (no retries)."""

    def hang_up(received):
        raise ConnectionAbortedError

    with Loopback(hang_up) as endpoint:
        provider = configure(endpoint.url)
        session = provider.session(user=user)
        session.token = {
            "access_token": "planted-access-token",
            "refresh_token": "planted-refresh-token",
            "expires_in": -5,
        }
        with pytest.raises(Exception, match="could not be reached"):
            session.get(ME)
        assert [received.path for received in endpoint.received] == ["/o/token/"]
        assert user.oauth_tokens.exists()


FORK = """
    import os, sys
    import django
    from django.test import override_settings

    django.setup()
    url, made_before = sys.argv[1], sys.argv[2] == "before"
    from django_dance.providers import providers
    from django_dance.tokens import Token
    from tests.integration.test_real_server import OAuth2Provider

    def session():
        made = providers["github"].session(user_id=1)
        made.current_token.use_unsaved(Token.granted({"access_token": "planted-access-token"}))
        return made

    github = {
        "PROVIDER": OAuth2Provider,
        "BASE_URL": url,
        "AUTHORIZATION_URL": "authorize",
        "TOKEN_URL": "token",
    }
    with override_settings(DEBUG=True, DANCE_PROVIDERS={"github": github}):
        first = session()
        assert first.get("/parent").status_code == 200
        child = os.fork()
        if not child:
            mine = first if made_before else session()
            status = mine.get("/child").status_code
            os._exit(0 if status == 200 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert first.get("/parent").status_code == 200
"""


@pytest.mark.parametrize("session_made", ["before", "after"])
def test_connections_are_not_shared_with_a_forked_process(fork, session_made):
    with Loopback() as api:
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(FORK), api.url, session_made],
            check=True,
            timeout=120,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        )
        assert [received.path for received in api.received] == ["/parent", "/child", "/parent"]
        assert api.connections == 2
