"""The number of queries that each page costs, and that rare steps such as a refresh cost."""

import time

import pytest

from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner

from ..conftest import API, GRANTED, TOKEN_URL, make_session

#: Django's own: the visitor's session, and the user in it.
MEMBER = 2

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(responses):
    responses.get(API, json={"id": 1})
    return responses


@pytest.fixture
def store(user):
    def store(ends_in=3000, account="", **fields):
        owner = ResourceOwner(providers["github"], user=user, account=account)
        token = {**GRANTED, "account_accepted": True, "expires_at": time.time() + ends_in, **fields}
        ModelStorage().set(owner, token)

    return store


def test_a_page_that_does_not_use_request_oauth_costs_no_query(member, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert member.get("/plain/").status_code == 200


def test_a_page_that_calls_the_api_costs_one_query(member, store, api, django_assert_num_queries):
    store()
    with django_assert_num_queries(MEMBER + 1):
        assert member.get("/profile/").status_code == 200


def test_a_page_of_a_user_without_a_token_costs_two_queries(member, django_assert_num_queries):
    # The second one asks why there is no token: the connection may have lost it.
    with django_assert_num_queries(MEMBER + 2):
        assert member.get("/profile/").status_code == 302


def test_a_visitors_page_costs_only_the_query_of_the_session(
    client, dance, api, django_assert_num_queries
):
    assert dance(client).callback().status_code == 302
    # The first answer that names the account is noted with the token.
    assert client.get("/profile/").status_code == 200
    with django_assert_num_queries(1):
        assert client.get("/profile/").status_code == 200


def test_to_note_that_the_provider_names_the_account(user, store, api, django_assert_num_queries):
    store(account_accepted=None)
    # To load it; to read it again, compare and store.
    with django_assert_num_queries(4):
        make_session(user).get(API)
    with django_assert_num_queries(1):
        make_session(user).get(API)


@pytest.mark.django_db(transaction=True)
def test_with_redis_a_page_costs_no_query_of_ours(
    member, store, api, redis_cache, django_assert_num_queries
):
    store()
    for _ in range(2):
        with django_assert_num_queries(MEMBER):
            assert member.get("/profile/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_with_redis_authorized_costs_no_query(user, store, redis_cache, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert not make_session(user).authorized
        assert not make_session(user).authorized
    store()
    with django_assert_num_queries(0):
        assert make_session(user).authorized
        assert make_session(user).account("").authorized


def test_a_session_reads_the_token_once(user, store, api, django_assert_num_queries):
    store()
    with django_assert_num_queries(1):
        github = make_session(user)
        assert github.authorized
        github.get(API)
        github.get(API)
        assert github.scopes


def test_the_accounts_cost_one_query_and_one_for_each_account(
    user, store, django_assert_num_queries
):
    store(account="1")
    store(account="2")
    with django_assert_num_queries(1):
        accounts = make_session(user).accounts
    with django_assert_num_queries(2):
        assert all(account.authorized for account in accounts)


def test_the_login_view_costs_no_query_of_ours(member, django_assert_num_queries):
    with django_assert_num_queries(MEMBER):
        assert member.get("/login/github/").status_code == 302


def test_the_callback_view_costs_few_queries(member, user, dance, api, django_assert_num_queries):
    begun = dance(member)
    # Read the accounts of the user, the same account of other users, and a row of this account or
    # of none; store the new row between two savepoints; read the same account of others again.
    with django_assert_num_queries(MEMBER + 8):
        assert begun.callback().status_code == 302


def test_a_refresh_costs_few_queries(user, store, api, django_assert_num_queries):
    store(ends_in=-5)
    api.post(TOKEN_URL, json={"access_token": "new"})
    # Load the token; find the row, take the lease, read the row again, compare it, store the new
    # token, and release the lease.
    with django_assert_num_queries(7):
        make_session(user).get(API)


def test_disconnecting_costs_few_queries(user, store, api, django_assert_num_queries):
    store()
    api.delete("https://api.github.com/applications/github-client/token", status=204)
    # Load the token, read it without the cache, find the row, and delete it.
    with django_assert_num_queries(5):
        make_session(user).disconnect()
