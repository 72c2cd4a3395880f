"""Connections and requests for a test, without a dance."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import Client, RequestFactory

from ..connections import store_connection
from ..exceptions import FlowError
from ..providers import AccountInfo, OAuth1Provider, Provider, providers
from ..sessions import DanceSession, OAuth
from ..tokens import Token, scope_list
from .interception import find_fake

#: The fields of a token, if no fake provider grants one and the test names none.
_OAUTH1 = {"oauth_token": "fake-secret-token", "oauth_token_secret": "fake-secret-token-secret"}
_OAUTH2 = {"access_token": "fake-secret-access", "token_type": "bearer"}


def connect(
    user: Any,
    provider: str,
    *,
    token: str | Mapping[str, Any] | None = None,
    account: str | None = None,
    label: str = "",
    scope: str | list[str] | None = None,
    expired: bool = False,
    place: str = "",
) -> DanceSession:
    """Connect a user to a provider, as a dance would, and return the session of the connection.

    If a fake provider is open, it knows the token: it accepts and refreshes it.

    :param user: a user; or, for an anonymous visitor, the ``Client`` of the test or a request.
    :param provider: the provider's name in ``DANCE_PROVIDERS``.
    :param token: the access token, or fields of the token, such as ``{"expires_in": 60}``.
    :param account: the id of the account at the provider; default: the account of the fake
        provider, or no account.
    :param label: the name of the account for people.
    :param scope: the granted scopes; default: those of the settings.
    :param expired: whether the access token has expired.
    :param place: the place of a provider with many servers, as for ``at()``.
    :raises FlowError: ``account_taken``: another user has connected the account.
    :raises PlaceError: the provider has no such place, or the settings do not allow it.
    """
    made, fake = providers[provider].current(), find_fake(provider)
    if place:
        made = made.at(place)
    if account is None:
        account = fake.account_id if fake is not None and made.account_id else ""
    asked = made.configured_scope if scope is None else scope_list(scope)
    granted = " ".join(asked)
    fields = _fields_of(made, token, expired=expired)
    if fake is not None:
        fields = fake.issue(fields, scope=granted, account=account or fake.account_id)
    elif isinstance(made, OAuth1Provider):
        fields = {**_OAUTH1, **fields}
    else:
        fields = {**_OAUTH2, "expires_in": 3600, "scope": granted, **fields}
    request = _request_of(user)
    session = made.session(request) if request is not None else made.session(user=user)
    if account:
        label = label or (fake.label if fake is not None else account)
        try:
            store_connection(session, Token.granted(fields), AccountInfo(account, label, {}))
        except FlowError as error:
            if error.code != "account_taken":
                raise
            raise FlowError(
                error.code,
                f"another user has connected the account {account!r}. Give each user of the test "
                f'an account: connect(user, "{provider}", account="2").',
            ) from error
    else:
        session.token = Token.granted(fields)
    if request is None:
        return made.session(user=user, account=account)
    if isinstance(user, Client):
        request.session.save()
        user.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key or ""
    return made.session(request)


def _fields_of(
    provider: Provider, token: str | Mapping[str, Any] | None, *, expired: bool
) -> dict[str, Any]:
    if isinstance(token, str):
        token = {provider.token_credentials[0]: token}
    return {**({"expires_in": -60} if expired else {}), **(token or {})}


def _request_of(visitor: Any) -> HttpRequest | None:
    """Return the request of a visitor who is not given as a user."""
    if isinstance(visitor, HttpRequest):
        return visitor
    if not isinstance(visitor, Client):
        return None
    request = RequestFactory().get("/")
    request.session = visitor.session
    request.user = AnonymousUser()
    return request


class OAuthRequestFactory(RequestFactory):
    """Django's ``RequestFactory``, whose requests have a session, a user and ``request.oauth``.

    ``OAuthRequestFactory().get("/profile/", user=ada)``
    """

    def request(self, *, user: Any = None, **environ: Any) -> Any:
        """Return a request.

        :param user: the user who is logged in; default: an anonymous visitor.
        """
        request: Any = super().request(**environ)
        request.session = import_module(settings.SESSION_ENGINE).SessionStore()
        request.user = AnonymousUser() if user is None else user

        async def auser() -> Any:
            return request.user

        request.auser = auser
        request.oauth = OAuth(request)
        return request
