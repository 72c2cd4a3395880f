"""Refreshing a token: once, for all threads, processes and hosts that ask at the same time.

A refresh has one of three results. The provider grants a *new* token, which is stored before it is
used. Or the refresh *fails* for now: the old token stays, with the time of the next attempt, which
all processes read. Or the grant is *dead*: the connection has lost it, the token is wiped, and the
provider is not asked again.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..cache import note_provider_error
from ..conf import settings
from ..exceptions import (
    AuthorizationRequired,
    InvalidResponse,
    ProviderError,
    ProviderUnavailable,
    failure_fields,
)
from ..signals import token_refreshed, token_revoked
from ..telemetry import Observation
from ..tokens import REFUSED, REVOKED, ResourceOwner, Token, clean_text, clean_words, same_token
from .loss import Loss, owner_of

if TYPE_CHECKING:
    from ..providers import OAuth2Provider
    from ..storage import BaseStorage
    from .session import Session

logger = logging.getLogger("django_dance")

#: The pause after a failed refresh, in seconds. It doubles with each failure, up to the longest.
FIRST_PAUSE = 5
LONGEST_PAUSE = 300
#: The longest pause that a provider can ask for by Retry-After, in seconds.
LONGEST_RETRY_AFTER = 3600
#: A provider that has refused to refresh an expired token so many times, over so many seconds, in
#: words that are not known, ends the connection.
MAX_REFUSALS = 5
REFUSED_FOR = 24 * 3600

#: Why a connection ends, for the log, by the reason of ``token_revoked``.
_ENDS = {
    "invalid_grant": "the refresh token is dead",
    "refused": "the refresh was refused for a day",
    "identity_changed": "the refreshed token belongs to another person",
}


def refresh_or_keep(session: Session, stale: Token, *, forced: bool = False) -> Token:
    """Return a usable token instead of ``stale``.

    It is a token that another process has stored, or a refreshed one, or ``stale`` itself if it has
    not expired and cannot be refreshed now.

    :param forced: the API rejected ``stale``, although it has not expired. If it cannot be
        refreshed now, it is returned, and the caller sees the answer of the API.
    :raises AuthorizationRequired: the grant is dead; the token is wiped.
    :raises ProviderUnavailable: the provider cannot be asked now, and ``stale`` has expired.
    :raises ProviderError: the provider's answer is invalid, and ``stale`` has expired.
    """
    try:
        return refresh_token(session, stale)
    except ProviderError:
        if forced or not stale.expired:
            return stale
        raise


def refresh_token(session: Session, stale: Token) -> Token:
    """Return a token that replaces ``stale``: one that another process has stored, or a new one.

    :raises AuthorizationRequired: the grant is dead; the token is wiped.
    :raises ProviderError: the token cannot be refreshed now.
    """
    provider, storage, owner = session.provider, session.storage, owner_of(session, stale)
    unsaved = session.current_token.unsaved is stale
    attempt = _RefreshAttempt(provider, storage, owner, stale, unsaved)
    with Observation("refresh", provider) as observed:
        outcome = attempt.run()
        if outcome.error is not None:
            observed.fail(outcome.error)
        else:
            observed.outcome = "ok" if outcome.new else "already_refreshed"
    if outcome.token is not None:
        session.current_token.replace(outcome.token)
    # Signals are sent outside of run_alone(): the writes of a receiver belong to the caller's
    # transaction.
    if outcome.dead or outcome.new:
        about = {"provider": provider, "request": session.http_request, "owner": owner}
        if outcome.dead:
            token_revoked.send(type(provider), reason=outcome.dead, **about)
            if outcome.loss is not None:
                outcome.loss.announce()
        else:
            token_refreshed.send(type(provider), token=outcome.token, **about)
    if isinstance(outcome.error, ProviderError):
        outcome.error.provider_name = provider.name
    if outcome.error is not None:
        raise outcome.error
    assert outcome.token is not None  # noqa: S101  either an error or a token
    return outcome.token


def lease_seconds() -> float:
    """Return the longest time that the lease of a token is held, in seconds.

    It is longer than a refresh can take: connect, TLS handshake and answer.
    """
    return 3 * float(settings.timeout) + 5


@dataclass(frozen=True)
class _Outcome:
    token: Token | None = None
    error: Exception | None = None
    new: bool = False
    #: The reason of the end of the connection, for the signal; empty if it has not ended.
    dead: str = ""
    #: The loss of the connection, if this process has stored it.
    loss: Loss | None = None


@dataclass(frozen=True)
class _RefreshAttempt:
    """One attempt to replace a stale token."""

    provider: OAuth2Provider
    storage: BaseStorage
    owner: ResourceOwner
    stale: Token
    #: Whether the stale token is not stored yet, because a dance has just granted it.
    unsaved: bool

    def run(self) -> _Outcome:
        if self.unsaved:
            # No other process has this token. The storage may have a token of another account.
            return self._refresh(self.stale, 0)
        return self.storage.run_alone(self.owner, lease_seconds(), self._run_alone, self._look)

    def _look(self) -> _Outcome | None:
        """Return the outcome if another process has stored or ended the token meanwhile."""
        token = Token.of(self.storage.reread_after(self.owner, self.stale))
        if token is None:
            return self._token_is_gone()
        return _Outcome(token) if self._is_newer(token) else None

    def _is_newer(self, token: Token) -> bool:
        # Some providers grant the same access token again, with a later expiry.
        longer = (token.expires_at or 0) > (self.stale.expires_at or 0)
        return longer or not same_token(token, self.stale)

    def _run_alone(self, until: float) -> _Outcome:
        token = Token.of(self.storage.reread_after(self.owner, self.stale))
        if token is None:
            return self._token_is_gone()
        if self._is_newer(token):
            return _Outcome(token)
        parked = Token.of(self.storage.find_parked(self.owner, token))
        if parked is not None and self.storage.store_refreshed(self.owner, token, parked, until):
            # Another process was granted it, and could not store it.
            if not self.provider.is_stale(parked):
                return _Outcome(parked)
            token = parked
        return self._refresh(token, until)

    def _refresh(self, token: Token, until: float) -> _Outcome:
        """Ask the provider.

        :param until: the end of the lease, on the monotonic clock.
        """
        left = token.retry_at - time.time()
        if 0 < left <= LONGEST_RETRY_AFTER:  # a longer pause comes from a wrong clock
            reason = clean_text(token.get("last_error"))
            held = ProviderUnavailable(
                f"{self.provider.label} could not refresh the token ({reason}). The next "
                f"attempt is in {left:.0f} seconds.",
                error=reason,
                error_description=clean_words(token.get("last_error_description")),
            )
            held.retry_after = math.ceil(left)
            return _Outcome(error=held)
        try:
            new = self.provider.refresh(self.owner, token)
        except ProviderError as error:
            if self.provider.meaning_of(error) == "dead":
                return self._end_connection(token, error)
            return self._note_failure(token, error, until)
        # The new token is stored before it is used, and before its ID token is checked: other
        # processes could not get it otherwise, and the old refresh token may be used up.
        stored = self.provider.keep_identity(token, new)
        if not self._replace(token, stored, until):
            return self._handle_concurrent_change(new)
        try:
            checked = self.provider.check_refreshed(self.owner, token, new)
        except InvalidResponse as error:
            return self._end_connection(stored, error, "identity_changed")
        changed = checked.fields_to_store != stored.fields_to_store
        if changed and not self._replace(stored, checked, until):
            return self._handle_concurrent_change(checked)
        return _Outcome(checked, new=True)

    def _replace(self, old: Token, new: Token, until: float) -> bool:
        return self.unsaved or self.storage.store_refreshed(self.owner, old, new, until)

    def _end_connection(
        self, token: Token, error: ProviderError, reason: str = "invalid_grant"
    ) -> _Outcome:
        loss = None
        stored_reason = REFUSED if reason == "refused" else REVOKED
        if not self.unsaved:
            current = Token.of(self.storage.reread_after(self.owner, token))
            if current is not None and not same_token(current, token):
                # Another process has refreshed the token: its refresh token was used up, not dead.
                return _Outcome(current)
            loss = Loss.of(self.storage, self.owner, token, stored_reason)
        logger.warning(
            "%s: %s; the token is wiped: %s",
            self.provider.name,
            _ENDS.get(reason, reason),
            error,
            extra=failure_fields(error, provider=self.provider.name),
        )
        # If the grant dies right after the dance, a redirect to the login could loop for ever.
        just_granted = time.time() - token.granted_at < 60
        if just_granted and stored_reason == REVOKED:
            stored_reason = "revoked_at_once"
        required = AuthorizationRequired(self.provider, stored_reason, owner=self.owner)
        required.__cause__ = error
        return _Outcome(error=required, dead=reason, loss=loss)

    def _note_failure(self, token: Token, error: ProviderError, until: float) -> _Outcome:
        now = int(time.time())
        refusals, since = token.refusals, token.refused_since
        # A word that says nothing about time or about this site cannot mean "try later" for ever.
        meaning = self.provider.meaning_of(error)
        if token.expired and meaning in ("unknown", "cancelled", "pending"):
            refusals, since = refusals + 1, since if refusals else now
            if refusals >= MAX_REFUSALS and now - since >= REFUSED_FOR:
                return self._end_connection(token, error, "refused")
        logger.warning(
            "%s: the token could not be refreshed: %s",
            self.provider.name,
            error,
            extra=failure_fields(error, provider=self.provider.name),
        )
        note_provider_error(self.provider.name, error)
        failures = min(token.failures, 30) + 1
        pause = min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
        if error.retry_after is not None:
            pause = min(max(pause, error.retry_after), LONGEST_RETRY_AFTER)
        note = {
            "last_error": error.error or error.code,
            # A session in a cookie has little room.
            "last_error_description": (error.error_description or "")[:100],
            "failures": failures,
            "retry_at": now + pause,
            "refusals": refusals,
            "refused_since": since,
        }
        self._replace(token, Token({**token.fields_to_store, **note}), until)
        error.retry_after = pause
        return _Outcome(error=error)

    def _handle_concurrent_change(self, new: Token) -> _Outcome:
        """Return the outcome if the owner has disconnected or connected again meanwhile."""
        current = Token.of(self.storage.reread(self.owner))
        if current is not None:
            return _Outcome(current, new=same_token(current, new))
        try:
            # Only this process has the new token, so it must revoke it.
            self.provider.revoke(self.owner, new)
        except ProviderError as error:
            logger.warning(
                "%s: the token could not be revoked: %s",
                self.provider.name,
                error,
                extra=failure_fields(error, provider=self.provider.name),
            )
        return self._token_is_gone()

    def _token_is_gone(self) -> _Outcome:
        connection = self.storage.connection(self.owner)
        reason = (connection and connection.reason) or REVOKED
        return _Outcome(error=AuthorizationRequired(self.provider, reason, owner=self.owner))
