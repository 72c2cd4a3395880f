"""A fake provider: it answers as its facts say, and misbehaves when a test asks for it."""

import re

import pytest
import requests
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings

from django_dance.exceptions import (
    AuthorizationRequired,
    ProviderNotConfigured,
    ProviderUnavailable,
)
from django_dance.models import OAuthToken
from django_dance.providers import OAuth2Provider, providers
from django_dance.testing import UnexpectedCall, fake_provider

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


@pytest.fixture
def github(fake_provider):
    github = fake_provider("github")
    github.route("GET", "/user/repos", [{"name": "dance"}])
    return github


@pytest.fixture
def session(github, connect, user):
    return connect(user, "github")


# --- the dance, and the life of a token -----------------------------------------------------------


def test_a_dance_ends_at_the_asked_page_with_a_connection(github, member, user):
    response = github.dance(member, next="/profile/")
    assert response["Location"] == "/profile/"
    session = providers["github"].session(user=user)
    assert session.account_id == github.account
    assert session.get("/user/repos").status_code == 200


def test_a_dance_can_begin_at_a_link(github, session, member):
    response = github.dance(member, login_url=session.get_login_url(scope="repo", next="/here/"))
    assert response["Location"] == "/here/"
    assert "repo" in dict(github.requests_to("authorization")[0].query)["scope"]


@override_settings(DANCE_LOGIN_ON_GET=False)
def test_a_dance_can_begin_with_the_button_of_the_login_page(github, member):
    assert github.dance(member).status_code == 302
    assert OAuthToken.objects.exists()


@pytest.mark.parametrize("on_get", [True, False], ids=["link", "button"])
def test_a_dance_goes_through_the_host_in_dance_base_url(github, member, settings, on_get):
    settings.ALLOWED_HOSTS = ["testserver", "site.example"]
    settings.DANCE_BASE_URL = "https://site.example"
    settings.DANCE_LOGIN_ON_GET = on_get
    response = github.dance(member, next="/here/")
    assert response["Location"] == "/here/"
    assert OAuthToken.objects.exists()


def test_a_dance_of_a_user_instead_of_a_client_is_refused(github, user):
    with pytest.raises(TypeError, match=r"takes the test client .* client\.force_login\(user\)"):
        github.dance(user)


def test_a_dance_that_the_site_refuses_returns_its_answer(github, member):
    response = github.dance(member, login_url="/login/github/?ask=forged")
    assert response.status_code == 400
    github.assert_not_asked()


def test_an_anonymous_visitor_can_dance(github, client):
    github.dance(client)
    github.dance(client)
    assert len(github.grants) == 2


def test_a_visitor_who_refuses_comes_back_with_an_error(github, member, events):
    github.refuse_visitor()
    assert github.dance(member).status_code == 403
    assert events.codes == ["access_denied"]


def test_another_account_can_come_back(github, member, user):
    github.dance(member)
    github.account, github.label = "2", "grace"
    github.dance(member)
    labels = [each.account_label for each in providers["github"].session(user=user).accounts]
    assert sorted(labels) == ["ada", "grace"]


def test_the_answer_for_the_account_can_be_a_list(fake_provider, member, user):
    github = fake_provider("github", ACCOUNT_ID="0.id", ACCOUNT_LABEL="0.name")
    github.dance(member)
    session = providers["github"].session(user=user)
    assert (session.account_id, session.account_label) == (github.account, github.label)
    assert session.account_info().fields[0]["id"] == github.account


def test_an_openid_provider_signs_its_id_tokens(fake_provider, member, user):
    google = fake_provider("google", SCOPE=["openid", "email"])
    google.id_token_claims = {"email": "ada@example.com"}
    google.dance(member)
    claims = providers["google"].session(user=user).id_claims
    assert (claims["sub"], claims["email"]) == (google.account, "ada@example.com")


def test_a_provider_of_oauth_1_can_be_faked(fake_provider, member, user, connect):
    tripit = fake_provider("tripit")
    tripit.route("GET", "trips", {"trips": []})
    tripit.dance(member)
    assert providers["tripit"].session(user=user).get("trips").json() == {"trips": []}
    tripit.end_grants()
    assert providers["tripit"].session(user=user).get("trips").status_code == 401
    assert connect(user, "tripit").get("trips").status_code == 200


def test_a_visitor_can_refuse_a_provider_of_oauth_1(fake_provider, member, events):
    tripit = fake_provider("tripit")
    tripit.refuse_visitor()
    assert tripit.dance(member).status_code == 403
    assert events.codes == ["access_denied"]


def test_a_provider_of_oauth_1_can_refuse_the_site(fake_provider, member, events):
    tripit = fake_provider("tripit")
    tripit.refuse("timestamp_refused")
    assert tripit.dance(member).status_code == 400
    assert events.named("oauth_error")[0]["error"] == "timestamp_refused"


def test_a_token_that_expires_is_refreshed_by_the_site(github, connect, user):
    session = connect(user, "github", expired=True)
    assert session.get("/user/repos").json() == [{"name": "dance"}]
    github.assert_refreshed()


def test_an_access_token_that_expires_early_is_refreshed_after_a_401(github, session):
    github.expire_access_tokens()
    assert session.get("/user/repos").status_code == 200
    github.assert_called("GET", "/user/repos", times=2)


def test_a_grant_that_the_user_ends_is_lost(github, session, user):
    github.end_grants()
    with pytest.raises(AuthorizationRequired, match="revoked"):
        session.get("/user/repos")
    assert OAuthToken.objects.get().state == "needs_reconnect"


def test_the_grants_of_one_account_can_end(github, connect, user):
    first, second = (connect(user, "github", account=account) for account in ("1", "2"))
    github.end_grants("1")
    with pytest.raises(AuthorizationRequired, match="revoked"):
        first.get("/user/repos")
    assert second.get("/user/repos").status_code == 200


def test_a_refresh_token_that_was_used_elsewhere_is_refused(github, connect, user):
    session = connect(user, "github", expired=True)
    github.rotate_refresh_tokens()
    with pytest.raises(AuthorizationRequired, match="revoked"):
        session.get("/user/repos")


def test_a_revocation_ends_the_grant(github, session):
    session.disconnect()
    github.assert_revoked()
    assert [grant.ended for grant in github.grants] == [True]


def test_a_revocation_does_not_end_a_grant_without_an_account(fake_provider, connect, user):
    # The request has no Authorization header.
    asana = fake_provider("asana", PROVIDER="django_dance.contrib.asana.Asana")
    session = connect(user, "asana")
    asana.issue({})
    session.disconnect()
    assert [grant.ended for grant in asana.grants] == [True, False]


def test_a_provider_may_grant_no_refresh_token_and_no_expiry(github, member, user):
    github.refreshable, github.expires_in = False, None
    github.dance(member)
    token = providers["github"].session(user=user).token
    assert not {"refresh_token", "expires_in"} & set(token)


def test_fields_can_be_added_to_tokens_and_to_the_account(github, member, user):
    github.token_fields, github.account_fields = {"note": "a"}, {"email": "ada@example.com"}
    github.dance(member)
    session = providers["github"].session(user=user)
    assert session.token["note"] == "a"
    assert session.get("/user").json()["email"] == "ada@example.com"


# --- the site ---------------------------------------------------------------------------------


def test_the_credentials_of_the_site_are_not_used(github):
    client = providers["github"].get_client_credentials(None)
    assert (client.client_id, client.client_secret) == (github.client_id, github.client_secret)


def test_a_site_needs_no_credentials(fake_provider, settings, member):
    settings.GITHUB_OAUTH_CLIENT_ID = settings.GITHUB_OAUTH_CLIENT_SECRET = None
    assert fake_provider("github").dance(member).status_code == 302


def no_credentials(provider, owner):
    raise AssertionError("A fake provider must not need the site's credentials.")


def test_a_function_for_credentials_is_not_used(fake_provider, override_providers, member):
    override_providers(github={"CREDENTIALS": no_credentials})
    assert fake_provider("github").dance(member).status_code == 302


def test_a_class_may_have_credentials_of_its_own(fake_provider, member):
    from django_dance.contrib.github import GitHub
    from django_dance.providers import ClientCredentials

    class TenantGitHub(GitHub):
        def get_client_credentials(self, owner):
            return ClientCredentials("tenant-7", "planted-tenant-secret")

    fake = fake_provider("github", PROVIDER=TenantGitHub)
    assert fake.dance(member).status_code == 302
    assert dict(fake.requests_to("authorization")[0].query)["client_id"] == "tenant-7"


def test_everything_is_as_before_when_it_closes():
    send = requests.adapters.HTTPAdapter.send
    with fake_provider("github"):
        assert requests.adapters.HTTPAdapter.send is not send
    assert providers["github"].current().client_id == "github-client"
    assert requests.adapters.HTTPAdapter.send is send


def test_a_provider_that_is_not_configured_needs_a_class(fake_provider):
    with pytest.raises(ProviderNotConfigured, match="Did you mean 'github'"):
        fake_provider("githup")


def test_wrong_options_are_refused(fake_provider):
    with pytest.raises(ImproperlyConfigured, match="Did you mean SCOPE"):
        fake_provider("github", SCOPES="repo")


def test_a_wrong_client_secret_is_refused(github):
    client = providers["github"].get_client_credentials(None)
    wrong = type(client)(client.client_id, "planted-wrong")
    grant = {"grant_type": "client_credentials"}
    answer = providers["github"].current().token_call(github.facts.token_url, grant, wrong)
    assert answer.json()["error"] == "incorrect_client_credentials"


# --- the API --------------------------------------------------------------------------------------


def test_a_call_without_a_route_fails_and_names_the_cure(session):
    message = r'no route for it\. Add it before the call: route\("POST", "/gists", \{…\}\)'
    with pytest.raises(UnexpectedCall, match=message):
        session.post("/gists", json={})


def test_a_route_answers_with_a_value_a_text_or_nothing(github, session):
    github.route("GET", "/zen", "Keep it simple.", headers={"X-Part": "1"})
    github.route("PUT", "/user/starred/a/b", status=204)
    zen = session.get("/zen")
    assert (zen.text, zen.headers["X-Part"]) == ("Keep it simple.", "1")
    answer = session.put("/user/starred/a/b")
    assert (answer.status_code, answer.content) == (204, b"")
    assert session.get("/zen").content == b"Keep it simple."


def test_a_route_can_be_a_function(github, session):
    github.route("POST", "/gists", lambda received: (201, {"got": received.json()["text"]}))
    github.route("GET", "/echo", lambda received: dict(received.query))
    answer = session.post("/gists", json={"text": "x"})
    assert (answer.status_code, answer.json()) == (201, {"got": "x"})
    assert session.get("/echo", params={"a": "1"}).json() == {"a": "1"}


def test_a_route_can_be_a_pattern(github, session):
    github.route("GET", re.compile(r"/repos/\w+/\w+"), {"stars": 1})
    assert session.get("/repos/ada/dance").json() == {"stars": 1}


def test_a_route_with_parameters_is_preferred(github, session):
    github.route("GET", "/user/repos?page=2", [])
    github.route("GET", "/user/repos", ["first"])
    assert session.get("/user/repos").json() == ["first"]
    assert session.get("/user/repos", params={"page": 2, "sort": "name"}).json() == []


def test_the_latest_route_is_used(github, session):
    github.route("GET", "/user/repos", [])
    assert session.get("/user/repos").json() == []


def test_a_route_can_be_at_another_origin_of_the_api(github, session):
    github.route("*", "https://uploads.github.com/x", {"uploaded": True})
    assert session.post("https://uploads.github.com/x", data=b"1").json() == {"uploaded": True}


def test_a_call_without_the_token_needs_no_grant(github, connect, user):
    github.end_grants()
    session = connect(user, "github")
    assert session.get("/user/repos", withhold_token=True).status_code == 200
    assert session.get("/user", withhold_token=True).status_code == 401


def test_a_relative_route_needs_a_base_url(fake_provider):
    fake = fake_provider(
        "own",
        PROVIDER=OAuth2Provider,
        AUTHORIZATION_URL="https://own.example/authorize",
        TOKEN_URL="https://own.example/token",
        API_ORIGINS=["https://api.own.example"],
    )
    fake.route("GET", "https://api.own.example/me", {})
    with pytest.raises(ValueError, match="own has no BASE_URL"):
        fake.route("GET", "/me", {})


def test_the_answer_to_a_call_can_be_streamed(github, session):
    with session.get("/user/repos", stream=True) as answer:
        assert b"".join(answer.iter_content(5)) == b'[{"name": "dance"}]'


def test_a_stream_that_the_site_sends_is_received(github, session):
    github.route("POST", "/upload", lambda received: received.body.decode())
    assert session.post("/upload", data=iter([b"one, ", b"two"])).text == "one, two"


async def async_call(session):
    return await session.aget("/user/repos")


def test_async_calls_are_answered(github, session):
    from asgiref.sync import async_to_sync

    assert async_to_sync(async_call)(session).status_code == 200


def test_another_library_that_uses_requests_is_answered(github, session):
    headers = {"Authorization": f"Bearer {session.access_token}"}
    answer = requests.get("https://api.github.com/user/repos", headers=headers, timeout=1)
    assert answer.json() == [{"name": "dance"}]


# --- misbehaviour ---------------------------------------------------------------------------------


def test_the_next_answer_can_have_any_status(github, session):
    github.answer_next(503, {"message": "Down"}, times=2)
    assert [session.get("/user/repos").status_code for _ in range(3)] == [503, 503, 200]


def test_a_rate_limit_names_the_time_to_wait(github, session):
    github.limit_rate(30)
    answer = session.get("/user/repos")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")


def test_the_token_endpoint_can_be_busy(github, connect, user):
    github.limit_rate(30, at="token")
    with pytest.raises(ProviderUnavailable) as caught:
        connect(user, "github", expired=True).get("/user/repos")
    assert (caught.value.status, caught.value.retry_after) == (429, 30)


def test_a_refresh_can_be_refused_in_the_words_of_the_provider(github, connect, user):
    github.refuse("dead")
    with pytest.raises(AuthorizationRequired, match="revoked"):
        connect(user, "github", expired=True).get("/user/repos")


def test_a_slow_answer_ends_in_a_timeout_at_once(github, session):
    github.be_slow(5)
    with pytest.raises(requests.ReadTimeout):
        session.get("/user/repos", timeout=3)
    github.be_slow(5)
    assert session.get("/user/repos", timeout=(1, 8)).status_code == 200


def test_a_slow_token_endpoint_is_unavailable(github, connect, user):
    github.be_slow(at="token")
    with pytest.raises(ProviderUnavailable, match="ReadTimeout"):
        connect(user, "github", expired=True).get("/user/repos")


def test_a_connection_can_be_dropped(github, session):
    github.drop()
    with pytest.raises(requests.ConnectionError):
        session.get("/user/repos")


def test_the_account_misbehaves_with_the_api_or_alone(github, session):
    github.answer_next(500, at="account")
    assert session.get("/user/repos").status_code == 200
    assert session.get("/user").status_code == 500
    github.answer_next(502)
    assert session.get("/user").status_code == 502


def test_an_unknown_part_is_refused(github):
    with pytest.raises(ValueError, match="The parts of a provider are authorization, token"):
        github.answer_next(500, at="tokens")


# --- assertions -----------------------------------------------------------------------------------


def test_what_was_sent_can_be_checked(github, session):
    github.route("POST", "/gists", status=201)
    session.post("/gists", json={"text": "x"}, params={"draft": "1"}, headers={"X-Part": "2"})
    call = github.assert_called(
        "POST", "/gists", times=1, json={"text": "x"}, query={"draft": "1"}, headers={"X-Part": "2"}
    )
    assert call.credentials() == session.access_token
    github.assert_not_called("GET")
    session.post("/gists", data={"text": "y"})
    github.assert_called("POST", "/gists", form={"text": "y"}, times=1)
    assert len(github.calls()) == 2


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda g: g.assert_called("GET", "/zen"), "GET /zen with these contents at least once"),
        (lambda g: g.assert_called("GET", "/user/repos", times=2), "2 times, found 1"),
        (lambda g: g.assert_called("GET", "/user/repos", json={}), "found 0"),
        (lambda g: g.assert_called("GET", "/user/repos", query={"a": "1"}), "found 0"),
        (lambda g: g.assert_called("GET", "/user/repos", headers={"A": "1"}), "found 0"),
        (lambda g: g.assert_not_called(), "0 times, found 1"),
        (lambda g: g.assert_refreshed(), "a refresh 1 times, found 0"),
        (lambda g: g.assert_revoked(), "a revocation 1 times, found 0"),
        (lambda g: g.assert_not_asked(), "any request 0 times, found 1"),
    ],
)
def test_a_failed_assertion_lists_what_was_sent(github, session, check, message):
    session.get("/user/repos", params={"q": "planted-private"})
    with pytest.raises(AssertionError, match=message) as caught:
        check(github)
    assert "  GET https://api.github.com/user/repos" in str(caught.value)
    assert "planted" not in str(caught.value)


def test_the_repr_of_a_request_has_no_secret(github, session):
    session.get("/user/repos", params={"q": "planted-private"})
    assert repr(github.received[0]) == "<GET https://api.github.com/user/repos>"


def test_each_secret_can_be_searched(github, member, user):
    github.dance(member)
    token = providers["github"].session(user=user).token
    secrets = [token["access_token"], token["refresh_token"], github.client_secret]
    assert all(secret.startswith(github.secret_prefix) for secret in secrets)


# --- several -------------------- -----------------------------------------------------------------


def test_two_fake_providers_answer_for_their_own_hosts(fake_provider, connect, user):
    github, gitlab = fake_provider("github"), fake_provider("gitlab")
    github.route("GET", "/user/repos", ["github"])
    gitlab.route("GET", "projects", ["gitlab"])
    assert connect(user, "github").get("/user/repos").json() == ["github"]
    assert connect(user, "gitlab").get("projects").json() == ["gitlab"]


def test_a_csrf_check_is_not_in_the_way(github, user):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert github.dance(browser).status_code == 302
