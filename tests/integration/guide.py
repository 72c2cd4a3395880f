"""The settings that the guide shows, for the tests that use them."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"


def blocks(heading: str, language: str) -> list[str]:
    """The blocks of a language under a heading of the page."""
    section = PAGE.read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert found, f"no block of {language} under {heading!r}"
    return found


def settings_of(heading: str) -> dict[str, Any]:
    """The names that the Python blocks define."""
    names: dict[str, Any] = {}
    for block in blocks(heading, "python"):
        exec(compile(block, f"{PAGE.name}: {heading}", "exec"), names)
    return names


def pgbouncer_options() -> dict[str, str]:
    """The options of PgBouncer."""
    parser = configparser.ConfigParser(comment_prefixes=(";",))
    parser.read_string(blocks("PgBouncer", "ini")[0])
    return dict(parser["pgbouncer"])
