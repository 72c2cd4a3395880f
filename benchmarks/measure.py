"""How the time is taken, and how it is shown."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


def seconds(call: Callable[[], object]) -> float:
    """What one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def seconds_each(call: Callable[[], object], times: int) -> float:
    """What one of many calls takes, for calls too short to be timed alone."""
    repeated = range(times)
    start = time.perf_counter()
    for _ in repeated:
        call()
    return (time.perf_counter() - start) / times


@dataclass(frozen=True)
class Timings:
    """What the contestants took: for each, the median of each round, in seconds."""

    rounds: Mapping[str, list[float]]

    def __getitem__(self, name: str) -> float:
        return median(self.rounds[name])

    def ratio(self, name: str, base: str) -> float:
        """Compared round by round: what slows a whole round down divides out."""
        pairs = zip(self.rounds[name], self.rounds[base], strict=True)
        return median(taken / against for taken, against in pairs)


def interleaved(
    samplers: Mapping[str, Callable[[], float]], *, rounds: int, batch: int = 1
) -> Timings:
    """Let the samplers, which return seconds, take turns.

    In small batches and in changing order, so that whatever else the machine does hits all of
    them alike.
    """
    shuffle = random.Random(0).shuffle
    taken: dict[str, list[float]] = {name: [] for name in samplers}
    order = list(samplers)
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            taken[name].append(median(samplers[name]() for _ in range(batch)))
    return Timings(taken)


@dataclass(frozen=True)
class Target:
    """What must hold."""

    claim: str
    measured: str
    held: bool

    def __str__(self) -> str:
        return f"{'  ok  ' if self.held else 'MISSED'}  {self.claim}: {self.measured}"


def table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A plain-text table: names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in (heads, *rows)
    ]
    return "\n".join([title, "-" * max(len(title), *map(len, lines)), *lines, ""])
