"""Visitors sign in with an account that they have connected."""

import json
import time
from contextlib import suppress

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model, login
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpResponse

from django_dance import signals
from django_dance.connections import ProvenAccount
from django_dance.connections.sign_in import LOGIN_TIME, refuse_staff
from django_dance.contrib.github import GitHub
from django_dance.exceptions import FlowError
from django_dance.models import OAuthToken
from django_dance.providers import OAuth1Provider, providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner

from .conftest import API, GRANTED, TOKEN_URL, Browser, Dance, make_session, store_token

pytestmark = pytest.mark.django_db

BACKEND = "django_dance.backends.ConnectedAccountBackend"
ACCOUNT = "583231"


@pytest.fixture(autouse=True)
def _sign_in(settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", BACKEND]
    github = {**settings.DANCE_PROVIDERS["github"], "SIGN_IN": True}
    settings.DANCE_PROVIDERS = {**settings.DANCE_PROVIDERS, "github": github}


@pytest.fixture
def dance_as(responses):
    """Dances in a browser as an account at GitHub, and returns the callback's response."""

    def dance_as(browser, account=ACCOUNT, meanwhile=lambda: None, **fields):
        def answer(request):
            meanwhile()
            return 200, {}, json.dumps({"id": account and int(account), "login": "octocat"})

        responses.upsert("POST", TOKEN_URL, json={**GRANTED, **fields})
        responses.remove("GET", API)
        responses.add_callback("GET", API, answer)
        return Dance(browser).callback()

    return dance_as


@pytest.fixture
def connected(member, user, dance_as):
    """A user who has connected GitHub, and may sign in with it."""
    assert dance_as(member).status_code == 302
    assert OAuthToken.objects.get().may_sign_in
    return user


@pytest.fixture
def visitor():
    return Browser()


@pytest.fixture
def allowed():
    heard = []

    def receiver(**arguments):
        heard.append(arguments)

    signals.sign_in_allowed.connect(receiver)
    yield heard
    signals.sign_in_allowed.disconnect(receiver)


def user_in(browser):
    pk = browser.session.get(SESSION_KEY)
    return None if pk is None else get_user_model().objects.get(pk=pk)


def refusal(response):
    assert response.status_code in (400, 403)
    return response.context["code"]


def make_session_older(browser, seconds=601):
    session = browser.session
    session[LOGIN_TIME] = int(time.time()) - seconds
    session.save()


def allow(user, account=ACCOUNT, issuer="github.com"):
    return OAuthToken.objects.filter(user=user, account=account).update(
        may_sign_in=True, issuer=issuer
    )


# --- signing in -----------------------------------------------------------------------------------


def test_a_user_with_a_password_signs_in_with_github_and_is_the_same_user(
    connected, visitor, dance_as
):
    assert dance_as(visitor, access_token="of-the-sign-in")["Location"] == "/"
    assert user_in(visitor) == connected
    assert get_user_model().objects.get() == connected
    row = OAuthToken.objects.get()
    assert row.user == connected
    assert row.token["access_token"] == "of-the-sign-in"
    assert row.may_sign_in


def test_a_connection_that_needs_reconnecting_is_used_and_is_repaired(connected, visitor, dance_as):
    OAuthToken.objects.update(state="needs_reconnect", reason="revoked", token="")
    dance_as(visitor)
    assert user_in(visitor) == connected
    assert OAuthToken.objects.get().state == "active"


def test_a_sign_in_keeps_the_default_account(connected, member, visitor, dance_as):
    dance_as(member, account="2")  # the newest one is the default account
    assert [each.account_id for each in make_session(connected).accounts] == ["2", ACCOUNT]
    dance_as(visitor, access_token="of-the-sign-in")
    assert user_in(visitor) == connected
    assert [each.account_id for each in make_session(connected).accounts] == ["2", ACCOUNT]
    signed_in = make_session(connected).account(ACCOUNT)
    assert signed_in.token["access_token"] == "of-the-sign-in"


def test_the_session_key_and_the_csrf_token_change(connected, visitor, dance_as):
    session = visitor.session
    session["planted"] = 1
    session.save()
    before = session.session_key
    visitor.get("/login/github/", {"confirm": 1})
    csrf = visitor.cookies["csrftoken"].value
    dance_as(visitor)
    assert user_in(visitor) == connected
    assert visitor.session.session_key != before
    assert not type(session)(before).exists(before)
    assert visitor.cookies["csrftoken"].value != csrf


def test_djangos_signal_is_sent_with_the_backend(connected, visitor, dance_as):
    heard = []

    def receiver(user, **kwargs):
        heard.append((user, user.backend))

    user_logged_in.connect(receiver)
    try:
        dance_as(visitor)
    finally:
        user_logged_in.disconnect(receiver)
    assert heard == [(connected, BACKEND)]


def test_without_sign_in_the_dance_of_a_visitor_logs_no_user_in(
    connected, visitor, dance_as, settings
):
    github = {**settings.DANCE_PROVIDERS["github"], "SIGN_IN": False}
    settings.DANCE_PROVIDERS = {**settings.DANCE_PROVIDERS, "github": github}
    assert dance_as(visitor).status_code == 302
    assert user_in(visitor) is None


# --- the provider ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("github", {"ACCOUNT_ID": "login"}, "an account id that never changes"),
        ("spotify", {}, "an account id that never changes"),
        ("google", {}, "SCOPE does not name openid"),
        ("discogs", {}, "an account id that never changes"),
        ("azure", {}, "an account id that never changes"),
    ],
)
def test_a_provider_without_a_permanent_account_id_is_refused(settings, name, options, words):
    presets = {
        "github": "github.GitHub",
        "spotify": "spotify.Spotify",
        "google": "google.Google",
        "discogs": "discogs.Discogs",
        "azure": "azure.Azure",
    }
    settings.DANCE_PROVIDERS = {
        name: {"PROVIDER": f"django_dance.contrib.{presets[name]}", "SIGN_IN": True, **options}
    }
    (problem,) = [found for found in providers[name].problems() if found.id.endswith("E026")]
    assert words in str(problem)


def test_oauth_1_is_refused(settings):
    class Museum(OAuth1Provider):
        account_id = "id"
        permanent_account_ids = ("id",)

    (problem,) = [
        found for found in Museum("museum", sign_in=True).problems() if "SIGN_IN" in str(found)
    ]
    assert "OAuth 1" in str(problem)


def test_an_account_in_a_workspace_is_refused():
    kept = GitHub("github", sign_in=True, account_workspace="team.id")
    (problem,) = [found for found in kept.problems() if found.id == "django_dance.E026"]
    assert 'Set ACCOUNT_WORKSPACE to ""' in problem.hint
    free = GitHub("github", sign_in=True, account_workspace="")
    assert "django_dance.E026" not in [found.id for found in free.problems()]


def test_openid_connect_is_accepted_with_an_id_token(settings):
    settings.DANCE_PROVIDERS = {
        "google": {
            "PROVIDER": "django_dance.contrib.google.Google",
            "SCOPE": "openid",
            "SIGN_IN": True,
        }
    }
    assert not providers["google"].problems()


# --- the connection -------------------------------------------------------------------------------


def test_only_a_connection_that_may_sign_in_is_used(member, user, visitor, dance_as, events):
    store_token(user, account=ACCOUNT)
    assert refusal(dance_as(visitor)) == "sign_in_unknown"
    assert user_in(visitor) is None
    assert OAuthToken.objects.get().token["access_token"] == "planted"


def test_tokens_that_code_stores_may_not_sign_in(user):
    store_token(user, account=ACCOUNT)
    assert not OAuthToken.objects.get().may_sign_in


def test_a_dance_without_a_recent_login_connects_and_does_not_allow_sign_in(
    member, user, dance_as, allowed
):
    make_session_older(member)
    assert dance_as(member).status_code == 302
    assert not OAuthToken.objects.get(user=user).may_sign_in
    assert not allowed


def test_a_stolen_session_that_connects_an_account_gets_no_way_to_sign_in(
    member, user, visitor, dance_as
):
    make_session_older(member)
    thief = Browser()
    thief.cookies = member.cookies
    dance_as(thief, account="666")
    assert refusal(dance_as(visitor, account="666")) == "sign_in_unknown"
    assert user_in(visitor) is None


def test_the_login_of_another_user_does_not_make_a_stolen_session_new(
    member, user, make_user, dance_as
):
    make_session_older(member)
    request = member.get("/profile/").wsgi_request
    thief = make_user("mallory")
    # Packages for tokens of an API send this for the user of the token.
    user_logged_in.send(type(thief), request=request, user=thief)
    request.session.save()
    dance_as(member)
    assert not OAuthToken.objects.get(user=user).may_sign_in


def test_a_user_who_is_not_that_of_the_session_has_no_recent_login(user, make_user, make_request):
    store_token(user, account=ACCOUNT)
    request = make_request()
    login(request, make_user("mallory"), backend="django.contrib.auth.backends.ModelBackend")
    request.user = user  # a middleware that reads a token of an API does this
    with pytest.raises(FlowError) as refused:
        request.oauth.github.allow_sign_in()
    assert refused.value.code == "login_too_old"
    assert not OAuthToken.objects.get().may_sign_in


@pytest.mark.parametrize("value", [None, "now", 10**12, True])
def test_a_session_without_a_valid_login_time_counts_as_old(member, dance_as, value):
    session = member.session
    session[LOGIN_TIME] = value
    session.save()
    dance_as(member)
    assert not OAuthToken.objects.get().may_sign_in


def test_a_signal_is_sent_once_when_sign_in_is_allowed(member, user, dance_as, allowed):
    dance_as(member)
    dance_as(member)
    ((arguments),) = allowed
    assert arguments["owner"].user_id == user.pk
    assert arguments["account"] == ACCOUNT
    assert arguments["sender"] is type(providers["github"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("roll_back", [False, True])
def test_the_signal_is_sent_after_the_commit_only(user, make_request, allowed, roll_back):
    store_token(user, account=ACCOUNT)
    session = session_of(user, make_request)
    with suppress(InterruptedError), transaction.atomic():
        assert session.allow_sign_in() is True
        assert not allowed
        if roll_back:
            raise InterruptedError
    assert len(allowed) == int(OAuthToken.objects.get().may_sign_in) == int(not roll_back)


def test_a_receiver_that_fails_does_not_stop_the_dance(member, dance_as, allowed):
    def fail(**kwargs):
        raise ValueError("planted")

    signals.sign_in_allowed.connect(fail)
    try:
        assert dance_as(member).status_code == 302
    finally:
        signals.sign_in_allowed.disconnect(fail)
    assert OAuthToken.objects.get().may_sign_in
    assert len(allowed) == 1


def test_a_receiver_that_logs_a_user_in_does_not_allow_sign_in(client, make_user, dance_as):
    user = make_user()

    def log_in(request, **kwargs):
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")

    signals.oauth_authorized.connect(log_in)
    try:
        assert dance_as(client).status_code == 302
    finally:
        signals.oauth_authorized.disconnect(log_in)
    assert not OAuthToken.objects.get(user=user).may_sign_in


def test_the_tokens_of_a_team_never_sign_in(member, user, make_user, dance_as, settings):
    team = make_user("team")
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"user_id": lambda owner: team.pk},
    }
    dance_as(member)
    assert not OAuthToken.objects.get(user=team).may_sign_in
    with pytest.raises(FlowError, match="cannot be used"):
        request = member.get("/profile/").wsgi_request
        request.user = user
        providers["github"].session(request).allow_sign_in()


def test_an_unknown_account_never_signs_in(user, make_request):
    store_token(user)
    OAuthToken.objects.update(may_sign_in=True, issuer="github.com")
    assert ProvenAccount(providers["github"], "", "github.com").user_id is None


def test_an_account_that_github_does_not_name_logs_no_user_in(connected, visitor, dance_as):
    assert refusal(dance_as(visitor, account=None)) == "account_unknown"
    assert user_in(visitor) is None


def test_two_users_of_one_account_are_not_signed_in(
    connected, make_user, visitor, dance_as, settings
):
    settings.DANCE_ACCOUNT_CONFLICT = "share"
    other = make_user("grace")
    store_token(other, account=ACCOUNT)
    allow(other)
    assert refusal(dance_as(visitor)) == "sign_in_unknown"
    assert user_in(visitor) is None


def test_the_connection_of_another_issuer_is_not_used(connected, visitor, dance_as):
    OAuthToken.objects.update(issuer="github.example.com")
    assert refusal(dance_as(visitor)) == "sign_in_unknown"


def test_an_account_with_an_equal_collation_is_another_account(user, make_user):
    store_token(user, account="Ada")
    allow(user, "Ada")
    assert ProvenAccount(providers["github"], "Ada", "github.com").user_id == user.pk
    assert ProvenAccount(providers["github"], "ada", "github.com").user_id is None
    assert ProvenAccount(providers["github"], "Ada ", "github.com").user_id is None


def test_an_account_that_moves_to_another_user_in_the_middle_signs_neither_in(
    connected, make_user, visitor, dance_as
):
    other = make_user("grace")

    def move():
        OAuthToken.objects.update(user=other, may_sign_in=False)

    assert refusal(dance_as(visitor, meanwhile=move)) == "sign_in_unknown"
    assert user_in(visitor) is None


def test_an_account_that_moves_during_the_check_signs_neither_in(
    connected, make_user, visitor, dance_as, settings
):
    other = make_user("grace")

    def move(request, user):
        OAuthToken.objects.update(user=other)

    settings.DANCE_SIGN_IN_CHECK = move
    assert refusal(dance_as(visitor)) == "account_taken"
    assert user_in(visitor) is None


# --- the e-mail address, and other properties -----------------------------------------------------


def test_an_account_with_the_email_of_a_user_is_not_that_user(connected, visitor, responses):
    connected.email = "ada@example.com"
    connected.save()
    responses.upsert("POST", TOKEN_URL, json=GRANTED)
    responses.get(API, json={"id": 666, "login": connected.username, "email": connected.email})
    assert refusal(Dance(visitor).callback()) == "sign_in_unknown"
    assert user_in(visitor) is None


# --- the user -------------------------------------------------------------------------------------


def test_an_inactive_user_is_refused_with_a_page(connected, visitor, dance_as):
    get_user_model().objects.update(is_active=False)
    assert refusal(dance_as(visitor, access_token="new")) == "user_inactive"
    assert user_in(visitor) is None
    assert OAuthToken.objects.get().token["access_token"] != "new"


@pytest.mark.parametrize("flag", ["is_staff", "is_superuser"])
def test_staff_are_refused_by_default(connected, visitor, dance_as, flag):
    get_user_model().objects.update(**{flag: True})
    response = dance_as(visitor)
    assert refusal(response) == "sign_in_refused"
    assert "password" in response.content.decode()
    assert user_in(visitor) is None


def test_a_user_model_without_the_flags_has_no_staff():
    class Person:
        pk = 1

    assert refuse_staff(None, Person()) is None
    Person.is_superuser = True
    assert refuse_staff(None, Person()) is False


def test_the_check_of_the_site_may_let_staff_in(connected, visitor, dance_as, settings):
    get_user_model().objects.update(is_staff=True)
    settings.DANCE_SIGN_IN_CHECK = lambda request, user: None
    dance_as(visitor)
    assert user_in(visitor) == connected


def test_the_check_of_the_site_may_answer_first(connected, visitor, dance_as, settings):
    asked = []

    def check(request, user):
        asked.append((request.user, user))
        return HttpResponse("second factor")

    settings.DANCE_SIGN_IN_CHECK = check
    response = dance_as(visitor, access_token="new")
    assert response.content == b"second factor"
    assert asked == [(AnonymousUser(), connected)]
    assert user_in(visitor) is None
    assert OAuthToken.objects.get().token["access_token"] != "new"


@pytest.mark.parametrize("answer", [False, True, 0, "no"])
def test_any_other_answer_of_the_check_refuses(connected, visitor, dance_as, settings, answer):
    settings.DANCE_SIGN_IN_CHECK = lambda request, user: answer
    assert refusal(dance_as(visitor)) == "sign_in_refused"
    assert user_in(visitor) is None


class Intruder:
    """A backend of the site that takes every sign-in for another user."""

    def authenticate(self, request, **credentials):
        return get_user_model().objects.get(username="grace")


def test_another_backend_cannot_name_another_user(
    connected, make_user, visitor, dance_as, settings
):
    make_user("grace")
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Intruder", BACKEND]
    assert refusal(dance_as(visitor, access_token="new")) == "sign_in_unknown"
    assert user_in(visitor) is None
    assert OAuthToken.objects.get().token["access_token"] != "new"


# --- the browser ----------------------------------------------------------------------------------


def test_a_browser_with_a_logged_in_user_keeps_that_user(connected, make_user, dance_as):
    other, browser = make_user("grace"), Browser()
    browser.force_login(other)
    assert refusal(dance_as(browser)) == "account_taken"
    assert user_in(browser) == other


def test_the_code_of_another_visitors_flow_signs_no_one_in(connected, visitor, dance_as):
    dance_as(Browser())  # the provider is ready
    attackers = Dance(Browser())
    assert refusal(attackers.callback(client=visitor)) == "flow_unknown"
    assert user_in(visitor) is None


def test_a_login_during_the_dance_ends_it(connected, make_user, visitor, dance_as):
    dance_as(Browser())
    begun = Dance(visitor)
    other = make_user("grace")
    visitor.force_login(other)
    assert refusal(begun.callback()) == "user_mismatch"
    assert user_in(visitor) == other


# --- sign-up --------------------------------------------------------------------------------------


def create(request, provider, account):
    return get_user_model().objects.create_user(f"{provider.name}-{account.id}")


def test_without_a_user_a_page_says_so_and_nothing_is_stored(visitor, dance_as, client):
    response = dance_as(visitor)
    assert refusal(response) == "sign_in_unknown"
    assert "No user of this site signs in with this GitHub account" in response.content.decode()
    assert not OAuthToken.objects.exists()
    assert "_oauth" not in "".join(visitor.session.keys())


def test_the_function_of_the_site_creates_a_user_who_signs_in_again_later(
    client, visitor, dance_as, settings
):
    settings.DANCE_SIGN_UP = create
    assert dance_as(client).status_code == 302
    user = user_in(client)
    assert user.username == f"github-{ACCOUNT}"
    assert OAuthToken.objects.get(user=user).may_sign_in
    dance_as(visitor)
    assert user_in(visitor) == user


def test_the_function_of_the_site_may_refuse(client, dance_as, settings):
    settings.DANCE_SIGN_UP = lambda request, provider, account: None
    assert refusal(dance_as(client)) == "sign_in_unknown"
    assert not get_user_model().objects.exists()


def test_an_existing_user_is_no_new_user(client, make_user, dance_as, settings):
    victim = make_user(email="ada@example.com")
    settings.DANCE_SIGN_UP = lambda request, provider, account: victim
    with pytest.raises(ImproperlyConfigured, match="there before"):
        dance_as(client)
    assert user_in(client) is None
    assert not OAuthToken.objects.exists()


def test_a_stranger_does_not_become_the_user_of_a_team(client, make_user, dance_as, settings):
    team = make_user("team")
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"user": lambda owner: team},
    }
    settings.DANCE_SIGN_UP = create
    assert refusal(dance_as(client)) == "sign_in_impossible"
    assert user_in(client) is None
    assert get_user_model().objects.get() == team
    assert not OAuthToken.objects.exists()


def test_a_sign_in_stores_nothing_for_a_team(connected, visitor, make_user, dance_as, settings):
    team = make_user("team")
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"user": lambda owner: team},
    }
    assert refusal(dance_as(visitor)) == "sign_in_impossible"
    assert user_in(visitor) is None
    assert OAuthToken.objects.get().user == connected


def test_an_account_that_a_user_has_connected_creates_no_second_user(
    user, client, dance_as, settings
):
    store_token(user, account=ACCOUNT)
    settings.DANCE_SIGN_UP = create
    assert refusal(dance_as(client)) == "sign_in_unknown"
    assert get_user_model().objects.get() == user


@pytest.mark.parametrize("policy", ["refuse", "share", "move"])
def test_of_two_sign_ups_with_one_account_one_creates_a_user(
    client, visitor, make_user, dance_as, settings, policy
):
    settings.DANCE_ACCOUNT_CONFLICT = policy
    made = []

    def create_slowly(request, provider, account):
        made.append(make_user("first"))
        store_token(made[0], account=account.id)
        allow(made[0])
        return create(request, provider, account)

    # The first sign-up is committed while the site creates the user of the second one.
    settings.DANCE_SIGN_UP = create_slowly
    assert refusal(dance_as(client)) == "account_taken"
    assert user_in(client) is None
    assert not OAuthToken.objects.exclude(user=made[0]).exists()


def test_a_user_is_not_created_if_the_connection_cannot_be_stored(
    client, dance_as, settings, monkeypatch
):
    settings.DANCE_SIGN_UP = create

    def fail(*args, **options):
        raise FlowError("account_taken", "another user is connecting this account")

    monkeypatch.setattr(ModelStorage, "set_granted", fail)
    assert refusal(dance_as(client)) == "account_taken"
    assert not get_user_model().objects.exists()


def test_a_new_user_who_waits_for_approval_is_connected_and_not_logged_in(
    client, dance_as, settings
):
    def create_inactive(request, provider, account):
        return get_user_model().objects.create_user("waiting", is_active=False)

    settings.DANCE_SIGN_UP = create_inactive
    assert refusal(dance_as(client)) == "user_inactive"
    assert OAuthToken.objects.get().user.username == "waiting"
    assert user_in(client) is None


# --- the methods of a session ---------------------------------------------------------------------


def session_of(user, make_request, age=0):
    request = make_request(user)
    request.session[SESSION_KEY] = str(user.pk)
    request.session[LOGIN_TIME] = int(time.time()) - age
    return request.oauth.github


def test_a_user_allows_and_forbids_sign_in(user, make_request, allowed):
    store_token(user, account=ACCOUNT)
    session = session_of(user, make_request)
    assert session.allow_sign_in() is True
    assert session.allow_sign_in() is False
    assert OAuthToken.objects.get().may_sign_in
    assert len(allowed) == 1
    assert session.forbid_sign_in() is True
    assert session.forbid_sign_in() is False
    assert not OAuthToken.objects.get().may_sign_in


def test_the_user_must_have_logged_in_a_short_time_ago(user, make_request, settings):
    store_token(user, account=ACCOUNT)
    with pytest.raises(FlowError) as refused:
        session_of(user, make_request, age=601).allow_sign_in()
    assert refused.value.code == "login_too_old"
    settings.DANCE_SIGN_IN_LOGIN_AGE = 3600
    assert session_of(user, make_request, age=601).allow_sign_in()


def test_another_users_connection_cannot_be_allowed(user, make_user, make_request):
    store_token(user, account=ACCOUNT)
    session = session_of(make_user("grace"), make_request).for_user(user)
    with pytest.raises(FlowError) as refused:
        session.allow_sign_in()
    assert refused.value.code == "sign_in_impossible"
    assert not OAuthToken.objects.get().may_sign_in


def test_a_job_cannot_allow_sign_in(user):
    store_token(user, account=ACCOUNT)
    with pytest.raises(FlowError, match="cannot be used"):
        providers["github"].session(user=user).allow_sign_in()


def test_an_account_that_is_connected_again_after_a_disconnect_needs_a_recent_login(
    connected, member, dance_as
):
    owner = ResourceOwner(providers["github"], user=connected, account=ACCOUNT)
    ModelStorage().delete(owner)
    make_session_older(member)
    dance_as(member)
    assert not OAuthToken.objects.get().may_sign_in


def test_an_instance_that_was_loaded_earlier_does_not_allow_sign_in_again(connected, make_request):
    row = OAuthToken.objects.get()
    assert session_of(connected, make_request).forbid_sign_in()
    row.save()
    row.token = {**row.token.fields_to_store, "access_token": "new"}
    row.save()
    assert not OAuthToken.objects.get().may_sign_in
