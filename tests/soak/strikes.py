"""The strikes: workers, Redis and the primary database are killed, and connections are cut.

Each kind strikes as often as it was asked to, at moments that the seed chooses. Each other time it
takes aim: it waits until the provider is about to answer a refresh, the moment at which a strike
does most harm.
"""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from ..clusters import PostgreSQLPair
from ..servers import PostgreSQL, Redis
from .journal import DatabaseCut, Journal, Refresh, Struck, WorkerKill
from .provider import Provider
from .sites import Site

#: Ends all connections to a database, and waits up to a second for the end of each.
CUT = "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = %s"
#: The longest wait for a refresh, in seconds.
AIM = 5
#: The shortest and the longest time without Redis, in seconds.
OUTAGE = (0.2, 2.0)


class Strike(ABC):
    """A part that fails again and again.

    :param asked: how often.
    """

    #: How the report names it.
    name: str

    def __init__(self, asked: int, provider: Provider, journal: Journal, seed: int) -> None:
        self.asked, self.provider, self.journal = asked, provider, journal
        self.times = 0
        self.random = random.Random(f"{seed} {self.name}")

    @abstractmethod
    def strike(self, refresh: Refresh | None) -> bool:
        """Let the part fail once. Write into the journal the facts that the verdict needs.

        :param refresh: a refresh that the provider is about to answer, if the strike took aim.
        :returns: whether anything was hit.
        """

    @property
    def struck(self) -> Struck:
        return Struck(self.name, self.times, self.asked)

    def run(self, seconds: float, stop: threading.Event) -> None:
        """Strike at moments of this time, and try each strike again until it hits."""
        start = time.monotonic()
        for number in range(self.asked):
            since, until = (start + n * seconds / self.asked for n in (number, number + 1))
            moment = self.random.uniform(since, (since + until) / 2)
            takes_aim = self.random.random() < 0.5
            stop.wait(moment - time.monotonic())
            while time.monotonic() < until and not stop.is_set():
                if self.strike(self.provider.wait_for_refresh(AIM) if takes_aim else None):
                    self.times += 1
                    break
                stop.wait(0.05)
        stop.wait(start + seconds - time.monotonic())


class KillWorker(Strike):
    """SIGKILL, as the kernel kills when memory is short."""

    name = "workers killed"

    def __init__(self, sites: Sequence[Site], *strike: object) -> None:
        super().__init__(*strike)
        self.sites = sites

    def strike(self, refresh: Refresh | None) -> bool:
        workers = [(site, worker) for site in self.sites for worker in site.workers()]
        if refresh is not None:
            workers = [found for found in workers if found[1] == refresh.worker]
        if not workers:
            return False
        site, worker = self.random.choice(workers)
        self.journal.worker_kills.append(WorkerKill(site.name, worker, time.monotonic()))
        site.kill(worker)
        return True


class KillRedis(Strike):
    """SIGKILL. Redis is away for some time, and empty when it is back."""

    name = "Redis killed"

    def __init__(self, redis: Redis, *strike: object) -> None:
        super().__init__(*strike)
        self.redis = redis

    def strike(self, refresh: Refresh | None) -> bool:
        self.redis.kill()
        time.sleep(self.random.uniform(*OUTAGE))
        self.redis.launch()
        return True


class CutConnections(Strike):
    """All connections to the database end, as in a fail-over. It takes new ones at once."""

    name = "database connections cut"

    def __init__(
        self, postgresql: PostgreSQL | PostgreSQLPair, database: str, *strike: object
    ) -> None:
        super().__init__(*strike)
        self.postgresql, self.database = postgresql, database

    def strike(self, refresh: Refresh | None) -> bool:
        with self.postgresql.connect() as connection:
            began = time.monotonic()
            cut = connection.execute(CUT, [self.database]).rowcount
        if cut:
            self.journal.database_cuts.append(DatabaseCut(began, time.monotonic()))
        return bool(cut)


class PromoteStandby(Strike):
    """The primary ends, and its standby takes its place."""

    name = "standbys promoted"

    def __init__(self, pair: PostgreSQLPair, *strike: object) -> None:
        super().__init__(*strike)
        self.pair = pair

    def strike(self, refresh: Refresh | None) -> bool:
        began = time.monotonic()
        self.pair.fail_over()
        self.journal.database_cuts.append(DatabaseCut(began, time.monotonic()))
        return True
