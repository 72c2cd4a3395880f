"""``fake_provider``: a fake provider for a provider of the site."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from ..providers import OAuth1Provider
from ..providers.registry import provider_class
from .base import FakeProvider


def fake_provider(name: str, *, served: bool = False, **options: Any) -> FakeProvider:
    """Return a fake provider that answers in the place of a provider of the site.

    It is a context manager. Until it is closed, it answers all requests that ``requests`` would
    send to the provider's hosts, as the facts of the provider say, and the settings have its
    credentials in the place of the site's.

    :param name: the name of the provider in ``DANCE_PROVIDERS``.
    :param served: serve it at an address of this machine instead, for a browser, or for a library
        that does not use ``requests``.
    :param options: further options of the provider, such as ``SCOPE="repo"``; with ``PROVIDER``,
        the provider need not be in the settings.
    :raises ProviderNotConfigured: the settings do not have the provider.
    :raises ImproperlyConfigured: there are problems in its options.
    """
    configured = (getattr(settings, "DANCE_PROVIDERS", None) or {}).get(name)
    entry = {**(configured or {}), **options}
    if "PROVIDER" not in entry:
        from ..providers import providers

        providers[name]  # raises the error that says which providers there are
    if issubclass(provider_class(name, entry.get("PROVIDER")), OAuth1Provider):
        from .oauth1 import FakeOAuth1Provider

        return FakeOAuth1Provider(name, entry, served=served)
    from .oauth2 import FakeOAuth2Provider

    return FakeOAuth2Provider(name, entry, served=served)
