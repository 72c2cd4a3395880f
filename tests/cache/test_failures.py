"""A cache that fails counts as empty, and the log has one warning a minute."""

import pytest

from django_dance.cache import ask_cache, failures


class Failing:
    """A cache whose library raises an error of its own."""

    def get(self, key):
        raise ConnectionError("planted-password@cache.example")


@pytest.fixture
def ask():
    return lambda effect="nothing is cached": ask_cache(
        Failing(), lambda cache: cache.get("key"), "empty", effect=effect
    )


def test_a_cache_that_fails_counts_as_empty(ask):
    assert ask() == "empty"


def test_the_value_of_a_working_cache_is_returned():
    assert ask_cache("default", lambda cache: cache.get("key", 7), "empty", effect="") == 7


def test_a_cache_that_does_not_exist_counts_as_empty():
    assert ask_cache("nowhere", lambda cache: cache.get("key"), "empty", effect="") == "empty"


def test_the_warning_names_the_error_and_the_effect_and_no_secret(ask, caplog):
    ask()
    (record,) = caplog.records
    assert record.getMessage() == "the cache is down (ConnectionError): nothing is cached"
    assert record.levelname == "WARNING"
    assert record.name == "django_dance"


def test_there_is_one_warning_a_minute_for_each_effect(ask, caplog, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(failures.time, "monotonic", lambda: now)
    ask()
    now = 1059.9
    ask()
    assert len(caplog.records) == 1
    ask("another effect")
    assert len(caplog.records) == 2
    now = 1060.0
    ask()
    assert len(caplog.records) == 3
