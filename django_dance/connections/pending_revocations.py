"""Pending revocations: the tokens of deleted users, until the provider has revoked them.

If a user is deleted, the rows of the user's connections are deleted, too, and with them the tokens.
The transaction that deletes them writes each token, sealed, into another table. After the commit a
few of them are revoked at once; ``dance_prune`` revokes the others, and tries again if a provider
does not answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ..cache import place_of
from ..conf import settings
from ..exceptions import DanceError, ProviderError, StorageError, failure_fields
from ..providers import providers
from ..storage import is_unreadable
from ..tokens import ResourceOwner, Token

if TYPE_CHECKING:
    from ..providers import Provider

logger = logging.getLogger("django_dance")

#: The number of tokens that are revoked in the request that deletes a user.
AT_ONCE = 5
#: A token that could not be revoked in this time is given up.
KEPT_FOR = timedelta(days=30)
#: The pause after a failed attempt. It doubles with each attempt, up to the longest pause.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=10), timedelta(days=1)


def note_deletion(sender: Any, instance: Any, using: str, origin: Any, **kwargs: Any) -> None:
    """Write the token of a row that is deleted with its user into the table.

    It receives ``post_delete`` of the token models. A row that is deleted itself is left alone: the
    code that deletes it decides whether to revoke its token.
    """
    start = origin.model if isinstance(origin, QuerySet) else type(origin)
    if issubclass(start, sender._meta.concrete_model):
        return
    provider = _provider_of(instance)
    token: Token | None = None if is_unreadable(instance) else instance.token
    if provider is None or token is None or not provider.can_revoke():
        return
    model: Any = apps.get_model("django_dance", "PendingRevocation")
    row = model(
        provider=instance.provider,
        owner=str(getattr(instance, "user_id", "")),
        place=place_of(instance),
        account=getattr(instance, "account", ""),
        token=_newest(provider, instance, token),
    )
    if router.allow_migrate_model(using, model):
        row.save(using=using, force_insert=True)
        _revoke_after_commit(using, row.pk)
        return
    # The transaction of the deletion does not include a row in another database: if it were written
    # now, and the deletion rolled back, the token of an existing user would be revoked.
    other = router.db_for_write(model)
    transaction.on_commit(
        lambda: row.save(using=other, force_insert=True), using=using, robust=True
    )


def _provider_of(row: Any) -> Provider | None:
    """Return the provider of a row, if the settings have it, and without a mistake."""
    try:
        provider = providers.get(row.provider)
    except ImproperlyConfigured:
        return None
    if provider is None or provider.problems():
        return None
    return provider.variant(place_of(row))


def _newest(provider: Provider, row: Any, token: Token) -> Token:
    """Return the token that has replaced this one, if the database could not store it."""
    user_id, account = getattr(row, "user_id", None), getattr(row, "account", "")
    try:
        owner = ResourceOwner(provider, user_id=user_id, account=account)
        return Token.of(provider.token_storage.find_parked(owner, token)) or token
    except StorageError:
        return token


def _revoke_after_commit(using: str, key: Any) -> None:
    """Revoke a few of the tokens after the commit: one hook for all of a transaction."""
    hooks: list[Any] = [hook for _, hook, *_ in connections[using].run_on_commit]
    for hook in hooks:
        if getattr(hook, "func", None) is _revoke_at_once:
            hook.args[1].append(key)
            return
    hook = partial(_revoke_at_once, using, [key])
    update_wrapper(hook, _revoke_at_once)  # Django logs the name of a hook that fails
    transaction.on_commit(hook, using=using, robust=True)


def _revoke_at_once(using: str, keys: list[Any]) -> None:
    from ..http import time_limit

    model: Any = apps.get_model("django_dance", "PendingRevocation")
    with time_limit(float(settings.timeout)):
        revoke_pending(model._default_manager.using(using).filter(pk__in=keys[:AT_ONCE]))


def revoke_pending(rows: Iterable[Any]) -> dict[str, int]:
    """Revoke the tokens of these rows, and delete the rows whose token was revoked.

    Several processes may do this at the same time: each row is taken by one of them.

    :returns: the number of rows that were ``revoked``, that ``failed`` and that were ``given_up``.
    """
    counts = {"revoked": 0, "failed": 0, "given_up": 0}
    for row in rows:
        if row.created_at < timezone.now() - KEPT_FOR:
            logger.error(
                "%s: the token of a deleted user could not be revoked in %d days, and is given up",
                row.provider,
                KEPT_FOR.days,
                extra=failure_fields(provider=row.provider, code="revocation_given_up"),
            )
            _row(row).delete()
            counts["given_up"] += 1
        elif _take(row):
            counts["revoked" if _revoke(row) else "failed"] += 1
    return counts


def _row(row: Any) -> Any:
    return type(row)._default_manager.using(row._state.db).filter(pk=row.pk)


def _take(row: Any) -> bool:
    """Take a row for this process, until its next attempt."""
    pause = min(FIRST_PAUSE * 2 ** min(row.attempts, 20), LONGEST_PAUSE)
    taken = _row(row).filter(attempts=row.attempts)
    return bool(taken.update(attempts=row.attempts + 1, next_attempt_at=timezone.now() + pause))


def _revoke(row: Any) -> bool:
    """Revoke the token, unless another user has connected its account; delete the row.

    :returns: whether the row was deleted.
    """
    try:
        provider = providers[row.provider].variant(row.place)
        token = Token(row.token)
        owner = ResourceOwner(provider, user_id=row.owner, account=row.account)
        # Many providers end all tokens of an account with one of them, or grant the same token
        # again: the connection of a user who has this account now must not be lost.
        if not row.account or not provider.token_storage.others(owner, row.account):
            provider.revoke(owner, token)
    except Exception as error:
        # A mistake in a provider class of the site must not keep the other tokens from being
        # revoked. Its credentials may depend on the user, who is gone.
        known = isinstance(error, (DanceError, ImproperlyConfigured))
        code = (error.error if isinstance(error, ProviderError) else "") or type(error).__name__
        _row(row).update(last_error=code[:100])
        logger.warning(
            "%s: the token of a deleted user could not be revoked yet: %s",
            row.provider,
            error if known else type(error).__name__,
            exc_info=not known,
            extra=failure_fields(error, provider=row.provider),
        )
        return False
    _row(row).delete()
    return True
