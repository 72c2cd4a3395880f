"""The databases of the tests.

A test that uses the database runs once on each that ``--database`` names, each time as a test of
its own: ``test_a_flow_is_spent_once`` on SQLite, ``test_a_flow_is_spent_once[postgresql]`` on
PostgreSQL. A test that is marked with ``one_database(reason)`` runs on the first of them only, and
so does a test without a database. Each process of the tests makes its own databases, when a test
first needs one, and drops them at its end.
"""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import TestLoader, TestResult, TestSuite

import oauthlib
import pytest
from asgiref.sync import SyncToAsync
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import ConnectionHandler, connections
from django.test import TransactionTestCase

from django_dance.http.pool import get_shared_adapter

from . import settings as test_settings
from .servers import Absent, MariaDB, PostgreSQL, Redis, found, look_for, program
from .skips import database_of

#: The names of ``--database``, and the kind of server that each takes.
KINDS = {"sqlite": None, "postgresql": PostgreSQL, "mariadb": MariaDB}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("django").addoption(
        "--database",
        default="sqlite",
        metavar="NAMES",
        help=f"Databases to run the tests on: some of {','.join(KINDS)}, or all (default: sqlite).",
    )


def pytest_configure(config: pytest.Config) -> None:
    look_for([*filter(None, (KINDS[name] for name in selected(config))), Redis], config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """The databases and programs that this run found, with their versions."""
    servers = found(config)
    databases = [
        f"SQLite {sqlite3.sqlite_version}" if kind is None else str(servers[kind.name])
        for kind in (KINDS[name] for name in selected(config))
    ]
    return [
        f"databases: {', '.join(databases)}",
        f"also: oauthlib {oauthlib.__version__}, {servers[Redis.name]}, {chromium()}",
    ]


def chromium() -> str:
    """The browser of the tests that have one, with its version."""
    try:
        version = subprocess.run(
            [program("chromedriver"), "--version"], capture_output=True, text=True, check=True
        )
    except (LookupError, OSError, subprocess.CalledProcessError):
        return "no Chromium (install chromium and chromium-driver)"
    return "Chromium " + version.stdout.split()[1]


def selected(config: pytest.Config) -> list[str]:
    """The databases of this run.

    :raises pytest.UsageError: ``--database`` names one that does not exist.
    """
    option = config.getoption("database")
    names = list(KINDS) if option == "all" else option.split(",")
    if unknown := set(names) - set(KINDS):
        raise pytest.UsageError(f"--database {', '.join(unknown)}: it is one of {', '.join(KINDS)}")
    return names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of its own for each database."""
    names = selected(metafunc.config)
    if not uses_database(metafunc):
        return
    if metafunc.definition.get_closest_marker("one_database"):
        names = names[:1]
    metafunc.parametrize(
        "database",
        [
            pytest.param(name, id=pytest.HIDDEN_PARAM if name == "sqlite" else name)
            for name in names
        ],
        indirect=True,
        scope="session",  # so that pytest runs the tests of one database after those of another
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a database together, in random order too: to change it takes time."""
    names = list(KINDS)
    items.sort(key=lambda item: names.index(database_of(item) or names[0]))


def uses_database(metafunc: pytest.Metafunc) -> bool:
    fixtures = {"db", "transactional_db", "live_server", "django_db_setup"}
    return bool(
        metafunc.definition.get_closest_marker("django_db")
        or fixtures.intersection(metafunc.fixturenames)
    )


def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> pytest.Collector | None:
    """Collect a ``TestCase`` of Django as functions, because pytest gives no parameters to it."""
    if isinstance(obj, type) and issubclass(obj, TransactionTestCase):
        node: pytest.Class = pytest.Class.from_parent(collector, name=name)
        node.obj = functions_of(obj)
        return node
    return None


def functions_of(case: type[TransactionTestCase]) -> type:
    """Return a class that has, for each test of a ``TestCase``, a function that runs it."""

    def function(name: str) -> Callable[..., None]:
        def test(self: object, django_db_setup: None, django_db_blocker: Any) -> None:
            outcome = Outcome()
            with django_db_blocker.unblock():
                TestSuite([case(name)]).run(outcome)
            if outcome.exception is not None:
                raise outcome.exception
            if outcome.skipped:
                pytest.skip(outcome.skipped[0][1])

        return test

    names = TestLoader().getTestCaseNames(case)
    return type(case.__name__, (), {name: function(name) for name in names})


class Outcome(TestResult):
    """The outcome of one test of a ``TestCase``."""

    exception: BaseException | None = None

    def addError(self, test: Any, err: Any) -> None:
        self.exception = err[1]

    addFailure = addError


class Databases:
    """The databases that this process has made for its tests."""

    def __init__(self, config: pytest.Config, blocker: Any) -> None:
        self.config, self.blocker = config, blocker
        self.first = connections.settings["default"]
        self.made: dict[str, dict[str, Any]] = {}

    def use(self, name: str) -> None:
        """Make this the default database. It is made when it is first used.

        Skips the test if there is no such server.
        """
        if name not in self.made:
            configuration = test_settings.database(self._url(name))
            # A handler adds the defaults of Django.
            self.made[name] = ConnectionHandler({"default": configuration}).settings["default"]
            self._connect(self.made[name])
            with self.blocker.unblock():
                connections["default"].creation.create_test_db(verbosity=0, autoclobber=True)
        self._connect(self.made[name])

    def _url(self, name: str) -> str:
        kind = KINDS[name]
        if kind is None:
            return ""
        server = found(self.config)[kind.name]
        if isinstance(server, Absent):
            pytest.skip(server.reason)
        return server.url

    def _connect(self, configuration: dict[str, Any]) -> None:
        if connections.settings["default"] is configuration:
            return
        forget_connections()
        # asgiref runs the synchronous code of async tests in a thread that lives as long as the
        # process, and this thread has connections of its own.
        SyncToAsync.single_thread_executor.submit(forget_connections).result()
        # So does the thread of the live server behind each kept connection to it.
        get_shared_adapter().poolmanager.clear()
        # These settings are ``settings.DATABASES``. Other threads take their connections from them.
        connections.settings["default"] = configuration
        ContentType.objects.clear_cache()

    @contextmanager
    def borrow(self, entry: dict[str, Any]) -> Iterator[None]:
        """Make a database of the test's own the default one, and create the tables there.

        :param entry: the entry of ``DATABASES``.
        """
        self._connect(ConnectionHandler({"default": entry}).settings["default"])
        try:
            with self.blocker.unblock():
                call_command("migrate", run_syncdb=True, verbosity=0)
                yield
                connections.close_all()
        finally:
            self.none()

    def none(self) -> None:
        """Leave no default database but that of the settings, which does not exist."""
        self._connect(self.first)

    def drop(self) -> None:
        for name, configuration in self.made.items():
            self._connect(configuration)
            connections.close_all()
            kind = KINDS[name]
            if kind is None:
                Path(configuration["NAME"]).unlink(missing_ok=True)
            else:
                # Not by Django, which does not end the connections that threads have left open.
                found(self.config)[kind.name].drop(configuration["NAME"])
        self.none()


def forget_connections(alias: str = "default") -> None:
    """Close the connections of this thread. The next one of this alias has the settings of then."""
    connections.close_all()
    with suppress(AttributeError):  # this thread has none
        del connections[alias]


@contextmanager
def further_database(alias: str, entry: dict[str, Any]) -> Iterator[None]:
    """A database beside the default one. Another test may use the alias for another database."""
    connections.settings[alias] = entry
    try:
        yield
    finally:
        forget_connections(alias)
        SyncToAsync.single_thread_executor.submit(forget_connections, alias).result()
        del connections.settings[alias]


@pytest.fixture(scope="session")
def databases(
    pytestconfig: pytest.Config, django_test_environment: None, django_db_blocker: Any
) -> Iterator[Databases]:
    databases = Databases(pytestconfig, django_db_blocker)
    yield databases
    databases.drop()


@pytest.fixture(scope="session", autouse=True)
def database(request: pytest.FixtureRequest, databases: Databases) -> str | None:
    """The name of the database that the test uses, a key of ``KINDS``; None if it uses none."""
    name: str | None = getattr(request, "param", None)
    if name is None:
        databases.none()
    else:
        databases.use(name)
    return name


@pytest.fixture(scope="session")
def django_db_setup(database: str | None) -> None:
    """Replaces the fixture of pytest-django, which creates the databases of the settings."""
