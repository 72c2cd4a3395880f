"""Accounts: for which one of the owner's a token is, and who may connect it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..conf import settings
from ..exceptions import AuthorizationRequired, DanceError, FlowError, OwnerRequired
from ..signals import token_revoked
from ..tokens import ResourceOwner, Token, same_token

if TYPE_CHECKING:
    from ..providers import AccountInfo
    from ..sessions import DanceSession

logger = logging.getLogger("django_dance")

#: What DANCE_ACCOUNT_CONFLICT may say of an account that another user has connected.
POLICIES = ("refuse", "share", "move")


def connect(session: DanceSession, token: Token) -> None:
    """Keep what a dance has granted, in the place of what the same account had.

    Another account of the owner's gets a place of its own, and becomes the default one.

    :raises FlowError: ``account_taken``: another user has connected it.
        ``account_unknown``: it cannot be told from those that are connected already.
    """
    storage, owner = session.storage, session.owner
    session.carry(token)
    account: AccountInfo | None = None
    known: tuple[str, ...] = ("",)
    if storage.keeps_accounts(owner):
        account, known = _whose(session), tuple(storage.accounts(owner))
        token = session.carried or token  # to ask may have refreshed it
    if account is None and any(known):
        raise FlowError("account_unknown", "the provider did not say whose token it is")
    if account is not None:
        _claim(session, account.id)
    place = owner if account is None else owner.for_account(account.id)
    # One that was not known is taken for the same.
    same = owner if known == ("",) else place if place.account in known else None
    before = storage.reread_token(same) if same is not None else None
    if before is not None:
        # Some providers grant a refresh token to an account once, and not at its next login.
        token = before.successor(token)
    if account is None:
        session.token = token
        return
    token = Token(
        {**token.fields_to_store, "connected_account": account.id, "connected_as": account.label}
    )
    storage.set_token(place, token)
    if (
        place.account not in known
        and settings.account_conflict == "refuse"
        and storage.others(owner, account.id)
    ):
        # Two users at the same moment: neither was there when the other looked.
        storage.replace(place, token, None)
        raise FlowError("account_taken", "another user connects this account just now")
    session.settled(token)


def adopt(session: DanceSession) -> bool:
    """Give the visitor who has logged in the token that was granted before; whether there was one.

    :raises OwnerRequired: nobody is logged in.
    :raises FlowError: as :func:`connect` does; the token stays where it is.
    """
    from django.contrib.auth.models import AnonymousUser

    storage, owner = session.storage, session.owner
    if owner.user_id is None:
        raise OwnerRequired("adopt() is for after the login: there is no user to adopt for.")
    visitor = ResourceOwner(owner.provider, owner.request, AnonymousUser())  # type: ignore[arg-type]
    try:
        token = storage.get_token(visitor)
    except OwnerRequired:  # from a storage that keeps nothing for anonymous visitors
        return False
    if token is None or same_token(storage.reread(owner), token):
        return False  # nothing, or one that belongs to whoever comes
    # First, for the user's own may take the visitor's place.
    storage.delete(visitor)
    try:
        connect(session, token)
    except BaseException:
        if session.carried is not None:  # else it is dead
            storage.set_token(visitor, session.carried)
        raise
    return True


def _whose(session: DanceSession) -> AccountInfo | None:
    if not session.provider.account_id:
        return None
    try:
        return session.account_info()
    except AuthorizationRequired as error:
        raise FlowError("account_unknown", "the provider no longer takes its own token") from error
    except (DanceError, OSError) as error:  # what `requests` raises is an OSError
        logger.warning(
            "%s: it is not known whose token it is: %s",
            session.provider.name,
            error if isinstance(error, DanceError) else type(error).__name__,
        )
        return None


def _claim(session: DanceSession, account: str) -> None:
    """Make sure that the owner may have the account."""
    others = session.storage.others(session.owner, account)
    policy = settings.account_conflict
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
