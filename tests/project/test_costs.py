"""What each path costs in queries: what a page load takes, and what it takes once in a while."""

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
    def store(ends_in=3000, account=""):
        owner = ResourceOwner(providers["github"], user=user, account=account)
        ModelStorage().set(owner, {**GRANTED, "expires_at": time.time() + ends_in})

    return store


def test_a_page_that_does_not_touch_it_costs_nothing(member, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert member.get("/plain/").status_code == 200


def test_a_page_that_calls_the_api_costs_one_query(member, store, api, django_assert_num_queries):
    store()
    with django_assert_num_queries(MEMBER + 1):
        assert member.get("/profile/").status_code == 200


def test_a_page_without_a_token_costs_one_query_to_find_that_out(member, django_assert_num_queries):
    with django_assert_num_queries(MEMBER + 1):
        assert member.get("/profile/").status_code == 302


def test_a_visitors_page_costs_its_session_alone(client, dance, api, django_assert_num_queries):
    assert dance(client).callback().status_code == 302
    with django_assert_num_queries(1):
        assert client.get("/profile/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_with_a_redis_a_page_costs_no_query_of_ours(
    member, store, api, redis_cache, django_assert_num_queries
):
    store()
    for _ in range(2):
        with django_assert_num_queries(MEMBER):
            assert member.get("/profile/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_with_a_redis_authorized_costs_no_query(
    user, store, redis_cache, django_assert_num_queries
):
    with django_assert_num_queries(1):
        assert not make_session(user).authorized
        assert not make_session(user).authorized
    store()
    with django_assert_num_queries(0):
        assert make_session(user).authorized
        assert make_session(user).account("").authorized


def test_a_session_asks_once(user, store, api, django_assert_num_queries):
    store()
    with django_assert_num_queries(1):
        github = make_session(user)
        assert github.authorized
        github.get(API)
        github.get(API)
        assert github.scopes


def test_the_accounts_cost_one_query_and_each_of_them_one(user, store, django_assert_num_queries):
    store(account="1")
    store(account="2")
    with django_assert_num_queries(1):
        accounts = make_session(user).accounts
    with django_assert_num_queries(2):
        assert all(account.authorized for account in accounts)


def test_to_begin_a_dance_costs_nothing(member, django_assert_num_queries):
    with django_assert_num_queries(MEMBER):
        assert member.get("/login/github/").status_code == 302


def test_to_end_a_dance(member, user, dance, api, django_assert_num_queries):
    begun = dance(member)
    # The user's accounts, those that others have, whether there is a row of this or of no account,
    # the new one between two savepoints, and the others once more.
    with django_assert_num_queries(MEMBER + 8):
        assert begun.callback().status_code == 302


def test_to_refresh(user, store, api, django_assert_num_queries):
    store(ends_in=-5)
    api.post(TOKEN_URL, json={"access_token": "new"})
    # To load it; to find the row, lease it, read it again, compare and store, and release it.
    with django_assert_num_queries(7):
        make_session(user).get(API)


def test_to_disconnect(user, store, api, django_assert_num_queries):
    store()
    api.delete("https://api.github.com/applications/github-client/token", status=204)
    # To load it, to read it past any cache, to find the row, and to delete it.
    with django_assert_num_queries(5):
        make_session(user).disconnect()
