"""What each path costs: queries, cache calls, decryptions, and entries into Django's thread."""

import asyncio
import functools
import sys
import time

import httpx
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_dance.interop import httpx_auth
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.sessions import call_flow
from django_dance.sessions import httpx_auth as httpx_flow
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner, sealing

from ..conftest import API, GRANTED, TOKEN_URL, make_session
from ..loopback import Loopback

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


def test_a_look_up_reads_the_columns_of_the_token_only(user, store):
    store()
    with CaptureQueriesContext(connection) as queries:
        assert make_session(user).authorized
    (sql,) = [query["sql"] for query in queries]
    names = [field.attname for field in OAuthToken._meta.concrete_fields]
    identity = {"provider", "user_id", "account", "place"}
    order = {"id", "connected_at", "chosen_at"}
    read = {name for name in names if connection.ops.quote_name(name) in sql}
    assert read == {"token", "reason"} | identity | order


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
    # Read the rows of the user, and the same account of other users; store the new row between two
    # savepoints; read the same account of others again.
    with django_assert_num_queries(MEMBER + 6):
        assert begun.callback().status_code == 302


def test_the_callback_of_a_connected_account_costs_few_queries(
    member, dance, api, django_assert_num_queries
):
    assert dance(member).callback().status_code == 302
    begun = dance(member)
    # Read the rows of the user, and the same account of other users; store the row between two
    # savepoints.
    with django_assert_num_queries(MEMBER + 5):
        assert begun.callback().status_code == 302


@pytest.mark.django_db(transaction=True)
def test_without_a_transaction_the_callback_reads_the_rows_once_and_writes_by_one_statement(
    member, dance, api
):
    assert dance(member).callback().status_code == 302
    begun = dance(member)
    with CaptureQueriesContext(connection) as queries:
        assert begun.callback().status_code == 302
    ours = [query["sql"] for query in queries if "oauthtoken" in query["sql"]]
    assert [sql.split()[0] for sql in ours] == ["SELECT", "SELECT", "UPDATE"]
    assert len(queries) == MEMBER + len(ours)


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


# --- decryptions ----------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch):
    """The purposes of the seals that were opened, which a test may clear."""
    purposes = []
    original = sealing.unseal

    def unseal(sealed, *, purpose, identity):
        purposes.append(purpose)
        return original(sealed, purpose=purpose, identity=identity)

    for name, module in list(sys.modules.items()):
        if name.startswith("django_dance.") and vars(module).get("unseal") is original:
            monkeypatch.setattr(module, "unseal", unseal)
    return purposes


def test_an_api_call_opens_one_seal(user, store, api, opened):
    store()
    make_session(user).get(API)
    assert opened == ["token"]


def test_a_refresh_opens_one_seal(user, store, api, opened):
    store(ends_in=-5)
    api.post(TOKEN_URL, json={"access_token": "new"})
    make_session(user).get(API)
    assert opened == ["token"]


def test_the_replacement_of_a_refused_token_opens_one_seal(user, store, responses, opened):
    store()
    responses.get(API, status=401)
    responses.post(TOKEN_URL, json={"access_token": "new"})
    responses.get(API, json={"id": 1})
    assert make_session(user).get(API).status_code == 200
    assert opened == ["token"]


def test_the_callback_opens_the_seal_of_its_flow_only(member, dance, api, opened):
    begun = dance(member)
    opened.clear()
    assert begun.callback().status_code == 302
    assert opened == ["flow"]


@pytest.mark.parametrize(
    ("granted", "seals"),
    # Without a refresh token it is read a second time, when no refresh can change it any more.
    [({"refresh_token": "r", "scope": "read:user"}, 0), ({"scope": "read:user"}, 2)],
    ids=["with a refresh token", "without one"],
)
def test_the_stored_token_is_read_only_if_the_new_one_lacks_a_field(
    member, dance, api, opened, granted, seals
):
    assert dance(member).callback().status_code == 302
    begun = dance(member)
    api.replace("POST", TOKEN_URL, json={"access_token": "b", "token_type": "bearer", **granted})
    opened.clear()
    assert begun.callback().status_code == 302
    assert opened.count("token") == seals


# --- cache calls ----------------------------------------------------------------------------------


@pytest.fixture
def cache_calls(monkeypatch):
    """The names of the cache's methods that were called, without those that a method calls."""
    names, inside = [], []

    def watch(name):
        original = getattr(LocMemCache, name)

        @functools.wraps(original)
        def watched(self, *args, **kwargs):
            if not inside:
                names.append(name)
            inside.append(name)
            try:
                return original(self, *args, **kwargs)
            finally:
                inside.pop()

        monkeypatch.setattr(LocMemCache, name, watched)

    for name in ("get", "set", "add", "delete", "get_many", "set_many", "delete_many", "incr"):
        watch(name)
    return names


@pytest.mark.django_db(transaction=True)
def test_a_look_up_in_the_cache_is_one_call(user, store, api, settings, cache_calls):
    settings.DANCE_CACHE = "default"
    store()
    make_session(user).get(API)
    cache_calls.clear()
    make_session(user).get(API)
    assert cache_calls == ["get_many"]


def test_a_call_without_a_token_cache_makes_no_cache_call(user, store, api, settings, cache_calls):
    settings.DANCE_CACHE = None
    store()
    make_session(user).get(API)
    assert cache_calls == []


# --- entries into Django's thread -----------------------------------------------------------------


@pytest.fixture
def hops(monkeypatch):
    """One item for each time that async code has entered Django's thread."""
    entered = []

    def counted(function, **options):
        entered.append(function)
        return sync_to_async(function, **options)

    for module in (call_flow, httpx_flow):
        monkeypatch.setattr(module, "sync_to_async", counted)
    return entered


def test_an_async_call_enters_djangos_thread_once(user, store, api, hops):
    store()
    assert async_to_sync(make_session(user).aget)(API).status_code == 200
    assert len(hops) == 1


def test_an_async_call_that_refreshes_enters_djangos_thread_once(user, store, api, hops):
    store(ends_in=-5)
    api.post(TOKEN_URL, json={"access_token": "new"})
    assert async_to_sync(make_session(user).aget)(API).status_code == 200
    assert len(hops) == 1


def test_an_async_call_whose_token_is_replaced_enters_it_twice(user, store, responses, hops):
    store()
    responses.get(API, status=401)
    responses.post(TOKEN_URL, json={"access_token": "new"})
    responses.get(API, json={"id": 1})
    assert async_to_sync(make_session(user).aget)(API).status_code == 200
    assert len(hops) == 2


def test_httpx_enters_djangos_thread_only_to_load_the_token(user, settings, monkeypatch, hops):
    monkeypatch.setenv("NO_PROXY", "*")
    settings.DEBUG = True
    with Loopback() as server:
        entry = {**settings.DANCE_PROVIDERS["github"], "API_ORIGINS": [server.url]}
        settings.DANCE_PROVIDERS = {"github": entry}
        session = make_session(user)
        session.token = GRANTED
        session.forget_token()

        async def page():
            async with httpx.AsyncClient(auth=httpx_auth(session)) as client:
                first = await client.get(server.url)
                return [first, *await asyncio.gather(*(client.get(server.url) for _ in range(5)))]

        assert {answer.status_code for answer in async_to_sync(page)()} == {200}
    assert len(hops) == 1
