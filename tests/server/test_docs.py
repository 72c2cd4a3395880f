"""Compares ``docs/server.md`` with the code, and runs its examples."""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.test import RequestFactory

from django_dance.server import conf
from django_dance.server.authorization import servers

from ..conftest import Browser
from .conftest import consent_form

pytestmark = [
    pytest.mark.one_database("These tests read texts"),
    pytest.mark.repository,
]

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "server.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def rows(pattern):
    return dict(re.findall(rf"^\| `({pattern})` \| `?(.*?)`? \|", TEXT, re.MULTILINE))


def test_every_setting_is_documented_with_its_default():
    documented = rows(r"DANCE_SERVER_\w+")
    assert {name: ast.literal_eval(value) for name, value in documented.items()} == conf.DEFAULTS


def test_every_check_is_documented_and_exists():
    package = ROOT / "django_dance" / "server"
    ids = re.findall(r"django_dance_server\.[EW]\d{3}", (package / "checks.py").read_text("utf-8"))
    assert rows(r"django_dance_server\.[EW]\d{3}").keys() == set(ids)
    numbers = [found[-3:] for found in set(ids)]
    assert len(numbers) == len(set(numbers))


def test_every_setting_of_the_grant_cache_is_documented():
    source = (ROOT / "django_dance" / "server" / "grants.py").read_text("utf-8")
    for name in re.findall(r'_(?:named|required)\(["\'](\w+)["\']\)', source):
        assert f"`OAUTH2_CACHE_{name}`" in TEXT


@pytest.fixture
def mysite(tmp_path, monkeypatch, settings):
    """The site that the page makes, in files as it says."""
    before = set(servers)
    package = tmp_path / "mysite"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, block in re.findall(
        r"`mysite/(\w+)\.py`:\n\n```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL
    ):
        if name == "settings":
            given = {"INSTALLED_APPS": []}
            exec(block, given)
            for setting, value in given.items():
                if setting.startswith("DANCE_SERVER_"):
                    setattr(settings, setting, value)
        else:
            (package / f"{name}.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("mysite.urls")
    for name in [name for name in sys.modules if name.partition(".")[0] == "mysite"]:
        del sys.modules[name]
    servers.intersection_update(before)


def test_the_site_of_the_page_works(mysite, register, member, settings):
    settings.ROOT_URLCONF = "mysite.urls"
    app = register(registered_redirect_uris="https://app.example/callback", scope="email")
    token = app.token(member)["access_token"]
    assert app.get("/api/email/", token).json() == {"email": ""}
    assert member.get("/.well-known/oauth-authorization-server").json()["issuer"] == (
        "https://mysite.example"
    )
    page = member.get("/oauth/applications/")
    assert "Notes" in page.content.decode()


def test_a_visitor_can_log_in_before_the_consent(mysite, register, client, user, settings):
    settings.ROOT_URLCONF = "mysite.urls"
    login = client.get(register(scope="email").address(), follow=True)
    (path, _), *_ = login.redirect_chain
    form = {"username": "ada", "password": "pw", "next": login.context["next"]}
    page = client.post(path, form, follow=True)
    assert "Allow" in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_page_can_be_tried_out(mysite, register, member, settings, live_server, monkeypatch):
    settings.ROOT_URLCONF = "mysite.urls"
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    (block,) = (block for block in BLOCKS if "input(" in block)
    app = register(registered_redirect_uris="http://localhost:9000/callback", scope="email")
    said = []

    def answer(question):
        if question.startswith("client_id"):
            return app.client.client_id
        if question.startswith("client_secret"):
            return str(app.secret)
        return member.post(said[-1], consent_form(member.get(said[-1])))["Location"]

    block = block.replace("http://localhost:8000", live_server.url)
    exec(block, {"input": answer, "print": lambda *words: said.append(words[-1])})
    assert said[-1] == {"email": ""}


#: Tables such as the page's are made in tests/server/test_models.py.
RUNNABLE = [block for block in BLOCKS if "models.ForeignKey" not in block and "input(" not in block]


@pytest.mark.parametrize("block", RUNNABLE, ids=range(len(RUNNABLE)))
def test_every_block_runs(mysite, block, db):
    exec(block, {"__package__": "mysite", "INSTALLED_APPS": []})


def hooked(mysite, name, token):
    """The page's protected view under the page's hook of this name."""
    (block,) = (block for block in BLOCKS if f"def {name}(" in block)
    exec(block, {"__package__": "mysite"})
    request = RequestFactory().get("/", headers={"authorization": f"Bearer {token}"})
    return sys.modules["mysite.api"].email(request)


def test_the_example_limits_a_client(mysite, app, granted):
    cache.set(f"calls:{app.client.client_id}", 999)
    token = granted["access_token"]
    assert hooked(mysite, "limit_client_request", token).status_code == 200
    with pytest.raises(PermissionDenied):
        hooked(mysite, "limit_client_request", token)


def test_the_example_turns_a_user_away(mysite, app, make_user):
    for name, status in (("grace", 200), ("mallory", 401)):
        browser = Browser()
        browser.force_login(make_user(name))
        token = app.token(browser)["access_token"]
        assert hooked(mysite, "valid_after_request", token).status_code == status
