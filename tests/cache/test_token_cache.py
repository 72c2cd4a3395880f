"""The cache of tokens saves queries, and never returns a token that was replaced."""

import logging
import time
from random import Random

import pytest
from django.core.cache import caches
from django.db import connection, connections, transaction
from django.db.models.signals import post_save

from django_dance.cache import MISS, TokenCache, generations
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner, Token

from ..caches import PartialCache
from ..interleaving import Interleaving, turn

LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "tokens"}


def token(text="planted", **fields):
    return {"access_token": text, "expires_at": time.time() + 3600, **fields}


@pytest.fixture(autouse=True)
def local_cache(settings):
    settings.CACHES = {"default": LOCAL}
    settings.DANCE_CACHE = "default"
    caches["default"].clear()
    generations._pending_invalidations.clear()
    generations._next_attempt.clear()


@pytest.fixture
def storage():
    return ModelStorage()


@pytest.fixture
def owner(user):
    return ResourceOwner(providers["github"], user_id=user.pk)


def text(found):
    return None if found is None else found["access_token"]


# --- what is saved --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
class TestWhatIsSaved:
    def test_a_cached_token_costs_no_query(self, storage, owner, user, django_assert_num_queries):
        storage.set(owner, token())
        with django_assert_num_queries(0):
            assert text(storage.get(owner)) == "planted"
            assert providers["github"].session(user=user).authorized

    def test_a_missing_token_is_cached(self, storage, owner, django_assert_num_queries):
        with django_assert_num_queries(1):
            assert storage.get(owner) is None
            assert storage.get(owner) is None

    def test_the_first_reader_fills_the_cache(self, storage, owner, django_assert_num_queries):
        storage.set(owner, token())
        caches["default"].clear()
        with django_assert_num_queries(1):
            assert [text(storage.get(owner)) for _ in range(3)] == ["planted"] * 3

    def test_a_page_with_atomic_requests_fills_the_cache_after_the_commit(
        self, storage, owner, django_assert_num_queries
    ):
        storage.set(owner, token())
        caches["default"].clear()
        with transaction.atomic():
            storage.get(owner)
        with django_assert_num_queries(0):
            assert text(storage.get(owner)) == "planted"

    def test_a_cached_token_knows_its_lifetime(self, storage, owner):
        storage.set(owner, token(expires_in=3600, expires_at=time.time() + 50))
        assert storage.get(owner).lifetime == 3600
        assert storage.get(owner).stale

    def test_each_account_is_cached(self, storage, owner, django_assert_num_queries):
        storage.set(owner.for_account("1"), token("first"))
        storage.set(owner.for_account("2"), token("second"))
        with django_assert_num_queries(0):
            assert text(storage.get(owner)) == "second"
            assert text(storage.get(owner.for_account("1"))) == "first"

    def test_an_expired_token_is_not_cached(self, storage, owner, django_assert_num_queries):
        storage.set(owner, token(expires_at=time.time() - 1))
        with django_assert_num_queries(2):
            storage.get(owner)
            storage.get(owner)

    def test_a_token_is_not_cached_longer_than_it_is_valid(
        self, clock, storage, owner, monkeypatch
    ):
        lifetimes = []
        monkeypatch.setattr(
            type(caches["default"]),
            "set",
            lambda self, key, value, timeout=None: lifetimes.append(timeout),
        )
        current = {"group": "generation"}
        cache = TokenCache("default")
        cache.put("owner", current, {"": Token(token(expires_at=clock.now + 40.5))})
        cache.put("owner", current, {"": Token(token())})
        cache.put("owner", current, {"": Token({"access_token": "for ever"})})
        cache.put("owner", current, {"": None})
        assert lifetimes == [40, 300, 300, 60]

    def test_without_a_setting_a_cache_of_one_process_is_not_used(
        self, storage, owner, settings, django_assert_num_queries
    ):
        del settings.DANCE_CACHE
        storage.set(owner, token())
        with django_assert_num_queries(2):
            storage.get(owner)
            storage.get(owner)

    def test_the_setting_none_turns_the_cache_off(
        self, storage, owner, settings, django_assert_num_queries
    ):
        settings.DANCE_CACHE = None
        storage.set(owner, token())
        with django_assert_num_queries(1):
            storage.get(owner)

    def test_a_storage_may_have_a_cache_of_its_own(
        self, owner, settings, django_assert_num_queries
    ):
        settings.CACHES = {"default": LOCAL, "other": {**LOCAL, "LOCATION": "other"}}
        settings.DANCE_CACHE = None
        storage = ModelStorage(cache="other")
        storage.set(owner, token())
        with django_assert_num_queries(0):
            assert text(storage.get(owner)) == "planted"

    def test_cache_entries_are_sealed_and_their_keys_are_digests(self, storage, owner, user):
        storage.set(owner.for_account("planted-account"), token())
        for key, value in caches["default"]._cache.items():
            assert "planted" not in key
            assert b"planted" not in value

    def test_a_cache_entry_opens_only_for_its_owner(self, storage, owner, make_user):
        other = ResourceOwner(providers["github"], user=make_user("grace"))
        storage.set(owner, token())
        storage.set(other, token("other"))
        memory = caches["default"]._cache
        entries = [
            {key.rpartition(":")[2]: key for key in memory if ":token:" in key and owner_key in key}
            for owner_key in (
                storage._cache.owner_key({"provider": "github", "user_id": who.user_id})
                for who in (owner, other)
            )
        ]
        for name, key in entries[0].items():
            memory[key] = memory[entries[1][name]]
        assert text(storage.get(owner)) == "planted"


# --- changed rows ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
class TestChanges:
    def test_deleting_a_row_invalidates_its_cache_entry(self, storage, owner):
        storage.set(owner, token())
        OAuthToken.objects.all().delete()
        assert storage.get(owner) is None

    def test_saving_a_row_invalidates_its_cache_entry(self, storage, owner):
        storage.set(owner, token())
        row = OAuthToken.objects.get()
        row.token = token("saved")
        row.save()
        assert text(storage.get(owner)) == "saved"

    def test_deleting_a_user_invalidates_the_cached_token(self, storage, owner, user):
        storage.set(owner, token())
        user.delete()
        assert storage.get(owner) is None

    def test_two_texts_of_one_primary_key_have_one_cache_entry(self, storage, owner, user):
        storage.set(owner, old := token("old"))
        assert text(storage.get(owner)) == "old"
        same = ResourceOwner(providers["github"], user_id=f"0{user.pk}")
        assert storage.replace(same, old, token("new"))
        assert text(storage.get(owner)) == "new"

    def test_a_transaction_sees_what_it_has_written(self, storage, owner):
        storage.set(owner, token("old"))
        with transaction.atomic():
            storage.set(owner, token("new"))
            assert text(storage.get(owner)) == "new"
            storage.delete(owner)
            assert storage.get(owner) is None

    def test_a_rolled_back_token_is_not_cached(self, storage, owner):
        storage.set(owner, token("old"))
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            storage.set(owner, token("new"))
            storage.get(owner)
            raise ZeroDivisionError
        assert text(storage.get(owner)) == "old"

    def test_other_processes_see_the_old_token_until_the_commit(self, storage, owner):
        storage.set(owner, token("old"))
        cache = TokenCache("default")
        owner_key = storage._cache.owner_key({"provider": "github", "user_id": owner.user_id})
        with transaction.atomic():
            storage.set(owner, token("new"))
            assert text(cache.get(owner_key, "")[0]) == "old"
        assert text(cache.get(owner_key, "")[0]) == "new"

    def test_a_slow_reader_does_not_cache_a_deleted_token(self, storage, owner):
        storage.set(owner, token())
        caches["default"].clear()
        cache = TokenCache("default")
        owner_key = storage._cache.owner_key({"provider": "github", "user_id": owner.user_id})
        _, current = cache.get(owner_key, "")
        read = storage.reread(owner)
        storage.delete(owner)
        caches["default"].clear()  # and the cache forgets the deletion, too
        cache.put(owner_key, current, {"": read})
        assert storage.get(owner) is None


# --- a cache that fails ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trouble", ["RaisingCache", "SilentCache"])
class TestTrouble:
    @pytest.fixture
    def down(self, trouble, settings):
        def down():
            settings.CACHES = {"default": {"BACKEND": f"tests.caches.{trouble}"}}

        def up():
            settings.CACHES = {"default": LOCAL}

        return down, up

    def test_a_cache_that_is_down_counts_as_empty(self, storage, owner, down):
        storage.set(owner, token("old"))
        down[0]()
        assert text(storage.get(owner)) == "old"
        storage.set(owner, token("new"))
        assert text(storage.get(owner)) == "new"
        storage.delete(owner)
        assert storage.get(owner) is None

    def test_a_failed_invalidation_is_repeated_when_the_cache_is_back(self, storage, owner, down):
        storage.set(owner, token("old"))
        storage.get(owner)
        down[0]()
        storage.delete(owner)
        down[1]()
        assert storage.get(owner) is None

    def test_a_look_up_of_another_owner_repeats_it_too(self, storage, owner, down, make_user):
        """Other processes would use the old entry until this one looks it up."""
        other = ResourceOwner(providers["github"], user=make_user("grace"))
        storage.set(owner, token("old"))
        down[0]()
        storage.set(owner, token("new"))
        down[1]()
        assert generations._pending_invalidations
        storage.get(other)
        assert not generations._pending_invalidations
        owner_key = storage._cache.owner_key({"provider": "github", "user_id": owner.user_id})
        assert TokenCache("default").get(owner_key, "")[0] is MISS

    def test_the_log_has_one_warning_for_many_requests(
        self, storage, owner, down, trouble, caplog, monkeypatch
    ):

        down[0]()
        with caplog.at_level(logging.WARNING, "django_dance"):
            for _ in range(5):
                storage.get(owner)
        lines = [r.getMessage() for r in caplog.records if "token cache" in r.getMessage()]
        assert len(lines) == (1 if trouble == "RaisingCache" else 0)
        assert all("ConnectionError" in line for line in lines)


@pytest.mark.django_db(transaction=True)
class TestStrangers:
    @pytest.mark.parametrize("rubbish", ["", "x", b"x", 7, None, ["x"], {"a": 1}, "A" * 5000])
    def test_a_cache_entry_of_a_stranger_is_ignored(self, storage, owner, rubbish):
        storage.set(owner, token())
        for key in list(caches["default"]._cache):
            caches["default"].set(key.partition(":1:")[2], rubbish)
        assert text(storage.get(owner)) == "planted"

    def test_pending_invalidations_end_when_the_entries_have_expired(
        self, owner, storage, monkeypatch
    ):
        cache = TokenCache("default")
        group = "django_dance:generation:{owner}"
        generations._pending_invalidations["default", group] = time.monotonic() - 1
        assert cache.get("owner", "")[0] is MISS
        assert not generations._pending_invalidations


# --- a cluster whose nodes fail -------------------------------------------------------------------


@pytest.mark.django_db
class TestNodes:
    """``PartialCache`` refuses keys that contain one of its words: their node is down."""

    @pytest.fixture
    def cache(self, settings):
        settings.CACHES = {"default": {"BACKEND": "tests.caches.PartialCache"}}
        yield TokenCache("default")
        PartialCache.refused, PartialCache.asked = (), 0

    def test_the_groups_of_other_nodes_are_invalidated(self, cache):
        PartialCache.refused = ("one", "two")
        cache.invalidate("one")
        cache.invalidate("two")
        PartialCache.refused = ("one",)
        cache.get("three", "")  # its turn ends at the group that fails again
        generations._next_attempt.clear()
        cache.get("three", "")
        assert [group for _, group in generations._pending_invalidations] == [
            "django_dance:generation:{one}"
        ]

    def test_the_next_attempt_after_a_failure_is_a_second_later(self, cache, monkeypatch):
        PartialCache.refused = ("one",)
        cache.invalidate("one")
        cache.get("three", "")
        failed = PartialCache.asked
        cache.get("three", "")
        assert PartialCache.asked == failed
        now = time.monotonic()
        monkeypatch.setattr(generations.time, "monotonic", lambda: now + 1)
        cache.get("three", "")
        assert PartialCache.asked == failed + 1

    def test_one_look_up_repeats_a_limited_number(self, cache):
        PartialCache.refused = ("old",)
        for number in range(25):
            cache.invalidate(f"old-{number}")
        PartialCache.refused = ()
        cache.get("three", "")
        assert len(generations._pending_invalidations) == 5
        cache.get("three", "")
        assert not generations._pending_invalidations


# --- chance ---------------------------------------------------------------------------------------


class World:
    """One owner's token, its versions, and the versions that each reader may see."""

    def __init__(self, owner, first):
        self.storage, self.owner, self.version = ModelStorage(), owner, first
        self.begun = self.ended = first  # of the writes

    def write(self, delete):
        self.begun += 1
        turn()
        if delete:
            self.storage.delete(self.owner)
        else:
            self.storage.set(self.owner, token(str(self.begun)))
        self.seen[self.begun] = None if delete else str(self.begun)
        self.ended = self.begun

    def read(self):
        turn()
        least = self.ended
        found = text(self.storage.get(self.owner))
        allowed = {self.seen.get(version) for version in range(least, self.begun + 1)}
        if self.begun > self.ended:
            allowed |= {None, str(self.begun)}
        assert found in allowed, f"read {found}, possible were {allowed}"

    seen: dict = {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "seeds",
    [
        range(300),
        *(
            pytest.param(range(first, first + 970), marks=pytest.mark.interop)
            for first in range(300, 10_000, 970)
        ),
    ],
    ids=lambda seeds: f"{seeds.start}",
)
def test_no_reader_gets_a_token_that_was_replaced_before_the_read_began(user, settings, seeds):
    """10 000 interleavings of a writer, a deleter, two readers, and a cache that forgets."""
    settings.CACHES = {"default": {"BACKEND": "tests.caches.InterleavedCache", "LOCATION": "i"}}
    owner = ResourceOwner(providers["github"], user_id=user.pk)
    # Most on SQLite, where a query costs least: the order of events depends on the cache alone.
    if connection.vendor != "sqlite":
        seeds = seeds[::10]
    threads = Interleaving(4, connections.close_all)
    cache = caches["default"]
    world = World(owner, 0)
    world.seen = {0: None}

    def with_turns(job):
        def run():
            def at_each_query(execute, *args):
                turn()
                return execute(*args)

            # The connections of a thread are its own; so is the cache object.
            with connection.execute_wrapper(at_each_query):
                job()

        return run

    def forget(chance):
        for _ in range(2):
            turn()
            keys = list(cache._cache)
            for key in keys if chance.random() < 0.5 else keys[:1]:
                cache._cache.pop(key, None)
                cache._expire_info.pop(key, None)

    try:
        for seed in seeds:
            chance = Random(seed)
            world.seen = {world.ended: world.seen.get(world.ended)}
            deletes = [chance.random() < 0.4 for _ in range(2)]
            jobs = [
                with_turns(lambda deletes=deletes: [world.write(d) for d in deletes]),
                with_turns(world.read),
                with_turns(lambda: [world.read() for _ in range(2)]),
                lambda seed=seed: forget(Random(seed)),
            ]
            try:
                threads.run(chance, *jobs)
                assert text(world.storage.get(owner)) == text(world.storage.reread(owner))
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
    finally:
        threads.close()


# --- other rows, other names, other storages ------------------------------------------------------


@pytest.mark.django_db(transaction=True)
class TestOthers:
    def test_a_receiver_may_change_another_users_rows(self, storage, owner, make_user):
        grace = make_user("grace")
        other = ResourceOwner(providers["github"], user_id=grace.pk)
        storage.set(other, token("theirs"))
        assert text(storage.get(other)) == "theirs"

        def receiver(sender, **arguments):
            grace.oauth_tokens.all().delete()

        post_save.connect(receiver, sender=OAuthToken)
        try:
            storage.set(owner, token())
        finally:
            post_save.disconnect(receiver, sender=OAuthToken)
        assert storage.get(other) is None

    def test_two_spellings_of_a_users_key_share_a_cache_entry(self, storage, owner):
        storage.set(owner, token())
        same = ResourceOwner(providers["github"], user_id=f"0{owner.user_id}")
        assert text(storage.get(owner)) == text(storage.get(same)) == "planted"
        storage.delete(same)
        assert storage.get(owner) is None

    def test_a_row_is_invalidated_though_the_provider_has_another_storage(
        self, storage, owner, settings
    ):
        settings.DANCE_STORAGE = "django_dance.storage.SessionStorage"
        storage.set(owner, token())
        assert text(storage.get(owner)) == "planted"
        OAuthToken.objects.get().delete()
        assert storage.get(owner) is None

    def test_deleting_a_row_invalidates_the_own_cache_of_a_storage(self, owner, settings):
        settings.CACHES = {"default": LOCAL, "other": {**LOCAL, "LOCATION": "other"}}
        storage = ModelStorage(cache="other")
        storage.set(owner, token())
        OAuthToken.objects.get().delete()
        assert storage.get(owner) is None

    def test_the_number_of_pending_invalidations_is_limited(self, settings, monkeypatch):
        settings.CACHES = {"default": {"BACKEND": "tests.caches.RaisingCache"}}
        monkeypatch.setattr(generations, "_MAX_PENDING", 3)
        for number in range(5):
            TokenCache("default").invalidate(str(number))
        pending = [group.rpartition(":")[2] for _, group in generations._pending_invalidations]
        assert pending == ["{2}", "{3}", "{4}"]
