"""build makes a storage from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from ..conf import import_if_path
from .base import BaseStorage
from .fallback import FallbackStorage
from .model import ModelStorage


def build(spec: Any) -> BaseStorage:
    """Make a storage from ``DANCE_STORAGE``, or from the option ``STORAGE`` of a provider.

    :param spec: ``{"BACKEND": …, "OPTIONS": {…}}``, a dotted path, a class, or a storage.
    :raises ImproperlyConfigured: ``spec`` describes no storage.
    """
    storage = _build(spec)
    if isinstance(storage, ModelStorage) and storage.user_required is False:
        return FallbackStorage(model_storage=storage)
    return storage


def _build(spec: Any) -> BaseStorage:
    options: Mapping[str, Any] = {}
    if isinstance(spec, Mapping):
        unknown = set(spec) - {"BACKEND", "OPTIONS"}
        if unknown or "BACKEND" not in spec:
            raise ImproperlyConfigured(
                'A storage is {"BACKEND": "dotted.path", "OPTIONS": {…}}; '
                + (f"{min(unknown)!r} is unknown." if unknown else "BACKEND is missing.")
            )
        spec, options = spec["BACKEND"], spec.get("OPTIONS") or {}
        if not isinstance(options, Mapping):
            raise ImproperlyConfigured("The OPTIONS of a storage must be a dict.")
    spec = import_if_path(spec, "The storage")
    if isinstance(spec, type) and issubclass(spec, BaseStorage):
        try:
            return spec(**options)
        except TypeError as error:
            raise ImproperlyConfigured(
                f"{spec.__name__} cannot be created with OPTIONS {sorted(options)}: {error}."
            ) from error
    if isinstance(spec, BaseStorage) and not options:
        return spec
    raise ImproperlyConfigured(
        f"{spec!r} is not a storage: name a subclass of django_dance.storage.BaseStorage."
    )
