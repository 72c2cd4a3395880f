"""The plugin for pytest, in a project of its own."""

import os
import subprocess
import sys

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.one_database("The project has a database of its own")

TESTS = """
import pytest

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_user("ada")


@pytest.mark.parametrize("number", range(4))
def test_an_expired_token_is_refreshed(number, client, ada, fake_provider, connect):
    github = fake_provider("github")
    github.route("GET", "/user", {"number": number})
    connect(ada, "github", expired=True)
    client.force_login(ada)
    assert client.get("/profile/").json() == {"number": number}
    github.assert_refreshed()


def test_a_request_has_sessions(ada, oauth_request_factory, override_providers):
    override_providers(heroku={"PROVIDER": "django_dance.contrib.heroku.Heroku"})
    assert "heroku" in oauth_request_factory.get("/", user=ada).oauth


def test_no_fixture_is_left_over():
    from django_dance.providers import providers

    assert list(providers) == ["github"]
"""


def test_the_fixtures_work_in_a_project(project):
    project({"test_site": TESTS}, "-p", "no:xdist").assert_outcomes(passed=6)


def test_the_fixtures_work_with_xdist(project):
    result = project({"test_site": TESTS}, "-n", "2")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*2 workers*"])


def test_the_fixtures_are_described(project):
    lines = [f"{name} *" for name in ("fake_provider", "override_providers", "connect")]
    project({"test_site": TESTS}, "--fixtures", "-p", "no:xdist").stdout.fnmatch_lines_random(lines)


def test_the_plugin_loads_neither_django_nor_the_package():
    code = (
        "import sys\nimport django_dance.pytest_plugin\n"
        "print(*sorted(n for n in sys.modules if n.split('.')[0] in ('django', 'django_dance')))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.split() == ["django_dance", "django_dance.pytest_plugin"]
