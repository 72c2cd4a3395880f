"""The table of pending revocations is in another database than the tokens."""

import pytest
from django.core.management import call_command
from django.db import transaction

from django_dance.models import OAuthToken, PendingRevocation

from ..conftest import REVOCATION, store_token
from ..other_database import ALIAS

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", ALIAS]),
    pytest.mark.usefixtures("other_database"),
]


class Router:
    """Pending revocations are in the default database; all else is in the other one."""

    def db_for_read(self, model, **hints):
        return "default" if model is PendingRevocation else ALIAS

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return (model_name == "pendingrevocation") == (db == "default")


@pytest.fixture(autouse=True)
def _router(settings, other_database):
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]


def test_a_rolled_back_deletion_revokes_nothing(_router, make_user, responses):
    user = make_user()
    store_token(user)
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=ALIAS):
        user.delete()
        raise ZeroDivisionError
    assert OAuthToken.objects.exists()
    assert not PendingRevocation.objects.exists()
    assert not responses.calls


def test_dance_prune_revokes_the_token_of_a_deleted_user(_router, make_user, responses):
    user = make_user()
    store_token(user)
    user.delete()
    assert PendingRevocation.objects.exists()
    responses.add("DELETE", REVOCATION, status=204)
    call_command("dance_prune")
    assert len(responses.calls) == 1
    assert not PendingRevocation.objects.exists()
