"""The site of docs/quickstart.md, made from the page."""

import re
import sys
import unittest
from pathlib import Path
from types import ModuleType

import pytest
from django.test import override_settings

from .conftest import TOKEN_URL, Dance

ROOT = Path(__file__).resolve().parents[1]
API = "https://api.github.com/user"

pytestmark = [pytest.mark.django_db, pytest.mark.repository]


def module(name, source, **names):
    made = ModuleType(name)
    made.__dict__.update(names)
    exec(source, made.__dict__)
    return made


@pytest.fixture
def quickstart(monkeypatch):
    """The site after the steps 2 and 3 of the page."""
    page = (ROOT / "docs" / "quickstart.md").read_text("utf-8")
    options, views, urls, *_ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.setenv("GITHUB_ID", "client")
    monkeypatch.setenv("GITHUB_SECRET", "planted-secret")
    options = module("mysite.settings", options, INSTALLED_APPS=[], MIDDLEWARE=[])
    package = ModuleType("mysite")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "mysite", package)
    package.views = module("mysite.views", views)
    monkeypatch.setitem(sys.modules, "mysite.views", package.views)
    urls = module("mysite.urls", urls, __package__="mysite")
    monkeypatch.setitem(sys.modules, "mysite.urls", urls)
    names = ("DANCE_PROVIDERS", "GITHUB_OAUTH_CLIENT_ID", "GITHUB_OAUTH_CLIENT_SECRET")
    site = {name: getattr(options, name) for name in names}
    with override_settings(ROOT_URLCONF="mysite.urls", **site):
        yield


@pytest.fixture
def github(responses):
    """GitHub, which grants tokens that do not expire until the user revokes them."""
    granted = []

    def grant(request):
        granted.append(f"planted-{len(granted)}")
        return 200, {}, f'{{"access_token": "{granted[-1]}", "token_type": "bearer"}}'

    def user(request):
        if request.headers["Authorization"] == f"Bearer {granted[-1]}":
            return 200, {}, '{"id": 1, "login": "octocat"}'
        return 401, {}, '{"message": "Bad credentials"}'

    responses.add_callback("POST", TOKEN_URL, grant)
    responses.add_callback("GET", API, user)
    return granted


@pytest.mark.parametrize("logged_in", [True, False], ids=["user", "visitor"])
def test_the_page_recovers_when_the_user_revokes_the_token_at_github(
    quickstart, github, client, user, clock, logged_in
):
    if logged_in:
        client.force_login(user)
    refused = client.get("/profile/", headers={"Sec-Fetch-Mode": "navigate"})
    assert refused["Location"] == "/login/github/?next=%2Fprofile%2F"
    back = Dance(client, next="/profile/").callback()
    assert back["Location"] == "/profile/"
    assert client.get("/profile/").json()["login"] == "octocat"
    clock.now += 3600
    github.append("planted-elsewhere")  # the site's token is not valid any more
    for _ in range(2):
        refused = client.get("/profile/", headers={"Sec-Fetch-Mode": "navigate"})
        assert refused["Location"] == "/login/github/?next=%2Fprofile%2F"
    Dance(client, next="/profile/").callback()
    assert client.get("/profile/").json()["login"] == "octocat"


def test_a_script_is_told_that_the_token_is_rejected(quickstart, github, client, user, clock):
    client.force_login(user)
    Dance(client).callback()
    clock.now += 3600
    github.append("planted-elsewhere")
    answer = client.get("/profile/", headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.json()["reason"] == "rejected"


def test_the_test_of_the_page_passes(quickstart):
    page = (ROOT / "docs" / "quickstart.md").read_text("utf-8")
    source = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[-1]
    case = module("mysite.tests", source).ProfileTests
    outcome = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(outcome)
    assert outcome.testsRun == 1
    assert outcome.wasSuccessful(), outcome.failures + outcome.errors
