"""Imports go from later parts of the package to earlier ones, in the order of the guide.

Every import counts: at the top of a module, inside a function, under ``TYPE_CHECKING``, and
``import_string`` with a literal.
"""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.repository

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "django_dance"

#: Names that are defined in the package's own ``__init__``.
NAMES_OF_THE_PACKAGE = {"__version__", "forbid_in_templates", "load_on_first_use"}

FOUNDATION = ["conf", "exceptions", "signals", "telemetry"]
#: Each room may import the foundation and the rooms before it.
ROOMS = ["tokens", "http", "cache", "flows", "storage", "providers", "connections", "sessions"]
#: Each of these modules may import the foundation, the rooms and the modules before it.
EDGE = [
    "fields",
    "models",
    "interop",
    "responses",
    "decorators",
    "mixins",
    "middleware",
    "rest_framework",
    "ninja",
    "pages",
    "templatetags",
    "views",
    "urls",
    "backends",
    "checks",
    "health",
    "notices",
    "management",
    "tasks",
    "admin",
    "apps",
    "testing",
    "pytest_plugin",
    "bridges",
]
#: The parts that may import less than their place allows.
RESTRICTED = {
    "fields": [*FOUNDATION, "tokens"],
    "models": [*FOUNDATION, "tokens", "fields"],
    "contrib": [*FOUNDATION, "tokens", "http", "providers"],
    "server": [*FOUNDATION, "tokens", "http", "cache", "providers"],
}
#: Imports against the order, each with its reason.
EXCEPTIONS = {
    ("conf", "storage"): "a default is a dotted path",
    ("exceptions", "providers"): "a type; an error that is unpickled finds its provider by name",
    ("exceptions", "tokens"): "a type",
    ("telemetry", "providers"): "a type",
    ("tokens.owner", "providers"): "a type",
    ("contrib", "flows"): "the types of the hooks' arguments",
    ("contrib", "sessions"): "the types of the hooks' arguments",
    ("providers", "sessions"): "types; at run time `session_class` is a dotted path",
    ("providers.options", "views"): "the views of a provider are dotted paths",
    ("sessions.base", "decorators"): "the decorator as a property of the session",
}


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "migrations" not in path.parts]


def imports(path):
    """The modules of the package that a file imports, without the package's name."""
    here = module_name(path).split(".") if module_name(path) else []
    if path.name != "__init__.py":
        here = here[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1]
            names = [
                ".".join(["django_dance", *base, *filter(None, [node.module]), alias.name])
                for alias in node.names
            ]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and is_dotted_path(node.value):
            names = [node.value]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "django_dance" and rest not in NAMES_OF_THE_PACKAGE:
                yield rest


def is_dotted_path(value):
    """Whether a text is the dotted path of an object of the package."""
    if not isinstance(value, str) or not re.fullmatch(r"django_dance(\.\w+)+\.[A-Za-z]\w*", value):
        return False
    module = PACKAGE.joinpath(*value.split(".")[1:-1])
    return module.is_dir() or module.with_suffix(".py").is_file()


def may_import(here, there):
    part, target = here.split(".")[0], there.split(".")[0]
    if part == target:
        return True
    if any(
        f"{here}.".startswith(f"{a}.") and f"{there}.".startswith(f"{b}.") for a, b in EXCEPTIONS
    ):
        return True
    if part in RESTRICTED:
        return target in RESTRICTED[part]
    order = [*FOUNDATION, *ROOMS, *EDGE]
    if part in ROOMS and target in ("fields", "models"):
        return False
    if part in FOUNDATION:
        return target in FOUNDATION
    return target in order and order.index(target) < order.index(part)


@pytest.mark.parametrize("path", modules(), ids=module_name)
def test_a_module_imports_earlier_parts_only(path):
    here = module_name(path)
    assert not here or here.split(".")[0] in {*FOUNDATION, *ROOMS, *EDGE, *RESTRICTED}, (
        f"{here} has no place: add it to the lists of this file and to CONTRIBUTING.md"
    )
    forbidden = [there for there in imports(path) if not may_import(here, there)]
    assert forbidden == []


def test_each_exception_is_needed():
    used = {
        pair
        for path in modules()
        for there in imports(path)
        for pair in EXCEPTIONS
        if f"{module_name(path)}.".startswith(f"{pair[0]}.")
        and f"{there}.".startswith(f"{pair[1]}.")
    }
    assert used == set(EXCEPTIONS)


def test_a_forbidden_import_is_found(tmp_path, monkeypatch):
    module = tmp_path / "tokens" / "token.py"
    module.parent.mkdir()
    module.write_text(
        "from ..sessions import base\n"
        "def f():\n    from django_dance.models import OAuthToken\n"
        'VIEW = import_string("django_dance.views.LoginView")\n'
    )
    (tmp_path / "views.py").touch()
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    found = list(imports(module))
    assert set(found) == {"sessions.base", "models.OAuthToken", "views.LoginView"}
    assert not any(may_import("tokens.token", there) for there in found)


def test_the_contributors_guide_shows_the_same_order():
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Where things are")[2]
    rows = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    named = re.findall(r"`(\w+)/?`", " ".join(rows))
    assert named == [*FOUNDATION, *ROOMS, *EDGE, "contrib", "server"]


# --- doors -----------------------------------------------------------------------------------


def type_checking_names(room):
    """The names that a room's ``__init__`` imports under ``TYPE_CHECKING``, by module."""
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))
    return {
        node.module: [alias.name for alias in node.names]
        for branch in tree.body
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
    }


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_exports_the_same_names_at_run_time_and_for_type_checkers(room):
    door = importlib.import_module(f"django_dance.{room}")
    typed = type_checking_names(room)
    assert sorted(door.__all__) == sorted(name for names in typed.values() for name in names)
    for module, names in typed.items():
        real = importlib.import_module(f"django_dance.{room}.{module}")
        for name in names:
            assert getattr(door, name) is getattr(real, name)


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_has_no_other_name(room):
    door = importlib.import_module(f"django_dance.{room}")
    with pytest.raises(AttributeError, match=rf"module 'django_dance\.{room}' has no .*'nothing'"):
        door.nothing  # noqa: B018


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_imported_through_its_door(room):
    """The tests of a room may look inside; another room must not."""
    inside = re.compile(rf"{room}\.(\w+)\.\w+")
    door = importlib.import_module(f"django_dance.{room}")
    for path in modules():
        part = module_name(path).split(".")[0]
        if part == room:
            continue
        for there in imports(path):
            if inside.fullmatch(there):
                name = there.rpartition(".")[2]
                assert name not in door.__all__, f"{path.name}: import {name} from {room}"


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_loads_no_other_module(room):
    loaded = run(
        f"import sys, django_dance.{room}\n"
        "print(*(name for name in sys.modules if name.startswith('django_dance')))"
    )
    assert loaded == ["django_dance", f"django_dance.{room}"]


def test_importing_the_registry_loads_no_library_for_calls():
    loaded = run(
        "import sys\nfrom django_dance.providers import providers\n"
        "names = ('requests', 'urllib3', 'oauthlib', 'jwt')\n"
        "print(*(name for name in names if name in sys.modules))"
    )
    assert loaded == []


def test_django_setup_loads_neither_the_libraries_for_calls_nor_the_sessions():
    loaded = run(
        "import os, sys, django\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.lean_settings'\n"
        "django.setup()\nimport django_dance.middleware\n"
        "names = ('requests', 'urllib3', 'oauthlib', 'jwt', 'django_dance.sessions.base')\n"
        "print(*(name for name in names if name in sys.modules))"
    )
    assert loaded == []


def test_the_server_loads_no_library_for_calls():
    loaded = run(
        "import sys, django\nfrom django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['django.contrib.auth', 'django.contrib.contenttypes',"
        " 'django_dance.server'])\n"
        "django.setup()\nimport django_dance.server.views\n"
        "print(*(name for name in ('requests', 'urllib3', 'jwt') if name in sys.modules))"
    )
    assert loaded == []


def test_django_setup_loads_no_bridge():
    loaded = run(
        "import os, sys, django\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.lean_settings'\n"
        "django.setup()\n"
        "from django.core.checks import run_checks\nrun_checks()\n"
        "print(*(name for name in sys.modules if name.startswith('django_dance.bridges')))"
    )
    assert loaded == []
