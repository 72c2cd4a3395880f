"""Fixtures for pytest: ``fake_provider``, ``override_providers``, ``connect`` and
``oauth_request_factory``.

pytest loads this module at its start, before Django has its settings. Therefore each fixture
imports what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .sessions import DanceSession
    from .testing import FakeProvider, OAuthRequestFactory


@pytest.fixture
def fake_provider() -> Iterator[Callable[..., FakeProvider]]:
    """Opens fake providers: ``github = fake_provider("github")``. They close after the test."""
    from .testing import fake_provider

    with ExitStack() as opened:

        def open_fake(name: str, **options: Any) -> FakeProvider:
            return opened.enter_context(fake_provider(name, **options))

        yield open_fake


@pytest.fixture
def override_providers() -> Iterator[Callable[..., None]]:
    """Adds or changes providers until the end of the test:
    ``override_providers(github={"SCOPE": "repo"})``."""
    from .testing import override_providers

    with ExitStack() as changed:

        def override(**entries: Any) -> None:
            changed.enter_context(override_providers(**entries))

        yield override


@pytest.fixture
def connect() -> Callable[..., DanceSession]:
    """Connects a user to a provider: ``connect(user, "github", expired=True)``."""
    from .testing import connect

    return connect


@pytest.fixture
def oauth_request_factory() -> OAuthRequestFactory:
    """Makes requests with a user and ``request.oauth``:
    ``oauth_request_factory.get("/", user=ada)``."""
    from .testing import OAuthRequestFactory

    return OAuthRequestFactory()
