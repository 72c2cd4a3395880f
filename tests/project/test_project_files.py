"""The files of the project itself: packaging, workflows, templates."""

import configparser
import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.repository

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
YAML = sorted([*ROOT.glob(".github/**/*.yml"), *ROOT.glob(".*.yaml")])

SETUP = configparser.ConfigParser(interpolation=None)
SETUP.read(ROOT / "setup.cfg", "utf-8")


def lines(section, option):
    return SETUP[section][option].strip().splitlines()


def versions_of_classifiers(prefix):
    """The versions that the classifiers with this prefix name."""
    found = re.findall(rf"^{prefix} :: (\d+\.\d+)$", SETUP["metadata"]["classifiers"], re.MULTILINE)
    assert found
    return found


def workflow(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text("utf-8"))


def steps(text):
    return [step for job in yaml.safe_load(text)["jobs"].values() for step in job.get("steps", ())]


# --- workflows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", YAML, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_yaml_file_is_a_mapping(path):
    assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict)


@pytest.mark.parametrize(
    ("key", "prefix"),
    [("python", "Programming Language :: Python"), ("django", "Framework :: Django")],
)
def test_the_matrix_tests_the_versions_that_the_classifiers_name(key, prefix):
    matrix = workflow("tests.yml")["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert {versions[key] for versions in matrix} == set(versions_of_classifiers(prefix))


def test_the_lowest_python_is_the_same_everywhere():
    (lowest,) = re.fullmatch(r">=(\d+\.\d+)", SETUP["options"]["python_requires"]).groups()
    assert versions_of_classifiers("Programming Language :: Python")[0] == lowest
    job = workflow("tests.yml")["jobs"]["lowest"]
    (version,) = [step["with"]["python-version"] for step in job["steps"] if "3." in str(step)]
    assert version == lowest
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"sys.version_info >= ({lowest.replace('.', ', ')})" in makefile


def test_the_django_bounds_contain_the_versions_that_the_classifiers_name():
    (django,) = [line for line in lines("options", "install_requires") if "Django" in line]
    lower, upper = re.fullmatch(r"Django>=([\d.]+),<(\d+)", django).groups()
    versions = versions_of_classifiers("Framework :: Django")
    assert lower.startswith(versions[0])
    assert all(int(version.split(".")[0]) < int(upper) for version in versions)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_make_target_of_a_workflow_exists(path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    called = set(re.findall(r"\bmake ([a-z]+)\b", path.read_text("utf-8")))
    assert called
    assert called <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit(path):
    used = re.findall(r"uses: (?!\./)(.+)", path.read_text("utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_may_write_to_the_repository(path):
    read = yaml.safe_load(path.read_text("utf-8"))
    granted = [read["permissions"], *(job.get("permissions", {}) for job in read["jobs"].values())]
    for permissions in granted:
        assert permissions in ({}, {"contents": "read"}, {"id-token": "write"})


def test_only_the_job_that_publishes_gets_an_identity():
    jobs = workflow("publish.yml")["jobs"]
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["publish"]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["build"]["needs"] == "tests"


# --- tools ----------------------------------------------------------------------------------------


def test_pre_commit_runs_the_ruff_that_make_check_runs():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    (rev,) = [repo["rev"] for repo in config["repos"] if repo["repo"].endswith("/ruff-pre-commit")]
    assert f"ruff=={rev.removeprefix('v')}" in lines("options.extras_require", "check")


def test_read_the_docs_installs_an_extra_that_exists():
    config = yaml.safe_load((ROOT / ".readthedocs.yaml").read_text("utf-8"))
    (install,) = config["python"]["install"]
    assert set(install["extra_requirements"]) <= set(SETUP["options.extras_require"])
    assert (ROOT / config["sphinx"]["configuration"]).is_file()


def test_the_lowest_run_installs_the_lower_bound_of_every_requirement():
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "lowest-constraints"],
        capture_output=True,
        text=True,
        check=True,
    )
    bounds = [line.split(",")[0] for line in lines("options", "install_requires")]
    constraints = run.stdout.splitlines()
    assert constraints[: len(bounds)] == [bound.replace(">=", "==") for bound in bounds]
    assert [line.split("==")[0] for line in constraints[len(bounds) :]] == ["django-redis"]


# --- packaging ------------------------------------------------------------------------------------


def test_the_source_distribution_has_every_file_of_the_repository():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    files, folders = set(), {"django_dance": ["*.py"]}  # packages are found by setuptools
    for line in (ROOT / "MANIFEST.in").read_text("utf-8").splitlines():
        command, first, *rest = line.split()
        if command == "include":
            files |= {first, *rest}
        elif command == "recursive-include":
            folders.setdefault(first, []).extend(rest)
    files |= {"MANIFEST.in", "setup.cfg"}  # setuptools adds them
    missing = [
        name
        for name in listed.stdout.splitlines()
        if name not in files
        and not any(
            name.startswith(f"{folder}/") and fnmatch.fnmatch(Path(name).name, pattern)
            for folder, patterns in folders.items()
            for pattern in patterns
        )
    ]
    assert missing == []


def test_the_address_of_the_repository_is_the_same_everywhere():
    address = SETUP["metadata"]["url"]
    pages = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *YAML, ROOT / "setup.cfg"]
    named = {
        found
        for path in pages
        for found in re.findall(
            r"https://github\.com/[\w-]+/django-dance\b", path.read_text("utf-8")
        )
    }
    assert named == {address}


# --- the README, as the package index shows it ----------------------------------------------------


def readme_links():
    return re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))


def test_every_link_of_the_readme_is_absolute():
    assert [link for link in readme_links() if not link.startswith("https://")] == []


def test_every_link_of_the_readme_to_the_documentation_leads_to_a_page():
    base = dict(line.split(" = ") for line in lines("metadata", "project_urls"))["Documentation"]
    linked = [link for link in readme_links() if link.startswith(base)]
    assert len(linked) > 10
    for link in linked:
        page = re.fullmatch(rf"{base}en/latest/(?:([\w-]+)\.html)?", link)
        assert page, link
        assert (DOCS / f"{page[1] or 'index'}.md").is_file(), link


def test_every_page_of_the_documentation_is_in_its_index():
    index = (DOCS / "index.md").read_text("utf-8")
    for page in DOCS.glob("*.md"):
        assert page.stem == "index" or re.search(rf"^{page.stem}$", index, re.MULTILINE), page.name
