"""Django's cache for Redis, with a Redis Cluster."""

from functools import cache

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.cluster import RedisCluster


@cache
def connect(url, **options):
    """The cluster, one for all threads of the process. It knows which node has which keys."""
    return RedisCluster.from_url(url, **options)


class ClusterClient(RedisCacheClient):
    def __init__(self, servers, serializer=None, **options):
        super().__init__(servers, serializer)
        self._options = options

    def get_client(self, key=None, *, write=False):
        return connect(self._servers[0], **self._options)

    def get_many(self, keys):
        found = self.get_client().mget_nonatomic(keys)
        values = zip(keys, found, strict=True)
        return {key: self._serializer.loads(value) for key, value in values if value is not None}

    def set_many(self, data, timeout):
        for key, value in data.items():
            self.set(key, value, timeout)


class ClusterCache(RedisCache):
    def __init__(self, server, params):
        super().__init__(server, params)
        self._class = ClusterClient
