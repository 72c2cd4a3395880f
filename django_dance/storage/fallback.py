"""FallbackStorage: a table for users, the session for anonymous visitors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from ..tokens import Connection, ResourceOwner
from .base import BaseStorage
from .model import ModelStorage
from .session import SessionStorage

_Result = TypeVar("_Result")


class FallbackStorage(BaseStorage):
    """The default storage: it chooses a :class:`ModelStorage` or a :class:`SessionStorage`.

    A login does not move a token from the session to the table.

    :param model_storage: the storage for users. Without it, the other options make one.
    :param user_required: ``None`` or ``True``: refuse anonymous visitors with ``OwnerRequired``.
    :param options: the options of :class:`ModelStorage`.
    """

    def __init__(
        self,
        *,
        model_storage: ModelStorage | None = None,
        user_required: bool | None = False,
        **options: Any,
    ) -> None:
        self._table = model_storage or ModelStorage(**options)
        self._table.prepare = self.prepare_connection
        self._session = SessionStorage() if user_required is False else None

    @property
    def model_storage(self) -> ModelStorage:
        return self._table

    def _storage(self, owner: ResourceOwner) -> BaseStorage:
        """The storage of this owner's tokens."""
        if self._session is None or self._table.has_rows_for(owner):
            return self._table
        return self._session

    @property
    def keeps_anonymous(self) -> bool:
        """Whether the tokens of anonymous visitors are stored in their sessions."""
        return self._session is not None and self._table.has_users

    def get(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        return self._storage(owner).get(owner)

    def reread(self, owner: ResourceOwner) -> Mapping[str, Any] | None:
        return self._storage(owner).reread(owner)

    def reread_after(
        self, owner: ResourceOwner, known: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        return self._storage(owner).reread_after(owner, known)

    def set(self, owner: ResourceOwner, token: Mapping[str, Any]) -> None:
        self._storage(owner).set(owner, token)

    def delete(self, owner: ResourceOwner) -> None:
        self._storage(owner).delete(owner)

    def replace(
        self, owner: ResourceOwner, old: Mapping[str, Any], new: Mapping[str, Any] | None
    ) -> bool:
        return self._storage(owner).replace(owner, old, new)

    def store_refreshed(
        self,
        owner: ResourceOwner,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        until: float,
    ) -> bool:
        return self._storage(owner).store_refreshed(owner, old, new, until)

    def lose(
        self,
        owner: ResourceOwner,
        old: Mapping[str, Any] | None,
        reason: str,
        *,
        wipe: bool = True,
        kept: Mapping[str, Any] | None = None,
    ) -> bool:
        return self._storage(owner).lose(owner, old, reason, wipe=wipe, kept=kept)

    def call_after_commit(
        self, owner: ResourceOwner, function: Callable[[], object], repeat: Callable[[], bool]
    ) -> None:
        self._storage(owner).call_after_commit(owner, function, repeat)

    def find_parked(self, owner: ResourceOwner, old: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return self._storage(owner).find_parked(owner, old)

    def durably(self, owner: ResourceOwner, work: Callable[[], _Result]) -> _Result:
        return self._storage(owner).durably(owner, work)

    def run_alone(
        self,
        owner: ResourceOwner,
        seconds: float,
        work: Callable[[float], _Result],
        look: Callable[[], _Result | None],
    ) -> _Result:
        return self._storage(owner).run_alone(owner, seconds, work, look)

    def lease(self, owner: ResourceOwner, seconds: float) -> AbstractContextManager[None]:
        return self._storage(owner).lease(owner, seconds)

    def keeps_accounts(self, owner: ResourceOwner) -> bool:
        return self._storage(owner).keeps_accounts(owner)

    def accounts(self, owner: ResourceOwner) -> Sequence[str]:
        return self._storage(owner).accounts(owner)

    def places(self, owner: ResourceOwner) -> Sequence[str]:
        return self._storage(owner).places(owner)

    def keeps_default(self, owner: ResourceOwner) -> bool:
        return self._storage(owner).keeps_default(owner)

    def make_default(self, owner: ResourceOwner) -> bool:
        return self._storage(owner).make_default(owner)

    def is_personal(self, owner: ResourceOwner) -> bool:
        return self._storage(owner).is_personal(owner)

    def connections(self, owners: Iterable[ResourceOwner]) -> list[Connection]:
        owners = list(owners)
        in_table = [owner for owner in owners if self._storage(owner) is self._table]
        found = self._table.connections(in_table)
        if self._session is not None:
            found += self._session.connections([o for o in owners if o not in in_table])
        return found

    def stored_accounts(
        self, owner: ResourceOwner
    ) -> Mapping[str, Callable[[], Mapping[str, Any] | None]]:
        return self._storage(owner).stored_accounts(owner)

    def others(self, owner: ResourceOwner, account: str) -> Sequence[Any]:
        return self._storage(owner).others(owner, account)

    def set_granted(
        self,
        owner: ResourceOwner,
        token: Mapping[str, Any],
        known: Mapping[str, Callable[[], Mapping[str, Any] | None]],
        *,
        exclusively: bool,
    ) -> bool:
        return self._storage(owner).set_granted(owner, token, known, exclusively=exclusively)

    def prepare_connection(self, connection: Any, beside: Any) -> None:
        """See :meth:`ModelStorage.prepare_connection`."""
        self._table.prepare_connection(connection, beside)
