"""The default account of a user: the one that was chosen last."""

import pytest

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.sessions import OAuth
from django_dance.storage import FallbackStorage, MemoryStorage, ModelStorage, SessionStorage
from django_dance.tokens import ResourceOwner

from ..conftest import make_session, store_token
from ..models import TeamToken

pytestmark = pytest.mark.django_db


@pytest.fixture
def accounts(user):
    """The accounts 1, 2 and 3, connected in this order."""
    for account in "123":
        store_token(user, f"planted-{account}", account)


def order(user):
    return [session.account_id for session in make_session(user).accounts]


def test_without_a_choice_it_is_the_account_that_was_connected_last(user, accounts):
    assert order(user) == ["3", "2", "1"]
    assert make_session(user).access_token == "planted-3"


def test_the_last_choice_wins(user, accounts):
    assert make_session(user, "1").make_default() is True
    assert order(user) == ["1", "3", "2"]
    assert make_session(user, "2").make_default() is True
    assert order(user) == ["2", "1", "3"]
    assert make_session(user).access_token == "planted-2"
    assert [each.account for each in providers["github"].connections(user) if each.is_default] == [
        "2"
    ]


def test_a_choice_changes_neither_the_date_nor_the_token(user, accounts):
    columns = ("account", "connected_at", "token", "state")
    before = list(OAuthToken.objects.order_by("pk").values_list(*columns))
    make_session(user, "1").make_default()
    assert list(OAuthToken.objects.order_by("pk").values_list(*columns)) == before


def test_the_choice_stays_when_another_account_is_stored(user, accounts):
    make_session(user, "1").make_default()
    store_token(user, "planted-new", "3")
    assert make_session(user).access_token == "planted-1"


def test_the_choice_of_a_user_is_not_that_of_another_user(user, make_user, accounts):
    other = make_user("grace")
    for account in "12":
        store_token(other, f"planted-of-grace-{account}", account)
    make_session(user, "1").make_default()
    assert make_session(other).access_token == "planted-of-grace-2"


@pytest.mark.parametrize("account", ["", "4"])
def test_only_an_account_of_the_user_can_be_chosen(user, make_user, accounts, account):
    store_token(make_user("grace"), "planted-of-grace", "4")
    assert make_session(user, account).make_default() is False
    assert not OAuthToken.objects.exclude(chosen_at=None).exists()


def test_a_lost_default_account_stays_the_default_one(user, accounts):
    """Otherwise a view would silently act for another account."""
    make_session(user, "1").make_default()
    OAuthToken.objects.filter(account="1").update(token="", state="needs_reconnect")
    assert order(user)[0] == "1"
    assert providers["github"].connections(user)[0].account == "1"
    assert make_session(user).token is None


@pytest.mark.django_db(transaction=True)
def test_with_a_cache_the_choice_takes_effect_at_once(user, accounts, redis_cache):
    assert make_session(user).access_token == "planted-3"
    make_session(user, "1").make_default()
    assert make_session(user).access_token == "planted-1"


def test_a_choice_costs_two_queries(user, accounts, django_assert_num_queries):
    with django_assert_num_queries(2):  # to find the row, and to write it
        make_session(user, "1").make_default()


@pytest.mark.one_database("The tables have no such column on any database")
@pytest.mark.parametrize(
    "storage",
    [SessionStorage(), MemoryStorage(), ModelStorage(model=TeamToken)],
    ids=lambda storage: type(storage).__name__,
)
def test_a_storage_with_one_token_for_each_user_keeps_no_choice(make_request, user, storage):
    owner = ResourceOwner(providers["github"], make_request(user))
    storage.set(owner, {"access_token": "planted"})
    assert not storage.keeps_default(owner)
    assert storage.make_default(owner) is False
    assert storage.get(owner)["access_token"] == "planted"


def test_the_fallback_storage_asks_the_storage_of_the_owner(make_request, user, accounts):
    storage = FallbackStorage()
    member = ResourceOwner(providers["github"], make_request(user), account="1")
    visitor = ResourceOwner(providers["github"], make_request(), account="1")
    assert (storage.keeps_default(member), storage.make_default(member)) == (True, True)
    assert (storage.keeps_default(visitor), storage.make_default(visitor)) == (False, False)
    assert storage.is_personal(visitor)


def test_connections_of_a_user_are_personal_and_those_of_a_team_are_not(user, make_user):
    team = make_user("team")
    owner = ResourceOwner(providers["github"], user=user)
    assert ModelStorage().is_personal(owner)
    assert not ModelStorage(user=team).is_personal(owner)
    assert not ModelStorage(user_id=team.pk).is_personal(owner)
    assert not ModelStorage(model="tests.SiteToken").is_personal(owner)
    assert ModelStorage(user=team).is_personal(ResourceOwner(providers["github"], user=team))


def test_the_connections_of_some_providers_can_be_listed(make_request, user, accounts):
    oauth = OAuth(make_request(user))
    assert len(oauth.connections()) == len(oauth.connections("github", "gitlab")) == 3
    assert oauth.connections("gitlab") == []
