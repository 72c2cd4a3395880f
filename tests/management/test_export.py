"""dance_export prints what is stored about a user's connections."""

import json
from io import StringIO

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import CommandError, call_command

from django_dance.exceptions import OwnerRequired
from django_dance.management.export import export_connections
from django_dance.models import OAuthToken

from ..conftest import store_token
from ..models import TeamToken

pytestmark = pytest.mark.django_db


def exported(user):
    out = StringIO()
    call_command("dance_export", user.username, stdout=out)
    return json.loads(out.getvalue())


def test_the_export_has_the_users_connections_without_secrets(user, make_user):
    claims = {"iss": "https://issuer.example", "sub": "1", "email": "ada@example.com"}
    store_token(user, account="1", connected_as="octocat", id_claims=claims)
    store_token(make_user("grace"), "planted-other", account="2")
    (found,) = exported(user)
    assert (found["provider"], found["account"], found["label"]) == ("github", "1", "octocat")
    assert found["state"] == "active"
    assert found["details"]["id_claims"]["email"] == "ada@example.com"
    assert "planted" not in json.dumps(exported(user))


@pytest.mark.parametrize("nobody", [AnonymousUser(), User()], ids=["anonymous", "not stored"])
@pytest.mark.parametrize("model", ["django_dance.OAuthToken", "tests.TeamToken"])
def test_a_visitor_gets_no_connection_of_any_user(user, settings, nobody, model):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"model": model},
    }
    TeamToken(user=user, provider="github", token={"access_token": "planted"}).save()
    with pytest.raises(OwnerRequired):
        export_connections(nobody)


def test_a_connection_of_a_provider_that_is_not_configured_any_more_is_exported(user):
    OAuthToken(user=user, provider="gone", account="7", token={"access_token": "planted"}).save()
    (found,) = exported(user)
    assert (found["provider"], found["account"]) == ("gone", "7")


def test_a_connection_that_cannot_be_read_is_exported_without_details(user, settings):
    store_token(user, account="1")
    settings.DANCE_ENCRYPTION_KEYS = ["another key that is long enough to be accepted"]
    (found,) = exported(user)
    assert found["account"] == "1"
    assert found["details"] is None


def test_a_connection_that_the_user_authorized_for_a_team_is_exported(user, make_user):
    store_token(make_user("team"), account="1")
    OAuthToken.objects.update(authorized_by=user)
    (found,) = exported(user)
    assert found["authorized_for_team"] is True


def test_a_table_of_the_site_is_exported(user, settings):
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"model": "tests.TeamToken"},
    }
    TeamToken(user=user, provider="github", token={"access_token": "planted"}).save()
    (found,) = export_connections(user)
    assert found["provider"] == "github"
    assert "state" not in found


def test_an_unknown_user_is_an_error(db):
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        call_command("dance_export", "nobody")
