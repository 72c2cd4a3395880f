"""``override_providers``: other providers for a test, with their URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.test import override_settings


def _holder() -> Any:
    """Return the object that holds the current settings."""
    lazy: Any = settings
    return lazy._wrapped


class SeparateOverride(override_settings):
    """Works as Django's ``override_settings``, but overrides may end in any order.

    The fixture ``settings`` of pytest-django may be torn down while an override of a later fixture
    is still there. Django's class would then bring back the settings of the other override.
    """

    def enable(self) -> None:
        super().enable()
        self._holder = _holder()

    def disable(self) -> None:
        if self._holder is _holder():
            super().disable()
            return
        for name in self.options:
            # The settings below this override show through.
            vars(self._holder).pop(name, None)
            vars(settings).pop(name, None)
            value = getattr(settings, name, None)
            setting_changed.send(type(settings), setting=name, value=value, enter=False)


class override_providers(SeparateOverride):  # noqa: N801
    """Add or change providers of ``DANCE_PROVIDERS``, and make their URLs again.

    As ``override_settings`` of Django, it is a decorator for a test or a class of tests, and a
    context manager. The URLs are those of ``include("django_dance.urls")``.

    :param entries: the name of a provider and its options. They are added to the options in the
        settings; ``None`` removes the provider.
    """

    def __init__(self, **entries: Mapping[str, Any] | None) -> None:
        super().__init__()
        self._entries = entries

    @property
    def options(self) -> dict[str, Any]:
        """The settings that are overridden; from the settings at the time of its use."""
        entries = dict(getattr(settings, "DANCE_PROVIDERS", None) or {})
        for name, entry in self._entries.items():
            if entry is None:
                entries.pop(name, None)
            else:
                entries[name] = {**entries.get(name, {}), **entry}
        return {"DANCE_PROVIDERS": entries}

    @options.setter
    def options(self, value: dict[str, Any]) -> None:
        """Django sets the options in ``__init__``, and for a class of tests."""
