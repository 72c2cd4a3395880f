"""CurrentToken: the token that a session uses now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..tokens import Token

if TYPE_CHECKING:
    from ..providers import AccountInfo
    from .base import DanceSession

_NOT_LOADED: Any = object()
#: In place of a user's primary key: the token was just granted and is not stored yet.
_NOT_SAVED: Any = object()


class CurrentToken:
    """The token of one session. It is not loaded yet, saved for a user, or not saved yet."""

    _token: Token | None
    #: The primary key of the user that the token was loaded or saved for.
    _user_id: Any
    #: The account at the provider, as the session has asked for it with this token.
    account_info: AccountInfo | None
    #: Whether this session sends a token that was judged as rejected, to see if it is still.
    on_trial: bool

    def __init__(self, session: DanceSession) -> None:
        self._session = session
        self.forget()

    def forget(self) -> None:
        """Load the token from the storage when it is needed next."""
        self._set(_NOT_LOADED, None)

    def load(self) -> Token | None:
        """Return the token. It is loaded once, and again if another user has logged in since."""
        owner = self._session.owner
        if self._token is not _NOT_LOADED and self._user_id not in (_NOT_SAVED, owner.user_id):
            self._session.forget_token()  # the view has logged another user in, or the user out
        if self._token is _NOT_LOADED:
            self._user_id = owner.user_id
            self._token = Token.of(self._session.storage.get(owner))
        return self._token

    @property
    def loaded(self) -> Token | None:
        """The token, if it was loaded. The storage is not asked."""
        return None if self._token is _NOT_LOADED else self._token

    @property
    def unsaved(self) -> Token | None:
        """The token, if it is not saved yet."""
        return self._token if self._user_id is _NOT_SAVED else None

    def use_unsaved(self, token: Token) -> None:
        """Use a token that is not saved yet, even if another user logs in meanwhile."""
        self._set(token, _NOT_SAVED)

    def replace(self, token: Token) -> None:
        """Use the token that replaces the current one, after a refresh."""
        self._set(token, self._user_id)

    def mark_saved(self, token: Token) -> None:
        """Use a token that the storage has for the current owner."""
        self._set(token, self._session.owner.user_id)

    def _set(self, token: Token | None, user_id: Any) -> None:
        self._token, self._user_id, self.account_info = token, user_id, None
        self.on_trial = False
