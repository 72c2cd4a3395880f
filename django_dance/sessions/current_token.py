"""CurrentToken: the token that a session uses now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import SynchronousOnlyOperation

from .. import forbid_in_templates
from ..storage import visitor_of
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
    #: The visitor's value in the session, for the token of an anonymous visitor.
    _visitor: str | None
    #: The account at the provider, as the session has asked for it with this token.
    _account_info: AccountInfo | None
    #: Whether this session sends a token that was judged as rejected, to see if it is still.
    on_trial: bool

    def __init__(self, session: DanceSession) -> None:
        self._session = session
        self.forget()

    @forbid_in_templates
    def forget(self) -> None:
        """Load the token from the storage when it is needed next."""
        self._set(_NOT_LOADED, None)

    def load(self) -> Token | None:
        """Return the token. It is loaded once, and again if another user has logged in since."""
        try:
            self.check_owner()
            if self._token is _NOT_LOADED:
                owner = self._session.owner
                self._set(Token.of(self._session.storage.get(owner)), owner.user_id)
        except SynchronousOnlyOperation:
            raise SynchronousOnlyOperation(
                "A token cannot be loaded in async code. Await the async version of the method: "
                "aget() for get(), atoken() for token, aauthorized() for authorized, and so on."
            ) from None
        return self._token

    def check_owner(self) -> None:
        """Forget the token if the view has logged another user in, or the user out, since."""
        if self._token is _NOT_LOADED or self._user_id is _NOT_SAVED:
            return
        user_id = self._session.owner.user_id
        if user_id != self._user_id or self._visitor != self._visitor_of(self._token, user_id):
            self._session.forget_token()

    def _visitor_of(self, token: Token | None, user_id: Any) -> str | None:
        # Without a user or a token there is nothing to mix up, and no need to load the session.
        if user_id is not None or token is None or token is _NOT_LOADED:
            return None
        return visitor_of(self._session.http_request)

    @property
    def loaded(self) -> Token | None:
        """The token, if it was loaded for the current owner. The storage is not asked."""
        self.check_owner()
        return None if self._token is _NOT_LOADED else self._token

    @property
    def account_info(self) -> AccountInfo | None:
        """The account at the provider, if the session has asked for it with this token."""
        self.check_owner()
        return self._account_info

    @account_info.setter
    def account_info(self, found: AccountInfo) -> None:
        self._account_info = found

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
        self._token, self._user_id, self._account_info = token, user_id, None
        self._visitor = None if user_id is _NOT_SAVED else self._visitor_of(token, user_id)
        self.on_trial = False
