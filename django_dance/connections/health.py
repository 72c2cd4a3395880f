"""Health: what follows when the API refuses a token.

A 401 of an API has one of three causes. The token is over: a refresh replaces it. The grant is
over, and the provider has no refresh token for us to find that out: then ``account_url`` refuses
the token, too, and the user must connect again. Or it is the API's own answer, such as that of an
API which wants another audience: then the caller gets it.

The verdict is stored with the token, with its time, so that the next refused call costs neither a
refresh nor a question. It never deletes the token, because a provider that is out of order answers
401 as well. A rejected token is not sent, except for a trial from time to time.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS, Error

from ..cache import ask_cache, cache_name, increment
from ..conf import settings
from ..exceptions import (
    AuthorizationRequired,
    ProviderError,
    StorageError,
    UntrustedOrigin,
    failure_fields,
)
from ..tokens import REJECTED, UNREADABLE, VERDICT_FIELDS, Connection, Token, same_token
from .loss import Loss, end_connection, is_in_use, owner_of
from .refresh import refresh_or_keep

if TYPE_CHECKING:
    import requests

    from .session import Session

logger = logging.getLogger("django_dance")

#: A token that was granted in the last seconds is not refreshed: a new one would be refused, too.
#: Of a token with a short lifetime, only the first half is so fresh: it may expire on its way.
FRESH = 60
#: The verdicts besides ``REJECTED``, and the seconds for which they hold. Meanwhile the caller gets
#: the API's answer. The 401 is the API's own; or too many tokens are rejected; or the answer was
#: not clear.
API_ONLY, HELD_BACK, UNCLEAR = "api_only", "held_back", "unclear"
HOLDS = {API_ONLY: 3600, HELD_BACK: 600, UNCLEAR: 60}
#: Not yet a verdict: a refused call has brought this token by a refresh, and was not repeated. For
#: this many seconds, the next refused call does not refresh it again, and is judged.
REPLACED, REPLACED_HOLDS = "replaced", 3600
#: The pauses before a rejected token is sent again, in seconds. The last one is repeated.
TRIAL_PAUSES = (3600, 24 * 3600)
#: Verdicts are held back if, in this many seconds, more tokens of a provider than this number are
#: rejected, and more than a tenth of all.
WINDOW, FEW = 600, 10
#: The log line then, by the reason of the losses.
_TOO_MANY = {
    REJECTED: (
        "%s: %d tokens were rejected in %d minutes. The provider may be out of order, so no "
        "further token is judged as rejected for now; the callers get the API's answers."
    ),
    UNREADABLE: (
        "%s: no configured key opens %d tokens that were used in %d minutes. A key may be missing, "
        "so no further connection is marked as unreadable for now. See DANCE_ENCRYPTION_KEYS."
    ),
}


def is_withheld(token: Token) -> bool:
    """Whether the token was rejected, and no trial is due."""
    if token.verdict != REJECTED:
        return False
    pause = TRIAL_PAUSES[min(token.trials, len(TRIAL_PAUSES) - 1)]
    return 0 <= token.verdict_age < pause


def admit(session: Session, token: Token) -> Token:
    """Return the token for the next call. For a rejected token, a trial begins if it is due.

    :raises AuthorizationRequired: the token was rejected, and no trial is due.
    """
    if token.verdict != REJECTED or session.current_token.on_trial:
        return token
    if not is_withheld(token):
        noted = session.storage.run_alone(
            owner_of(session, token),
            float(settings.timeout),
            lambda until: _note(session, token, {"trials": token.trials + 1}, only_if=_is_due),
            lambda: None,
        )
        if noted is not None:
            session.current_token.on_trial = noted.verdict == REJECTED
            return noted
    raise AuthorizationRequired(session.provider, REJECTED, owner=session.owner)


def _is_due(token: Token) -> bool:
    return token.verdict == REJECTED and not is_withheld(token)


def replace_refused_token(session: Session, refused: Token) -> Token | None:
    """Return the token to use after the API has refused one.

    It is a token that another process has stored, or a refreshed one, or the same one, if it is the
    only one and its refusal must be judged. It is ``None`` if nothing can be done: a verdict holds,
    the token cannot be refreshed now, or it was deleted.

    :raises AuthorizationRequired: the refresh token is dead; the token is wiped.
    """
    if _has_verdict(refused):
        return None
    if session.current_token.unsaved is not refused:
        owner = owner_of(session, refused)
        stored = Token.of(session.storage.reread_after(owner, refused))
        if stored is None or not same_token(stored, refused):
            if stored is not None:
                session.current_token.replace(stored)
            return stored
        if _has_verdict(stored):
            return None
    if (
        not session.provider.is_refreshable(refused)
        or _is_fresh(refused)
        or refused.verdict == REJECTED
        or (refused.verdict == REPLACED and 0 <= refused.verdict_age < REPLACED_HOLDS)
    ):
        return refused
    token = refresh_or_keep(session, refused, forced=True)
    return None if token is refused else token


def _is_fresh(token: Token) -> bool:
    """Whether the token cannot have expired yet, although the API refuses it."""
    return token.age < (FRESH if token.lifetime is None else min(FRESH, token.lifetime / 2))


def note_replacement(session: Session, token: Token) -> None:
    """Note that a refused call has brought this token, which it could not try."""
    _note(session, token, {"verdict": REPLACED})


def _has_verdict(token: Token) -> bool:
    """Whether a verdict holds by which the caller gets the API's answer."""
    return 0 <= token.verdict_age < HOLDS.get(token.verdict, 0)


def question(session: Session, token: Token) -> tuple[str, str, dict[str, Any] | None] | None:
    """Return the request for the account of a token: its method, its URL, and the JSON body.

    There is none for a token that was never accepted there: a token for another audience, or
    without the profile scope, is always refused.
    """
    if not _was_accepted(session, token):
        return None
    try:
        request = session.provider.for_token(token).account_request()
        if request is None:
            return None
        method, url, body = request
        return method, session.absolute_url(url), body
    except (ProviderError, UntrustedOrigin):
        return None


def judge(session: Session, token: Token, status: int | None, asked: bool) -> None:
    """Store the verdict about a token that the API has refused.

    :param status: the answer to the :func:`question`.
    :param asked: whether there was a question.
    :raises AuthorizationRequired: the token is rejected.
    """
    if asked and status is None:
        verdict = UNCLEAR
    elif status != 401:
        verdict = API_ONLY
    elif _loses_too_many(session, token, REJECTED):
        verdict = HELD_BACK
    else:
        verdict = REJECTED
    if not asked and not session.provider.is_refreshable(token):
        return  # the next refused call costs nothing
    trials = token.trials if verdict == token.verdict == REJECTED else 0
    # A verdict that proves nothing does not replace a rejection, such as that of another thread.
    proves = verdict not in (UNCLEAR, HELD_BACK)
    noted = _note(
        session,
        token,
        {"verdict": verdict, "trials": trials},
        only_if=lambda current: proves or current.verdict != REJECTED,
    )
    if verdict != REJECTED or noted is None or noted.verdict != REJECTED:
        return
    name = session.provider.name
    logger.warning(
        "%s: the API and the account's address refuse the token; the user must connect again",
        name,
        extra={"code": REJECTED, "provider": name},
    )
    # If the token is refused right after the dance, a redirect to the login could loop for ever.
    just_granted = time.time() - token.granted_at < FRESH
    reason = "revoked_at_once" if just_granted else REJECTED
    raise AuthorizationRequired(session.provider, reason, owner=session.owner)


def find_lost_connection(session: Session) -> Connection | None:
    """Return the connection of a session without a token, if the row says why there is none.

    A row that does not say it has a token that no configured key opens. That is stored, unless
    there are many such tokens: then this site's keys are the cause.
    """
    connection = session.storage.connection(session.owner)
    if connection is None or not is_in_use(connection):
        return connection
    if not _loses_too_many(session, None, UNREADABLE):
        end_connection(session, None, UNREADABLE, wipe=False)
    connection = session.storage.connection(session.owner)
    return None if connection is None or is_in_use(connection) else connection


def _loses_too_many(session: Session, token: Token | None, reason: str) -> bool:
    """Count a loss, and return whether there are so many that the connections are not the cause.

    A connection counts once in :data:`WINDOW`, even if many threads find the loss at once.

    :param reason: ``"rejected"``, of which the provider may be the cause, or ``"unreadable"``, of
        which this site may be the cause.
    """
    provider, table = session.provider, session.storage.model_storage
    # One place that is out of order says nothing about the other places.
    server = [provider.name, *filter(None, [provider.place])]
    using = DEFAULT_DB_ALIAS if table is None else table.using
    key = f"django_dance:lost:{reason}:{cache_name(using, *server)}"

    def ask(function: Callable[[Any], Any], otherwise: Any) -> Any:
        effect = f"the connections that become {reason} are not counted"
        return ask_cache(settings.cache or "default", function, otherwise, effect=effect)

    owner = hashlib.sha256(str(owner_of(session, token).key).encode()).hexdigest()[:32]

    def count(cache: Any) -> int:
        cache.add(key, 0, WINDOW)
        if not cache.add(f"{key}:{owner}", 1, WINDOW):
            return int(cache.get(key) or 1)
        return increment(cache, key, WINDOW)

    verdicts = ask(count, 1)
    if verdicts < FEW:
        return False
    if table is not None:
        connections = ask(
            lambda cache: cache.get_or_set(f"{key}:of", lambda: table.count(*server), WINDOW),
            0,
        )
        if verdicts <= connections / 10:
            return False
    if ask(lambda cache: cache.add(f"{key}:logged", 1, WINDOW), True):
        logger.error(
            _TOO_MANY[reason],
            provider.name,
            verdicts,
            WINDOW // 60,
            extra={"code": f"too_many_{reason}", "provider": provider.name},
        )
    return True


def note_answer(
    session: Session, token: Token, response: requests.Response
) -> Callable[[], object] | None:
    """Return a function that notes a successful answer with the token, if there is need to.

    A rejected token is accepted again, or the address of the account has accepted a token for the
    first time.
    """
    if not response.ok:
        return None
    if token.verdict == REJECTED:
        return partial(_forget_verdict, session, token)
    if not _was_accepted(session, token) and _names_account(session, token, response):
        return partial(note_acceptance, session, token)
    return None


def _names_account(session: Session, token: Token, response: requests.Response) -> bool:
    """Whether the answer is that of ``account_url``, and names an account."""
    provider = session.provider
    # An answer that is streamed has not been read.
    if not provider.account_url or response.history or not response._content_consumed:  # type: ignore[attr-defined]
        return False
    request = response.request
    try:
        asked = provider.for_token(token).account_request()
        if asked is None or request.method != asked[0] or not request.url:
            return False
        sent_to, _, _ = request.url.partition("?")
        address, _, _ = session.absolute_url(asked[1]).partition("?")
        return sent_to == address and provider.names_account(response.json())
    except (UntrustedOrigin, ValueError, RecursionError):
        return False


def note_acceptance(session: Session, token: Token) -> None:
    """Note that the provider has named the account to a call with this token."""
    if not _was_accepted(session, token):
        try:
            _note(session, token, {"account_accepted": True})
        except (StorageError, Error) as error:
            # The call has succeeded. The next one may note it.
            logger.info(
                "%s: not noted with the token: %s",
                session.provider.name,
                error,
                extra=failure_fields(error, provider=session.provider.name, code=StorageError.code),
            )


def _was_accepted(session: Session, token: Token) -> bool:
    """Whether the provider has named the account to a call of this connection."""
    # A dance that stored a label has asked for the account.
    return bool(
        token.get("account_accepted")
        or (session.provider.account_url and token.get("connected_as"))
    )


def _forget_verdict(session: Session, token: Token) -> None:
    _note(session, token, dict.fromkeys(VERDICT_FIELDS))


def _note(
    session: Session,
    token: Token,
    fields: Mapping[str, Any],
    *,
    only_if: Callable[[Token], bool] = lambda token: True,
) -> Token | None:
    """Store our own fields with a token, and return the token that is stored then.

    :param fields: the fields; ``None`` removes one. With a verdict, or a trial, its time is stored.
    :param only_if: a condition for the token as it is stored now.
    :returns: ``None`` if there is no token, or the condition is false.
    """
    if "verdict" in fields or "trials" in fields:
        fields = {"verdict_at": int(time.time()), **fields}

    def noted(token: Token) -> Token:
        merged = {**token.fields_to_store, **fields}
        return Token({name: value for name, value in merged.items() if value is not None})

    if session.current_token.unsaved is token:
        session.current_token.use_unsaved(noted(token))
        return session.current_token.unsaved
    owner, storage = owner_of(session, token), session.storage

    def write() -> tuple[Token | None, Loss | None]:
        current = Token.of(storage.reread_after(owner, token))
        if current is None or not same_token(current, token):
            return current, None
        if not only_if(current):
            return None, None
        new = noted(current)
        if new.verdict == REJECTED and current.verdict != REJECTED:
            loss = Loss.of(storage, owner, current, REJECTED, wipe=False, kept=new)
            return Token.of(storage.reread(owner)), loss
        replaced = storage.replace(owner, current, new)
        return (new if replaced else Token.of(storage.reread(owner))), None

    stored, loss = storage.durably(owner, write)
    if loss is not None:
        loss.announce()
    if stored is not None:
        session.current_token.replace(stored)
    return stored
