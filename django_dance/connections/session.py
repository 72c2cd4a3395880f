"""The session, as this room sees it: an argument of its functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ..providers import AccountInfo
    from ..storage import BaseStorage
    from ..tokens import ResourceOwner, Token


class CurrentToken(Protocol):
    """The token that a session uses now: :class:`django_dance.sessions.CurrentToken`."""

    on_trial: bool

    @property
    def unsaved(self) -> Token | None: ...

    def use_unsaved(self, token: Token) -> None: ...

    def replace(self, token: Token) -> None: ...

    def mark_saved(self, token: Token) -> None: ...


class Session(Protocol):
    """A session of one resource owner: :class:`django_dance.sessions.DanceSession`."""

    http_request: HttpRequest | None

    @property
    def provider(self) -> Any: ...

    @property
    def owner(self) -> ResourceOwner: ...

    @property
    def storage(self) -> BaseStorage: ...

    @property
    def current_token(self) -> CurrentToken: ...

    @property
    def token(self) -> Token | None: ...

    @token.setter
    def token(self, value: Any) -> None: ...

    def forget_token(self) -> None: ...

    def absolute_url(self, url: str) -> str: ...

    def account_info(self) -> AccountInfo: ...
