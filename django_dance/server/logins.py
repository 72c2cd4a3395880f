"""The login that a client demands, with ``prompt=login`` or ``max_age``.

OpenID Connect Core 3.1.2.1, RFC 9470 §4. The demand is met if the user has logged in since the
request. A redirect from the login page does not prove this, because the page may return visitors
who are logged in already.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

from django.contrib.auth.signals import user_logged_in
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import get_random_string
from oauthlib.oauth2.rfc6749 import errors

from ..tokens import is_session_of
from .responses import render_page
from .rows import ClientRow

if TYPE_CHECKING:
    from .authorization import AuthorizationServer
    from .handlers import AuthorizationRequest

#: In the session: a random name and the time of the login.
_SESSION_KEY = "_django_dance_server_login"
#: In the session: the requests whose demand was met, and when; the page of each has a form.
_MET_KEY = "_django_dance_server_demands_met"
#: The parameter of the URL that the login page returns to: the login before the request, signed.
_PARAMETER = "login_before"
#: Seconds for which this parameter is accepted.
_LONGEST = 3600
#: The number of requests whose met demands a session remembers.
_MOST_MET = 10
#: Largest accepted difference between the clocks of two hosts, in seconds.
_LEEWAY = 60


def connect_signals() -> None:
    user_logged_in.connect(_note_login, dispatch_uid="django_dance.server.logins")


def _note_login(sender: Any, user: Any, request: Any = None, **kwargs: Any) -> None:
    session = getattr(request, "session", None)
    if session is not None and is_session_of(session, user):
        session[_SESSION_KEY] = [get_random_string(12), int(time.time())]


def lead_to_login(
    server: AuthorizationServer, request: HttpRequest, asked: AuthorizationRequest
) -> HttpResponseBase | None:
    """Return the response that leads to the demanded login; ``None`` if no login is needed.

    :raises LoginRequired: the request forbids pages, or the site has no sessions.
    """
    if "login" not in asked.prompts and asked.max_age is None:
        return None
    if request.method == "POST" and "log_in_again" in request.POST:
        return _log_out(request)
    session = getattr(request, "session", None)
    name, when = ("", 0) if session is None else session.get(_SESSION_KEY, ("", 0))
    user = server.user_of(request)
    salt = f"django_dance.server.logins {server.name} {asked.uri}"
    if request.method == "POST" and _was_met(session, user, salt):
        return None
    if (
        user.is_authenticated
        and name
        and asked.max_age is not None
        and time.time() - when <= asked.max_age
        and "login" not in asked.prompts
    ):
        _note_met(session, user, salt)
        return None
    if session is None or "none" in asked.prompts:
        raise errors.LoginRequired
    try:
        before, since = signing.loads(request.GET.get(_PARAMETER, ""), salt=salt, max_age=_LONGEST)
    except signing.BadSignature:
        query = request.GET.copy()
        query[_PARAMETER] = signing.dumps([name, int(time.time())], salt=salt)
        return show_login(f"{request.path}?{query.urlencode()}")
    if not user.is_authenticated:
        return show_login(request.get_full_path())
    if name and name != before and when >= since - _LEEWAY:
        _note_met(session, user, salt)
        return None
    name = ClientRow(asked.client).name
    context = {"client": asked.client, "client_name": name, "user": user}
    return render_page(request, "log_in_again.html", context)


def _note_met(session: Any, user: Any, salt: str) -> None:
    """Note that the user has met the demand of a request; its page may be answered for an hour."""
    met = {**session.get(_MET_KEY, {}), _digest(user, salt): int(time.time())}
    session[_MET_KEY] = dict(list(met.items())[-_MOST_MET:])


def _was_met(session: Any, user: Any, salt: str) -> bool:
    """Whether the user was shown the page of a request after the demand was met."""
    met: dict[str, int] = {} if session is None else session.get(_MET_KEY, {})
    return 0 <= time.time() - met.get(_digest(user, salt), 0) <= _LONGEST


def _digest(user: Any, salt: str) -> str:
    return hashlib.sha256(f"{user.pk} {salt}".encode()).hexdigest()[:32]


def _log_out(request: HttpRequest) -> HttpResponseBase:
    from django.contrib.auth import logout

    logout(request)
    return show_login(request.get_full_path())


def show_login(next_url: str) -> HttpResponseBase:
    """Redirect to the login page, which leads on to a URL."""
    from django.contrib.auth.views import redirect_to_login  # it imports models

    return redirect_to_login(next_url)
