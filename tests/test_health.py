"""``dance_health()``: the state of the site, for its monitoring."""

import re
from pathlib import Path

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.db import connections
from django.db.utils import OperationalError

from django_dance.exceptions import ProviderUnavailable, failure_fields
from django_dance.health import DanceHealth, dance_health

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.one_database("These tests differ in failures, not in rows"),
]


class BrokenCache(LocMemCache):
    """A cache whose server cannot be reached."""

    def get(self, *args, **kwargs):
        raise ConnectionError("planted-address")

    set = get


class ForgetfulCache(LocMemCache):
    """A cache that keeps nothing."""

    def set(self, *args, **kwargs):
        pass


def use_cache(settings, cls):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.{cls.__name__}"}}
    settings.DANCE_CACHE = "default"


def test_a_site_is_healthy(settings):
    settings.DANCE_CACHE = "default"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert dance_health() == DanceHealth()
    assert dance_health().healthy


def test_a_site_without_a_cache_for_tokens_is_healthy(settings):
    settings.DANCE_CACHE = None
    assert dance_health().healthy


@pytest.mark.parametrize(
    ("cls", "failure"), [(BrokenCache, "ConnectionError"), (ForgetfulCache, "LookupError")]
)
def test_a_cache_that_fails_is_named(settings, cls, failure):
    use_cache(settings, cls)
    health = dance_health()
    assert (health.cache, health.database, health.keys, health.healthy) == (failure, "", "", False)
    assert "planted" not in repr(health)


def test_a_database_that_fails_is_named():
    def fail(execute, sql, *arguments):
        raise OperationalError("planted-address")

    with connections["default"].execute_wrapper(fail):
        health = dance_health()
    assert (health.database, health.cache, health.healthy) == ("OperationalError", "", False)


def test_keys_that_cannot_be_used_are_named(settings):
    settings.DANCE_ENCRYPTION_KEYS = []
    health = dance_health()
    assert (health.keys, health.healthy) == ("ImproperlyConfigured", False)


def test_it_makes_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        dance_health()


def test_the_error_of_a_refresh_is_kept_and_the_site_stays_healthy(
    fake_provider, connect, user, clock
):
    github = fake_provider("github")
    github.limit_rate(60, at="token")
    with pytest.raises(ProviderUnavailable):
        connect(user, "github", expired=True).get("/user")
    health = dance_health()
    assert health.healthy
    assert health.providers == {
        "github": {
            **failure_fields(provider="github", code="provider_unavailable"),
            "status": 429,
            "error_description": "Too many requests",
            "at": int(clock.now),
        }
    }


def test_the_error_of_a_dance_is_kept(fake_provider, member):
    github = fake_provider("github")
    github.answer_next(500, at="token")
    github.dance(member)
    assert dance_health().providers["github"]["status"] == 500
    assert dance_health().healthy


def test_a_visitor_who_refuses_is_no_error_of_the_provider(fake_provider, member):
    github = fake_provider("github")
    github.refuse_visitor()
    github.dance(member)
    assert dance_health().providers == {}


@pytest.mark.repository
def test_the_fields_of_log_lines_are_documented():
    page = (Path(__file__).resolve().parents[1] / "docs" / "observability.md").read_text("utf-8")
    table = page.partition("## Log lines")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+?) \|", table, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert documented == {*failure_fields(), "server"}
