"""The page docs/api.md: the public names of the package, each with one import path."""

import importlib
import importlib.util
import inspect
from collections import Counter
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def load_script():
    loader = SourceFileLoader("list_api", str(ROOT / "scripts" / "list-api"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("list_api", loader))
    loader.exec_module(module)
    return module


SCRIPT = load_script()
#: Methods that Django and ``unittest`` call by their names.
HANDLERS = {"get", "post", "process_exception", "setUp"}
NAMES = [(path, name) for path, names in SCRIPT.public_names().items() for name in names]


def test_the_page_is_what_the_script_writes():
    written = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert written == SCRIPT.page(), "run scripts/list-api"


def test_each_name_has_one_import_path():
    assert [name for name, count in Counter(name for _, name in NAMES).items() if count > 1] == []


@pytest.mark.parametrize(("path", "name"), NAMES)
def test_a_public_name_can_be_imported_and_is_described(path, name):
    assert hasattr(importlib.import_module(path), name)
    assert SCRIPT.public_names()[path][name], f"{path}.{name} has no docstring"


def public_members():
    """The public methods and properties that the package's public classes define.

    Methods that Django, ``unittest`` or ``requests`` defines are left out, and so are the handlers
    of views, such as ``get``, and the tests of a contract.
    """
    for path, name in NAMES:
        value = getattr(importlib.import_module(path), name)
        if not inspect.isclass(value):
            continue
        foreign = [base for base in value.__mro__ if not base.__module__.startswith("django_dance")]
        for member, attribute in vars(value).items():
            known = any(member in vars(base) for base in foreign)
            if known or member.startswith("test_") or member in HANDLERS:
                continue
            if not member.startswith("_") and (
                inspect.isfunction(attribute) or isinstance(attribute, (property, classmethod))
            ):
                yield f"{path}.{name}.{member}", inspect.getattr_static(value, member)


def test_each_public_member_is_described():
    bare = [
        path
        for path, member in public_members()
        if not inspect.getdoc(member.__func__ if isinstance(member, classmethod) else member)
    ]
    assert bare == []
