"""The servers and the databases of the tests, and the report of a run without them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from django.conf import settings
from django.db import connection

from ..databases import selected
from ..servers import Absent, MariaDB, PostgreSQL, Redis, Server, find, program, start
from ..skips import is_accepted


class NoSuchServer(Redis):
    name, usual_port = "NoSuchServer", 1

    def commands(self, folder):
        return [[program("no-such-server")]]


@pytest.mark.parametrize("kind", [PostgreSQL, MariaDB, Redis], ids=lambda kind: kind.name)
def test_a_temporary_server_is_started_if_none_answers(kind):
    elsewhere = type("Elsewhere", (kind,), {"usual_port": 1})
    with ExitStack() as stack:
        server = find(elsewhere, stack)
        assert isinstance(server, Server)
        assert server.port != 1
        assert server.answers()
    assert not server.answers()


def test_a_server_that_was_killed_starts_again_at_the_same_port():
    with ExitStack() as stack:
        server = start(Redis, stack)
        server.kill()
        assert not server.answers()
        server.launch()
        assert server.answers()


def test_a_server_that_cannot_be_started_is_left_out_with_its_reason():
    reason = (
        "NoSuchServer is left out: nothing lets the tests in at redis://127.0.0.1:1, "
        "and none could be started: no-such-server is not installed"
    )
    with ExitStack() as stack:
        assert find(NoSuchServer, stack) == Absent(reason)


def test_a_named_port_starts_no_server_at_another_port(monkeypatch):
    monkeypatch.setenv("DANCE_TEST_REDIS_PORT", "2")
    reason = (
        "Redis is left out: nothing lets the tests in at redis://127.0.0.1:2, "
        "which DANCE_TEST_REDIS_PORT names"
    )
    with ExitStack() as stack:
        assert find(Redis, stack) == Absent(reason)


def test_a_test_that_needs_a_server_of_its_own_is_skipped_without_one():
    message = "NoSuchServer is left out: none could be started: no-such-server is not installed"
    with pytest.raises(pytest.skip.Exception, match=message), ExitStack() as stack:
        start(NoSuchServer, stack)


# --- a run without the servers --------------------------------------------------------------------


#: A test with two parameters.
A_TEST = "tests/storage/test_lease.py::test_an_impossible_lease_delays_no_refresh"


def run(pytestconfig, *arguments, **environment):
    """Run a few tests where no database server and no Redis answers."""
    absent = {f"DANCE_TEST_{name}_PORT": "1" for name in ("POSTGRESQL", "MARIADB", "REDIS")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", *arguments],
        cwd=pytestconfig.rootpath,
        env={**os.environ, "CI": "", "PYTEST_ADDOPTS": "", **absent, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_run_without_the_servers_passes_and_names_them(pytestconfig):
    result = run(pytestconfig, "--database=all", A_TEST)
    assert result.returncode == 0, result.stdout
    assert "databases: SQLite" in result.stdout
    assert "2 passed, 4 skipped" in result.stdout.splitlines()[-1]
    for name in ("PostgreSQL", "MariaDB"):
        assert f"SKIPPED [2] tests: {name} is left out: nothing lets the" in result.stdout


def test_a_run_in_ci_fails_without_the_servers(pytestconfig):
    result = run(pytestconfig, "--database=all", A_TEST, CI="true")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "PostgreSQL is left out" in result.stderr


def test_a_database_that_does_not_exist_is_an_error(pytestconfig, monkeypatch):
    monkeypatch.setattr(pytestconfig.option, "database", "sqlite,oracle")
    with pytest.raises(pytest.UsageError, match="oracle: it is one of sqlite, postgresql, mariadb"):
        selected(pytestconfig)


# --- skips ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "database", "accepted"),
    [
        ("SQLite has one writer: no other connection writes", "sqlite", True),
        ("SQLite has one writer: no other connection writes", "postgresql", False),
        ("SQLite has one writer: no other connection writes", None, False),
        ("This storage stores no tokens of anonymous visitors", "mariadb", True),
        ("This storage stores no tokens of anonymous visitors", None, True),
        ("The moon is full", "sqlite", False),
    ],
)
def test_ci_accepts_the_skips_that_are_listed_for_the_database(reason, database, accepted):
    assert is_accepted(reason, database) is accepted


@pytest.mark.parametrize(("ci", "end"), [("true", "1 failed"), ("", "1 skipped")])
def test_only_in_ci_a_skip_that_is_not_listed_is_a_failure(pytestconfig, tmp_path, ci, end):
    sample = tmp_path / "test_sample.py"
    sample.write_text("import pytest\n\ndef test():\n    pytest.skip('The moon is full')\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    result = run(
        pytestconfig, f"-c{tmp_path}/pytest.ini", "-ptests.skips", "-ra", str(sample), CI=ci
    )
    assert end in result.stdout.splitlines()[-1]
    assert "The moon is full" in result.stdout


# --- the default database -------------------------------------------------------------------------


def test_the_default_database_is_the_database_of_the_test(database, db):
    vendor = {"mariadb": "mysql"}.get(database, database)
    assert connection.vendor == vendor
    engine = f"django.db.backends.{vendor.replace('sqlite', 'sqlite3')}"
    assert settings.DATABASES["default"]["ENGINE"] == engine
    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(lambda: connection.vendor).result() == vendor


def test_a_test_without_a_database_has_none(database):
    assert database is None
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        connection.ensure_connection()
