"""``providers``: the providers that ``DANCE_PROVIDERS`` names, each created on first use."""

from __future__ import annotations

import difflib
import pkgutil
import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from .. import forbid_in_templates
from ..conf import settings, similar_path
from ..exceptions import ProviderNotConfigured

if TYPE_CHECKING:
    from ..storage import BaseStorage
    from .base import Provider

_PRESETS = "django_dance.contrib"


class Registry(Mapping[str, "Provider"]):
    """A mapping of names to providers, in the order of the settings."""

    def __init__(self) -> None:
        self._made: dict[str, Provider] = {}
        self._default_storage: BaseStorage | None = None
        self._lock = threading.RLock()

    def __getitem__(self, name: str) -> Provider:
        try:
            return self._made[name]
        except (KeyError, TypeError):
            pass
        with self._lock:
            if name not in self._made:
                self._made[name] = self._make(name)
            return self._made[name]

    def _make(self, name: str) -> Provider:
        try:
            options = dict(settings.providers[name])
        except KeyError:
            known = ", ".join(map(repr, settings.providers)) or "none"
            names = {known.lower(): known for known in map(str, settings.providers)}
            near = difflib.get_close_matches(str(name).lower(), names, n=1)
            hint = f"Did you mean {names[near[0]]!r}? If not, add" if near else "Add"
            raise ProviderNotConfigured(
                f"There is no provider {name!r} in DANCE_PROVIDERS (its providers: {known}). "
                f"{hint} "
                f'it: DANCE_PROVIDERS = {{"{name}": {{"PROVIDER": "django_dance.contrib.…"}}}}.'
            ) from None
        except (TypeError, ValueError):
            raise ImproperlyConfigured(
                f"DANCE_PROVIDERS[{name!r}] must be a dict of options, "
                'with at least "PROVIDER", the dotted path of a provider class.'
            ) from None
        return provider_class(name, options.pop("PROVIDER", None))(
            name, **{str(option).lower(): value for option, value in options.items()}
        )

    if not TYPE_CHECKING:  # for a type checker, the registry has no other attributes

        def __getattr__(self, name: str) -> None:
            raise AttributeError(
                f"The registry has no attribute {name!r}. The provider of this name is "
                f"providers[{name!r}]."
            )

    def __iter__(self) -> Iterator[str]:
        return iter(settings.providers)

    def __len__(self) -> int:
        return len(settings.providers)

    def __contains__(self, name: object) -> bool:
        return name in settings.providers

    def usable(self) -> list[str]:
        """Return the names of the providers without those whose entry has a mistake.

        A system check reports the mistake, and the rest of the site works without the provider.
        """
        return [name for name in self if self._can_be_made(name)]

    def _can_be_made(self, name: str) -> bool:
        try:
            self[name]
        except ImproperlyConfigured:
            return False
        return True

    @forbid_in_templates
    def forget(self) -> None:
        """Create the providers again at their next use."""
        with self._lock:
            self._made, self._default_storage = {}, None

    def default_storage(self) -> BaseStorage:
        """Return the storage that ``DANCE_STORAGE`` describes.

        The providers share it, so that one query reads the connections of all of them.
        """
        with self._lock:
            storage = self._default_storage
            if storage is None:
                build = import_string("django_dance.storage.build")
                storage = self._default_storage = build(settings.storage)
            return storage


def provider_class(name: str, path: Any) -> type[Provider]:
    """Return the class that a provider's ``PROVIDER`` option is, or whose dotted path it is.

    :raises ImproperlyConfigured: it is not a provider class, or cannot be imported.
    """
    from .base import Provider

    if isinstance(path, str):
        try:
            path = import_string(path)
        except ImportError as error:
            raise ImproperlyConfigured(
                f"DANCE_PROVIDERS[{name!r}]: PROVIDER names {path!r}, which cannot be imported: "
                f"{error}.{_similar_preset(path)}"
            ) from error
    if not (isinstance(path, type) and issubclass(path, Provider)):
        example = f"{_PRESETS}.github.GitHub"
        package, _, preset = getattr(path, "__name__", "").rpartition(".")
        if package == _PRESETS:  # the module of a preset
            example = f"{_PRESETS}.{preset}.{_presets_in(preset)[0]}"
        raise ImproperlyConfigured(
            f"DANCE_PROVIDERS[{name!r}]: PROVIDER must be (the dotted path of) a provider class "
            f'such as "{example}".'
        )
    return path


def _similar_preset(path: str) -> str:
    """Return a question that names the preset with a path like this one, or an empty text."""
    if near := similar_path(path):
        return near
    module, _, name = path.rpartition(".")
    package, _, preset = module.rpartition(".")
    if package not in (_PRESETS, "contrib", ""):
        return ""
    folder = Path(__file__).parent.parent / "contrib"
    names = [each.name for each in pkgutil.iter_modules([str(folder)])]
    modules = difflib.get_close_matches((preset or name).lower(), names)
    paths = [f"{_PRESETS}.{each}.{cls}" for each in modules for cls in _presets_in(each)]
    same = [each for each in paths if each.endswith(f".{name}")]
    best = next(iter(same or paths), None)
    return f" Did you mean {best!r}?" if best else ""


def _presets_in(name: str) -> list[str]:
    """The names of the provider classes that a module of presets defines."""
    from .base import Provider

    module = import_module(f"{_PRESETS}.{name}")
    return [
        found.__name__
        for found in vars(module).values()
        if isinstance(found, type)
        and issubclass(found, Provider)
        and found.__module__ == module.__name__
    ]


#: The providers of ``DANCE_PROVIDERS`` by name. Each is created when it is first used.
providers = Registry()


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    if setting in ("DANCE_PROVIDERS", "DANCE_STORAGE", "DANCE_INSECURE_HOSTS", "DEBUG"):
        providers.forget()


setting_changed.connect(_on_setting_changed, dispatch_uid="django_dance.providers.registry")
