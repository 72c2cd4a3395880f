"""The resource owner of a token."""

import copy

import pytest

from django_dance.exceptions import OwnerRequired
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_invalid_primary_key_of_a_user_is_refused():
    owner = ResourceOwner(providers["github"], user_id="ada")
    with pytest.raises(OwnerRequired, match="'ada' is not a valid primary key"):
        ModelStorage().get(owner)


def test_a_copy_of_an_owner_is_the_owner(user):
    owner = ResourceOwner(providers["github"], user_id=user.pk)
    assert copy.copy(owner) is owner
