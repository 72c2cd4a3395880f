"""Storing the token of a sign-in with another library.

The token is stored when the user is logged in, because until then the sign-in may be aborted. It is
stored in the transaction of the sign-in: if that rolls back, so does the new user. A token that
cannot be stored is logged, and the user is logged in all the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ImproperlyConfigured

from ..connections import ask_account, store_connection
from ..exceptions import DanceError, FlowError, ProviderError, failure_fields
from ..management.sources import Source
from ..management.token_import import NotImported, convert_token
from ..providers import AccountInfo, OIDCProvider, Provider, providers
from ..tokens import REJECTED, ResourceOwner, Token

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ..sessions import DanceSession

logger = logging.getLogger("django_dance")

#: The attribute of a user instance with the function that stores the token after the login.
_PENDING = "_django_dance_store_token"


@dataclass(frozen=True)
class SignIn:
    """A token that another library was granted, and the library's knowledge about it."""

    #: The library, and its name of the provider.
    library: Source
    theirs: str
    #: The fields of the token, as :meth:`Source.token` returns them.
    fields: Mapping[str, Any] = field(repr=False)
    #: The client that the token was granted to.
    client_id: str
    #: The id of the account in the library; ``""`` if it is not known.
    uid: str = ""
    #: The account's name for people.
    label: str = ""
    #: The scopes that were asked for.
    asked: Sequence[str] = ()
    #: A refresh token that the library has from an earlier sign-in. It is used if there is no
    #: other one.
    earlier_refresh_token: str = field(default="", repr=False)


def find_provider(library: Source, theirs: str) -> Provider | None:
    """Return our provider for a provider of the library, or ``None``."""
    name = library.name_here(theirs, {})
    return providers[name] if name else None


def after_login(request: HttpRequest, user: Any, work: Callable[[], object]) -> None:
    """Call ``work`` when this user is logged in: now, or at the end of the login."""
    current = getattr(request, "user", None)
    if current is not None and current.is_authenticated and current.pk == user.pk:
        work()
    else:
        user.__dict__[_PENDING] = work


def _on_login(sender: Any, user: Any, **kwargs: Any) -> None:
    work = user.__dict__.pop(_PENDING, None)
    if work is not None:
        work()


user_logged_in.connect(_on_login, dispatch_uid="django_dance.bridges.sign_in")


def store(sign_in: SignIn, request: HttpRequest, user: Any) -> Token | None:
    """Store the token of a sign-in.

    :param user: the user who is logged in.
    :returns: the token, if the one of the sign-in is stored. A token of ours with scopes that it
        lacks is kept.
    """
    provider = find_provider(sign_in.library, sign_in.theirs)
    if provider is None:
        return None
    try:
        session = provider.session(request, user=user)
        try:
            return _store(sign_in, session)
        finally:
            if (oauth := getattr(request, "oauth", None)) is not None:
                oauth[provider.name].forget_token()
    except (NotImported, DanceError, ImproperlyConfigured, OSError) as error:
        # The exceptions of `requests` are OSErrors.
        known = isinstance(error, (NotImported, DanceError, ImproperlyConfigured))
        logger.warning(
            "%s: the token of a sign-in is not stored: %s",
            provider.name,
            error if known else type(error).__name__,
            extra=failure_fields(error, provider=provider.name),
        )
        return None


def _store(sign_in: SignIn, session: DanceSession) -> Token | None:
    provider = session.provider
    if not session.storage.is_personal(session.owner):
        raise NotImported("the user's connections are those of a team, or of the site")
    token = convert_token(dict(sign_in.fields), provider)
    client_id = provider.get_client_credentials(session.owner).client_id
    if sign_in.client_id != client_id:
        raise NotImported(
            f"it was granted to the client {sign_in.client_id!r}, and {client_id!r} of "
            f"DANCE_PROVIDERS[{provider.name!r}] could not refresh it; use the same client"
        )
    fields = {**token.fields_to_store, "granted_at": int(time.time())}
    token = Token(_with_claims(fields, provider, session.owner))
    session.current_token.use_unsaved(token)
    storage, owner = session.storage, session.owner
    account = _account(sign_in, session) if storage.keeps_accounts(owner) else None
    token_owner = owner if account is None else owner.for_account(account.id)
    before = Token.of(storage.reread(token_owner))
    if before is not None and _has_more_scopes(before, token, sign_in.asked, provider):
        return None
    if sign_in.earlier_refresh_token and not (before and before.get("refresh_token")):
        earlier = {"refresh_token": sign_in.earlier_refresh_token}
        token = Token({**earlier, **token.fields_to_store})
    store_connection(session, token, account)
    return session.token


def _with_claims(
    fields: dict[str, Any], provider: Provider, owner: ResourceOwner
) -> dict[str, Any]:
    """Return the fields with the checked claims of the ID token.

    The library has compared the nonce. An ID token that does not pass our checks is left out.
    """
    if "id_token" not in fields or not isinstance(provider, OIDCProvider):
        return fields
    try:
        client = provider.get_client_credentials(owner)
        claims = provider.verified_claims(fields, client, nonce=None)
    except (FlowError, ProviderError) as error:
        logger.info(
            "%s: the ID token of a sign-in is not stored: %s",
            provider.name,
            error,
            extra=failure_fields(error, provider=provider.name),
        )
        return {name: value for name, value in fields.items() if name != "id_token"}
    return {**fields, "id_claims": claims}


def _account(sign_in: SignIn, session: DanceSession) -> AccountInfo | None:
    """Return the account of the token. The provider is asked if the library has another id."""
    provider = session.provider
    known = bool(sign_in.uid and provider.account_id)
    if known and sign_in.library.has_our_ids(sign_in.theirs, provider):
        account = provider.check_account_id(sign_in.uid)
        return AccountInfo(account, sign_in.label or account, {})
    return ask_account(session)


def _has_more_scopes(before: Token, token: Token, asked: Sequence[str], provider: Provider) -> bool:
    """Whether the earlier token can be used, and has scopes that the new one lacks."""
    if not provider.is_usable(before) or before.verdict == REJECTED:
        return False
    scopes = asked if token.scopes is None else token.scopes
    return bool(scopes) and any(
        not provider.includes_scope(scopes, scope) for scope in before.scopes or ()
    )
