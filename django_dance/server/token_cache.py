"""Verified tokens, remembered for a minute: with ``DANCE_SERVER_TOKEN_CACHE`` a call that was
verified a moment ago costs no query.

What is remembered is sealed, and is void when its family, its user or its client has changed since
it was read: each change leaves the time it happened at in the cache.
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

#: Seconds that a verified token is remembered at the most.
LIFETIME = 60
#: Seconds by which the clocks of two machines may differ.
_SKEW = 2
_PREFIX = "django_dance:server"


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was found about a token, and when."""

    server: str
    client_id: str
    #: The label of the user's model and the primary key; ``None`` where the client acts for itself.
    user: tuple[str, str] | None
    scopes: tuple[str, ...]
    expires: float | None
    family: str
    read: float

    @property
    def change_keys(self) -> list[str]:
        keys = [_change_key("family", self.family), _change_key("client", self.client_id)]
        return keys if self.user is None else [*keys, _change_key("user", ":".join(self.user))]


def is_on() -> bool:
    return bool(settings.token_cache)


def recall(server: AuthorizationServer, digest: str) -> Verified | None:
    """What this server remembers of the token with this digest, if it still holds."""
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
        found = Verified(**fields, user=None if user is None else tuple(user))
        changes = cache.get_many(found.change_keys).values()
        changed = any(change + _SKEW >= found.read for change in changes)
    except (SealBroken, TypeError, ValueError):
        return None
    except Exception:  # noqa: BLE001  whatever the backend's library raises
        logger.warning("the token cache is down; tokens are looked up in the table")
        return None
    return None if changed else found


def remember(server: AuthorizationServer, digest: str, found: Verified) -> None:
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
    except Exception:  # noqa: BLE001  whatever the backend's library raises
        logger.warning("the token cache is down; a verified token is not remembered")


def forget(
    *,
    family: str | None = None,
    user: models.Model | None = None,
    client_id: str | None = None,
    using: str | None = None,
) -> None:
    """Void what is remembered of a family, a user or a client, once the change is committed.

    :param using: the alias of the database where the change is made.
    """
    if _cache() is None:
        return
    if family is not None:
        key = _change_key("family", family)
    elif client_id is not None:
        key = _change_key("client", client_id)
    elif user is not None:
        key = _change_key("user", ":".join(user_key(user)))
    transaction.on_commit(lambda: _changed(key), using=using)


def user_key(user: models.Model) -> tuple[str, str]:
    # The same for a proxy, and for a child that has a table of its own.
    model = get_user_model()
    if isinstance(user, model):
        return model._meta.label_lower, str(user.serializable_value(model._meta.pk.attname))
    return user._meta.label_lower, str(user.pk)


def watch() -> None:
    """Hear of users, clients and tokens that are saved or deleted, also by a proxy or a child."""
    from .models import AbstractClient, AbstractToken

    post_save.connect(_changes, dispatch_uid="django_dance.server.token_cache")
    for model in apps.get_models():
        # One by one: with a receiver for all, Django deletes no model's rows without reading them.
        if issubclass(model, get_user_model() | AbstractClient | AbstractToken):
            post_delete.connect(
                _changes, sender=model, dispatch_uid="django_dance.server.token_cache"
            )


def _changes(
    instance: Any, using: str, created: bool = False, update_fields: Any = None, **kwargs: Any
) -> None:
    from .models import AbstractClient, AbstractToken

    if isinstance(instance, get_user_model()):
        if update_fields is None or set(update_fields) != {"last_login"}:
            forget(user=instance, using=using)
    elif isinstance(instance, AbstractClient):
        forget(client_id=instance.client_id, using=using)
    elif isinstance(instance, AbstractToken) and not created:
        forget(family=instance.family, using=using)


def _cache() -> BaseCache | None:
    alias = settings.token_cache
    return caches[alias] if alias else None


def token_key(server: AuthorizationServer, digest: str) -> str:
    """The key of the entry about the token with this digest, which its seal is bound to."""
    return f"{_PREFIX}:token:{server.cache_name(digest)}"


def _change_key(kind: str, name: str) -> str:
    # All databases, tenants and issuers of the site share these marks. A user may be saved by a
    # command that knows no server, and the user's table may be in another database or schema than
    # the tokens. A mark that another tenant's user has left costs a query and lets nobody in.
    return f"{_PREFIX}:changed:{kind}:{cache_name(None, name)}"


def _changed(key: str) -> None:
    cache = _cache()
    if cache is None:
        return
    try:
        # Longer than anything can be remembered that was read before.
        cache.set(key, time.time(), 2 * LIFETIME)
    except Exception:  # noqa: BLE001  whatever the backend's library raises
        logger.warning("the token cache is down; it may hold what has changed for a minute")
