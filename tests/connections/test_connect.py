"""A granted token is stored for the account that it belongs to."""

import json
import threading
import time
from contextlib import contextmanager, nullcontext, suppress

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.db.models.signals import post_save, pre_save

from django_dance.connections import store_connection
from django_dance.exceptions import AuthorizationRequired, FlowError
from django_dance.models import OAuthToken
from django_dance.providers import AccountInfo
from django_dance.sessions import OAuth
from django_dance.signals import oauth_authorized
from django_dance.storage import ModelStorage
from django_dance.tokens import Token

from ..conftest import (
    API,
    GRANTED,
    TOKEN_URL,
    Dance,
    make_session,
    run_concurrently,
    store_token,
    token_fields,
    token_requests,
    tokens_of,
)
from ..models import SiteToken

pytestmark = pytest.mark.django_db(transaction=True)


# --- while it is asked whose token it is ----------------------------------------------------------


def name_accounts(responses, refused, accounts):
    """The API refuses one access token, and names the accounts of the others."""

    def callback(request):
        text = request.headers["Authorization"].split()[-1]
        if text == refused:
            return 401, {}, "{}"
        return 200, {}, json.dumps({"id": accounts[text]})

    responses.add_callback("GET", API, callback)


def grant_in_turn(responses, *texts):
    """The first token has to be refreshed at once."""
    lifetimes = dict.fromkeys(texts, 3600) | {texts[0]: 0}
    for text, lifetime in lifetimes.items():
        granted = {"access_token": text, "refresh_token": f"planted-refresh-{text}"}
        responses.post(TOKEN_URL, json={**GRANTED, **granted, "expires_in": lifetime})


def test_a_granted_token_that_the_account_call_refreshes_is_stored_refreshed(
    member, user, responses
):
    grant_in_turn(responses, "first", "second")
    name_accounts(responses, "first", {"second": 1})
    assert Dance(member).callback().status_code == 302
    token = user.oauth_tokens.get().token
    assert token["access_token"] == "second"
    assert token["refresh_token"] == "planted-refresh-second"


def test_a_granted_token_is_refreshed_with_its_own_refresh_token(member, user, responses):
    store_token(user, "a", account="A")
    grant_in_turn(responses, "b", "b2")
    name_accounts(responses, "b", {"a": "A", "b2": "B"})
    assert Dance(member).callback().status_code == 302
    assert tokens_of(user) == {"A": "a", "B": "b2"}
    assert "planted-refresh-b" in token_requests(responses)[-1].body


def test_a_token_that_a_receivers_call_refreshes_is_stored_refreshed(member, user, responses):
    grant_in_turn(responses, "first", "second")
    name_accounts(responses, "first", {"second": 1})

    def receiver(sender, session, **arguments):
        assert session.get("/user").ok

    oauth_authorized.connect(receiver)
    try:
        assert Dance(member).callback().status_code == 302
    finally:
        oauth_authorized.disconnect(receiver)
    assert tokens_of(user) == {"1": "second"}


def test_a_granted_token_that_cannot_be_refreshed_now_is_stored(member, user, responses):
    responses.post(TOKEN_URL, json=GRANTED)
    responses.post(TOKEN_URL, status=503)
    responses.get(API, status=401)
    assert Dance(member).callback().status_code == 302
    assert tokens_of(user) == {"": GRANTED["access_token"]}


def test_a_revoked_new_token_does_not_delete_the_stored_one(user, responses):
    store_token(user, "a", account="A")
    responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    github = make_session(user)
    github.current_token.use_unsaved(Token(token_fields("b", expires_at=time.time() - 5)))
    with pytest.raises(AuthorizationRequired, match="revoked"):
        github.get(API)
    assert tokens_of(user) == {"A": "a"}


def test_an_expired_token_of_a_visitor_is_refreshed_and_adopted(visitor_request, user, api):
    visitor_request.user = user
    assert visitor_request.oauth.adopt("github") == ["github"]
    token = user.oauth_tokens.get().token
    assert (token["access_token"], token["refresh_token"]) == ("renewed", "planted-rotated")


def test_a_visitors_token_is_adopted_beside_the_users_other_account(
    visitor_request, user, responses
):
    store_token(user, "a", account="A")
    visitor_request.user = user
    grant_in_turn(responses, "b2")
    name_accounts(responses, None, {"a": "A", "b2": "B"})
    visitor_request.oauth.adopt("github")
    assert tokens_of(user) == {"A": "a", "B": "b2"}


def test_a_visitor_whose_account_another_user_has_keeps_the_refreshed_token(
    visitor_request, user, make_user, api, make_request
):
    store_token(make_user("grace"), "theirs", account="1")
    visitor_request.user = user
    with pytest.raises(FlowError, match="account_taken"):
        visitor_request.oauth.adopt("github")
    visitor_request.session.save()
    again = make_request(key=visitor_request.session.session_key)
    assert again.oauth.github.access_token == "renewed"


# --- to adopt, with other storages ----------------------------------------------------------------


def test_adopt_with_session_storage_gives_the_token_to_the_user(make_request, user, settings):
    settings.DANCE_STORAGE = "django_dance.storage.SessionStorage"
    request = make_request()
    request.oauth.github.token = token_fields()
    request.user = user
    assert request.oauth.adopt("github") == ["github"]
    assert OAuth(request).github.access_token == "planted"
    request.user = AnonymousUser()
    assert OAuth(request).github.token is None


def test_the_token_of_the_site_cannot_be_adopted(make_request, user, settings):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"model": "tests.SiteToken"},
    }
    request = make_request(user)
    request.oauth.github.token = token_fields()
    assert request.oauth.adopt() == []
    assert SiteToken.objects.count() == 1


def test_the_token_of_a_team_cannot_be_adopted(make_request, user, make_user, settings):
    team = make_user("team")
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"user_id": team.pk},
    }
    request = make_request(user)
    request.oauth.github.token = token_fields()
    assert request.oauth.adopt() == []
    assert tokens_of(team) == {"": "planted"}


# --- two users, one account -----------------------------------------------------------------------


def test_two_users_who_connect_one_account_at_once_do_not_both_get_it(user, make_user, api):
    grace = make_user("grace")

    def just_now(sender, **arguments):
        post_save.disconnect(just_now, sender=OAuthToken)
        store_token(grace, "theirs", account="1")

    post_save.connect(just_now, sender=OAuthToken)
    with pytest.raises(FlowError, match="another user is connecting this account at the same time"):
        store_connection(make_session(user), Token(token_fields()))
    assert (tokens_of(user), tokens_of(grace)) == ({}, {"1": "theirs"})


@pytest.mark.parametrize("commits", [True, False])
def test_two_transactions_that_connect_one_account_at_once_do_not_both_get_it(
    several_writers, user, make_user, api, commits
):
    """The second one waits for the end of the first one."""
    grace = make_user("grace")
    first_has_claimed, second_begins = threading.Event(), threading.Event()

    def begins(sender, instance, **arguments):
        if instance.user_id == grace.pk:
            second_begins.set()

    def first():
        with suppress(ZeroDivisionError), transaction.atomic():
            store_connection(make_session(user), Token(token_fields("first")))
            first_has_claimed.set()
            assert second_begins.wait(60)
            if not commits:
                raise ZeroDivisionError

    def second():
        assert first_has_claimed.wait(60)
        with transaction.atomic():
            store_connection(make_session(grace), Token(token_fields("second")))

    pre_save.connect(begins, sender=OAuthToken)
    try:
        outcomes = run_concurrently(first, second)
    finally:
        pre_save.disconnect(begins, sender=OAuthToken)
    if commits:
        assert outcomes[0] is None
        assert isinstance(outcomes[1], FlowError) and outcomes[1].code == "account_taken"
        assert (tokens_of(user), tokens_of(grace)) == ({"1": "first"}, {})
    else:
        assert outcomes == [None, None]
        assert (tokens_of(user), tokens_of(grace)) == ({}, {"1": "second"})


def test_a_claim_ends_with_the_connection(user, make_user, api, revoked_tokens):
    grace = make_user("grace")
    store_connection(make_session(user), Token(token_fields()))
    with pytest.raises(FlowError, match="account_taken"):
        store_connection(make_session(grace), Token(token_fields()))
    OAuthToken.objects.get().save()
    make_session(user).disconnect()
    store_connection(make_session(grace), Token(token_fields()))
    store_connection(make_session(grace), Token(token_fields("again")))
    assert tokens_of(grace) == {"1": "again"}


def test_accounts_that_users_share_are_not_claimed(user, make_user, api, settings):
    settings.DANCE_ACCOUNT_CONFLICT = "share"
    for each in (user, make_user("grace")):
        store_connection(make_session(each), Token(token_fields()))
        assert tokens_of(each) == {"1": "planted"}
    assert set(OAuthToken.objects.values_list("claim", flat=True)) == {None}


# --- a refused token ------------------------------------------------------------------------------


def test_a_token_that_is_revoked_during_the_account_call_ends_the_dance(member, responses, events):
    answers = iter([(200, {**GRANTED, "expires_in": 0}), (400, {"error": "invalid_grant"})])

    def answer(request):
        status, fields = next(answers)
        return status, {}, json.dumps(fields)

    responses.add_callback("POST", TOKEN_URL, answer)
    responses.get(API, status=401)
    assert Dance(member).callback().status_code == 400
    assert events.codes == ["account_unknown"]
    assert not OAuthToken.objects.exists()


def test_a_revoked_token_of_a_visitor_is_not_adopted(visitor_request, user, responses):
    responses.post(TOKEN_URL, status=400, json={"error": "invalid_grant"})
    visitor_request.user = user
    with pytest.raises(FlowError, match="account_unknown"):
        visitor_request.oauth.adopt("github")
    assert not OAuthToken.objects.exists()
    assert "github_oauth_token" not in visitor_request.session


# --- a dance without a refresh token --------------------------------------------------------------


@pytest.mark.parametrize("earlier", ["42", ""])
def test_a_dance_without_a_refresh_token_waits_for_a_refresh_and_keeps_its_refresh_token(
    user, responses, earlier
):
    """The account of the earlier token is known, or is not known."""
    claims = {"iss": "https://example.com", "sub": "42"}
    store_token(user, account=earlier, refresh_token="planted-refresh", id_claims=claims)

    def reconnect():
        granted = token_fields("reconnected", id_claims=claims)
        del granted["refresh_token"]
        store_connection(make_session(user), Token(granted), AccountInfo("42", "ada", {}))

    dances = []

    def refresh(request):
        dance = threading.Thread(target=run_concurrently, args=[reconnect], daemon=True)
        dances.append(dance)
        dance.start()
        dance.join(0.3)  # a dance that did not wait would end here
        renewed = {"access_token": "renewed", "refresh_token": "planted-rotated"}
        return 200, {}, json.dumps({**GRANTED, **renewed})

    responses.add_callback("POST", TOKEN_URL, refresh)
    make_session(user).refresh()
    dances[0].join(30)
    stored = user.oauth_tokens.get()
    assert (stored.account, stored.token["access_token"]) == ("42", "reconnected")
    assert stored.token["refresh_token"] == "planted-rotated"


def test_a_dance_does_not_replace_a_token_that_another_process_has_refreshed_unseen(
    user, monkeypatch
):
    """The transaction of the view may see the row as it was at its begin."""
    owner = store_token(user, account="42", refresh_token="planted-used-up")
    seen = ModelStorage().reread(owner)
    ModelStorage().set(owner, token_fields("renewed", refresh_token="planted-rotated"))
    session = make_session(user)
    monkeypatch.setattr(type(session.storage), "reread", lambda *args: seen)
    granted = token_fields("reconnected")
    del granted["refresh_token"]
    store_connection(session, Token(granted), AccountInfo("42", "ada", {}))
    assert session.token["access_token"] == "renewed"
    assert user.oauth_tokens.get().token["refresh_token"] == "planted-rotated"


# --- another process writes between the look at the rows and the write ---------------------------


@contextmanager
def before_the_write(meddle):
    """Call ``meddle`` once, before the first statement that writes a token."""
    called = []

    def watch(execute, sql, parameters, many, context):
        if sql.startswith(("INSERT", "UPDATE")) and "oauthtoken" in sql and not called:
            called.append(sql)
            meddle()
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(watch):
        yield
    assert called


def connect(user, text, account):
    token = Token.granted({**GRANTED, "access_token": text, "refresh_token": f"planted-{text}"})
    store_connection(make_session(user), token, AccountInfo(account, account, {}))


@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "in a transaction"])
@pytest.mark.parametrize(
    ("before", "meddle", "after"),
    [
        ("A", lambda user: OAuthToken.objects.all().delete(), {"A": "new"}),
        ("A", lambda user: store_token(user, "other", account="A"), {"A": "new"}),
        ("", lambda user: connect(user, "other", "B"), {"A": "new", "B": "other"}),
        ("", lambda user: OAuthToken.objects.all().delete(), {"A": "new"}),
        (None, lambda user: store_token(user, "other", account="A"), {"A": "new"}),
        (None, lambda user: store_token(user, "other", account="B"), {"A": "new", "B": "other"}),
    ],
    ids=["deleted", "replaced", "given to another", "unnamed deleted", "inserted", "beside it"],
)
def test_a_row_that_changes_after_the_look_at_the_rows(user, before, meddle, after, atomic):
    if before is not None:
        store_token(user, "old", account=before)
    with transaction.atomic() if atomic else nullcontext(), before_the_write(lambda: meddle(user)):
        connect(user, "new", "A")
    assert tokens_of(user) == after
