"""The example site under gunicorn and under uvicorn, each with several worker processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from ..servers import HOST, end

#: Name → the options of the server program. It serves at the port that is added to them.
PROGRAMS = {
    # Two processes, each with threads.
    "gunicorn": [
        *("gunicorn", "tests.soak.site:wsgi", "--workers=2", "--threads=8", "--timeout=120"),
        "--no-control-socket",
    ],
    # Two processes, each with an event loop. uvicorn ends a worker that does not answer it in time,
    # which may be slow on a busy machine.
    "uvicorn": [
        *("uvicorn", "tests.soak.site:asgi", "--workers=2", "--no-access-log"),
        "--timeout-worker-healthcheck=10",
    ],
}
#: Seconds that a site may take to start, and to stop.
PATIENCE = 60


class Site:
    """The example site under one of the programs.

    :param environment: the variables that its settings read.
    :param folder: an empty folder for its log and for the reports of its workers.
    """

    def __init__(self, name: str, port: int, environment: Mapping[str, str], folder: Path) -> None:
        self.name, self.port, self.folder = name, port, folder
        self.url = f"http://{HOST}:{port}"
        self.log, self.reports = folder / "log", folder / "reports"
        self.reports.mkdir(parents=True)
        self._environment = {**environment, "SOAK_REPORTS": str(self.reports)}
        self._killed: set[int] = set()

    def start(self) -> None:
        """Start it, and wait until its workers run.

        :raises OSError: they do not; the end of the log says why.
        """
        program, *options = PROGRAMS[self.name]
        address = (
            [f"--bind={HOST}:{self.port}"]
            if program == "gunicorn"
            else [f"--host={HOST}", f"--port={self.port}"]
        )
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", program, *options, *address],
                env=self._environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # by which its workers are known
            )
        deadline = time.monotonic() + PATIENCE
        while len(self.workers()) < 2 or not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise OSError(f"{self.name} does not start:\n{self.end_of_log()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it, and each of its workers."""
        end(self._process, PATIENCE)
        for worker in self.workers():
            os.kill(worker, signal.SIGKILL)

    def workers(self) -> list[int]:
        """The process ids of the workers that have loaded the site and were not killed."""
        pids = sorted(int(report.name) for report in self.reports.iterdir())
        return [pid for pid in pids if pid not in self._killed and self._is_ours(pid)]

    def kill(self, worker: int) -> None:
        """Kill one of the workers. The program starts another one by itself."""
        self._killed.add(worker)
        os.kill(worker, signal.SIGKILL)

    def read_reports(self) -> set[str]:
        """The digests of the refresh tokens that its workers stored, and the losses they told."""
        return {line for report in self.reports.iterdir() for line in report.read_text().split()}

    def end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:])

    def _is_ours(self, pid: int) -> bool:
        """Whether the process was started by our program, not by another one since."""
        try:
            return os.getsid(pid) == self._process.pid
        except ProcessLookupError:
            return False

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0
