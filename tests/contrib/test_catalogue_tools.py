"""The comparison with other catalogues, and the table of issuers."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from django_dance.providers import OIDCProvider

ROOT = Path(__file__).resolve().parents[2]
CANDIDATES = [
    # equal, but for the last slash
    {
        "name": "GitHub",
        "authorization_url": "https://github.com/login/oauth/authorize/",
        "token_url": "https://github.com/login/oauth/access_token",
        "revocation_url": None,
    },
    {
        "name": "dropbox",
        "authorization_url": "https://dropbox.example/authorize",
        "client_auth": {"none": ["a catalogue"]},
        "sources": ["a catalogue", "another"],
    },
    {"name": "Unheard of", "token_url": "https://unheard.example/token"},
]


@pytest.fixture(params=["list", "object"])
def compared(request, tmp_path):
    file = tmp_path / "candidates.json"
    found = CANDIDATES if request.param == "list" else {"providers": CANDIDATES}
    file.write_text(json.dumps(found))
    before = {path: path.read_bytes() for path in (ROOT / "django_dance/contrib").glob("*.py")}
    run = subprocess.run(
        [sys.executable, ROOT / "scripts/compare-catalogue", file],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(path.read_bytes() == content for path, content in before.items())
    return run.stdout


@pytest.mark.repository
def test_the_comparison_prints_the_facts_that_differ(compared):
    assert compared == (
        "dropbox (a catalogue, another)\n"
        "  authorization_url: https://www.dropbox.com/oauth2/authorize here, "
        "https://dropbox.example/authorize there\n"
        "  client_auth: basic here, none there\n"
        "1 candidates agree, 1 differ, 1 have no preset:\n"
        "Unheard of\n"
    )


@pytest.mark.repository
@pytest.mark.parametrize("content", ["", "{}", "[7]", '[{"label": "x"}]', None])
def test_a_file_without_candidates_is_refused(tmp_path, content):
    file = tmp_path / "candidates.json"
    if content is not None:
        file.write_text(content)
    run = subprocess.run(
        [sys.executable, ROOT / "scripts/compare-catalogue", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert f"{file} is no JSON file with candidates." in run.stderr


def issuers():
    page = (ROOT / "docs/oidc.md").read_text("utf-8")
    table = page.partition("## Issuers of providers without a preset\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| ([^|]+) \| `(https://[^`]+)` \|", table, re.MULTILINE)


def test_the_table_of_issuers_has_rows():
    assert len(issuers()) > 5


@pytest.mark.parametrize(("name", "issuer"), issuers())
def test_an_issuer_of_the_table_can_be_configured(name, issuer):
    provider = OIDCProvider("name", issuer=re.sub(r"<[^>]+>", "example", issuer))
    assert [str(problem) for problem in provider.problems()] == []
