"""Each mistake that a newcomer can make is answered by its cure."""

import os
import re
import subprocess
import sys
import textwrap

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.test import override_settings
from django.urls import include

from django_dance import decorators
from django_dance.checks import check_settings
from django_dance.contrib.github import GitHub
from django_dance.decorators import authorization_required
from django_dance.middleware import OAuthMiddleware
from django_dance.mixins import AuthorizationRequiredMixin
from django_dance.providers import providers
from django_dance.storage import ModelStorage

from .models import TeamToken

# Since Django 6.1, checks of models ask the database for its features.
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database("the checks of django-dance ask no database"),
]

GITHUB = {"PROVIDER": "django_dance.contrib.github.GitHub", "SCOPE": "read:user"}
OAUTH2 = {
    "PROVIDER": "django_dance.providers.OAuth2Provider",
    "BASE_URL": "https://api.example.com/",
    "AUTHORIZATION_URL": "https://example.com/authorize",
    "TOKEN_URL": "https://example.com/token",
}


GOOGLE = {"PROVIDER": "django_dance.contrib.google.Google"}
OAUTH1 = {
    "PROVIDER": "django_dance.providers.OAuth1Provider",
    "REQUEST_TOKEN_URL": "https://example.com/request_token",
    "AUTHORIZATION_URL": "https://example.com/authorize",
    "ACCESS_TOKEN_URL": "https://example.com/access_token",
}


def run(deploy=False):
    return [
        message
        for message in checks.run_checks(include_deployment_checks=deploy)
        if message.id.startswith("django_dance.")
    ]


def ids():
    return [message.id.partition(".")[2] for message in run()]


def test_the_site_of_the_tests_has_no_problems():
    assert run() == []


@pytest.mark.parametrize(
    ("options", "expected", "hint"),
    [
        ({}, "E001", '"PROVIDER"|provider class'),
        ({"PROVIDER": "nowhere.GitHub"}, "E001", "cannot be imported"),
        ({"PROVIDER": "django_dance.contrib.github.Github"}, "E001", "cannot be imported"),
        (
            {"PROVIDER": "django_dance.contrib.github.Github"},
            "E001",
            r"Did you mean 'django_dance\.contrib\.github\.GitHub'\?",
        ),
        (
            {"PROVIDER": "django_dance.contrib.githb.GitHub"},
            "E001",
            r"Did you mean 'django_dance\.contrib\.github\.GitHub'\?",
        ),
        ({"PROVIDER": "django.http.HttpResponse"}, "E001", "provider class"),
        ("django_dance.contrib.github.GitHub", "E001", "dict of options"),
        ({**GITHUB, "SCOPES": "x"}, "E002", "Did you mean SCOPE?"),
        ({**GITHUB, "CLIENTID": "x"}, "E002", "Did you mean CLIENT_ID?"),
        ({**GITHUB, "STATE": "constant"}, "E002", ""),
        ({**GITHUB, "SUPPORTS_STATE": False}, "E002", ""),
        ({**GITHUB, "PKCE": "plain"}, "E002", "Its options are|Did you mean"),
        ({**GITHUB, "NAME": "other"}, "E002", ""),
        ({**GITHUB, "HOST": "https://github.example.com/"}, "E003", "without a path"),
        ({**GITHUB, "HOST": "evil@github.com"}, "E003", "without a path"),
        ({**OAUTH2, "TOKEN_URL": "http://example.com/token"}, "E003", "https"),
        ({**OAUTH2, "TOKEN_URL": "http://localhost/token"}, "E003", "while DEBUG"),
        ({**OAUTH2, "TOKEN_URL": "https://me:pw@example.com/token"}, "E003", "without user"),
        ({**OAUTH2, "TOKEN_URL": "https://example.com/token#x"}, "E003", "fragment"),
        ({**OAUTH2, "TOKEN_URL": None}, "E003", "Add TOKEN_URL"),
        ({**OAUTH2, "TOKEN_URL": ""}, "E003", "Add TOKEN_URL"),
        ({**OAUTH2, "TOKEN_URL": 7}, "E003", "https"),
        ({**OAUTH2, "TOKEN_URL": "https://{hots}/token"}, "E003", "fact"),
        ({**OAUTH2, "AUTHORIZATION_URL": "javascript://x"}, "E003", "https"),
        ({**OAUTH2, "API_ORIGINS": ["https://example.com/path"]}, "E003", "no path"),
        ({**OAUTH2, "API_ORIGINS": ["example.com"]}, "E003", "https"),
        ({**OAUTH2, "AUTHORIZATION_URL_PARAMS": {"state": "x"}}, "E004", "forgery"),
        ({**OAUTH2, "AUTHORIZATION_URL_PARAMS": {"response_mode": "x"}}, "E004", "forgery"),
        ({**OAUTH2, "TOKEN_URL_PARAMS": {"code_verifier": "x"}}, "E004", "Remove"),
        ({**OAUTH2, "CLIENT_AUTH": "jwt"}, "E004", '"basic", "post"'),
        ({**OAUTH2, "FROM_CONFIG": {"view.x": "Y"}}, "E004", "session."),
        ({**OAUTH2, "FROM_CONFIG": {"scop": "Y"}}, "E004", "session."),
        ({"PROVIDER": "django_dance.contrib.jira.Jira"}, "E003", "Add BASE_URL"),
        ({**GITHUB, "API_ORIGINS": ["https://{nowhere}"]}, "E003", "https"),
        ({**GITHUB, "LOGIN_URL": "{name}/"}, "E004", "provider.name"),
        ({**GITHUB, "SESSION_CLASS": "nowhere.Session"}, "E004", "nowhere"),
        ({**GITHUB, "ISSUER": None}, "E004", "never loosen"),
        ({**OAUTH1, "SIGNATURE_METHOD": "MD5"}, "E004", "HMAC-SHA1"),
        ({**OAUTH1, "SIGNATURE_TYPE": "COOKIE"}, "E004", "AUTH_HEADER"),
        ({**GITHUB, "STORAGE": "nowhere.Storage"}, "E006", "cannot be imported"),
    ],
)
def test_an_invalid_option_is_found_and_refused_at_use(settings, options, expected, hint):
    settings.DANCE_PROVIDERS = {"github": options}
    messages = [message for message in run() if message.level >= checks.ERROR]
    assert [m.id for m in messages] == [f"django_dance.{expected}"], messages
    assert "github" in messages[0].msg
    assert re.search(hint, messages[0].hint)
    with pytest.raises(ImproperlyConfigured):
        _ = providers["github"].session(user_id=1).token


@pytest.mark.parametrize(
    "name", ["GitHub", "git hub", "", "1hub", "git.hub", "adopt", "x" * 51, "gi/t"]
)
def test_an_invalid_provider_name_is_found(settings, name):
    settings.DANCE_PROVIDERS = {name: GITHUB}
    assert "E001" in ids()


def test_an_invalid_provider_does_not_stop_other_checks(settings, client):
    settings.DANCE_PROVIDERS = {"broken": {"PROVIDER": "nowhere.X"}, "github": GITHUB}
    settings.ROOT_URLCONF = "tests.lean_urls"
    assert client.get("/plain/").status_code == 200
    assert client.get("/login/github/").status_code == 302


def test_providers_must_be_a_dict(settings):
    settings.DANCE_PROVIDERS = [GITHUB]
    assert "E001" in ids()


def test_the_warning_of_missing_credentials_names_the_settings(settings):
    settings.GITHUB_OAUTH_CLIENT_SECRET = None
    (message,) = run()
    assert message.id == "django_dance.W005"
    assert "GITHUB_OAUTH_CLIENT_SECRET" in message.hint
    assert "GITHUB_OAUTH_CLIENT_ID" not in message.hint


def test_a_public_client_needs_no_secret(settings):
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "CLIENT_AUTH": "none"}}
    settings.GITHUB_OAUTH_CLIENT_SECRET = None
    assert run() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DANCE_STORAGES", {}, "E007"),
        ("DANCE_PROVIDER", {}, "E007"),
        ("DANCE_STORAGE", "nowhere.Storage", "E006"),
        (
            "DANCE_STORAGE",
            {"BACKEND": "django_dance.storage.ModelStorage", "OPTIONS": {"model": "x.Y"}},
            "E006",
        ),
        ("DANCE_CACHE", "nowhere", "E008"),
        ("DANCE_ENCRYPTION_KEYS", "one-string", "E008"),
        ("DANCE_ENCRYPTION_KEYS", [], "E008"),
        ("DANCE_ENCRYPTION_KEYS", ["short"], "E008"),
        ("DANCE_TIMEOUT", 0, "E008"),
        ("DANCE_TIMEOUT", "10", "E008"),
        ("DANCE_ASYNC_CALLS", 0, "E008"),
        ("DANCE_ASYNC_CALLS", 1.5, "E008"),
        ("DANCE_ASYNC_CALLS", True, "E008"),
        ("DANCE_ASYNC_DEADLINE", 0, "E008"),
        ("DANCE_FLOW_AGE", -1, "E008"),
        ("DANCE_BASE_URL", "http://example.com", "E008"),
        ("DANCE_BASE_URL", "https://example.com/sub", "E008"),
        ("DANCE_BASE_URL", "example.com", "E008"),
        ("DANCE_DIRECT_DATABASES", {"default": "unknown"}, "E008"),
        ("DANCE_SITE_KEY", 7, "E008"),
        ("DANCE_INSECURE_HOSTS", "keycloak", "E008"),
        ("DANCE_INSECURE_HOSTS", None, "E008"),
        ("DANCE_INSECURE_HOSTS", ["http://keycloak"], "E008"),
        ("DANCE_INSECURE_HOSTS", ["keycloak:8080"], "E008"),
        ("DANCE_INSECURE_HOSTS", ["keycloak/"], "E008"),
        ("DANCE_INSECURE_HOSTS", [""], "E008"),
        ("DANCE_INSECURE_HOSTS", [7], "E008"),
        ("DANCE_PRIVATE_HOSTS", "localhost", "E008"),
        ("DANCE_PRIVATE_HOSTS", ["https://localhost"], "E008"),
        ("DANCE_PRIVATE_HOSTS", ["localhost/mcp"], "E008"),
        ("DANCE_PRIVATE_HOSTS", [None], "E008"),
        ("DANCE_EGRESS_PROXY", "proxy.internal:4750", "E008"),
        ("DANCE_EGRESS_PROXY", 4750, "E008"),
        ("DANCE_TENANT", "nowhere.function", "E008"),
        ("DANCE_CLIENT_ADDRESS", "nowhere.function", "E008"),
        ("DANCE_CLIENT_ADDRESS", 7, "E008"),
        ("DANCE_TENANT", ["tests.cache.test_tenants.current_tenant"], "E008"),
    ],
)
def test_an_invalid_setting_is_found(settings, name, value, expected):
    setattr(settings, name, value)
    (message,) = run()
    assert message.id == f"django_dance.{expected}"
    assert name in message.msg
    assert message.hint


def test_a_host_without_https_is_allowed_for_development(settings):
    settings.DANCE_PROVIDERS = {
        "github": {
            **GITHUB,
            "BASE_URL": "http://keycloak:8080/api/",
            "API_ORIGINS": ["http://Other.internal:9000"],
            "TOKEN_URL": "http://keycloak:8080/token",
        }
    }
    for debug in (False, True):
        settings.DEBUG = debug
        messages = [message for message in run() if message.id == "django_dance.E003"]
        assert messages
        assert all("DANCE_INSECURE_HOSTS" in message.hint for message in messages)
    settings.DANCE_INSECURE_HOSTS = ["keycloak", "OTHER.internal"]
    assert run() == []
    settings.DEBUG = False
    assert {message.id for message in run()} == {"django_dance.E003"}


def test_a_misspelt_setting_gets_a_suggestion(settings):
    settings.DANCE_PROVIDER = {}
    assert run()[0].hint == "Did you mean DANCE_PROVIDERS?"


def test_the_middleware_is_required(settings):
    settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if "OAuthMiddleware" not in m]
    (message,) = run()
    assert message.id == "django_dance.E009"
    assert '"django_dance.middleware.OAuthMiddleware"' in message.hint


def test_the_order_of_the_middleware_is_checked(settings):
    ours = "django_dance.middleware.OAuthMiddleware"
    settings.MIDDLEWARE = [ours, *(m for m in settings.MIDDLEWARE if m != ours)]
    assert ids() == ["E010", "E010"]


def test_tokens_in_sessions_need_the_session_middleware(settings):
    settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if "SessionMiddleware" not in m]
    assert "E006" in ids()


def test_missing_urls_are_found(settings):
    settings.ROOT_URLCONF = "tests.bare_urls"
    messages = run()
    assert {m.id for m in messages} == {"django_dance.W011"}
    assert 'include("django_dance.urls")' in messages[0].hint


def test_missing_templates_are_found(settings):
    settings.TEMPLATES = []
    assert "E012" in ids()


def test_a_cache_of_one_process_gives_a_warning_at_deployment():
    assert "django_dance.W013" in [m.id for m in run(deploy=True)]
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x"}
    with override_settings(CACHES={"default": redis}):
        assert "django_dance.W013" not in [m.id for m in run(deploy=True)]


def test_a_cache_in_the_database_gives_a_warning_at_deployment(settings):
    assert "django_dance.W020" not in [m.id for m in run(deploy=True)]
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache_table",
        }
    }
    (message,) = [m for m in run(deploy=True) if m.id == "django_dance.W020"]
    assert "'default'" in message.msg
    assert "createcachetable" in message.hint


def test_a_shared_cache_whose_keys_name_no_site_gives_a_warning_at_deployment(settings):
    def warnings():
        return [m for m in run(deploy=True) if m.id == "django_dance.W014"]

    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x"}
    settings.CACHES = {"default": redis}
    (message,) = warnings()
    assert "'default'" in message.msg
    assert "DANCE_SITE_KEY" in message.hint and "KEY_PREFIX" in message.hint
    settings.DANCE_SITE_KEY = "example.com production"
    assert warnings() == []
    settings.DANCE_SITE_KEY = ""
    assert len(warnings()) == 1
    settings.CACHES = {"default": {**redis, "KEY_PREFIX": "mysite"}}
    assert warnings() == []


def test_a_cache_without_tokens_needs_no_site_name(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://x",
        }
    }
    settings.DANCE_CACHE = None
    assert "django_dance.W014" not in [m.id for m in run(deploy=True)]


def test_the_own_cache_of_a_storage_needs_a_site_name(settings, monkeypatch):
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x"}
    settings.CACHES = {**settings.CACHES, "own": redis}
    monkeypatch.setattr("django_dance.checks.CACHES", {"own", "not there"})
    (message,) = [m for m in run(deploy=True) if m.id == "django_dance.W014"]
    assert "'own'" in message.msg


@pytest.mark.parametrize("storage", ["FallbackStorage", "SessionStorage"])
def test_a_session_cookie_for_a_whole_domain_gives_a_warning(settings, storage):
    settings.SESSION_COOKIE_DOMAIN = ".example.com"
    settings.DANCE_STORAGE = f"django_dance.storage.{storage}"
    (message,) = run()
    assert message.id == "django_dance.W015"
    assert "'.example.com'" in message.msg and "github" in message.msg


def test_without_tokens_in_sessions_a_session_cookie_for_a_whole_domain_is_allowed(settings):
    settings.SESSION_COOKIE_DOMAIN = ".example.com"
    settings.DANCE_STORAGE = "django_dance.storage.ModelStorage"
    assert run() == []


def test_the_warning_names_the_providers_that_store_tokens_in_sessions(settings):
    settings.SESSION_COOKIE_DOMAIN = ".example.com"
    settings.DANCE_STORAGE = "django_dance.storage.ModelStorage"
    settings.DANCE_PROVIDERS = {
        "github": {**GITHUB, "STORAGE": "django_dance.storage.SessionStorage"},
        "google": GOOGLE,
        "broken": {**GITHUB, "STORAGE": "nowhere.Storage"},
    }
    (message,) = [message for message in run() if message.id == "django_dance.W015"]
    assert "tokens of github:" in message.msg


def test_checks_use_no_network(responses):
    run(deploy=True)
    assert not responses.calls


# --- the first example, pasted ----------------------------------------------------------------


@pytest.fixture
def newcomer(tmp_path):
    """A project as ``startproject`` makes it, and a way to paste into it and run it."""
    site = tmp_path / "site"
    site.mkdir()

    def manage(*arguments, check=True, **env):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=site,
            check=check,
            capture_output=True,
            text=True,
            env={
                **{k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"},
                "GITHUB_ID": "the-id",
                "GITHUB_SECRET": "the-secret",
                **env,
            },
        )

    manage("-m", "django", "startproject", "mysite", ".")
    return site, manage


SETTINGS = """
import os
INSTALLED_APPS = [*INSTALLED_APPS, "django_dance"]
MIDDLEWARE = [*MIDDLEWARE, "django_dance.middleware.OAuthMiddleware"]
DANCE_PROVIDERS = {
    "github": {"PROVIDER": "django_dance.contrib.github.GitHub", "SCOPE": "read:user"},
}
GITHUB_OAUTH_CLIENT_ID = os.environ.get("GITHUB_ID")
GITHUB_OAUTH_CLIENT_SECRET = os.environ.get("GITHUB_SECRET")
"""
URLS = """
from django.urls import include
from . import views
urlpatterns += [path("login/", include("django_dance.urls")), path("profile/", views.profile)]
"""
VIEWS = """
from django.http import JsonResponse
from django_dance.decorators import authorization_required

@authorization_required("github")
def profile(request):
    return JsonResponse(request.oauth.github.get("/user").json())
"""
VISIT = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
django.setup()
import responses
from urllib.parse import parse_qs, urlsplit
from django.contrib.auth.models import User
from django.test import Client
browser = Client(headers={"host": "localhost", "accept": "text/html"})
browser.force_login(User.objects.create(username="ada"))
there = browser.get("/profile/")["Location"]
print(there)
asked = parse_qs(urlsplit(browser.get(there)["Location"]).query)
with responses.RequestsMock() as mock:
    mock.post("https://github.com/login/oauth/access_token",
              json={"access_token": "planted", "token_type": "bearer", "scope": "read:user"})
    mock.get("https://api.github.com/user", json={"login": "ada"})
    back = browser.get("/login/github/authorized/", {"code": "x", "state": asked["state"][0]})
    print(back["Location"], browser.get(back["Location"]).json())
"""


OPEN = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
django.setup()
from django.test import Client
Client().get("/profile/")
"""


def paste(site, settings=SETTINGS, urls=URLS, views=VIEWS):
    for name, text in (("settings", settings), ("urls", urls), ("views", views)):
        with (site / "mysite" / f"{name}.py").open("a") as file:
            file.write(textwrap.dedent(text))


def test_the_first_example_works_pasted_into_a_new_project(newcomer):
    site, manage = newcomer
    paste(site)
    assert "no issues" in manage("manage.py", "check").stdout
    manage("manage.py", "migrate", "--verbosity", "0")
    visited = manage("-c", VISIT).stdout.splitlines()
    assert visited == ["/login/github/?next=%2Fprofile%2F", "/profile/ {'login': 'ada'}"]


@pytest.mark.parametrize(
    ("wrong", "cure"),
    [
        ({"settings": SETTINGS.replace("MIDDLEWARE = [", "_ = [")}, "OAuthMiddleware is missing"),
        (
            {
                "settings": SETTINGS.replace(
                    '[*MIDDLEWARE, "django_dance.middleware.OAuthMiddleware"]',
                    '["django_dance.middleware.OAuthMiddleware", *MIDDLEWARE]',
                )
            },
            'Move "django_dance.middleware.OAuthMiddleware" below',
        ),
        ({"settings": SETTINGS.replace('"SCOPE"', '"SCOPES"')}, "Did you mean SCOPE?"),
        ({"settings": SETTINGS.replace("GitHub", "Github")}, "cannot be imported"),
        (
            {"urls": URLS.replace('path("login/", include("django_dance.urls")), ', "")},
            'Add path("login/", include("django_dance.urls"))',
        ),
    ],
)
def test_manage_py_check_names_the_cure_of_a_common_mistake(newcomer, wrong, cure):
    site, manage = newcomer
    paste(site, **wrong)
    told = manage("manage.py", "check", check=False)
    assert cure in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    "command", [["manage.py", "check"], ["manage.py", "migrate"], ["-c", OPEN]]
)
def test_a_newcomer_who_forgot_the_app_is_told_what_to_add(newcomer, command):
    site, manage = newcomer
    paste(site, settings=SETTINGS.replace('INSTALLED_APPS, "django_dance"', "INSTALLED_APPS"))
    told = manage(*command, check=False)
    assert told.returncode != 0
    assert 'ImproperlyConfigured: "django_dance" is missing in INSTALLED_APPS: add' in told.stderr


def test_without_the_app_the_urls_the_middleware_and_the_storage_say_what_to_add(settings):
    github, storage = providers["github"], ModelStorage()
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "dance" not in app]
    for use in (
        lambda: github.urls,
        lambda: include("django_dance.urls"),
        lambda: OAuthMiddleware(lambda request: None),
        lambda: storage.model,
    ):
        with pytest.raises(ImproperlyConfigured, match='"django_dance" is missing in INSTALLED_AP'):
            use()


def test_a_missing_secret_is_named_by_the_check_and_at_use(newcomer):
    site, manage = newcomer
    paste(site)
    told = manage("manage.py", "check", GITHUB_SECRET="")
    assert "set GITHUB_OAUTH_CLIENT_SECRET" in told.stderr
    manage("manage.py", "migrate", "--verbosity", "0")
    visited = manage("-c", VISIT, check=False, GITHUB_SECRET="")
    assert "ImproperlyConfigured: GitHub does not know this site" in visited.stderr


def test_a_missing_provider_is_named_at_use(newcomer):
    site, manage = newcomer
    paste(site, views=VIEWS.replace("github", "gitlab"))
    manage("manage.py", "migrate", "--verbosity", "0")
    visited = manage("-c", VISIT, check=False)
    assert (
        "There is no provider 'gitlab' in DANCE_PROVIDERS (its providers: 'github')"
        in visited.stderr
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "DANCE_PROVIDERS",
            {"github": {**OAUTH2, "TOKEN_URL": "https://me:planted@example.com/token"}},
        ),
        ("DANCE_PROVIDERS", {"github": {**GITHUB, "CLIENT_SECRET": {"planted": 1}}}),
        (
            "DANCE_STORAGE",
            {
                "BACKEND": "django_dance.storage.SessionStorage",
                "OPTIONS": {"token": {"access_token": "planted"}},
            },
        ),
    ],
)
def test_no_problem_shows_the_secret_in_a_setting(settings, name, value):
    setattr(settings, name, value)
    messages = run()
    assert [message for message in messages if message.level >= checks.ERROR]
    assert "planted" not in str(messages)


@pytest.mark.parametrize("urls", ["tests.language_urls", "tests.translated_urls"])
def test_a_callback_address_that_differs_by_language_is_warned_of(settings, urls):
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    settings.ROOT_URLCONF = urls
    messages = [m for m in run() if "['github']" in m.msg]
    assert [m.id for m in messages] == ["django_dance.W016"]
    assert "outside of i18n_patterns()" in messages[0].hint
    settings.USE_I18N = False
    assert run() == []


@pytest.mark.parametrize("urls, count", [("tests.urls", 1), ("tests.language_urls", 4)])
def test_the_check_looks_up_an_address_in_each_language_only_if_it_may_differ(
    settings, monkeypatch, urls, count
):
    settings.LANGUAGES = [("en", "English"), ("de", "German"), ("ar", "Arabic")]
    settings.DANCE_PROVIDERS = {"github": GITHUB}
    settings.ROOT_URLCONF = urls
    looked_up = []
    url = GitHub.url
    monkeypatch.setattr(GitHub, "url", lambda *args: looked_up.append(args) or url(*args))
    run()
    assert len(looked_up) == count


@pytest.mark.parametrize(
    ("settings_of_site", "expected"),
    [
        ({"DANCE_LOGIN_REDIRECT_URL": "nowhere"}, "E008"),
        ({"DANCE_PROVIDERS": {"github": {**GITHUB, "REDIRECT_TO": "nowhere"}}}, "E004"),
    ],
)
def test_a_page_that_does_not_exist_after_the_dance_is_an_error(settings_of_site, expected):
    with override_settings(**settings_of_site):
        (message,) = run()
    assert message.id == f"django_dance.{expected}"
    assert "is no URL of this site" in message.msg


@pytest.mark.parametrize("target", [None, "/", "/welcome/", "login", "https://example.com/"])
def test_a_page_that_exists_after_the_dance_is_in_order(settings, target):
    settings.DANCE_LOGIN_REDIRECT_URL = target
    assert run() == []


def test_a_site_that_accepts_every_host_is_warned_of_at_deployment(settings):
    def warnings():
        return [m for m in run(deploy=True) if m.id == "django_dance.W017"]

    assert warnings() == []
    settings.ALLOWED_HOSTS = ["*"]
    (warning,) = warnings()
    assert "DANCE_BASE_URL" in warning.hint
    settings.DANCE_BASE_URL = "https://example.com"
    assert warnings() == []


SCOPES = [f"esi-characters.read_agents_research.v{number}" for number in range(45)]


@pytest.fixture
def view_with_scopes(monkeypatch):
    """Makes a view that needs these scopes."""
    monkeypatch.setattr(decorators, "required_scopes", set())
    monkeypatch.setattr("django_dance.checks.required_scopes", decorators.required_scopes)

    def decorated(scopes):
        authorization_required("github", scope=scopes)(lambda request: None)

    def mixed_in(scopes):
        type("Mixed", (AuthorizationRequiredMixin,), {"provider": "github", "scope": scopes})

    return {"decorator": decorated, "mixin": mixed_in}


@pytest.mark.parametrize("kind", ["decorator", "mixin"])
def test_a_view_with_more_scopes_than_a_flow_can_store_is_an_error(
    view_with_scopes, settings, kind
):
    view_with_scopes[kind](SCOPES[:10])
    assert run() == []
    view_with_scopes[kind](SCOPES)
    (message,) = run()
    assert message.id == "django_dance.E018"
    assert "SCOPE of DANCE_PROVIDERS['github']" in message.hint
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "SCOPE": SCOPES}}
    assert run() == []


def test_a_mixin_may_find_its_scopes_at_each_request():
    class Dynamic(AuthorizationRequiredMixin):
        provider = "github"

        @property
        def scope(self):
            return ["repo"]


def test_a_scope_that_a_proxy_may_find_too_long_is_warned_of_at_deployment(settings):
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "SCOPE": SCOPES}}
    (warning,) = [m for m in run(deploy=True) if m.id == "django_dance.W019"]
    assert "proxy_buffer_size" in warning.hint
    settings.DANCE_PROVIDERS = {"github": {**GITHUB, "SCOPE": SCOPES[:20]}}
    assert "django_dance.W019" not in [m.id for m in run(deploy=True)]


def test_a_cascade_of_the_database_is_reported(monkeypatch):
    # Before Django 6.1 there is no such cascade.
    in_database = getattr(models, "DB_CASCADE", object())
    monkeypatch.setattr(models, "DB_CASCADE", in_database, raising=False)
    assert not [found for found in check_settings() if found.id == "django_dance.W028"]
    relation = TeamToken._meta.get_field("user").remote_field
    monkeypatch.setattr(relation, "on_delete", in_database)
    (found,) = [found for found in check_settings() if found.id == "django_dance.W028"]
    assert "tests.TeamToken" in found.msg
    assert "CASCADE" in found.hint
