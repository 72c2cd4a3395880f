"""Clients from npm dance with our server, over real HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .test_peers import CALLBACK, _loopback, consent, site  # noqa: F401  two are fixtures
from .test_real_server import browse  # noqa: F401  a fixture

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows"),
    pytest.mark.interop,
]

SCRIPTS = Path(__file__).parents[1] / "npm"
CLIENTS = ["oauth4webapi", "openid-client"]
#: Seconds that a script, or the installation, may take on a busy machine.
PATIENCE = 300


@pytest.fixture(params=CLIENTS)
def dance(request, packages, tmp_path, site, browse, user):  # noqa: F811
    """Runs the script of a client; the result is what it reports."""
    for script in SCRIPTS.glob("*.mjs"):
        shutil.copy(script, tmp_path)
    (tmp_path / "node_modules").symlink_to(packages)

    def dance(method, decision="allow"):
        client, secret = site.register(is_confidential=method != "none")
        facts = {
            "issuer": site.url,
            "api": site.me,
            "client_id": client.client_id,
            "client_secret": secret,
            "method": method,
            "redirect_uri": CALLBACK,
        }
        with subprocess.Popen(
            ["node", f"{request.param}.mjs", json.dumps(facts)],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as node:
            try:
                told = node.stdout.readline()
                assert told, node.stderr.read()
                answer = consent(browse(), json.loads(told)["visit"], decision)
                report, errors = node.communicate(f"{answer}\n", PATIENCE)
            finally:
                node.kill()
        assert node.returncode == 0, errors
        return json.loads(report)

    return dance


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_it_dances_refreshes_and_revokes(dance, method):
    report = dance(method)
    first, second = report["first"], report["second"]
    assert (first["token_type"], first["scope"], second["scope"]) == ("bearer", "read", "read")
    assert second["refresh_token"] != first["refresh_token"]
    granted, refused = [200, {"login": "ada", "scope": ["read"]}], [401, "invalid_token"]
    # Before the refresh; the old token and the new one after it; after the revocation.
    assert report["calls"] == [granted, refused, granted, refused]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_it_introspects(dance, site, user, method):  # noqa: F811
    active, *inactive = dance(method)["introspected"]
    assert (active["active"], active["scope"], active["iss"]) == (True, "read", site.url)
    assert active["sub"] == str(user.pk)
    # The old token after the refresh, and the new one after the revocation.
    assert inactive == [{"active": False}, {"active": False}]


def test_a_denial_is_reported_to_it_as_an_error(dance):
    assert dance("client_secret_basic", "deny") == {"refused": "access_denied"}


def test_the_lock_file_pins_every_package_and_names_no_registry():
    _root, *packages = json.loads((SCRIPTS / "package-lock.json").read_text())["packages"].values()
    assert len(packages) >= len(CLIENTS)
    for package in packages:
        assert package["version"] and package["integrity"].startswith("sha512-")
        assert "resolved" not in package
