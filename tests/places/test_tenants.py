"""Two tenants with clients of their own at one place: no secret and no token crosses.

Each tenant has its own database, or its own tables on one connection, or both share the tables. If
they do not, their users have the same primary key.
"""

import json
import threading
import time
from contextvars import ContextVar
from functools import partial
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, router, transaction

from django_dance.models import ClientRegistration, OAuthToken
from django_dance.providers import owner_tenant, providers
from django_dance.storage import FallbackStorage
from django_dance.tokens import ResourceOwner

from ..conftest import Browser, provider_url, query, run_concurrently
from ..internet import PUBLIC
from ..other_database import ALIAS
from .conftest import JSON, connect

PLACE, ISSUER = "git.example", "https://git.example"
#: The threads of each tenant.
THREADS = 4

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", ALIAS]),
    pytest.mark.usefixtures("other_database"),
]

#: The name of the tenant that this thread works for. The threads of the package inherit it.
current = ContextVar("current", default="ruby")


class Server:
    """A server of GitLab, and of Mastodon. Each code, token and secret names its tenant."""

    def __init__(self):
        self.lock, self.forms = threading.Lock(), []

    def answer(self, received):
        if received.path == "/oauth/token":
            return 200, JSON, json.dumps(self.grant(dict(received.form)))
        if received.path == "/api/v1/apps":
            return 200, JSON, '{"client_id": "app", "client_secret": "planted"}'
        if "Authorization" not in received.headers:
            return 404, {}, ""
        _, tenant, _ = received.headers["Authorization"].rsplit("-", 2)
        return 200, JSON, json.dumps({"id": tenant, "username": tenant})

    def grant(self, form):
        with self.lock:
            self.forms.append(form)
            name = f"{form['client_id'].removeprefix('client-')}-{len(self.forms)}"
        fields = {"access_token": f"planted-a-{name}", "refresh_token": f"planted-r-{name}"}
        return {**fields, "token_type": "Bearer", "expires_in": 7200}

    def sent(self, tenant, grant_type):
        """The forms that this tenant's client has sent for such a grant."""
        client = f"client-{tenant}"
        return [
            form
            for form in self.forms
            if (form["client_id"], form["grant_type"]) == (client, grant_type)
        ]

    def assert_nothing_crossed(self):
        for form in self.forms:
            tenant = form["client_id"].removeprefix("client-")
            other = {"ruby": "opal", "opal": "ruby"}[tenant]
            assert form["client_secret"] == f"planted-secret-{tenant}"
            assert other not in json.dumps(form)


@pytest.fixture
def server(settings, bundle, internet, authority, redis_cache):
    settings.DANCE_TIMEOUT = 60  # a busy machine may be slow
    settings.DANCE_PROVIDERS = {
        "gitlab": {
            "PROVIDER": "django_dance.contrib.gitlab.GitLab",
            "PLACES": [PLACE],
            "CA_BUNDLE": bundle,
        },
        "mastodon": {
            "PROVIDER": "django_dance.contrib.mastodon.Mastodon",
            "PLACES": [PLACE],
            "CA_BUNDLE": bundle,
        },
    }
    server = Server()
    with internet.site(authority, PLACE, PUBLIC, server.answer):
        yield server


# --- how the site separates its tenants -----------------------------------------------------------


class TenantRouter:
    """Reads and writes the rows of the tenant opal in the other database."""

    def db_for_read(self, model, **hints):
        return ALIAS if current.get() == "opal" else "default"

    db_for_write = db_for_read


class TenantStorage(FallbackStorage):
    """Uses the tables of the tenant on each new connection, as the guide shows it."""

    def prepare_connection(self, connection, beside):
        super().prepare_connection(connection, beside)
        use_tables(connection)


def use_tables(connection):
    """Let a connection use the tables of the current tenant, as a site's middleware does."""
    name = connection.settings_dict["NAME"]
    if current.get() == "opal":
        name += "_opal"
    elif connection.vendor == "postgresql":
        name = "public"
    verb = "SET search_path TO" if connection.vendor == "postgresql" else "USE"
    with connection.cursor() as cursor:
        cursor.execute(f"{verb} {connection.ops.quote_name(name)}")


def tenant_of(owner):
    """The tenant of a user, also without a request: ``ada-ruby`` belongs to ``ruby``."""
    user = owner.user or get_user_model().objects.get(pk=owner.user_id)
    return user.username.partition("-")[2]


@pytest.fixture
def databases_of_tenants(settings):
    """A database for each tenant. The registrations have no tenant."""
    settings.DATABASE_ROUTERS = [f"{__name__}.TenantRouter"]
    return lambda: None


@pytest.fixture
def tables_of_tenants(db, settings):
    """Tables of the same names for each tenant: a schema on PostgreSQL, a database on MariaDB."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no schemas")
    settings.DANCE_TENANT = current.get
    settings.DANCE_STORAGE = f"{__name__}.TenantStorage"
    quote = connection.ops.quote_name
    of_opal = quote(f"{connection.settings_dict['NAME']}_opal")
    ends = "CASCADE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {of_opal}")
        try:
            for table in map(quote, connection.introspection.table_names(cursor)):
                like = f"(LIKE {table} INCLUDING ALL)" if ends else f"LIKE {table}"
                cursor.execute(f"CREATE TABLE {of_opal}.{table} {like}")
            yield lambda: use_tables(connection)
        finally:
            current.set("ruby")
            use_tables(connection)
            cursor.execute(f"DROP SCHEMA {of_opal} {ends}")


@pytest.fixture
def owners_of_tenants(settings):
    """The tenants share the tables; a function names the tenant of a user."""
    settings.DANCE_OWNER_TENANT = tenant_of
    return lambda: None


class Tenant:
    """A tenant with a user.

    :param enter: lets the thread work for the current tenant.
    """

    def __init__(self, name, enter, user_id):
        self.name, self.enter, self.user_id = name, enter, user_id

    def do(self, job):
        """Do a job for this tenant, in this thread."""
        current.set(self.name)
        self.enter()
        return job(self)

    @property
    def session(self):
        return providers["gitlab"].at(PLACE).session(user_id=self.user_id)


@pytest.fixture(params=["databases_of_tenants", "tables_of_tenants", "owners_of_tenants"])
def tenants(request, server):
    enter = request.getfixturevalue(request.param)
    shared = request.param == "owners_of_tenants"
    tenants = [Tenant("ruby", enter, 7), Tenant("opal", enter, 8 if shared else 7)]
    for tenant in tenants:
        tenant.do(add_user)
        tenant.do(add_credentials)
    yield tenants
    tenants[0].do(lambda tenant: None)


def add_user(tenant):
    get_user_model().objects.create_user(f"ada-{tenant.name}", pk=tenant.user_id)


def add_credentials(tenant):
    owner = ResourceOwner(providers["gitlab"], user_id=tenant.user_id)
    row = ClientRegistration(
        provider="gitlab",
        tenant=owner_tenant(owner),
        issuer=ISSUER,
        client_id=f"client-{tenant.name}",
        token_endpoint_auth_method="client_secret_post",
    )
    row.secrets = {"client_secret": f"planted-secret-{tenant.name}"}
    row.save()


def make_dance(tenant):
    browser = Browser()
    browser.force_login(get_user_model().objects.get(pk=tenant.user_id))
    done = connect(browser, PLACE, "gitlab", code=f"planted-code-{tenant.name}")
    assert done["Location"] == "/after/", done.content


def let_expire(tenant):
    """Let the token expire soon. Until it has expired, it is in the cache."""
    row = OAuthToken.objects.get(user=tenant.user_id)
    row.token = {**row.token.fields_to_store, "expires_at": time.time() + 30}
    row.save()
    assert tenant.session.authorized


# --- jobs without a request -----------------------------------------------------------------------


def by_command(tenant):
    call_command("dance_refresh", stdout=StringIO(), stderr=StringIO())
    return by_call(tenant)


def by_call(tenant):
    return tenant.session.get("user").json()["username"]


def by_call_in_transaction(tenant):
    with transaction.atomic(using=router.db_for_write(OAuthToken)):
        return by_call(tenant)


@pytest.mark.parametrize("job", [by_command, by_call, by_call_in_transaction])
def test_no_secret_and_no_token_crosses(server, tenants, redis_cache, job, request):
    if job is by_call_in_transaction:
        request.getfixturevalue("several_writers")
    for tenant in tenants:
        tenant.do(make_dance)
        tenant.do(let_expire)
    assert len(redis_cache.keys("*token*")) >= 2
    jobs = [partial(tenant.do, job) for tenant in tenants for _ in range(THREADS)]
    assert run_concurrently(*jobs) == ["ruby"] * THREADS + ["opal"] * THREADS
    server.assert_nothing_crossed()
    for tenant in tenants:
        (dance,) = server.sent(tenant.name, "authorization_code")
        assert dance["code"] == f"planted-code-{tenant.name}"
        (refresh,) = server.sent(tenant.name, "refresh_token")
        assert refresh["refresh_token"].startswith(f"planted-r-{tenant.name}-")
        row = tenant.do(lambda tenant: OAuthToken.objects.get(user=tenant.user_id))
        assert row.token["access_token"].startswith(f"planted-a-{tenant.name}-")
        assert row.token["refresh_token"] != refresh["refresh_token"]


@pytest.mark.parametrize("tenants", ["owners_of_tenants"], indirect=True)
def test_a_connection_does_not_use_the_registration_of_another_tenant(server, tenants):
    ruby, _ = tenants
    ruby.do(make_dance)
    row = OAuthToken.objects.get()
    opal = ClientRegistration.objects.get(tenant="opal")
    named = {**row.token["granted_by"], "registration": str(opal.pk)}
    row.token = {**row.token.fields_to_store, "granted_by": named, "expires_at": 1}
    row.save()
    with pytest.raises(Exception, match="not those of this issuer and tenant"):
        ruby.session.refresh()
    assert "planted-secret-opal" not in str(server.forms)


@pytest.mark.parametrize("tenants", ["databases_of_tenants", "tables_of_tenants"], indirect=True)
def test_a_registration_in_a_transaction_is_stored_for_its_tenant(tenants, several_writers):
    for tenant in tenants:
        tenant.do(register)
    for tenant in tenants:
        assert tenant.do(count_registrations) == 1


def register(tenant):
    """Begin a dance at a server that does not know the site yet, as with ``ATOMIC_REQUESTS``."""
    browser = Browser()
    browser.force_login(get_user_model().objects.get(pk=tenant.user_id))
    with transaction.atomic(using=router.db_for_write(ClientRegistration)):
        begun = browser.post("/login/mastodon/", {"place": PLACE})
    assert query(provider_url(begun))["client_id"] == "app"


def count_registrations(tenant):
    return ClientRegistration.objects.filter(provider="mastodon").count()


@pytest.mark.parametrize("tenants", ["databases_of_tenants", "tables_of_tenants"], indirect=True)
def test_a_token_for_the_site_itself_is_that_of_the_tenants_client(server, tenants):
    for tenant in tenants:
        token = tenant.do(lambda tenant: providers["gitlab"].at(PLACE).client_credentials())
        assert token["access_token"].startswith(f"planted-a-{tenant.name}-")
    server.assert_nothing_crossed()
