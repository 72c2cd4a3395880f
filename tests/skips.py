"""The skips that CI accepts: ``accepted_skips.toml``. There any other skip is a failure."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@cache
def accepted_skips() -> dict[str, list[str]]:
    """How the reasons begin, by database; ``any`` is for the tests without one as well."""
    return tomllib.loads((HERE / "accepted_skips.toml").read_text("utf-8"))


def database_of(item: pytest.Item) -> str | None:
    """The database that a test uses, as ``--database`` names it."""
    parameters: dict[str, str] = getattr(getattr(item, "callspec", None), "params", {})
    return parameters.get("database")


def is_accepted(reason: str, database: str | None) -> bool:
    reasons = accepted_skips()
    return reason.startswith((*reasons["any"], *reasons.get(database or "", ())))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        assert isinstance(report.longrepr, tuple)
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if os.environ.get("CI") and not is_accepted(reason, database_of(item)):
            report.outcome = "failed"
            report.longrepr = f"tests/accepted_skips.toml does not list this skip: {reason}"
        elif "is left out: " in reason:
            # Without its place, so that the summary has one line for all tests of a server.
            report.longrepr = (str(HERE), None, reason)
    return report
