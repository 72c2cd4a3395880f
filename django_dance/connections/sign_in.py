"""Sign-in: a visitor who proves to have an account is logged in as the user who has connected it.

The proof is a dance that the visitor has just completed. The user is found by the account's
permanent id and its issuer, and only in a row that says ``may_sign_in``. A row says so after its
user, logged in a short time ago, has completed a dance or pressed a button for it. No e-mail
address, name or other property of the account is ever compared.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.http import HttpResponseBase

from ..conf import settings
from ..exceptions import FlowError, failure_fields
from ..signals import sign_in_allowed
from ..tokens import ResourceOwner, Token, is_session_of
from .connect import ask_account, store_connection

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ..providers import AccountInfo, Provider
    from ..storage import ModelStorage
    from .session import Session

logger = logging.getLogger("django_dance")

#: The key in the session of the time of the login, in seconds since the epoch.
LOGIN_TIME = "_dance_login_time"


@dataclass(frozen=True)
class ProvenAccount:
    """An account that the visitor has just proved to have, by a dance."""

    provider: Provider
    #: The account's id at the provider.
    id: str
    #: The issuer of the ID token; ``""`` without one.
    issuer: str

    @property
    def user_ids(self) -> list[Any]:
        """The primary keys of the users who sign in with this account."""
        table = _table(self.provider)
        if not self.id or table is None:
            return []
        return table.users_who_sign_in(ResourceOwner(self.provider), self.id, self.issuer)

    @property
    def user_id(self) -> Any:
        """The primary key of the only user who signs in with this account, or ``None``."""
        found = self.user_ids
        return found[0] if len(found) == 1 else None


def _table(provider: Provider) -> ModelStorage | None:
    table = provider.token_storage.model_storage
    return table if table is not None and table.keeps_sign_in else None


def note_login(request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Note the time of a login in its session. It receives ``user_logged_in``."""
    session = getattr(request, "session", None)
    if session is not None and is_session_of(session, user):
        session[LOGIN_TIME] = int(time.time())


def has_recent_login(request: HttpRequest) -> bool:
    """Whether the user has logged in, in this session, in the last ``DANCE_SIGN_IN_LOGIN_AGE``."""
    session, user = getattr(request, "session", None), request.user
    if session is None or not user.is_authenticated or not is_session_of(session, user):
        return False
    at = session.get(LOGIN_TIME)
    return isinstance(at, int) and 0 <= time.time() - at <= float(settings.sign_in_login_age)


# --- allowing it ----------------------------------------------------------------------------------


def allow_sign_in(session: Session) -> bool:
    """Let the logged-in user sign in with the account of the session's token from now on.

    :returns: whether this call has changed it.
    :raises FlowError: ``login_too_old``: the user must log in again first.
        ``sign_in_impossible``: the provider, the storage or the account does not allow sign-in.
    """
    request, provider = session.http_request, session.provider
    table, owner = _table(provider), session.owner
    user = getattr(request, "user", None)
    if (
        not provider.sign_in
        or table is None
        or user is None
        or not user.is_authenticated
        # Not the tokens of another user than the one who is logged in, or of a team.
        or str(owner.user_id) != str(user.pk)
        or not table.is_personal(owner)
    ):
        raise FlowError("sign_in_impossible", "this connection cannot be used for sign-in")
    token = session.token or Token({})
    account = owner.account or str(token.get("connected_account") or "")
    if not token or not account:
        raise FlowError("sign_in_impossible", "the account of the connection is not known")
    if request is None or not has_recent_login(request):
        raise FlowError("login_too_old", "the user has not logged in a short time ago")
    owner = owner.for_account(account)
    if not table.set_sign_in(owner, allowed=True, issuer=provider.account_issuer(token, account)):
        return False
    fields = {"provider": provider, "request": request, "owner": owner, "account": account}
    table.call_once_committed(lambda: sign_in_allowed.send_robust(type(provider), **fields))
    return True


def forbid_sign_in(session: Session) -> bool:
    """Let nobody sign in with the session's account any more; return whether that has changed."""
    table, owner = _table(session.provider), session.owner
    return table is not None and table.set_sign_in(owner, allowed=False)


def allow_after_dance(session: Session) -> None:
    """Do :func:`allow_sign_in` after a dance of the logged-in user, if everything allows it."""
    try:
        allow_sign_in(session)
    except FlowError as error:
        logger.info(
            "%s: not used for sign-in: %s",
            session.provider.name,
            error,
            extra=failure_fields(error, provider=session.provider.name),
        )


# --- signing in -----------------------------------------------------------------------------------


def sign_in_visitor(session: Session, token: Token) -> HttpResponseBase | None:
    """Log the visitor in as the user to whom the account of a new token is connected.

    The token is then stored for this user.

    :param session: the visitor's session. It uses the token.
    :returns: the answer of ``DANCE_SIGN_IN_CHECK``, if it has one. Then nothing has changed.
    :raises FlowError: ``sign_in_unknown``: no user, or more than one, signs in with this account.
        ``sign_in_refused``: ``DANCE_SIGN_IN_CHECK`` refuses the user. ``user_inactive``. Or as
        :func:`store_connection` does.
    """
    from django.contrib.auth import authenticate, login

    request, provider = session.http_request, session.provider
    assert request is not None  # noqa: S101  a dance has a request
    found = ask_account(session)
    if found is None:
        raise FlowError("account_unknown", "the provider did not name the account of the token")
    token = session.current_token.unsaved or token  # asking may have refreshed it
    account = ProvenAccount(provider, found.id, provider.account_issuer(token, found.id))
    is_new = account.user_id is None
    if is_new:
        _sign_up(session, account, found, token)
    user = authenticate(request, connected_account=account)
    if user is None:
        raise FlowError("user_inactive", "the user of this account has been deactivated")
    if user.pk != account.user_id:
        raise FlowError("sign_in_unknown", "another authentication backend has named another user")
    answer = (settings.sign_in_check or refuse_staff)(request, user)
    if isinstance(answer, HttpResponseBase):
        return answer
    if answer is not None:
        raise FlowError("sign_in_refused", "DANCE_SIGN_IN_CHECK refuses this user")
    if not is_new:
        _store_for(user, session, found, token)
    if account.user_id != user.pk:
        # Another user has connected the account meanwhile.
        raise FlowError("sign_in_unknown", "the account belongs to another user now")
    login(request, user)
    session.forget_token()
    return None


def refuse_staff(request: HttpRequest, user: Any) -> HttpResponseBase | bool | None:
    """Refuse the sign-in of staff and superusers. It is the default of ``DANCE_SIGN_IN_CHECK``."""
    # A user model of the site may lack both.
    refused = getattr(user, "is_staff", False) or getattr(user, "is_superuser", False)
    return False if refused else None


def _store_for(
    user: Any, session: Session, found: AccountInfo, token: Token, policy: str = ""
) -> Session:
    """Store a visitor's token for a user, who need not be logged in yet.

    :param policy: as for :func:`store_connection`.
    :raises FlowError: ``sign_in_impossible``: the storage would store it for a team.
    """
    of_user: Session = session.provider.session(session.http_request, user=user)
    table = _table(session.provider)
    if table is None or not table.is_personal(of_user.owner):
        raise FlowError("sign_in_impossible", "the user's connections are those of a team")
    store_connection(of_user, token, found, for_account=found.id, policy=policy)
    return of_user


def _sign_up(session: Session, account: ProvenAccount, found: AccountInfo, token: Token) -> None:
    """Let ``DANCE_SIGN_UP`` create a user for an account, and store the token for the user.

    :raises FlowError: ``sign_in_unknown``: there is no function, it returned no user, or a user has
        connected the account and does not sign in with it.
    """
    from django.contrib.auth import get_user_model

    create, table, request = settings.sign_up, _table(session.provider), session.http_request
    unknown = FlowError("sign_in_unknown", "no user, or more than one, signs in with this account")
    if request is None or create is None or table is None:
        raise unknown
    if table.users_of(ResourceOwner(account.provider), account.id):
        raise unknown
    with transaction.atomic(using=router.db_for_write(get_user_model())):
        with _new_users() as is_new:
            user = create(request, session.provider, found)
        if user is None:
            raise unknown
        if not is_new(user):
            raise ImproperlyConfigured(
                "DANCE_SIGN_UP returned a user who was there before. It may only create users: an "
                "existing user logs in and connects the account, because an e-mail address or a "
                "name does not prove that the visitor is that user."
            )
        # Of two sign-ups with one account at the same time, one must fail: nobody signs in with an
        # account of two users.
        of_user = _store_for(user, session, found, token, "refuse")
        owner = of_user.owner.for_account(account.id)
        table.set_sign_in(owner, allowed=True, issuer=account.issuer)


@contextmanager
def _new_users() -> Iterator[Callable[[Any], bool]]:
    """Return a function that tells whether a user was created, by this thread, in the block."""
    from django.contrib.auth import get_user_model
    from django.db.models.signals import post_save

    created, thread, model = set(), threading.get_ident(), get_user_model()

    def note(instance: Any, **kwargs: Any) -> None:
        # The sender is the class of the instance, which may be a proxy.
        if kwargs["created"] and isinstance(instance, model) and threading.get_ident() == thread:
            created.add(instance.pk)

    post_save.connect(note, weak=False)
    try:
        yield lambda user: user.pk in created
    finally:
        post_save.disconnect(note)
