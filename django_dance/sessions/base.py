"""DanceSession: the resource owner, the token, and the way to the login."""

from __future__ import annotations

import logging
import re
from collections import UserDict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation

from .. import forbid_in_templates
from ..connections import (
    FRESH,
    admit,
    end_connection,
    find_lost_connection,
    is_withheld,
    note_acceptance,
)
from ..exceptions import AuthorizationRequired, OwnerRequired, ProviderError, failure_fields
from ..http import get_guarded_adapter, leave_unsigned
from ..signals import token_revoked
from ..tokens import (
    EXPIRED,
    REJECTED,
    SCOPES,
    ResourceOwner,
    Token,
    check_user,
    clean_text,
    clean_words,
    scope_list,
)
from .call_flow import IDEMPOTENT, CallingSession
from .current_token import CurrentToken

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ..providers import AccountInfo, Provider
    from ..storage import BaseStorage
    from ..tokens import Connection

logger = logging.getLogger("django_dance")

#: The longest list of scopes in a challenge that is read, in characters.
MAX_SCOPE = 2000


class Config(UserDict[str, Any]):
    """The owner of a session: ``user`` and ``user_id``. A change has effect at once."""

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
    """The part that the sessions of OAuth 1 and OAuth 2 share.

    :meth:`Provider.session` creates a session. It belongs to one resource owner.
    """

    provider: Provider
    config: Config

    def _bind(self, provider: Provider, owner: ResourceOwner) -> None:
        self.provider = provider
        self.http_request: HttpRequest | None = owner.request
        self._account = owner.account
        #: The state of the token: not loaded, saved, or not saved yet.
        self.current_token = CurrentToken(self)
        self.config = Config(self.forget_token, user=owner._user, user_id=owner._user_id)
        self.auth = leave_unsigned
        if provider.ca_bundle:
            self.verify = provider.ca_bundle
        if provider.place:
            # A user has chosen the address.
            for scheme in ("https://", "http://"):
                self.adapters[scheme] = get_guarded_adapter()

    # --- the owner ----------------------------------------------------------------------------

    @property
    def owner(self) -> ResourceOwner:
        """The resource owner at this moment: a view may log a user in or out."""
        return ResourceOwner(
            self.provider,
            self.http_request,
            self.config.get("user"),
            self.config.get("user_id"),
            self._account,
        )

    def for_user(self, user: Any) -> DanceSession:
        """Return a session for another user.

        :raises OwnerRequired: the user is ``None``, anonymous or not stored.
        """
        check_user(user)
        if user is None or not user.is_authenticated or user.pk is None:
            raise OwnerRequired("for_user() needs a user who is stored and not anonymous.")
        return self.provider.session(self.http_request, user=user)

    @property
    def account_id(self) -> str:
        """The id of the account at the provider; ``""`` if it is not known."""
        token = self.current_token.load() or Token({})
        return self._account or str(token.get("connected_account") or "")

    @property
    def account_label(self) -> str:
        """The name of the account at the provider, as it was at the time of the dance."""
        token = self.current_token.load()
        if token is not None:
            label = clean_words(token.get("connected_as"))
        else:
            # The provider has ended the grant, or there is no connection.
            connection = self.connection
            label = (connection.label or connection.account) if connection else None
        return label or self.account_id

    @property
    def connection(self) -> Connection | None:
        """The connection of the account; ``None`` if there is none.

        It is read from the storage at each use, and also exists if the user has to connect again.
        """
        return self.storage.connection(self.owner)

    @property
    def accounts(self) -> list[DanceSession]:
        """A session for each account of the owner, the default account first.

        The default account is the one that the owner has chosen, or the one of the latest dance
        that was for no certain account. The list also has the accounts whose
        connection needs to be reconnected: see :attr:`connection`.
        """
        return [self.account(account) for account in self.storage.accounts(self.owner)]

    @forbid_in_templates
    def make_default(self) -> bool:
        """Make the account of this session the owner's default account.

        It stays the default one until the owner chooses another, or ends a dance that was for no
        certain account.

        :returns: whether it is: the owner has connected the account, and the storage keeps the
            choice.
        """
        made: bool = self.storage.make_default(self.owner)
        return made

    def account(self, account: str) -> DanceSession:
        """Return a session for another account of the same owner.

        :param account: the account's id at the provider; ``""`` is the default account.
        """
        return self.provider.session(self.http_request, account=account, **self._named_owner)

    def at(self, place: str) -> DanceSession:
        """Return a session for a place of the provider, such as ``"mastodon.social"``.

        No call is made, and no row is read.

        :param place: the text that a user typed, or a stored place.
        :raises PlaceError: the text is not a place, or ``PLACES`` does not allow it.
        :raises ImproperlyConfigured: the provider has no places, or no ``PLACES``.
        """
        provider = self.provider.at(place, self.http_request)
        return provider.session(self.http_request, **self._named_owner)

    @property
    def place(self) -> str:
        """The place of the provider: one server of many; ``""`` for a provider with one server."""
        return self.provider.place

    def places(self) -> list[str]:
        """Return the places that the owner has connected, that of the latest dance first."""
        owner = self.owner
        return [place for place in self.storage.places(owner) if place]

    async def aplaces(self) -> list[str]:
        """Return :meth:`places`, for async code."""
        return await sync_to_async(self.places)()

    @property
    def _named_owner(self) -> dict[str, Any]:
        return {name: value for name, value in self.config.items() if value is not None}

    def __repr__(self) -> str:
        at = f" at {self.provider.place}" if self.provider.place else ""
        return f"<{type(self).__name__} {self.provider.name}{at}>"

    def __reduce__(self) -> Any:
        raise TypeError("A session cannot be pickled. Pass the primary key of the user instead.")

    # --- the token ----------------------------------------------------------------------------

    @property
    def storage(self) -> BaseStorage:
        """The storage of the provider's tokens."""
        return self.provider.token_storage

    @forbid_in_templates
    def forget_token(self) -> None:
        """Forget the token and the cookies. The token is loaded again when it is needed."""
        self.current_token.forget()
        self.cookies.clear()

    def _required(self, reason: str, missing: Iterable[str] = ()) -> AuthorizationRequired:
        """Return the exception that the owner must authorize the site (again)."""
        return AuthorizationRequired(self.provider, reason, missing, owner=self.owner)

    def _present_token(self, scope: tuple[str, ...] = ()) -> Token:
        """Return the token.

        :param scope: the scopes that a dance must ask for if there is no token.
        :raises AuthorizationRequired: there is none.
        :raises ImproperlyConfigured: the provider has many servers, and the session has no place.
        """
        self.provider.require_place()
        try:
            token = self.current_token.load()
        except OwnerRequired:  # a storage that stores no tokens of anonymous visitors
            token = None
        if token is None:
            raise self._lost(scope)
        if not self._has_active_user():
            raise self._required("user_inactive")
        return token

    def _lost(self, scope: tuple[str, ...] = ()) -> AuthorizationRequired:
        """Return the exception for a connection without a token, with the stored reason."""
        connection = find_lost_connection(self)
        if connection is None:
            return self._required("no_token", scope)
        owner = self.owner.for_account(connection.account)
        return AuthorizationRequired(self.provider, connection.reason, scope, owner=owner)

    def _expired(self, token: Token, scope: tuple[str, ...] = ()) -> AuthorizationRequired:
        """Return the exception for a token that has expired and cannot be refreshed."""
        if not self.provider.is_usable(token):
            end_connection(self, token, EXPIRED, wipe=False)
        return self._required("expired", scope)

    def _has_active_user(self) -> bool:
        """Whether the user is active. A user who is known by the primary key only is not loaded."""
        return getattr(self.owner.user, "is_active", True)

    def load_token(self) -> bool:
        """Load the token, if it is not loaded yet, and return whether there is one."""
        return self.current_token.load() is not None

    @property
    def token(self) -> Token | None:
        """The owner's token. Setting it stores it; deleting it deletes it from the storage."""
        return self.current_token.load()

    @token.setter
    def token(self, value: Mapping[str, Any] | None) -> None:
        if "provider" not in self.__dict__:
            return  # requests_oauthlib sets an empty token in its __init__
        if value is None:
            del self.token
            return
        if not isinstance(value, Mapping):
            raise TypeError(
                f"A token is a dict, and this is a {type(value).__name__}. Write "
                'session.token = {"access_token": …}.'
            )
        token = value if isinstance(value, Token) else Token.granted(value)
        names = self.provider.token_credentials
        missing = [name for name in names if not token.get(name)]
        if missing and not self.provider.is_refreshable(token):
            fields = ", ".join(f'"{name}": …' for name in names)
            raise ValueError(
                f"A token of {self.provider.label} needs {' and '.join(missing)}. Write "
                f"session.token = {{{fields}}}."
            )
        self.storage.set(self._storage_owner(), token.fields_to_store)
        self.current_token.mark_saved(token)

    @token.deleter
    def token(self) -> None:
        self.storage.delete(self._storage_owner())
        self.forget_token()

    def _storage_owner(self) -> ResourceOwner:
        """The owner, with the account of the current token.

        Another account may have become the default one since the token was loaded.
        """
        owner, token = self.owner, self.current_token.loaded
        if token is None or not self.storage.keeps_accounts(owner):
            return owner
        return owner.for_account(owner.account or str(token.get("connected_account") or ""))

    @property
    def authorized(self) -> bool:
        """Whether there is a token that can be used now or after a refresh."""
        token = self.current_token.load()
        return (
            token is not None
            and self.provider.is_usable(token)
            and not self._is_withheld(token)
            and self._has_active_user()
        )

    def _is_withheld(self, token: Token) -> bool:
        """Whether the token is not sent, because the provider has rejected it."""
        return is_withheld(token) and not self.current_token.on_trial

    @property
    def scopes(self) -> frozenset[str]:
        """The granted scopes; empty if they are not known."""
        token = self.current_token.load()
        return (token.scopes if token else None) or frozenset()

    def missing_scopes(self, *scopes: str) -> tuple[str, ...]:
        """Return those of ``scopes`` that were not granted."""
        granted, includes = self.scopes, self.provider.includes_scope
        return tuple(s for s in scope_list(" ".join(scopes)) if not includes(granted, s))

    def require(self, scope: str | Iterable[str] = ()) -> None:
        """Check that there is a usable token with these scopes.

        :raises AuthorizationRequired: there is no usable token, or a scope was not granted.
        """
        needed, configured = scope_list(scope), self.provider.configured_scope
        # A dance asks for these, too, so that the visitor need not dance twice.
        added = tuple(s for s in needed if not self.provider.includes_scope(configured, s))
        token = self._present_token(added)
        if not self.provider.is_usable(token):
            raise self._expired(token, added)
        if self._is_withheld(token):
            raise self._required(REJECTED, added)
        missing = self.missing_scopes(*needed)
        if missing:
            raise self._scopes_required(token, missing)

    def _scopes_required(self, token: Token, missing: tuple[str, ...]) -> AuthorizationRequired:
        # Asking again for scopes that the visitor has just declined would not end.
        before = token.get("declined_scope")
        declined = isinstance(before, list) and set(missing) <= set(before)
        if not declined and set(missing) & set(self.provider.configured_scope):
            # The settings ask for more scopes than at the time of the dance. Scopes that only one
            # view needs are no loss.
            end_connection(self, token, SCOPES, wipe=False)
        return self._required("declined_scopes" if declined else "missing_scopes", missing)

    def _check_challenge(
        self, challenge: dict[str, str], token: Token, method: str
    ) -> AuthorizationRequired | None:
        if challenge["error"] == "insufficient_scope" and method.upper() in IDEMPOTENT:
            scope = clean_text(challenge.get("scope"), MAX_SCOPE) or ""
            missing = self.missing_scopes(scope)
            # If the token has all of them, a new dance would bring nothing.
            return self._scopes_required(token, missing) if missing else None
        if challenge["error"] == "insufficient_user_authentication":
            # RFC 9470 §3
            acr_values = clean_text(challenge.get("acr_values")) or ""
            age = challenge.get("max_age", "")
            max_age = int(age) if re.fullmatch(r"[0-9]{1,9}", age) else None
            asked = {"acr_values": acr_values, "max_age": "" if max_age is None else str(max_age)}
            before = token.get("asked_authentication")
            if before == asked and token.age < FRESH:
                return None  # the dance has just asked for it
            required = self._required("step_up")
            required.acr_values, required.max_age = acr_values, max_age
            return required
        return None

    @forbid_in_templates
    def disconnect(self) -> bool:
        """Revoke the token at the provider, if it offers that, and delete it from the storage.

        If the revocation fails, the token is deleted all the same.

        :returns: ``False`` if the revocation failed, so that the token may still be valid.
        """
        token = self.current_token.load()
        if token is None:
            del self.token  # the storage may have a token that cannot be read
            return True
        owner = self._storage_owner()
        # Another request may have refreshed the token: revoke the one that is valid now.
        token = self.current_token.unsaved or Token.of(self.storage.reread(owner)) or token
        token = Token.of(self.storage.find_parked(owner, token)) or token
        revoked = True
        try:
            self.provider.revoke(owner, token)
        except ProviderError as error:
            revoked = False
            logger.warning(
                "%s: the token could not be revoked: %s",
                self.provider.name,
                error,
                extra=failure_fields(error, provider=self.provider.name),
            )
        finally:
            del self.token
        token_revoked.send(
            type(self.provider),
            provider=self.provider,
            request=self.http_request,
            owner=owner,
            reason="disconnected",
        )
        return revoked

    @forbid_in_templates
    def allow_sign_in(self) -> bool:
        """Let the user sign in with the account of this session from now on.

        :returns: whether this call has changed it.
        :raises FlowError: ``login_too_old``: the user must log in again first.
            ``sign_in_impossible``: the provider, the storage or the account does not allow it.
        """
        from ..connections import allow_sign_in

        return allow_sign_in(self)

    @forbid_in_templates
    def forbid_sign_in(self) -> bool:
        """End :meth:`allow_sign_in`; return whether that has changed anything."""
        from ..connections import forbid_sign_in

        return forbid_sign_in(self)

    def account_info(self) -> AccountInfo:
        """Return the owner's account at the provider. The provider is asked once per token.

        :raises AuthorizationRequired: there is no usable token.
        :raises ImproperlyConfigured: the provider class states no address to ask.
        :raises InvalidResponse: the provider's answer names no account.
        """
        current = self.current_token
        found = current.account_info
        if found is None:
            found = self.provider.account_info(self)
            if self.provider.account_url and current.loaded is not None:
                note_acceptance(self, current.loaded)
            current.account_info = found
        return found

    # --- OAuth 2 and OpenID Connect only ------------------------------------------------------

    @property
    def access_token(self) -> str | None:
        """OAuth 2: the access token as text; ``None`` without a token.

        :raises AttributeError: the provider uses OAuth 1.
        """
        raise AttributeError(
            f"{self.provider.name} uses OAuth 1, whose tokens have no access_token: use "
            'token["oauth_token"].'
        )

    @forbid_in_templates
    def refresh(self, *, within: float | None = None) -> Token:
        """OAuth 2: refresh the token now, or return the token that another process has refreshed.

        :param within: seconds. A token that expires later than that is not refreshed.
        :raises AuthorizationRequired: there is no token, or it cannot be refreshed, or the grant
            is dead.
        :raises ProviderError: the token cannot be refreshed now.
        :raises NotImplementedError: the provider uses OAuth 1, whose tokens do not expire.
        """
        raise NotImplementedError(
            f"{self.provider.name} uses OAuth 1, whose tokens cannot be refreshed."
        )

    @property
    def id_claims(self) -> dict[str, Any]:
        """OpenID Connect: the claims of the ID token, as they were checked at the login.

        :raises AttributeError: the provider is not an OIDCProvider.
        """
        raise AttributeError(self._needs_openid("id_claims"))

    def userinfo(self) -> dict[str, Any]:
        """OpenID Connect: return the claims of the userinfo endpoint (Core 5.3).

        :raises AuthorizationRequired: there is no usable token.
        :raises ProviderError: the call failed; ``IdentityChanged`` if the claims are about another
            subject.
        :raises NotImplementedError: the provider is not an OIDCProvider.
        """
        raise NotImplementedError(self._needs_openid("userinfo()"))

    def logout_url(
        self, return_to: str | None = None, *, id_token_hint: bool | None = None
    ) -> str | None:
        """OpenID Connect: return the address that ends the visitor's session at the provider.

        :param return_to: an absolute URL of this site that is registered at the provider.
        :param id_token_hint: whether the address has the ID token; default: if it is not too long.
            Otherwise it has the name of the account (``logout_hint``).
        :raises NotImplementedError: the provider is not an OIDCProvider.
        """
        raise NotImplementedError(self._needs_openid("logout_url()"))

    def _needs_openid(self, name: str) -> str:
        return (
            f"{name} is for OpenID Connect: the provider class of {self.provider.name} must be a "
            "subclass of OIDCProvider."
        )

    # --- for async views ----------------------------------------------------------------------

    async def aauthorized(self) -> bool:
        """Return :attr:`authorized`, for async code."""
        return await sync_to_async(lambda: self.authorized)()

    async def atoken(self) -> Token | None:
        """Return :attr:`token`, for async code."""
        return await sync_to_async(lambda: self.token)()

    async def arequire(self, scope: str | Iterable[str] = ()) -> None:
        """Do :meth:`require`, for async code."""
        await sync_to_async(self.require)(scope)

    async def aconnection(self) -> Connection | None:
        """Return :attr:`connection`, for async code."""
        return await sync_to_async(lambda: self.connection)()

    @forbid_in_templates
    async def amake_default(self) -> bool:
        """Do :meth:`make_default`, for async code."""
        return await sync_to_async(self.make_default)()

    @forbid_in_templates
    async def adisconnect(self) -> bool:
        """Do :meth:`disconnect`, for async code."""
        return await sync_to_async(self.disconnect)()

    async def aaccount_info(self) -> AccountInfo:
        """Return :meth:`account_info`, for async code.

        The call to ``account_url`` waits in a thread for calls. A provider that makes another call
        for the account, such as that of userinfo, makes it in Django's thread.
        """
        request = await sync_to_async(self._account_request)()
        if request is None:
            return await sync_to_async(self.account_info)()
        method, url, body = request
        return await self._with_protocol_call(self.account_info, method, url, json=body)

    def _account_request(self) -> tuple[str, str, dict[str, Any] | None] | None:
        """The request by which :meth:`account_info` will ask the provider, if it is known."""
        provider = self.provider
        if self.current_token.account_info or not (provider.account_url and provider.account_id):
            return None
        return provider.for_token(self.ready_token()).account_request()

    # --- the login ----------------------------------------------------------------------------

    @property
    def login_url(self) -> str:
        """The path of the login view, which begins the dance."""
        return self.get_login_url()

    def get_login_url(
        self,
        next: str | None = None,
        scope: str | Iterable[str] = (),
        *,
        account: str | None = None,
        prompt: str = "",
        login_hint: str = "",
        acr_values: str | Iterable[str] = "",
        max_age: int | None = None,
    ) -> str:
        """Return the path of the login view, which begins the dance.

        The arguments other than ``next`` are signed, so that a stranger cannot add them to a link.
        Then the link is valid for a day, and for the owner only.

        :param next: the path of this site where the dance ends.
        :param scope: scopes to ask for, in addition to the provider's.
        :param account: the id at the provider of the account that the dance is for. Default: the
            account of the session; ``""`` for any account.
        :param prompt: OAuth 2: the steps that the provider must show, such as ``"login"`` or
            ``"select_account"`` (OpenID Connect Core 3.1.2.1).
        :param login_hint: OAuth 2: the login name that the visitor has at the provider.
        :param acr_values: OAuth 2: the wanted authentication context classes, best first.
        :param max_age: OAuth 2: the longest time, in seconds, since the visitor's last login at
            the provider.
        :raises NotImplementedError: the provider uses OAuth 1, which has no such parameter.
        """
        owner = self.owner if account is None else self.owner.for_account(account)
        return self.provider.get_login_url(
            owner,
            next,
            scope=scope,
            prompt=prompt,
            login_hint=login_hint,
            acr_values=acr_values,
            max_age=max_age,
        )

    @property
    def authorization_required(self) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The decorator ``authorization_required`` for this provider."""
        from ..decorators import authorization_required

        return authorization_required(self.provider.name, place=self.provider.place)

    @property
    def base_url(self) -> str | None:
        """The URL that relative URLs are joined to. For some providers the token names it."""
        return self.provider.base_url_for(self.current_token.load)

    @forbid_in_templates
    def ready_token(self) -> Token:
        """Return a token for the next call, refreshed if it is about to expire."""
        return admit(self, self._present_token())

    @forbid_in_templates
    def fresh_token(self) -> Token | None:
        """Return the token if it is loaded and can be sent as it is. The storage is not asked."""
        try:
            token = self.current_token.loaded
            usable = token is not None and self._has_active_user()
        except SynchronousOnlyOperation:  # in async code the owner may not be known yet
            return None
        if (
            token is None
            or not usable
            or self.provider.is_stale(token)
            or token.verdict == REJECTED
        ):
            return None
        return token if self.provider.is_usable(token) else None


def unsupported(name: str, remedy: str) -> Callable[..., Any]:
    """Return a method in place of one of ``requests_oauthlib`` that would make a call of the dance.

    :param name: the name of the method.
    :param remedy: the way to do the same here.
    """

    def method(self: DanceSession, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"A session does not support {name}(): {remedy}. A dance begins at login_url."
        )

    method.__name__ = name
    method.__doc__ = f"Not supported: {remedy}."
    return method
