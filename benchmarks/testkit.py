"""Measure the test of a view whose token has expired, with a fake provider."""

from __future__ import annotations

from typing import Any

from django.test import Client

from django_dance.testing import connect, fake_provider

from .measure import Target, run_interleaved, seconds, table

#: The seconds that the test may take.
LIMIT = 0.1
GITHUB = "django_dance.contrib.github.GitHub"


def expired_token(user: Any) -> list[Target]:
    """Measure the first example of docs/testing.md, and its parts."""
    browser = Client()
    browser.force_login(user)

    def opened() -> None:
        with fake_provider("fake", PROVIDER=GITHUB):
            pass

    def whole() -> None:
        with fake_provider("fake", PROVIDER=GITHUB) as github:
            github.route("GET", "/user", {"login": "ada"})
            connect(user, "fake", expired=True)
            assert browser.get("/expired/").json() == {"login": "ada"}
            github.assert_refreshed()

    opening, test = "a fake provider, opened and closed", "the whole test"
    took = run_interleaved(
        {opening: lambda: seconds(opened), test: lambda: seconds(whole)}, rounds=40
    )
    print(
        table(
            "A test of a view whose token has expired (SQLite in memory)",
            ("", "ms"),
            [(name, f"{took[name] * 1e3:.1f}") for name in took.rounds],
        )
    )
    return [
        Target(
            f"the test of a view with an expired token takes at most {LIMIT * 1e3:.0f} ms",
            f"{took[test] * 1e3:.1f} ms",
            took[test] <= LIMIT,
        )
    ]
