"""The provider of the soak: each refresh token is good once, and access tokens live for seconds.

It plays the provider "Notebook" of the example site, in the process of the soak, which is never
killed. If a refresh token is used a second time, it ends the grant (RFC 9700 §4.14.2).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import threading
import time
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

from ..loopback import Loopback, Received
from .journal import Refresh

#: Seconds that an access token lives.
LIFETIME = 3
#: The longest time that a refresh takes at the provider, in seconds.
SLOWEST = 0.8

Response = tuple[int, dict[str, str], str]


@dataclass
class Grant:
    """The permission that an account gave in one dance, and the tokens that came of it."""

    account: str
    ended: bool = False
    #: Used refresh token → the refresh that used it up.
    used: dict[str, Refresh] = field(default_factory=dict)
    #: The refresh whose refresh token was sent again.
    reused: Refresh | None = None


class Provider(Loopback):
    """Grants tokens. A browser is logged in to the account whose name it sends (RFC 7617).

    :param seed: decides how long each refresh takes.
    :param lifetime: how long an access token lives, in seconds.
    """

    def __init__(self, seed: int, lifetime: float = LIFETIME) -> None:
        super().__init__()
        self._lifetime = lifetime
        self._seed, self._numbers = seed, itertools.count()
        self._lock = threading.Lock()
        self._codes: dict[str, Grant] = {}
        self._refresh_tokens: dict[str, Grant] = {}
        #: Access token → its grant, and the time at which it expires.
        self._access_tokens: dict[str, tuple[Grant, float]] = {}
        self._latest_grants: dict[str, Grant] = {}
        self._grants: list[Grant] = []
        self._being_answered: list[Refresh] = []

    # --- for the soak -----------------------------------------------------------------------------

    def find_reused_refresh(self, account: str) -> Refresh | None:
        """The refresh whose token was reused, which ended the account's latest grant."""
        with self._lock:
            grant = self._latest_grants.get(account)
            return grant and grant.reused

    def end_grant(self, account: str) -> None:
        """End the account's latest grant, as its user can do on a page of the provider."""
        with self._lock:
            if account in self._latest_grants:
                self._latest_grants[account].ended = True

    def count_ended_grants(self) -> int:
        with self._lock:
            return sum(grant.ended for grant in self._grants)

    def wait_for_refresh(self, seconds: float) -> Refresh | None:
        """Return a refresh that is not answered yet; ``None`` if none arrives in this time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(IndexError):
                return self._being_answered[-1]
            time.sleep(0.01)
        return None

    # --- HTTP -------------------------------------------------------------------------------------

    def answer(self, received: Received) -> Response:
        match received.path.strip("/").split("/"):
            case ["notebook", "authorize"]:
                return self._authorize(received)
            case ["notebook", "token", worker]:
                return self._grant_token(dict(received.form), int(worker))
            case ["notebook", "revoke"]:
                return self._revoke(dict(received.form))
            case ["notebook", "api", "me"]:
                return self._tell_account(received.headers.get("Authorization", ""))
        return 404, {}, ""

    def _authorize(self, received: Received) -> Response:
        """Redirect back with a code. A user who is logged in here gives permission at once."""
        _, _, credentials = received.headers["Authorization"].partition(" ")
        account = b64decode(credentials).decode().partition(":")[0]
        query = dict(received.query)
        code = self._new_token("code", account)
        with self._lock:
            self._codes[code] = Grant(account)
        parameters = {"code": code, "state": query["state"], "iss": self.url}
        return 302, {"Location": f"{query['redirect_uri']}?{urlencode(parameters)}"}, ""

    def _grant_token(self, form: dict[str, str], worker: int) -> Response:
        if form["grant_type"] == "authorization_code":
            return self._exchange(form["code"])
        return self._refresh(form["refresh_token"], worker)

    def _exchange(self, code: str) -> Response:
        with self._lock:
            grant = self._codes.pop(code, None)
            if grant is None:
                return _error("invalid_grant")
            self._latest_grants[grant.account] = grant
            self._grants.append(grant)
        return _json(self._new_tokens(grant))

    def _refresh(self, token: str, worker: int) -> Response:
        with self._lock:
            grant = self._refresh_tokens.get(token)
            if grant is None or grant.ended:
                return _error("invalid_grant")
            if token in grant.used:
                grant.ended, grant.reused = True, grant.used[token]
                return _error("invalid_grant")
            answer = self._new_tokens(grant)
            refresh = Refresh(
                grant.account, worker, time.monotonic(), digest(answer["refresh_token"])
            )
            grant.used[token] = refresh
            self._being_answered.append(refresh)
        # The old refresh token is used up. If the site fails now, it does not get the new one.
        time.sleep(random.Random(f"{self._seed} {token}").uniform(0, SLOWEST))
        self._being_answered.remove(refresh)
        return _json(answer)

    def _revoke(self, form: dict[str, str]) -> Response:
        token = form["token"]
        with self._lock:
            grant = self._refresh_tokens.get(token)
            if grant is None:
                grant, _ = self._access_tokens.get(token, (None, 0))
            if grant is not None:
                grant.ended = True
        return 200, {}, ""

    def _tell_account(self, authorization: str) -> Response:
        with self._lock:
            token = authorization.removeprefix("Bearer ")
            grant, until = self._access_tokens.get(token, (None, 0))
            if grant is None or grant.ended or time.monotonic() >= until:
                return _error(
                    "invalid_token", 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
                )
        return _json(
            {"id": grant.account, "username": grant.account, "name": grant.account.title()}
        )

    def _new_tokens(self, grant: Grant) -> dict[str, object]:
        access = self._new_token("access", grant.account)
        refresh = self._new_token("refresh", grant.account)
        self._access_tokens[access] = (grant, time.monotonic() + self._lifetime)
        self._refresh_tokens[refresh] = grant
        return {
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "bearer",
            "expires_in": self._lifetime,
            "scope": "read",
        }

    def _new_token(self, kind: str, account: str) -> str:
        return f"{kind}-{account}-{next(self._numbers)}"


def digest(token: str) -> str:
    """The name of a token in the reports of the workers, which show no token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _json(
    body: dict[str, object], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(body)


def _error(code: str, status: int = 400, headers: dict[str, str] | None = None) -> Response:
    return _json({"error": code}, status, headers)
