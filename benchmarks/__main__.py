"""Measure django-dance and other libraries in turns."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import django

from .measure import Target
from .server import Server, run_server


def run(server: Server) -> list[Target]:
    """Run all benchmarks and print their tables; return the targets."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "BENCHMARK_SERVER": server.url,
        "BENCHMARK_CA_BUNDLE": server.ca_bundle,
    }
    # No library may use a proxy or a certificate bundle of the environment.
    for name in ("http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle", "curl_ca_bundle"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    django.setup()

    # These modules need the settings, so they are imported after django.setup().
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from . import calls, concurrency, pages, protected, testkit, vault

    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create_user("ada")
    return [
        *calls.compare(server, 20, rounds=60, batch=1),
        *calls.compare(server, 1, rounds=150, batch=4),
        *concurrency.compare(server, 100, rounds=5),
        *concurrency.compare(server, 300, rounds=3),
        *concurrency.compare(server, 1000, rounds=3),
        *pages.middleware(),
        *pages.authorized(user),
        *vault.authorized(),
        *pages.dance(user),
        *protected.require_oauth(user),
        *testkit.expired_token(user),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, run_server(Path(directory)) as server:
        targets = run(server)
    print(*targets, sep="\n")
    return int(arguments.check and not all(target.held for target in targets))


if __name__ == "__main__":
    sys.exit(main())
