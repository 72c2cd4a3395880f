"""Storing the result of a dance: the account of the token, and its conflicts with other users."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..conf import settings
from ..exceptions import AuthorizationRequired, DanceError, FlowError, OwnerRequired, failure_fields
from ..signals import token_revoked
from ..tokens import ResourceOwner, Token, same_token
from .refresh import lease_seconds

if TYPE_CHECKING:
    from ..providers import AccountInfo
    from .session import Session

logger = logging.getLogger("django_dance")

#: The values of DANCE_ACCOUNT_CONFLICT, for an account that another user has connected.
POLICIES = ("refuse", "share", "move")


def store_connection(
    session: Session,
    token: Token,
    account: AccountInfo | None = None,
    *,
    for_account: str = "",
    policy: str = "",
) -> None:
    """Store the token that a dance has granted, in place of the account's earlier token.

    Each account of an owner has its own token. The account of this dance becomes the default one,
    unless the dance was for one account.

    :param account: the account of the token, if the provider has been asked for it.
    :param for_account: the id at the provider of the account that the dance was for.
    :param policy: one of ``POLICIES``; default: ``DANCE_ACCOUNT_CONFLICT``.
    :raises FlowError: ``account_taken``: another user has connected the account.
        ``account_unknown``: the account is not known, and the owner has connected accounts that
        are known.
    """
    storage, owner = session.storage, session.owner
    policy = policy or settings.account_conflict
    session.current_token.use_unsaved(token)
    known: Mapping[str, Callable[[], Mapping[str, Any] | None]]
    known = {"": lambda: storage.reread(owner)}
    if not storage.keeps_accounts(owner):
        account = None
    else:
        account, known = account or ask_account(session), storage.stored_accounts(owner)
        token = session.current_token.unsaved or token  # asking may have refreshed it
    if account is None and any(known):
        raise FlowError("account_unknown", "the provider did not name the account of the token")
    if account is not None:
        _resolve_conflict(session, account.id, policy)
        names = {"connected_account": account.id, "connected_as": account.label}
        token = Token({**token.fields_to_store, **names})
    token_owner = owner if account is None else owner.for_account(account.id)
    if account is None and storage.keeps_accounts(owner):
        token_owner = owner.for_account(owner.account or str(token.get("connected_account") or ""))
    # The account of an earlier token may not be known.
    earlier = owner if tuple(known) == ("",) else token_owner
    before = None
    if not token.get("refresh_token") or not token.get("scope"):
        stored = known.get("" if earlier is owner else token_owner.account)
        before = Token.of(stored()) if stored else None
        if before is not None and not _is_same_server(before, token):
            before = None
    put = partial(
        _put, session, token_owner, known=known, exclusively=bool(account) and policy == "refuse"
    )
    if before is None or not (
        token_owner.account in filter(None, known) or _is_same(before, token)
    ):
        put(token)
    elif token.get("refresh_token") or not before.get("refresh_token"):
        put(before.successor(token))
    else:
        _put_with_refresh_token_of(earlier, session, token, put)
    if account is not None and any(other not in ("", token_owner.account) for other in known):
        default = (for_account and next(iter(known))) or token_owner.account
        storage.make_default(owner.for_account(default))


def _put(
    session: Session,
    token_owner: ResourceOwner,
    token: Token,
    *,
    known: Mapping[str, Callable[[], Mapping[str, Any] | None]],
    exclusively: bool,
) -> None:
    """Store the token.

    :param token_owner: the owner of the token, with the account if it is known.
    :param known: the accounts that the owner had before.
    :param exclusively: store nothing if another user has the account.
    :raises FlowError: ``account_taken``.
    """
    fields = token.fields_to_store
    if not session.storage.set_granted(token_owner, fields, known, exclusively=exclusively):
        raise FlowError("account_taken", "another user is connecting this account at the same time")
    session.current_token.mark_saved(token)


def _put_with_refresh_token_of(
    earlier: ResourceOwner, session: Session, token: Token, put: Callable[[Token], None]
) -> None:
    """Store the token with the refresh token of the earlier one.

    Some providers grant a refresh token at the first login of an account only. A refresh that runs
    at this moment may use the refresh token up, so this function waits for its end.

    :param earlier: the owner of the earlier token.
    :param put: stores a token.
    """
    storage = session.storage
    with storage.lease(earlier, lease_seconds()):
        before = Token.of(storage.reread(earlier))
        if before is None or not _is_same_server(before, token):
            put(token)
            return
        token = before.successor(token)
        # An open transaction may not see that another process has refreshed the token.
        if storage.replace(earlier, before, token):
            put(token)
        else:
            session.forget_token()


def adopt(session: Session) -> bool:
    """Give the logged-in user the token that was granted before the login.

    :returns: whether there was such a token.
    :raises OwnerRequired: no user is logged in.
    :raises FlowError: as :func:`store_connection` does. The token then stays in the session.
    """
    from django.contrib.auth.models import AnonymousUser

    storage, owner = session.storage, session.owner
    if owner.user_id is None:
        raise OwnerRequired("adopt() needs a logged-in user: call it after login().")
    visitor = ResourceOwner(owner.provider, owner.request, AnonymousUser())  # type: ignore[arg-type]
    try:
        token = Token.of(storage.get(visitor))
    except OwnerRequired:  # a storage that stores no tokens of anonymous visitors
        return False
    if token is None or same_token(storage.reread(owner), token):
        return False  # there is no token, or the storage has one token for all visitors
    # Delete first: with SessionStorage, the user's token may be stored in the same place.
    storage.delete(visitor)
    try:
        store_connection(session, token)
    except BaseException:
        unsaved = session.current_token.unsaved
        if unsaved is not None:  # without it, the grant is dead
            storage.set(visitor, unsaved.fields_to_store)
        session.forget_token()  # the refused token must not be used for the user
        raise
    return True


def _is_same_server(before: Token, token: Token) -> bool:
    """Whether one authorization server has granted both tokens to one client.

    Otherwise a place has another server now, which must not get the earlier refresh token.
    """
    earlier, later = before.get("granted_by") or {}, token.get("granted_by") or {}
    return all(earlier.get(name) == later.get(name) for name in ("issuer", "registration"))


def _is_same(before: Token, token: Token) -> bool:
    """Whether the ID tokens say that both tokens are of one account.

    Otherwise the earlier refresh token might belong to another account, such as one of an attacker
    who has planted the session.
    """
    earlier, claims = before.get("id_claims") or {}, token.get("id_claims") or {}
    return all(claims.get(name) and claims[name] == earlier.get(name) for name in ("iss", "sub"))


def ask_account(session: Session) -> AccountInfo | None:
    """Ask the provider for the account of the token; ``None`` if it is not known.

    :raises FlowError: ``account_unknown``: it rejects the token, or the account's id is not usable.
    """
    if not session.provider.account_id:
        return None
    try:
        return session.account_info()
    except AuthorizationRequired as error:
        raise FlowError("account_unknown", "the provider rejects the token it granted") from error
    except (DanceError, OSError) as error:  # the exceptions of `requests` are OSErrors
        if getattr(error, "code", "") == "account_unknown":
            raise FlowError("account_unknown", str(error)) from error
        logger.warning(
            "%s: the account of the token is not known: %s",
            session.provider.name,
            error if isinstance(error, DanceError) else type(error).__name__,
            extra=failure_fields(error, provider=session.provider.name, code="account_unknown"),
        )
        return None


def _resolve_conflict(session: Session, account: str, policy: str) -> None:
    """Apply a policy to an account that another user has connected."""
    others = session.storage.others(session.owner, account)
    if not others or policy == "share":
        return
    if policy != "move":
        raise FlowError("account_taken", "another user has connected this account")
    for user_id in others:
        owner = ResourceOwner(session.provider, None, user_id=user_id, account=account)
        session.storage.delete(owner)
        token_revoked.send(
            type(session.provider),
            provider=session.provider,
            request=session.http_request,
            owner=owner,
            reason="moved",
        )
