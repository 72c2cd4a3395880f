"""Every configured provider's URLs: ``path("login/", include("django_dance.urls"))``."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.urls import include, path

from .registry import providers

logger = logging.getLogger("django_dance")


def __getattr__(name: str) -> Any:
    # Made when they are included, not when this module is first imported: a test may change
    # the settings in between.
    if name != "urlpatterns":
        raise AttributeError(name)
    patterns = []
    for provider in providers:
        try:
            patterns.append(path("", include(providers[provider].urls)))
        except ImproperlyConfigured as error:
            # The system check says it better, and the rest of the site can do without.
            logger.error("%s has no URLs: %s", provider, error)
    return patterns
