"""Refreshing a token: once, whoever asks.

Three things may come of it. A *new* token, which is stored before it is used. A *failure* that may
pass: the old token stays, with a note when to try again, which all processes read. Or the grant is
*dead*: the token is deleted, and nobody asks the provider again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..conf import settings
from ..exceptions import (
    AuthorizationRequired,
    ProviderError,
    ProviderUnavailable,
    TokenRequestRefused,
)
from ..signals import token_refreshed, token_revoked
from ..tokens import REFRESH_FAILURE_FIELDS, ResourceOwner, Token, clean_text, same_token

if TYPE_CHECKING:
    from ..providers import OAuth2Provider
    from ..sessions import OAuth2Session
    from ..storage import BaseStorage

logger = logging.getLogger("django_dance")

#: Seconds that the provider is left alone for after a failure; after the next, twice as many.
FIRST_PAUSE = 5
LONGEST_PAUSE = 300
#: The longest that a provider can ask for by Retry-After.
LONGEST_RETRY_AFTER = 3600


def refreshed(session: OAuth2Session, stale: Token, *, forced: bool = False) -> Token:
    """The token in the place of ``stale``: one stored meanwhile, or a new one, or itself, if it is
    not over yet and cannot be refreshed now.

    :param forced: the API refused ``stale``, though its time is not over. If it cannot be
        refreshed now, it is returned: the API's own answer says more.
    :raises AuthorizationRequired: the provider refused for good; the token is deleted.
    :raises ProviderUnavailable: the provider cannot be asked now, and ``stale`` is over.
    :raises ProviderError: the provider's answer is of no use, and ``stale`` is over.
    """
    try:
        return renewed(session, stale)
    except ProviderError:
        if forced or not stale.expired:
            return stale
        raise


def renewed(session: OAuth2Session, stale: Token) -> Token:
    """The token in the place of ``stale``: one stored meanwhile, or a new one.

    :raises AuthorizationRequired: the provider refused for good; the token is deleted.
    :raises ProviderError: it cannot be refreshed now.
    """
    provider, storage, owner = session.provider, session.storage, session.owner.snapshot()
    if storage.keeps_accounts(owner):
        # The same account to the end, though another one may become the default meanwhile.
        owner = owner.for_account(owner.account or str(stale.get("connected_account") or ""))
    flight = _Flight(provider, storage, owner, stale, carried=session.carried is stale)
    outcome = storage.durably(owner, flight.fly)
    if outcome.token is not None:
        session.follow(outcome.token)
    # Told on this side: a receiver's own writes belong to the transaction that is open here.
    if outcome.dead or outcome.new:
        about = {"provider": provider, "request": session.http_request, "owner": owner}
        if outcome.dead:
            token_revoked.send(type(provider), reason="invalid_grant", **about)
        else:
            token_refreshed.send(type(provider), token=outcome.token, **about)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.token is not None  # noqa: S101  either an error or a token
    return outcome.token


@dataclass(frozen=True)
class _Outcome:
    token: Token | None = None
    error: Exception | None = None
    new: bool = False
    dead: bool = False


@dataclass(frozen=True)
class _Flight:
    """One attempt to put a token in the place of a stale one."""

    provider: OAuth2Provider
    storage: BaseStorage
    owner: ResourceOwner
    stale: Token
    #: Whether a dance has just granted this token, and it is not stored yet.
    carried: bool

    def fly(self) -> _Outcome:
        if self.carried:
            # Nobody else has it. What the storage has is another token, perhaps another account's.
            return self.refresh(self.stale)
        # Longer than a refresh can take: to connect, to shake hands, and to answer.
        with self.storage.lease(self.owner, 3 * float(settings.timeout) + 5):
            token = self.storage.reread_token(self.owner)
            if token is None:
                return self.gone()
            # Some providers grant the same access token again, for longer.
            longer = (token.expires_at or 0) > (self.stale.expires_at or 0)
            if longer or not same_token(token, self.stale):
                return _Outcome(token)
            return self.refresh(token)

    def refresh(self, token: Token) -> _Outcome:
        left = token.retry_at - time.time()
        if 0 < left <= LONGEST_RETRY_AFTER:  # else a clock was wrong
            reason = clean_text(token.get("last_error"))
            return _Outcome(
                error=ProviderUnavailable(
                    f"{self.provider.label} could not refresh the token ({reason}); it is asked "
                    f"again in {left:.0f} seconds.",
                    error=reason,
                )
            )
        try:
            new = self.provider.refresh(self.owner, token)
        except TokenRequestRefused as error:
            if error.error == "invalid_grant":
                return self.died(token, error)
            return self.failed(token, error)
        except ProviderError as error:
            return self.failed(token, error)
        # Stored before it is used: what is not stored is lost to everybody else.
        if not self.carried and not self.storage.replace(self.owner, token, new):
            return self.overtaken(new)
        return _Outcome(new, new=True)

    def died(self, token: Token, error: TokenRequestRefused) -> _Outcome:
        if not self.carried:
            current = self.storage.reread_token(self.owner)
            if current is not None and not same_token(current, token):
                # Somebody else was faster: the refresh token was spent, not dead.
                return _Outcome(current)
            self.storage.replace(self.owner, token, None)
        logger.warning("%s: the refresh token is dead; the token is deleted", self.provider.name)
        # Granted a moment ago: to send the visitor there at once could go on for ever.
        moment_ago = time.time() - token.granted_at < 60
        required = AuthorizationRequired(
            self.provider, "revoked_at_once" if moment_ago else "revoked"
        )
        required.__cause__ = error
        return _Outcome(error=required, dead=True)

    def failed(self, token: Token, error: ProviderError) -> _Outcome:
        logger.warning("%s: the token could not be refreshed: %s", self.provider.name, error)
        failures = min(token.failures, 30) + 1
        pause = min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
        if error.retry_after is not None:
            pause = min(max(pause, error.retry_after), LONGEST_RETRY_AFTER)
        note = (error.error or error.code, failures, int(time.time()) + pause)
        if not self.carried:
            noted = Token(
                {**token.fields_to_store, **dict(zip(REFRESH_FAILURE_FIELDS, note, strict=True))}
            )
            self.storage.replace(self.owner, token, noted)
        return _Outcome(error=error)

    def overtaken(self, new: Token) -> _Outcome:
        """While the provider was asked, the owner disconnected, or connected anew."""
        current = self.storage.reread_token(self.owner)
        if current is not None:
            return _Outcome(current)
        try:
            # Nobody else can: nobody has it.
            self.provider.revoke(self.owner, new)
        except ProviderError as error:
            logger.warning("%s: the token could not be revoked: %s", self.provider.name, error)
        return self.gone()

    def gone(self) -> _Outcome:
        return _Outcome(error=AuthorizationRequired(self.provider, "revoked"))
