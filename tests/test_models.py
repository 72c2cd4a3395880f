"""Rows of the token model that are saved by the site."""

import pytest
from django.db import DatabaseError, transaction
from django.db.models.signals import pre_save

from django_dance.models import OAuthToken
from django_dance.storage import ModelStorage

from .conftest import before_first, store_token, token_fields, tokens_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_saving_an_old_instance_does_not_restore_its_old_token(user):
    owner = store_token(user, "old")
    row = OAuthToken.objects.get()
    store_token(user, "new", expires_at=1, scope="repo")
    row.last_error = "old"
    row.save()
    assert ModelStorage().get(owner)["access_token"] == "new"
    row.refresh_from_db()
    assert (row.scope, row.expires_at.timestamp(), row.last_error) == ("repo", 1, "")


def test_saving_an_old_instance_does_not_end_a_lease(user):
    owner = store_token(user)
    row = OAuthToken.objects.get()
    with ModelStorage().lease(owner, 5):
        row.save()
        assert OAuthToken.objects.get().lease


def test_saving_an_instance_stores_the_token_that_was_set(user):
    store_token(user, "old")
    row = OAuthToken.objects.get()
    row.token = token_fields("new")
    row.save()
    assert tokens_of(user) == {"": "new"}


def test_saving_an_instance_does_not_fetch_a_deferred_column(user):
    store_token(user)
    row = OAuthToken.objects.defer("token").get()
    row.save()
    assert row.get_deferred_fields() == {"token"}


def test_saving_an_instance_of_a_deleted_row_does_not_create_it_again(user):
    owner = store_token(user)
    row = OAuthToken.objects.get()
    ModelStorage().delete(owner)
    with pytest.raises(DatabaseError, match="did not affect any rows"):
        row.save()
    assert not OAuthToken.objects.exists()


def test_a_row_that_is_deleted_during_the_write_is_created_again(user):
    owner = store_token(user)

    def vanish(sender, instance, **arguments):
        pre_save.disconnect(vanish, sender=OAuthToken)
        OAuthToken.objects.filter(pk=instance.pk)._raw_delete("default")

    pre_save.connect(vanish, sender=OAuthToken)
    with transaction.atomic():
        ModelStorage().set(owner, token_fields("new"))
    assert tokens_of(user) == {"": "new"}


def test_a_database_error_is_not_treated_as_a_deleted_row(user):
    owner = store_token(user)

    def fail():
        raise DatabaseError("the disk is full") from OSError()

    with pytest.raises(DatabaseError, match="the disk is full"), before_first("UPDATE", fail):
        ModelStorage().set(owner, token_fields("new"))


def test_saving_an_instance_without_its_token_keeps_the_newer_token(user):
    owner = store_token(user, "before", scope=["old"])
    row = OAuthToken.objects.defer("token").get()
    ModelStorage().set(owner, token_fields("after", scope=["new"]))
    row.save()
    row = OAuthToken.objects.get()
    assert (row.token["access_token"], row.scope) == ("after", "new")
