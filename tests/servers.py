"""Real servers for the tests: the one at its usual address, or a throw-away one.

If neither is available, the tests that need the server are skipped with its name. In CI the whole
run fails.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, TypeVar

import psycopg
import pymysql
import pytest
import redis
from django.core.cache import BaseCache, caches
from redis.backoff import NoBackoff
from redis.retry import Retry

from .loopback import reserved_port

HOST = "127.0.0.1"
_Server = TypeVar("_Server", bound="Server")


class Server:
    """A server of some kind at a port of this machine."""

    name: ClassVar[str]
    scheme: ClassVar[str]
    user: ClassVar[str] = ""
    usual_port: ClassVar[int]
    stopped_by: ClassVar[signal.Signals] = signal.SIGTERM

    #: The three are set if the tests have started it.
    process: subprocess.Popen[bytes] | None = None
    _start: Callable[[], subprocess.Popen[bytes]]
    _log: BinaryIO

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.user}{'@' if self.user else ''}{HOST}:{self.port}"

    def connect(self) -> Any:
        """A connection of the kind's driver, that has logged in as the tests will.

        :raises Exception: the driver's own, if that fails.
        """
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.name} {self.version()} at port {self.port}"

    def version(self) -> str:
        raise NotImplementedError

    def answers(self) -> bool:
        try:
            self.connect().close()
        except Exception:
            return False
        return True

    def commands(self, folder: Path) -> list[list[str]]:
        """The commands that start a server in an empty folder: the last one keeps running."""
        raise NotImplementedError

    def launch(self) -> None:
        """Start its process, again after ``kill()``, and wait until it answers.

        :raises OSError: it does not start; the end of its log says why.
        """
        self.process = self._start()
        deadline = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise OSError(_end_of(self._log))
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut would. Only for one that the tests have started."""
        assert self.process is not None, "this server is somebody else's"
        self.process.kill()
        self.process.wait()


class PostgreSQL(Server):
    name, scheme, user, usual_port = "PostgreSQL", "postgresql", "postgres", 5432
    stopped_by = signal.SIGINT  # SIGTERM would wait until all clients have gone
    host = HOST

    def connect(self) -> Any:
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=self.user,
            dbname="postgres",
            connect_timeout=5,
            autocommit=True,
        )

    def version(self) -> str:
        with self.connect() as connection:
            return str(connection.execute("SHOW server_version").fetchone()[0])

    def create(self, database: str) -> None:
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {database}")

    def drop(self, database: str) -> None:
        with self.connect() as connection:
            # With force: a process that was killed may not have left yet.
            connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def commands(self, folder: Path) -> list[list[str]]:
        at = ["-D", f"{folder}/data"]
        options = [
            "fsync=off",
            "full_page_writes=off",
            "max_connections=300",
            f"listen_addresses={HOST}",
            f"unix_socket_directories={folder}",
        ]
        return [
            [program("initdb"), *at, "-U", self.user, "-A", "trust", "-E", "UTF8", "--no-sync"],
            [program("postgres"), *at, "-p", str(self.port), *(f"-c{each}" for each in options)],
        ]


class MariaDB(Server):
    name, scheme, user, usual_port = "MariaDB", "mysql", "root", 3306

    def connect(self) -> Any:
        return pymysql.connect(host=HOST, port=self.port, user=self.user, connect_timeout=5)

    def version(self) -> str:
        with self.connect() as connection:
            return str(connection.get_server_info())

    def create(self, database: str) -> None:
        with self.connect() as connection:
            # The default of the server may be a character set without all characters.
            connection.query(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")

    def drop(self, database: str) -> None:
        with self.connect() as connection:
            connection.query(f"DROP DATABASE IF EXISTS {database}")

    def commands(self, folder: Path) -> list[list[str]]:
        at = ["--no-defaults", f"--datadir={folder}/data"]
        options = {
            "bind-address": HOST,
            "port": self.port,
            "socket": folder / "socket",
            "pid-file": folder / "pid",
            # The data need not survive a power cut, and waiting for the disk is slow.
            "innodb-flush-log-at-trx-commit": 0,
            "innodb-doublewrite": 0,
            "max-connections": 300,
        }
        return [
            [
                program("mariadb-install-db"),
                *at,
                "--auth-root-authentication-method=normal",  # root without a password
                "--skip-test-db",
            ],
            [program("mariadbd"), *at, *(f"--{name}={value}" for name, value in options.items())],
        ]


class Redis(Server):
    name, scheme, usual_port = "Redis", "redis", 6379

    def connect(self) -> Any:
        once = Retry(NoBackoff(), 0)
        client = redis.Redis(host=HOST, port=self.port, socket_timeout=5, retry=once)
        client.ping()
        return client

    def version(self) -> str:
        return str(self.connect().info("server")["redis_version"])

    def commands(self, folder: Path) -> list[list[str]]:
        options = ["--bind", HOST, "--port", str(self.port), "--dir", str(folder), "--save", ""]
        return [[program("redis-server"), *options]]

    def cache(self) -> dict[str, Any]:
        """The entry of ``CACHES`` for a part of this server that is this run's own."""
        return {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"{self.url}/0",
            "KEY_PREFIX": f"django-dance-tests-{os.getpid()}",
            "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 5, "SOCKET_TIMEOUT": 5},
        }


def program(name: str) -> str:
    """The path of an installed program.

    :raises LookupError: it is not installed.
    """
    # Where Debian keeps servers a user's PATH does not lead.
    debian = ["/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *debian]))
    if found is None:
        raise LookupError(f"{name} is not installed")
    return found


@contextmanager
def throw_away(kind: Callable[[int], _Server]) -> Iterator[_Server]:
    """A new server in a folder of its own, both gone afterwards.

    :param kind: a class of servers, or another function of the port.
    :raises LookupError: a program that it takes is not installed.
    :raises OSError: it does not start; the end of its log says why.
    """
    with ExitStack() as stack:
        server = kind(stack.enter_context(reserved_port()))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="django-dance-")))
        log = stack.enter_context((folder / "log").open("w+b"))
        options: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": log,
            "stderr": subprocess.STDOUT,
            "cwd": folder,
        }
        if os.geteuid() == 0:
            # Database servers refuse to run as root.
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        *preparations, command = server.commands(folder)
        for preparation in preparations:
            if subprocess.run(preparation, timeout=120, **options).returncode:
                raise OSError(_end_of(log))
        server._start, server._log = partial(subprocess.Popen, command, **options), log
        stack.callback(_stop, server)
        server.launch()
        yield server


@dataclass(frozen=True)
class Absent:
    """A server that this run does without."""

    reason: str

    def __str__(self) -> str:
        return self.reason


def find(kind: type[Server], stack: ExitStack) -> Server | Absent:
    """The server of this kind at its usual port, or a throw-away one until the stack is closed.

    A variable such as ``DANCE_TEST_REDIS_PORT`` names another port. Then none is started.
    """
    variable = f"DANCE_TEST_{kind.name.upper()}_PORT"
    port = os.environ.get(variable)
    server = kind(int(port or kind.usual_port))
    if server.answers():
        return server
    reason = f"{kind.name} is left out: nothing lets the tests in at {server.url}"
    if port:
        return Absent(f"{reason}, which {variable} names")
    try:
        return stack.enter_context(throw_away(kind))
    except (LookupError, OSError) as error:
        return Absent(f"{reason}, and none could be started: {error}")


def start(kind: type[Server], stack: ExitStack) -> Server:
    """A throw-away server until the stack is closed; without one the test is skipped."""
    try:
        return stack.enter_context(throw_away(kind))
    except (LookupError, OSError) as error:
        pytest.skip(f"{kind.name} is left out: none could be started: {error}")


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask a process to end, and kill it if it is still there after these seconds."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _stop(server: Server) -> None:
    if server.process is None:  # it could not be started
        return
    server.process.send_signal(server.stopped_by)
    try:
        server.process.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()


def _end_of(log: Any) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-10:])


# --- the servers of a run -------------------------------------------------------------------------

_FOUND = pytest.StashKey[dict[str, "Server | Absent"]]()


def look_for(kinds: list[type[Server]], config: pytest.Config) -> None:
    """Look for the servers of a run once: not in each process of pytest-xdist, which is told.

    :raises pytest.UsageError: one is missing in CI.
    """
    if hasattr(config, "workerinput"):
        places = config.workerinput["servers"]
        config.stash[_FOUND] = {
            kind.name: kind(place) if isinstance(place, int) else Absent(place)
            for kind in kinds
            for place in [places[kind.name]]
        }
        return
    stack = ExitStack()
    config.add_cleanup(stack.close)
    config.stash[_FOUND] = servers = {kind.name: find(kind, stack) for kind in kinds}
    for server in servers.values():
        if isinstance(server, Absent) and os.environ.get("CI"):
            raise pytest.UsageError(server.reason)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist which servers were found."""
    node.workerinput["servers"] = {
        name: server.reason if isinstance(server, Absent) else server.port
        for name, server in node.config.stash[_FOUND].items()
    }


def found(config: pytest.Config) -> dict[str, Server | Absent]:
    """The servers of this run, by the names of their kinds."""
    return config.stash[_FOUND]


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> Server:
    """A Redis. Others may use it too: keys go under the prefix of ``cache()``."""
    server = found(pytestconfig)[Redis.name]
    if isinstance(server, Absent):
        pytest.skip(server.reason)
    return server


@pytest.fixture
def redis_cache(redis_server: Redis, settings: Any) -> Iterator[BaseCache]:
    """The cache ``"redis"``, on a Redis, empty before and after; ``DANCE_CACHE`` names it."""
    settings.CACHES = {**settings.CACHES, "redis": redis_server.cache()}
    settings.DANCE_CACHE = "redis"
    cache = caches["redis"]
    # Not clear(): it would delete the keys of other programs.
    cache.delete_pattern("*")
    yield cache
    cache.delete_pattern("*")
