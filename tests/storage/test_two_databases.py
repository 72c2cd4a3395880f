"""Tokens in another database than the default one, and a default one that lags behind it."""

import threading
import time

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import connections, transaction
from django.db.models.signals import pre_save
from django.test import TestCase

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.storage import transactions as durable
from django_dance.storage.transactions import has_one_writer
from django_dance.testing import StorageContract
from django_dance.tokens import ResourceOwner

from ..conftest import GRANTED, TOKEN_URL, Dance
from ..models import TeamToken
from ..other_database import ALIAS

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", ALIAS]),
    pytest.mark.usefixtures("routed"),
]

#: What django.db.transaction.atomic() is given for each of the two.
BOTH = pytest.mark.parametrize("using", ["default", ALIAS])


@pytest.fixture
def routed(other_database, settings):
    """Tokens are written to the other database; who reads from the default one finds nothing."""
    settings.DATABASE_ROUTERS = ["tests.other_database.Elsewhere"]


@pytest.fixture
def owner(user):
    return ResourceOwner(providers["github"], user=user)


@pytest.fixture
def storage():
    return ModelStorage()


@pytest.fixture
def local_cache(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "test_two_databases",
        }
    }
    settings.DANCE_CACHE = "default"


def token(text="planted", **fields):
    return {**GRANTED, "access_token": text, "expires_at": time.time() + 3600, **fields}


def kept(model=OAuthToken):
    """The access tokens in the other database. The default one must have none."""
    assert not model.objects.using("default").exists()
    return [row.token["access_token"] for row in model.objects.using(ALIAS).order_by("pk")]


def elsewhere(work):
    """What the work returns in another thread, with connections of its own."""
    results = []

    def run():
        try:
            results.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    (result,) = results
    return result


def read(storage, owner):
    return (storage.get(owner) or {}).get("access_token")


# --- rows ---------------------------------------------------------------------------------------


class ContractTests(StorageContract, TestCase):
    databases = ("default", ALIAS)

    def make_storage(self):
        return ModelStorage()


class OwnModelContractTests(StorageContract, TestCase):
    databases = ("default", ALIAS)

    def make_storage(self):
        return ModelStorage("tests.TeamToken")


def test_tokens_are_read_and_written_where_the_router_writes(storage, owner):
    storage.set(owner, token("first"))
    assert kept() == ["first"]
    assert storage.using == ALIAS
    assert read(storage, owner) == storage.reread(owner)["access_token"] == "first"
    storage.set(owner, token("second"))
    assert kept() == ["second"]
    assert storage.replace(owner, token("second"), token("third"))
    assert kept() == ["third"]
    assert storage.replace(owner, token("third"), None)
    assert kept() == []
    storage.set(owner, token("fourth"))
    storage.delete(owner)
    assert kept() == []


def test_accounts_are_looked_for_where_the_router_writes(storage, owner, make_user):
    grace = ResourceOwner(providers["github"], user=make_user("grace"))
    for account in ("1", "2"):
        storage.set(owner.for_account(account), token(account))
    storage.set(grace.for_account("1"), token("theirs"))
    assert set(storage.accounts(owner)) == {"1", "2"}
    assert storage.others(owner, "1") == [grace.user_id]
    assert storage.others(owner, "2") == []


def test_a_lease_is_taken_where_the_router_writes(storage, owner):
    storage.set(owner, token())
    with storage.lease(owner, 5):
        row = OAuthToken.objects.using(ALIAS).get()
        assert row.lease
        assert row.lease_until is not None
    row.refresh_from_db(using=ALIAS)
    assert (row.lease, row.lease_until) == ("", None)


def test_a_deferred_token_is_fetched_where_the_row_was_read(storage, owner):
    storage.set(owner, token())
    row = OAuthToken.objects.using(ALIAS).defer("token").get()
    assert row.token["access_token"] == "planted"


def test_a_table_without_a_lease_is_locked_where_the_router_writes(storage, owner):
    """On a database that locks rows, this fails without a transaction there."""
    storage = ModelStorage(TeamToken)
    storage.set(owner, token("old"))
    with storage.lease(owner, 5):
        assert storage.replace(owner, token("old"), token("new"))
    assert kept(TeamToken) == ["new"]
    assert storage.replace(owner, token("new"), None)
    assert kept(TeamToken) == []


def test_a_user_of_one_database_does_not_wait_for_a_user_of_another(storage, owner, settings):
    """Both have the same key."""
    storage.set(owner, token())
    with storage.lease(owner, 5):
        settings.DATABASE_ROUTERS = []

        def lease():
            with storage.lease(owner, 5):
                return "taken"

        assert elsewhere(lease) == "taken"
        settings.DATABASE_ROUTERS = ["tests.other_database.Elsewhere"]


# --- transactions -------------------------------------------------------------------------------


def at_the_first_save(work):
    """Do this just before the first row is saved."""

    def receiver(sender, instance, **arguments):
        pre_save.disconnect(receiver, sender=OAuthToken)
        work(instance)

    pre_save.connect(receiver, sender=OAuthToken)


@BOTH
def test_a_row_that_another_has_inserted_leaves_the_open_transaction_usable(storage, owner, using):
    def insert(row):
        row = OAuthToken(provider=row.provider, user_id=row.user_id, token=token("faster"))
        OAuthToken.objects.using(ALIAS).bulk_create([row])

    at_the_first_save(insert)
    with transaction.atomic(using=using):
        storage.set(owner, token("new"))
        assert kept() == ["new"]
    assert kept() == ["new"]


@BOTH
def test_a_row_that_another_has_deleted_leaves_the_open_transaction_usable(storage, owner, using):
    storage.set(owner, token("old"))

    def delete(row):
        OAuthToken.objects.using(ALIAS).filter(pk=row.pk)._raw_delete(ALIAS)

    at_the_first_save(delete)
    with transaction.atomic(using=using):
        storage.set(owner, token("new"))
        assert kept() == ["new"]
    assert kept() == ["new"]


@pytest.mark.usefixtures("local_cache")
class TestCache:
    def test_a_commit_in_the_other_database_is_what_counts(self, storage, owner):
        storage.set(owner, token("old"))
        with transaction.atomic(using=ALIAS):
            storage.set(owner, token("new"))
            assert read(storage, owner) == "new"
            # It is in the cache: no row is read.
            assert elsewhere(lambda: read(storage, owner)) == "old"
        assert elsewhere(lambda: read(storage, owner)) == "new"

    def test_a_roll_back_in_the_other_database_brings_the_old_token_back(self, storage, owner):
        storage.set(owner, token("old"))
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=ALIAS):
            storage.set(owner, token("new"))
            raise ZeroDivisionError
        assert read(storage, owner) == "old"
        assert elsewhere(lambda: read(storage, owner)) == "old"

    def test_a_transaction_in_the_default_database_delays_nothing(self, storage, owner):
        storage.set(owner, token("old"))
        with pytest.raises(ZeroDivisionError), transaction.atomic(using="default"):
            storage.set(owner, token("new"))
            assert elsewhere(lambda: read(storage, owner)) == "new"
            raise ZeroDivisionError
        assert read(storage, owner) == "new"

    def test_a_row_that_a_view_saves_there_is_heard_of_after_its_commit(self, storage, owner):
        storage.set(owner, token("old"))
        with transaction.atomic(using=ALIAS):
            row = OAuthToken.objects.using(ALIAS).get()
            row.token = token("new")
            row.save(using=ALIAS)
            assert read(storage, owner) == "new"
            assert elsewhere(lambda: read(storage, owner)) == "old"
        assert elsewhere(lambda: read(storage, owner)) == "new"

    @BOTH
    def test_what_a_transaction_reads_is_cached_after_it(self, storage, owner, using):
        storage.set(owner, token())
        caches["default"].clear()
        with transaction.atomic(using=using):
            assert read(storage, owner) == "planted"
            cached = bool([key for key in caches["default"]._cache if "token" in key])
            # A transaction of the other database may see an old row.
            assert cached is (using == "default")
        assert [key for key in caches["default"]._cache if "token" in key]

    def test_the_same_user_of_two_databases_has_two_tokens(self, storage, owner, settings):
        """Both may have a user of this key."""
        storage.set(owner, token("theirs"))
        assert read(storage, owner) == "theirs"
        settings.DATABASE_ROUTERS = []
        assert read(storage, owner) is None
        settings.DATABASE_ROUTERS = ["tests.other_database.Elsewhere"]
        assert read(storage, owner) == "theirs"


# --- a refresh ----------------------------------------------------------------------------------


@pytest.fixture
def expired(storage, owner, responses):
    """A user whose token is over; the provider grants another one."""
    storage.set(owner, token("old", expires_at=time.time() - 5))
    responses.post(TOKEN_URL, json={**GRANTED, "access_token": "new"})
    return providers["github"].session(user_id=owner.user_id)


def test_a_token_is_refreshed_where_the_router_writes(expired):
    expired.refresh()
    assert kept() == ["new"]


@BOTH
def test_a_refreshed_token_outlives_a_transaction_that_is_rolled_back(expired, using):
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=using):
        expired.refresh()
        raise ZeroDivisionError
    # With one writer, the token is stored within the transaction.
    lost = using == ALIAS and has_one_writer(ALIAS)
    assert kept() == ["old" if lost else "new"]


@BOTH
def test_a_refreshed_token_is_stored_again_if_its_own_transaction_was_rolled_back(
    storage, owner, rf, using
):
    """The middleware does so after the view."""
    storage.set(owner, token("old"))
    request = rf.get("/")
    request.user = owner.user
    owner = ResourceOwner(owner.provider, request)
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=using):
        assert storage.replace(owner, token("old"), token("new"))
        raise ZeroDivisionError
    assert kept() == ["old" if using == ALIAS else "new"]
    durable.run_deferred_writes(request)
    assert kept() == ["new"]


def test_who_has_written_the_row_there_does_not_wait_for_another_to_refresh(storage, owner):
    storage.set(owner, token())
    for using, touched in ((ALIAS, True), ("default", False)):
        with transaction.atomic(using=using):
            storage.set(owner, token())
            where = {"provider": "github", "user_id": owner.user_id}
            assert storage._cache.was_written(where) is touched


def test_a_database_is_told_from_another_by_its_alias():
    """A transaction of one is none of the other."""
    with transaction.atomic(using=ALIAS):
        assert durable.in_transaction(ALIAS)
        assert durable.may_roll_back(ALIAS)
        assert not durable.in_transaction("default")
        assert not durable.may_roll_back("default")


# --- dances and commands ------------------------------------------------------------------------


def test_a_dance_connects_and_disconnects_there(client, user, responses):
    responses.post(TOKEN_URL, json=GRANTED)
    responses.get("https://api.github.com/user", json={"id": 1, "login": "ada"})
    responses.delete("https://api.github.com/applications/github-client/token", status=204)
    client.force_login(user)
    assert Dance(client).callback().status_code == 302
    assert kept() == ["planted-access-token"]
    assert client.post("/login/github/disconnect/").status_code == 302
    assert kept() == []


def test_commands_work_on_the_rows_there(storage, owner, settings, capsys):
    storage.set(owner, token())
    settings.DANCE_ENCRYPTION_KEYS = ["new", settings.SECRET_KEY]
    call_command("dance_reencrypt", verbosity=0)
    settings.DANCE_ENCRYPTION_KEYS = ["new"]
    assert kept() == ["planted"]
    call_command("dance_tokens", verbosity=0)
    assert "github" in capsys.readouterr().out
    settings.DANCE_ENCRYPTION_KEYS = ["newer"]
    call_command("dance_prune", "--unreadable", verbosity=0)
    assert kept() == []
