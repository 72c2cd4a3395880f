"""Stores authorization codes in a cache. Their life is short, so they need no table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.cache import BaseCache, CacheHandler, caches
from django.core.cache.backends.filebased import FileBasedCache
from django.core.exceptions import ImproperlyConfigured

from ..cache import MISS, ask_cache, open_entry, seal_entry
from .bindings import BoundFunctions, grant_fields, rows_to_write
from .conf import settings
from .hashing import fingerprint_matches, new_family
from .token_cache import user_key

if TYPE_CHECKING:
    from .authorization import AuthorizationServer


#: Seconds, as in Flask-OAuthlib.
TIMEOUT = 100
#: Seconds by which the clocks of two machines may differ.
_SKEW = 5
#: The add() of this backend is not atomic: it looks for the file, and then writes it.
_FILES_ERROR = (
    "FileBasedCache cannot store authorization codes: of two requests at the same time both could "
    "use the same code. Describe a shared cache in CACHES, such as Redis or DatabaseCache, and "
    'pass its alias: bind_cache_grant(server, cache="…"); or store codes in a table: '
    "bind_models(grant=…)."
)


def bind_cache_grant(
    server: AuthorizationServer,
    current_user: Callable[[Any], Any] | None = None,
    cache: str = "default",
    timeout: int = TIMEOUT,
    prefix: str = "django_dance:grant",
    config_prefix: str = "OAUTH2",
) -> BoundFunctions:
    """Register a grantgetter, a grantsetter and a grantrevoker that store codes in Django's cache.

    It returns them, so that a function of the site can call the one that it replaces.

    :param current_user: a function that gets the ``HttpRequest`` and returns the user who is logged
        in; the default is ``request.user``.
    :param cache: the alias in ``CACHES``. All processes must share this cache.
    :param timeout: seconds in which a code can be redeemed, and in which a used code is remembered.
    :param prefix: the prefix of the cache keys.
    :param config_prefix: the prefix of Flask-OAuthlib's settings, which replace the defaults:
        ``OAUTH2_CACHE_TYPE``, ``OAUTH2_CACHE_DEFAULT_TIMEOUT`` and so on.
    """
    grants = GrantCache(server, cache, timeout, prefix, config_prefix)
    server.grant_cache = grants
    functions: dict[str, Callable[..., Any]] = {
        "grantgetter": grants.get,
        "grantsetter": grants.set,
        "grantrevoker": grants.revoke,
    }
    if current_user is not None:
        functions["current_user"] = current_user
    server.callbacks.functions.update(functions)
    return BoundFunctions(**functions)


@dataclass(frozen=True, kw_only=True)
class CachedGrant:
    """A cache entry: a code with the primary key of the user, without the user's data."""

    client_id: str
    user_key: tuple[str, str]
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str
    code_challenge_method: str
    issued: float
    family: str
    server: str
    bound_to: str
    used: bool = False
    resources: tuple[str, ...] = ()

    def seal(self, key: str) -> str:
        """The sealed entry: an attacker who can write to the cache cannot forge a code."""
        fields = asdict(self)
        if not self.resources:
            del fields["resources"]  # a process of an earlier release does not know the field
        return seal_entry(fields, purpose="server grant", key=key)


class FoundGrant:
    """A code from the cache, which can be redeemed."""

    def __init__(self, grant: CachedGrant, key: str, cache: BaseCache, timeout: int) -> None:
        self._grant, self._key, self._cache, self._timeout = grant, key, cache, timeout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._grant, name)

    def __repr__(self) -> str:
        return f"<FoundGrant client={self.client_id!r}>"

    @cached_property
    def user(self) -> Any:
        label, pk = self.user_key
        return rows_to_write(apps.get_model(label)).filter(pk=pk).first()

    def in_force_for(self, client: Any) -> bool:
        """Whether neither the client nor the user has changed since the code was issued."""
        return self.user is not None and fingerprint_matches(self.bound_to, client, self.user)

    def redeem(self) -> bool:
        """Mark the code as used. Of several calls at the same time, one returns ``True``."""
        # add() is the only operation of a cache that succeeds for one caller alone.
        if not self.used and self._cache.add(self._use_key, "once", self._timeout):
            # A cache that is full may drop this mark before the code, so the code is marked too.
            self._put(self._key, replace(self._grant, used=True).seal(self._key))
            return True
        self._put(self._use_key, "again")
        return False

    @property
    def replayed(self) -> bool:
        """Whether the code was used a second time before its tokens were stored."""
        effect = "a second use of a code may not be noticed"
        key = self._use_key
        return ask_cache(self._cache, lambda cache: cache.get(key) == "again", False, effect=effect)

    @property
    def _use_key(self) -> str:
        return f"{self._key}:used"

    def _put(self, key: str, value: str) -> None:
        effect = "the use of a code may be forgotten"
        ask_cache(
            self._cache, lambda cache: cache.set(key, value, self._timeout), None, effect=effect
        )


class GrantCache:
    """The functions of a server that store codes in a cache.

    The parameters are those of :func:`bind_cache_grant`.
    """

    def __init__(
        self,
        server: AuthorizationServer,
        cache: str,
        timeout: int,
        prefix: str,
        config_prefix: str,
    ) -> None:
        self._server, self.alias, self._config_prefix = server, cache, config_prefix
        self._given_timeout, self._prefix = timeout, prefix

    @property
    def cache(self) -> BaseCache:
        """:raises ImproperlyConfigured: the cache cannot store codes, or a setting is wrong."""
        cache = self._own_caches[self.alias] if self._own_caches is not None else caches[self.alias]
        if isinstance(cache, FileBasedCache):
            raise ImproperlyConfigured(_FILES_ERROR)
        return cache

    @property
    def description(self) -> tuple[str, Mapping[str, Any]]:
        """The name of the cache, for a message, and its description, as in ``CACHES``.

        :raises ImproperlyConfigured: there is no such cache, or a setting is wrong.
        """
        if self._own_caches is not None:
            return f"of {self._config_prefix}_CACHE_TYPE", self._own_caches.settings[self.alias]
        if self.alias not in caches.settings:
            raise ImproperlyConfigured(f"There is no cache {self.alias!r} in CACHES.")
        return repr(self.alias), caches.settings[self.alias]

    @property
    def timeout(self) -> int:
        """Seconds. The argument takes precedence over the settings."""
        if self._given_timeout != TIMEOUT:
            return self._given_timeout
        return int(self._setting("DEFAULT_TIMEOUT") or TIMEOUT)

    def set(
        self, client_id: str, code: dict[str, Any], request: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Store a code for ``request.user``."""
        grant = CachedGrant(
            **grant_fields(self._server, client_id, request),
            user_key=user_key(request.user),
            scopes=tuple(request.scopes),
            resources=tuple(vars(request).get("resources", ())),
            issued=time.time(),
            family=new_family(),
        )
        key = self._key(client_id, code["code"])
        self.cache.set(key, grant.seal(key), self.timeout)

    def get(self, client_id: str, code: str) -> FoundGrant | None:
        """The code, unless it is unknown, expired or revoked. A used code is returned, too."""
        key = self._key(client_id, code)
        fields = open_entry(self.cache.get(key), purpose="server grant", key=key)
        if fields is MISS:
            return None
        try:
            grant = CachedGrant(**{**fields, "user_key": tuple(fields["user_key"])})
        except (KeyError, TypeError, ValueError):
            return None
        now = time.time()
        if not grant.issued - _SKEW <= now < grant.issued + self.timeout:
            return None
        keys = [self._revocation_key(grant.user_key, name) for name in (client_id, None)]
        if any(grant.issued <= revoked for revoked in self.cache.get_many(keys).values()):
            return None
        return FoundGrant(grant, key, self.cache, self.timeout)

    def revoke(self, user: Any, client_id: str | None = None) -> None:
        """Revoke the codes that were issued until now for a user, to one client or to all."""
        key = self._revocation_key(user_key(user), client_id)
        self.cache.set(key, time.time(), self.timeout + _SKEW)

    def _key(self, client_id: str, code: str) -> str:
        return f"{self._prefix}:{self._server.cache_name(client_id, code)}"

    def _revocation_key(self, user_key: tuple[str, str], client_id: str | None) -> str:
        parts = user_key if client_id is None else (*user_key, client_id)
        return f"{self._prefix}:revoked:{self._server.cache_name(*parts)}"

    # --- Flask-OAuthlib's settings ----------------------------------------------------------------

    def _setting(self, key: str) -> Any:
        for name in (f"{self._config_prefix}_CACHE_{key}", f"CACHE_{key}"):
            value = settings.project_setting(name)
            if value is not None:
                return value
        return None

    @cached_property
    def _own_caches(self) -> CacheHandler | None:
        """A cache for the codes alone, if Flask-OAuthlib's settings describe one."""
        kind = self._setting("TYPE")
        if kind is None or self.alias != "default":
            return None
        spec = self._cache_options(kind)
        spec["KEY_PREFIX"] = self._setting("KEY_PREFIX") or ""
        return CacheHandler({"default": spec})

    def _cache_options(self, kind: str) -> dict[str, Any]:
        backends = "django.core.cache.backends"
        limit = {"OPTIONS": {"MAX_ENTRIES": self._setting("THRESHOLD") or 500}}
        match kind:
            case "simple":
                return {"BACKEND": f"{backends}.locmem.LocMemCache", "LOCATION": "grants", **limit}
            case "filesystem":
                raise ImproperlyConfigured(_FILES_ERROR)
            case "memcache":
                return {
                    "BACKEND": f"{backends}.memcached.PyMemcacheCache",
                    "LOCATION": self._required("MEMCACHED_SERVERS"),
                }
            case "redis":
                password = self._setting("REDIS_PASSWORD")
                host = self._setting("REDIS_HOST") or "localhost"
                port = self._setting("REDIS_PORT") or 6379
                return {
                    "BACKEND": f"{backends}.redis.RedisCache",
                    "LOCATION": f"redis://{host}:{port}/{self._setting('REDIS_DB') or 0}",
                    "OPTIONS": {"password": password} if password else {},
                }
        raise ImproperlyConfigured(
            f"{self._config_prefix}_CACHE_TYPE is {kind!r}. It can be simple, memcache or "
            "redis. It is better to describe the cache in CACHES and to pass its alias: "
            'bind_cache_grant(server, cache="…").'
        )

    def _required(self, key: str) -> Any:
        value = self._setting(key)
        if not value:
            raise ImproperlyConfigured(
                f"Set {self._config_prefix}_CACHE_{key}: this type of cache needs it."
            )
        return value
