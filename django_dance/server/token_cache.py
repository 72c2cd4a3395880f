"""The token cache: with ``DANCE_SERVER_TOKEN_CACHE`` a token that was verified within the last
minute needs no query.

An entry is valid until the family of the token, its user or its client changes: each of them is a
group of the cache.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models.signals import post_delete, post_save

from ..cache import MISS, GenerationalCache, cache_name, on_commit_or_now
from .conf import settings

if TYPE_CHECKING:
    from .authorization import AuthorizationServer

#: Seconds that an entry is valid, at most.
LIFETIME = 60
#: Seconds by which the clocks of two machines may differ.
_SKEW = 2
_PREFIX = "django_dance:server"


class VerifiedToken(NamedTuple):
    """The facts about a token."""

    #: The name of the server that verified the token.
    server: str
    client_id: str
    #: The result of :func:`user_key`; ``None`` if the client acts for itself.
    user: tuple[str, str] | None
    scopes: tuple[str, ...]
    #: Seconds since the epoch.
    expires: float | None
    family: str
    resources: tuple[str, ...] = ()


def is_enabled() -> bool:
    return bool(settings.token_cache)


def get(server: AuthorizationServer, digest: str) -> VerifiedToken | None:
    """The facts about the token with this digest, if there is a valid entry."""
    if (entries := _cache()) is None:
        return None
    fields, _ = entries.get(token_key(server, digest))
    if fields is MISS:
        return None
    user = fields.pop("user")
    try:
        return VerifiedToken(**fields, user=None if user is None else tuple(user))
    except TypeError:
        return None  # another release has written the entry, with other fields


def put(server: AuthorizationServer, digest: str, found: VerifiedToken, *, read: float) -> None:
    """Store an entry about the token with this digest, unless the token expires at once.

    :param read: a time before the query that read the token, in seconds since the epoch. If a group
        has changed since then, there is no entry.
    """
    rest = LIFETIME if found.expires is None else min(LIFETIME, found.expires - time.time())
    if (entries := _cache()) is None or rest < 1:
        return
    groups = _groups(family=found.family, client_id=found.client_id, user=found.user)
    generations = entries.generations(groups, unchanged_since=read - _SKEW)
    if generations is not None:
        entries.put(generations, {token_key(server, digest): (found._asdict(), rest)})


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
    if (entries := _cache()) is not None:
        key = None if user is None else user_key(user)
        groups = _groups(family=family, client_id=client_id, user=key)
        on_commit_or_now(using, lambda: entries.invalidate(*groups))


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


def _cache() -> GenerationalCache | None:
    alias = settings.token_cache
    return _cache_at(alias) if alias else None


@cache
def _cache_at(alias: str) -> GenerationalCache:
    return GenerationalCache(
        alias,
        purpose="server token",
        effect="verified tokens are not cached; the server queries its tables",
        # Longer than an entry, and not much: each family of tokens is a group.
        generation_lifetime=10 * LIFETIME,
    )


def token_key(server: AuthorizationServer, digest: str) -> str:
    """The cache key of the entry about the token with this digest. The seal is bound to it."""
    return f"{_PREFIX}:token:{server.cache_name(digest)}"


def _groups(
    *, family: str | None, client_id: str | None, user: tuple[str, str] | None
) -> list[str]:
    """The names of the cache groups of a family, a client and a user."""
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
