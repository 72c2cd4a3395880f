"""What speaks to the database, again on each database server."""

import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from .servers import MariaDB, PostgreSQL, Redis, at_hand, program

MODULES = [
    "tests/server",
    "tests/test_accounts.py",
    "tests/test_admin.py",
    "tests/test_attacks.py",
    "tests/test_commands.py",
    "tests/test_contention.py",
    "tests/test_costs.py",
    "tests/test_dance.py",
    "tests/test_fields.py",
    "tests/test_lease.py",
    "tests/test_lease_while_busy.py",
    "tests/test_oauth1.py",
    "tests/test_oidc.py",
    "tests/test_real_server.py",
    "tests/test_refresh.py",
    "tests/test_sessions.py",
    "tests/test_storage.py",
    "tests/test_tenants.py",
    "tests/test_token_cache.py",
    "tests/test_two_databases.py",
    "tests/test_vault.py",
]
#: How the reasons begin for which a test may be skipped on a database server.
ACCEPTED_SKIPS = (
    "Redis is left out",  # here too, where that is reported
    "A session in a signed cookie cannot be ended",
    "Django has connection pools for PostgreSQL only",
    "This database has several writers",
    "This storage keeps no token of an anonymous visitor",
)


@pytest.mark.parametrize("kind", [PostgreSQL, MariaDB], ids=lambda kind: kind.name)
def test_the_database_may_be(kind, tmp_path, pytestconfig):
    with at_hand(kind) as server:
        database = f"django_dance_tests_{os.getpid()}"
        report = tmp_path / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        try:
            run = subprocess.run(
                [*command, f"--junit-xml={report}", *MODULES],
                cwd=pytestconfig.rootpath,
                env={
                    **os.environ,
                    "DANCE_TEST_SERVER": server.url,
                    "DANCE_TEST_DATABASE": database,
                    "PYTEST_ADDOPTS": "",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=900,
            )
        finally:
            server.drop(database)
    end = "\n".join(run.stdout.splitlines()[-80:])
    assert run.returncode == 0, end
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert int(suite.get("tests")) > 100, end
    skipped = {skip.get("message") for skip in suite.iter("skipped")}
    assert {reason for reason in skipped if not reason.startswith(ACCEPTED_SKIPS)} == set(), end


# --- the servers --------------------------------------------------------------------------------


class Absent(Redis):
    name, usual_port = "Absent", 1

    def commands(self, folder):
        return [[program("no-such-server")]]


@pytest.mark.parametrize("kind", [PostgreSQL, MariaDB, Redis], ids=lambda kind: kind.name)
def test_where_no_server_answers_a_throw_away_one_is_started(kind):
    elsewhere = type("Elsewhere", (kind,), {"usual_port": 1})
    with at_hand(elsewhere) as server:
        assert server.port != 1
        assert server.answers()
    assert not server.answers()


def test_a_server_that_is_not_to_be_had_is_left_out_by_its_name(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    message = (
        "Absent is left out: nothing .* redis://127.0.0.1:1, .* no-such-server is not installed"
    )
    with pytest.raises(pytest.skip.Exception, match=message), at_hand(Absent):
        pass


def test_in_ci_no_server_is_left_out(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Absent is left out"), at_hand(Absent):
        pass
