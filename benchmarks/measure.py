"""Measure times, and print them as tables."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


def seconds(call: Callable[[], object]) -> float:
    """The seconds that one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def seconds_each(call: Callable[[], object], times: int) -> float:
    """The mean seconds of a call, for calls that are too short to be timed alone."""
    repeated = range(times)
    start = time.perf_counter()
    for _ in repeated:
        call()
    return (time.perf_counter() - start) / times


@dataclass(frozen=True)
class Timings:
    """For each contestant the median of each round, in seconds."""

    rounds: Mapping[str, list[float]]

    def __getitem__(self, name: str) -> float:
        return median(self.rounds[name])

    def ratio(self, name: str, base: str) -> float:
        """The median ratio of the rounds: a disturbance that slows a whole round cancels out."""
        pairs = zip(self.rounds[name], self.rounds[base], strict=True)
        return median(taken / against for taken, against in pairs)


def run_interleaved(
    samplers: Mapping[str, Callable[[], float]], *, rounds: int, batch: int = 1
) -> Timings:
    """Run the samplers in turns, and collect the seconds that they return.

    Small batches in random order: other work on the machine affects all samplers alike.
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
    """A claim about a measured value."""

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
