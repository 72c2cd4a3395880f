"""Reads the source of the tests: they must not depend on the machine, and must not end early."""

import ast
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.repository

HERE = Path(__file__).parents[1]
#: The text of each file of the tests, by its path in this folder.
SOURCES = {str(path.relative_to(HERE)): path.read_text("utf-8") for path in HERE.rglob("*.py")}

#: Functions that return another value at another moment, in another run or on another machine. A
#: name that ends with a dot stands for everything in that module.
CALLS = (
    "time.",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "datetime.date.today",
    "django.utils.timezone.now",
    "django.utils.timezone.localtime",
    "django.utils.timezone.localdate",
    "django.utils.crypto.get_random_string",
    "random.",
    "secrets.",
    "uuid.uuid1",
    "uuid.uuid4",
    "cryptography.fernet.Fernet.generate_key",
    "trustme.CA",
    "os.urandom",
    "os.getpid",
    "os.getppid",
    "os.getuid",
    "os.geteuid",
    "os.getcwd",
    "os.getenv",
    "os.uname",
    "os.cpu_count",
    "shutil.which",
    "platform.",
    "socket.",
    "tempfile.",
    "getpass.",
    "pathlib.Path.cwd",
    "pathlib.Path.home",
    "importlib.metadata.version",
    "importlib.util.find_spec",
    "pytest.importorskip",
)
#: The same for methods of any object. These make the keys of ``cryptography``.
METHODS = ("generate", "generate_private_key")
#: The same for values that are read without a call.
VALUES = (
    "os.environ",
    "os.name",
    "sys.platform",
    "sys.version_info",
    "time.timezone",
    "time.tzname",
    "django.VERSION",
    "django.db.connection",
    "django.db.connections",
)
#: (file, name): a value that a file may read at import. Each names a resource of the run, and no
#: test compares it.
EXCEPTIONS = {
    (
        "bridges/site_settings.py",
        "os.environ",
    ): "the folder of the database, and one test's settings",
    ("import_settings.py", "os.environ"): "the folder of the databases",
    ("mcp_site/settings.py", "os.environ"): "the servers that the test has started",
    ("soak/settings.py", "os.environ"): "the servers that the soak has started",
    (
        "soak/settings.py",
        "os.getpid",
    ): "the worker of the soak, which tells the provider its number",
    ("soak/site.py", "os.environ"): "the folder of the soak's reports",
    ("soak/site.py", "os.getpid"): "the name of the worker's report",
    ("settings.py", "os.getpid"): "the name of the database",
    ("settings.py", "tempfile.gettempdir"): "the folder of the database",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Module:
    """A file of the tests, and the dotted names of everything that it imports and defines."""

    def __init__(self, file, source):
        self.file, self.tree = file, ast.parse(source)
        self.name = ".".join(["tests", *Path(file).with_suffix("").parts])
        self.defined = {
            f"{self.name}.{node.name}": node
            for node in self.tree.body
            if isinstance(node, Function | ast.ClassDef)
        }
        self.names = {name.rpartition(".")[2]: name for name in self.defined}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.names |= dict(self._names_of_import(node))

    def _names_of_import(self, node):
        start = ""
        if isinstance(node, ast.ImportFrom):
            above = self.name.split(".")[: -node.level] if node.level else []
            start = ".".join([*above, *filter(None, [node.module]), ""])
        for alias in node.names:
            if isinstance(node, ast.Import) and not alias.asname:
                first = alias.name.partition(".")[0]  # "import a.b" defines the name "a"
                yield first, first
            else:
                yield alias.asname or alias.name, start + alias.name

    def full_name(self, node):
        """The dotted name that an expression stands for; ``""`` if it is no such name."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, "")
        if isinstance(node, ast.Attribute) and (owner := self.full_name(node.value)):
            return f"{owner}.{node.attr}"
        return ""


def nodes_evaluated_with(node):
    """The nodes that Python evaluates with this one.

    Of a function these are its decorators and default arguments. Annotations are left out, and
    code that runs only if the file is the main program.
    """
    yield node
    if isinstance(node, Function):
        children = [*node.args.defaults, *node.args.kw_defaults, *decorators(node)]
    elif isinstance(node, ast.AnnAssign):
        children = [node.value]
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
        children = node.orelse
    else:
        children = ast.iter_child_nodes(node)
    for child in filter(None, children):
        yield from nodes_evaluated_with(child)


def decorators(node):
    return getattr(node, "decorator_list", [])


def statements(node):
    """The statements that run when a function or a class is called."""
    if not isinstance(node, ast.ClassDef):
        return node.body
    methods = [each for each in node.body if isinstance(each, Function)]
    return [line for each in methods if each.name == "__init__" for line in each.body]


def is_variable(name):
    return any(name.startswith(each) if each[-1] == "." else name == each for each in CALLS)


def read_at_import(sources):
    """(file, line, name) of each value that a file reads from the machine at import.

    Functions of the tests that are called at import are read as well.
    """
    modules = [Module(file, source) for file, source in sources.items()]
    defined = {name: (module, node) for module in modules for name, node in module.defined.items()}
    pending = [(module, module.tree) for module in modules]
    found, followed = set(), set()
    while pending:
        module, root = pending.pop()
        for node in nodes_evaluated_with(root):
            if (name := module.full_name(node)) in VALUES:
                found.add((module.file, node.lineno, name))
            called = [node.func] if isinstance(node, ast.Call) else decorators(node)
            for function in called:
                name = module.full_name(function)
                if is_variable(name) or getattr(function, "attr", None) in METHODS:
                    found.add((module.file, node.lineno, name or ast.unparse(function)))
                if name in defined and name not in followed:
                    followed.add(name)
                    inside, definition = defined[name]
                    pending += [(inside, statement) for statement in statements(definition)]
    return sorted(found)


def functions_of_tests(tree):
    """The test functions of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test"
        ):
            yield node


def own_nodes(function):
    """The nodes of a function, without those of the functions within it."""
    pending = list(function.body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, Function):
            pending += ast.iter_child_nodes(node)


def returns(source):
    """The lines on which a test function returns: it may have tested nothing, and passes."""
    return sorted(
        node.lineno
        for test in functions_of_tests(ast.parse(source))
        for node in own_nodes(test)
        if isinstance(node, ast.Return)
    )


def time_measurements(source):
    """The lines of assertions that read a clock which only measures how long something took."""
    return sorted(
        node.lineno
        for assertion in ast.walk(ast.parse(source))
        if isinstance(assertion, ast.Assert)
        for node in ast.walk(assertion)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("time.monotonic", "time.perf_counter")
    )


# --- the tests of this project --------------------------------------------------------------------


def test_no_value_is_read_from_the_machine_at_import():
    found = read_at_import(SOURCES)
    assert [each for each in found if (each[0], each[2]) not in EXCEPTIONS] == []


def test_each_exception_is_needed():
    assert {(file, name) for file, _, name in read_at_import(SOURCES)} >= set(EXCEPTIONS)


def test_no_test_returns_early():
    contract = "django_dance/testing/storage_contract.py"
    sources = {**SOURCES, f"../{contract}": (HERE.parent / contract).read_text("utf-8")}
    found = {file: returns(source) for file, source in sources.items()}
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_no_test_measures_how_long_something_takes():
    found = {file: time_measurements(source) for file, source in SOURCES.items()}
    assert {file: lines for file, lines in found.items() if lines} == {}


# --- the check itself -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import time\nNOW = time.time()", "time.time"),
        ("import time as clock\nNOW = clock.time_ns()", "time.time_ns"),
        ("from time import time as now\nNOW = {'exp': now() + 120}", "time.time"),
        ("from datetime import datetime\nNOW = datetime.now()", "datetime.datetime.now"),
        ("import datetime\nNOW = datetime.date.today()", "datetime.date.today"),
        ("from django.utils import timezone\nNOW = timezone.now()", "django.utils.timezone.now"),
        ("import random\nclass A:\n    n = random.random()", "random.random"),
        ("import uuid\ndef f(id=uuid.uuid4()): ...", "uuid.uuid4"),
        ("import uuid\ndef f(*, id=uuid.uuid4()): ...", "uuid.uuid4"),
        ("import uuid\nf = lambda id=uuid.uuid4(): id", "uuid.uuid4"),
        ("import os\nclass A:\n    def f(self, key=os.urandom(8)): ...", "os.urandom"),
        ("import socket\nwith socket.socket() as s:\n    s.bind(('', 0))", "socket.socket"),
        ("import sys\nMAC = sys.platform == 'darwin'", "sys.platform"),
        ("import os\nCI = os.environ.get('CI')", "os.environ"),
        (
            "from django.db import connection\nN = 1 if connection.vendor else 2",
            "django.db.connection",
        ),
        (
            "from cryptography.hazmat.primitives.asymmetric import ec\n"
            "KEY = ec.generate_private_key(ec.SECP256R1())",
            "cryptography.hazmat.primitives.asymmetric.ec.generate_private_key",
        ),
        (
            "import time, pytest\n"
            "@pytest.mark.parametrize('iat', [time.time() + 120])\ndef test(iat): ...",
            "time.time",
        ),
        ("import time, pytest\n@pytest.fixture(params=[time.time()])\ndef f(): ...", "time.time"),
        ("import time\ndef soon():\n    return time.time() + 9\nNOW = [soon()]", "time.time"),
        ("import time\nclass A:\n    def __init__(self):\n        time.time()\nA()", "time.time"),
        ("import time\ndef mark(f):\n    f.at = time.time()\n@mark\ndef test(): ...", "time.time"),
        ("from .helper import soon\nNOW = soon()", "time.time"),
        ("from tests import helper\nNOW = helper.soon()", "time.time"),
    ],
)
def test_a_value_of_the_machine_is_reported(source, name):
    helper = "import time\ndef soon():\n    return time.time() + 9\n"
    found = read_at_import({"test_sample.py": source, "helper.py": helper})
    assert [each for _, _, each in found] == [name]


@pytest.mark.parametrize(
    "source",
    [
        "import time\ndef test():\n    assert time.time()",
        "import time, pytest\n@pytest.fixture(params=[lambda: time.time()])\ndef f(): ...",
        "import time, pytest\n@pytest.fixture\ndef now():\n    return time.time()",
        "import time\nclass A:\n    def f(self):\n        return time.time()\nA()",
        "import time\ndef soon():\n    return time.time()\ndef test():\n    soon()",
        "from datetime import datetime\nTHEN = datetime(2030, 1, 1)",
        "import socket\ndef f(connection: socket.socket): ...\nN: socket.socket = None",
        "import os\nif __name__ == '__main__':\n    os.environ['A'] = 'b'",
        "def time(): ...\nNOW = time()",
    ],
)
def test_a_value_that_a_test_reads_itself_is_not_reported(source):
    assert read_at_import({"test_sample.py": source}) == []


def test_an_early_return_is_reported():
    source = """
        def test_a():
            if one_writer:
                return
            assert 1

        class TestB:
            async def test_b(self):
                with it:
                    return None

        def test_c():
            def answer():
                return 1
            assert answer() == (lambda: 1)()

        def helper():
            return 1
    """
    assert returns(dedent(source)) == [4, 10]


def test_a_measured_time_is_reported():
    source = """
        def test_a():
            began = time.perf_counter()
            assert time.perf_counter() - began < 5
            assert time.time() > 5
    """
    assert time_measurements(dedent(source)) == [4]
