"""A small OAuth 1.0a provider: oauthlib's own server endpoints, over real HTTP."""

from __future__ import annotations

import json
import secrets
import string
from urllib.parse import urlencode

from oauthlib.oauth1 import RequestValidator, WebApplicationServer

from . import keys
from .loopback import Loopback

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}


class Memory(RequestValidator):
    """Everything the provider knows, in this process."""

    enforce_ssl = False
    safe_characters = frozenset(string.ascii_letters + string.digits + "-")
    client_key_length = request_token_length = access_token_length = (5, 40)
    nonce_length = verifier_length = (8, 40)
    dummy_client = dummy_request_token = dummy_access_token = "dummy"

    def __init__(self):
        #: client key → its secret
        self.clients = {"tripit-client": "planted-tripit-client-secret", "jira-client": None}
        #: token → its client key, secret and, for a request token, callback and verifier
        self.request_tokens = {}
        self.access_tokens = {}
        self.nonces = set()

    # --- clients

    def validate_client_key(self, client_key, request):
        return client_key in self.clients

    def get_client_secret(self, client_key, request):
        return self.clients.get(client_key) or "dummy"

    def get_rsa_key(self, client_key, request):
        return keys.PUBLIC

    def validate_timestamp_and_nonce(
        self, client_key, timestamp, nonce, request, request_token=None, access_token=None
    ):
        used = (client_key, timestamp, nonce, request_token or access_token)
        fresh = used not in self.nonces
        self.nonces.add(used)
        return fresh

    # --- realms are not used

    def get_default_realms(self, client_key, request):
        return []

    def get_realms(self, token, request):
        return []

    def validate_requested_realms(self, client_key, realms, request):
        return True

    def validate_realms(self, client_key, token, request, uri=None, realms=None):
        return True

    # --- request tokens

    def validate_redirect_uri(self, client_key, redirect_uri, request):
        return True

    def save_request_token(self, token, request):
        self.request_tokens[token["oauth_token"]] = {
            "client": request.client_key,
            "secret": token["oauth_token_secret"],
            "callback": request.redirect_uri,
        }

    def verify_request_token(self, token, request):
        return token in self.request_tokens

    def get_redirect_uri(self, token, request):
        return self.request_tokens[token]["callback"]

    def save_verifier(self, token, verifier, request):
        self.request_tokens[token]["verifier"] = verifier["oauth_verifier"]

    def validate_request_token(self, client_key, token, request):
        return self.request_tokens.get(token, {}).get("client") == client_key

    def get_request_token_secret(self, client_key, token, request):
        return self.request_tokens.get(token, {}).get("secret", "dummy")

    def validate_verifier(self, client_key, token, verifier, request):
        expected = self.request_tokens.get(token, {}).get("verifier", "")
        return secrets.compare_digest(expected, verifier)

    def invalidate_request_token(self, client_key, request_token, request):
        del self.request_tokens[request_token]

    # --- access tokens

    def save_access_token(self, token, request):
        self.access_tokens[token["oauth_token"]] = {
            "client": request.client_key,
            "secret": token["oauth_token_secret"],
        }

    def validate_access_token(self, client_key, token, request):
        return self.access_tokens.get(token, {}).get("client") == client_key

    def get_access_token_secret(self, client_key, token, request):
        return self.access_tokens.get(token, {}).get("secret", "dummy")


class OAuth1Server(Loopback):
    """The provider. Its paths are those of ``OPTIONS``, and those of a Jira server.

    :ivar consent: the decision of the visitor: ``"approve"``, or how this provider tells a refusal:
        ``"denied"`` (as Twitter) or ``"oauth_problem"`` (as Jira).
    :ivar spoiled: path → the answer to give there instead of the right one.
    """

    def __init__(self):
        super().__init__()
        self.memory = Memory()
        self.server = WebApplicationServer(self.memory)
        self.consent = "approve"
        self.spoiled = {}
        self.endpoints = {
            "/oauth/request_token": self.request_token,
            "/oauth/authorize": self.authorize,
            "/oauth/access_token": self.access_token,
            "/plugins/servlet/oauth/request-token": self.request_token,
            "/plugins/servlet/oauth/authorize": self.authorize,
            "/plugins/servlet/oauth/access-token": self.access_token,
            "/api/me": self.me,
        }

    @property
    def options(self):
        """Its entry in ``DANCE_PROVIDERS``."""
        return {
            "PROVIDER": "django_dance.providers.OAuth1Provider",
            "BASE_URL": f"{self.url}/api/",
            "REQUEST_TOKEN_URL": f"{self.url}/oauth/request_token",
            "AUTHORIZATION_URL": f"{self.url}/oauth/authorize",
            "ACCESS_TOKEN_URL": f"{self.url}/oauth/access_token",
        }

    def answer(self, received):
        if received.path in self.spoiled:
            return self.spoiled[received.path]
        endpoint = self.endpoints.get(received.path)
        return endpoint(received) if endpoint else (404, {}, "")

    def requests_to(self, path):
        """The requests that came to a path."""
        return [received for received in self.received if received.path == path]

    def _oauthlib(self, received):
        headers = dict(received.headers.items())
        return self.url + received.target, received.method, received.body.decode(), headers

    def request_token(self, received):
        headers, body, status = self.server.create_request_token_response(*self._oauthlib(received))
        return status, headers, body

    def access_token(self, received):
        headers, body, status = self.server.create_access_token_response(
            *self._oauthlib(received), credentials={"screen_name": "ada"}
        )
        return status, headers, body

    def authorize(self, received):
        token = dict(received.query).get("oauth_token", "")
        if token not in self.memory.request_tokens:
            return 404, {}, ""
        callback = self.memory.request_tokens[token]["callback"]
        if self.consent == "denied":
            return 302, {"Location": f"{callback}?{urlencode({'denied': token})}"}, ""
        if self.consent == "oauth_problem":
            said = {"oauth_token": token, "oauth_problem": "user_refused"}
            return 302, {"Location": f"{callback}?{urlencode(said)}"}, ""
        headers, body, status = self.server.create_authorization_response(*self._oauthlib(received))
        return status, headers, body

    def me(self, received):
        valid, request = self.server.validate_protected_resource_request(*self._oauthlib(received))
        if not valid:
            return 401, {"WWW-Authenticate": 'OAuth realm="api"'}, ""
        form = received.headers.get("Content-Type") == _FORM["Content-Type"]
        echo = {
            "token": request.resource_owner_key,
            "query": received.query,
            "form": received.form if form else None,
            "body": received.body.decode(),
        }
        return 200, _JSON, json.dumps(echo)
