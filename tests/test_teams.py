"""The example of docs/teams.md: connections that belong to a team."""

import importlib.util
from pathlib import Path

import pytest
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import Group

from django_dance.exceptions import AuthorizationRequired
from django_dance.models import OAuthToken

from .conftest import API, GRANTED, REVOCATION, TOKEN_URL, Browser, Dance

pytestmark = [pytest.mark.django_db, pytest.mark.repository]

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "team_connections.py"
REPOSITORIES = "https://api.github.com/user/repos"


@pytest.fixture
def teams(settings):
    spec = importlib.util.spec_from_file_location("team_connections", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    settings.DANCE_STORAGE = {
        "BACKEND": "django_dance.storage.ModelStorage",
        "OPTIONS": {"user": module.team_user},
    }
    return module


@pytest.fixture
def team(db):
    return Group.objects.create(name="editors")


@pytest.fixture
def join(make_user, team):
    def join(name):
        user = make_user(name)
        user.groups.add(team)
        browser = Browser()
        browser.force_login(user)
        return user, browser

    return join


@pytest.fixture
def connect(responses):
    def connect(browser, account=1):
        responses.upsert("POST", TOKEN_URL, json=GRANTED)
        responses.upsert("GET", API, json={"id": account, "login": "team-bot"})
        assert Dance(browser).callback().status_code == 302

    return connect


def test_a_member_connects_an_account_for_the_whole_team(teams, team, join, connect, responses):
    ada, browser = join("ada")
    _, other = join("grace")
    connect(browser)
    row = OAuthToken.objects.get()
    assert row.user == teams.user_of(team)
    assert row.authorized_by == ada
    assert other.get("/profile/").status_code == 200
    responses.get(REPOSITORIES, json=[{"name": "letters"}])
    assert teams.repositories_of(team.pk) == ["letters"]


def test_nobody_registers_as_the_user_of_a_team(teams, team):
    name = teams.user_of(team).username
    teams.user_of(team).delete()
    form = BaseUserCreationForm(
        {"username": name, "password1": "cv7-xyz-q", "password2": "cv7-xyz-q"}
    )
    assert "username" in form.errors
    assert not teams.user_of(team).has_usable_password()


def test_a_person_without_a_team_has_connections_of_their_own(teams, member, user, connect):
    connect(member)
    row = OAuthToken.objects.get()
    assert row.user == user
    assert row.authorized_by is None


def test_a_member_who_leaves_ends_what_they_have_authorised(teams, team, join, connect, responses):
    ada, browser = join("ada")
    connect(browser)
    responses.delete(REVOCATION, status=204)
    (ended,) = teams.member_leaves(ada)
    assert ended.account == "1"
    assert not OAuthToken.objects.exists()
    assert not ada.groups.exists()
    with pytest.raises(AuthorizationRequired):
        teams.repositories_of(team.pk)


def test_another_member_connects_the_same_account_again(teams, join, connect):
    _, browser = join("ada")
    grace, other = join("grace")
    connect(browser)
    before = OAuthToken.objects.get().pk
    connect(other)
    row = OAuthToken.objects.get()
    assert row.pk == before
    assert row.authorized_by == grace


def test_the_deletion_of_a_member_leaves_the_connection_of_the_team(teams, join, connect):
    ada, browser = join("ada")
    connect(browser)
    ada.delete()
    row = OAuthToken.objects.get()
    assert row.authorized_by is None
    assert row.token["access_token"] == GRANTED["access_token"]
