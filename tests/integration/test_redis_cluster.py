"""The caches in a cluster of three nodes of Valkey, or of Redis if Valkey is not installed.

django-valkey is tested with both, because they have one protocol. It counts on Valkey only.
"""

from contextlib import ExitStack

import pytest
from django.contrib.auth import get_user
from django.core.cache import caches

from django_dance.server import bind_cache_grant
from django_dance.storage import ModelStorage

from ..clusters import redis_cluster, start_or_skip
from ..conftest import run_concurrently
from ..contention import Callers, assert_refreshed_once, owner_of, store_expiring_token
from ..server.conftest import is_alive, make_server, register, serve  # noqa: F401  a fixture
from .guide import PAGE, settings_of

pytestmark = [
    pytest.mark.interop,
    pytest.mark.repository,
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database("The servers are those of the cache"),
]

#: A token that does not expire soon.
FRESH = {"access_token": "access-0", "refresh_token": "refresh-0", "expires_in": 3600}


@pytest.fixture(scope="module")
def three_nodes():
    with ExitStack() as stack:
        yield start_or_skip(stack, redis_cluster)


def configure(settings, heading, cluster):
    """Use a cluster as the guide shows it."""
    entry = settings_of(heading)["CACHES"]["default"]
    backend = entry["BACKEND"].removeprefix("mysite.")
    changes = {"BACKEND": backend, "LOCATION": cluster.urls[0]}
    settings.CACHES = {**settings.CACHES, "cluster": {**entry, **changes}}
    settings.DANCE_CACHE = "cluster"


@pytest.fixture(params=["Valkey Cluster", "Redis Cluster"])
def heading(request, monkeypatch):
    monkeypatch.syspath_prepend(PAGE.parent / "examples")
    return request.param


@pytest.fixture
def cluster(three_nodes, heading, settings):
    """The nodes, empty, behind the cache that the guide configures."""
    for node in three_nodes.nodes:
        node.connect().flushall()
    configure(settings, heading, three_nodes)
    return three_nodes


def growth(cluster, work, *commands):
    """How many of these commands each node gets more while ``work`` runs."""
    before = cluster.calls(*commands)
    work()
    return [now - then for then, now in zip(before, cluster.calls(*commands), strict=True)]


def test_a_look_up_asks_one_node_once(cluster, make_user, django_assert_num_queries):
    # The keys of the users decide the nodes: a hundred of them leave no node out.
    nodes, numbers = set(), iter(range(100))
    while nodes != {0, 1, 2}:
        owner = owner_of(make_user(f"user-{next(numbers)}"))
        ModelStorage().set(owner, FRESH)
        with django_assert_num_queries(0):
            asked = growth(cluster, lambda owner=owner: ModelStorage().get(owner), "mget", "get")
        assert sorted(asked) == [0, 0, 1]
        nodes.add(asked.index(1))


def test_all_keys_of_an_owner_are_at_one_node(cluster, user):
    owner, other = owner_of(user), owner_of(user).for_account("other")
    ModelStorage().set(owner, FRESH)
    ModelStorage().set(other, FRESH)
    cache = ModelStorage()._cache
    cache.park({"provider": "github", "user_id": user.pk}, "", FRESH, FRESH)
    held = [node.connect().dbsize() for node in cluster.nodes]
    # A generation, an entry for each of the accounts "", "other" and the default one, and a parked
    # token. The entry of the default account is that of "".
    assert sorted(held) == [0, 0, 4]


def test_64_threads_refresh_once(cluster, user, tmp_path_factory, settings):
    store_expiring_token(user, ends_in=30)
    caches = {"CACHES": settings.CACHES, "DANCE_CACHE": "cluster"}
    with Callers.of(user, tmp_path_factory) as callers:
        assert_refreshed_once(callers, **caches)


def test_a_committed_change_is_seen_at_once(cluster, user):
    owner = owner_of(user)
    for number in range(20):
        ModelStorage().set(owner, {**FRESH, "access_token": f"access-{number}"})
        assert ModelStorage().get(owner)["access_token"] == f"access-{number}"
    ModelStorage().delete(owner)
    assert ModelStorage().get(owner) is None


def test_a_node_that_moves_a_slot_away_is_followed(cluster, user, django_assert_num_queries):
    owner = owner_of(user)
    ModelStorage().set(owner, FRESH)
    assert ModelStorage().get(owner)
    (source,) = [node for node in cluster.nodes if node.connect().dbsize()]
    target = next(node for node in cluster.nodes if node is not source)
    move_slots(cluster, source, target)
    assert not source.connect().dbsize()
    with django_assert_num_queries(0):
        assert ModelStorage().get(owner)["access_token"] == "access-0"
    ModelStorage().set(owner, {**FRESH, "access_token": "access-1"})
    with django_assert_num_queries(0):
        assert ModelStorage().get(owner)["access_token"] == "access-1"


def move_slots(cluster, source, target):
    """Move the slots that have keys, as ``redis-cli --cluster reshard`` does."""
    ids = {node: node.connect().execute_command("CLUSTER MYID") for node in cluster.nodes}
    slots = {
        source.connect().execute_command("CLUSTER KEYSLOT", key)
        for key in source.connect().scan_iter()
    }
    for slot in slots:
        target.connect().execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
        source.connect().execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
        for key in source.connect().execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
            source.connect().migrate("127.0.0.1", target.port, key, 0, 1000)
        for node in (target, source):
            node.connect().execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])


def test_a_server_issues_and_verifies_tokens(cluster, register, member, settings):  # noqa: F811
    """Codes, counts of wrong secrets and verified tokens are in the cluster, in several slots."""
    settings.DANCE_SERVER_TOKEN_CACHE = settings.DANCE_SERVER_LIMIT_CACHE = "cluster"
    own = make_server(current_user=get_user)
    bind_cache_grant(own, get_user, cache="cluster")
    serve(settings, own)
    app = register()
    token = app.token(member)
    assert is_alive(app, token["access_token"])
    reads = growth(cluster, lambda: is_alive(app, token["access_token"]), "mget")
    assert sum(reads) >= 2, "the token cache was not asked"
    renewed = app.refresh(token["refresh_token"]).json()
    assert app.revoke(renewed["access_token"]).status_code == 200
    assert not is_alive(app, renewed["access_token"])


def test_events_are_counted(cluster, heading):
    if heading == "Valkey Cluster" and not cluster.runs_valkey:
        pytest.skip("django-valkey counts on Valkey only")
    cache = caches["cluster"]
    cache.add("count", 0, 60)
    threads = [lambda: [cache.incr("count") for _ in range(50)]] * 4
    counts = [count for counted in run_concurrently(*threads) for count in counted]
    assert sorted(counts) == list(range(1, 201))
    with pytest.raises(ValueError, match="not found"):
        cache.incr("no-such-count")


def test_64_threads_refresh_once_while_a_node_dies(user, heading, tmp_path_factory, settings):
    with ExitStack() as stack:
        cluster = start_or_skip(stack, redis_cluster)
        configure(settings, heading, cluster)
        store_expiring_token(user, ends_in=30)
        (holder,) = [node for node in cluster.nodes if node.connect().dbsize()]
        options = {"CACHES": settings.CACHES, "DANCE_CACHE": "cluster", "after": holder.kill}
        with Callers.of(user, tmp_path_factory) as callers:
            assert_refreshed_once(callers, **options)
        assert not holder.answers()
        assert ModelStorage().get(owner_of(user))["access_token"] == "access-1"
