"""The page of connections: what it shows, and what its forms and links do."""

import html
import re
from datetime import datetime

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, RequestContext, Template
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from django_dance.connections.sign_in import LOGIN_TIME
from django_dance.models import OAuthToken
from django_dance.pages import PER_PAGE
from django_dance.providers import providers
from django_dance.tokens import ResourceOwner

from .conftest import GRANTED, Browser, query, store_token, token_fields

pytestmark = pytest.mark.one_database(
    "The pages show rows as tests/storage/test_connections.py reads them, on each database"
)

LIST = "/login/connections/"
GITHUB = {"PROVIDER": "django_dance.contrib.github.GitHub", "SCOPE": "read:user"}


@pytest.fixture
def connect(user):
    """Connects an account of the user; returns the row."""

    def connect(account="42", label="octocat", user=user, **columns):
        owner = store_token(user, f"planted-{account}", account, connected_as=label)
        row = user.oauth_tokens.get(provider=owner.provider.name, account=account)
        OAuthToken.objects.filter(pk=row.pk).update(**columns)
        row.refresh_from_db()
        return row

    return connect


@pytest.fixture
def lose(connect):
    """Connects an account whose grant has ended since."""

    def lose(account="42", label="octocat", reason="revoked", **columns):
        columns = {"state": "needs_reconnect", "reason": reason, "token": "", **columns}
        return connect(account, label, state_changed_at=timezone.now(), **columns)

    return lose


def text_of(response):
    assert response.status_code == 200, response.content
    body = re.sub(r"<head>.*?</head>", "", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def links(response):
    """Label or text → address, of each link of the page."""
    found = {}
    for attributes, text in re.findall(r"<a ([^>]+)>(.*?)</a>", response.content.decode()):
        name = re.search(r'aria-label="([^"]+)"', attributes)
        href = re.search(r'href="([^"]+)"', attributes)[1]
        found[html.unescape(name[1] if name else text)] = html.unescape(href)
    return found


def address(row, view):
    return reverse(f"django_dance_connections:{view}", args=(row.provider, row.pk))


# --- the list -------------------------------------------------------------------------------------


def test_the_page_shows_account_scopes_date_and_state(member, connect):
    connect(connected_at=datetime(2026, 3, 4, 12, tzinfo=timezone.get_current_timezone()))
    text = text_of(member.get(LIST))
    assert "GitHub octocat Connected" in text
    assert "Permissions Read your profile" in text
    assert "Connected on March 4, 2026" in text
    assert "Default account" not in text


def test_the_page_has_nothing_that_a_strict_policy_forbids(member, connect, lose):
    connect("1")
    connect("2")
    lose("3")
    page = member.get(LIST).content.decode()
    assert not re.search(r"<style|<script|\sstyle=|\son\w+=|javascript:", page)


def test_a_scope_without_words_is_shown_as_it_is(member, connect):
    connect(scope="repo some:scope")
    text = text_of(member.get(LIST))
    assert "Read and change your repositories, the private ones too some:scope" in text


def test_the_site_gives_words_for_scopes(member, connect, settings):
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "SCOPE_WORDS": {"repo": "See your code"}}}
    connect(scope="read:user repo")
    assert "Permissions Read your profile See your code" in text_of(member.get(LIST))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("revoked", "GitHub says that the permission was withdrawn."),
        ("expired", "The permission has expired."),
        ("refused", "GitHub does not renew the permission."),
        ("scopes", "GitHub did not grant all the permissions that this site needs."),
        ("unreadable", "This site cannot read the stored permission any more."),
        ("rejected", "GitHub does not accept the permission any more."),
        ("", "This site cannot act for you at GitHub any more."),
        ("later-release", "This site cannot act for you at GitHub any more."),
    ],
)
def test_a_lost_connection_is_shown_with_its_reason(member, lose, reason, words):
    lose(reason=reason)
    response = member.get(LIST)
    assert f"octocat Must be connected again. {words}" in text_of(response)
    assert "Lost on" in text_of(response)
    assert "Reconnect octocat at GitHub" in links(response)


def test_an_account_that_is_not_known_has_the_name_of_the_provider(member, connect):
    connect(account="", label="")
    assert "GitHub GitHub Connected" in text_of(member.get(LIST))


def test_two_accounts_of_one_name_are_told_apart_by_their_ids(member, connect):
    for account in ("1", "2"):
        connect(account, "Ada Lovelace")
    connect("3", "Grace Hopper")
    response = member.get(LIST)
    for name in ("Ada Lovelace (1)", "Ada Lovelace (2)", "Grace Hopper"):
        assert f"<bdi>{name}</bdi>" in response.content.decode()
        assert f"Disconnect {name} at GitHub" in links(response)


def test_without_connections_the_page_offers_to_connect(member):
    response = member.get(LIST)
    assert "This site is not connected to any of your accounts." in text_of(response)
    link = links(response)["Connect to GitHub"]
    assert (link.partition("?")[0], query(link)) == ("/login/github/", {"next": LIST})


def test_a_provider_without_credentials_is_not_offered(member, settings):
    del settings.GITHUB_OAUTH_CLIENT_ID
    assert "Connect to GitHub" not in links(member.get(LIST))
    assert "Connect to GitLab" in links(member.get(LIST))


def test_a_broken_provider_does_not_hide_the_others(member, connect, settings):
    connect()
    settings.DANCE_PROVIDERS = {"broken": {"PROVIDER": "no.such.Provider"}, "github": GITHUB}
    assert "GitHub octocat Connected" in text_of(member.get(LIST))


def test_the_settings_hide_a_provider(member, connect, settings):
    row = connect()
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "LISTED": False}}
    assert "octocat" not in text_of(member.get(LIST))
    assert member.get(address(row, "disconnect")).status_code == 404
    assert member.post(address(row, "api_disconnect")).status_code == 404


@pytest.mark.parametrize("number", [0, 1, 5])
def test_the_page_costs_one_query_however_many_providers_there_are(
    member, connect, settings, django_assert_num_queries, number
):
    names = ["github", *(f"more{n}" for n in range(number))]
    settings.DANCE_PROVIDERS = dict.fromkeys(names, GITHUB)
    for name in names[1:]:
        for setting in ("ID", "SECRET"):
            setattr(settings, f"{name.upper()}_OAUTH_CLIENT_{setting}", "planted")
    for account in ("1", "2", "3"):
        connect(account)
    with django_assert_num_queries(3):  # the session, the user, and ours
        page = member.get(LIST).content.decode()
    assert page.count('<li class="dance-card') == 3
    assert page.count("/login/more") == number


def test_many_connections_are_paged(member, connect):
    for number in range(PER_PAGE + 3):
        connect(f"{number + 100}", f"account-{number:03}")
    first = member.get(LIST)
    assert "Page 1 of 2 Next page" in text_of(first)
    second = member.get(LIST + links(first)["Next page"])
    assert "Previous page Page 2 of 2" in text_of(second)
    shown = [re.findall(r"<bdi>([^<]+)", page.content.decode()) for page in (first, second)]
    assert [*map(len, shown)] == [PER_PAGE, 3]
    assert len({*shown[0], *shown[1]}) == PER_PAGE + 3
    assert links(second)["Disconnect account-000 at GitHub"].endswith(
        "next=%2Flogin%2Fconnections%2F%3Fpage%3D2"
    )
    assert "Page 2 of 2" in text_of(member.get(LIST, {"page": "99"}))


# --- connect and reconnect ------------------------------------------------------------------------


def test_reconnect_begins_a_dance_for_that_account(member, lose, dance):
    lose("42", "octocat")
    begun = member.get(links(member.get(LIST))["Reconnect octocat at GitHub"])
    assert begun.status_code == 302
    assert query(begun["Location"])["login"] == "octocat"


def test_another_account_is_connected_by_a_dance_in_which_the_user_chooses(member, connect):
    connect()
    begun = member.get(links(member.get(LIST))["Connect another account of GitHub"])
    asked = query(begun["Location"])
    assert asked["prompt"] == "select_account"
    assert "login" not in asked


def test_a_provider_without_account_facts_has_one_connection(member, connect, settings):
    connect(account="", label="")
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "ACCOUNT_ID": ""}}
    assert "Connect another account of GitHub" not in links(member.get(LIST))


# --- the default account --------------------------------------------------------------------------


def test_the_user_makes_an_account_the_default_one(member, connect):
    first, second = connect("1", "private"), connect("2", "work")
    page = member.get(LIST)
    assert "work Default account Connected" in text_of(page)
    assert 'aria-label="Make default: private at GitHub"' in page.content.decode()
    response = member.post(address(first, "default"), follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    assert "private is your default account at GitHub now." in text_of(response)
    assert "private Default account Connected" in text_of(response)
    first.refresh_from_db()
    assert first.connected_at < second.connected_at


def test_a_lost_account_is_not_offered_as_the_default_one(member, connect, lose):
    lose("1", "private")
    connect("2", "work")
    assert "Make default" not in text_of(member.get(LIST))


# --- disconnect -----------------------------------------------------------------------------------


def test_disconnect_asks_first(member, connect, revoked_tokens):
    row = connect()
    response = member.get(links(member.get(LIST))["Disconnect octocat at GitHub"])
    assert "Disconnect octocat at GitHub?" in text_of(response)
    assert links(response)["Cancel"] == LIST
    assert OAuthToken.objects.filter(pk=row.pk).exists()
    assert revoked_tokens == []


def test_disconnect_ends_one_connection(member, user, connect, revoked_tokens):
    first = connect("1", "private")
    connect("2", "work")
    response = member.post(address(first, "disconnect"), follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    assert "private at GitHub is disconnected." in text_of(response)
    assert [row.account for row in user.oauth_tokens.all()] == ["2"]
    assert revoked_tokens == ["planted-1"]


NOT_REVOKED = "GitHub did not confirm that the permission has ended."


def test_a_revocation_that_fails_is_told(member, connect, responses):
    responses.delete("https://api.github.com/applications/github-client/token", status=503)
    response = member.post(address(connect(), "disconnect"), follow=True)
    assert NOT_REVOKED in text_of(response) and "is disconnected." in text_of(response)
    assert not OAuthToken.objects.exists()


def test_a_lost_connection_is_deleted_without_a_call(member, user, lose, connect, responses):
    connect("2", "work")
    row = lose("1", "private")
    assert member.post(address(row, "disconnect")).status_code == 302
    assert [row.account for row in user.oauth_tokens.all()] == ["2"]
    assert len(responses.calls) == 0


def test_a_connection_is_disconnected_once(member, connect, revoked_tokens):
    row = connect()
    assert member.post(address(row, "disconnect")).status_code == 302
    assert member.post(address(row, "disconnect")).status_code == 404


# --- sign-in --------------------------------------------------------------------------------------


@pytest.fixture
def sign_in(settings):
    """Users may sign in with their accounts at GitHub."""
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "SIGN_IN": True}}
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        "django_dance.backends.ConnectedAccountBackend",
    ]


def test_the_user_allows_and_ends_sign_in_with_an_account(sign_in, member, connect):
    row = connect()
    page = member.get(LIST)
    assert 'aria-label="Use for sign-in: octocat at GitHub"' in page.content.decode()
    page = member.post(address(row, "sign_in"), follow=True)
    assert "You can sign in with octocat at GitHub now." in text_of(page)
    assert "Connected · You can sign in with this account." in text_of(page)
    assert 'aria-label="Do not use for sign-in: octocat at GitHub"' in page.content.decode()
    row.refresh_from_db()
    assert row.may_sign_in
    page = member.post(address(row, "sign_in"), {"allowed": "0"}, follow=True)
    assert "You cannot sign in with octocat at GitHub any more." in text_of(page)
    row.refresh_from_db()
    assert not row.may_sign_in


def test_sign_in_is_allowed_only_a_short_time_after_a_login(sign_in, client, user, connect):
    row = connect()
    client.force_login(user)
    session = client.session
    del session[LOGIN_TIME]
    session.save()
    response = client.post(address(row, "sign_in"))
    assert response.status_code == 403
    body = response.content.decode()
    assert "Log in again" in body
    assert f'href="/accounts/login/?next={LIST.replace("/", "%2F")}"' in body
    refused = client.post(address(row, "api_sign_in"))
    assert (refused.status_code, refused.json()) == (403, {"error": "login_too_old"})
    row.refresh_from_db()
    assert not row.may_sign_in


def test_sign_in_can_be_ended_at_any_time(sign_in, client, user, connect):
    row = connect(may_sign_in=True)
    client.force_login(user)
    session = client.session
    del session[LOGIN_TIME]
    session.save()
    assert client.post(address(row, "api_sign_in"), {"allowed": "0"}).status_code == 204
    row.refresh_from_db()
    assert not row.may_sign_in


def test_a_user_without_a_password_is_warned_before_the_last_way_in_is_gone(
    sign_in, member, user, connect
):
    words = "You have no password at this site"
    row = connect(account="1")
    OAuthToken.objects.update(may_sign_in=True)
    path = f"/login/connections/disconnect/github/{row.pk}/"
    assert words not in member.get(path).content.decode()
    user.set_unusable_password()
    user.save()
    member.force_login(user)
    assert words in member.get(path).content.decode()
    mistake = {"broken": {"PROVIDER": "no.such.Provider"}}
    with override_settings(DANCE_PROVIDERS={**settings.DANCE_PROVIDERS, **mistake}):
        assert words in member.get(path).content.decode()
    connect(account="2")
    OAuthToken.objects.update(may_sign_in=True)
    assert words not in member.get(path).content.decode()


def test_an_account_of_a_provider_without_sign_in_is_no_way_in(sign_in, member, user, connect):
    row = connect(account="1")
    OAuthToken(user=user, provider="gitlab", account="2", token=token_fields()).save()
    OAuthToken.objects.update(may_sign_in=True)
    user.set_unusable_password()
    user.save()
    member.force_login(user)
    page = member.get(f"/login/connections/disconnect/github/{row.pk}/").content.decode()
    assert "You have no password at this site" in page


def test_sign_in_is_not_offered_without_the_option(member, connect):
    row = connect()
    assert "sign-in" not in text_of(member.get(LIST))
    assert member.post(address(row, "sign_in")).status_code == 403
    refused = member.post(address(row, "api_sign_in"))
    assert (refused.status_code, refused.json()) == (403, {"error": "sign_in_impossible"})


def test_sign_in_is_not_offered_for_a_lost_account(sign_in, member, lose):
    row = lose()
    assert "sign-in" not in text_of(member.get(LIST))
    assert member.post(address(row, "sign_in")).status_code == 403


# --- storages without rows ------------------------------------------------------------------------


def test_a_token_without_a_row_is_shown_and_disconnected(member, settings, dance, revoked_tokens):
    storage = "django_dance.storage.SessionStorage"
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "STORAGE": storage, "ACCOUNT_ID": ""}}
    assert dance(member).callback().status_code == 302
    page = member.get(LIST)
    assert "GitHub GitHub Connected" in text_of(page)
    member.post(links(page)["Disconnect GitHub at GitHub"])
    assert revoked_tokens == ["planted-access-token"]
    assert "GitHub GitHub Connected" not in text_of(member.get(LIST))


def team_of(owner):
    """The user who owns the connections of the team."""
    return get_user_model().objects.get(username="team")


@pytest.mark.parametrize(("listed", "is_shown"), [(None, False), (True, True), (False, False)])
@pytest.mark.parametrize("shared_with", ["site", "team"])
def test_connections_that_are_not_the_users_are_listed_if_the_settings_say_so(
    member, make_user, settings, connect, listed, is_shown, shared_with
):
    options = {"user": team_of} if shared_with == "team" else {"model": "tests.SiteToken"}
    storage = {"BACKEND": "django_dance.storage.ModelStorage", "OPTIONS": options}
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "STORAGE": storage, "LISTED": listed}}
    team = make_user("team")
    connect("42", "the-team", user=team)
    owner = ResourceOwner(providers["github"], user=team)
    if shared_with == "site":
        providers["github"].token_storage.set(owner, {**GRANTED, "connected_as": "the-site"})
    response = member.get(LIST)
    assert (f"the-{shared_with}" in text_of(response)) == is_shown
    assert ("Connect to GitHub" in links(response)) is False


# --- security -------------------------------------------------------------------------------------

PAGES = ["list", "api_list"]
VIEWS_OF_A_ROW = {
    "disconnect": ("get", "post"),
    "default": ("post",),
    "api_disconnect": ("post",),
    "api_default": ("post",),
    "sign_in": ("post",),
    "api_sign_in": ("post",),
}
FORMS = [name for name, methods in VIEWS_OF_A_ROW.items() if "post" in methods]
ROWS_AND_METHODS = [
    (name, method) for name, methods in VIEWS_OF_A_ROW.items() for method in methods
]


def rows():
    return list(OAuthToken.objects.order_by("pk").values())


@pytest.mark.parametrize(("view", "method"), ROWS_AND_METHODS)
def test_the_row_of_another_user_is_404(member, connect, make_user, view, method):
    connect("1", "mine")
    row = connect("2", "theirs", user=make_user("grace"))
    before = rows()
    response = getattr(member, method)(address(row, view))
    assert response.status_code == 404
    assert "theirs" not in response.content.decode()
    assert rows() == before


@pytest.mark.parametrize(("view", "method"), ROWS_AND_METHODS)
@pytest.mark.parametrize(
    ("provider", "key"), [("github", "0"), ("github", "-"), ("gitlab", None), ("nothing", None)]
)
def test_a_connection_that_does_not_exist_is_404(member, connect, view, method, provider, key):
    row = connect()
    before = rows()
    url = reverse(f"django_dance_connections:{view}", args=(provider, key or row.pk))
    assert getattr(member, method)(url).status_code == 404
    assert rows() == before


def test_the_page_lists_no_row_of_another_user(member, connect, make_user):
    connect("2", "theirs", user=make_user("grace"))
    for view in PAGES:
        page = member.get(reverse(f"django_dance_connections:{view}")).content.decode()
        assert "theirs" not in page


@pytest.mark.parametrize("view", FORMS)
def test_a_form_needs_a_csrf_token(user, connect, view):
    row = connect()
    connect("1", "newer")
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    before = rows()
    assert browser.post(address(row, view)).status_code == 403
    assert rows() == before


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "patch", "delete"])
@pytest.mark.parametrize("view", VIEWS_OF_A_ROW)
def test_no_other_method_changes_anything(member, connect, revoked_tokens, view, method):
    row = connect()
    connect("1", "newer")
    before = rows()
    response = getattr(member, method)(address(row, view))
    assert response.status_code in (200, 302, 405)
    assert rows() == before
    assert revoked_tokens == []


@pytest.mark.parametrize("view", ["default", "sign_in"])
def test_a_get_of_a_form_leads_to_the_list(member, connect, view):
    """The login of the site returns to the address of the form."""
    assert member.get(address(connect(), view))["Location"] == LIST


UNSAFE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "javascript:alert(1)",
    "http:evil.example",
    "/x\r\nLocation: https://evil.example/",
]


@pytest.mark.parametrize("target", UNSAFE)
def test_a_form_returns_to_this_site_only(member, connect, revoked_tokens, target):
    row = connect()
    connect("1", "newer")
    assert member.post(address(row, "default"), {"next": target})["Location"] == LIST
    page = member.get(address(row, "disconnect"), {"next": target})
    assert links(page)["Cancel"] == LIST
    assert f'name="next" value="{LIST}"' in page.content.decode()
    assert member.post(address(row, "disconnect"), {"next": target})["Location"] == LIST


def test_a_form_returns_to_the_page_that_it_names(member, connect, revoked_tokens):
    row = connect()
    connect("1", "newer")
    assert (
        member.post(address(row, "default"), {"next": "/plain/?a=1"})["Location"] == "/plain/?a=1"
    )
    assert member.post(f"{address(row, 'disconnect')}?next=/plain/")["Location"] == "/plain/"


@pytest.mark.parametrize("logged_in", [True, False])
@pytest.mark.parametrize(
    ("view", "method"), [*((page, "get") for page in PAGES), *ROWS_AND_METHODS, ("default", "get")]
)
def test_no_cache_stores_an_answer_and_no_site_frames_it(
    client, user, connect, revoked_tokens, view, method, logged_in
):
    row = connect()
    connect("1", "newer")
    if logged_in:
        client.force_login(user)
    url = reverse(f"django_dance_connections:{view}") if view in PAGES else address(row, view)
    response = getattr(client, method)(url)
    assert {"no-store", "private"} <= set(response["Cache-Control"].split(", "))
    assert response["X-Frame-Options"] == "DENY"


LABEL = '<script>alert("planted")</script>'


def test_texts_of_the_provider_are_escaped(member, connect, lose):
    row = connect("1", LABEL, scope="<img/src=x>")
    lose("2", LABEL, reason="<b>x</b>")
    page = member.get(LIST)
    confirmation = member.get(address(row, "disconnect"))
    done = member.post(address(row, "default"), follow=True)
    for response in (page, confirmation, done):
        body = response.content.decode()
        assert "<script" not in body
        assert "<img" not in body
        assert "<b>x" not in body
        assert LABEL in html.unescape(body)


@pytest.mark.parametrize("mark", ["\u202e", "\u2066", "\u200f", "\u200b", "\x1b", "\n"])
def test_a_label_cannot_change_the_direction_of_the_page(member, connect, mark):
    row = connect("1", f"admin{mark}gpj.exe")
    for response in (member.get(LIST), member.get(address(row, "disconnect"))):
        body = response.content.decode()
        assert f"admin{mark}" not in body
        assert "<bdi>admin gpj.exe</bdi>" in body


def test_a_label_of_invisible_characters_is_replaced_by_the_id(member, connect):
    connect("4711", "\u202e\u200b")
    assert "<bdi>4711</bdi>" in member.get(LIST).content.decode()


# --- the login of the site ------------------------------------------------------------------------


LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


@pytest.fixture(params=[False, True], ids=["plain", "LoginRequiredMiddleware"])
def login_middleware(request, settings):
    """The site may require a login for every page."""
    if request.param:
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    return request.param


def test_an_anonymous_visitor_is_sent_to_the_login_of_the_site(client, login_middleware):
    response = client.get(LIST, {"page": "2"})
    assert response["Location"] == ("/accounts/login/?next=/login/connections/%3Fpage%3D2")


@pytest.mark.parametrize("view", ["disconnect", "default", "sign_in"])
def test_a_form_of_an_anonymous_visitor_changes_nothing(client, connect, login_middleware, view):
    row = connect()
    before = rows()
    response = client.post(address(row, view))
    assert (response.status_code, response["Location"][:17]) == (302, "/accounts/login/?")
    assert rows() == before


@pytest.mark.parametrize(
    "view", ["api_list", "api_disconnect", "api_default", "api_login", "api_sign_in"]
)
def test_the_api_answers_an_anonymous_visitor_with_401(client, connect, login_middleware, view):
    row = connect()
    arguments = {"api_list": (), "api_login": ("github",)}.get(view, ("github", row.pk))
    method = client.get if view in ("api_list", "api_login") else client.post
    response = method(reverse(f"django_dance_connections:{view}", args=arguments))
    assert response.status_code == 401
    assert response.json() == {"error": "login_required"}
    assert "WWW-Authenticate" in response
    assert OAuthToken.objects.count() == 1


def test_a_member_uses_the_page_under_the_middleware(member, connect, login_middleware):
    connect()
    assert "octocat" in text_of(member.get(LIST))


# --- the JSON API ---------------------------------------------------------------------------------


def test_the_api_lists_the_same(member, connect, lose):
    first, second = connect("1", "private", scope="read:user x"), lose("2", "work", "revoked")
    answer = member.get("/login/connections/api/").json()
    assert (answer["page"], answer["pages"], answer["count"]) == (1, 1, 2)
    lost, active = answer["connections"]
    assert active == {
        "provider": "github",
        "provider_label": "GitHub",
        "place": "",
        "id": str(first.pk),
        "account": "1",
        "label": "private",
        "scopes": [
            {"name": "read:user", "words": "Read your profile"},
            {"name": "x", "words": "x"},
        ],
        "connected_at": first.connected_at.isoformat(timespec="milliseconds")[:23] + "Z",
        "state": "active",
        "reason": "",
        "reason_words": "",
        "changed_at": None,
        "is_default": False,
        "may_sign_in": False,
        "login_url": active["login_url"],
    }
    assert (lost["id"], lost["state"], lost["reason"]) == (
        str(second.pk),
        "needs_reconnect",
        "revoked",
    )
    assert lost["reason_words"] == "GitHub says that the permission was withdrawn."
    named = {each["name"]: each for each in answer["providers"]}
    assert [*named] == ["github", "gitlab", "google", "jira", "tripit"]
    assert named["github"]["label"] == "GitHub"
    assert named["gitlab"]["connect_url"].startswith("/login/gitlab/?next=")


def test_the_api_pages_many_connections(member, connect):
    for number in range(PER_PAGE + 1):
        connect(f"{number + 100}")
    answer = member.get("/login/connections/api/", {"page": "2"}).json()
    assert (answer["page"], answer["pages"], answer["count"]) == (2, 2, PER_PAGE + 1)
    assert len(answer["connections"]) == 1


def test_the_api_sets_the_cookie_for_csrf(user):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    row_url = reverse("django_dance_connections:api_disconnect", args=("github", "0"))
    assert browser.get("/login/connections/api/").status_code == 200
    token = browser.cookies["csrftoken"].value
    headers = {"X-CSRFToken": token, "Referer": "https://testserver/"}
    assert browser.post(row_url, headers=headers).status_code == 404
    assert browser.post(row_url, headers=headers).json() == {"error": "not_found"}
    assert browser.post(row_url).status_code == 403


def test_the_api_tells_that_a_revocation_has_failed(member, connect, responses):
    responses.delete("https://api.github.com/applications/github-client/token", status=503)
    response = member.post(address(connect(), "api_disconnect"))
    assert (response.status_code, response.json()) == (200, {"revoked": False})
    assert not OAuthToken.objects.exists()


def test_the_api_disconnects(member, connect, revoked_tokens):
    response = member.post(address(connect(), "api_disconnect"))
    assert (response.status_code, response.content) == (204, b"")
    assert not OAuthToken.objects.exists()
    assert revoked_tokens == ["planted-42"]


def test_the_api_makes_an_account_the_default_one(member, user, connect):
    row = connect("1")
    connect("2")
    assert member.post(address(row, "api_default")).status_code == 204
    assert providers["github"].session(user=user).account_id == "1"


def test_the_api_returns_a_login_link(member, connect):
    row = connect("42", "octocat")
    url = "/login/connections/api/login/github/"
    begun = member.get(member.get(url, {"scope": "repo", "next": "/plain/"}).json()["login_url"])
    assert query(begun["Location"])["scope"] == "read:user repo"
    link = member.get(url, {"connection": str(row.pk)}).json()["login_url"]
    assert query(member.get(link)["Location"])["login"] == "octocat"
    assert query(link)["next"] == LIST


def test_the_api_refuses_a_place_of_a_provider_without_places(member):
    response = member.get("/login/connections/api/login/github/", {"place": "one.example"})
    assert (response.status_code, response.json()) == (400, {"error": "place_refused"})


@pytest.mark.parametrize("target", UNSAFE)
def test_a_login_link_returns_to_this_site_only(member, target):
    link = member.get("/login/connections/api/login/github/", {"next": target}).json()["login_url"]
    assert query(link)["next"] == LIST


@pytest.mark.parametrize("provider", ["nothing", "hidden", "github"])
def test_the_api_has_login_links_of_listed_providers_and_own_connections(
    member, connect, make_user, settings, provider
):
    settings.DANCE_PROVIDERS = {"github": GITHUB, "hidden": {**GITHUB, "LISTED": False}}
    theirs = connect("2", "theirs", user=make_user("grace"))
    asked = {"connection": str(theirs.pk)} if provider == "github" else {}
    response = member.get(f"/login/connections/api/login/{provider}/", asked)
    assert (response.status_code, response.json()) == (404, {"error": "not_found"})


# --- names ----------------------------------------------------------------------------------------


def test_a_provider_cannot_have_the_name_of_the_page(settings):
    settings.DANCE_PROVIDERS = {"connections": GITHUB}
    (problem,) = providers["connections"].problems()
    assert problem.id == "django_dance.E001"
    assert "request.oauth.connections" in str(problem)


def test_a_provider_cannot_have_the_address_of_the_page(settings):
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "LOGIN_URL": "/connections/"}}
    (problem,) = providers["github"].problems()
    assert problem.id == "django_dance.E004"
    assert "The page of connections has this address." in str(problem)


def test_a_wrong_value_of_listed_is_reported(settings):
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "LISTED": "no"}}
    (problem,) = providers["github"].problems()
    assert (problem.id, "LISTED is 'no'" in str(problem)) == ("django_dance.E004", True)


# --- other pages ----------------------------------------------------------------------------------


def test_the_wrong_account_leads_to_the_list_and_not_in_circles(member, lose, dance, api):
    """Connected as another account than the one that must be connected again."""
    lose("42", "octocat")
    link = links(member.get(LIST))["Reconnect octocat at GitHub"]
    begun = dance(member, "github", **query(link))
    response = begun.callback()
    text = text_of(response)
    assert "You connected" in text
    assert "octocat" in text
    assert links(response)["Your connections"] == LIST
    page = member.get(LIST)
    assert "octocat Default account Must be connected again." in text_of(page)
    assert "Make default: 1 at GitHub" in page.content.decode()


# --- the tags -------------------------------------------------------------------------------------


def render(source, request):
    return Template("{% load dance %}" + source).render(RequestContext(request, {}))


def test_the_tag_for_a_login_link(make_request, user):
    link = render('{% oauth_login_url "github" next="/plain/?a=1&b=2" %}', make_request(user))
    assert html.unescape(link) == "/login/github/?next=%2Fplain%2F%3Fa%3D1%26b%3D2"
    assert "&b" not in link


def test_the_tag_for_a_login_link_has_the_arguments_of_the_method(member, make_request, user):
    tag = '{% oauth_login_url "github" scope="repo gist" account="7" login_hint="ada" %}'
    begun = member.get(html.unescape(render(tag, make_request(user))))
    asked = query(begun["Location"])
    assert asked["scope"] == "read:user repo gist"
    assert asked["login_hint"] == "ada"
    assert asked["prompt"] == "select_account"


def test_the_tag_for_the_connections_shows_the_list(make_request, user, connect, lose):
    row = connect("1", "private")
    lose("2", "work")
    shown = render("{% oauth_connections %}", make_request(user))
    assert "private" in shown
    assert "Must be connected again." in shown
    assert f"{address(row, 'disconnect')}?next=%2F" in shown
    assert render('{% oauth_connections "gitlab" %}', make_request(user)).strip() == ""
    assert "private" in render('{% oauth_connections "github" %}', make_request(user))


def test_the_tag_shows_nothing_to_an_anonymous_visitor(make_request, connect):
    connect()
    assert render("{% oauth_connections %}", make_request()).strip() == ""


@pytest.mark.parametrize("tag", ['{% oauth_login_url "github" %}', "{% oauth_connections %}"])
def test_a_tag_without_a_request_names_the_cure(tag):
    with pytest.raises(ImproperlyConfigured, match=r"context_processors\.request"):
        Template("{% load dance %}" + tag).render(Context())


@pytest.mark.parametrize("name", ["connections", "connection_list", "disconnect"])
def test_a_site_overrides_a_template(member, connect, settings, tmp_path, name):
    row = connect()
    (tmp_path / "django_dance").mkdir()
    (tmp_path / "django_dance" / f"{name}.html").write_text("the template of the site")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    url = address(row, "disconnect") if name == "disconnect" else LIST
    assert "the template of the site" in text_of(member.get(url))


def test_the_pages_work_without_messages(member, connect, settings, revoked_tokens):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "messages" not in name]
    row = connect()
    response = member.post(address(row, "disconnect"), follow=True)
    assert "This site is not connected to any of your accounts." in text_of(response)
