"""Packages from npm for the tests: those of a lock file, such as that in ``tests/npm``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
#: Seconds that the installation may take on a busy machine.
PATIENCE = 300


@pytest.fixture(scope="session")
def packages(pytestconfig):
    """The folder with the packages of ``tests/npm``."""
    return install(TESTS / "npm", pytestconfig)


@pytest.fixture(scope="session")
def conformance_suite(pytestconfig):
    """The command of the conformance suite of MCP, with the Node.js of its lock file."""
    installed = install(TESTS / "conformance" / "npm", pytestconfig)
    node = next(installed.glob("node-*/bin/node"), None)
    if node is None:
        pytest.skip("npm has no Node.js 22 for this machine.")
    return [node, installed / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"]


def install(folder, pytestconfig):
    """Install the packages of a lock file once, and return the folder with them."""
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        pytest.skip(f"There is no {' and no '.join(missing)}: apt install nodejs npm.")
    lock = folder / "package-lock.json"
    name = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    installed = pytestconfig.cache.mkdir("npm") / name
    if not installed.exists():
        # The last step makes the folder complete at once: several test processes may install.
        new = installed.with_name(f"{name}-{os.getpid()}")
        new.mkdir()
        for file in (lock, folder / "package.json"):
            shutil.copy(file, new)
        run = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=new,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert run.returncode == 0, run.stderr
        try:
            new.rename(installed)
        except OSError:
            shutil.rmtree(new)  # another process was faster
    return installed / "node_modules"
