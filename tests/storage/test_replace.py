"""A token is replaced only if no other process has written its row meanwhile."""

from contextlib import contextmanager

import pytest
from django.db import connection

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner

pytestmark = pytest.mark.django_db

NEW = pytest.mark.parametrize("new", [{"access_token": "planted-new"}, None], ids=["new", "none"])


@pytest.fixture
def storage():
    return ModelStorage(cache=None)


@pytest.fixture
def owner(user):
    return ResourceOwner(providers["github"], user=user)


@contextmanager
def after_reading(function):
    """Call the function between the reading of the row and the next statement about it."""
    statements = []

    def wrapper(execute, sql, *args):
        if OAuthToken._meta.db_table in sql:
            statements.append(sql)
            if len(statements) == 2:
                function()
        return execute(sql, *args)

    with connection.execute_wrapper(wrapper):
        yield
    assert len(statements) > 2


@NEW
def test_a_token_that_is_written_between_reading_and_writing_is_kept(storage, owner, new):
    old, theirs = {"access_token": "planted-old"}, {"access_token": "planted-theirs"}
    storage.set(owner, old)
    with after_reading(lambda: ModelStorage(cache=None).set(owner, theirs)):
        assert not storage.replace(owner, old, new)
    assert storage.reread(owner)["access_token"] == "planted-theirs"


@NEW
def test_a_note_that_is_written_between_reading_and_writing_does_not_stop_the_replacement(
    storage, owner, new
):
    old = {"access_token": "planted-old"}
    storage.set(owner, old)
    noted = {**old, "failures": 1}
    with after_reading(lambda: ModelStorage(cache=None).set(owner, noted)):
        assert storage.replace(owner, old, new)
    found = storage.reread(owner)
    assert (found and found["access_token"]) == (new and new["access_token"])
