"""``request.oauth``: the sessions of one request, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..exceptions import ProviderNotConfigured
from ..providers import providers

if TYPE_CHECKING:
    from django.http import HttpRequest

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

    def adopt(self, *names: str) -> list[str]:
        """Give the user who has just logged in the tokens that the visitor was granted before.

        Call it on purpose, after ``login()``: nothing is carried over by itself, for not everybody
        who logs in on a machine is the one who danced on it before.

        :param names: providers; without any, all of them.
        :returns: the names of those that had a token.
        :raises OwnerRequired: nobody is logged in.
        :raises FlowError: ``account_taken`` or ``account_unknown``; the token stays in the session.
        """
        from ..connections import adopt

        return [name for name in names or providers if adopt(self[name])]

    def __contains__(self, name: object) -> bool:
        return name in providers

    def __iter__(self) -> Iterator[DanceSession]:
        return (self[name] for name in providers)

    def __len__(self) -> int:
        return len(providers)

    def __repr__(self) -> str:
        return f"<OAuth {', '.join(providers)}>"
