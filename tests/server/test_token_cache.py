"""The cache of verified tokens."""

import pickle
import time
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.db import models
from django.test.utils import isolate_apps
from django.utils import timezone

from django_dance.server import AuthorizationServer, bind_models, token_cache
from django_dance.server.models import Client, Consent, Grant, Token

from .conftest import is_alive, make_server, serve
from .site import MODELS, server


@pytest.fixture(params=["default", "redis"])
def cached(request, settings):
    """The server caches verified tokens; the clocks do not differ."""
    if request.param == "redis":
        request.getfixturevalue("redis_cache")
    settings.DANCE_SERVER_TOKEN_CACHE = request.param
    request.getfixturevalue("monkeypatch").setattr("django_dance.server.token_cache._SKEW", 0)
    return request.param


@pytest.fixture
def granted(cached, app, member):
    return app.token(member)["access_token"]


def test_a_verified_token_costs_no_query(app, granted, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert app.get("/untouched/", granted).status_code == 200
    with django_assert_num_queries(0):
        assert app.get("/untouched/", granted).content == b"in"


def test_the_user_and_the_client_are_loaded_when_they_are_used(
    app, granted, django_assert_num_queries
):
    expected = app.get("/email/", granted).json()
    with django_assert_num_queries(2):
        assert app.get("/email/", granted).json() == expected


def test_the_client_id_is_known_without_a_query(app, granted, rf, django_assert_num_queries):
    for queries in (1, 0):
        request = rf.get("/", headers={"authorization": f"Bearer {granted}"})
        with django_assert_num_queries(queries):
            server.verify_request(request)
            assert request.oauth_token.client_id == app.client.client_id
            assert request.oauth_token.user is not None


def test_a_missing_scope_is_missing_in_the_cache_too(app, granted):
    for _ in range(2):
        assert app.get("/both/", granted).status_code == 403


def test_a_clients_own_token_has_no_user_in_the_cache_either(cached, register):
    app = register(grant_types="client_credentials")
    token = app.post("token/", {"grant_type": "client_credentials"}).json()["access_token"]
    assert app.get("/email/", token).json() == app.get("/email/", token).json()


CHANGES = {
    "revocation": lambda app, token: app.revoke(token),
    "rotation": lambda app, token: app.refresh(app.granted["refresh_token"]),
    "the user's deactivation": lambda app, token: save_row(get_user_model(), is_active=False),
    "the user's new password": lambda app, token: save_row(get_user_model(), password="x"),
    "the user's deletion": lambda app, token: get_user_model().objects.get().delete(),
    "the client's deactivation": lambda app, token: save_row(Client, is_active=False),
    "the client's new secret": lambda app, token: save_row(Client, client_secret="x"),
}


def save_row(model, **fields):
    row = model._default_manager.get()
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_takes_effect_immediately(cached, app, member, change):
    app.granted = app.token(member)
    token = app.granted["access_token"]
    assert is_alive(app, token) and is_alive(app, token)
    CHANGES[change](app, token)
    assert not is_alive(app, token)


@pytest.mark.django_db(transaction=True)
def test_saving_a_proxy_of_the_user_invalidates_the_entry(app, granted, user):
    with isolate_apps("tests"):

        class Staff(get_user_model()):
            class Meta:
                proxy = True

    assert is_alive(app, granted)
    staff = Staff(**{field.attname: getattr(user, field.attname) for field in user._meta.fields})
    staff.is_active, staff._state.adding = False, False
    staff.save()
    assert not is_alive(app, granted)


def test_a_user_with_a_table_of_its_own_is_the_same_user(user):
    with isolate_apps("tests"):

        class Employee(get_user_model()):
            number = models.AutoField(primary_key=True)

    assert token_cache.user_key(Employee(id=user.pk, number=7)) == token_cache.user_key(user)


@pytest.mark.django_db(transaction=True)
def test_deleting_a_token_invalidates_its_entry(app, granted):
    assert is_alive(app, granted)
    Token.objects.all().delete()
    assert not is_alive(app, granted)


@pytest.mark.django_db(transaction=True)
def test_a_tokenrevoker_of_the_site_invalidates_the_entries(cached, app, member, settings):
    own = make_server()

    @own.tokenrevoker
    def revoke(**which):
        Token.objects.filter(**which).update(revoked_at=timezone.now())

    serve(settings, own)
    first = app.token(member)["access_token"]
    assert is_alive(app, first)
    app.revoke(first)
    assert not is_alive(app, first)
    second = app.token(member)["access_token"]
    assert is_alive(app, second)
    member.post("/oauth/applications/", {"application": Consent.objects.get().pk})
    assert not is_alive(app, second)


def test_other_models_are_deleted_without_reading_their_rows():
    """A receiver for all models would have Django read every row before it deletes it."""
    from django.db.models.signals import post_delete, pre_delete

    for signal in (pre_delete, post_delete):
        assert not signal.has_listeners(Consent)


@pytest.mark.django_db(transaction=True)
def test_a_login_does_not_invalidate_the_entry(app, granted, user, django_assert_num_queries):
    app.get("/untouched/", granted)
    user.save(update_fields=["last_login"])
    with django_assert_num_queries(0):
        app.get("/untouched/", granted)


def test_a_queryset_update_takes_effect_when_the_entry_is_gone(app, granted, cached):
    assert is_alive(app, granted)
    Token.objects.update(revoked_at=timezone.now())
    assert is_alive(app, granted)
    caches[cached].delete_many([token_cache.token_key(server, Token.objects.get().access_digest)])
    assert not is_alive(app, granted)


def test_an_entry_expires_with_the_token(cached, app, member, settings, monkeypatch):
    settings.DANCE_SERVER_ACCESS_TOKEN_LIFETIME = 30
    token = app.token(member)["access_token"]
    kept = []
    cache = caches[cached]
    put = type(cache).set
    monkeypatch.setattr(
        type(cache),
        "set",
        lambda self, key, value, timeout: kept.append(timeout) or put(self, key, value, timeout),
    )
    ends_at, before = Token.objects.get().expires.timestamp(), time.time()
    assert is_alive(app, token)
    (seconds,) = kept
    assert int(ends_at - time.time()) <= seconds <= int(ends_at - before) < 30
    settings.DANCE_SERVER_ACCESS_TOKEN_LIFETIME = 3600
    kept.clear()
    assert is_alive(app, app.token(member)["access_token"])
    assert kept[-1] == 60


def test_an_entry_that_was_read_before_a_change_is_not_used(
    cached, app, member, django_capture_on_commit_callbacks
):
    """A slow reader must not restore a token that was revoked meanwhile."""
    granted = app.token(member)
    found = Token.objects.get()
    read = time.time()
    with django_capture_on_commit_callbacks(execute=True):
        token_cache.invalidate(family=found.family)
    Token.objects.update(revoked_at=found.created_at)
    token_cache.put(
        server,
        found.access_digest,
        token_cache.VerifiedToken(
            server="oauth_server",
            client_id=found.client_id,
            user=token_cache.user_key(found.user),
            scopes=("email",),
            expires=None,
            family=found.family,
        ),
        read=read,
    )
    assert not is_alive(app, granted["access_token"])


def test_the_cache_has_no_token_and_no_plain_text(settings, app, member):
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    token = app.token(member)["access_token"]
    assert is_alive(app, token)
    kept = dict(caches["default"]._cache)
    assert kept
    text = str(kept)
    assert token not in text and "email" not in text and "auth.user" not in text


def test_a_copied_entry_is_ignored(settings, app, member):
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    first, second = (app.token(member)["access_token"] for _ in range(2))
    assert is_alive(app, first)
    cache = caches["default"]
    (value,) = (cache._cache[key] for key in cache._cache if ":server:token:" in key)
    row = Token.objects.latest("pk")
    stolen = cache.make_key(token_cache.token_key(server, row.access_digest))
    caches["default"]._cache[stolen] = value
    caches["default"]._expire_info[stolen] = None
    app.revoke(second)
    assert not is_alive(app, second)


@pytest.mark.parametrize("rubbish", ["x", 1, b"x", {"user": None}])
def test_an_entry_with_other_content_is_ignored(settings, app, member, rubbish):
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    token = app.token(member)["access_token"]
    assert is_alive(app, token)
    for key in list(caches["default"]._cache):
        caches["default"]._cache[key] = pickle.dumps(rubbish)
    assert is_alive(app, token)


def test_a_token_in_its_last_second_is_not_cached(settings, app, member):
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    token = app.token(member)["access_token"]
    Token.objects.update(expires=timezone.now() + timedelta(milliseconds=900))
    app.get("/email/", token)
    assert not caches["default"]._cache


def test_a_user_who_was_deleted_by_sql_is_anonymous(settings, app, member):
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    token = app.token(member)["access_token"]
    assert is_alive(app, token)
    users = get_user_model()._default_manager.all()
    Token.objects.update(user=None)
    Grant.objects.all().delete()
    Consent.objects.all().delete()
    users._raw_delete(users.db)
    assert app.get("/email/", token).json()["user"] == "AnonymousUser"


def test_a_user_who_was_deactivated_by_sql_is_anonymous(settings, app, member):
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    token = app.token(member)["access_token"]
    assert is_alive(app, token)
    get_user_model().objects.update(is_active=False)
    assert app.get("/email/", token).json()["user"] == "AnonymousUser"


def test_an_entry_of_another_server_is_not_used(settings, app, member, rf):
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    token = app.token(member)["access_token"]
    assert is_alive(app, token)
    other = AuthorizationServer("other", issuer="https://testserver")
    bind_models(other, **MODELS)
    request = rf.get("/", headers={"authorization": f"Bearer {token}"})
    assert other.verify_request(request)[0] is False
    assert server.name == "oauth_server"


@pytest.mark.parametrize("kind", ["RaisingCache", "SilentCache"])
def test_a_cache_that_is_down_counts_as_empty(settings, app, member, kind):
    settings.CACHES = {**settings.CACHES, "down": {"BACKEND": f"tests.caches.{kind}"}}
    settings.DANCE_SERVER_TOKEN_CACHE = "down"
    token = app.token(member)["access_token"]
    assert is_alive(app, token) and is_alive(app, token)
    assert app.revoke(token).status_code == 200
    assert not is_alive(app, token)


def test_without_the_setting_nothing_is_cached(app, member):
    assert is_alive(app, app.token(member)["access_token"])
    assert not caches["default"]._cache


@pytest.fixture
def cached_token(settings, app, member):
    """A token with an entry in the cache of the process."""
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    token = app.token(member)["access_token"]
    assert is_alive(app, token)
    return token


@pytest.mark.django_db(transaction=True)
def test_a_cache_that_was_down_during_a_change_learns_of_it_later(settings, app, cached_token):
    token = cached_token
    caches_up = settings.CACHES
    settings.CACHES = {**caches_up, "default": {"BACKEND": "tests.caches.RaisingCache"}}
    app.revoke(token)
    settings.CACHES = caches_up
    assert not is_alive(app, token)
