import asyncio
import copy
import pickle
import threading
import time
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests
import requests_oauthlib
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory

from django_dance.exceptions import (
    AuthorizationRequired,
    InvalidResponse,
    OwnerRequired,
    ProviderNotConfigured,
    ProviderUnavailable,
    TokenRequestRefused,
    UntrustedOrigin,
)
from django_dance.flows import Additions
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.sessions import OAuth
from django_dance.sessions.shared_connections import SharedConnectionsMixin

from ..conftest import GRANTED, TOKEN_URL, make_session, store_token

API = "https://api.github.com"


@pytest.fixture
def session(user):
    """A session of a user with a token."""
    session = providers["github"].session(user=user)
    session.token = GRANTED
    return session


def expire(session, seconds_ago=1):
    """Let the stored token's time be over."""
    session.token = {**GRANTED, "expires_in": -seconds_ago}
    return providers["github"].session(user=session.owner.user)


# --- what it is -------------------------------------------------------------------------------


def test_a_session_is_a_requests_oauthlib_session(session):
    assert isinstance(session, requests_oauthlib.OAuth2Session)
    assert isinstance(session, requests.Session)
    one = providers["tripit"].session(user_id=1)
    assert isinstance(one, requests_oauthlib.OAuth1Session)


def test_a_session_object_reads_its_token_once(session, user, django_assert_num_queries):
    fresh = providers["github"].session(user=user)
    with django_assert_num_queries(1):
        assert fresh.authorized
    with django_assert_num_queries(0):
        assert fresh.authorized
        assert fresh.access_token == "planted-access-token"
        assert fresh.scopes == {"read:user"}
        assert fresh.missing_scopes("repo", "read:user") == ("repo",)
        assert fresh.load_token()


def test_expires_in_is_the_remaining_time_and_reading_changes_nothing(clock, session, user):
    before = OAuthToken.objects.values_list("token", flat=True).get()
    session.token = {**GRANTED, "expires_in": 3600, "expires_at": 1}
    assert session.token["expires_at"] == clock.now + 3600
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": clock.now - 50}
    row.save()
    stored = OAuthToken.objects.values_list("token", flat=True).get()
    fresh = providers["github"].session(user=user)
    assert fresh.token["expires_in"] == -50
    assert OAuthToken.objects.values_list("token", flat=True).get() == stored != before


def test_deleting_the_token_deletes_it_in_the_storage(session):
    del session.token
    assert not OAuthToken.objects.exists()
    assert session.token is None and not session.authorized
    session.token = GRANTED
    session.token = None
    assert not OAuthToken.objects.exists()


def test_changing_config_drops_the_loaded_token(session, user, make_user):
    grace = make_user("grace")
    assert session.authorized
    session.config["user"] = grace
    assert not session.authorized
    session.config["user_id"] = user.pk
    assert session.authorized
    session.config.clear()
    with pytest.raises(AuthorizationRequired):
        session.get("/user")


def test_for_user_returns_the_session_of_another_user(session, make_user):
    other = session.for_user(make_user("grace"))
    assert not other.authorized and session.authorized


def test_without_a_user_or_request_there_is_no_token():
    session = providers["github"].session()
    assert not session.authorized
    with pytest.raises(OwnerRequired):
        session.token = GRANTED


def test_a_session_cannot_be_pickled(session):
    with pytest.raises(TypeError, match="Pass the primary key of the user"):
        pickle.dumps(session)


def test_a_pickled_response_has_no_token(session, responses):
    responses.get(f"{API}/user", json={"login": "ada"}, status=404)
    response = session.get("/user")
    pickled = pickle.dumps(response)
    assert b"planted" not in pickled
    again = pickle.loads(pickled)
    assert again.json() == {"login": "ada"}
    assert again.request.headers["Authorization"] == "***"
    with pytest.raises(requests.HTTPError) as caught:
        response.raise_for_status()
    assert b"planted" not in pickle.dumps(caught.value)
    assert response.request.headers["Authorization"] == "Bearer planted-access-token"
    assert copy.deepcopy(response.request.headers) == response.request.headers


@pytest.mark.parametrize("name", ["github", "tripit"])
def test_a_pickled_error_of_a_call_has_no_token(user, responses, name):
    session = providers[name].session(user=user)
    session.token = {**GRANTED, "oauth_token": "planted", "oauth_token_secret": "planted"}
    responses.get(session.absolute_url("/user"), body=requests.ConnectionError("boom"))
    with pytest.raises(requests.ConnectionError) as caught:
        session.get("/user")
    assert b"planted" not in pickle.dumps(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == "boom"


def test_a_session_has_no_methods_for_a_dance(session):
    for method in ("fetch_token", "refresh_token", "authorization_url", "token_from_fragment"):
        with pytest.raises(NotImplementedError, match="login_url"):
            getattr(session, method)("https://evil.example/")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("authorization_url", "redirect the visitor to login_url"),
        ("new_state", "redirect the visitor to login_url"),
        ("fetch_token", "the callback view does it"),
        ("token_from_fragment", "the callback view does it"),
        ("refresh_token", r"call refresh\(\)"),
    ],
)
def test_the_error_of_a_requests_oauthlib_name_names_ours(session, name, remedy):
    with pytest.raises(NotImplementedError, match=rf"does not support {name}\(\): {remedy}"):
        getattr(session, name)()


@pytest.mark.parametrize("hook_type", ["access_token_response", "refresh_token_response", "other"])
def test_a_compliance_hook_that_is_never_called_is_refused(session, hook_type):
    with pytest.raises(NotImplementedError, match=rf"'{hook_type}'.*parse\(\) or token_call"):
        session.register_compliance_hook(hook_type, lambda response: response)


def test_a_compliance_hook_changes_each_call(session, responses):
    responses.get("https://api.github.com/changed", json={})
    session.register_compliance_hook(
        "protected_request",
        lambda url, headers, data: (f"{url}changed", {**(headers or {}), "X-Hook": "1"}, data),
    )
    assert session.get("/").request.headers["X-Hook"] == "1"


def test_closing_a_session_closes_no_other_session(session, responses):
    responses.get(f"{API}/user", json={})
    with session as same:
        same.get("/user")
    assert session.get("/user").ok


def test_a_session_has_every_attribute_of_a_requests_session():
    """The mixin sets the attributes of requests itself; a new requests may have more of them."""
    theirs, ours = vars(requests.Session()), vars(SharedConnectionsMixin())
    assert ours.keys() == theirs.keys()
    for name in theirs.keys() - {"adapters", "cookies"}:
        assert ours[name] == theirs[name]


# --- URLs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "joined"),
    [
        ("user", "https://gitlab.com/api/v4/user"),
        ("/user", "https://gitlab.com/api/v4/user"),
        ("/user?a=1&b=/x", "https://gitlab.com/api/v4/user?a=1&b=/x"),
        ("?page=2", "https://gitlab.com/api/v4/?page=2"),
        ("", "https://gitlab.com/api/v4/"),
        ("/users:batch", "https://gitlab.com/api/v4/users:batch"),
        ("projects/a%2Fb", "https://gitlab.com/api/v4/projects/a%2Fb"),
        ("https://gitlab.com/other", "https://gitlab.com/other"),
        ("HTTPS://GITLAB.com:443/other", "HTTPS://GITLAB.com:443/other"),
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_relative_urls_are_joined_to_the_base_path(user, responses, url, joined):
    session = providers["gitlab"].session(user=user)
    assert session.absolute_url(url) == joined


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "https://api.github.com.evil.example/",
        "https://evilapi.github.com/",
        "https://api.github.com@evil.example/",
        "https://api.github.com:444/",
        "https://github.com/",
        "http://api.github.com/user",
        "http://api.github.com:443/user",
        "//evil.example/x",
        "///evil.example/x",
        "https:evil.example",
        "https:/evil.example",
        "https:///evil.example",
        "javascript:alert(1)",
        "ftp://api.github.com/",
        "file:///etc/passwd",
        "users:batch",
        "https://api.github.com\\@evil.example/",
        "https://[bad",
        "/a\r\nHost: evil",
        "/a\0",
        "../../x",
        "/repos/../../../x",
        "/repos/%2e%2e/%2E%2E/x",
        "/repos/..\\..\\x",
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_the_token_is_not_sent_to_another_origin(session, responses, url):
    with pytest.raises(UntrustedOrigin):
        session.get(url)
    assert not responses.calls


def test_the_error_of_an_untrusted_origin_names_the_option(session):
    with pytest.raises(UntrustedOrigin, match=r"API_ORIGINS in DANCE_PROVIDERS\['github'\]"):
        session.get("https://elsewhere.example/")


def test_the_token_is_sent_to_api_origins(session, responses):
    responses.post("https://uploads.github.com/x", json={})
    session.post("https://uploads.github.com/x")
    assert "Authorization" in responses.calls[0].request.headers


def test_a_call_with_withhold_token_goes_to_any_origin_without_the_token(session, responses):
    responses.get("https://elsewhere.example/x", json={})
    session.get("https://elsewhere.example/x", withhold_token=True)
    assert "Authorization" not in responses.calls[0].request.headers


def test_netrc_is_not_read(session, responses, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login evil password evil")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    responses.get("https://elsewhere.example/x", json={})
    session.get("https://elsewhere.example/x", withhold_token=True)
    assert "Authorization" not in responses.calls[0].request.headers


def test_without_a_base_url_the_error_names_the_option(user, settings):
    options = {**settings.DANCE_PROVIDERS["github"], "BASE_URL": None}
    settings.DANCE_PROVIDERS = {"github": options}
    session = providers["github"].session(user=user)
    with pytest.raises(UntrustedOrigin, match="set BASE_URL"):
        session.get("/user")


@pytest.mark.parametrize(
    "kwargs",
    [
        {"auth": ("a", "b")},
        {"headers": {"Authorization": "Basic x"}},
        {"headers": {"authorization": "Basic x"}},
        {"headers": {b"Authorization": "Basic x"}},
    ],
)
def test_a_second_authorization_is_refused(session, responses, kwargs):
    with pytest.raises(ValueError, match="withhold_token=True"):
        session.get("/user", **kwargs)
    responses.get(f"{API}/user", json={})
    assert session.get("/user", withhold_token=True, **kwargs).ok


def test_header_values_with_line_breaks_are_refused(session, responses):
    with pytest.raises(requests.exceptions.InvalidHeader):
        session.get("/user", headers={"X-Name": "a\r\nb"})


def test_every_call_has_a_timeout(session, responses, settings):
    responses.get(f"{API}/user", json={})
    session.get("/user")
    session.get("/user", timeout=3)
    settings.DANCE_TIMEOUT = 7
    session.get("/user", timeout=None)
    assert [call.request.req_kwargs["timeout"] for call in responses.calls] == [10, 3, 7]


# --- redirects --------------------------------------------------------------------------------


def test_a_redirect_within_the_origin_keeps_the_token(session, responses):
    responses.get(f"{API}/a", status=302, headers={"Location": "/b"})
    responses.get(f"{API}/b", json={})
    session.get("/a")
    assert responses.calls[1].request.headers["Authorization"] == "Bearer planted-access-token"


@pytest.mark.parametrize(
    "target",
    ["https://files.example/b", "https://api.github.com:8443/b", "https://uploads.github.com/b"],
)
def test_a_redirect_to_another_origin_loses_the_token(session, responses, target):
    responses.get(f"{API}/a", status=302, headers={"Location": target})
    responses.get(target, json={})
    session.get("/a")
    assert responses.calls[1].request.url == target
    assert "Authorization" not in responses.calls[1].request.headers


def test_a_redirect_from_https_to_http_is_not_followed(session, responses):
    responses.get(f"{API}/a", status=302, headers={"Location": "http://api.github.com/b"})
    assert session.get("/a").status_code == 302
    assert len(responses.calls) == 1


def test_a_body_is_not_sent_again_to_another_origin(session, responses):
    responses.post(f"{API}/a", status=307, headers={"Location": "https://files.example/b"})
    assert session.post("/a", data={"planted": "secret"}).status_code == 307
    assert len(responses.calls) == 1


# --- no token, dead token ---------------------------------------------------------------------


def test_a_call_without_a_token_requires_authorization(user, responses):
    with pytest.raises(AuthorizationRequired) as caught:
        providers["github"].session(user=user).get("/user")
    assert caught.value.provider.name == "github"
    assert caught.value.reason == "no_token"
    assert not responses.calls


def test_a_call_with_an_expired_token_and_no_refresh_token_requires_authorization(user, responses):
    session = providers["github"].session(user=user)
    session.token = {"access_token": "planted", "expires_in": -1}
    assert not session.authorized
    with pytest.raises(AuthorizationRequired, match="expired"):
        session.get("/user")


def test_a_token_without_a_refresh_token_is_used_until_it_expires(user, responses):
    session = providers["github"].session(user=user)
    session.token = {"access_token": "planted", "expires_in": 5}
    responses.get(f"{API}/user", json={})
    assert session.get("/user").ok


# --- refreshing -------------------------------------------------------------------------------


def test_a_stale_token_is_refreshed_before_the_call_and_keeps_its_other_fields(
    session, responses, events
):
    fresh = expire(session)
    refresh = responses.post(TOKEN_URL, json={"access_token": "newer", "token_type": "bearer"})
    responses.get(f"{API}/user", json={})
    assert fresh.authorized
    fresh.get("/user")
    assert dict(parse_qsl(refresh.calls[0].request.body)) == {
        "grant_type": "refresh_token",
        "refresh_token": "planted-refresh-token",
        "client_id": "github-client",
        "client_secret": "planted-github-client-secret",
    }
    assert responses.calls[1].request.headers["Authorization"] == "Bearer newer"
    stored = OAuthToken.objects.get().token
    assert stored["refresh_token"] == "planted-refresh-token"
    assert stored["scope"] == "read:user"
    assert stored.expires_at is None
    (heard,) = events.named("token_refreshed")
    assert heard["token"]["access_token"] == "newer"


def test_a_token_is_refreshed_shortly_before_it_expires(session, responses):
    refresh = responses.post(TOKEN_URL, json={**GRANTED, "access_token": "newer"})
    responses.get(f"{API}/user", json={})
    session.token = {**GRANTED, "expires_in": 3600}
    session.get("/user")
    assert refresh.call_count == 0
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": time.time() + 50}
    row.save()
    providers["github"].session(user=session.owner.user).get("/user")
    assert refresh.call_count == 1


def test_a_token_granted_as_expired_is_refreshed_once(session, responses):
    refresh = responses.post(TOKEN_URL, json={**GRANTED, "expires_in": 0})
    responses.get(f"{API}/user", json={})
    expire(session).get("/user")
    assert refresh.call_count == 1


def test_a_revoked_refresh_token_is_wiped_and_not_sent_again(session, responses, events):
    fresh = expire(session)
    refresh = responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    with pytest.raises(AuthorizationRequired) as caught:
        fresh.get("/user")
    assert caught.value.reason == "revoked"
    assert not OAuthToken.objects.active().exists()
    assert OAuthToken.objects.get().token is None
    assert events.named("token_revoked")[0]["reason"] == "invalid_grant"
    with pytest.raises(AuthorizationRequired):
        providers["github"].session(user=session.owner.user).get("/user")
    assert refresh.call_count == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 503}, ProviderUnavailable),
        ({"body": requests.ConnectionError()}, ProviderUnavailable),
        ({"status": 400, "json": {"error": "invalid_client"}}, TokenRequestRefused),
        ({"body": "<html>"}, InvalidResponse),
    ],
)
def test_a_refresh_that_fails_temporarily_keeps_the_token(session, responses, answer, error):
    fresh = expire(session)
    responses.post(TOKEN_URL, **answer)
    with pytest.raises(error):
        fresh.get("/user")
    assert OAuthToken.objects.get().token["access_token"] == "planted-access-token"


def test_a_valid_token_is_used_if_the_refresh_fails(session, responses):
    session.token = {**GRANTED, "expires_in": 3600}
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": time.time() + 50}
    row.save()
    responses.post(TOKEN_URL, status=503)
    responses.get(f"{API}/user", json={"login": "ada"})
    session = providers["github"].session(user=session.owner.user)
    assert session.get("/user").json() == {"login": "ada"}


def test_a_401_forces_one_refresh_and_one_retry(session, responses):
    refresh = responses.post(TOKEN_URL, json={**GRANTED, "access_token": "newer"})
    api = responses.get(f"{API}/user", status=401)
    assert session.get("/user").status_code == 401
    assert (refresh.call_count, api.call_count) == (1, 2)
    assert [c.request.headers["Authorization"] for c in api.calls] == [
        "Bearer planted-access-token",
        "Bearer newer",
    ]


def test_a_post_is_not_sent_twice(session, responses):
    responses.post(TOKEN_URL, json={**GRANTED, "access_token": "newer"})
    api = responses.post(f"{API}/issues", status=401)
    assert session.post("/issues", json={}).status_code == 401
    assert api.call_count == 1
    assert session.access_token == "newer"


def test_a_stream_is_not_sent_twice(session, responses):
    responses.post(TOKEN_URL, json={**GRANTED, "access_token": "newer"})
    api = responses.put(f"{API}/file", status=401)
    assert session.put("/file", data=iter([b"x"])).status_code == 401
    assert api.call_count == 1


def test_threads_with_one_stale_token_refresh_it_once(
    transactional_db, make_user, responses, settings
):
    settings.DANCE_STORAGE = {"BACKEND": "django_dance.storage.MemoryStorage"}
    user = make_user("grace")
    session = providers["github"].session(user=user)
    session.token = {**GRANTED, "expires_in": -1}

    def slowly(request):
        time.sleep(0.05)
        return 200, {}, '{"access_token": "newer", "token_type": "bearer", "expires_in": 3600}'

    responses.add_callback("POST", TOKEN_URL, slowly)
    responses.get(f"{API}/user", json={})
    barrier, sent = threading.Barrier(8), []

    def call():
        barrier.wait()
        response = providers["github"].session(user=user).get("/user")
        sent.append(response.request.headers["Authorization"])

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent == ["Bearer newer"] * 8
    assert sum(call.request.url == TOKEN_URL for call in responses.calls) == 1


# --- async ------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_async_methods_make_the_same_calls(make_user, responses):
    user = make_user("grace")
    session = providers["github"].session(user=user)
    responses.add(responses.GET, f"{API}/user", json={"login": "grace"})
    for method in ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        responses.add(method, f"{API}/x")

    async def use():
        assert not await session.aauthorized()
        await sync_to_async(setattr)(session, "token", GRANTED)
        assert await session.aauthorized()
        assert (await session.atoken())["access_token"] == "planted-access-token"
        answers = await asyncio.gather(*(session.aget("/user") for _ in range(3)))
        assert [answer.json() for answer in answers] == [{"login": "grace"}] * 3
        for method in ("post", "put", "patch", "delete", "head", "options"):
            assert (await getattr(session, f"a{method}")("/x")).ok
        await session.adisconnect()
        with pytest.raises(AuthorizationRequired):
            await session.aget("/user")

    asyncio.run(use())


@pytest.mark.django_db(transaction=True)
def test_an_async_call_refreshes_too(make_user, responses):
    session = expire_for(make_user("grace"))
    responses.post(TOKEN_URL, json={**GRANTED, "access_token": "newer"})
    responses.get(f"{API}/user", json={})
    assert asyncio.run(session.aget("/user")).ok
    assert responses.calls[1].request.headers["Authorization"] == "Bearer newer"


def expire_for(user):
    session = providers["github"].session(user=user)
    session.token = {**GRANTED, "expires_in": -1}
    return providers["github"].session(user=user)


# --- request.oauth ----------------------------------------------------------------------------


def test_request_oauth_is_a_container_of_sessions(user):
    request = RequestFactory().get("/")
    request.user = user
    oauth = OAuth(request)
    assert oauth.github is oauth["github"]
    assert oauth.github.owner.user == user
    assert "github" in oauth and "gitea" not in oauth
    assert [s.provider.name for s in oauth] == list(providers)
    assert len(oauth) == len(providers)


def test_request_oauth_leaves_a_provider_with_a_mistake_out(user, settings):
    store_token(user)
    settings.DANCE_PROVIDERS = {
        "broken": {"PROVIDER": "no.such.Provider"},
        "odd": "no dict",
        "github": settings.DANCE_PROVIDERS["github"],
    }
    request = RequestFactory().get("/")
    request.user = user
    oauth = OAuth(request)
    assert [s.provider.name for s in oauth] == ["github"]
    assert len(oauth) == 1
    assert [c.provider for c in oauth.connections()] == ["github"]
    with pytest.raises(ImproperlyConfigured, match="cannot be imported"):
        oauth.connections("broken")


def test_the_error_of_an_unknown_provider_names_the_setting():
    oauth = OAuth(RequestFactory().get("/"))
    with pytest.raises(AttributeError, match=r"DANCE_PROVIDERS.*'github'"):
        _ = oauth.gitea
    with pytest.raises(ProviderNotConfigured, match=r"^There is no provider 'gitea'"):
        _ = oauth["gitea"]


def test_login_url_carries_next_and_scope(session):
    assert session.login_url == "/login/github/"
    assert session.get_login_url(next="/a?b=c") == "/login/github/?next=%2Fa%3Fb%3Dc"
    link = session.get_login_url(next="/a", scope=["repo"])
    assert link.startswith("/login/github/?next=%2Fa&ask=")


def test_a_login_url_states_the_account_of_the_session(session, user):
    def account_of(link):
        signed = parse_qs(urlsplit(link).query).get("ask")
        return signed and Additions.unsign("github", str(user.pk), signed[0]).account

    assert account_of(session.account("17").login_url) == "17"
    assert account_of(session.get_login_url(account="42")) == "42"
    assert account_of(session.account("17").get_login_url(account="")) is None


def test_the_exception_has_the_link_to_the_missing_scopes_of_its_account(session, user):
    with pytest.raises(AuthorizationRequired) as caught:
        session.account("17").require("repo")
    assert caught.value.account == "17"
    signed = parse_qs(urlsplit(caught.value.login_url).query)["ask"][0]
    assert Additions.unsign("github", str(user.pk), signed) == Additions(
        account="17", scope=("repo",)
    )
    copied = pickle.loads(pickle.dumps(caught.value))
    assert copied.account == "17"
    assert copied.owner.user_id == user.pk


def test_the_first_login_asks_for_the_scopes_that_the_view_needs(user):
    with pytest.raises(AuthorizationRequired) as caught:
        providers["github"].session(user=user).require(["read:user", "repo"])
    # The settings ask for read:user.
    assert (caught.value.reason, caught.value.missing_scopes) == ("no_token", ("repo",))


def test_the_login_for_an_expired_token_asks_for_the_scopes_that_the_view_needs(user):
    store_token(user, refresh_token=None, expires_at=1, scope=["read:user", "repo"])
    with pytest.raises(AuthorizationRequired) as caught:
        providers["github"].session(user=user).require(["read:user", "repo"])
    assert (caught.value.reason, caught.value.missing_scopes) == ("expired", ("repo",))


@pytest.mark.parametrize("max_age", [-1, 1.5, True, "60"])
def test_a_max_age_is_a_whole_number_of_seconds(session, max_age):
    with pytest.raises(ValueError, match="whole number of seconds"):
        session.get_login_url(max_age=max_age)


@pytest.mark.parametrize(
    "asked", [{"prompt": "login"}, {"login_hint": "ada"}, {"acr_values": "high"}, {"max_age": 0}]
)
def test_oauth_1_has_no_parameters_for_the_login_at_the_provider(user, asked):
    session = providers["tripit"].session(user=user)
    with pytest.raises(NotImplementedError, match=f"{next(iter(asked))}=….* is for OAuth 2"):
        session.get_login_url(**asked)


# --- settings of now --------------------------------------------------------------------------


def test_a_changed_setting_takes_effect_at_once(user, settings):
    assert providers["github"].session(user=user).client_id == "github-client"
    settings.GITHUB_OAUTH_CLIENT_ID = "another"
    assert providers["github"].session(user=user).client_id == "another"


def test_from_config_sets_facts_and_attributes_of_sessions(user, settings):
    settings.DANCE_PROVIDERS = {
        "github": {
            **settings.DANCE_PROVIDERS["github"],
            "FROM_CONFIG": {
                "scope": "MY_SCOPE",
                "session.verify": "MY_BUNDLE",
                "session.cookies.policy": "MY_POLICY",
            },
        }
    }
    assert providers["github"].session(user=user).verify is True
    settings.MY_SCOPE, settings.MY_BUNDLE = "a b", "/etc/ca.pem"
    settings.MY_POLICY = policy = object()
    session = providers["github"].session(user=user)
    assert session.provider.scope == "a b"
    assert session.verify == "/etc/ca.pem"
    assert session.cookies.policy is policy
    assert providers["github"].scope == "read:user"


def test_the_error_of_missing_credentials_names_the_settings(client, settings):
    settings.GITHUB_OAUTH_CLIENT_ID = settings.GITHUB_OAUTH_CLIENT_SECRET = None
    with pytest.raises(
        ImproperlyConfigured, match="GITHUB_OAUTH_CLIENT_ID and GITHUB_OAUTH_CLIENT_SECRET"
    ):
        client.get("/login/github/")


def test_an_anonymous_request_has_no_user(rf):
    request = rf.get("/")
    request.user = AnonymousUser()
    session = providers["github"].session(request)
    assert session.owner.user is None and session.owner.user_id is None
    assert session.owner.key is None


def test_a_refused_refresh_token_that_another_process_used_deletes_nothing(
    session, responses, events
):
    """Another process refreshed between our reading and our asking."""
    fresh = expire(session)

    def too_late(request):
        other = providers["github"].session(user=session.owner.user)
        other.token = {**GRANTED, "access_token": "newer"}
        return 400, {}, '{"error": "invalid_grant"}'

    responses.add_callback("POST", TOKEN_URL, too_late)
    responses.get(f"{API}/user", json={})
    assert fresh.get("/user").request.headers["Authorization"] == "Bearer newer"
    assert OAuthToken.objects.get().token["access_token"] == "newer"
    assert not events.named("token_revoked")


def test_the_ca_of_a_provider_takes_precedence_over_the_environment(user, settings, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/other.pem")
    options = {**settings.DANCE_PROVIDERS["gitlab"], "CA_BUNDLE": "/etc/own.pem"}
    settings.DANCE_PROVIDERS = {"gitlab": options}
    session = providers["gitlab"].session(user=user)
    merged = session.merge_environment_settings("https://gitlab.com/", {}, None, None, None)
    assert merged["verify"] == "/etc/own.pem"


# --- members of another protocol ------------------------------------------------------------------


@pytest.fixture
def oauth1_session(user):
    return providers["tripit"].session(user=user)


def test_a_session_of_oauth1_cannot_be_refreshed(oauth1_session):
    with pytest.raises(NotImplementedError, match=r"^tripit uses OAuth 1, whose tokens cannot be"):
        oauth1_session.refresh()


def test_a_session_of_oauth1_has_no_access_token(oauth1_session):
    with pytest.raises(AttributeError, match=r"^tripit uses OAuth 1.*token\[\"oauth_token\"\]"):
        oauth1_session.access_token  # noqa: B018


@pytest.mark.parametrize("name", ["tripit", "github"])
def test_the_error_without_openid_connect_names_the_provider_class(user, name):
    session = providers[name].session(user=user)
    cure = f"the provider class of {name} must be a subclass of OIDCProvider"
    with pytest.raises(AttributeError, match=f"^id_claims is for OpenID Connect: {cure}"):
        session.id_claims  # noqa: B018
    with pytest.raises(NotImplementedError, match=rf"^userinfo\(\) is for .*{cure}"):
        session.userinfo()
    with pytest.raises(NotImplementedError, match=rf"^logout_url\(\) is for .*{cure}"):
        session.logout_url()


@pytest.mark.parametrize("name", ["client_credentials", "begin_device"])
def test_a_provider_of_oauth1_has_no_grants_of_oauth2(name):
    with pytest.raises(NotImplementedError, match=rf"^{name}\(\) is for OAuth 2, and tripit uses"):
        getattr(providers["tripit"], name)()


@pytest.mark.parametrize("name", ["poll_device", "wait_for_device"])
def test_a_provider_of_oauth1_does_not_wait_for_a_device(name):
    with pytest.raises(NotImplementedError, match=rf"^{name}\(\) is for OAuth 2, and tripit uses"):
        getattr(providers["tripit"], name)(None)


@pytest.mark.django_db(transaction=True)
def test_declined_scopes_that_are_not_a_list_are_ignored(user):
    store_token(user, declined_scope=None)
    with pytest.raises(AuthorizationRequired, match="missing_scopes"):
        make_session(user).require("repo")


# --- scopes that another scope includes -----------------------------------------------------------

GOOGLE = "https://www.googleapis.com/auth/userinfo."


@pytest.mark.parametrize(
    ("preset", "granted", "included", "not_included"),
    [
        ("google.Google", [GOOGLE + "email"], ["email", GOOGLE + "email"], ["profile"]),
        ("google.Google", [GOOGLE + "profile"], ["profile"], ["email", "https", "openid"]),
        ("shopify.Shopify", ["write_products"], ["read_products"], ["read_orders", "write_x"]),
        ("shopify.Shopify", ["read_products"], [], ["write_products", "read_"]),
        ("github.GitHub", ["admin:org"], ["write:org", "read:org"], ["read:user", "admin:x"]),
        ("github.GitHub", ["repo"], ["public_repo"], ["user"]),
        ("mastodon.Mastodon", ["read"], ["read:accounts"], ["write:accounts", "readx"]),
    ],
)
def test_a_scope_includes_others_as_the_preset_says(preset, granted, included, not_included):
    from django.utils.module_loading import import_string

    options = {"host": "x.example.com"} if "ho" in preset or "ma" in preset else {}
    provider = import_string(f"django_dance.contrib.{preset}")("x", **options)
    assert all(provider.includes_scope(granted, scope) for scope in included)
    assert not any(provider.includes_scope(granted, scope) for scope in not_included)


@pytest.mark.django_db
def test_a_view_may_ask_for_a_scope_that_another_one_includes(user):
    session = providers["github"].session(user=user)
    session.token = {**GRANTED, "scope": "repo"}
    session.require(scope=["public_repo"])
    assert session.missing_scopes("public_repo", "user") == ("user",)
    with pytest.raises(AuthorizationRequired, match="missing_scopes"):
        session.require(scope="user:email")
