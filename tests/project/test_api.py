"""The page docs/api.md: the public names of the package, each with one import path."""

import importlib
import importlib.util
import inspect
from collections import Counter
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

pytestmark = pytest.mark.repository

ROOT = Path(__file__).resolve().parents[2]
#: Methods that Django and ``unittest`` call by their names.
HANDLERS = {"get", "post", "process_exception", "setUp"}


@pytest.fixture(scope="module")
def script():
    loader = SourceFileLoader("list_api", str(ROOT / "scripts" / "list-api"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("list_api", loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def names(script):
    """(import path, name, first sentence) of each public name."""
    return [
        (path, name, text)
        for path, texts in script.public_names().items()
        for name, text in texts.items()
    ]


def test_the_page_is_what_the_script_writes(script):
    written = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert written == script.page(), "run scripts/list-api"


def test_each_name_has_one_import_path(names):
    assert [
        name for name, count in Counter(name for _, name, _ in names).items() if count > 1
    ] == []


def test_each_public_name_can_be_imported(names):
    missing = [(p, name) for p, name, _ in names if not hasattr(importlib.import_module(p), name)]
    assert missing == []


def test_each_public_name_is_described(names):
    assert [f"{path}.{name}" for path, name, text in names if not text] == []


def public_members(names):
    """The public methods and properties that the package's public classes define.

    Methods that Django, ``unittest`` or ``requests`` defines are left out, and so are the handlers
    of views, such as ``get``, and the tests of a contract.
    """
    for path, name, _ in names:
        value = getattr(importlib.import_module(path), name)
        if not inspect.isclass(value):
            continue
        foreign = [base for base in value.__mro__ if not base.__module__.startswith("django_dance")]
        for member, attribute in vars(value).items():
            known = any(member in vars(base) for base in foreign)
            if known or member.startswith(("_", "test_")) or member in HANDLERS:
                continue
            if isinstance(attribute, classmethod):
                attribute = attribute.__func__
            if inspect.isfunction(attribute) or isinstance(attribute, property):
                yield f"{path}.{name}.{member}", attribute


def test_each_public_member_is_described(names):
    members = list(public_members(names))
    assert len(members) > 100
    assert [path for path, member in members if not inspect.getdoc(member)] == []
