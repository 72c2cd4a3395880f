"""Runs a few threads one at a time, in an order that chance decides and a seed repeats."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

_here = threading.local()


class _Runner:
    """A thread that goes on when it is told, and stops at each :func:`turn`."""

    def __init__(self, finish: Callable[[], object]) -> None:
        self.go, self.stopped = threading.Semaphore(0), threading.Semaphore(0)
        self.job: Callable[[], object] | None = None
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(finish,), daemon=True)
        self.thread.start()

    def _run(self, finish: Callable[[], object]) -> None:
        _here.runner = self
        while True:
            self.go.acquire()
            if self.job is None:
                break
            try:
                self.job()
            except BaseException as error:
                self.failure = error
            self.job = None
            self.stopped.release()
        finish()

    def step(self) -> None:
        self.go.release()
        assert self.stopped.acquire(timeout=30)
        if self.failure is not None:
            raise self.failure


def turn() -> None:
    """Let another thread go on, perhaps. Without effect in a thread that has no runner."""
    runner = getattr(_here, "runner", None)
    if runner is not None:
        runner.stopped.release()
        runner.go.acquire()


class Interleaving:
    """So many threads, used again for each schedule.

    :param finish: called in each thread at its end.
    """

    def __init__(self, threads: int, finish: Callable[[], object]) -> None:
        self._runners = [_Runner(finish) for _ in range(threads)]

    def run(self, chance: Random, *jobs: Callable[[], object]) -> None:
        """Run the jobs to their ends, in turns."""
        running = self._runners[: len(jobs)]
        for runner, job in zip(running, jobs, strict=True):
            runner.job = job
        while running:
            runner = chance.choice(running)
            runner.step()
            if runner.job is None:
                running.remove(runner)

    def close(self) -> None:
        for runner in self._runners:
            runner.job = None
            runner.go.release()
            runner.thread.join(10)
