"""Each log line about a failure has fields in its ``extra``, for filters and alarms."""

import ast
import logging
from pathlib import Path

import pytest

from django_dance import exceptions

PACKAGE = Path(exceptions.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def log_calls():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "logger"
            ):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def test_every_log_line_has_fields():
    lines = dict(log_calls())
    assert len(lines) > 15
    without = [
        place
        for place, node in lines.items()
        if "extra" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not without, "Add extra=failure_fields(error, provider=…) to these log lines"


def test_the_fields_do_not_clash_with_those_of_a_log_record():
    record = vars(logging.makeLogRecord({}))
    assert not set(exceptions.failure_fields()) & {*record, "message", "asctime"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, ("", "", None, None, None)),
        (exceptions.FlowError("flow_spent"), ("flow_spent", "", None, None, None)),
        (
            exceptions.TokenRequestRefused("x", status=400, error="odd", error_description="why"),
            ("token_refused", "", 400, "odd", "why"),
        ),
        (ValueError("planted"), ("", "", None, None, None)),
    ],
)
def test_the_fields_are_those_of_the_error(error, expected):
    fields = exceptions.failure_fields(error)
    assert tuple(fields.values()) == expected
    assert list(fields) == ["code", "provider", "status", "error", "error_description"]
    assert exceptions.failure_fields(error, provider="github", code="mine") == {
        **fields,
        "provider": "github",
        "code": "mine",
    }
