"""DanceSession: whose token, and what it is."""

from __future__ import annotations

import logging
from collections import UserDict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async

from ..exceptions import AuthorizationRequired, OwnerRequired, ProviderError
from ..signals import token_revoked
from ..tokens import ResourceOwner, Token, scope_list, sign_scope
from .call_flow import CallingSession, unsigned

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ..providers import AccountInfo, Provider
    from ..storage import BaseStorage

logger = logging.getLogger("django_dance")

_UNSET: Any = object()
#: Whose a token is that a dance was granted and nobody has yet.
_ANYBODY: Any = object()


class Config(UserDict[str, Any]):
    """What a session was told of its owner: ``user`` and ``user_id``. A change counts at once."""

    def __init__(self, changed: Callable[[], None], **fields: Any) -> None:
        super().__init__()
        self.data.update(fields)
        self._changed = changed

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._changed()

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._changed()

    def __ior__(self, other: Any) -> Config:  # type: ignore[override,misc]
        self.update(other)
        return self


class DanceSession(CallingSession):
    """What both kinds of session have. Made by :meth:`Provider.session`, never shared by owners."""

    provider: Provider
    config: Config

    def _bind(self, provider: Provider, owner: ResourceOwner) -> None:
        self.provider = provider
        self.http_request: HttpRequest | None = owner.request
        self._account = owner.account
        self._token: Token | None = _UNSET
        self._token_of: Any = None
        self.config = Config(self._forget_token, user=owner._user, user_id=owner._user_id)
        self._account_info: AccountInfo | None = None
        # Our own Authorization or none: requests must not look into .netrc.
        self.auth = unsigned
        if provider.ca_bundle:
            self.verify = provider.ca_bundle

    # --- whose --------------------------------------------------------------------------------

    @property
    def owner(self) -> ResourceOwner:
        """Whose token this session uses: of now, for a view may log somebody in."""
        return ResourceOwner(
            self.provider,
            self.http_request,
            self.config.get("user"),
            self.config.get("user_id"),
            self._account,
        )

    def for_user(self, user: Any) -> DanceSession:
        """A session for another user.

        :raises OwnerRequired: that is nobody, who must not be taken for the current visitor.
        """
        if user is None or not user.is_authenticated or user.pk is None:
            raise OwnerRequired("for_user() needs a user who is stored and not anonymous.")
        return self.provider.session(self.http_request, user=user)

    @property
    def account_id(self) -> str:
        """The account at the provider that this session acts for; ``""`` if it is not known."""
        token = self._load_token() or Token({})
        return self._account or str(token.get("connected_account") or "")

    @property
    def account_label(self) -> str:
        """What the account is called at the provider, as it was when it was connected."""
        token = self._load_token() or Token({})
        return str(token.get("connected_as") or self.account_id)

    @property
    def accounts(self) -> list[DanceSession]:
        """A session for each account of the owner's, the default one first.

        The default is the one that was danced with last.
        """
        return [self.account(account) for account in self.storage.accounts(self.owner)]

    def account(self, account: str) -> DanceSession:
        """A session for another account of the same owner's.

        :param account: the account's id at the provider; ``""`` is the default one.
        """
        return self.provider.session(
            self.http_request,
            user=self.config.get("user"),
            user_id=self.config.get("user_id"),
            account=account,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.provider.name}>"

    def __reduce__(self) -> Any:
        raise TypeError("A session acts for somebody now; it cannot be pickled. Keep the user.")

    # --- the token ----------------------------------------------------------------------------

    @property
    def storage(self) -> BaseStorage:
        return self.provider.token_storage

    def _forget_token(self) -> None:
        self._token, self._token_of = _UNSET, None
        self._account_info = None
        self.cookies.clear()

    def _load_token(self) -> Token | None:
        owner = self.owner
        if self._token is not _UNSET and self._token_of not in (_ANYBODY, owner.user_id):
            self._forget_token()  # the view has logged somebody else in, or out
        if self._token is _UNSET:
            self._token_of = owner.user_id
            self._token = self.storage.get_token(owner)
        return self._token

    def _present_token(self) -> Token:
        try:
            token = self._load_token()
        except OwnerRequired:  # from a storage that keeps nothing for anonymous visitors
            token = None
        if token is None:
            raise AuthorizationRequired(self.provider)
        return token

    def load_token(self) -> bool:
        """Read the token, if it was not yet; whether there is one."""
        return self._load_token() is not None

    @property
    def token(self) -> Token | None:
        """The owner's token. To set it stores it, to delete it deletes it there."""
        return self._load_token()

    @token.setter
    def token(self, value: Mapping[str, Any] | None) -> None:
        if "provider" not in self.__dict__:
            return  # requests_oauthlib sets an empty token while it is being made
        if value is None:
            del self.token
            return
        token = value if isinstance(value, Token) else Token.granted(value)
        self.storage.set_token(self._place(), token)
        self.settled(token)

    @token.deleter
    def token(self) -> None:
        self.storage.delete(self._place())
        self._forget_token()

    def _place(self) -> ResourceOwner:
        """The owner, with the account that was acted for: another may be the default by now."""
        owner, token = self.owner, self._token
        if token in (None, _UNSET) or not self.storage.keeps_accounts(owner):
            return owner
        return owner.for_account(owner.account or str(token.get("connected_account") or ""))

    @property
    def carried(self) -> Token | None:
        """The token that it uses without having it from the storage, if it does."""
        return self._token if self._token_of is _ANYBODY else None

    def carry(self, token: Token) -> None:
        """Use this token from now on, without storing it, whoever logs in meanwhile."""
        self._token, self._token_of, self._account_info = token, _ANYBODY, None

    def follow(self, token: Token) -> None:
        """Use what took the place of the token that was used until now."""
        self._token, self._account_info = token, None

    def settled(self, token: Token) -> None:
        """Use this token from now on, which the storage has already."""
        self._token, self._token_of, self._account_info = token, self.owner.user_id, None

    @property
    def authorized(self) -> bool:
        """Whether there is a token that can be used now, or after a refresh."""
        token = self._load_token()
        return token is not None and self.provider.usable(token)

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes granted, as far as they are known."""
        token = self._load_token()
        return (token.scopes if token else None) or frozenset()

    def missing_scopes(self, *scopes: str) -> tuple[str, ...]:
        """Those of ``scopes`` that the token was not granted."""
        granted = self.scopes
        return tuple(s for s in scope_list(" ".join(scopes)) if s not in granted)

    def require(self, scope: str | Iterable[str] = ()) -> None:
        """Do nothing if there is a usable token with these scopes.

        :raises AuthorizationRequired: there is not.
        """
        token = self._present_token()
        if not self.provider.usable(token):
            raise AuthorizationRequired(self.provider, "expired")
        missing = self.missing_scopes(*scope_list(scope))
        if missing:
            # To ask again for what the visitor has just refused would never end.
            before = token.get("declined_scope")
            declined = isinstance(before, list) and set(missing) <= set(before)
            reason = "declined_scopes" if declined else "missing_scopes"
            raise AuthorizationRequired(self.provider, reason, missing)

    def disconnect(self) -> None:
        """Revoke the token at the provider, if it has a way, and delete it here in any case."""
        token = self._load_token()
        if token is None:
            del self.token  # there may be one that cannot be read
            return
        owner = self._place()
        # Another request may have refreshed it: it is the living one that must be revoked.
        token = self.carried or self.storage.reread_token(owner) or token
        try:
            self.provider.revoke(owner, token)
        except ProviderError as error:
            logger.warning("%s: the token could not be revoked: %s", self.provider.name, error)
        finally:
            del self.token
        token_revoked.send(
            type(self.provider),
            provider=self.provider,
            request=self.http_request,
            owner=owner,
            reason="disconnected",
        )

    disconnect.alters_data = True  # type: ignore[attr-defined]  # not for templates

    def account_info(self) -> AccountInfo:
        """Who the owner is at the provider. Asked for once, and remembered by this session.

        :raises AuthorizationRequired: there is no usable token.
        :raises ImproperlyConfigured: the provider does not state where to ask.
        :raises InvalidResponse: the provider's answer does not say.
        """
        if self._account_info is None:
            self._account_info = self.provider.account_info(self)
        return self._account_info

    # --- the same for async views ------------------------------------------------------------

    async def aauthorized(self) -> bool:
        return await sync_to_async(lambda: self.authorized)()

    async def atoken(self) -> Token | None:
        return await sync_to_async(lambda: self.token)()

    async def arequire(self, scope: str | Iterable[str] = ()) -> None:
        await sync_to_async(self.require)(scope)

    async def adisconnect(self) -> None:
        await sync_to_async(self.disconnect)()

    async def aaccount_info(self) -> AccountInfo:
        return await sync_to_async(self.account_info)()

    # --- the way to the dance -----------------------------------------------------------------

    @property
    def login_url(self) -> str:
        """The path that begins the dance."""
        return self.get_login_url()

    def get_login_url(self, next: str | None = None, scope: str | Iterable[str] = ()) -> str:
        """The path that begins the dance.

        :param next: a path of this site to end at.
        :param scope: scopes to ask for beyond the provider's own. They are signed, so that
            nobody else can make a link that asks for more.
        """
        query = {"next": next} if next else {}
        scopes = scope_list(scope)
        if scopes:
            query["scope"] = sign_scope(self.provider.name, scopes)
        return self.provider.url("login", **query)

    @property
    def authorization_required(self) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The decorator of this name, for this provider."""
        from ..decorators import authorization_required

        return authorization_required(self.provider.name)

    @property
    def base_url(self) -> str | None:
        """Where relative URLs are joined; for some providers the token says it."""
        return self.provider.base_url_for(self._load_token)

    def ready_token(self) -> Token:
        """A token for the next call, refreshed if it is about to end."""
        return self._present_token()
