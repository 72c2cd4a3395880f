"""teams.py: connections that belong to a team. A team is a group of Django's users here."""

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from django_dance.models import OAuthToken
from django_dance.providers import providers


def team_user(owner):
    """DANCE_STORAGE names this function: the user of the team to which the owner belongs."""
    team = owner.user and owner.user.groups.order_by("pk").first()
    return user_of(team) if team else None


def user_of(team):
    """The user in whose name the team's connections are stored. Nobody can log in as this user."""
    # Django's forms refuse a user name with a colon: nobody can register as the team first.
    user, _ = get_user_model().objects.get_or_create(
        username=f"team:{team.pk}", defaults={"password": make_password(None)}
    )
    return user


def repositories_of(team_id):
    """A job: it needs no member of the team."""
    team = Group.objects.get(pk=team_id)
    github = providers["github"].session(user=user_of(team))
    return [repository["name"] for repository in github.get("/user/repos").json()]


def member_leaves(person):
    """End what the person has authorised for the team; return the connections that are gone."""
    ended = []
    for row in OAuthToken.objects.filter(authorized_by=person).select_related("user"):
        session = providers[row.provider].session(user=row.user, account=row.account)
        ended.append(session.connection)
        session.disconnect()
    person.groups.clear()
    return ended
