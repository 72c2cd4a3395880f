"""Sites and tenants that share a cache and a SECRET_KEY: each sees its own tokens only."""

import time
from types import SimpleNamespace

import pytest
from django.core import signing
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections, transaction

from django_dance.cache import cache_name, tenant
from django_dance.exceptions import FlowError, ProviderUnavailable
from django_dance.flows import Additions, Flow, mark_used
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import MemoryStorage, ModelStorage
from django_dance.storage.lease import thread_lock
from django_dance.tokens import ResourceOwner

REVOCATION = "https://api.github.com/applications/github-client/token"

#: The tenant that ``tests.cache.test_tenants.current_tenant`` returns.
current = SimpleNamespace(tenant=None)


def current_tenant():
    return current.tenant


def token(text="planted-token"):
    return {"access_token": text, "expires_at": time.time() + 3600}


@pytest.fixture(autouse=True)
def shared_cache(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "tenants",
        }
    }
    settings.DANCE_CACHE = "default"
    caches["default"].clear()


def on_the_connection(monkeypatch, name, value):
    """Sets an attribute as django-tenants does."""
    monkeypatch.setitem(vars(connections["default"]), name, value)


def by_schema(monkeypatch, settings):
    return lambda name: on_the_connection(monkeypatch, "schema_name", name)


def by_tenant(monkeypatch, settings):
    return lambda name: on_the_connection(monkeypatch, "tenant", SimpleNamespace(pk=name))


def by_function(monkeypatch, settings):
    settings.DANCE_TENANT = "tests.cache.test_tenants.current_tenant"
    return lambda name: monkeypatch.setattr(current, "tenant", name)


def by_database(monkeypatch, settings):
    return lambda name: monkeypatch.setitem(connection.settings_dict, "NAME", name)


def by_site_key(monkeypatch, settings):
    return lambda name: setattr(settings, "DANCE_SITE_KEY", name)


#: How a tenant or, by the last, a site differs from another.
WAYS = [by_schema, by_tenant, by_function, by_database, by_site_key]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def enter(request, monkeypatch, settings):
    """Enters a site or tenant; its tables have no token until a test stores one."""
    way = request.param(monkeypatch, settings)
    tables = {}
    entered = [None]

    def enter(name):
        rows = OAuthToken.objects.all()
        tables[entered[0]] = list(rows.values())
        # Another schema's table is another table. Its rows come and go without a signal.
        rows._raw_delete("default")
        for row in tables.get(name, ()):
            OAuthToken.objects.bulk_create([OAuthToken(**row)])
        way(name)
        entered[0] = name

    return enter


@pytest.fixture
def owner(user):
    return ResourceOwner(providers["github"], user_id=user.pk)


@pytest.fixture
def storage():
    return ModelStorage()


def text(found):
    return None if found is None else found["access_token"]


# --- tokens ---------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
class TestTokens:
    def test_a_user_does_not_get_the_token_of_another_tenants_user(
        self, enter, storage, owner, user, django_assert_num_queries
    ):
        enter("alpha")
        storage.set(owner, token())
        enter("beta")
        assert storage.get(owner) is None
        assert not providers["github"].session(user=user).authorized
        enter("alpha")
        with django_assert_num_queries(0):
            assert text(storage.get(owner)) == "planted-token"

    def test_disconnecting_does_not_revoke_the_token_of_another_tenants_user(
        self, enter, storage, owner, user, responses
    ):
        responses.delete(REVOCATION, status=204)
        enter("alpha")
        storage.set(owner, token())
        enter("beta")
        providers["github"].session(user=user).disconnect()
        assert not responses.calls
        enter("alpha")
        assert providers["github"].session(user=user).access_token == "planted-token"
        providers["github"].session(user=user).disconnect()
        assert len(responses.calls) == 1

    def test_a_token_of_one_tenant_does_not_replace_the_cached_token_of_another(
        self, enter, storage, owner
    ):
        for name in ("alpha", "beta"):
            enter(name)
            storage.set(owner, token(name))
        for name in ("alpha", "beta"):
            enter(name)
            assert text(storage.get(owner)) == text(storage.reread(owner)) == name

    def test_a_token_is_cached_for_the_tenant_that_wrote_it(
        self, monkeypatch, settings, storage, owner
    ):
        enter = by_schema(monkeypatch, settings)
        enter("alpha")
        storage.set(owner, token("old"))
        with transaction.atomic():
            storage.set(owner, token("new"))
            enter("beta")
        OAuthToken.objects.all()._raw_delete("default")
        assert storage.get(owner) is None
        enter("alpha")
        assert storage.get(owner) is None  # the entry is void, and the table is empty by now

    def test_a_token_read_in_a_transaction_is_not_cached_if_the_tenant_changes(
        self, monkeypatch, settings, storage, owner, django_assert_num_queries
    ):
        enter = by_schema(monkeypatch, settings)
        enter("alpha")
        storage.set(owner, token())
        caches["default"].clear()
        with transaction.atomic():
            storage.get(owner)
            enter("beta")
        for name in ("alpha", "beta"):
            enter(name)
            with django_assert_num_queries(1):
                storage.get(owner)


def test_a_token_in_memory_belongs_to_one_tenant(monkeypatch, settings):
    enter, storage = by_schema(monkeypatch, settings), MemoryStorage()
    owner = ResourceOwner(providers["github"], user_id=1)
    enter("alpha")
    storage.set(owner, token())
    enter("beta")
    assert storage.get(owner) is None
    storage.delete(owner)
    enter("alpha")
    assert text(storage.get(owner)) == "planted-token"


def test_a_user_does_not_wait_for_another_tenants_user_with_the_same_key(monkeypatch, settings):
    enter = by_schema(monkeypatch, settings)
    owner = ResourceOwner(providers["github"], user_id=1)
    enter("alpha")
    with thread_lock(owner):
        with pytest.raises(ProviderUnavailable), thread_lock(owner, wait=False):
            pytest.fail("two threads of one tenant refresh the same token")
        enter("beta")
        with thread_lock(owner, wait=False):
            assert owner.key  # reached: the lock of the tenant beta is another one


def test_a_flow_spent_at_one_tenant_is_not_spent_at_another(monkeypatch, settings):
    enter = by_schema(monkeypatch, settings)
    flow = Flow(provider="github", secret="planted", began=0, user="1", next="/")
    for name in ("alpha", "beta"):
        enter(name)
        mark_used(flow)
        with pytest.raises(FlowError, match="answered already"):
            mark_used(flow)


# --- the name -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_login_link_of_one_tenant_is_none_of_another(way, monkeypatch, settings):
    enter = way(monkeypatch, settings)
    enter("alpha")
    value = Additions.of(scope="repo", account="7").sign("github", "5")
    enter("beta")
    with pytest.raises(signing.BadSignature):
        Additions.unsign("github", "5", value)
    enter("alpha")
    assert Additions.unsign("github", "5", value).scope == ("repo",)


def test_without_tenants_the_tenant_is_none():
    assert tenant(connection) is None


def test_the_schema_of_django_tenants_is_the_tenant(monkeypatch):
    on_the_connection(monkeypatch, "schema_name", "alpha")
    on_the_connection(monkeypatch, "tenant", SimpleNamespace(schema_name="x"))
    assert tenant(connection) == "alpha"


@pytest.mark.parametrize(
    "found", [SimpleNamespace(schema_name="alpha", pk=1), SimpleNamespace(pk="alpha"), "alpha"]
)
def test_a_tenant_is_named_by_its_schema_or_its_primary_key(monkeypatch, found):
    on_the_connection(monkeypatch, "tenant", found)
    assert tenant(connection) == "alpha"


def test_the_tenant_function_takes_precedence_over_the_schema(monkeypatch, settings):
    on_the_connection(monkeypatch, "schema_name", "alpha")
    settings.DANCE_TENANT = lambda: 7
    assert tenant(connection) == "7"
    settings.DANCE_TENANT = lambda: None
    assert tenant(connection) is None


@pytest.mark.parametrize("function", ["nowhere.function", "tests.cache.test_tenants.WAYS", 7])
def test_a_tenant_function_that_is_not_callable_is_refused(settings, function):
    settings.DANCE_TENANT = function
    with pytest.raises(ImproperlyConfigured, match="DANCE_TENANT"):
        tenant(connection)


def test_host_and_port_do_not_change_the_name(monkeypatch):
    direct = cache_name("default", "a")
    monkeypatch.setitem(connection.settings_dict, "HOST", "pooler.example.com")
    monkeypatch.setitem(connection.settings_dict, "PORT", "6432")
    assert cache_name("default", "a") == direct


def test_the_parts_of_a_name_are_separated():
    names = {
        cache_name("default", *parts)
        for parts in [("a", "b"), ("ab",), ("a b",), ("a", "b", ""), ("a", "b", None)]
    }
    assert len(names) == 5
    assert cache_name(None, "a") != cache_name("default", "a")


def test_a_name_costs_no_query(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        cache_name("default", "a")
