"""Servers that work together: a cluster or Sentinels of Redis, a PostgreSQL with a standby, and
PgBouncer. Each is started in folders and at ports of its own, and ended afterwards.

The nodes run Valkey if it is installed, or else Redis.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from .loopback import reserved_port
from .servers import HOST, PostgreSQL, Redis, Server, program, throw_away

#: The number of hash slots of a cluster.
SLOTS = 16384


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Wait until a condition holds. An error of a server counts as "not yet".

    :raises OSError: it does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        with suppress(redis.RedisError, psycopg.Error):
            if condition():
                return
        if time.monotonic() > deadline:
            raise OSError(f"after {seconds} s: {what}")
        time.sleep(0.05)


def start_or_skip(stack: ExitStack, cluster: Callable[..., Any], *args: Any) -> Any:
    """Enter a context manager of this module until the stack is closed."""
    try:
        return stack.enter_context(cluster(*args))
    except (LookupError, OSError) as error:
        pytest.skip(f"{cluster.__name__} is left out: it could not be started: {error}")


# --- Valkey or Redis ------------------------------------------------------------------------------


def key_value_server() -> str:
    """The program of the nodes.

    :raises LookupError: neither is installed.
    """
    return shutil.which("valkey-server") or program("redis-server")


class Node(Redis):
    """A node of a cluster."""

    name = "node"

    def __init__(self, port: int, bus_port: int) -> None:
        super().__init__(port)
        self.bus_port = bus_port

    def commands(self, folder: Path) -> list[list[str]]:
        ((_, *options),) = super().commands(folder)
        cluster = {
            "cluster-enabled": "yes",
            "cluster-port": str(self.bus_port),
            "cluster-node-timeout": "1000",
        }
        flags = [word for name, value in cluster.items() for word in (f"--{name}", value)]
        return [[key_value_server(), *options, *flags]]


class RedisCluster:
    """Nodes that share the hash slots."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    @property
    def runs_valkey(self) -> bool:
        return "server_name" in self.nodes[0].connect().info("server")

    def is_ok(self) -> bool:
        return all(
            node.connect().execute_command("CLUSTER INFO")["cluster_state"] == "ok"
            for node in self.nodes
        )

    def calls(self, *commands: str) -> list[int]:
        """How many of these commands each node has received."""
        statistics = [node.connect().info("commandstats") for node in self.nodes]
        return [
            sum(each.get(f"cmdstat_{command}", {}).get("calls", 0) for command in commands)
            for each in statistics
        ]


@contextmanager
def redis_cluster(count: int = 3) -> Iterator[RedisCluster]:
    """A cluster without replicas."""
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                throw_away(partial(Node, bus_port=stack.enter_context(reserved_port())))
            )
            for _ in range(count)
        ]
        for number, node in enumerate(nodes):
            first, last = number * SLOTS // count, (number + 1) * SLOTS // count - 1
            client = node.connect()
            client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            nodes[0].connect().execute_command("CLUSTER MEET", HOST, node.port, node.bus_port)
        cluster = RedisCluster(nodes)
        wait_until(cluster.is_ok, "the cluster is not complete")
        yield cluster


class Replica(Redis):
    """Replicates another Redis."""

    name = "replica"

    def __init__(self, port: int, primary: Redis) -> None:
        super().__init__(port)
        self.primary = primary

    def commands(self, folder: Path) -> list[list[str]]:
        (command,) = super().commands(folder)
        return [
            [
                *command,
                "--replicaof",
                f"{HOST} {self.primary.port}",
                "--repl-diskless-sync-delay",
                "0",
            ]
        ]


class Sentinel(Redis):
    """Watches a Redis, and lets its replica take its place."""

    name = "Sentinel"

    def __init__(self, port: int, primary: Redis) -> None:
        super().__init__(port)
        self.primary = primary

    @property
    def service(self) -> str:
        """The name of the primary. Clients keep connections by this name, so no two share it."""
        return f"dance-{self.primary.port}"

    def commands(self, folder: Path) -> list[list[str]]:
        configuration = folder / "sentinel.conf"
        lines = [
            f"sentinel monitor {self.service} {HOST} {self.primary.port} 2",
            f"sentinel down-after-milliseconds {self.service} 1000",
            f"sentinel failover-timeout {self.service} 3000",
        ]
        configuration.write_text("\n".join(lines) + "\n", "utf-8")
        configuration.chmod(0o666)  # the Sentinel, which may be another user's process, rewrites it
        options = ["--bind", HOST, "--port", str(self.port), "--dir", str(folder)]
        return [[program("redis-server"), str(configuration), "--sentinel", *options]]


class SentinelGroup:
    """A primary, its replica, and three Sentinels, two of which have to agree."""

    def __init__(self, primary: Redis, replica: Replica, sentinels: list[Sentinel]) -> None:
        self.primary, self.replica, self.sentinels = primary, replica, sentinels
        self.service = sentinels[0].service

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [(HOST, sentinel.port) for sentinel in self.sentinels]

    def is_ready(self) -> bool:
        """Whether the replica is up to date, and each Sentinel knows all the others."""
        states = [each.connect().sentinel_masters()[self.service] for each in self.sentinels]
        return self.replica.connect().info("replication")["master_link_status"] == "up" and all(
            state["num-other-sentinels"] == 2 and state["num-slaves"] == 1 for state in states
        )

    def address_of_primary(self) -> int:
        """The port of the primary, as the Sentinels know it."""
        _, port = self.sentinels[0].connect().sentinel_get_master_addr_by_name(self.service)
        return int(port)

    def fail_over(self) -> None:
        """Kill the primary, and wait until its replica has taken its place."""
        self.primary.kill()
        self.wait_for_promotion()

    def wait_for_promotion(self) -> None:
        wait_until(
            lambda: (
                self.address_of_primary() == self.replica.port
                and self.replica.connect().info("replication")["role"] == "master"
            ),
            "the Sentinels have promoted no replica",
        )


@contextmanager
def redis_sentinels() -> Iterator[SentinelGroup]:
    """A Redis that fails over."""
    with ExitStack() as stack:
        primary = stack.enter_context(throw_away(Redis))
        replica = stack.enter_context(throw_away(partial(Replica, primary=primary)))
        sentinels = [
            stack.enter_context(throw_away(partial(Sentinel, primary=primary))) for _ in range(3)
        ]
        group = SentinelGroup(primary, replica, sentinels)
        wait_until(group.is_ready, "the Sentinels do not know the replica and each other")
        yield group


# --- PostgreSQL -----------------------------------------------------------------------------------


class Standby(PostgreSQL):
    """Replicates another PostgreSQL."""

    name = "standby"

    def __init__(self, port: int, primary: PostgreSQL) -> None:
        super().__init__(port)
        self.primary = primary

    def commands(self, folder: Path) -> list[list[str]]:
        _, command = super().commands(folder)
        copy = [
            *(program("pg_basebackup"), "-h", HOST, "-p", str(self.primary.port)),
            *("-U", self.user, "-D", f"{folder}/data", "-X", "stream"),
            *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
        ]
        return [copy, command]

    def promote(self) -> None:
        """Make it a primary."""
        with self.connect() as connection:
            connection.execute("SELECT pg_promote(wait => true)")

    @contextmanager
    def lag(self) -> Iterator[None]:
        """It receives all changes, and shows none of them before the end of the context."""
        with self.connect() as connection:
            connection.execute("SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            with self.connect() as connection:
                connection.execute("SELECT pg_wal_replay_resume()")

    def has_replayed(self, position: str) -> bool:
        with self.connect() as connection:
            query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
            return bool(connection.execute(query, [position]).fetchone()[0])


class PostgreSQLPair:
    """A primary and its standby."""

    def __init__(self, primary: PostgreSQL, standby: Standby) -> None:
        self.primary, self.standby = primary, standby
        self._current: PostgreSQL = primary

    def connect(self) -> Any:
        """A connection to the server that is the primary now; it waits while there is none."""
        wait_until(lambda: self._current.answers(), "there is no primary")
        return self._current.connect()

    def create(self, database: str) -> None:
        self._current.create(database)

    def drop(self, database: str) -> None:
        self._current.drop(database)

    @property
    def port(self) -> str:
        """The ports of both, as libpq takes several."""
        return f"{self.primary.port},{self.standby.port}"

    @property
    def host(self) -> str:
        return f"{HOST},{HOST}"

    def replicate_synchronously(self) -> None:
        """Let each commit wait until the standby has received it."""
        with self.primary.connect() as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
        wait_until(self.is_synchronous, "the standby is not synchronous")

    def is_synchronous(self) -> bool:
        with self.primary.connect() as connection:
            query = "SELECT sync_state FROM pg_stat_replication"
            return connection.execute(query).fetchall() == [("sync",)]

    def wait_for_standby(self) -> None:
        """Wait until the standby shows everything that the primary has committed."""
        with self.primary.connect() as connection:
            (position,) = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        wait_until(lambda: self.standby.has_replayed(position), "the standby lags")

    def stop_primary(self) -> None:
        """End the primary at once, with all connections to it."""
        assert self.primary.process is not None
        self.primary.process.send_signal(signal.SIGQUIT)
        self.primary.process.wait(30)

    def fail_over(self) -> None:
        """End the primary, and let the standby take its place."""
        self.stop_primary()
        self.standby.promote()
        self._current = self.standby

    def switch_over(self) -> None:
        """Let the standby take the place of the primary, which then refuses to write.

        The connections to it stay open, and new ones are possible.
        """
        self.wait_for_standby()
        self.standby.promote()
        with self.primary.connect() as connection:
            connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def postgresql_pair() -> Iterator[PostgreSQLPair]:
    """A primary with a standby. It replicates asynchronously."""
    with ExitStack() as stack:
        primary = stack.enter_context(throw_away(PostgreSQL))
        standby = stack.enter_context(throw_away(partial(Standby, primary=primary)))
        yield PostgreSQLPair(primary, standby)


class PgBouncer(Server):
    """A pooler in front of a PostgreSQL.

    :param options: the options of the section ``[pgbouncer]``.
    """

    name, scheme, user = "PgBouncer", "postgresql", "postgres"
    stopped_by = signal.SIGINT

    def __init__(self, port: int, target: PostgreSQL, options: dict[str, str]) -> None:
        super().__init__(port)
        self.target, self.options = target, options

    def connect(self, dbname: str = "postgres") -> Any:
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=self.user,
            dbname=dbname,
            connect_timeout=5,
            autocommit=True,
        )

    def show(self, what: str) -> list[dict[str, Any]]:
        """The rows that its console shows."""
        with self.connect("pgbouncer") as console:
            cursor = console.cursor(row_factory=psycopg.rows.dict_row)
            return list(psycopg.ClientCursor.execute(cursor, f"SHOW {what}").fetchall())

    def commands(self, folder: Path) -> list[list[str]]:
        options = {
            **self.options,
            "listen_addr": HOST,
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "admin_users": self.user,
        }
        lines = [
            "[databases]",
            f"* = host={HOST} port={self.target.port} user={self.user}",
            "[pgbouncer]",
            *(f"{name} = {value}" for name, value in options.items()),
        ]
        configuration = folder / "pgbouncer.ini"
        configuration.write_text("\n".join(lines) + "\n", "utf-8")
        configuration.chmod(0o644)
        return [[program("pgbouncer"), str(configuration)]]


@contextmanager
def pgbouncer(options: dict[str, str]) -> Iterator[PgBouncer]:
    """A pooler, and a PostgreSQL behind it."""
    with ExitStack() as stack:
        postgresql = stack.enter_context(throw_away(PostgreSQL))
        kind = partial(PgBouncer, target=postgresql, options=options)
        yield stack.enter_context(throw_away(kind))
