"""The token cache: with ``DANCE_SERVER_TOKEN_CACHE`` a token that was verified within the last
minute needs no query.

An entry is sealed. It is valid until the family of the token, its user or its client changes: each
change writes its time into the cache, and an entry that was read before that time is ignored.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.cache import BaseCache, caches
from django.db import models, transaction
from django.db.models.signals import post_delete, post_save

from ..cache import cache_name
from ..exceptions import SealBroken
from ..tokens import seal, unseal
from .conf import settings

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

logger = logging.getLogger("django_dance.server")

#: Seconds that an entry is valid, at most.
LIFETIME = 60
#: Seconds by which the clocks of two machines may differ.
_SKEW = 2
_PREFIX = "django_dance:server"


@dataclass(frozen=True, kw_only=True)
class VerifiedToken:
    """An entry: the facts about a token, and the time at which they were read."""

    #: The name of the server that verified the token.
    server: str
    client_id: str
    #: The result of :func:`user_key`; ``None`` if the client acts for itself.
    user: tuple[str, str] | None
    scopes: tuple[str, ...]
    #: Seconds since the epoch, as is ``read``.
    expires: float | None
    family: str
    read: float

    @property
    def change_keys(self) -> list[str]:
        return _change_keys(family=self.family, client_id=self.client_id, user=self.user)


def is_enabled() -> bool:
    return bool(settings.token_cache)


def get(server: AuthorizationServer, digest: str) -> VerifiedToken | None:
    """The entry about the token with this digest, if it is valid."""
    cache = _cache()
    if cache is None:
        return None
    key = token_key(server, digest)
    try:
        sealed = cache.get(key)
        if not isinstance(sealed, str):
            return None
        fields = json.loads(unseal(sealed, purpose="server token", identity=key))
        user = fields.pop("user")
        found = VerifiedToken(**fields, user=None if user is None else tuple(user))
        changes = cache.get_many(found.change_keys).values()
        changed = any(change + _SKEW >= found.read for change in changes)
    except (SealBroken, TypeError, ValueError):
        return None
    except Exception:  # noqa: BLE001  any error of the library behind the cache
        logger.warning("the token cache is down; tokens are looked up in the table")
        return None
    return None if changed else found


def put(server: AuthorizationServer, digest: str, found: VerifiedToken) -> None:
    """Store an entry about the token with this digest, unless the token expires at once."""
    cache = _cache()
    if cache is None:
        return
    rest = LIFETIME if found.expires is None else min(LIFETIME, found.expires - time.time())
    if rest < 1:
        return
    key = token_key(server, digest)
    sealed = seal(json.dumps(vars(found)).encode(), purpose="server token", identity=key)
    try:
        cache.set(key, sealed, int(rest))
    except Exception:  # noqa: BLE001  any error of the library behind the cache
        logger.warning("the token cache is down; a verified token is not remembered")


def invalidate(
    *,
    family: str | None = None,
    client_id: str | None = None,
    user: models.Model | None = None,
    using: str | None = None,
) -> None:
    """Invalidate the entries of a family, a client or a user, after the commit.

    :param using: the alias of the database that is changed.
    """
    if _cache() is not None:
        key = None if user is None else user_key(user)
        keys = _change_keys(family=family, client_id=client_id, user=key)
        transaction.on_commit(lambda: _write_changes(keys), using=using)


def user_key(user: models.Model) -> tuple[str, str]:
    """The label of the user's model and the primary key.

    They are the same for a proxy model, and for a child model that has a table of its own.
    """
    model = get_user_model()
    if isinstance(user, model):
        return model._meta.label_lower, str(user.serializable_value(model._meta.pk.attname))
    return user._meta.label_lower, str(user.pk)


def connect_signals() -> None:
    """Invalidate entries when a user, client or token is saved or deleted."""
    from .models import AbstractClient, AbstractToken

    post_save.connect(_invalidate_row, dispatch_uid="django_dance.server.token_cache")
    for model in apps.get_models():
        # One receiver for each model: if a receiver took all models, Django would read the rows of
        # every model before it deletes them.
        if issubclass(model, get_user_model() | AbstractClient | AbstractToken):
            post_delete.connect(
                _invalidate_row, sender=model, dispatch_uid="django_dance.server.token_cache"
            )


def _invalidate_row(
    instance: Any, using: str, created: bool = False, update_fields: Any = None, **kwargs: Any
) -> None:
    from .models import AbstractClient, AbstractToken

    if isinstance(instance, get_user_model()):
        if update_fields is None or set(update_fields) != {"last_login"}:
            invalidate(user=instance, using=using)
    elif isinstance(instance, AbstractClient):
        invalidate(client_id=instance.client_id, using=using)
    elif isinstance(instance, AbstractToken) and not created:
        invalidate(family=instance.family, using=using)


def _cache() -> BaseCache | None:
    alias = settings.token_cache
    return caches[alias] if alias else None


def token_key(server: AuthorizationServer, digest: str) -> str:
    """The cache key of the entry about the token with this digest. The seal is bound to it."""
    return f"{_PREFIX}:token:{server.cache_name(digest)}"


def _change_keys(
    *, family: str | None, client_id: str | None, user: tuple[str, str] | None
) -> list[str]:
    """The cache keys of the times at which these were changed."""
    # All databases, tenants and issuers of the site share these keys: a command that knows no
    # server may save a user, and the table of users may be in another database or schema than the
    # tokens. If the user of another tenant has the same primary key, a change of that user
    # invalidates the entry too, which costs one query.
    names = {"family": family, "client": client_id, "user": user and ":".join(user)}
    return [
        f"{_PREFIX}:changed:{kind}:{cache_name(None, name)}"
        for kind, name in names.items()
        if name is not None
    ]


def _write_changes(keys: list[str]) -> None:
    cache = _cache()
    if cache is None:
        return
    try:
        # They outlive every entry that was read before.
        for key in keys:
            cache.set(key, time.time(), 2 * LIFETIME)
    except Exception:  # noqa: BLE001  any error of the library behind the cache
        logger.warning("the token cache is down; it may hold what has changed for a minute")
