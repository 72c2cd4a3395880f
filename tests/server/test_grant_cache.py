"""Codes in a cache: ``LocMemCache`` and Redis."""

import json
import pickle

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest
from django.test import RequestFactory
from django.test.utils import isolate_apps
from django.urls import path

from django_dance.server import AuthorizationServer, bind_cache_grant, bind_models
from django_dance.server.models import Client, Grant

from ..conftest import query
from .conftest import assert_invalid_grant, is_alive, make_server, serve
from .site import MODELS, SCOPES
from .test_token import CHANGES

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["default", "redis"])
def alias(request):
    """The cache to keep codes in."""
    if request.param == "redis":
        request.getfixturevalue("redis_cache")
    return request.param


class Provider:
    """A server that stores codes in a cache. It is called without URLs."""

    def __init__(self, user, **options):
        self.server = AuthorizationServer(
            "oauth_server", issuer="https://testserver", scopes=SCOPES
        )
        bind_models(self.server, client=MODELS["client"], token=MODELS["token"], user="auth.User")
        bind_cache_grant(self.server, lambda request: user, **options)
        self.authorize = self.server.authorize_handler(lambda request, **asked: True)
        self.token = self.server.token_handler(lambda request: None)

    def adopt(self, app):
        """The application gets codes and tokens here, and uses the server of the site otherwise."""
        post = app.post

        def through(path, form, **headers):
            if path != "token/":
                return post(path, form, **headers)
            line, app.line = app.line, self
            try:
                return post(path, form, **headers)
            finally:
                app.line = line

        app.post = through
        app.code = lambda browser=None, **changes: query(
            self.authorize(RequestFactory().get(app.address(**changes)))["Location"]
        )["code"]
        return app

    def post(self, path, body, content_type, headers):
        response = self.token(RequestFactory().post(path, body, content_type, headers=headers))
        response.json = lambda: json.loads(response.content)
        return response


@pytest.fixture
def cached(app, user, alias):
    return Provider(user, cache=alias).adopt(app)


@pytest.fixture
def local(app, user):
    return Provider(user).adopt(app)


def entries():
    """The entries of the default cache, unpickled."""
    return {key: pickle.loads(value) for key, value in caches["default"]._cache.items()}


def test_a_code_in_a_cache_is_valid_once(cached):
    code = cached.code()
    assert not Grant.objects.exists()
    token = cached.redeem(code).json()
    assert is_alive(cached, token["access_token"])
    assert_invalid_grant(cached.redeem(code))


def test_a_second_use_revokes_the_tokens_of_the_first(cached):
    code = cached.code()
    token = cached.refresh(cached.redeem(code).json()["refresh_token"]).json()
    assert_invalid_grant(cached.redeem(code))
    assert not is_alive(cached, token["access_token"])


def test_a_used_code_from_another_client_revokes_nothing(cached, register):
    code = cached.code()
    token = cached.redeem(code).json()
    assert_invalid_grant(cached.redeem(code, code_verifier="x" * 43))
    assert is_alive(cached, token["access_token"])


@pytest.mark.django_db(transaction=True)
def test_of_eight_redemptions_at_once_one_gets_a_token(cached):
    from .test_concurrency import run_at_once

    code = cached.code()
    answers = run_at_once(8, lambda: cached.redeem(code))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "wrong"},
        {"redirect_uri": "https://app.example/other"},
        {"redirect_uri": None},
        {"code_verifier": "x" * 43},
    ],
    ids=str,
)
def test_the_token_request_must_match_the_authorization_request(local, changes):
    assert_invalid_grant(local.redeem(**{"code": local.code(), **changes}))


def test_a_redirect_uri_may_be_omitted_in_both_requests(local):
    assert local.redeem(local.code(redirect_uri=None), redirect_uri=None).status_code == 200


def test_a_code_is_valid_for_its_client_only(local, register):
    other = register("Other")
    code = local.code()
    local.client, local.secret, owner = other.client, other.secret, local.client
    assert_invalid_grant(local.redeem(code))
    assert owner != local.client


@pytest.mark.parametrize("change", [name for name in CHANGES if "client was" not in name])
def test_a_code_becomes_invalid_when_the_user_or_client_changes(local, change):
    code = local.code()
    CHANGES[change]()
    if "secret" in change:
        client = Client.objects.get()
        local.secret = client.rotate_secret()
        client.save()
    assert_invalid_grant(local.redeem(code))


def test_the_cache_holds_neither_the_user_nor_the_code(local, user):
    # A short name such as "ada" occurs by chance in a sealed text.
    user.username = "planted-user-name"
    user.save()
    code = local.code()
    (text,) = entries().values()
    assert isinstance(text, str)
    assert code not in str(entries())
    assert user.username not in text and user.password not in text and "email" not in text


def test_a_forged_cache_entry_is_not_a_code(local):
    code, other = local.code(), local.code()
    second, first = caches["default"]._cache  # the youngest comes first
    caches["default"]._cache[first] = caches["default"]._cache[second]
    caches["default"]._expire_info[first] = None
    assert_invalid_grant(local.redeem(code))
    assert local.redeem(other).status_code == 200
    for rubbish in ("x", 1, None, b"x" * 100):
        key = next(iter(caches["default"]._cache))
        caches["default"]._cache[key] = pickle.dumps(rubbish)
        assert local.redeem(code).status_code == 400


@pytest.mark.parametrize("seconds, good", [(95, True), (101, False), (-30, False)])
def test_a_code_lives_for_a_hundred_seconds(clock, local, seconds, good):
    code = local.code()
    clock.now += seconds
    assert (local.redeem(code).status_code == 200) is good


def test_the_timeout_can_be_set(clock, app, user):
    provider = Provider(user, timeout=10).adopt(app)
    code = provider.code()
    clock.now += 11
    assert_invalid_grant(provider.redeem(code))


def test_a_proxy_of_the_user_revokes_the_codes_of_the_user(app, user):
    with isolate_apps("tests"):

        class Staff(get_user_model()):
            class Meta:
                proxy = True

    provider = Provider(user)
    provider.adopt(app)
    code = app.code()
    provider.server.end_tokens(Staff(pk=user.pk))
    assert_invalid_grant(app.redeem(code))


def test_the_grantrevoker_revokes_the_codes_in_the_cache(app, user):
    provider = Provider(user)
    provider.adopt(app)
    code = app.code()
    provider.server.callbacks.required("grantrevoker")(user=user, client_id=app.client.client_id)
    assert_invalid_grant(app.redeem(code))
    assert app.redeem(app.code()).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_second_use_before_the_tokens_are_stored_is_detected(app, user):
    """The second use finds no tokens to revoke; the first use must revoke them."""
    provider = Provider(user)
    local = provider.adopt(app)
    stored = provider.server.callbacks.required("tokensetter")

    @provider.server.tokensetter
    def slow(token, request):
        assert vars(request)["grant"].redeem() is False
        return stored(token, request)

    token = local.redeem(local.code()).json()
    assert not is_alive(local, token["access_token"])


@pytest.mark.django_db(transaction=True)
def test_a_second_use_before_the_commit_of_the_request_is_detected(app, member, settings):
    """With ATOMIC_REQUESTS, the second use comes after the first response, before its commit."""
    own = make_server()
    bind_cache_grant(own)
    serve(settings, own)
    code, came = app.code(member), []
    view = own.view("token")

    @transaction.atomic
    def uncommitted(request):
        response = view(request)
        came.append(own.callbacks.required("grantgetter")(app.client.client_id, code).redeem())
        return response

    serve(settings, own, path("atomic/token/", uncommitted))
    app.root = "/atomic/"
    token = app.redeem(code).json()
    assert came == [False]
    assert not is_alive(app, token["access_token"])


def test_a_code_stays_used_even_if_its_mark_drops_out_of_the_cache(local):
    code = local.code()
    token = local.redeem(code).json()
    for key in [key for key in caches["default"]._cache if key.endswith(":used")]:
        caches["default"].delete(key.removeprefix(":1:"))
    assert is_alive(local, token["access_token"])
    assert_invalid_grant(local.redeem(code))
    assert not is_alive(local, token["access_token"])


@pytest.mark.django_db(transaction=True)
def test_a_cache_that_goes_down_during_the_redemption_is_logged(local, monkeypatch, caplog):
    code = local.code()
    backend = type(caches["default"])
    add = backend.add

    def down(*args, **kwargs):
        raise ConnectionError

    def last(*args, **kwargs):
        monkeypatch.setattr(backend, "set", down)
        monkeypatch.setattr(backend, "get", down)
        return add(*args, **kwargs)

    monkeypatch.setattr(backend, "add", last)
    assert local.redeem(code).status_code == 200
    assert "the use of a code may be forgotten" in caplog.text
    assert "a second use of a code may not be noticed" in caplog.text
    assert code not in caplog.text


# --- Flask-OAuthlib's names in the settings -------------------------------------------------------


def grants_of(**options):
    server = AuthorizationServer("oauth_server", issuer="https://testserver")
    bind_cache_grant(server, **options)
    return server.callbacks.required("grantgetter").__self__


def test_without_settings_the_default_cache_is_used():
    assert grants_of().cache is caches["default"]
    assert grants_of().timeout == 100


@pytest.mark.parametrize(
    "kind, more, backend",
    [
        ("simple", {}, "LocMemCache"),
        ("redis", {"OAUTH2_CACHE_REDIS_HOST": "redis.example"}, "RedisCache"),
    ],
)
def test_the_type_names_a_backend(settings, kind, more, backend):
    settings.OAUTH2_CACHE_TYPE = kind
    for name, value in more.items():
        setattr(settings, name, value)
    assert type(grants_of().cache).__name__ == backend


def test_the_settings_of_redis_are_read(settings):
    settings.OAUTH2_CACHE_TYPE = "redis"
    settings.OAUTH2_CACHE_REDIS_HOST = "redis.example"
    settings.OAUTH2_CACHE_REDIS_PORT = 7000
    settings.OAUTH2_CACHE_REDIS_DB = 3
    settings.OAUTH2_CACHE_REDIS_PASSWORD = "planted-password"
    settings.OAUTH2_CACHE_KEY_PREFIX = "grants"
    cache = grants_of().cache
    assert cache._servers == ["redis://redis.example:7000/3"]
    assert cache._options == {"password": "planted-password"}
    assert cache.key_prefix == "grants"


def test_settings_with_the_prefix_take_precedence(settings):
    settings.CACHE_DEFAULT_TIMEOUT = 50
    assert grants_of().timeout == 50
    settings.OAUTH2_CACHE_DEFAULT_TIMEOUT = 60
    assert grants_of().timeout == 60
    settings.MINE_CACHE_DEFAULT_TIMEOUT = 70
    assert grants_of(config_prefix="MINE").timeout == 70
    assert grants_of(timeout=30).timeout == 30


def test_the_settings_of_memcached_are_read(settings):
    settings.OAUTH2_CACHE_TYPE = "memcache"
    settings.OAUTH2_CACHE_MEMCACHED_SERVERS = ["127.0.0.1:11211"]
    grants = grants_of()
    described = grants._cache_options("memcache")
    assert described["BACKEND"].endswith("memcached.PyMemcacheCache")
    assert described["LOCATION"] == ["127.0.0.1:11211"]


def test_the_repr_of_a_grant_names_only_the_client(app, user):
    provider = Provider(user)
    code = provider.adopt(app).code()
    grant = provider.server.callbacks.required("grantgetter")(app.client.client_id, code)
    assert repr(grant) == f"<FoundGrant client='{app.client.client_id}'>"


def test_the_threshold_is_a_number_of_entries(settings):
    settings.OAUTH2_CACHE_TYPE = "simple"
    assert grants_of().cache._max_entries == 500
    settings.OAUTH2_CACHE_THRESHOLD = 10
    assert grants_of().cache._max_entries == 10


def test_an_alias_takes_precedence_over_the_settings(settings):
    settings.OAUTH2_CACHE_TYPE = "simple"
    settings.CACHES = {
        **settings.CACHES,
        "codes": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    }
    assert grants_of(cache="codes").cache is caches["codes"]


@pytest.mark.parametrize("kind", ["null", "unknown"])
def test_a_type_that_cannot_store_codes_is_refused(settings, kind):
    settings.OAUTH2_CACHE_TYPE = kind
    with pytest.raises(ImproperlyConfigured, match="can be simple, memcache or redis"):
        _ = grants_of().cache


def test_the_file_backend_is_refused_with_alternatives(settings, tmp_path):
    settings.OAUTH2_CACHE_TYPE = "filesystem"
    settings.OAUTH2_CACHE_DIR = str(tmp_path)
    with pytest.raises(ImproperlyConfigured, match=r"such as Redis .* bind_cache_grant\(server"):
        _ = grants_of().cache
    settings.CACHES = {
        **settings.CACHES,
        "files": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": tmp_path,
        },
    }
    with pytest.raises(ImproperlyConfigured, match="both could use the same code"):
        _ = grants_of(cache="files").cache


def test_a_missing_setting_of_a_type_is_named(settings):
    settings.OAUTH2_CACHE_TYPE = "memcache"
    with pytest.raises(ImproperlyConfigured, match="Set OAUTH2_CACHE_MEMCACHED_SERVERS"):
        _ = grants_of().cache


def test_codes_are_stored_in_the_cache_of_the_settings(app, user, settings):
    settings.OAUTH2_CACHE_TYPE = "simple"
    provider = Provider(user).adopt(app)
    code = provider.code()
    assert entries() == {}
    assert provider.redeem(code).status_code == 200


def test_the_current_user_function_gets_the_request(app, user):
    asked = []
    server = AuthorizationServer("oauth_server", issuer="https://testserver", scopes=SCOPES)
    bind_models(server, client=MODELS["client"], token=MODELS["token"])
    bind_cache_grant(server, lambda request: asked.append(request) or user)
    server.authorize_handler(lambda request, **kwargs: True)(RequestFactory().get(app.address()))
    assert all(isinstance(request, HttpRequest) for request in asked) and asked
