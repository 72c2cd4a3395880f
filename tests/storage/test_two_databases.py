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
    pytest.mark.usefixtures("tokens_in_other_database"),
]

#: The database that ``transaction.atomic()`` gets: one after the other.
BOTH = pytest.mark.parametrize("using", ["default", ALIAS])


@pytest.fixture
def tokens_in_other_database(other_database, settings):
    """Tokens are written to the other database; a read from the default one finds nothing."""
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


def stored_tokens(model=OAuthToken):
    """The access tokens in the other database. The default one must have none."""
    assert not model.objects.using("default").exists()
    return [row.token["access_token"] for row in model.objects.using(ALIAS).order_by("pk")]


def run_in_thread(work):
    """The result of the work in another thread, with connections of its own."""
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
    assert stored_tokens() == ["first"]
    assert storage.using == ALIAS
    assert read(storage, owner) == storage.reread(owner)["access_token"] == "first"
    storage.set(owner, token("second"))
    assert stored_tokens() == ["second"]
    assert storage.replace(owner, token("second"), token("third"))
    assert stored_tokens() == ["third"]
    assert storage.replace(owner, token("third"), None)
    assert stored_tokens() == []
    storage.set(owner, token("fourth"))
    storage.delete(owner)
    assert stored_tokens() == []


def test_accounts_are_searched_where_the_router_writes(storage, owner, make_user):
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
    assert stored_tokens(TeamToken) == ["new"]
    assert storage.replace(owner, token("new"), None)
    assert stored_tokens(TeamToken) == []


def test_a_user_of_one_database_does_not_wait_for_a_user_of_another(storage, owner, settings):
    """Both have the same key."""
    storage.set(owner, token())
    with storage.lease(owner, 5):
        settings.DATABASE_ROUTERS = []

        def lease():
            with storage.lease(owner, 5):
                return "taken"

        assert run_in_thread(lease) == "taken"
        settings.DATABASE_ROUTERS = ["tests.other_database.Elsewhere"]


# --- transactions -------------------------------------------------------------------------------


def before_first_save(work):
    """Do the work just before the first row is saved."""

    def receiver(sender, instance, **arguments):
        pre_save.disconnect(receiver, sender=OAuthToken)
        work(instance)

    pre_save.connect(receiver, sender=OAuthToken)


@BOTH
def test_the_transaction_is_usable_after_another_process_inserts_the_row(storage, owner, using):
    def insert(row):
        row = OAuthToken(provider=row.provider, user_id=row.user_id, token=token("faster"))
        OAuthToken.objects.using(ALIAS).bulk_create([row])

    before_first_save(insert)
    with transaction.atomic(using=using):
        storage.set(owner, token("new"))
        assert stored_tokens() == ["new"]
    assert stored_tokens() == ["new"]


@BOTH
def test_the_transaction_is_usable_after_another_process_deletes_the_row(storage, owner, using):
    storage.set(owner, token("old"))

    def delete(row):
        OAuthToken.objects.using(ALIAS).filter(pk=row.pk)._raw_delete(ALIAS)

    before_first_save(delete)
    with transaction.atomic(using=using):
        storage.set(owner, token("new"))
        assert stored_tokens() == ["new"]
    assert stored_tokens() == ["new"]


@pytest.mark.usefixtures("local_cache")
class TestCache:
    def test_a_new_token_is_visible_after_the_commit_in_its_database(self, storage, owner):
        storage.set(owner, token("old"))
        with transaction.atomic(using=ALIAS):
            storage.set(owner, token("new"))
            assert read(storage, owner) == "new"
            # It is in the cache: no row is read.
            assert run_in_thread(lambda: read(storage, owner)) == "old"
        assert run_in_thread(lambda: read(storage, owner)) == "new"

    def test_a_rollback_in_the_tokens_database_restores_the_old_token(self, storage, owner):
        storage.set(owner, token("old"))
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=ALIAS):
            storage.set(owner, token("new"))
            raise ZeroDivisionError
        assert read(storage, owner) == "old"
        assert run_in_thread(lambda: read(storage, owner)) == "old"

    def test_a_transaction_in_the_default_database_does_not_delay_a_new_token(self, storage, owner):
        storage.set(owner, token("old"))
        with pytest.raises(ZeroDivisionError), transaction.atomic(using="default"):
            storage.set(owner, token("new"))
            assert run_in_thread(lambda: read(storage, owner)) == "new"
            raise ZeroDivisionError
        assert read(storage, owner) == "new"

    def test_a_row_that_a_view_saves_is_visible_after_the_commit_in_its_database(
        self, storage, owner
    ):
        storage.set(owner, token("old"))
        with transaction.atomic(using=ALIAS):
            row = OAuthToken.objects.using(ALIAS).get()
            row.token = token("new")
            row.save(using=ALIAS)
            assert read(storage, owner) == "new"
            assert run_in_thread(lambda: read(storage, owner)) == "old"
        assert run_in_thread(lambda: read(storage, owner)) == "new"

    @BOTH
    def test_a_token_read_in_its_databases_transaction_is_cached_after_the_commit(
        self, storage, owner, using
    ):
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
    assert stored_tokens() == ["new"]


@BOTH
def test_a_refreshed_token_survives_the_rollback_of_a_transaction(expired, using):
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=using):
        expired.refresh()
        raise ZeroDivisionError
    # With one writer, the token is stored within the transaction.
    lost = using == ALIAS and has_one_writer(ALIAS)
    assert stored_tokens() == ["old" if lost else "new"]


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
    assert stored_tokens() == ["old" if using == ALIAS else "new"]
    durable.run_deferred_writes(request)
    assert stored_tokens() == ["new"]


def test_only_a_write_in_the_tokens_database_marks_the_row_as_written(storage, owner):
    storage.set(owner, token())
    for using, touched in ((ALIAS, True), ("default", False)):
        with transaction.atomic(using=using):
            storage.set(owner, token())
            where = {"provider": "github", "user_id": owner.user_id}
            assert storage._cache.was_written(where) is touched


def test_transactions_are_told_apart_by_the_alias_of_the_database():
    """A transaction of one is none of the other."""
    with transaction.atomic(using=ALIAS):
        assert durable.in_transaction(ALIAS)
        assert durable.may_roll_back(ALIAS)
        assert not durable.in_transaction("default")
        assert not durable.may_roll_back("default")


# --- dances and commands ------------------------------------------------------------------------


def test_a_dance_connects_and_disconnects_where_the_router_writes(client, user, responses):
    responses.post(TOKEN_URL, json=GRANTED)
    responses.get("https://api.github.com/user", json={"id": 1, "login": "ada"})
    responses.delete("https://api.github.com/applications/github-client/token", status=204)
    client.force_login(user)
    assert Dance(client).callback().status_code == 302
    assert stored_tokens() == ["planted-access-token"]
    assert client.post("/login/github/disconnect/").status_code == 302
    assert stored_tokens() == []


def test_commands_use_the_rows_where_the_router_writes(storage, owner, settings, capsys):
    storage.set(owner, token())
    settings.DANCE_ENCRYPTION_KEYS = ["new", settings.SECRET_KEY]
    call_command("dance_reencrypt", verbosity=0)
    settings.DANCE_ENCRYPTION_KEYS = ["new"]
    assert stored_tokens() == ["planted"]
    call_command("dance_tokens", verbosity=0)
    assert "github" in capsys.readouterr().out
    settings.DANCE_ENCRYPTION_KEYS = ["newer"]
    call_command("dance_prune", "--unreadable", verbosity=0)
    assert not OAuthToken.objects.using(ALIAS).exclude(token="").exists()
