"""The receiver of docs/signals.md that logs a user in during the dance, made from the page."""

import re
from pathlib import Path

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model

from django_dance.models import OAuthToken
from django_dance.signals import oauth_authorized

from .conftest import GRANTED, TOKEN_URL, Browser, Dance
from .models import Identity

pytestmark = [pytest.mark.django_db, pytest.mark.repository]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "signals.md"


@pytest.fixture(autouse=True)
def recipe():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (receiver,) = [block for block in blocks if "def log_in(" in block]
    names = {"__package__": "tests", "__name__": "tests.recipe"}
    exec(receiver, names)
    yield
    assert oauth_authorized.disconnect(names["log_in"], sender=names["GitHub"])


@pytest.fixture
def dance_as(responses):
    """Dances in a browser as an account at GitHub, and returns the callback's response."""

    def dance_as(browser, account):
        responses.upsert("POST", TOKEN_URL, json=GRANTED)
        responses.upsert(
            "GET", "https://api.github.com/user", json={"id": account, "login": "octocat"}
        )
        return Dance(browser).callback()

    return dance_as


def user_in(browser):
    return get_user_model().objects.get(pk=browser.session[SESSION_KEY])


def test_a_new_account_creates_a_user_who_is_logged_in_again_later(client, dance_as):
    assert dance_as(client, 1).status_code == 302
    user = user_in(client)
    assert not user.has_usable_password()
    later = Browser()
    assert dance_as(later, 1).status_code == 302
    assert user_in(later) == user
    assert OAuthToken.objects.get().user == user
    other = Browser()
    dance_as(other, 2)
    assert user_in(other) != user


def test_a_user_who_is_logged_in_connects_the_account(member, user, dance_as):
    assert dance_as(member, 1).status_code == 302
    assert OAuthToken.objects.get().user == user
    assert not Identity.objects.exists()


def test_an_account_that_a_user_has_connected_creates_no_second_user(
    member, user, client, dance_as
):
    dance_as(member, 1)
    visitor = Browser()
    response = dance_as(visitor, 1)
    assert response["Location"] == "/accounts/login/"
    assert SESSION_KEY not in visitor.session
    assert get_user_model().objects.get() == user
    assert OAuthToken.objects.get().user == user


def test_a_deactivated_user_is_not_logged_in(client, dance_as):
    dance_as(client, 1)
    get_user_model().objects.update(is_active=False)
    OAuthToken.objects.all().delete()
    later = Browser()
    dance_as(later, 1)
    assert SESSION_KEY not in later.session
    assert not OAuthToken.objects.exists()


def test_an_account_that_github_does_not_name_logs_no_user_in(client, dance_as, events):
    response = dance_as(client, None)
    assert response.status_code == 400
    assert events.codes == ["receiver_failed"]
    assert not get_user_model().objects.exists()
