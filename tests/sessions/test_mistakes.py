"""Mistakes in the use of a session: the error says what to write instead."""

import re

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SynchronousOnlyOperation
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject

from django_dance.exceptions import (
    AuthorizationRequired,
    OwnerRequired,
    ProviderNotConfigured,
)
from django_dance.models import OAuthToken
from django_dance.providers import providers
from django_dance.tokens import Token

from ..conftest import store_token

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["ada", b"ada", 1])
def test_a_user_is_neither_a_name_nor_a_primary_key(name):
    session = providers["github"].session
    with pytest.raises(TypeError, match=r"session\(user_id=…\)"):
        session(user=name)
    with pytest.raises(TypeError, match=r"session\(user_id=…\)"):
        session().for_user(name)
    changed = session()
    changed.config["user"] = name
    with pytest.raises(TypeError, match=r"session\(user_id=…\)"):
        changed.get("/user")


def test_a_primary_key_is_no_user(user):
    with pytest.raises(TypeError, match=r"session\(user=…\)"):
        providers["github"].session(user_id=user)


def test_a_lazy_user_is_not_loaded_by_the_check():
    lazy = SimpleLazyObject(lambda: pytest.fail("loaded"))
    assert providers["github"].session(user=lazy)


@pytest.mark.parametrize(
    "named", [{"user": None}, {"user_id": None}, {"user": None, "user_id": None}]
)
def test_a_task_without_a_user_is_told_so(named):
    with pytest.raises(OwnerRequired, match="The user of the session is None"):
        providers["github"].session(**named)


def test_a_user_that_is_none_is_that_of_the_request(user):
    request = RequestFactory().get("/")
    request.user = user
    assert providers["github"].session(request, user=None, user_id=None).owner.user_id == user.pk
    request.user = AnonymousUser()
    assert providers["github"].session(request, user_id=None).account("1").owner.user_id is None


@pytest.mark.parametrize("value", ["gho_planted", b"gho_planted", 5, ["gho_planted"]])
def test_a_token_is_a_dict(user, value):
    session = providers["github"].session(user=user)
    with pytest.raises(TypeError, match=r'session.token = {"access_token": …}') as caught:
        session.token = value
    assert "planted" not in str(caught.value)
    assert not OAuthToken.objects.exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("github", {}, 'GitHub needs access_token. Write session.token = {"access_token": …}.'),
        ("github", {"access_token": "", "scope": "planted"}, "needs access_token"),
        ("github", Token({"access_token": None}), "needs access_token"),
        ("tripit", {"oauth_token": "planted"}, "needs oauth_token_secret"),
        ("tripit", {"access_token": "planted"}, "needs oauth_token and oauth_token_secret"),
    ],
)
def test_a_token_that_no_call_can_use_is_not_stored(user, name, value, words):
    session = providers[name].session(user=user)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        session.token = value
    assert "planted" not in str(caught.value)
    assert not OAuthToken.objects.exists()


@pytest.mark.parametrize(
    "use",
    [
        lambda session: session.get("/user"),
        lambda session: session.token,
        lambda session: session.authorized,
        lambda session: session.require(),
        lambda session: session.account_info(),
    ],
    ids=["get", "token", "authorized", "require", "account_info"],
)
def test_a_sync_method_in_async_code_names_the_async_one(user, use):
    store_token(user)

    async def view():
        use(providers["github"].session(user=user))

    with pytest.raises(SynchronousOnlyOperation, match=r"aget\(\) for get\(\)"):
        async_to_sync(view)()


@pytest.mark.parametrize("name", ["Github", "GITHUB", "gihub"])
def test_a_provider_of_a_similar_name_is_proposed(name):
    with pytest.raises(ProviderNotConfigured, match="Did you mean 'github'"):
        providers[name]


def test_no_provider_is_proposed_if_none_is_similar():
    with pytest.raises(ProviderNotConfigured, match="Add it:"):
        providers["xyz"]


# --- users who have been deactivated --------------------------------------------------------------


@pytest.fixture
def inactive(user):
    store_token(user)
    user.is_active = False
    user.save()
    return user


@pytest.mark.parametrize(
    "use",
    [
        lambda session: session.get("/user"),
        lambda session: session.require(),
        lambda session: session.refresh(),
        lambda session: async_to_sync(session.aget)("/user"),
    ],
    ids=["get", "require", "refresh", "aget"],
)
def test_a_job_does_not_act_for_a_user_who_was_deactivated(inactive, responses, use):
    session = providers["github"].session(user=inactive)
    assert not session.authorized
    with pytest.raises(AuthorizationRequired, match="user_inactive"):
        use(session)
    assert not responses.calls


def test_a_user_who_was_deactivated_can_be_disconnected(inactive, responses):
    responses.delete("https://api.github.com/applications/github-client/token", status=204)
    providers["github"].session(user=inactive).disconnect()
    assert not OAuthToken.objects.exists()
