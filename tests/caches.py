"""Caches in trouble."""

from django.core.cache.backends.dummy import DummyCache


class RaisingCache(DummyCache):
    """A server that is down, behind a client that says so."""

    def add(self, *args, **kwargs):
        raise ConnectionError

    get = set = delete = add


class SilentCache(DummyCache):
    """A server that is down, behind a client that was told to ignore exceptions."""

    def add(self, *args, **kwargs):
        return None
