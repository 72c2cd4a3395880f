"""A run of the soak, with one seed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..clusters import PostgreSQLPair, postgresql_pair
from ..loopback import reserved_port
from ..servers import Absent, PostgreSQL, Redis, find, throw_away
from .journal import Journal
from .provider import LIFETIME, Provider
from .sites import PROGRAMS, Site
from .strikes import CutConnections, KillRedis, KillWorker, PromoteStandby, Strike
from .users import User, user_names
from .verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Soak:
    """The options of a run."""

    seed: int
    seconds: float
    users: int
    worker_kills: int
    redis_kills: int
    database_cuts: int
    #: 1 if the primary is to end and its standby to take its place, or 0.
    promotions: int
    #: The folder with the packages ``django_dance`` and ``example_project`` to test.
    source: Path
    #: The folder for the logs of the sites; ``None`` if they are not kept.
    logs: Path | None

    def run(self) -> Verdict:
        """Start everything, let the users live and the strikes happen, and end everything.

        :raises OSError: a server does not start.
        :raises LookupError: Redis is not installed.
        """
        journal = Journal()
        names = user_names(self.users)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
            provider = stack.enter_context(Provider(self.seed))
            redis = stack.enter_context(throw_away(Redis))
            postgresql = self._postgresql(stack)
            database = stack.enter_context(new_database(postgresql))
            environment = {
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.soak.settings",
                "PYTHONPATH": f"{packages(self.source, folder)}{os.pathsep}{ROOT}",
                "NO_PROXY": "*",
                "SOAK_DATABASE": database,
                "SOAK_POSTGRESQL_HOST": postgresql.host,
                "SOAK_POSTGRESQL_PORT": str(postgresql.port),
                "SOAK_PROVIDER": provider.url,
                "SOAK_REDIS": redis.url,
                "SOAK_USERS": " ".join(names),
            }
            for command in ("migrate", "prepare_demo"):
                manage(command, environment, folder)
            sites = [
                stack.enter_context(self._running_site(name, environment, folder))
                for name in PROGRAMS
            ]
            users = [User(name, sites, provider, journal, self.seed) for name in names]
            common = (provider, journal, self.seed)
            strikes = [
                KillWorker(sites, self.worker_kills, *common),
                KillRedis(redis, self.redis_kills, *common),
                CutConnections(postgresql, database, self.database_cuts, *common),
            ]
            if isinstance(postgresql, PostgreSQLPair):
                strikes.append(PromoteStandby(postgresql, self.promotions, *common))
            self._let_happen(users, strikes)
            reported = {word for site in sites for word in site.read_reports()}
            journal.losses_told = {word for word in reported if word.startswith("lost-")}
            journal.stored = reported - journal.losses_told
            journal.ended_grants = provider.count_ended_grants()
        return Verdict(journal, [strike.struck for strike in strikes])

    def _postgresql(self, stack: ExitStack) -> PostgreSQL | PostgreSQLPair:
        """:raises OSError: there is no PostgreSQL."""
        if self.promotions:
            pair = stack.enter_context(postgresql_pair())
            pair.replicate_synchronously()
            return pair
        found = find(PostgreSQL, stack)
        if isinstance(found, Absent):
            raise OSError(found.reason)
        return found

    def _let_happen(self, users: list[User], strikes: list[Strike]) -> None:
        """Let the users live while the strikes happen."""
        stop = threading.Event()
        with ThreadPoolExecutor(len(users) + len(strikes)) as pool:
            list(pool.map(User.log_in, users))
            try:
                lives = [pool.submit(user.live, stop) for user in users]
                struck = [pool.submit(strike.run, self.seconds, stop) for strike in strikes]
                for strike in struck:
                    strike.result()
            finally:
                stop.set()
            for life in lives:
                life.result()
            # Now each token has expired. Its refresh shows whether the last strikes have lost it.
            time.sleep(LIFETIME)
            list(pool.map(User.call, users))

    @contextmanager
    def _running_site(self, name: str, environment: dict[str, str], folder: Path) -> Iterator[Site]:
        with reserved_port() as port:
            site = Site(name, port, environment, folder / name)
            try:
                site.start()
                yield site
            finally:
                site.stop()
                if self.logs:
                    self.logs.mkdir(parents=True, exist_ok=True)
                    shutil.copy(site.log, self.logs / f"seed-{self.seed}-{name}.log")


@contextmanager
def new_database(postgresql: PostgreSQL | PostgreSQLPair) -> Iterator[str]:
    """The name of an empty database, which is dropped afterwards."""
    name = f"django_dance_soak_{os.getpid()}"
    postgresql.create(name)
    try:
        yield name
    finally:
        postgresql.drop(name)


def packages(source: Path, folder: Path) -> Path:
    """A folder with the packages to test, and no other package of their project."""
    path = folder / "packages"
    path.mkdir()
    for name in ("django_dance", "example_project"):
        (path / name).symlink_to(source.resolve() / name)
    return path


def manage(command: str, environment: dict[str, str], folder: Path) -> None:
    """Call a management command of the example site.

    :raises OSError: it failed; its output says why.
    """
    called = subprocess.run(
        [sys.executable, "-m", "django", command, "--verbosity=0"],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if called.returncode:
        raise OSError(f"{command}: {called.stdout[-2000:]}")
