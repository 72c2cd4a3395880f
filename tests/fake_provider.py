"""A provider on this machine that answers as the facts of a preset say, over real HTTP.

::

    with FakeProvider(GitHub) as github:
        settings.DANCE_PROVIDERS = {"github": github.entry()}
        callback = github.visit(login_page["Location"])     # the visitor consents
        github.refuse("dead")                               # the next token request is refused
        github.end_grants()                                 # the user ends the grant there

``DEBUG`` must be on, because the provider is at an address of plain http.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlencode, urlsplit

import jwt
import requests

from django_dance.providers import OAuth2Provider, OIDCProvider
from django_dance.providers.refusals import STANDARD_WORDS

from . import keys
from .loopback import Loopback, Received

JSON = {"Content-Type": "application/json"}
CLIENT_ID, CLIENT_SECRET = "the-client", "planted-client-secret"

#: Fact with the address of an endpoint → the method that answers there.
_ENDPOINTS = {
    "authorization_url": "_authorize",
    "token_url": "_token",
    "auto_refresh_url": "_token",
    "device_authorization_url": "_device",
    "revocation_url": "_revoke",
    "jwks_url": "_keys",
    "userinfo_url": "_call",
}
#: Fact → the member of the metadata with this address.
_METADATA = {
    "authorization_url": "authorization_endpoint",
    "token_url": "token_endpoint",
    "jwks_url": "jwks_uri",
    "userinfo_url": "userinfo_endpoint",
    "revocation_url": "revocation_endpoint",
}

Answer = tuple[int, dict[str, str], "str | bytes"]


@dataclass
class Grant:
    """The grant of a visitor: first an authorization code has it, and then its tokens."""

    scope: str = ""
    redirect_uri: str = ""
    challenge: str = ""
    nonce: str = ""
    #: The tokens that are in force.
    access_tokens: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=set)
    ended: bool = False


class FakeProvider(Loopback):
    """
    :param preset: the class of facts.
    :param options: the options of the site's entry, such as ``scope``.
    """

    #: The account of the visitor, at ``account_url`` and in the ID token.
    account = "248289761001"
    label = "ada"
    #: The lifetime of access tokens, in seconds, and whether refresh tokens are granted.
    expires_in = 3600
    refreshable = True
    #: The further fields of each grant.
    further_fields: dict[str, Any]

    def __init__(self, preset: type[OAuth2Provider], **options: Any) -> None:
        super().__init__()
        self.preset, self.options, self.further_fields = preset, options, {}
        #: The facts, with the addresses of the real provider.
        self.facts = preset(
            "facts", **{"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **options}
        )
        #: Fact → the address of the real provider; those of the metadata are under the issuer.
        self.endpoints = {name: str(getattr(self.facts, name, None) or "") for name in _ENDPOINTS}
        if isinstance(self.facts, OIDCProvider):
            for name, member in _METADATA.items():
                self.endpoints[name] = self.endpoints[name] or f"{self.facts.issuer}/{member}"
        self.grants: list[Grant] = []
        self._codes: dict[str, Grant] = {}
        self._devices: dict[str, Grant | str] = {}
        self._next: list[Answer] = []
        self._callback_refusal = ""
        self._count = itertools.count(1)

    # --- the site's side ----------------------------------------------------------------------

    def entry(self) -> dict[str, Any]:
        """Return the entry for ``DANCE_PROVIDERS``, with the addresses of this machine."""
        urls = {
            name: self.local(url)
            for name in (*type(self.facts)._facts_with("url"), "account_url")
            if isinstance(url := getattr(self.facts, name), str) and "://" in url
        }
        options = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **self.options, **urls}
        entry = {name.upper(): value for name, value in options.items()}
        # The settings with the credentials of a real registration must not be used here.
        unset = {name: f"FAKE_{name.upper()}" for name in ("client_id", "client_secret")}
        return {
            "PROVIDER": self.preset,
            "API_ORIGINS": [self.url],
            "FROM_CONFIG": {**(self.preset.from_config or {}), **unset},
            **entry,
        }

    def local(self, url: str) -> str:
        """Return the address here of an address of the real provider: its host is in the path."""
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{self.url}/{parts.netloc}{parts.path}{query}".replace("{", "{{").replace("}", "}}")

    # --- the visitor's side -------------------------------------------------------------------

    def visit(self, url: str) -> str:
        """Consent (or refuse) at the authorization page, and return the address of the callback.

        With ``form_post``, the fields of the form are in the query of the address.
        """
        answer = requests.get(url, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def approve(self, user_code: str, approved: bool = True) -> None:
        """Enter the code of a device, and consent or refuse."""
        grant = Grant()
        self._devices[user_code] = grant if approved else self.word("cancelled")

    def end_grants(self) -> None:
        """End all grants, as a user does at the provider: no token is in force any more."""
        for grant in self.grants:
            grant.ended = True

    # --- refusals -----------------------------------------------------------------------------

    def word(self, meaning: str) -> str:
        """Return the provider's own word with this meaning, or the standard one."""
        words = self.facts.refusals.get(meaning) or STANDARD_WORDS[meaning]
        return words if isinstance(words, str) else words[0]

    def refusal(self, meaning: str, status: int = 400) -> Answer:
        """Return the answer of the token endpoint that has this meaning."""
        code, _, part = self.word(meaning).partition(": ")
        if " " in code:
            return status, JSON, json.dumps({"status": status, "message": code})
        body = {"error": code, "error_description": part or f"{self.facts.label}: {meaning}"}
        return status, JSON, json.dumps(body)

    def refuse(self, meaning: str, *, times: int = 1, status: int = 400) -> None:
        """Refuse the next token requests, in the words of the provider."""
        self._next += [self.refusal(meaning, status)] * times

    def refuse_visitor(self, meaning: str = "cancelled") -> None:
        """Send the next visitor back with an error."""
        self._callback_refusal = self.word(meaning)

    def answer_next(self, status: int, body: Any, *, times: int = 1, **headers: str) -> None:
        """Answer the next token requests in this way: a dict is sent as JSON."""
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        kind = {} if isinstance(body, (str, bytes)) else JSON
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self._next += [(status, {**kind, **sent}, text)] * times

    # --- the endpoints ------------------------------------------------------------------------

    def answer(self, received: Received) -> Answer:
        for name, url in self.endpoints.items():
            if url and self._is_at(url.replace("{client_id}", CLIENT_ID), received.path):
                return getattr(self, _ENDPOINTS[name])(received)
        if "/.well-known/" in received.path:
            return self._metadata(received)
        return self._call(received)

    def _metadata(self, received: Received) -> Answer:
        """Answer with the metadata (OpenID Connect Discovery 3, RFC 8414 §3)."""
        metadata = {
            member: self.local(url)
            for name, member in _METADATA.items()
            if (url := self.endpoints[name])
        }
        return 200, JSON, json.dumps({"issuer": self.local(str(self.facts.issuer)), **metadata})

    def _is_at(self, url: str, path: str) -> bool:
        parts = urlsplit(url)
        return path == f"/{parts.netloc}{parts.path}"

    def _authorize(self, received: Received) -> Answer:
        asked, facts = dict(received.query), self.facts
        assert asked[facts.client_id_param] == CLIENT_ID
        assert asked["response_type"] == "code"
        fields = {"state": asked["state"]}
        if self._callback_refusal:
            fields["error"], self._callback_refusal = self._callback_refusal, ""
        else:
            fields["code"] = f"planted-code-{next(self._count)}"
            self._codes[fields["code"]] = Grant(
                asked.get(facts.scope_param, ""),
                asked["redirect_uri"],
                asked.get("code_challenge", ""),
                asked.get("nonce", ""),
            )
        if facts.authorization_response_iss and facts.issuer:
            fields["iss"] = self.local(facts.issuer)
        separator = "&" if "?" in asked["redirect_uri"] else "?"
        return 302, {"Location": f"{asked['redirect_uri']}{separator}{urlencode(fields)}"}, ""

    def _token(self, received: Received) -> Answer:
        if self._next:
            return self._next.pop(0)
        sent = _fields(received)
        if not self._is_client(received, sent):
            return self.refusal("client", 401)
        kind = sent.get("grant_type")
        if kind == "authorization_code":
            grant = self._codes.pop(sent.get("code", ""), None)
            if grant is None or grant.redirect_uri != sent.get("redirect_uri"):
                return self.refusal("dead")
            if grant.challenge and not _fits(grant.challenge, sent.get("code_verifier", "")):
                return self.refusal("dead")
            self.grants.append(grant)
            return self._grant(grant)
        if kind == "refresh_token":
            return self._refresh(sent.get("refresh_token", ""))
        if kind == "client_credentials":
            return self._grant(Grant(sent.get(self.facts.scope_param, "")), refreshable=False)
        code = sent.get("device_code", "").removeprefix("planted-device-")
        device = self._devices.get(code)
        if not isinstance(device, Grant):
            body = {"error": device} if device else None
            return (400, JSON, json.dumps(body)) if body else self.refusal("pending")
        del self._devices[code]
        self.grants.append(device)
        return self._grant(device)

    def _refresh(self, refresh_token: str) -> Answer:
        grant = next((g for g in self.grants if refresh_token in g.refresh_tokens), None)
        if grant is None or grant.ended:
            return self.refusal("dead")
        if self.facts.refresh_rotates:
            grant.refresh_tokens.remove(refresh_token)
        return self._grant(grant)

    def _grant(self, grant: Grant, *, refreshable: bool = True) -> Answer:
        facts, number = self.facts, next(self._count)
        fields: dict[str, Any] = {
            "access_token": f"planted-access-{number}",
            "token_type": facts.token_type,
            "expires_in": self.expires_in,
            **self.further_fields,
        }
        grant.access_tokens.add(fields["access_token"])
        keep = grant.refresh_tokens and not facts.refresh_rotates
        if refreshable and self.refreshable and facts.auto_refresh_url is not None and not keep:
            fields["refresh_token"] = f"planted-refresh-{number}"
            grant.refresh_tokens.add(fields["refresh_token"])
        if not facts.account_url and facts.account_id:
            _put(fields, facts.account_id, self.account)
        if isinstance(facts, OIDCProvider) and grant.nonce:
            fields["id_token"] = self._id_token(grant)
        for name in filter(None, reversed(facts.token_path.split("."))):
            fields = {name: fields}
        if facts.token_format == "form":
            return 200, {}, "&".join(f"{k}={quote_plus(str(v))}" for k, v in fields.items())
        return 200, JSON, json.dumps(fields)

    def _id_token(self, grant: Grant) -> str:
        now = int(time.time())
        claims = {
            "iss": self.local(str(self.facts.issuer)),
            "aud": CLIENT_ID,
            "sub": self.account,
            "iat": now,
            "exp": now + 300,
            "nonce": grant.nonce,
            "acr": getattr(self.facts, "acr_values", None),
        }
        return jwt.encode(claims, keys.RSA, algorithm="RS256", headers={"kid": "k"})

    def _device(self, received: Received) -> Answer:
        if self._next:
            return self._next.pop(0)
        code = f"CODE-{next(self._count)}"
        self._devices[code] = ""
        body = {
            "device_code": f"planted-device-{code}",
            "user_code": code,
            "verification_uri": "https://example.com/device",
            "expires_in": 600,
            "interval": 5,
        }
        return 200, JSON, json.dumps(body)

    def _revoke(self, received: Received) -> Answer:
        told = {*_fields(received).values(), _bearer(received, self.facts.token_header)}
        for grant in self.grants:
            if told & (grant.access_tokens | grant.refresh_tokens):
                grant.ended = True
        return 200, JSON, "{}"

    def _keys(self, received: Received) -> Answer:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(keys.RSA.public_key()))
        return 200, JSON, json.dumps({"keys": [{**public, "kid": "k", "use": "sig"}]})

    def _call(self, received: Received) -> Answer:
        """Answer a call of the API: with the account, for a token that is in force."""
        token = _bearer(received, self.facts.token_header)
        in_force = [g for g in self.grants if not g.ended and token in g.access_tokens]
        if not in_force:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return 401, {**JSON, **challenge}, json.dumps({"message": "Bad credentials"})
        found: dict[str, Any] = {"sub": self.account}
        for name, value in (
            (self.facts.account_id, self.account),
            (self.facts.account_label, self.label),
        ):
            if name and name != "sub":
                _put(found, name, value)
        return 200, JSON, json.dumps(found)

    def _is_client(self, received: Received, sent: dict[str, Any]) -> bool:
        """Whether the request comes from the site, as the facts say that it authenticates."""
        facts = self.facts
        header = received.headers.get("Authorization", "")
        if facts.client_auth == "basic":
            scheme, _, pair = header.partition(" ")
            name, _, secret = base64.b64decode(pair).decode().partition(":")
            decode = unquote_plus if facts.client_auth_urlencoded else str
            return (scheme, decode(name), decode(secret)) == ("Basic", CLIENT_ID, CLIENT_SECRET)
        if header or sent.get(facts.client_id_param) != CLIENT_ID:
            return False
        return facts.client_auth == "none" or sent.get(facts.client_secret_param) == CLIENT_SECRET


def _fields(received: Received) -> dict[str, Any]:
    """Return the parameters of a request, in the query and in the body."""
    body = received.body.decode()
    sent = json.loads(body) if body.startswith("{") else dict(parse_qsl(body))
    return {**dict(received.query), **sent}


def _bearer(received: Received, header: str) -> str:
    return received.headers.get(header, "").rpartition(" ")[2]


def _fits(challenge: str, verifier: str) -> bool:
    """Whether a verifier fits the challenge: S256, or plain (RFC 7636 §4.6)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return challenge in (verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


def _put(fields: dict[str, Any], path: str, value: str) -> None:
    """Put a value at a path such as ``data.0.id``."""
    names = path.split(".")
    inner: Any = fields
    for name, following in itertools.pairwise([*names, ""]):
        missing: Any = value if not following else ([] if following.isdigit() else {})
        if isinstance(inner, list):
            if len(inner) <= int(name):
                inner.append(missing)
            inner = inner[int(name)]
        elif not following:
            inner[name] = value
        else:
            inner = inner.setdefault(name, missing)
