"""ModelStorage: in a table, by any model built on ``OAuthConsumerMixin``."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, TypeVar, cast

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured, ValidationError
from django.db import (
    DatabaseError,
    IntegrityError,
    OperationalError,
    connections,
    models,
    router,
    transaction,
)
from django.utils import timezone
from django.utils.module_loading import import_string

from ..cache import MISS, TokenCache
from ..cache import invalidation as changes
from ..conf import settings
from ..exceptions import OwnerRequired, ProviderUnavailable, SealBroken, StorageError
from ..tokens import ResourceOwner, Token, same_token
from .base import BaseStorage, busy, held
from .session import SessionStorage
from .transactions import (
    after_the_transaction,
    has_one_writer,
    in_transaction,
    may_roll_back,
    on_a_connection_of_its_own,
)

logger = logging.getLogger("django_dance")

_UNSET: Any = object()
_Result = TypeVar("_Result")

#: The fields that a model may have beyond those of ``OAuthConsumerMixin``.
_OPTIONAL = ("user", "account", "connected_at", "scope", "expires_at", "last_error", "lease")
#: Others may write a row, or encrypt it anew, between our reading and our writing.
_ATTEMPTS = 10
#: Seconds that a database with one writer may be busy.
_PATIENCE = 3
#: So many accounts of one user are put into the cache at once.
_SHELF = 20


class ModelStorage(BaseStorage):
    """Keeps tokens, sealed, in a table.

    :param model: the model, or its label. It needs the fields of ``OAuthConsumerMixin``; with a
        ``user`` field it keeps a token for each user, without one a single token for the site.
    :param user: whose tokens, if not the owner's: a user, or a function of the owner (or its
        dotted path) that returns one. For tokens that belong to a team or a tenant.
    :param user_id: the same by primary key; it takes precedence.
    :param cache: the alias of the cache that stands before the table, or ``None`` for none; the
        default is what ``DANCE_CACHE`` says.
    :param user_required: refuse anonymous visitors by ``OwnerRequired``. Else their tokens are
        kept in their sessions, never in the table. The default is ``True`` if the model has a
        ``user`` field.
    """

    def __init__(
        self,
        model: str | type[models.Model] = "django_dance.OAuthToken",
        user: Any = None,
        user_id: Any = None,
        user_required: bool | None = None,
        cache: str | None = _UNSET,
    ) -> None:
        self._model = model
        self._user = _function(user)
        self._user_id = _function(user_id)
        self._user_required = user_required
        self._alias = cache
        if isinstance(cache, str):
            changes.CACHES.add(cache)
        self._anonymous = SessionStorage()

    @cached_property
    def model(self) -> Any:
        """The model class."""
        if isinstance(self._model, type) and issubclass(self._model, models.Model):
            return self._model
        if not isinstance(self._model, str):
            raise ImproperlyConfigured(f"MODEL is {self._model!r}, which is no model.")
        try:
            return apps.get_model(self._model)
        except (LookupError, ValueError) as error:
            raise ImproperlyConfigured(
                f"DANCE_STORAGE names the model {self._model!r}, which is not installed: {error}. "
                'Write it as "app_label.ModelName".'
            ) from error

    @property
    def keeps_anonymous(self) -> bool:
        """Whether visitors without a user have their tokens kept in their sessions."""
        return "user" in self._fields and self._user_required is False

    @cached_property
    def _fields(self) -> frozenset[str]:
        return frozenset(name for name in _OPTIONAL if _has_field(self.model, name))

    def get(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        where = self._where(owner)
        if where is None:
            return self._anonymous.get(owner)
        cache = self._cache
        if cache is None or self._touched(where):
            return self._read(where, owner.account)
        shelf = self._shelf(where)
        found, place = cache.look_up(shelf, owner.account)
        if found is not MISS:
            return cast("Mapping[str, Any] | None", found)
        token = self._read(where, owner.account)
        if not in_transaction(self.using):
            if place is not None:
                cache.lay(place, {owner.account: token})
        elif connections[self.using].in_atomic_block:
            # What this transaction sees may be older than the edition.
            changes.when_committed(self.using, partial(self._lay, shelf, where, owner.account))
        return token

    def reread(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        where = self._where(owner)
        if where is None:
            return self._anonymous.reread(owner)
        return self._read(where, owner.account)

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        where = self._where(owner)
        if where is None:
            self._anonymous.set(owner, token)
            return
        values = self._columns(token)
        if "connected_at" in self._fields:
            values["connected_at"] = timezone.now()
        with self._own_write(where, owner.account):
            for _ in range(_ATTEMPTS):
                if self._updated(where, owner.account, values):
                    return
                account = {"account": owner.account} if "account" in self._fields else {}
                row = self.model(**where, **account, **values)
                try:
                    with transaction.atomic(using=self.using):
                        row.save(using=self.using, force_insert=True)
                    return
                except IntegrityError as error:
                    refusal = error  # somebody else was faster; or there is no such user
        raise StorageError(
            f"The database does not take {owner.provider.label}'s token: another account has an "
            "id that it cannot tell from this one's, or the user is gone."
        ) from refusal

    def replace(
        self, owner: ResourceOwner, old: Mapping[str, Any], new: Mapping[str, Any] | None
    ) -> bool:
        where = self._where(owner)
        if where is None:
            return self._anonymous.replace(owner, old, new)
        with self._own_write(where, owner.account):
            replaced = self._persistently(lambda: self._replaced(where, owner.account, old, new))
        if replaced and may_roll_back(self.using):
            after_the_transaction(owner.request, lambda: self.replace(owner, old, new))
        return replaced

    def delete(self, owner: ResourceOwner) -> None:
        where = self._where(owner)
        if where is None:
            self._anonymous.delete(owner)
            return
        with self._own_write(where, owner.account):
            row = self._row(where, owner.account)
            if row is not None:
                self._rows(pk=row.pk).delete()

    def durably(self, owner: ResourceOwner, work: Callable[[], _Result]) -> _Result:
        """Work on a connection of its own, beside a transaction that may be rolled back.

        A database with one writer cannot do that, and a row that this very transaction has written
        nobody else can see: there, `replace` has the middleware look after the view whether it must
        be done again.
        """
        where = self._where(owner)
        if where is None:
            return self._anonymous.durably(owner, work)
        using = self.using
        if not may_roll_back(using) or has_one_writer(using) or self._touched(where, owner.account):
            return work()
        return on_a_connection_of_its_own(using, work, self.prepare_connection)

    def prepare_connection(self, connection: Any, beside: Any) -> None:
        """Called with the connection that a refresh is stored on, and the one whose transaction is
        open beside it. Override it if yours have a state, such as a role.

        That of django-tenants, the tenant, is handed on.
        """
        if hasattr(beside, "tenant") and hasattr(connection, "set_tenant"):
            connection.set_tenant(beside.tenant)

    @contextmanager
    def lease(self, owner: ResourceOwner, seconds: float) -> Iterator[None]:
        """Also holds off other processes and hosts, by a lease beside the token.

        It is taken by a conditional ``UPDATE``, which every database can do, and no lock is held
        over the call to the provider. The lease of a process that died runs out.
        """
        where = self._where(owner)
        if where is None:
            with self._anonymous.lease(owner, seconds):
                yield
            return
        # Others may have to wait for what this transaction has locked: then it must not for them.
        wait = not self._touched(where, owner.account)
        with held(owner, wait=wait, using=self.using):
            row = self._row(where, owner.account)
            if row is None:
                yield
                return
            rows = self._rows(pk=row.pk)
            if "lease" not in self._fields:
                with transaction.atomic(using=self.using):
                    # Better now than when the provider has answered.
                    rows.select_for_update().exists()
                yield
                return
            name, pause, started = secrets.token_hex(16), 0.01, time.monotonic()
            while True:
                try:
                    if self._taken(rows, name, seconds) or not rows.exists():
                        break
                except OperationalError as error:
                    # The one writer is another; it may be one that waits for this thread.
                    if not has_one_writer(self.using):
                        raise
                    if time.monotonic() > started + _PATIENCE:
                        raise ProviderUnavailable("The database is busy.") from error
                if not wait or time.monotonic() > started + 2 * seconds:
                    raise busy(owner)
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  only spreads the load
                pause = min(pause * 1.5, 0.25)
            try:
                yield
            finally:
                self._persistently(
                    lambda: rows.filter(lease=name).update(lease="", lease_until=None)
                )

    # --- accounts -----------------------------------------------------------------------------

    def keeps_accounts(self, owner: ResourceOwner) -> bool:
        return {"user", "account"} <= self._fields and self._where(owner) is not None

    def accounts(self, owner: ResourceOwner) -> Sequence[str]:
        where = self._where(owner)
        if where is None or "account" not in self._fields:
            return super().accounts(owner)
        rows = self._in_order(self._rows(**where))
        return tuple(rows.values_list("account", flat=True))

    def others(self, owner: ResourceOwner, account: str) -> Sequence[Any]:
        if not self.keeps_accounts(owner):
            return ()
        where = {**(self._where(owner) or {})}
        me = where.pop("user_id")
        rows = self._rows(**where, account=account).exclude(user_id=me)
        # Databases compare texts as their collation has it; two ids are the same or they are not.
        return [
            user for user, theirs in rows.values_list("user_id", "account") if theirs == account
        ]

    # --- rows ---------------------------------------------------------------------------------

    @property
    def using(self) -> str:
        """The database. To read from a replica would bring back what was replaced just now."""
        return router.db_for_write(self.model)

    def _rows(self, **where: Any) -> Any:
        return self.model._default_manager.using(self.using).filter(**where).order_by()

    def _in_order(self, rows: Any) -> Any:
        """The default one first."""
        order = ("-connected_at", "-pk") if "connected_at" in self._fields else ("pk",)
        return rows.order_by(*order)

    def _row(self, where: Mapping[str, Any], account: str) -> Any:
        """The row of this account, or of the default one."""
        if not account or "account" not in self._fields:
            rows = self._rows(**where)
            if {"user", "connected_at"} <= self._fields:
                # A user has few: to choose here costs less than to have the query ordered.
                return max(rows, key=lambda row: (row.connected_at, row.pk), default=None)
            return self._in_order(rows).first()
        rows = self._rows(**where, account=account)
        return next((row for row in rows if row.account == account), None)

    def _read(self, where: Mapping[str, Any], account: str) -> Mapping[str, Any] | None:
        return _opened(self._row(where, account))

    def _columns(self, token: Mapping[str, Any]) -> dict[str, Any]:
        """The row's columns for this token."""
        scope = token.get("scope") or ()
        expires_at = Token(token).expires_at
        columns = {
            "token": dict(token),
            "scope": scope if isinstance(scope, str) else " ".join(map(str, scope)),
            "expires_at": (
                None
                if expires_at is None
                # Aware or naive, as Django's own "now" is.
                else datetime.fromtimestamp(expires_at, tz=timezone.now().tzinfo)
            ),
            "last_error": str(token.get("last_error") or "")[:100],
        }
        return {name: columns[name] for name in columns if name in self._fields | {"token"}}

    def _updated(self, where: Mapping[str, Any], account: str, values: dict[str, Any]) -> bool:
        """Whether there was a row to update."""
        row = self._row(where, account)
        if account and "account" in self._fields:
            # The row of a time when the account was not known becomes this account's.
            row = row or self._rows(**where, account="").first()
            values = {**values, "account": account}
        if row is None:
            return False
        for name, value in values.items():
            setattr(row, name, value)
        try:
            with transaction.atomic(using=self.using):
                row.save(using=self.using, force_update=True, update_fields=list(values))
        except DatabaseError as error:
            if error.__cause__ is None:
                return False  # Django's own: the row is gone
            raise
        return True

    def _replaced(
        self,
        where: Mapping[str, Any],
        account: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any] | None,
    ) -> bool:
        for _ in range(_ATTEMPTS):
            row = self._row(where, account)
            if not same_token(_opened(row), old):
                break
            # Nobody has written the row since, or it would be sealed anew.
            rows = self._rows(pk=row.pk, token=row.token)
            if new is None:
                with transaction.atomic(using=self.using):
                    if rows.select_for_update().exists():
                        rows.delete()
                        return True
            else:
                field = self.model._meta.get_field("token")
                columns = {**self._columns(new), "token": field.sealed(row, new)}
                if rows.update(**columns):
                    return True
        return False

    def _taken(self, rows: Any, name: str, seconds: float) -> bool:
        """Whether the lease was free, and is this one's now."""
        now = timezone.now()
        until = now + timedelta(seconds=seconds)
        free = models.Q(lease="") | models.Q(lease_until__lt=now)
        # Nobody leases for so long: a clock was wrong.
        free |= models.Q(lease_until=None) | models.Q(lease_until__gt=now + 10 * (until - now))
        return bool(rows.filter(free).update(lease=name, lease_until=until))

    def _persistently(self, write: Callable[[], _Result]) -> _Result:
        """The write, again if the database's one writer was another for too long."""
        for attempt in range(_ATTEMPTS):
            try:
                return write()
            except OperationalError:
                if (
                    not has_one_writer(self.using)
                    or in_transaction(self.using)
                    or attempt == _ATTEMPTS - 1
                ):
                    raise
        raise AssertionError("unreachable")

    # --- the cache ----------------------------------------------------------------------------

    @property
    def _cache(self) -> TokenCache | None:
        alias = settings.token_cache if self._alias is _UNSET else self._alias
        return TokenCache(alias) if alias else None

    def _shelf(self, where: Mapping[str, Any]) -> str:
        return changes.shelf(self.model, self.using, where["provider"], where.get("user_id", ""))

    def _lay(self, shelf: str, where: Mapping[str, Any], account: str) -> None:
        # If the tenant has changed before the commit, a query would find the other tenant's rows.
        if (cache := self._cache) is not None and shelf == self._shelf(where):
            found, place = cache.look_up(shelf, account)
            if found is MISS and place is not None:
                cache.lay(place, {account: self._read(where, account)})

    def _publish(self, shelf: str, where: Mapping[str, Any]) -> None:
        """Void what is cached of this owner, and put what the table has now in its place."""
        if (cache := self._cache) is not None:
            place = cache.announce(shelf)
            # If the tenant has changed before the commit, these would be the other tenant's rows.
            if place is not None and shelf == self._shelf(where):
                rows = list(self._in_order(self._rows(**where))[:_SHELF])
                tokens = {getattr(row, "account", ""): _opened(row) for row in rows}
                cache.lay(place, {**tokens, "": _opened(rows[0]) if rows else None})

    @contextmanager
    def _own_write(self, where: Mapping[str, Any], account: str) -> Iterator[None]:
        """What is written within is published when it is committed, and once."""
        shelf = self._shelf(where)
        with changes.own_write(shelf):
            yield
        changes.note(self.using, shelf, account)
        if self._cache is not None:
            changes.when_committed(self.using, partial(self._publish, shelf, where))

    def _touched(self, where: Mapping[str, Any], account: str | None = None) -> bool:
        """Whether the open transaction has written this owner's tokens, or one account's, which
        nobody else sees."""
        in_atomic_block = connections[self.using].in_atomic_block
        return in_atomic_block and changes.noted(self.using, self._shelf(where), account)

    # --- whose --------------------------------------------------------------------------------

    def _where(self, owner: ResourceOwner) -> dict[str, Any] | None:
        """What finds the owner's rows; ``None`` for a visitor who can have none."""
        where: dict[str, Any] = {"provider": owner.provider.name}
        if "user" in self._fields:
            user_id = self._owner_id(owner)
            if user_id is None:
                if self._user_required is not False:
                    raise OwnerRequired(
                        "There is no user to keep the token for: log the visitor in first, or "
                        "use FallbackStorage."
                    )
                return None
            try:
                # "05" and 5 may be one row, and must be one name in the cache.
                where["user_id"] = self._user_key.to_python(user_id)
            except ValidationError:
                raise OwnerRequired(f"{user_id!r} is no user's primary key.") from None
        return where

    @cached_property
    def _user_key(self) -> Any:
        return self.model._meta.get_field("user").target_field

    def _owner_id(self, owner: ResourceOwner) -> Any:
        user_id = self._user_id(owner)
        if user_id is not None:
            return user_id
        user = self._user(owner)
        if user is not None and getattr(user, "is_authenticated", True):
            return user.pk
        return owner.user_id


def _function(value: Any) -> Callable[[ResourceOwner], Any]:
    if isinstance(value, str):
        try:
            value = import_string(value)
        except ImportError as error:
            raise ImproperlyConfigured(f"ModelStorage cannot import {value!r}: {error}.") from error
    return value if callable(value) else lambda owner: value


def _has_field(model: type[models.Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def _opened(row: Any) -> Mapping[str, Any] | None:
    """The row's token, if there is a row, and its seal opens."""
    if row is None:
        return None
    try:
        token: Mapping[str, Any] = row.token
    except SealBroken as error:
        logger.error("%r cannot be read: %s", row, error)
        return None
    return token
