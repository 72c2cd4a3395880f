"""The documentation agrees with the code."""

import ast
import importlib
import inspect
import json
import re
import stat
import tempfile
from functools import cache
from pathlib import Path
from unittest import mock

import pytest
from django.dispatch import Signal
from django.test import TestCase

import django_dance
from django_dance import conf, exceptions, signals, views
from django_dance.exceptions import OwnerRequired
from django_dance.providers import OAuth1Provider, OAuth2Provider, OIDCProvider, registry
from django_dance.server import signals as server_signals
from django_dance.templatetags import dance
from django_dance.testing import StorageContract
from django_dance.tokens import REASONS, ResourceOwner

from ..documents import DOCS, PRESETS, ROOT, load_module

pytestmark = [
    pytest.mark.one_database("These tests read texts"),
    pytest.mark.repository,
]

PACKAGE = ROOT / "django_dance"
#: Our modules that need an optional package, and the package.
OPTIONAL = {
    "django_dance.ninja": "ninja",
    "django_dance.rest_framework": "rest_framework",
    "django_dance.server.ninja": "ninja",
    "django_dance.server.rest_framework": "rest_framework",
}
PAGES = sorted(DOCS.glob("*.md")) + [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING")]


def page(name):
    return (DOCS / name).read_text("utf-8")


def modules():
    """Every Python file of the client but the migrations."""
    return sorted(
        path
        for path in PACKAGE.rglob("*.py")
        if "migrations" not in path.parts and PACKAGE / "server" not in path.parents
    )


@cache
def tree(path):
    return ast.parse(path.read_text("utf-8"), path)


def table_keys(text):
    """The names in backquotes in the first column of the tables."""
    rows = re.findall(r"^\| (`[^|]+?) \|", text, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


@cache
def catalogue():
    """The table of the catalogue, as the build makes it."""
    return PRESETS.overview()


def section(preset):
    """The page of a preset, as the build makes it."""
    return PRESETS.page(preset)


PROTOCOLS = [OAuth1Provider, OAuth2Provider, OIDCProvider]


def options(cls):
    return {fact.upper() for fact in cls.options()}


# --- settings and options -------------------------------------------------------------------------


def test_every_setting_is_documented():
    assert {k for k in table_keys(page("settings.md")) if k.startswith("DANCE_")} == set(
        conf.DEFAULTS
    )


@pytest.mark.parametrize("setting", [*conf.DEFAULTS])
def test_the_documented_default_is_the_default(setting):
    row = re.search(rf"^\| `{setting}` \| `(.+?)` \|", page("settings.md"), re.MULTILINE)
    assert ast.literal_eval(row[1]) == conf.DEFAULTS[setting]


@pytest.mark.parametrize("cls", PROTOCOLS)
def test_every_option_is_documented(cls):
    assert options(cls) - table_keys(page("settings.md")) == set()


def test_every_documented_option_exists():
    documented = {k for k in table_keys(page("settings.md")) if re.fullmatch("[A-Z_]+", k)}
    documented -= {"PROVIDER", *conf.DEFAULTS}
    assert documented == set().union(*map(options, PROTOCOLS))


@pytest.mark.parametrize(
    "fact", sorted(OAuth2Provider.facts() - OAuth2Provider.options() - {"name"})
)
def test_every_fact_that_only_a_class_may_state_is_documented(fact):
    assert fact in table_keys(page("providers.md"))


# --- providers ------------------------------------------------------------------------------------


every_preset = pytest.mark.parametrize("preset", PRESETS.presets(), ids=lambda preset: preset.name)


@every_preset
def test_every_preset_has_its_row_and_its_page(preset):
    assert (
        f"](catalogue/{preset.name}.md) | `{preset.path.removeprefix('django_dance.')}` |"
        in catalogue()
    )
    text = section(preset)
    assert f"| `{preset.path}` |" in text
    assert f"`https://example.com/login/{preset.name}/authorized/`" in text
    assert all(f"`{fact}`" in text for fact in preset.cls.unconfirmed)


@every_preset
def test_every_option_of_a_preset_is_on_its_page(preset):
    own = options(preset.cls) - set().union(*map(options, PROTOCOLS))
    assert own | {fact.upper() for fact in preset.required} <= table_keys(section(preset))


@every_preset
def test_the_entry_of_a_preset_can_be_pasted(preset, settings):
    (block,) = python_in(section(preset))
    settings.DANCE_PROVIDERS = value_assigned_to(block, "DANCE_PROVIDERS")
    assert registry.providers[preset.name].problems() == ()
    named = set(re.findall(r'^(\w+) = os\.environ\["\1"\]$', block, re.MULTILINE))
    for setting in named:
        setattr(settings, setting, "planted")
    assert registry.providers[preset.name].missing_credentials() == []


def test_a_fact_that_a_preset_lacks_is_left_out():
    class Bare(OAuth2Provider):
        """A | B"""

    text = PRESETS.page(PRESETS.Preset.of("bare", Bare))
    for title in ("documentation", "register your site at", "API", "account id", "default scope"):
        assert f"| {title} |" not in text
    assert r"A \| B" in text


def test_a_fact_stands_beside_its_own_source(tmp_path):
    (tmp_path / "sourced.py").write_text(
        "from django_dance.providers import OAuth2Provider\n\n\n"
        "class Sourced(OAuth2Provider):\n"
        "    # https://example.com/methods\n"
        '    revocation_method = "DELETE"\n'
        "    # https://example.com/formats\n"
        '    token_format = "form"\n'
    )
    cls = load_module(tmp_path / "sourced.py").Sourced
    rows = PRESETS.page(PRESETS.Preset.of("sourced", cls)).splitlines()
    assert '| `revocation_method` | `"DELETE"` – <https://example.com/methods> |' in rows
    assert '| `token_format` | `"form"` – <https://example.com/formats> |' in rows


def test_the_build_writes_the_page_of_the_catalogue():
    assert "```{catalogue}\n```" in page("catalogue.md")
    assert table_keys(page("catalogue.md")) == set()


def test_every_class_that_the_documents_name_can_be_imported():
    for path in PAGES:
        for name in re.findall(r"\"?\b(django_dance(?:\.\w+)+\.[A-Z]\w+)", path.read_text("utf-8")):
            module, _, attribute = name.rpartition(".")
            if module == "django_dance":  # "django_dance.OAuthToken" is the label of a model
                continue
            assert hasattr(importlib.import_module(module), attribute), f"{path.name}: {name}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_providers_example_can_be_used(path, settings):
    for block in blocks(path):
        for name, entry in value_assigned_to(block, "DANCE_PROVIDERS").items():
            if not str(entry["PROVIDER"]).startswith("django_dance."):
                continue
            settings.DANCE_PROVIDERS = {name: entry}
            assert registry.providers[name].problems() == ()


def value_assigned_to(block, name):
    """The literal that a block of settings assigns to ``name``, or an empty dict."""
    for node in ast.parse(block).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    return {}


def signature(method):
    """The parameters of a method as the guide writes them: without ``self`` and without types."""
    parameters = list(inspect.signature(method).parameters.values())[1:]
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in parameters]
    return str(inspect.Signature(bare))


def test_every_hook_of_the_dance_is_documented_with_its_signature():
    headings = re.findall(r"^#### `(\w+)(\(.+\))`", page("providers.md"), re.MULTILINE)
    assert {name for name, _ in headings} == {
        "begin",
        "callback_uri",
        "complete",
        "parse",
        "refusal",
        "token_call",
        "verified_claims",
    }
    for name, documented in headings:
        assert documented == signature(getattr(OIDCProvider, name)), name


@every_preset
def test_every_method_that_a_preset_overrides_is_documented(preset):
    methods = {
        name
        for cls in preset.cls.__mro__
        if cls.__module__.startswith("django_dance.contrib.")
        for name, value in vars(cls).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }
    pages = page("providers.md") + page("oidc.md")
    assert [name for name in sorted(methods) if f"`{name}(" not in pages] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_included_example_exists(path):
    included = re.findall(
        r"```{literalinclude} (\S+)\n(?::pyobject: (\S+)\n)?", path.read_text("utf-8")
    )
    for target, name in included:
        if not target.endswith(".py"):
            assert (path.parent / target).is_file()
            continue
        names = {
            f"{cls.name}.{function.name}"
            for cls in tree(path.parent / target).body
            if isinstance(cls, ast.ClassDef)
            for function in cls.body
            if isinstance(function, ast.FunctionDef)
        }
        assert not name or name in names, f"{target}: {name}"


def test_the_plots_show_the_figures():
    """``python -m benchmarks.plots`` draws them."""
    plots = importlib.import_module("benchmarks.plots")  # not in the wheel
    figures = json.loads((DOCS / "images" / "figures.json").read_text("utf-8"))
    for plot in plots.plots(figures):
        path = DOCS / "images" / f"{plot.name}.svg"
        assert path.read_text("utf-8") == plot.svg(), f"{path.name} is not what the script draws"
        assert f"images/{path.name}\n:alt: " in page("performance.md"), path.name


# --- signals, checks, errors ----------------------------------------------------------------------


def test_every_signal_is_documented():
    sent = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert set(re.findall(r"^## `(\w+)`", page("signals.md"), re.MULTILINE)) == sent


def test_every_check_is_documented_and_exists():
    ids = {
        found
        for path in modules()
        for found in re.findall(r"django_dance\.[EW]\d{3}", path.read_text("utf-8"))
    }
    assert set(re.findall(r"django_dance\.[EW]\d{3}", page("checks.md"))) == ids
    assert {key for key in table_keys(page("checks.md")) if key.startswith("django_dance.")} == ids


def test_check_ids_are_numbered_once():
    numbers = [i[-3:] for i in set(re.findall(r"django_dance\.[EW]\d{3}", page("checks.md")))]
    assert len(numbers) == len(set(numbers))


#: Exception → the place of the code among its arguments.
_CODE_AT = {"FlowError": 0, "PlaceError": 1}


def codes():
    """The codes of each FlowError, PlaceError and ``refusal()``, and each class's ``code``."""
    for path in modules():
        for what in re.findall(r'\brefusal\(\s*"(\w+)"', path.read_text("utf-8")):
            yield f"id_token_{what}"
        for node in ast.walk(tree(path)):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in _CODE_AT and len(node.args) > _CODE_AT[name]:
                code = node.args[_CODE_AT[name]]
                # Either branch of `"a" if … else "b"`, without the condition.
                branches = (code.body, code.orelse) if isinstance(code, ast.IfExp) else (code,)
                yield from (b.value for b in branches if isinstance(b, ast.Constant))
            elif isinstance(node, ast.ClassDef):
                for statement in node.body:
                    if (
                        isinstance(statement, ast.Assign)
                        and ast.unparse(statement.targets[0]) == "code"
                    ):
                        yield ast.literal_eval(statement.value)


def codes_in_docs():
    """Code → status, from the tables below "Error codes"."""
    text = page("errors.md").partition("## Error codes")[2]
    return dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text, re.MULTILINE))


def test_every_error_code_is_documented_and_exists():
    assert set(codes_in_docs()) == set(codes())


def logged_codes():
    """The codes of log lines that no exception has: ``failure_fields(…, code="…")``."""
    for path in modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "failure_fields":
                for keyword in node.keywords:
                    if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                        yield keyword.value.value


def test_every_code_of_a_log_line_is_in_the_guide():
    codes = set(logged_codes())
    assert {"cache_failed", "revocation_given_up"} <= codes
    guide = page("troubleshooting.md") + page("errors.md")
    assert [code for code in sorted(codes) if f"`{code}`" not in guide] == []


def test_every_reference_of_the_troubleshooting_page_exists():
    text = page("troubleshooting.md")
    documented = table_keys(page("settings.md"))
    named = set(re.findall(r"`(DANCE_[A-Z_]+)\b", text))
    assert named and named <= documented
    assert set(re.findall(r"django_dance\.[EW]\d{3}", text)) <= table_keys(page("checks.md"))
    commands = {path.stem for path in PACKAGE.glob("management/commands/dance_*.py")}
    assert set(re.findall(r"\bdance_(?:[a-z]+)\b(?= |`)", text)) - commands == set()


@pytest.mark.parametrize("code", sorted(set(codes())))
def test_the_documented_status_is_the_status(code):
    assert codes_in_docs()[code] == ("403" if code in views._FORBIDDEN else "400")


@pytest.mark.parametrize("name", exceptions.__all__)
def test_every_exception_is_documented(name):
    assert re.search(rf"^[│├└─ ]*{name}\b", page("errors.md"), re.MULTILINE)


def test_every_reason_is_documented():
    reasons = set(REASONS) - {"scopes"}  # its token is sent all the same
    for path in modules():
        for node in ast.walk(tree(path)):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "AuthorizationRequired"
                and len(node.args) > 1
                and isinstance(node.args[1], ast.Constant)
            ):
                reasons.add(node.args[1].value)
    assert "revoked" in reasons
    table = page("errors.md").partition("### Reasons")[2].partition("\n## ")[0]
    assert reasons <= table_keys(table)


# --- templates, tags and commands -----------------------------------------------------------------


def guide():
    return "\n".join(page(path.name) for path in sorted(DOCS.glob("*.md")))


def templates():
    """The names of our templates, as a site overrides them."""
    for path in PACKAGE.rglob("templates/django_dance*/**/*"):
        if path.is_file():
            yield path.relative_to(
                next(each for each in path.parents if each.name == "templates")
            ).as_posix()


@pytest.mark.parametrize("name", sorted(templates()))
def test_every_template_is_documented(name):
    directory, _, file = name.partition("/")
    text = page("server.md") if directory == "django_dance_server" else guide()
    assert f"`{file}`" in text or f"`{name}`" in text


@pytest.mark.parametrize("name", sorted({*dance.register.tags, *dance.register.filters}))
def test_every_template_tag_is_documented(name):
    assert f"{{% {name} " in guide()


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in PACKAGE.rglob("management/commands/dance_*.py"))
)
def test_every_command_has_a_section_or_an_example(name):
    heading = re.search(rf"^## {name}$", guide(), re.MULTILINE)
    assert heading or f"manage.py {name}" in guide()


@pytest.mark.parametrize(
    "name",
    sorted(name for name, value in vars(server_signals).items() if isinstance(value, Signal)),
)
def test_every_signal_of_the_server_is_documented(name):
    assert name in table_keys(page("server.md"))


# --- the changelog --------------------------------------------------------------------------------


def test_the_changelog_begins_with_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## (\S+)", changelog, re.MULTILINE)[1] == django_dance.__version__


# --- code in the documents ------------------------------------------------------------------------


def blocks(path):
    return python_in(path.read_text("utf-8"))


def python_in(text):
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_python_block_is_python(path):
    for block in blocks(path):
        ast.parse(block, path)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_import_of_ours_in_a_python_block_works(path):
    for block in blocks(path):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django_dance"):
                if node.module in OPTIONAL:
                    pytest.importorskip(OPTIONAL[node.module])
                module = importlib.import_module(node.module)
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert missing == [], f"{node.module} in {path.name}"


def test_the_readme_and_the_quickstart_show_the_same_example():
    readme = [block.partition("\n")[2] for block in blocks(ROOT / "README.md")]
    quickstart = blocks(DOCS / "quickstart.md")
    view, settings, _ = readme
    assert settings == quickstart[0]
    assert view == quickstart[1]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_a_file(path):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        assert (path.parent / target).is_file(), target


# --- the example of a storage ---------------------------------------------------------------------


def file_storage():
    return load_module(DOCS / "examples" / "file_storage.py").FileStorage


class FileStorageTests(StorageContract, TestCase):
    """The example keeps the contract, and its own promises."""

    def make_storage(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name) / "tokens"
        return file_storage()(self.directory)

    def test_only_the_sites_account_can_read_the_files(self):
        self.storage.set(self.owner(self.ada), self.token())
        (file,) = self.directory.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(self.directory.stat().st_mode) == 0o700

    def test_the_files_hold_no_token_in_clear(self):
        self.storage.set(self.owner(self.ada), self.token())
        (file,) = self.directory.iterdir()
        assert "planted" not in file.read_text()

    def test_a_file_under_another_owners_name_is_no_token(self):
        ada, grace = self.owner(self.ada), self.owner(self.grace)
        self.storage.set(ada, self.token())
        (file,) = self.directory.iterdir()
        file.rename(self.storage._path(grace))
        assert self.storage.get(grace) is None

    def test_a_failed_write_leaves_the_old_token_and_nothing_else(self):
        owner = self.owner(self.ada)
        self.storage.set(owner, self.token("old"))
        with mock.patch("os.fsync", side_effect=OSError), self.assertRaises(OSError):
            self.storage.set(owner, self.token("new"))
        self.assert_has(owner, "old")
        assert len(list(self.directory.iterdir())) == 1

    def test_an_owner_without_user_or_session_is_refused(self):
        nobody = ResourceOwner(self.provider)
        assert nobody.key is None
        with self.assertRaisesMessage(OwnerRequired, "Log the visitor in first"):
            self.storage.set(nobody, self.token())
        self.storage.delete(nobody)
        assert self.storage.get(nobody) is None
