"""A fake provider that supports OAuth 2 or OpenID Connect."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus, urlencode

import jwt

from ..providers import OAuth2Provider, OIDCProvider
from ..providers.refusals import STANDARD_WORDS
from .base import FakeProvider, Grant, put
from .keys import signing_key
from .messages import Answer, Received, make_answer

#: Fact with the address of an endpoint → the part of the provider, and the method that answers.
_ENDPOINTS = {
    "authorization_url": ("authorization", "_authorize"),
    "token_url": ("token", "_token"),
    "auto_refresh_url": ("token", "_token"),
    "exchange_url": ("token", "_token"),
    "device_authorization_url": ("device", "_device"),
    "revocation_url": ("revocation", "_revoke"),
    "jwks_url": ("metadata", "_keys"),
}
#: Fact → the member of the metadata with this address.
_METADATA = {
    "authorization_url": "authorization_endpoint",
    "token_url": "token_endpoint",
    "jwks_url": "jwks_uri",
    "userinfo_url": "userinfo_endpoint",
    "revocation_url": "revocation_endpoint",
}
#: A tenant, as Microsoft names it in ID tokens.
_TENANT = "11111111-2222-4333-8444-555555555555"


class FakeOAuth2Provider(FakeProvider):
    """A provider that supports OAuth 2 or OpenID Connect. :func:`fake_provider` creates one."""

    def __init__(self, name: str, entry: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(name, entry, **kwargs)
        #: Fact → the address of the real provider; those of the metadata are under the issuer.
        self.endpoints: dict[str, str] = {}
        for fact in (*_ENDPOINTS, "userinfo_url"):
            url = str(getattr(self.facts, fact, None) or "")
            if not url and isinstance(self.facts, OIDCProvider) and fact in _METADATA:
                url = f"{self.facts.issuer}/{_METADATA[fact]}"
            self.endpoints[fact] = url.replace("{client_id}", self.client_id)
        #: The parameters that the provider adds to the callback.
        self.callback_parameters = {name: f"fake-{name}" for name in self.facts.callback_fields}
        if self.facts.host_from_token:
            self.callback_parameters[self.facts.host_from_token] = f"https://{self.facts.host}"
        #: Further claims of each ID token.
        self.id_token_claims: dict[str, Any] = {}
        self._codes: dict[str, Grant] = {}
        self._devices: dict[str, Grant | str] = {}

    # --- what a test says ---------------------------------------------------------------------

    def word(self, meaning: str) -> str:
        """Return the provider's own word with this meaning, or the standard one."""
        words = self.facts.refusals.get(meaning) or STANDARD_WORDS[meaning]
        return str(words if isinstance(words, str) else words[0])

    def make_refusal(self, meaning: str, status: int = 400) -> Answer:
        """Return the answer of the token endpoint that has this meaning."""
        code, _, part = self.word(meaning).partition(": ")
        if " " in code:
            return make_answer({"status": status, "message": code}, status)
        described = part or f"{self.facts.label}: {meaning}"
        return make_answer({"error": code, "error_description": described}, status)

    def refuse(self, meaning: str = "dead", *, times: int = 1, status: int = 400) -> None:
        """Refuse the next token requests and refreshes, in the words of the provider.

        :param meaning: ``"dead"`` (the grant has ended), ``"busy"``, ``"client"`` (the site's
            credentials are wrong), ``"pending"``, ``"slow_down"`` or ``"cancelled"``.
        """
        answered = self.make_refusal(meaning, status)
        self.answer_next(status, json.loads(answered[2]), at="token", times=times)

    def visit(self, url: str) -> str:
        """Consent at the authorization page, or refuse; return the address of the callback.

        With ``form_post``, the fields of the form are in the query of the address.

        :param url: the address that the site has redirected the visitor to.
        """
        received = Received("GET", self.remote(url), {}, b"")
        self.received.append(received)
        return self._authorize(received)[1]["Location"]

    def approve(self, user_code: str, approved: bool = True) -> None:
        """Enter the code of a device, and consent or refuse."""
        grant = Grant(account=self.account_id)
        self._devices[user_code] = grant if approved else self.word("cancelled")

    def issue(self, fields: Mapping[str, Any], **grant: Any) -> dict[str, Any]:
        made = Grant(**grant)
        self.grants.append(made)
        granted = {**self._token_fields(made), "scope": made.scope, **fields}
        if self.facts.refresh_params:  # the access token refreshes itself
            granted.setdefault("refresh_token", granted["access_token"])
        made.refresh_tokens = {granted["refresh_token"]} if granted.get("refresh_token") else set()
        lifetime = granted.get("expires_in")
        expired = isinstance(lifetime, (int, float)) and lifetime <= 0
        made.access_tokens = set() if expired else {granted["access_token"]}
        return granted

    def refresh_kinds(self) -> set[str]:
        kind = self.facts.refresh_params.get("grant_type")
        return {kind} if kind else super().refresh_kinds()

    # --- the endpoints ------------------------------------------------------------------------

    def place_of(self, received: Received) -> str:
        for fact, (place, _) in _ENDPOINTS.items():
            if self._is_endpoint(fact, received):
                # A provider may have one address for both.
                if place == "token" and self._is_endpoint("revocation_url", received):
                    return place if "grant_type" in received.fields() else "revocation"
                return place
        if "/.well-known/" in received.path:
            return "metadata"
        userinfo = self._is_endpoint("userinfo_url", received)
        return "account" if userinfo or self.is_account(received) else "api"

    def _is_endpoint(self, fact: str, received: Received) -> bool:
        url = self.endpoints[fact]
        return bool(url) and self.is_at(url, received)

    def answer(self, received: Received) -> Answer:
        place = self.place_of(received)
        for fact, (at, method) in _ENDPOINTS.items():
            if at == place and self._is_endpoint(fact, received):
                answered: Answer = getattr(self, method)(received)
                return answered
        return self._metadata(received) if place == "metadata" else self._call(received)

    def _metadata(self, received: Received) -> Answer:
        """Answer with the metadata (OpenID Connect Discovery 3, RFC 8414 §3)."""
        named = {
            member: self.local(self.endpoints[fact])
            for fact, member in _METADATA.items()
            if self.endpoints[fact]
        }
        return make_answer({"issuer": self.local(str(self.facts.issuer)), **named})

    def _authorize(self, received: Received) -> Answer:
        asked, facts = dict(received.query), self.facts
        client_id = asked.get(facts.client_id_param, "")
        assert self.is_own_client(client_id), (
            f"The authorization request is for the client {client_id!r}, and not for the one of "
            f"the fake provider, {self.client_id!r}."
        )
        assert asked.get("response_type") == "code", "The site must ask for a code."
        fields = {"state": asked["state"], **self.callback_parameters}
        if self._callback_refusal:
            fields["error"], self._callback_refusal = self._callback_refusal, ""
        else:
            fields["code"] = self._secret("code")
            self._codes[fields["code"]] = Grant(
                asked.get(facts.scope_param, ""),
                self.account_id,
                client_id,
                asked["redirect_uri"],
                asked.get("code_challenge", ""),
                asked.get("nonce", ""),
            )
        if facts.authorization_response_iss and facts.issuer:
            fields["iss"] = self.local(facts.issuer)
        separator = "&" if "?" in asked["redirect_uri"] else "?"
        location = f"{asked['redirect_uri']}{separator}{urlencode(fields)}"
        return 302, {"Location": location}, ""

    def _token(self, received: Received) -> Answer:
        sent = received.fields()
        kind = sent.get("grant_type")
        if kind in self._kinds_by_get:
            return self._renew(sent)
        if not self.is_client(received):
            return self.make_refusal("client", 401)
        for name in self.facts.sent_callback_fields:
            if sent.get(name) != self.callback_parameters[name]:
                return self.make_refusal("dead")
        if kind == "authorization_code":
            grant = self._codes.pop(sent.get("code", ""), None)
            if grant is None or grant.redirect_uri != sent.get("redirect_uri"):
                return self.make_refusal("dead")
            if grant.challenge and not _fits(grant.challenge, sent.get("code_verifier", "")):
                return self.make_refusal("dead")
            self.grants.append(grant)
            return self._grant(grant)
        if kind == "refresh_token":
            return self._refresh(sent.get("refresh_token", ""), sent.get("redirect_uri", ""))
        if kind == "client_credentials":
            return self._grant(
                Grant(sent.get(self.facts.scope_param, ""), self.account_id), refreshable=False
            )
        code = sent.get("device_code", "").removeprefix(f"{self.secret_prefix}device-")
        device = self._devices.get(code)
        if not isinstance(device, Grant):
            return make_answer({"error": device}, 400) if device else self.make_refusal("pending")
        del self._devices[code]
        self.grants.append(device)
        return self._grant(device)

    @property
    def _kinds_by_get(self) -> set[str]:
        """The values of ``grant_type`` in requests that name an access token in the query."""
        requests = self.facts.exchange_params, self.facts.refresh_params
        return {params["grant_type"] for params in requests if "grant_type" in params}

    def _renew(self, sent: Mapping[str, Any]) -> Answer:
        """Grant a new access token in exchange for another one."""
        grant = next((g for g in self.grants if sent.get("access_token") in g.access_tokens), None)
        wrong = sent.get("client_secret", self.client_secret) != self.client_secret
        if wrong or grant is None or grant.ended:
            return self.make_refusal("client" if wrong else "dead")
        return self._grant(grant, refreshable=False)

    def _refresh(self, refresh_token: str, redirect_uri: str) -> Answer:
        grant = next((g for g in self.grants if refresh_token in g.refresh_tokens), None)
        if grant is None or grant.ended:
            return self.make_refusal("dead")
        if self.facts.refresh_redirect_uri and redirect_uri != grant.redirect_uri:
            return self.make_refusal("dead")
        if self.facts.refresh_rotates:
            grant.refresh_tokens.remove(refresh_token)
        return self._grant(grant)

    def _grant(self, grant: Grant, *, refreshable: bool = True) -> Answer:
        facts, fields = self.facts, self._token_fields(grant, refreshable=refreshable)
        if facts.token_path:
            inner, fields = fields, {}
            put(fields, facts.token_path, inner)
        if facts.token_format == "form":
            return 200, {}, "&".join(f"{k}={quote_plus(str(v))}" for k, v in fields.items())
        return make_answer(fields)

    def _token_fields(self, grant: Grant, *, refreshable: bool = True) -> dict[str, Any]:
        """Return the fields of new tokens, which are in force from now on."""
        facts, number = self.facts, next(self._count)
        fields: dict[str, Any] = {
            "access_token": f"{self.secret_prefix}access-{number}",
            "token_type": facts.token_type,
            "expires_in": self.expires_in,
            **self.token_fields,
        }
        if fields["expires_in"] is None:
            del fields["expires_in"]
        grant.access_tokens.add(fields["access_token"])
        keep = grant.refresh_tokens and not facts.refresh_rotates
        renewable = facts.auto_refresh_url is not None and not facts.refresh_params
        if refreshable and self.refreshable and renewable and not keep:
            fields["refresh_token"] = f"{self.secret_prefix}refresh-{number}"
            grant.refresh_tokens.add(fields["refresh_token"])
        if not facts.account_url:
            for name, value in self.named_account(grant.account).items():
                put(fields, name, value)
        if isinstance(facts, OIDCProvider) and grant.nonce:
            fields["id_token"] = self._id_token(grant)
        return fields

    def _id_token(self, grant: Grant) -> str:
        now, facts = int(time.time()), self.facts
        tenant = {"tid": _TENANT, **self.id_token_claims}
        claims = {
            "iss": self.local(facts.issuer_of(tenant)),
            "aud": grant.client_id or self.client_id,
            "sub": self.user_of(grant.account),
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
            "acr": getattr(facts, "acr_values", None),
            **tenant,
        }
        return jwt.encode(claims, signing_key(), algorithm="RS256", headers={"kid": "k"})

    def _device(self, received: Received) -> Answer:
        code = self._secret("CODE").removeprefix(self.secret_prefix)
        self._devices[code] = ""
        return make_answer(
            {
                "device_code": f"{self.secret_prefix}device-{code}",
                "user_code": code,
                "verification_uri": "https://example.com/device",
                "expires_in": 600,
                "interval": 5,
            }
        )

    def _revoke(self, received: Received) -> Answer:
        told = {*received.fields().values(), received.credentials(self.facts.token_header)} - {""}
        for grant in self.grants:
            if told & {*grant.access_tokens, *grant.refresh_tokens, self.user_of(grant.account)}:
                grant.ended = True
        return make_answer({})

    def _keys(self, received: Received) -> Answer:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(signing_key().public_key()))
        return make_answer({"keys": [{**public, "kid": "k", "use": "sig"}]})

    def _call(self, received: Received) -> Answer:
        """Answer a call of the API (RFC 6750 §3.1). A call may have no token."""
        token = received.credentials(self.facts.token_header)
        in_force = [g for g in self.grants if not g.ended and token in g.access_tokens]
        if not in_force and (token or self.place_of(received) == "account"):
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return make_answer({"message": "Bad credentials"}, 401, challenge)
        return self._answer_call(received, in_force[0].account if in_force else "")

    def is_client(self, received: Received) -> bool:
        """Return whether the request comes from the site, as the facts say that it authenticates
        itself (RFC 6749 §2.3.1)."""
        facts, sent = self.facts, received.fields()
        header = str(received.headers.get("Authorization") or "")
        if facts.client_auth == "basic":
            if not header.startswith("Basic "):
                return False
            client_id, _, secret = base64.b64decode(header[6:]).decode().partition(":")
            if facts.client_auth_urlencoded:
                client_id, secret = unquote_plus(client_id), unquote_plus(secret)
        elif header:
            return False
        else:
            client_id = str(sent.get(facts.client_id_param, ""))
            secret = str(sent.get(facts.client_secret_param, ""))
        if client_id != self.client_id or self._makes_secrets:
            return self.is_own_client(client_id)
        return secret == ("" if facts.client_auth == "none" else self.client_secret)

    @property
    def _makes_secrets(self) -> bool:
        """Whether the preset makes a client secret for each request, as that of Apple does."""
        return self.preset.token_call is not OAuth2Provider.token_call  # type: ignore[attr-defined]


def _fits(challenge: str, verifier: str) -> bool:
    """Whether a verifier fits the challenge: S256, or plain (RFC 7636 §4.6)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return challenge in (verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())
