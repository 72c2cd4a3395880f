"""Draw the plots of the guide, ``docs/images/*.svg``, from measured figures.

``python -m benchmarks.plots`` draws them from ``docs/images/figures.json``. ``--calls`` measures
the calls first; ``--capacity FILE`` takes the look-ups from the figures that
``benchmarks.capacity`` wrote.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import sys
import tempfile
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import django

from .server import run_server

FOLDER = Path(__file__).parent.parent / "docs" / "images"
FIGURES = FOLDER / "figures.json"
#: The size of a plot, and the space for its labels to the left, right, at the top and the bottom.
WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 168, 16, 56
#: The plot has a background of its own, so that it can be read on any page.
STYLE = """
.page { fill: #fff }
text { font: 13px system-ui, sans-serif; fill: #424a53 }
.axis { fill: none; stroke: #6e7781 }
.grid { stroke: #6e7781; stroke-width: .5; stroke-dasharray: 2 4 }
.line { fill: none; stroke-width: 2.5 }
.first { color: #0969da }
.second { color: #bc4c00 }
.line, .dot { stroke: currentColor }
.dot { fill: currentColor }
@media (prefers-color-scheme: dark) {
  .page { fill: #161b22 }
  text { fill: #c9d1d9 }
  .axis, .grid { stroke: #8b949e }
  .first { color: #58a6ff }
  .second { color: #f0883e }
}
"""
LINES = ["first", "second"]


@dataclass(frozen=True)
class Plot:
    """Lines over a logarithmic axis.

    :param description: the text alternative.
    :param lines: the name of each line → its points.
    """

    name: str
    title: str
    description: str
    across: str
    upwards: str
    lines: dict[str, list[tuple[float, float]]]
    #: Whether the vertical axis is logarithmic, too.
    logarithmic: bool = False

    def svg(self) -> str:
        points = [point for line in self.lines.values() for point in line]
        xs, ys = sorted({x for x, _ in points}), [y for _, y in points]
        low, high = math.log10(xs[0]), math.log10(xs[-1])
        if self.logarithmic:
            bottom, top = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
            marks = [10.0**power for power in range(bottom, top + 1)]
        else:
            step = 10 ** math.floor(math.log10(max(ys)))
            step = next(s for s in (step / 5, step / 2, step, step * 2) if max(ys) / s <= 6)
            marks = [n * step for n in range(math.ceil(max(ys) / step) + 1)]

        def across(x: float) -> float:
            return LEFT + (math.log10(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

        def upwards(y: float) -> float:
            share = (math.log10(y) - bottom) / (top - bottom) if self.logarithmic else y / marks[-1]
            return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

        parts = [f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="6"/>']
        for y in marks:
            at = upwards(y)
            parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{y:g}</text>')
        for x in xs:
            at = across(x)
            place = f'x="{at:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle"'
            parts.append(f"<text {place}>{x:,.0f}</text>")
        parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
        middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
        parts.append(
            f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{self.across}</text>'
        )
        turned = TOP + (HEIGHT - TOP - BOTTOM) / 2
        parts.append(
            f'<text transform="translate(16 {turned}) rotate(-90)" text-anchor="middle">'
            f"{self.upwards}</text>"
        )
        ends = _spread([upwards(line[-1][1]) for line in self.lines.values()])
        for (name, line), kind, end in zip(self.lines.items(), LINES, ends, strict=True):
            path = "L".join(f"{across(x):.1f} {upwards(y):.1f}" for x, y in line)
            parts.append(f'<path class="line {kind}" d="M{path}"/>')
            parts += [
                f'<circle class="dot {kind}" cx="{across(x):.1f}" cy="{upwards(y):.1f}" r="3"/>'
                for x, y in line
            ]
            parts.append(
                f'<text x="{across(line[-1][0]) + 10:.1f}" y="{end + 4:.1f}">{escape(name)}</text>'
            )
        body = "\n".join(parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-labelledby="title text">\n<title id="title">{escape(self.title)}</title>\n'
            f'<desc id="text">{escape(self.description)}</desc>\n<style>{STYLE}</style>\n'
            f"{body}\n</svg>\n"
        )


def _spread(ends: list[float], least: float = 16) -> list[float]:
    """Move labels apart that would overlap."""
    order = sorted(range(len(ends)), key=lambda number: ends[number])
    spread = list(ends)
    for before, after in pairwise(order):
        spread[after] = max(spread[after], spread[before] + least)
    return spread


def measure_calls() -> dict[str, dict[str, float]]:
    """The client → the number of calls of 200 ms at the same time → the seconds until all ended."""
    with tempfile.TemporaryDirectory() as directory, run_server(Path(directory)) as server:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "BENCHMARK_SERVER": server.url,
            "BENCHMARK_CA_BUNDLE": server.ca_bundle,
        }
        django.setup()
        from django.http import HttpRequest

        from django_dance.sessions import OAuth

        from . import concurrency

        concurrency.allow_many_files()
        taken: dict[str, dict[str, float]] = {}
        for calls in (1, 10, 30, 100, 300):
            concurrency.LIMITS[calls] = {concurrency.HTTPX2: None, concurrency.OURS: None}
            session = OAuth(HttpRequest()).memory
            took = asyncio.run(concurrency.measure(server, session, calls, rounds=3))
            for name in took.rounds:
                taken.setdefault(name, {})[str(calls)] = took[name]
    return taken


def points(figures: dict[str, float]) -> list[tuple[float, float]]:
    return sorted((float(across), upwards) for across, upwards in figures.items())


def describe(lines: dict[str, list[tuple[float, float]]], unit: str) -> str:
    """The points in words, for those who cannot see the plot."""
    texts = [
        f"{name}: " + ", ".join(f"{y:.2f} {unit} at {x:,.0f}" for x, y in line)
        for name, line in lines.items()
    ]
    return ". ".join(texts) + "."


def plots(figures: dict[str, Any]) -> list[Plot]:
    calls = {name: points(line) for name, line in figures["calls"].items()}
    rows = {name: points(line) for name, line in figures["look-ups"].items()}
    return [
        Plot(
            "calls",
            "Seconds until all calls of 200 ms have ended, by their number",
            describe(calls, "s"),
            "calls at the same time",
            "seconds",
            calls,
            logarithmic=True,
        ),
        Plot(
            "look-ups",
            "Milliseconds of a look-up of a token, by the number of rows",
            describe(rows, "ms"),
            "rows in the table",
            "milliseconds",
            rows,
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=__doc__)
    parser.add_argument("--calls", action="store_true", help="measure the calls")
    parser.add_argument("--capacity", type=Path, help="the figures of benchmarks.capacity")
    arguments = parser.parse_args()
    figures = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    if arguments.calls:
        figures["calls"] = measure_calls()
    if arguments.capacity:
        measured = json.loads(arguments.capacity.read_text("utf-8"))
        figures["look-ups"] = measured["PostgreSQL"]["milliseconds of a look-up by rows"]
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    for plot in plots(figures):
        (FOLDER / f"{plot.name}.svg").write_text(plot.svg(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
