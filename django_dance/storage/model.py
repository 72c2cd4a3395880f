"""ModelStorage: tokens in a table, with any model that inherits from ``OAuthConsumerMixin``."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime
from functools import cached_property, partial
from typing import Any, TypeVar

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured, ValidationError
from django.db import (
    DatabaseError,
    Error,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    connections,
    models,
    router,
    transaction,
)
from django.db.models import F, Q
from django.utils import timezone

from ..conf import import_if_path, require_app
from ..exceptions import (
    OwnerRequired,
    ProviderUnavailable,
    SealBroken,
    StorageError,
    failure_fields,
)
from ..tokens import (
    ACTIVE,
    EXPIRED,
    MAX_ACCOUNT_ID,
    NEEDS_RECONNECT,
    REJECTED,
    SCOPES,
    UNREADABLE,
    Connection,
    ResourceOwner,
    Token,
    clean_words,
    same_token,
)
from .base import BaseStorage, connection_of, plain_fields
from .lease import lock_busy_error, row_lease, thread_lock
from .row_cache import UNSET, RowCache
from .transactions import (
    CONNECTION_ERRORS,
    NoConnection,
    after_view_or_now,
    defer_write,
    has_one_writer,
    in_transaction,
    limit_lock_wait,
    may_roll_back,
    on_separate_connection,
    pauses,
    retry_while_busy,
    runs_deferred_writes,
    share_tenant,
    write_on_new_connection,
)

logger = logging.getLogger("django_dance")

_Result = TypeVar("_Result")

#: The fields that a model may have beyond those of ``OAuthConsumerMixin``.
_OPTIONAL = (
    "user",
    "account",
    "connected_at",
    "scope",
    "expires_at",
    "last_error",
    "lease",
    "claim",
    "state",
    "reason",
    "state_changed_at",
    "notified_at",
    "may_sign_in",
    "issuer",
    "authorized_by",
    "label",
    "chosen_at",
    "place",
)
#: The words of SQLite and MySQL for a table or a column that does not exist.
_MISSING = re.compile("no such (table|column)|Unknown column")
#: The columns for the state of a connection. Without all of them, a connection that has lost its
#: grant is deleted.
_STATES = {"state", "reason", "state_changed_at", "notified_at"}
#: The longest label of an account, in characters.
MAX_LABEL = 255
#: How often a write is tried: another process may write a row, or encrypt it with another key,
#: after this one has read it.
_ATTEMPTS = 10
#: Seconds to wait for a separate connection, if the database allows no more connections.
_PATIENCE = 10
#: The number of accounts of one user that are read into the cache after a write.
_CACHED_ACCOUNTS = 20


class ModelStorage(BaseStorage):
    """Stores tokens, sealed, in a table.

    :param model: the model, or its label. It has the fields of ``OAuthConsumerMixin``. With a
        field ``user`` it stores tokens for each user, without one a single token for the site.
    :param user: the user whose tokens are used instead of the owner's: a user, or a function of
        the owner that returns one (or the function's dotted path). For the tokens of a team.
    :param user_id: the same with a primary key; it takes precedence over ``user``.
    :param user_required: ``None`` or ``True``: refuse anonymous visitors with ``OwnerRequired``.
        ``False`` in the settings makes a :class:`~django_dance.storage.FallbackStorage` with this
        table.
    :param cache: the alias of the cache in front of the table, or ``None`` for no cache. The
        default is the cache that ``DANCE_CACHE`` names.
    """

    def __init__(
        self,
        model: str | type[models.Model] = "django_dance.OAuthToken",
        user: Any = None,
        user_id: Any = None,
        user_required: bool | None = None,
        cache: str | None = UNSET,
    ) -> None:
        self._model = model
        self._user = _function(user)
        self._user_id = _function(user_id)
        self.user_required = user_required
        self._cache = RowCache(self, cache)
        #: It prepares a separate connection; a storage around this one sets its own.
        self.prepare = self.prepare_connection

    @property
    def model_storage(self) -> ModelStorage:
        return self

    @cached_property
    def model(self) -> Any:
        """The model class.

        :raises ImproperlyConfigured: the model does not exist.
        """
        if isinstance(self._model, type) and issubclass(self._model, models.Model):
            return self._model
        if not isinstance(self._model, str):
            raise ImproperlyConfigured(f"MODEL is {self._model!r}, which is not a model.")
        try:
            return apps.get_model(self._model)
        except (LookupError, ValueError) as error:
            if self._model.startswith("django_dance."):
                require_app()
            raise ImproperlyConfigured(
                f"DANCE_STORAGE names the model {self._model!r}, which is not installed: {error}. "
                'Write it as "app_label.ModelName".'
            ) from error

    @property
    def has_users(self) -> bool:
        """Whether the model has a field ``user``. Without it, there is one token for the site."""
        return "user" in self._fields

    @property
    def has_states(self) -> bool:
        """Whether the model has the columns for the state of a connection."""
        return self._fields >= _STATES

    def has_rows_for(self, owner: ResourceOwner) -> bool:
        """Whether the table can have rows of this owner: not of an anonymous visitor."""
        return not self.has_users or self._owner_id(owner) is not None

    def get(self, owner: ResourceOwner) -> Token | None:
        try:
            return self._cache.get(self._where(owner), owner.account)
        except (OperationalError, ProgrammingError) as error:
            if isinstance(error, ProgrammingError) or _MISSING.search(str(error)):
                error.add_note(
                    f"If the table of {self.model._meta.label}, or a column of it, is missing: run "
                    "`python manage.py migrate`."
                )
            raise

    def reread(self, owner: ResourceOwner) -> Token | None:
        return self.read(self._where(owner), owner.account)

    def reread_after(self, owner: ResourceOwner, known: Mapping[str, Any]) -> Token | None:
        row = self._row(self._where(owner), owner.account)
        if row is not None and isinstance(known, Token) and _is_token_of(row, known):
            return known
        return _token_of(row)

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        self._set(owner, token, {})

    def set_granted(
        self,
        owner: ResourceOwner,
        token: Mapping[str, Any],
        known: Mapping[str, Callable[[], Mapping[str, Any] | None]],
        *,
        exclusively: bool,
    ) -> bool:
        """Store the token, exclusively with a claim of the account, which is unique.

        The database lets a transaction that claims the same account wait for the end of the
        transaction that has claimed it first.
        """
        claim = {}
        if exclusively and "claim" in self._fields:
            place = [owner.place] if owner.place else []  # ids of accounts are unique per place
            name = json.dumps([owner.provider.name, owner.account, *place])
            claim = {"claim": hashlib.sha256(name.encode()).hexdigest()}
        rows = known if isinstance(known, _StoredAccounts) else None
        if not self._set(owner, token, claim, rows):
            return False
        return not exclusively or owner.account in known or self._is_alone(owner, token)

    def _set(
        self,
        owner: ResourceOwner,
        token: Mapping[str, Any],
        claim: Mapping[str, str],
        known: _StoredAccounts | None = None,
    ) -> bool:
        """Store the token; return ``False`` if another user has claimed the account.

        :param known: the rows of the owner, if they were read just now.
        """
        where = self._where(owner)
        if len(owner.account) > MAX_ACCOUNT_ID:
            raise StorageError(
                f"The id of the account at {owner.provider.label} is longer than {MAX_ACCOUNT_ID} "
                "characters."
            )
        values = {**self._columns(token), **claim}
        if self.has_states:
            values |= {"state": ACTIVE, "reason": "", "notified_at": None}
        if "connected_at" in self._fields:
            values["connected_at"] = timezone.now()
        if "authorized_by" in self._fields:
            values["authorized_by_id"] = self._authorizer_id(owner, where.get("user_id"))
        refusal: IntegrityError | None = None
        with self._cache.writing(where, owner.account):
            for attempt in range(_ATTEMPTS):
                if known is None or known.where != where or attempt:
                    row = self._row_to_write(where, owner.account)
                else:
                    row = known.row_to_write(owner.account)
                try:
                    if row is not None:
                        if self._update(row, owner.account, values):
                            break
                        continue  # it is gone, or has become the row of another account
                    account = {"account": owner.account} if "account" in self._fields else {}
                    new = self.model(**where, **account, **values)
                    with self._savepoint():
                        new.save(using=self.using, force_insert=True)
                    break
                except IntegrityError as error:
                    # Another process has inserted the row, or the user is gone, or another user
                    # has claimed the account.
                    refusal = error
                    if claim and self._rows(**claim).exclude(**where).exists():
                        return False
            else:
                raise StorageError(
                    f"The database refuses {owner.provider.label}'s token: its collation makes the "
                    "ids of two accounts equal, or the user was deleted."
                ) from refusal
        self._cache.forget_parked(where, owner.account, "")
        return True

    def replace(
        self, owner: ResourceOwner, old: Mapping[str, Any], new: Mapping[str, Any] | None
    ) -> bool:
        where = self._where(owner)
        with self._cache.writing(where, owner.account):
            replaced = retry_while_busy(
                self.using, lambda: self._replace(where, owner.account, old, new)
            )
        if replaced and may_roll_back(self.using):
            defer_write(owner.request, lambda: self.replace(owner, old, new))
        return replaced

    def lose(
        self,
        owner: ResourceOwner,
        old: Mapping[str, Any] | None,
        reason: str,
        *,
        wipe: bool = True,
        kept: Mapping[str, Any] | None = None,
    ) -> bool:
        """Note in the row that the connection has lost its grant, by one conditional ``UPDATE``.

        A model without the columns for the state loses the row if the token is to be wiped.
        """
        where = self._where(owner)

        def write() -> bool:
            with self._cache.writing(where, owner.account):
                return retry_while_busy(
                    self.using,
                    lambda: self._lose(where, owner.account, old, reason, wipe=wipe, kept=kept),
                )

        try:
            lost = write()
        except CONNECTION_ERRORS:
            until = time.monotonic() + _PATIENCE
            lost = write_on_new_connection(self.using, write, until, self.prepare)
        if wipe:
            self._cache.forget_parked(where, self._account_in_table(owner))
        return lost

    def call_after_commit(
        self, owner: ResourceOwner, function: Callable[[], object], repeat: Callable[[], bool]
    ) -> None:
        using, request = self.using, owner.request
        if not may_roll_back(using) or not self._cache.was_written(
            self._where(owner), owner.account
        ):
            # No transaction is open, or a separate connection has committed the write.
            after_view_or_now(using, request, function)
        elif not runs_deferred_writes(request):
            transaction.on_commit(function, using=using, robust=True)
        else:
            committed: list[bool] = []
            transaction.on_commit(lambda: committed.append(True), using=using)

            def finish() -> None:
                if committed or repeat():
                    function()

            defer_write(request, finish)

    def call_once_committed(self, function: Callable[[], object]) -> None:
        """Call a function after the commit, or now if no transaction is open that may roll back.

        Django logs an exception of the function. After a rollback it is not called.
        """
        using = self.using
        if may_roll_back(using) and connections[using].in_atomic_block:
            transaction.on_commit(function, using=using, robust=True)
        else:
            function()

    def delete(self, owner: ResourceOwner) -> None:
        where = self._where(owner)
        with self._cache.writing(where, owner.account):
            row = self._row(where, owner.account)
            if row is not None:
                self._rows(pk=row.pk).delete()
        account = self._account_in_table(owner)
        self._cache.forget_parked(where, account, getattr(row, "account", account))

    def store_refreshed(
        self,
        owner: ResourceOwner,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        until: float,
    ) -> bool:
        """Replace the token; if the database does not answer, park it and try again.

        The write is repeated on new connections until the lease ends. If the database still does
        not answer then, the next refresh finds the parked token.
        """
        where, account = self._where(owner), self._account_in_table(owner)
        granted = not same_token(old, new)
        shared = False
        try:
            replaced = self.replace(owner, old, new)
        except CONNECTION_ERRORS:
            if granted:
                # Park it first: the process may end before the database answers.
                shared = self._cache.park(where, account, old, plain_fields(new))
            try:
                replaced = write_on_new_connection(
                    self.using, lambda: self.replace(owner, old, new), until, self.prepare
                )
            except CONNECTION_ERRORS as error:
                self._report_unstored(owner, error, granted=granted, shared=shared)
                return True
        if granted:
            self._cache.forget_parked(where, account)
        return replaced

    def _report_unstored(
        self, owner: ResourceOwner, error: Exception, *, granted: bool, shared: bool
    ) -> None:
        if not granted:
            level, text = logging.WARNING, "a note about the token of %r cannot be stored (%s)"
        elif shared:
            level = logging.WARNING
            text = (
                "the refreshed token of %r cannot be stored (%s). It is in the cache, and the next "
                "refresh stores it."
            )
        else:
            level = logging.ERROR
            text = (
                "the refreshed token of %r cannot be stored (%s), and no cache is shared between "
                "processes while the database does not answer. The token is in the memory of this "
                "process: if it ends before its next refresh of this token, or another process "
                "refreshes it first, the user must connect again. Name a shared cache, such as "
                "Redis, in DANCE_CACHE."
            )
        name = owner.provider.name
        fields = failure_fields(provider=name, code=StorageError.code)
        logger.log(level, f"%s: {text}", name, owner, type(error).__name__, extra=fields)

    def find_parked(self, owner: ResourceOwner, old: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return self._cache.find_parked(self._where(owner), self._account_in_table(owner), old)

    def _account_in_table(self, owner: ResourceOwner) -> str:
        return owner.account if "account" in self._fields else ""

    def durably(self, owner: ResourceOwner, work: Callable[[], _Result]) -> _Result:
        """Call ``work`` with a separate connection if a transaction is open that may roll back.

        A database with one writer does not allow that, and no other connection sees a row that the
        open transaction has written. In these cases :meth:`replace` lets the middleware repeat the
        write after the view.
        """
        if not self._needs_separate_connection(owner):
            return work()
        return on_separate_connection(self.using, work, self.prepare)

    def _needs_separate_connection(self, owner: ResourceOwner) -> bool:
        """Whether a refreshed token must be stored beside the open transaction, and can be."""
        using = self.using
        return (
            may_roll_back(using)
            and not has_one_writer(using)
            and not self._cache.was_written(self._where(owner), owner.account)
        )

    def run_alone(
        self,
        owner: ResourceOwner,
        seconds: float,
        work: Callable[[float], _Result],
        look: Callable[[], _Result | None],
    ) -> _Result:
        if not self._needs_separate_connection(owner):
            with self.lease(owner, seconds):
                return work(time.monotonic() + seconds)

        def attempt() -> list[_Result]:
            """The result of ``work``; nothing if another process has the lease."""
            with ExitStack() as stack:
                try:
                    stack.enter_context(self._row_lease(owner, seconds, wait=False))
                except ProviderUnavailable:
                    return []
                return [work(time.monotonic() + seconds)]

        # A thread that waits needs no second connection. There may be many such threads.
        with thread_lock(owner, using=self.using):
            started = time.monotonic()
            for pause in pauses():
                found = self._look(look)
                if found is not None:
                    return found
                try:
                    for result in on_separate_connection(self.using, attempt, self.prepare):
                        return result
                except NoConnection:
                    if time.monotonic() > started + _PATIENCE:
                        raise
                if time.monotonic() > started + 2 * seconds:
                    break
                time.sleep(pause)
        raise lock_busy_error(owner)

    def _look(self, look: Callable[[], _Result | None]) -> _Result | None:
        """Call ``look``, which reads on the connection of the open transaction."""
        try:
            return look()
        except Error:
            return None  # a statement of the transaction has failed before

    def prepare_connection(self, connection: Any, beside: Any) -> None:
        """Prepare the connection that stores a refreshed token.

        Override this method if your connections have a state, such as a role. The tenant of
        django-tenants is set here.

        :param connection: the new connection.
        :param beside: the connection whose transaction is open.
        """
        share_tenant(connection, beside)

    @contextmanager
    def lease(self, owner: ResourceOwner, seconds: float) -> Iterator[None]:
        """Let other processes and hosts wait, too, by a lease in the row."""
        where = self._where(owner)
        # If this transaction has written the row, do not wait: the holder of the lease may be
        # waiting for its commit.
        wait = not self._cache.was_written(where, owner.account)
        with (
            thread_lock(owner, wait=wait, using=self.using),
            self._row_lease(owner, seconds, wait=wait),
        ):
            yield

    @contextmanager
    def _row_lease(self, owner: ResourceOwner, seconds: float, *, wait: bool) -> Iterator[None]:
        row = self._row(self._where(owner), owner.account)
        if row is None:
            yield
        elif "lease" in self._fields:
            rows = self._rows(pk=row.pk)
            with row_lease(rows, owner, seconds, wait=wait, prepare=self.prepare):
                yield
        else:
            # Take the row lock, so that a lock conflict appears before the provider is called.
            with limit_lock_wait(self.using), transaction.atomic(using=self.using):
                self._rows(pk=row.pk).select_for_update().exists()
            yield

    # --- accounts -----------------------------------------------------------------------------

    def keeps_accounts(self, owner: ResourceOwner) -> bool:
        return {"user", "account"} <= self._fields and bool(self._where(owner))

    def accounts(self, owner: ResourceOwner) -> Sequence[str]:
        where = self._where(owner)
        if "account" not in self._fields:
            return super().accounts(owner)
        rows = self._in_order(self._rows(**where)).only("account", *where)
        return tuple(row.account for row in self._at_place(where, rows))

    def keeps_default(self, owner: ResourceOwner) -> bool:
        return "chosen_at" in self._fields and self.keeps_accounts(owner)

    def make_default(self, owner: ResourceOwner) -> bool:
        if not owner.account or not self.keeps_default(owner):
            return False
        where = self._where(owner)
        with self._cache.writing(where, owner.account):
            row = self._row(where, owner.account)
            if row is None:
                return False
            return bool(self._rows(pk=row.pk).update(chosen_at=timezone.now()))

    def is_personal(self, owner: ResourceOwner) -> bool:
        return self.has_users and str(self._owner_id(owner)) == str(owner.user_id)

    def connections(self, owners: Iterable[ResourceOwner]) -> list[Connection]:
        wheres = [(owner, self._where(owner)) for owner in owners if self.has_rows_for(owner)]
        names: dict[Any, list[str]] = {}
        wanted = Q()
        for owner, where in wheres:
            if owner.place:
                wanted |= Q(**where)
            else:
                where.pop("place", None)  # the connections to all places
                names.setdefault(where.get("user_id"), []).append(where["provider"])
        for user_id, providers in names.items():
            user = {"user_id": user_id} if self.has_users else {}
            wanted |= Q(provider__in=providers, **user)
        rows = list(self._in_order(self._rows().filter(wanted))) if wheres else []
        found = []
        for owner, where in wheres:
            seen: set[str] = set()
            for row in rows:
                if all(getattr(row, k) == where[k] for k in where):
                    # Each place has a default account.
                    place = getattr(row, "place", "")
                    found.append(self._connection(owner, row, is_default=place not in seen))
                    seen.add(place)
        return found

    def _connection(self, owner: ResourceOwner, row: Any, *, is_default: bool) -> Connection:
        """The connection of a row."""
        fields = self._fields
        token: Token | None = None
        # The columns tell enough, except for rows that an earlier release has written.
        told = row.label if "label" in fields else ""
        if not (self.has_states and told and "scope" in fields):
            token = _token_of(row)
        if self.has_states:
            state, reason, changed_at = row.state, row.reason, row.state_changed_at
        elif token is None:
            state, reason, changed_at = NEEDS_RECONNECT, UNREADABLE, None
        else:
            known = connection_of(owner, owner.account, token)
            state, reason, changed_at = known.state, known.reason, None
        if "scope" in fields:
            scopes = frozenset(row.scope.split()) if row.scope else None
        else:
            scopes = token.scopes if token else None
        return Connection(
            provider=owner.provider.name,
            account=getattr(row, "account", ""),
            label=told or _label(token),
            scopes=scopes,
            connected_at=row.connected_at if "connected_at" in fields else row.created_at,
            state=state,
            reason=reason,
            changed_at=changed_at,
            may_sign_in=bool(getattr(row, "may_sign_in", False)),
            is_default=is_default,
            id=row.pk,
            place=row.place if "place" in fields else "",
        )

    def stored_accounts(
        self, owner: ResourceOwner
    ) -> Mapping[str, Callable[[], Mapping[str, Any] | None]]:
        if "account" not in self._fields:
            return super().stored_accounts(owner)
        where = self._where(owner)
        rows = self._at_place(where, self._in_order(self._rows(**where)))
        return _StoredAccounts(where, rows)

    def places(self, owner: ResourceOwner) -> Sequence[str]:
        if "place" not in self._fields:
            return super().places(owner)
        where = self._where(owner)
        del where["place"]
        rows = self._in_order(self._rows(**where)).only("place")
        return tuple(dict.fromkeys(row.place for row in rows if row.place))

    def others(self, owner: ResourceOwner, account: str) -> Sequence[Any]:
        if not {"user", "account"} <= self._fields:
            return ()
        user_id = self._where(owner)["user_id"]
        return [other for other in self.users_of(owner, account) if other != user_id]

    def users_of(self, owner: ResourceOwner, account: str) -> list[Any]:
        """The primary keys of the users who have connected an account.

        :param owner: any owner at the provider, and at the place of the account.
        """
        where = {"account": account, **self._place_of(owner)}
        rows = self._rows(provider=owner.provider.name, **where)
        # The database compares texts by its collation; two ids must be equal in every character.
        found = rows.values_list("user_id", *where)
        return [user for user, *theirs in found if theirs == list(where.values())]

    # --- sign-in ------------------------------------------------------------------------------

    @property
    def keeps_sign_in(self) -> bool:
        """Whether the rows say which connections may be used for sign-in."""
        return {"user", "account", "may_sign_in", "issuer"} <= self._fields

    def users_who_sign_in(self, owner: ResourceOwner, account: str, issuer: str) -> list[Any]:
        """The primary keys of the users who may sign in with an account.

        :param owner: any owner at the provider, and at the place of the account.
        """
        where = {"account": account, **self._place_of(owner)}
        rows = self._rows(provider=owner.provider.name, **where, may_sign_in=True)
        found = rows.values_list("user_id", "issuer", *where)
        return [user for user, *theirs in found if theirs == [issuer, *where.values()]]

    def set_sign_in(self, owner: ResourceOwner, *, allowed: bool, issuer: str = "") -> bool:
        """Let the connection of an account be used for sign-in, or not; return the change.

        :param issuer: the issuer of the account's ID token.
        """
        row = self._row(self._where(owner), owner.account)
        if row is None or (row.may_sign_in, row.issuer) == (allowed, issuer if allowed else ""):
            return False
        values = {"may_sign_in": allowed, "issuer": issuer if allowed else ""}
        return bool(self._rows(pk=row.pk).update(**values))

    # --- rows ---------------------------------------------------------------------------------

    @property
    def using(self) -> str:
        """The alias of the database that is written to.

        The storage also reads from it: a replica may still have a token that was just replaced.
        """
        return router.db_for_write(self.model)

    def read(self, where: Mapping[str, Any], account: str) -> Token | None:
        """The token of an account, or of the default one, from the table."""
        row = self._row(where, account, self._token_columns)
        token = _token_of(row)
        if token is not None and self.has_states and _is_usable_again(row, token):
            self._activate(row)
        return token

    def _activate(self, row: Any) -> None:
        """Make a connection active, unless its row has changed since it was read."""
        try:
            with transaction.atomic(using=self.using):
                self._unchanged(row).update(**_active())
        except Error as error:
            # The token can be used all the same. The next process that reads it tries again.
            logger.info(
                "the state of %r cannot be stored: %s",
                row,
                type(error).__name__,
                extra=failure_fields(provider=row.provider, code=StorageError.code),
            )

    def read_accounts(self, where: Mapping[str, Any]) -> dict[str, Token | None]:
        """Account → token, from the table, for the first accounts; ``""`` is the default one."""
        rows = list(self._at_place(where, self._in_order(self._rows(**where))[:_CACHED_ACCOUNTS]))
        tokens = {getattr(row, "account", ""): _token_of(row) for row in rows}
        return {**tokens, "": _token_of(rows[0]) if rows else None}

    def count(self, provider_name: str, place: str = "") -> int:
        """The number of tokens of a provider, or of one place of it."""
        where = {"place": place} if place else {}
        found: int = self._rows(provider=provider_name, **where).count()
        return found

    def _rows(self, **where: Any) -> Any:
        return self.model._default_manager.using(self.using).filter(**where).order_by()

    def _unchanged(self, row: Any) -> Any:
        """The row as a queryset, empty if another process has written its token or state since.

        It names the reason, which is empty if the connection is active, and not the state: the
        state has an index. MySQL may look the row up there, and would then wait for the rows of
        other accounts that an open transaction has locked.
        """
        reason = {"reason": row.reason} if self.has_states else {}
        return self._rows(pk=row.pk, token=row.__dict__["token"], **reason)

    def _in_order(self, rows: Any) -> Any:
        """Order the rows, that of the default account first."""
        if "connected_at" not in self._fields:
            return rows.order_by("pk")
        chosen = [F("chosen_at").desc(nulls_last=True)] if "chosen_at" in self._fields else []
        return rows.order_by(*chosen, "-connected_at", "-pk")

    def _row(self, where: Mapping[str, Any], account: str, columns: Iterable[str] = ()) -> Any:
        """The row of an account, or of the default one.

        :param columns: the columns to load; the others are deferred. By default all are loaded.
        """
        of_account = {"account": account} if account and "account" in self._fields else {}
        rows = self._rows(**where, **of_account)
        if columns:
            rows = rows.only(*columns)
        if of_account:
            rows = self._at_place(where, rows)
            return next((row for row in rows if row.account == account), None)
        if {"user", "connected_at"} <= self._fields:
            # A user has few rows: to choose here costs less than an ordered query.
            return max(self._at_place(where, rows), key=_position, default=None)
        return next(self._at_place(where, self._in_order(rows)[:1]), None)

    def _at_place(self, where: Mapping[str, Any], rows: Iterable[Any]) -> Iterator[Any]:
        """Yield the rows of the place: the database compares texts by its collation."""
        return (row for row in rows if getattr(row, "place", "") == where.get("place", ""))

    def _columns(self, token: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the columns for a token."""
        scope = token.get("scope") or ()
        expires_at = Token(token).expires_at
        columns = {
            "token": plain_fields(token),
            "scope": scope if isinstance(scope, str) else " ".join(map(str, scope)),
            "expires_at": (
                None
                if expires_at is None
                # Aware or naive, as Django's own "now" is.
                else datetime.fromtimestamp(expires_at, tz=timezone.now().tzinfo)
            ),
            "last_error": str(token.get("last_error") or "")[:100],
        }
        if label := _label(token):
            columns["label"] = label
        return self._only_fields(columns)

    def _only_fields(self, columns: dict[str, Any]) -> dict[str, Any]:
        """The values of those columns that the model has."""
        return {name: columns[name] for name in columns if name in self._fields | {"token"}}

    def _row_to_write(self, where: Mapping[str, Any], account: str) -> Any:
        """The row that a token of the account is written to; ``None`` if there is none."""
        row = self._row(where, account)
        if row is None and account and "account" in self._fields:
            row = next(self._at_place(where, self._rows(**where, account="")), None)
        return row

    def _savepoint(self) -> AbstractContextManager[None]:
        """A savepoint for one statement. Outside of a transaction, none is needed."""
        using = self.using
        return transaction.atomic(using=using) if in_transaction(using) else nullcontext()

    def _update(self, row: Any, account: str, values: dict[str, Any]) -> bool:
        """Update the row that was read; return ``False`` if it cannot be written any more."""
        # A row whose account was not known yet becomes this account's row.
        gets_account = account and "account" in self._fields and row.account != account
        if gets_account:
            values = {**values, "account": account}
        if self.has_states and row.state != values.get("state", row.state):
            values = {**values, "state_changed_at": timezone.now()}
        for name, value in values.items():
            setattr(row, name, value)
        try:
            with transaction.atomic(using=self.using) if gets_account else self._savepoint():
                # Another dance may have given the row an account since it was read.
                if gets_account and not self._rows(pk=row.pk, account="").update(account=account):
                    return False
                row.save(using=self.using, force_update=True, update_fields=list(values))
        except DatabaseError as error:
            if error.__cause__ is None:
                return False  # Django raises this error itself: the row is gone
            raise
        return True

    def _replace(
        self,
        where: Mapping[str, Any],
        account: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any] | None,
    ) -> bool:
        with limit_lock_wait(self.using):
            return self._replace_in_row(where, account, old, new)

    def _replace_in_row(
        self,
        where: Mapping[str, Any],
        account: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any] | None,
    ) -> bool:
        for _ in range(_ATTEMPTS):
            row = self._row(where, account)
            if row is None:
                break
            if not _is_token_of(row, old) and not same_token(_token_of(row), old):
                break
            # If the sealed text is the same, no other process has written the row since.
            rows = self._unchanged(row)
            if new is None:
                with transaction.atomic(using=self.using):
                    if rows.select_for_update().exists():
                        rows.delete()
                        return True
            else:
                field = self.model._meta.get_field("token")
                columns = {**self._columns(new), "token": field.sealed(row, new)}
                if self.has_states and self._is_active_again(row, old, new):
                    columns |= _active()
                if rows.update(**columns):
                    return True
        return False

    def _is_active_again(self, row: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Whether a connection that needs to be reconnected is active with the new token."""
        if row.state == ACTIVE or row.reason == SCOPES:
            return False  # only a dance grants more scopes
        if row.reason == REJECTED:
            return Token(new).verdict != REJECTED
        return not same_token(old, new)

    def _lose(
        self,
        where: Mapping[str, Any],
        account: str,
        old: Mapping[str, Any] | None,
        reason: str,
        *,
        wipe: bool,
        kept: Mapping[str, Any] | None,
    ) -> bool:
        if not self.has_states:
            if old is None or not (wipe or kept):
                return False
            return self._replace(where, account, old, None if wipe else kept)
        with limit_lock_wait(self.using):
            for _ in range(_ATTEMPTS):
                row = self._row(where, account)
                if row is None:
                    return False
                if not (is_unreadable(row) if old is None else same_token(_token_of(row), old)):
                    return False
                values: dict[str, Any] = {"state": NEEDS_RECONNECT, "reason": reason}
                was_active = bool(row.state == ACTIVE)
                if was_active:
                    values |= {"state_changed_at": timezone.now(), "notified_at": None}
                if wipe:
                    values |= {
                        "token": "",
                        **self._only_fields({"expires_at": None, "last_error": ""}),
                    }
                elif kept is not None:
                    field = self.model._meta.get_field("token")
                    values |= {**self._columns(kept), "token": field.sealed(row, kept)}
                elif not was_active and row.reason != SCOPES:
                    return False  # it is the same loss; SCOPES is the only one that goes on
                # If the sealed text is the same, no other process has written the row since.
                if self._unchanged(row).update(**values):
                    return was_active
        return False

    @cached_property
    def _fields(self) -> frozenset[str]:
        """The optional fields that the model has."""
        found = {name for name in _OPTIONAL if _has_field(self.model, name)}
        # A model of the site may have a column of its own with such a name.
        if "place" in found and not hasattr(self.model._meta.get_field("place"), "is_place"):
            found.remove("place")
        return frozenset(found if found >= _STATES else found - _STATES - {"label"})

    @cached_property
    def _token_columns(self) -> list[str]:
        """The columns that :meth:`read` needs. To load all columns takes 15 % more time."""
        identity = self.model._meta.get_field("token").identity_columns(self.model)
        needed = {"account", "place", "connected_at", "chosen_at", "reason"} & self._fields
        return ["pk", "token", "provider", *identity, *needed]

    # --- the owner ----------------------------------------------------------------------------

    def _where(self, owner: ResourceOwner) -> dict[str, Any]:
        """The conditions that select the owner's rows.

        :raises OwnerRequired: the owner is an anonymous visitor, or has no valid primary key.
        """
        where: dict[str, Any] = {"provider": owner.provider.name, **self._place_of(owner)}
        if self.has_users:
            user_id = self._owner_id(owner)
            if user_id is None:
                raise OwnerRequired(
                    "ModelStorage stores tokens for users only: log the visitor in first, or use "
                    "FallbackStorage."
                )
            try:
                # "05" and 5 may select one row, and must have one name in the cache.
                where["user_id"] = self._user_key.to_python(user_id)
            except ValidationError:
                raise OwnerRequired(f"{user_id!r} is not a valid primary key of a user.") from None
        return where

    def _place_of(self, owner: ResourceOwner) -> dict[str, str]:
        """The condition that selects the rows of the owner's place.

        :raises ImproperlyConfigured: there is a place, and the model has no column for it.
        """
        if "place" in self._fields:
            return {"place": owner.place}
        if owner.place:
            raise ImproperlyConfigured(
                f"The model {self.model._meta.label} cannot store connections to places: add "
                "place = django_dance.fields.PlaceField() to it, and to its unique constraint."
            )
        return {}

    @cached_property
    def _user_key(self) -> Any:
        return self.model._meta.get_field("user").target_field

    def _authorizer_id(self, owner: ResourceOwner, user_id: Any) -> Any:
        """The primary key of the logged-in user, who connects an account of a team."""
        user = getattr(owner.request, "user", None)
        if user is None or not user.is_authenticated or user.pk == user_id:
            return None
        return user.pk

    def _owner_id(self, owner: ResourceOwner) -> Any:
        """The primary key of the user whose tokens are meant, if there is a user."""
        user_id = self._user_id(owner)
        if user_id is not None:
            return user_id
        user = self._user(owner)
        if user is not None and getattr(user, "is_authenticated", True):
            return user.pk
        return owner.user_id


class _StoredAccounts(dict[str, Callable[[], Token | None]]):
    """The accounts of an owner, that of the default one first, with their rows.

    :param where: the conditions that have selected the rows.
    """

    def __init__(self, where: Mapping[str, Any], rows: Iterable[Any]) -> None:
        self.where = where
        self._rows = {row.account: row for row in rows}
        super().__init__((account, partial(_token_of, row)) for account, row in self._rows.items())

    def row_to_write(self, account: str) -> Any:
        """See ``ModelStorage._row_to_write()``."""
        if account:
            return self._rows.get(account, self._rows.get(""))
        return next(iter(self._rows.values()), None)


def _function(value: Any) -> Callable[[ResourceOwner], Any]:
    """The option's function, or one that returns the option."""
    value = import_if_path(value, f"ModelStorage's option {value!r}")
    return value if callable(value) else lambda owner: value


def _has_field(model: type[models.Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def _position(row: Any) -> tuple[Any, ...]:
    """Compare the rows of an owner: that of the default account is the greatest."""
    chosen_at = getattr(row, "chosen_at", None)
    return (chosen_at is not None, chosen_at or row.connected_at, row.connected_at, row.pk)


def _label(token: Mapping[str, Any] | None) -> str:
    """The account's name for people that a token has, as the column stores it."""
    return (token and clean_words(token.get("connected_as"), MAX_LABEL)) or ""


def _active() -> dict[str, Any]:
    """The columns of a connection that becomes active now."""
    return {"state": ACTIVE, "reason": "", "state_changed_at": timezone.now(), "notified_at": None}


def is_unreadable(row: Any) -> bool:
    """Whether the row has a token that no configured key opens."""
    try:
        _ = row.token
    except SealBroken:
        return True
    return False


def _is_usable_again(row: Any, token: Token) -> bool:
    """Whether the reason why a connection needs to be reconnected does not hold any more.

    A key that was missing is configured again, or the host that noted it had a wrong clock.
    """
    return bool(row.reason == UNREADABLE or (row.reason == EXPIRED and not token.expired))


def _is_token_of(row: Any, token: Mapping[str, Any]) -> bool:
    """Whether the token was read from the text that the row has now. Nothing is unsealed."""
    sealed = getattr(token, "sealed", None)
    return bool(sealed) and row.__dict__.get("token") == sealed


def _token_of(row: Any) -> Token | None:
    """The token of a row, if there is a row with a token, and its seal can be opened."""
    if row is None:
        return None
    try:
        return Token.of(row.token)
    except SealBroken as error:
        logger.error(
            "The token of %r cannot be read: %s",
            row,
            error,
            extra=failure_fields(provider=row.provider, code="seal_broken"),
        )
        return None
