"""The examples of docs/testing.md, in a project of their own."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_database("The project has a database of its own")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"


@pytest.fixture(scope="module")
def examples():
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_every_example_passes(project, examples):
    files = {f"test_example_{number}": source for number, source in enumerate(examples)}
    tests = "".join(examples).count("def test_")
    assert tests > len(examples) > 6
    project(files, "-p", "no:xdist").assert_outcomes(passed=tests)


def test_a_test_of_a_view_with_an_expired_token_has_at_most_twenty_lines(examples):
    assert "expired=True" in examples[0]
    assert len([line for line in examples[0].splitlines() if line]) <= 20
