"""A cache in the database, and a transaction that is open while it is used."""

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection, transaction

from django_dance.cache import ask_cache
from django_dance.exceptions import FlowError
from django_dance.flows import Flow, mark_used

from ..conftest import TOKEN_URL, Browser, Dance

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = "test_database_cache"


@pytest.fixture
def cache(settings):
    """A cache in the database, without its table."""
    settings.CACHES = {
        **settings.CACHES,
        "database": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": TABLE,
        },
    }
    settings.DANCE_CACHE = "database"
    return caches["database"]


@pytest.fixture
def table(cache):
    call_command("createcachetable", TABLE, verbosity=0)
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


@pytest.fixture
def atomic_requests():
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


def make_flow():
    return Flow(provider="github", secret="planted", began=0, user="1", next="/")


def test_a_flow_stays_spent_if_the_transaction_rolls_back(several_writers, table):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        get_user_model().objects.exists()
        mark_used(make_flow())
        raise ZeroDivisionError
    with pytest.raises(FlowError, match="answered already"):
        mark_used(make_flow())


def test_a_callback_of_a_failed_view_cannot_be_repeated(
    several_writers, table, atomic_requests, member, responses, monkeypatch
):
    responses.post(TOKEN_URL, json={"access_token": "planted", "token_type": "bearer"})
    begun = Dance(member)
    cookies = dict(member.cookies)
    member.raise_request_exception = False

    def fail(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("django_dance.views.store_connection", fail)
    assert begun.callback().status_code == 500
    monkeypatch.undo()
    again = Browser()
    again.cookies.update(cookies)
    response = begun.callback(again)
    assert response.status_code == 400
    assert b"flow_spent" in response.content


def test_a_flow_is_spent_once_without_a_transaction(table):
    mark_used(make_flow())
    with pytest.raises(FlowError, match="answered already"):
        mark_used(make_flow())


def test_a_flow_is_spent_once_within_a_transaction(table):
    with transaction.atomic():
        mark_used(make_flow())
        with pytest.raises(FlowError, match="answered already"):
            mark_used(make_flow())


def test_a_missing_table_does_not_spoil_the_transaction(cache, caplog):
    with transaction.atomic():
        mark_used(make_flow())
        assert ask_cache("database", lambda cache: cache.get("key"), 7, effect="none") == 7
        assert not get_user_model().objects.exists()
    assert "a replayed callback cannot be recognised" in caplog.text


def test_a_dance_succeeds_without_the_table(cache, atomic_requests, member, responses):
    responses.post(TOKEN_URL, json={"access_token": "planted", "token_type": "bearer"})
    assert Dance(member).callback().status_code == 302
