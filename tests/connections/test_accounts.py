"""Several accounts of one user, one account of several users, and visitors who log in later."""

import html
import re

import pytest
from django.contrib.auth import login
from django.db import connection

from django_dance.connections import store_connection
from django_dance.exceptions import AuthorizationRequired, FlowError, OwnerRequired, StorageError
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import FallbackStorage, ModelStorage
from django_dance.tokens import ResourceOwner, Token

from ..conftest import GRANTED, Browser, Dance, make_session, query, tokens_of
from ..conftest import TOKEN_URL as TOKEN_URL

API = "https://api.github.com/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def connect(responses):
    """Dances as the account of this id, and returns the callback's response."""

    def connect(browser, account, next=None, ask=None, **granted):
        responses.upsert("POST", TOKEN_URL, json={**GRANTED, **granted})
        responses.upsert("GET", f"{API}user", json={"id": account, "login": f"login-{account}"})
        link = {name: value for name, value in {"next": next, "ask": ask}.items() if value}
        return Dance(browser, **link).callback()

    return connect


def test_an_account_is_known_by_its_id_at_the_provider(member, user, connect):
    assert connect(member, 7).status_code == 302
    assert tokens_of(user) == {"7": "planted-access-token"}
    assert make_session(user).account_id == "7"
    assert make_session(user).account_label == "login-7"


def test_a_second_account_gets_its_own_row(member, user, connect):
    connect(member, 1, access_token="first")
    connect(member, 2, access_token="second")
    assert tokens_of(user) == {"1": "first", "2": "second"}


def test_the_account_connected_last_is_the_default(member, user, connect):
    connect(member, 1, access_token="first")
    connect(member, 2, access_token="second")
    assert make_session(user).access_token == "second"
    connect(member, 1, access_token="third")
    assert make_session(user).access_token == "third"
    assert [s.account_id for s in make_session(user).accounts] == ["1", "2"]


def test_a_dance_for_one_account_does_not_change_the_default_account(member, user, connect):
    connect(member, 1, access_token="first")
    connect(member, 2, access_token="second")
    link = make_session(user, "1").get_login_url()
    connect(member, 1, access_token="third", **query(link))
    assert tokens_of(user) == {"1": "third", "2": "second"}
    assert make_session(user).access_token == "second"


def test_the_wrong_account_does_not_become_the_default_account(member, user, connect):
    connect(member, 1)
    connect(member, 2, access_token="second")
    connect(member, 3, access_token="third", **query(make_session(user, "1").get_login_url()))
    assert make_session(user).access_token == "second"


def test_a_dance_for_no_certain_account_overrides_the_choice(member, user, connect):
    connect(member, 1)
    connect(member, 2)
    make_session(user, "1").make_default()
    connect(member, 2, access_token="third")
    assert make_session(user).access_token == "third"


def test_a_user_who_cannot_reconnect_the_default_account_chooses_another(member, user, connect):
    """A view that needs the default account does not lead from one dance to the next."""
    connect(member, 1)
    connect(member, 2)
    make_session(user, "1").make_default()
    OAuthToken.objects.filter(account="1").update(token="", state="needs_reconnect")
    link = member.get("/profile/")["Location"]
    response = connect(member, 2, access_token="third", **query(link))
    assert b"is still needed" in response.content
    assert b'<a href="/login/connections/">Your connections</a>' in response.content
    make_session(user, "2").make_default()
    assert member.get("/profile/").status_code == 200


def test_a_choice_of_the_account_is_asked_for_in_the_words_of_the_provider(member, user, settings):
    settings.DANCE_PROVIDERS = {
        "spotify": {"PROVIDER": "django_dance.contrib.spotify.Spotify"},
        "google": {**settings.DANCE_PROVIDERS["google"], "REPROMPT_CONSENT": True},
        "gitlab": settings.DANCE_PROVIDERS["gitlab"],
    }
    settings.SPOTIFY_OAUTH_CLIENT_ID = settings.SPOTIFY_OAUTH_CLIENT_SECRET = "planted"
    asked = {}
    for name in settings.DANCE_PROVIDERS:
        link = providers[name].session(user=user).get_login_url(prompt="select_account")
        asked[name] = query(member.get(link)["Location"])
    assert (asked["spotify"]["show_dialog"], "prompt" in asked["spotify"]) == ("true", False)
    assert asked["google"]["prompt"] == "consent select_account"
    assert "login_hint" not in asked["google"]
    assert asked["gitlab"]["prompt"] == "select_account"


def test_a_session_can_use_each_account(member, user, connect):
    connect(member, 1, access_token="first")
    connect(member, 2, access_token="second")
    assert make_session(user).account("1").access_token == "first"
    assert [s.access_token for s in make_session(user).accounts] == ["second", "first"]
    assert make_session(user).account("3").token is None
    assert not make_session(user).account("3").authorized


def test_disconnecting_one_account_keeps_the_others(member, user, connect, responses):
    responses.delete(f"{API}applications/github-client/token", status=204)
    connect(member, 1, access_token="first")
    connect(member, 2, access_token="second")
    make_session(user).account("2").disconnect()
    assert tokens_of(user) == {"1": "first"}
    assert make_session(user).access_token == "first"


def test_reconnecting_an_account_keeps_its_refresh_token_if_no_new_one_is_granted(
    member, user, connect
):
    connect(member, 1, refresh_token="planted-first-refresh-token")
    connect(member, 1, access_token="second", refresh_token=None)
    token = user.oauth_tokens.get().token
    assert token["access_token"] == "second"
    assert token["refresh_token"] == "planted-first-refresh-token"


def test_another_account_does_not_get_the_refresh_token_of_the_first(member, user, connect):
    connect(member, 1, refresh_token="planted-first-refresh-token")
    connect(member, 2, refresh_token=None)
    assert "refresh_token" not in user.oauth_tokens.get(account="2").token


def test_a_token_of_an_unknown_account_becomes_the_token_of_the_named_account(
    member, user, connect
):
    ModelStorage().set(ResourceOwner(providers["github"], user=user), {"access_token": "unknown"})
    connect(member, 1, access_token="known")
    assert tokens_of(user) == {"1": "known"}


def test_a_named_account_does_not_get_the_refresh_token_of_an_unknown_account(
    member, user, connect
):
    unknown = {"access_token": "unknown", "refresh_token": "planted-other"}
    ModelStorage().set(ResourceOwner(providers["github"], user=user), unknown)
    connect(member, 1, access_token="known", refresh_token=None)
    row = user.oauth_tokens.get()
    assert (row.account, row.token.get("refresh_token")) == ("1", None)


def test_an_account_does_not_get_the_refresh_token_of_one_whose_name_could_not_be_asked(
    member, user, connect, responses
):
    responses.post(TOKEN_URL, json={**GRANTED, "refresh_token": "planted-other"})
    responses.get(f"{API}user", status=500)
    assert Dance(member).callback().status_code == 302
    connect(member, 2, refresh_token=None)
    assert "refresh_token" not in user.oauth_tokens.get(account="2").token


@pytest.mark.parametrize("before", [{}, {"iss": "https://id.example", "sub": "2"}])
def test_a_refresh_token_is_kept_if_the_id_tokens_are_of_one_person(user, before, responses):
    claims = {"iss": "https://id.example", "sub": "1"}
    for earlier, kept in ((before, False), (claims, True)):
        github = providers["github"].session(user=user)
        github.token = {**GRANTED, "id_claims": earlier, "refresh_token": "planted-earlier"}
        granted = Token({**GRANTED, "id_claims": claims, "refresh_token": None})
        store_connection(providers["github"].session(user=user), granted)
        assert (user.oauth_tokens.get().token["refresh_token"] == "planted-earlier") is kept
        user.oauth_tokens.all().delete()


@pytest.mark.parametrize(
    "account",
    [
        " ",
        "\u200b",
        "null",
        "NULL",
        "None",
        "undefined",
        "NaN",
        "nan",
        " 1",
        "1 ",
        "1\u200b",
        "1\u2060",
        "\ufeff1",
        "1\u00ad",
        "1\ufe0f",
        "1\u3164",
        "1\u00a0",
        "1\u034f2",
        "1\n",
        "1\x00",
        "1\u202e2",
        "x" * 256,
        "x" * 300,
    ],
)
def test_an_account_id_that_several_accounts_may_have_is_refused(
    member, user, connect, account, events
):
    response = connect(member, account)
    assert response.status_code == 400
    assert events.codes == ["account_unknown"]
    assert not user.oauth_tokens.exists()


@pytest.mark.parametrize(
    "account", [0, 7, "a b", "ada@example.com", "Ä", "日本", "x" * 255, "nancy"]
)
def test_another_account_id_is_accepted(member, user, connect, account):
    assert connect(member, account).status_code == 302
    assert user.oauth_tokens.get().account == str(account)


def test_a_storage_refuses_an_account_id_that_is_too_long(user):
    owner = ResourceOwner(providers["github"], user=user, account="x" * 300)
    with pytest.raises(StorageError, match="longer than 255"):
        ModelStorage().set(owner, GRANTED)
    assert ModelStorage().get(owner) is None


def test_a_user_has_at_most_one_token_of_an_unknown_account(member, user, dance):
    assert dance(member).callback().status_code == 302
    assert dance(member).callback().status_code == 302
    assert tokens_of(user) == {"": "planted-access-token"}


def test_two_dances_with_an_unknown_account_do_not_keep_the_refresh_token(
    member, user, dance, responses
):
    assert dance(member, granted={"refresh_token": "planted-other"}).callback().status_code == 302
    responses.replace("POST", TOKEN_URL, json={**GRANTED, "refresh_token": None})
    assert Dance(member).callback().status_code == 302
    assert "refresh_token" not in user.oauth_tokens.get().token


def test_a_visitor_does_not_get_the_refresh_token_of_a_planted_session(
    client, dance, responses, rf
):
    assert dance(client, granted={"refresh_token": "planted-other"}).callback().status_code == 302
    responses.replace("POST", TOKEN_URL, json={**GRANTED, "refresh_token": None})
    assert Dance(client).callback().status_code == 302
    request = rf.get("/")
    request.session = client.session
    assert "refresh_token" not in providers["github"].session(request).token


def test_an_unknown_account_does_not_replace_a_known_one(member, user, connect, responses, events):
    connect(member, 1, access_token="first")
    responses.upsert("GET", f"{API}user", status=500)
    assert Dance(member).callback().status_code == 400
    assert events.codes == ["account_unknown"]
    assert tokens_of(user) == {"1": "first"}


def test_account_ids_are_compared_exactly(user, make_user):
    storage, owner = ModelStorage(), ResourceOwner(providers["github"], user=user)
    grace = ResourceOwner(providers["github"], user=make_user("grace"))
    storage.set(owner.for_account("abc"), {"access_token": "lower"})
    for other in ("ABC", "abc ", "\u0430bc", "ab"):
        assert storage.get(owner.for_account(other)) is None
        assert storage.others(grace, other) == []
    assert storage.others(grace, "abc") == [user.pk]


def test_two_account_ids_that_the_database_may_treat_as_equal_never_share_a_row(user):
    storage, owner = ModelStorage(), ResourceOwner(providers["github"], user=user)
    storage.set(owner.for_account("abc"), {"access_token": "lower"})
    try:
        storage.set(owner.for_account("ABC"), {"access_token": "upper"})
    except StorageError as error:
        assert connection.vendor == "mysql"
        assert "collation makes the ids of two accounts equal" in str(error)
    else:
        assert storage.get(owner.for_account("ABC"))["access_token"] == "upper"
    assert storage.get(owner.for_account("abc"))["access_token"] == "lower"


# --- an account of two users ----------------------------------------------------------------------


@pytest.fixture
def grace(make_user):
    browser = Browser()
    browser.user = make_user("grace")
    browser.force_login(browser.user)
    return browser


def test_an_account_that_another_user_has_connected_is_refused(
    member, user, grace, connect, events
):
    connect(member, 1, access_token="first")
    response = connect(grace, 1, access_token="second")
    assert response.status_code == 403
    assert b"log in as that user and disconnect first" in response.content
    assert events.codes == ["account_taken"]
    assert tokens_of(user) == {"1": "first"}
    assert tokens_of(grace.user) == {}


def test_a_site_may_let_users_share_an_account(member, user, grace, connect, settings):
    settings.DANCE_ACCOUNT_CONFLICT = "share"
    connect(member, 1, access_token="first")
    connect(grace, 1, access_token="second")
    assert tokens_of(user) == {"1": "first"}
    assert tokens_of(grace.user) == {"1": "second"}


def test_a_site_may_move_an_account_to_the_new_user(member, user, grace, connect, settings, events):
    settings.DANCE_ACCOUNT_CONFLICT = "move"
    connect(member, 1, access_token="first")
    connect(grace, 1, access_token="second")
    assert tokens_of(user) == {}
    assert tokens_of(grace.user) == {"1": "second"}
    (revoked,) = events.named("token_revoked")
    assert (revoked["reason"], revoked["owner"].user_id) == ("moved", user.pk)


# --- visitors who log in later --------------------------------------------------------------------


@pytest.fixture
def visitor(client, connect):
    """A visitor's browser that has danced."""
    connect(client, 1)
    return client


@pytest.fixture
def request_of(rf):
    def request_of(browser, user=None):
        from django.contrib.auth.models import AnonymousUser

        from django_dance.sessions import OAuth

        request = rf.get("/")
        request.session, request.user = browser.session, user or AnonymousUser()
        request.oauth = OAuth(request)
        return request

    return request_of


def test_a_visitor_has_no_row(visitor, request_of):
    assert not OAuthToken.objects.exists()
    assert request_of(visitor).oauth.github.authorized


def test_a_login_does_not_adopt_the_visitors_token(visitor, request_of, user):
    request = request_of(visitor)
    login(request, user)
    assert not request.oauth.github.authorized
    assert not OAuthToken.objects.exists()


def test_an_adopted_token_moves_from_the_visitor_to_the_user(visitor, request_of, user):
    request = request_of(visitor)
    login(request, user)
    assert request.oauth.adopt() == ["github"]
    assert request.oauth.github.access_token == "planted-access-token"
    assert tokens_of(user) == {"1": "planted-access-token"}
    assert request.oauth.adopt() == []
    assert "github_oauth_token" not in request.session


def test_only_the_named_providers_are_adopted(visitor, request_of, user):
    request = request_of(visitor)
    login(request, user)
    assert request.oauth.adopt("gitlab") == []
    assert request.oauth.adopt("github") == ["github"]


def test_adopt_needs_a_user(visitor, request_of):
    with pytest.raises(OwnerRequired, match="call it after login"):
        request_of(visitor).oauth.adopt()


def test_an_account_of_another_user_is_not_adopted_and_stays_with_the_visitor(
    visitor, request_of, user, member, grace, connect
):
    connect(grace, 1)
    request = request_of(visitor)
    login(request, user)
    with pytest.raises(FlowError, match="account_taken"):
        request.oauth.adopt()
    assert "github_oauth_token" in request.session


def test_adopt_returns_nothing_if_visitors_cannot_have_tokens(
    rf, user, settings, request_of, client
):
    settings.DANCE_STORAGE = "django_dance.storage.ModelStorage"
    request = request_of(client, user)
    assert request.oauth.adopt() == []


def test_a_storage_without_accounts_stores_one_token(user, settings):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.FallbackStorage",
        "OPTIONS": {"model": "tests.TeamToken"},
    }
    github = make_session(user)
    assert isinstance(github.storage, FallbackStorage)
    store_connection(github, Token.granted({"access_token": "planted"}))
    assert [s.access_token for s in github.accounts] == ["planted"]
    assert github.account_id == ""


def test_a_call_for_an_account_without_a_token_requires_authorization(user):
    with pytest.raises(AuthorizationRequired, match="no_token"):
        make_session(user).account("9").get("/user")


# --- a dance for one account ----------------------------------------------------------------------


@pytest.fixture
def come_back_as(responses):
    """Follows a link to a dance, and returns as the account of this id."""

    def come_back_as(browser, link, account):
        asked = browser.get(link)["Location"]
        responses.upsert("POST", TOKEN_URL, json={**GRANTED, "access_token": f"of-{account}"})
        responses.upsert("GET", f"{API}user", json={"id": account, "login": f"login-{account}"})
        state = query(asked)["state"]
        return browser.get("/login/github/authorized/", {"state": state, "code": "planted-code"})

    return come_back_as


def test_a_page_that_needs_one_account_names_it_to_the_provider(member, connect):
    connect(member, 1)
    asked = query(member.get(member.get("/account/1/?scope=repo")["Location"])["Location"])
    assert asked["prompt"] == "select_account"
    assert asked["login"] == "login-1"


def test_the_name_of_an_account_without_a_token_is_not_known(member, connect):
    connect(member, 1)
    asked = query(member.get(member.get("/account/2/")["Location"])["Location"])
    assert asked["prompt"] == "select_account"
    assert "login" not in asked


def test_a_link_without_an_account_lets_the_provider_choose(member):
    asked = query(member.get("/login/github/")["Location"])
    assert not asked.keys() & {"prompt", "login"}


def test_an_account_is_chosen_in_addition_to_the_configured_prompt(member, user, settings):
    settings.DANCE_PROVIDERS = {
        "google": {**settings.DANCE_PROVIDERS["google"], "REPROMPT_CONSENT": True}
    }
    session = providers["google"].session(user=user, account="17")
    asked = query(member.get(session.login_url)["Location"])
    assert asked["prompt"] == "consent select_account"
    assert asked["login_hint"] == "17"
    asked = query(member.get(session.get_login_url(prompt="login", login_hint="a@b"))["Location"])
    assert (asked["prompt"], asked["login_hint"]) == ("login", "a@b")


@pytest.mark.parametrize("address", ["/account/1/?scope=repo", "/accounts/"])
def test_a_visitor_who_returns_with_another_account_gets_a_page_and_no_redirect(
    member, user, connect, come_back_as, address
):
    connect(member, 1, access_token="first", refresh_token=None)
    connect(member, 2, access_token="second")
    row = user.oauth_tokens.get(account="1")
    row.token = {**row.token.fields_to_store, "expires_at": 1}
    row.save()
    link = member.get(address)["Location"]
    response = come_back_as(member, link, 2)
    assert response.status_code == 200
    assert tokens_of(user) == {"1": "first", "2": "of-2"}
    text = html.unescape(response.content.decode())
    assert "You connected <bdi>login-2</bdi>; <bdi>login-1</bdi> is still needed" in text
    again = re.search(r'<a href="(/login/github/[^"]+)">Connect login-1</a>', text)[1]
    assert query(again)["next"] == address


def test_a_visitor_who_returns_with_the_account_goes_on(member, user, connect, come_back_as):
    connect(member, 1, access_token="first")
    link = member.get("/account/1/?scope=repo")["Location"]
    response = come_back_as(member, link, 1)
    assert (response.status_code, response["Location"]) == (302, "/account/1/?scope=repo")
    assert tokens_of(user) == {"1": "of-1"}


def test_a_dance_for_one_account_does_not_loop_if_the_provider_names_no_account(
    member, settings, come_back_as
):
    github = {**settings.DANCE_PROVIDERS["github"], "ACCOUNT_ID": ""}
    settings.DANCE_PROVIDERS = {"github": github}
    response = come_back_as(member, member.get("/account/1/")["Location"], 1)
    assert response.status_code == 200
    assert b"<bdi>1</bdi> is still needed" in response.content


@pytest.mark.one_database("The token is in the session")
def test_a_dance_for_one_account_does_not_loop_if_the_storage_has_no_accounts(
    member, settings, come_back_as
):
    settings.DANCE_STORAGE = {"BACKEND": "django_dance.storage.SessionStorage"}
    response = come_back_as(member, member.get("/account/1/")["Location"], 2)
    assert response.status_code == 200
    assert b"<bdi>1</bdi> is still needed" in response.content
