"""The bridge to social-auth-app-django: a step of its pipeline.

::

    SOCIAL_AUTH_PIPELINE = (
        *DEFAULT_AUTH_PIPELINE,
        "django_dance.bridges.social_auth.store_token",
    )
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.core.checks import CheckMessage

from ..conf import settings
from ..management.sources import SocialAuth
from ..providers import OAuth1Provider
from .problems import bridge_error, client_differs
from .sign_in import SignIn, after_login, find_provider, store

_LIBRARY = SocialAuth()
_STEP = f"{__name__}.store_token"


def store_token(
    backend: Any,
    response: Mapping[str, Any],
    uid: Any,
    user: Any = None,
    social: Any = None,
    details: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Store the token of the sign-in when the user is logged in. The last step of the pipeline.

    The refresh token is removed from the row of the library, because a refresh may use it up.
    """
    provider = find_provider(_LIBRARY, backend.name)
    if provider is None or user is None:
        return
    now = int(time.time())
    row = SimpleNamespace(uid=uid, extra_data={**response, "auth_time": now})
    fields = _LIBRARY.token(row, provider)
    asked = [] if isinstance(provider, OAuth1Provider) else backend.get_scope()
    if "token_type" in response and not fields.get("scope"):
        # RFC 6749 §5.1: without a scope in the answer, the requested scope was granted.
        fields["scope"] = list(asked)
    sign_in = SignIn(
        _LIBRARY,
        backend.name,
        fields,
        client_id=str(backend.get_key_and_secret()[0]),
        # With this setting the site has chosen another id.
        uid="" if backend.setting("ID_KEY") else _LIBRARY.uid(row),
        label=str((details or {}).get("username") or ""),
        asked=asked,
        earlier_refresh_token=_refresh_token_of(social),
    )

    def work() -> None:
        token = store(sign_in, backend.strategy.request, user)
        if token is not None and social is not None and provider.is_refreshable(token):
            _forget_refresh_token(social, str(fields.get("refresh_token") or ""))

    after_login(backend.strategy.request, user, work)


def _refresh_token_of(social: Any) -> str:
    """The refresh token in the row of the library: the one of this sign-in, or an earlier one."""
    extra = getattr(social, "extra_data", None)
    return str(extra.get("refresh_token") or "") if isinstance(extra, dict) else ""


def _forget_refresh_token(social: Any, refresh_token: str) -> None:
    """Remove the refresh token from the row of the library, under each name."""
    kept = {
        name: value
        for name, value in social.extra_data.items()
        if name != "refresh_token" and (not refresh_token or value != refresh_token)
    }
    if kept != social.extra_data:
        social.extra_data = kept
        social.save(update_fields=["extra_data"])


def problems() -> Iterator[CheckMessage]:
    """Yield the mistakes in the settings of this bridge."""
    backend_tools: Any = import_module("social_core.backends.utils")
    site_tools: Any = import_module("social_django.utils")
    steps = list(settings.project_setting("SOCIAL_AUTH_PIPELINE"))
    before = steps[: steps.index(_STEP)] if _STEP in steps else []
    needed = "social_core.pipeline.social_auth.load_extra_data"
    if needed in steps and needed not in before:
        yield bridge_error(
            f"The step {_STEP} of SOCIAL_AUTH_PIPELINE is before load_extra_data.",
            "Make it the last step.",
        )
    strategy = site_tools.load_strategy()
    for name, backend in backend_tools.load_backends(strategy.get_backends()).items():
        provider = find_provider(_LIBRARY, name)
        if provider is not None and hasattr(backend, "get_key_and_secret"):
            theirs = backend(strategy).get_key_and_secret()[0]
            yield from client_differs(provider, theirs, f"the backend {name!r}")
