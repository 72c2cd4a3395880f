"""The lease beside a token: what it holds off, and when it ends."""

from datetime import timedelta

import pytest
from django.utils import timezone

from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.storage import ModelStorage
from django_dance.tokens import ResourceOwner

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner(user):
    owner = ResourceOwner(providers["github"], user=user)
    ModelStorage().set(owner, {"access_token": "planted"})
    return owner


def test_a_lease_that_was_never_given_back_runs_out(owner):
    OAuthToken.objects.update(
        lease="another's", lease_until=timezone.now() + timedelta(seconds=0.3)
    )
    with ModelStorage().lease(owner, 60):
        row = OAuthToken.objects.get()
        assert row.lease not in ("", "another's")
        assert row.lease_until > timezone.now()
    assert OAuthToken.objects.get().lease == ""


def test_a_lease_that_another_has_taken_over_is_not_released(owner):
    with ModelStorage().lease(owner, 5):
        OAuthToken.objects.update(lease="another's")
    assert OAuthToken.objects.get().lease == "another's"


def test_a_row_that_is_gone_keeps_nobody_waiting(owner):
    ModelStorage().delete(owner)
    with ModelStorage().lease(owner, 5):
        assert not OAuthToken.objects.exists()


def test_storing_a_token_does_not_end_the_lease(owner):
    with ModelStorage().lease(owner, 5):
        ModelStorage().set(owner, {"access_token": "newer"})
        assert OAuthToken.objects.get().lease
