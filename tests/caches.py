"""Caches in trouble."""

from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache

from .interleaving import turn


class RaisingCache(DummyCache):
    """A server that is down, behind a client that says so."""

    def add(self, *args, **kwargs):
        raise ConnectionError

    get = set = delete = add


class SilentCache(DummyCache):
    """A server that is down, behind a client that was told to ignore exceptions."""

    def add(self, *args, **kwargs):
        return None


class PartialCache(LocMemCache):
    """A cluster with a node that is down: it refuses the keys that contain one of these words."""

    refused = ()
    #: How often a key was refused.
    asked = 0

    def make_and_validate_key(self, key, version=None):
        if any(word in key for word in self.refused):
            type(self).asked += 1
            raise ConnectionError
        return super().make_and_validate_key(key, version)


class InterleavedCache(LocMemCache):
    """Each operation is a place where another thread may go on."""

    def get(self, *args, **kwargs):
        turn()
        return super().get(*args, **kwargs)

    def add(self, *args, **kwargs):
        turn()
        return super().add(*args, **kwargs)

    def set(self, *args, **kwargs):
        turn()
        return super().set(*args, **kwargs)


class RecordingCache(LocMemCache):
    """A shared cache that lists the keys it is asked about."""

    #: The keys, before Django adds prefix and version.
    keys = []

    def make_and_validate_key(self, key, version=None):
        self.keys.append(key)
        return super().make_and_validate_key(key, version)
