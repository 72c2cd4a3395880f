"""A fake provider that supports OAuth 1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

from .base import FakeProvider, Grant
from .messages import Answer, Received, make_answer

#: Fact with the address of an endpoint → the part of the provider, and the method that answers.
_ENDPOINTS = {
    "request_token_url": ("token", "_request_token"),
    "authorization_url": ("authorization", "_authorize"),
    "access_token_url": ("token", "_access_token"),
}


class FakeOAuth1Provider(FakeProvider):
    """A provider that supports OAuth 1. :func:`fake_provider` creates one.

    It checks the client key and the token of a request (RFC 5849 §3.1), and not its signature.
    """

    def __init__(self, name: str, entry: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(name, entry, **kwargs)
        #: Temporary credentials → the address of the callback.
        self._requested: dict[str, str] = {}
        #: Verifier → the grant that the visitor has given.
        self._verified: dict[str, Grant] = {}

    def word(self, meaning: str) -> str:
        # No RFC defines it: http://wiki.oauth.net/ProblemReporting
        return "user_refused" if meaning == "cancelled" else "token_rejected"

    def refuse(self, problem: str = "token_rejected", *, times: int = 1, status: int = 401) -> None:
        """Refuse the next requests for temporary credentials or a token.

        :param problem: the value of ``oauth_problem``.
        """
        self.answer_next(status, urlencode({"oauth_problem": problem}), at="token", times=times)

    def visit(self, url: str) -> str:
        """Consent at the authorization page, or refuse; return the address of the callback.

        :param url: the address that the site has redirected the visitor to.
        """
        received = Received("GET", self.remote(url), {}, b"")
        self.received.append(received)
        return self._authorize(received)[1]["Location"]

    def issue(self, fields: Mapping[str, Any], **grant: Any) -> dict[str, Any]:
        made = Grant(**grant)
        self.grants.append(made)
        granted = {**self._granted(made), **fields}
        made.access_tokens = {granted["oauth_token"]}
        return granted

    # --- the endpoints ------------------------------------------------------------------------

    def place_of(self, received: Received) -> str:
        for fact, (place, _) in _ENDPOINTS.items():
            if self.is_at(getattr(self.facts, fact), received):
                return place
        return "account" if self.is_account(received) else "api"

    def answer(self, received: Received) -> Answer:
        for fact, (_, method) in _ENDPOINTS.items():
            if self.is_at(getattr(self.facts, fact), received):
                answered: Answer = getattr(self, method)(received)
                return answered
        return self._call(received)

    def _request_token(self, received: Received) -> Answer:
        # RFC 5849 §2.1
        sent = oauth_parameters(received)
        if not self.is_own_client(sent.get("oauth_consumer_key")):
            return 401, {}, urlencode({"oauth_problem": "consumer_key_unknown"})
        token = self._secret("request")
        self._requested[token] = sent["oauth_callback"]
        granted = {"oauth_token": token, "oauth_token_secret": self._secret("request-secret")}
        return 200, {}, urlencode({**granted, "oauth_callback_confirmed": "true"})

    def _authorize(self, received: Received) -> Answer:
        # RFC 5849 §2.2
        token = dict(received.query)["oauth_token"]
        callback, answered = self._requested[token], {"oauth_token": token}
        if self._callback_refusal:
            answered["oauth_problem"], self._callback_refusal = self._callback_refusal, ""
        else:
            answered["oauth_verifier"] = self._secret("verifier")
            self._verified[answered["oauth_verifier"]] = Grant(account=self.account_id)
        separator = "&" if "?" in callback else "?"
        return 302, {"Location": f"{callback}{separator}{urlencode(answered)}"}, ""

    def _access_token(self, received: Received) -> Answer:
        # RFC 5849 §2.3
        sent = oauth_parameters(received)
        grant = self._verified.pop(sent.get("oauth_verifier", ""), None)
        if grant is None or self._requested.pop(sent.get("oauth_token", ""), None) is None:
            return 401, {}, urlencode({"oauth_problem": "token_rejected"})
        self.grants.append(grant)
        return 200, {}, urlencode(self._granted(grant))

    def _granted(self, grant: Grant) -> dict[str, Any]:
        token, secret = self._secret("token"), self._secret("token-secret")
        grant.access_tokens.add(token)
        granted = {"oauth_token": token, "oauth_token_secret": secret, **self.token_fields}
        if not self.facts.account_url:
            granted |= self.named_account(grant.account)
        return granted

    def _call(self, received: Received) -> Answer:
        token = oauth_parameters(received).get("oauth_token", "")
        in_force = [g for g in self.grants if not g.ended and token in g.access_tokens]
        if not in_force and (token or self.place_of(received) == "account"):
            return make_answer({"message": "Bad token"}, 401, {"WWW-Authenticate": "OAuth"})
        return self._answer_call(received, in_force[0].account if in_force else "")


def oauth_parameters(received: Received) -> dict[str, str]:
    """Return the OAuth parameters in the header, the URL or the body (RFC 5849 §3.5)."""
    header = str(received.headers.get("Authorization") or "")
    pairs = re.findall(r'(oauth_\w+)="([^"]*)"', header)
    named = {name: unquote(value) for name, value in pairs}
    return {**dict(received.query), **dict(received.form), **named}
