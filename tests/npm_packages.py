"""Packages from npm for the tests: those of the lock file in ``tests/npm``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "npm"
#: Seconds that the installation may take on a busy machine.
PATIENCE = 300


@pytest.fixture(scope="session")
def packages(pytestconfig):
    """The folder with the packages of the lock file, which are installed once."""
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        pytest.skip(f"There is no {' and no '.join(missing)}: apt install nodejs npm.")
    lock = FOLDER / "package-lock.json"
    name = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    installed = pytestconfig.cache.mkdir("npm") / name
    if not installed.exists():
        # The last step makes the folder complete at once: several test processes may install.
        new = installed.with_name(f"{name}-{os.getpid()}")
        new.mkdir()
        for file in (lock, FOLDER / "package.json"):
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
