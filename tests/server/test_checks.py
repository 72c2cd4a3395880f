"""The system checks of the server."""

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_dance.server import AuthorizationServer, bind_cache_grant, bind_models
from django_dance.server.authorization import servers
from django_dance.server.checks import check_deployment, check_servers, check_settings

from .site import MODELS, server

REDIS = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x"}


def make_server(name="checked", issuer="https://testserver", bound=True, **options):
    server = AuthorizationServer(name, issuer=issuer, **options)
    if bound:
        bind_models(server, **MODELS)
    return server


@pytest.fixture(autouse=True)
def _forget_servers():
    """A server with wrong options must not be there in later tests."""
    before = set(servers)
    yield
    servers.intersection_update(before)


def messages_of(only, check=check_servers):
    """The messages of a check if this is the only server."""
    others = set(servers) - {only}
    servers.difference_update(others)
    try:
        return check()
    finally:
        servers.update(others)


def assert_message(messages, id, *words):
    (message,) = messages
    assert message.id == f"django_dance_server.{id}"
    for word in words:
        assert word in f"{message.msg} {message.hint}"


def test_the_server_of_the_tests_has_no_problems():
    assert messages_of(server) == []


@pytest.mark.parametrize(
    "issuer",
    [
        None,
        "",
        "testserver",
        "http://example.com",
        "https://example.com?x",
        "https://example.com#x",
        "https://user@example.com",
        7,
    ],
)
def test_an_invalid_issuer_is_found(issuer):
    assert_message(
        messages_of(make_server(issuer=issuer)), "E002", "DANCE_SERVER_ISSUER", repr(issuer)
    )


def test_plain_http_is_allowed_for_loopback_while_debugging(settings):
    assert_message(messages_of(make_server(issuer="http://localhost:8000")), "E002")
    settings.DEBUG = True
    assert messages_of(make_server(issuer="http://localhost:8000")) == []


def test_an_issuer_may_have_a_path():
    assert messages_of(make_server(issuer="https://example.com/oauth")) == []


def test_missing_functions_are_found():
    messages = messages_of(make_server(bound=False))
    assert_message(messages, "E003", "has no clientgetter, tokengetter", "bind_models(server")


@pytest.mark.parametrize(
    "options, word",
    [
        ({"access_token_lifetime": 0}, "access_token_lifetime"),
        ({"refresh_token_lifetime": "3600"}, "positive number"),
        ({"code_lifetime": True}, "code_lifetime"),
        ({"refresh_retry": -1}, "refresh_retry"),
        ({"refresh_retry": "60"}, "number of seconds"),
        ({"code_lifetime": 601}, "ten minutes"),
        ({"scopes": ["email"]}, "must be a dict"),
        ({"scopes": 5, "open_scopes": ["email"]}, "must be a dict"),
        ({"open_scopes": None}, "a list of scopes"),
        ({"open_scopes": "email"}, "a list of scopes"),
        ({"open_scopes": [1]}, "a list of scopes"),
        ({"client_documents": 1, "open_scopes": ["email"]}, "True or False"),
        ({"token_generator": "nowhere.at_all"}, "cannot be imported"),
    ],
)
def test_an_invalid_option_is_found(options, word):
    assert_message(messages_of(make_server(**options)), "E004", word)


def test_a_view_that_cannot_be_imported_is_found():
    broken = make_server()
    broken.token_view = "nowhere.TokenView"
    assert_message(messages_of(broken), "E004", "no token_view", "nowhere.TokenView")


def test_the_password_grant_gives_a_warning():
    assert_message(messages_of(make_server(allow_password_grant=True)), "W005", "must not be used")


def test_an_unknown_setting_is_found(settings):
    assert check_settings() == []
    settings.DANCE_SERVER_ISUER = "x"
    assert_message(
        check_settings(), "E001", "DANCE_SERVER_ISUER", "Did you mean DANCE_SERVER_ISSUER"
    )


def test_the_check_of_the_client_ignores_settings_of_the_server(settings):
    from django_dance import conf

    settings.DANCE_SERVER_ISUER = "x"
    assert "DANCE_SERVER_ISUER" not in conf.settings.unknown()


def test_an_unknown_token_cache_is_found(settings):
    settings.DANCE_SERVER_TOKEN_CACHE = "nowhere"
    assert_message(check_settings(), "E004", "DANCE_SERVER_TOKEN_CACHE", "an alias of CACHES")


def test_an_unknown_limit_cache_is_found(settings):
    settings.DANCE_SERVER_LIMIT_CACHE = "nowhere"
    assert_message(check_settings(), "E004", "DANCE_SERVER_LIMIT_CACHE", "an alias of CACHES")


def test_a_limit_cache_that_is_not_shared_gives_a_warning_at_deployment(settings):
    assert_message(messages_of(make_server(), check_deployment), "W009", "DANCE_SERVER_LIMIT_CACHE")


def test_a_cache_that_is_not_shared_gives_a_warning_at_deployment(settings):
    settings.CACHES = {**settings.CACHES, "limits": REDIS}
    settings.DANCE_SERVER_LIMIT_CACHE = "limits"
    cached = make_server()
    assert messages_of(cached, check_deployment) == []
    bind_cache_grant(cached)
    assert_message(messages_of(cached, check_deployment), "W006", "'default'")
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    assert_message(messages_of(make_server(), check_deployment), "W006")


def test_a_shared_cache_whose_keys_do_not_name_the_site_gives_a_warning_at_deployment(settings):
    settings.CACHES = {"default": REDIS, "codes": REDIS}
    cached = make_server()
    bind_cache_grant(cached, cache="codes")
    assert_message(
        messages_of(cached, check_deployment), "W008", "'codes'", "DANCE_SITE_KEY", "KEY_PREFIX"
    )
    settings.DANCE_SERVER_TOKEN_CACHE = "default"
    assert ["'codes'" in m.msg for m in check_deployment() if m.id.endswith("W008")] == [
        True,
        False,
    ]
    settings.DANCE_SITE_KEY = "example.com production"
    assert check_deployment() == []
    settings.DANCE_SITE_KEY = None
    settings.CACHES = {alias: {**REDIS, "KEY_PREFIX": "mysite"} for alias in settings.CACHES}
    assert check_deployment() == []


def test_the_cache_of_flask_oauthlibs_settings_is_checked_at_deployment(settings):
    settings.CACHES = {**settings.CACHES, "limits": REDIS}
    settings.DANCE_SERVER_LIMIT_CACHE = "limits"
    settings.OAUTH2_CACHE_TYPE = "redis"
    cached = make_server()
    bind_cache_grant(cached)
    assert_message(messages_of(cached, check_deployment), "W008", "cache of OAUTH2_CACHE_TYPE")
    settings.OAUTH2_CACHE_KEY_PREFIX = "mysite"
    bind_cache_grant(cached)
    assert messages_of(cached, check_deployment) == []
    settings.OAUTH2_CACHE_TYPE = "simple"
    bind_cache_grant(cached)
    assert_message(messages_of(cached, check_deployment), "W006", "cache of OAUTH2_CACHE_TYPE")
    settings.OAUTH2_CACHE_TYPE = "filesystem"
    bind_cache_grant(cached)
    assert messages_of(cached, check_deployment) == []
    assert_message(messages_of(cached, check_servers), "E004", "cannot store authorization codes")


def test_an_unknown_cache_for_codes_is_reported_once(settings):
    cached = make_server()
    bind_cache_grant(cached, cache="nowhere")
    assert not [m for m in messages_of(cached, check_deployment) if m.id.endswith("W006")]
    assert_message(messages_of(cached, check_servers), "E004", "'nowhere'")


def test_two_servers_with_one_name_are_found():
    twins = [make_server("twin"), make_server("twin")]
    assert_message(
        [message for message in check_servers() if "'twin'" in message.msg], "E007", "its own name"
    )
    assert len(twins) == 2


def test_a_cache_that_cannot_store_codes_is_found(settings, tmp_path):
    settings.CACHES = {
        **settings.CACHES,
        "files": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": tmp_path,
        },
    }
    cached = make_server()
    bind_cache_grant(cached, cache="files")
    assert_message(
        messages_of(cached), "E004", "'files'", "both could use the same code", "bind_models("
    )


def test_the_checks_are_registered():
    registered = checks.registry.registry.get_checks(include_deployment_checks=True)
    assert {check_settings, check_servers, check_deployment} <= set(registered)


def test_a_urlconf_that_fails_is_left_to_django():
    with override_settings(ROOT_URLCONF="nowhere"):
        assert check_servers() == []
    with override_settings(ROOT_URLCONF=None):
        assert check_servers() == []


@pytest.mark.parametrize(
    "use",
    [
        lambda: server.urls,
        lambda: bind_models(AuthorizationServer("new"), **MODELS).clientgetter("x"),
    ],
    ids=["urls", "bind_models"],
)
def test_without_the_app_the_server_says_what_to_add(settings, use):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "dance" not in app]
    with pytest.raises(ImproperlyConfigured, match=r'"django_dance\.server" is missing in INSTALL'):
        use()
