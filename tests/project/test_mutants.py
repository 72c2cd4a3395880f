"""``scripts/mutants`` names modules, and the files of tests that may notice a change of them."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.repository

ROOT = Path(__file__).parents[2]


def test_the_modules_and_the_files_of_tests_exist():
    source = ast.parse((ROOT / "scripts" / "mutants").read_text("utf-8"))
    (table,) = (
        ast.literal_eval(node.value)
        for node in source.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TESTS"
    )
    assert table
    for module, tests in table.items():
        assert (ROOT / "django_dance" / f"{module}.py").is_file()
        for name in tests.split():
            assert (ROOT / "tests" / f"{name}.py").is_file()
