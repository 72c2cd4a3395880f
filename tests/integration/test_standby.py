"""PostgreSQL with a standby that takes the place of the primary."""

from contextlib import ExitStack

import pytest
from django.contrib.auth import get_user_model
from django.db import connections

from django_dance.models import OAuthToken
from django_dance.providers import providers

from ..clusters import postgresql_pair, start_or_skip
from ..conftest import store_expired_token
from ..contention import (
    Callers,
    RotatingProvider,
    api,
    assert_nothing_is_lost,
    assert_refreshed_once,
    store_expiring_token,
)
from ..loopback import Loopback
from .guide import settings_of

pytestmark = [pytest.mark.interop, pytest.mark.repository]

NAME = "paired"


@pytest.fixture
def pair(databases, settings):
    """A primary with a synchronous standby, and the default database on both, as in the guide."""
    settings.DANCE_CACHE = None
    with ExitStack() as stack:
        pair = start_or_skip(stack, postgresql_pair)
        pair.primary.create(NAME)
        pair.replicate_synchronously()
        entry = settings_of("PostgreSQL with a standby")["DATABASES"]["default"]
        place = {"NAME": NAME, "USER": "postgres", "HOST": pair.host, "PORT": pair.port}
        stack.enter_context(databases.borrow({**entry, **place}))
        yield pair


@pytest.fixture
def user(pair):
    return get_user_model().objects.create_user("ada")


def assert_standby_is_primary(pair):
    with pair.standby.connect() as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)


def test_a_token_that_is_refreshed_during_a_fail_over_is_stored(pair, user, tmp_path_factory):
    store_expiring_token(user)
    with Callers.of(user, tmp_path_factory) as callers:
        assert_nothing_is_lost(callers, pair.fail_over, DANCE_CACHE=None)
    assert_standby_is_primary(pair)


def test_the_new_primary_has_what_was_committed(pair, user, tmp_path_factory):
    for number in range(20):
        store_expired_token(user, account=str(number), refresh_token=f"refresh-{number}")
    OAuthToken.objects.filter(account="7").update(state="needs_reconnect", reason="revoked")
    before = list(OAuthToken.objects.order_by("pk").values())
    pair.fail_over()
    connections.close_all()
    assert list(OAuthToken.objects.order_by("pk").values()) == before
    OAuthToken.objects.all().delete()
    store_expiring_token(user)
    with Callers.of(user, tmp_path_factory) as callers:
        assert_refreshed_once(callers, DANCE_CACHE=None)


def test_a_server_that_refuses_to_write_after_a_switch_over_loses_no_token(
    pair, user, tmp_path_factory
):
    """The connection on which the refresh began stays open, to a server that is no primary."""
    store_expiring_token(user)
    with Callers.of(user, tmp_path_factory) as callers:
        assert_nothing_is_lost(callers, pair.switch_over, DANCE_CACHE=None)
    assert_standby_is_primary(pair)


def test_a_switch_over_during_a_refresh_is_not_noticed(pair, user, settings):
    store_expired_token(user, refresh_token="refresh-0")
    provider = RotatingProvider(after=lambda number: pair.switch_over())
    with Loopback(provider) as server:
        settings.DEBUG, settings.DANCE_PROVIDERS = True, api(server.url, 0)
        session = providers["github"].session(user=user)
        assert session.get("/me").json()["token"] == "Bearer access-1"
    assert OAuthToken.objects.get().token["refresh_token"] == "refresh-1"
    assert_standby_is_primary(pair)
