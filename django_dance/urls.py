"""The URLs of all configured providers, of the page of connections, and of the client document.

``path("login/", include("django_dance.urls"))``
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.urls import URLPattern, URLResolver, clear_url_caches, include, path

from . import pages
from .conf import require_app
from .exceptions import failure_fields
from .providers import providers
from .views import ClientDocumentView

logger = logging.getLogger("django_dance")


def __getattr__(name: str) -> Any:
    # Made when they are included, not when this module is first imported: a test may change
    # the settings in between.
    if name != "urlpatterns":
        raise AttributeError(name)
    require_app()
    return list(_routes())


def _routes() -> Iterator[URLPattern | URLResolver]:
    yield path("connections/", include((pages.urlpatterns, pages.NAMESPACE)))
    yield path("client.json", ClientDocumentView.as_view(), name="dance_client_document")
    try:
        names = list(providers)
    except ImproperlyConfigured as error:
        extra = failure_fields(code="improperly_configured")
        logger.error("no provider has URLs: %s", error, extra=extra)
        return
    for name in names:
        try:
            yield path("", include(providers[name].urls))
        except ImproperlyConfigured as error:
            # A system check reports the mistake, and the rest of the site works without it.
            extra = failure_fields(provider=name, code="improperly_configured")
            logger.error("%s has no URLs: %s", name, error, extra=extra)


def _on_setting_changed(*, setting: str, **kwargs: Any) -> None:
    """Let a test that overrides the providers have their URLs."""
    if setting not in ("DANCE_PROVIDERS", "ROOT_URLCONF"):
        return
    root = getattr(settings, "ROOT_URLCONF", None)
    # A URLconf that was not imported yet has nothing to forget.
    urlconf = sys.modules.get(root) if isinstance(root, str) else root
    if _forget_routes(getattr(urlconf, "urlpatterns", ())):
        clear_url_caches()


def _forget_routes(patterns: Iterable[Any]) -> bool:
    """Empty the caches of the resolvers that have the providers' routes below them.

    ``clear_url_caches()`` empties those of the root alone.

    :returns: whether there are any.
    """
    found = False
    for resolver in patterns:
        if not isinstance(resolver, URLResolver):
            continue
        included = resolver.urlconf_name
        if included is sys.modules[__name__] or _forget_routes(resolver.url_patterns):
            vars(resolver).pop("url_patterns", None)
            new = URLResolver(
                resolver.pattern,
                included,
                resolver.default_kwargs,
                resolver.app_name,
                resolver.namespace,
            )
            vars(resolver).update(vars(new))
            found = True
    return found


setting_changed.connect(_on_setting_changed, dispatch_uid="django_dance.urls")
