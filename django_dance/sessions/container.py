"""``request.oauth``: the sessions of one request. Each is created when it is first used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async

from .. import forbid_in_templates
from ..exceptions import ProviderNotConfigured
from ..providers import providers
from ..tokens import ResourceOwner

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ..storage import BaseStorage
    from ..tokens import Connection
    from . import DanceSession


class OAuth:
    """``request.oauth.github``, ``request.oauth["github"]``, ``"github" in request.oauth``."""

    __slots__ = ("_request", "_sessions")

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._sessions: dict[str, DanceSession] | None = None

    def __getitem__(self, name: str) -> DanceSession:
        """The session of the provider of this name.

        :raises ProviderNotConfigured: there is none.
        """
        if self._sessions is None:
            self._sessions = {}
        session = self._sessions.get(name)
        if session is None:
            session = self._sessions[name] = providers[name].session(self._request)
        return session

    def __getattr__(self, name: str) -> DanceSession:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except ProviderNotConfigured as error:
            raise AttributeError(str(error)) from None

    def connections(self, *names: str) -> list[Connection]:
        """The visitor's connections, in the order of the providers in the settings.

        Those of one provider begin with the default account. Each storage in a database makes one
        query, however many providers there are.

        :param names: the names of providers; without any, all providers whose entry in the settings
            has no mistake.
        """
        owners: dict[int, list[ResourceOwner]] = {}
        storages: dict[int, BaseStorage] = {}
        for name in names or providers.usable():
            provider = providers[name]
            storage = provider.token_storage
            storages[id(storage)] = storage
            owners.setdefault(id(storage), []).append(ResourceOwner(provider, self._request))
        found = [
            connection
            for key, storage in storages.items()
            for connection in storage.connections(owners[key])
        ]
        order = {name: position for position, name in enumerate(providers)}
        return sorted(found, key=lambda connection: order[connection.provider])

    async def aconnections(self, *names: str) -> list[Connection]:
        """Return :meth:`connections`, for async code."""
        return await sync_to_async(self.connections)(*names)

    @forbid_in_templates
    def adopt(self, *names: str) -> list[str]:
        """Give the logged-in user the tokens that were granted before the login.

        Call it after ``login()``. Tokens are not adopted without this call, because the visitor
        who danced and the user who logs in on the same machine may be two people.

        :param names: the names of providers; without any, all providers.
        :returns: the names of the providers that had a token.
        :raises OwnerRequired: no user is logged in.
        :raises FlowError: ``account_taken`` or ``account_unknown``. The token stays in the session.
        """
        from ..connections import adopt

        return [name for name in names or providers if adopt(self[name])]

    def __contains__(self, name: object) -> bool:
        return name in providers

    def __iter__(self) -> Iterator[DanceSession]:
        return (self[name] for name in providers.usable())

    def __len__(self) -> int:
        return len(providers.usable())

    def __repr__(self) -> str:
        return f"<OAuth {', '.join(providers)}>"
