"""A token that the database could not store is parked: in the process, or in a shared cache."""

import pytest
from django.core.cache import caches

from django_dance.cache import find_parked, park, parking

KEY = "django_dance:parked:{owner}:account"


@pytest.fixture(autouse=True)
def _forget_parked():
    parking._kept.clear()
    yield
    parking._kept.clear()


def test_a_token_that_the_process_kept_earlier_does_not_hide_one_in_the_cache(settings):
    settings.CACHES = {
        **settings.CACHES,
        "shared": {"BACKEND": "tests.caches.RecordingCache", "LOCATION": "parking"},
    }
    caches["shared"].clear()
    first, second, third = ({"access_token": name} for name in ("first", "second", "third"))
    assert not park(None, "default", KEY, first, second)
    assert park("shared", "default", KEY, second, third)
    assert find_parked("shared", "default", KEY, first) == second
    assert find_parked("shared", "default", KEY, second) == third
    assert find_parked("shared", "default", KEY, third) is None
