"""Connections: values without secrets, read from the rows of the users."""

import io
import json

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser
from django.core import serializers
from django.core.management import call_command
from django.test import RequestFactory

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.sessions import OAuth
from django_dance.storage import MemoryStorage, ModelStorage, SessionStorage
from django_dance.tokens import Connection, ResourceOwner

from ..models import SiteToken

pytestmark = pytest.mark.django_db

TOKEN = {
    "access_token": "planted-access",
    "refresh_token": "planted-refresh",
    "scope": ["read", "write"],
    "connected_as": "Ada L.",
}


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_user("ada")


@pytest.fixture
def grace(django_user_model):
    return django_user_model.objects.create_user("grace")


def request_of(user):
    request = RequestFactory().get("/")
    request.user = user
    return request


def connect(user, account="", provider="github", **fields):
    owner = ResourceOwner(providers[provider], user=user, account=account)
    owner.provider.token_storage.set(owner, {**TOKEN, "connected_account": account, **fields})
    return OAuthToken.objects.get(user=user, provider=provider, account=account)


def wipe(row, reason="revoked"):
    OAuthToken.objects.filter(pk=row.pk).update(token="", state="needs_reconnect", reason=reason)


def test_a_connection_has_the_facts_of_its_row_and_no_secret(ada):
    row = connect(ada, "7")
    (connection,) = providers["github"].connections(ada)
    assert connection == Connection(
        provider="github",
        account="7",
        label="Ada L.",
        scopes=frozenset({"read", "write"}),
        connected_at=row.connected_at,
        state="active",
        reason="",
        changed_at=None,
        may_sign_in=False,
        is_default=True,
        id=row.pk,
    )
    assert connection.active
    assert "planted" not in repr(connection)


def test_the_default_account_comes_first(ada, grace):
    connect(ada, "7")
    connect(ada, "8")
    connect(grace, "9")
    found = providers["github"].connections(ada)
    assert [(c.account, c.is_default) for c in found] == [("8", True), ("7", False)]
    assert [session.connection.account for session in session_of(ada).accounts] == ["8", "7"]


def session_of(user, account=""):
    return providers["github"].session(user=user, account=account)


def test_a_session_knows_its_connection(ada):
    assert session_of(ada).connection is None
    connect(ada, "7")
    connect(ada, "8")
    assert session_of(ada).connection.account == "8"
    assert session_of(ada, "7").connection.account == "7"
    assert session_of(ada, "9").connection is None


def test_the_connections_of_all_providers_cost_one_query(ada, django_assert_num_queries):
    names = list(providers)
    assert len(names) > 2
    connect(ada, "7")
    oauth = OAuth(request_of(ada))
    with django_assert_num_queries(1):
        found = oauth.connections()
    assert [(c.provider, c.account) for c in found] == [("github", "7")]


def test_connections_can_be_read_in_async_code(ada):
    connect(ada, "7")
    oauth = OAuth(request_of(ada))
    (connection,) = async_to_sync(oauth.aconnections)()
    assert connection == async_to_sync(oauth.github.aconnection)()


def test_a_visitor_who_is_not_logged_in_has_no_connection_in_a_table(settings, ada):
    connect(ada)
    settings.DANCE_STORAGE = "django_dance.storage.ModelStorage"
    assert OAuth(request_of(AnonymousUser())).connections() == []
    assert providers["github"].connections(AnonymousUser()) == []


def test_the_token_of_the_site_is_a_connection():
    storage = ModelStorage(SiteToken)
    owner = ResourceOwner(providers["github"])
    storage.set(owner, TOKEN)
    (connection,) = storage.connections([owner])
    assert connection.active
    assert connection.label == "Ada L."
    assert connection.connected_at is not None


def test_a_connection_in_a_session_has_no_primary_key(client, ada):
    request = request_of(ada)
    request.session = client.session
    owner = ResourceOwner(providers["github"], request)
    storage = SessionStorage()
    assert storage.connections([owner]) == []
    storage.set(owner, {**TOKEN, "granted_at": 1_700_000_000})
    (connection,) = storage.connections([owner])
    assert (connection.id, connection.label, connection.state) == (None, "Ada L.", "active")
    assert connection.connected_at.timestamp() == 1_700_000_000
    storage.set(owner, {"access_token": "planted", "expires_at": 1})
    (connection,) = storage.connections([owner])
    assert (connection.state, connection.reason) == ("needs_reconnect", "expired")


def test_any_storage_tells_its_connections(ada):
    owner = ResourceOwner(providers["github"], user=ada)
    assert MemoryStorage().connections([owner]) == []
    (connection,) = MemoryStorage(TOKEN).connections([owner])
    assert connection.scopes == {"read", "write"}


def test_a_wiped_token_reads_as_none(ada):
    row = connect(ada, "7")
    wipe(row)
    row = OAuthToken.objects.get()
    assert row.token is None
    assert OAuthToken.objects.defer("token").get().token is None
    assert session_of(ada).token is None
    assert session_of(ada, "7").connection.reason == "revoked"
    assert not session_of(ada, "7").connection.active
    assert not OAuthToken.objects.active().exists()


def test_setting_the_token_to_none_wipes_it(ada):
    row = connect(ada)
    row.token = None
    row.save()
    assert OAuthToken.objects.values_list("token", flat=True).get() == ""
    assert OAuthToken.objects.get().token is None


def test_setting_a_token_makes_the_connection_active(ada):
    row = connect(ada)
    wipe(row)
    row = OAuthToken.objects.get()
    row.token = {"access_token": "planted-new"}
    row.save()
    now = OAuthToken.objects.active().get()
    assert (now.token["access_token"], now.reason) == ("planted-new", "")
    assert now.state_changed_at is not None


def test_an_instance_that_was_loaded_earlier_does_not_overwrite_the_state(ada):
    row = connect(ada)
    wipe(row)
    row.label = "another name"
    row.save()
    now = OAuthToken.objects.get()
    assert (now.token, now.state, now.reason, now.label) == (
        None,
        "needs_reconnect",
        "revoked",
        "another name",
    )


def test_a_new_dance_uses_the_same_row(ada):
    row = connect(ada, "7")
    wipe(row)
    OAuthToken.objects.update(notified_at=row.connected_at, label="Ada")
    again = connect(ada, "7")
    assert again.pk == row.pk
    assert (again.state, again.reason, again.notified_at) == ("active", "", None)
    assert again.state_changed_at is not None
    assert again.label == "Ada L."
    assert again.token["access_token"] == "planted-access"


def test_a_label_stays_if_a_refreshed_token_has_none(ada):
    row = connect(ada, "7")
    owner = ResourceOwner(providers["github"], user=ada, account="7")
    assert owner.provider.token_storage.replace(owner, row.token, {"access_token": "new"})
    assert OAuthToken.objects.get().label == "Ada L."


def test_a_wiped_token_is_in_a_fixture_and_comes_back(ada):
    wipe(connect(ada))
    text = serializers.serialize("json", OAuthToken.objects.all())
    assert json.loads(text)[0]["fields"]["token"] is None
    OAuthToken.objects.all().delete()
    for each in serializers.deserialize("json", text):
        each.save()
    row = OAuthToken.objects.get()
    assert (row.token, row.state) == (None, "needs_reconnect")


def test_the_commands_read_a_wiped_token(ada, grace):
    wipe(connect(ada, "7"))
    out = io.StringIO()
    call_command("dance_tokens", "--json", stdout=out)
    token = json.loads(out.getvalue())
    assert (token["state"], token["reason"]) == ("needs_reconnect", "revoked")
    assert token["readable"] is True
    out = io.StringIO()
    call_command("dance_tokens", "--unreadable", stdout=out)
    assert out.getvalue() == ""
    out = io.StringIO()
    call_command("dance_reencrypt", stdout=out)
    assert out.getvalue() == "Re-encrypted 0, already with the first key 0, unreadable 0\n"
    call_command("dance_prune", "--unreadable", stdout=io.StringIO())
    assert OAuthToken.objects.filter(token="").exists()
