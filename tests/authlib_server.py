"""An authorization server by Authlib, in a Flask app: code with PKCE, refresh, revocation, iss."""

from __future__ import annotations

import threading
import time

from authlib.integrations.flask_oauth2 import (
    AuthorizationServer,
    ResourceProtector,
    current_token,
)
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.models import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from flask import Flask, jsonify
from werkzeug.serving import make_server

_AUTHENTICATION = ["client_secret_basic"]


class Client(ClientMixin):
    """The only one there is."""

    def __init__(self, client_id, client_secret, redirect_uri):
        self.client_id, self.client_secret = client_id, client_secret
        self.redirect_uri = redirect_uri

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return self.redirect_uri

    def get_allowed_scope(self, scope):
        return " ".join(name for name in scope.split() if name in ("read", "write"))

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret):
        return client_secret == self.client_secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method in _AUTHENTICATION

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in ("authorization_code", "refresh_token")


class Code(AuthorizationCodeMixin):
    def __init__(self, code, payload):
        self.code, self.redirect_uri, self.scope = code, payload.redirect_uri, payload.scope
        self.code_challenge = payload.data.get("code_challenge")
        self.code_challenge_method = payload.data.get("code_challenge_method")

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope


class Token(dict, TokenMixin):
    revoked = False

    def check_client(self, client):
        return True

    def get_scope(self):
        return self["scope"]

    def get_expires_in(self):
        return self["expires_in"]

    def is_expired(self):
        return self["issued_at"] + self["expires_in"] < time.time()

    def is_revoked(self):
        return self.revoked


class AuthlibServer:
    """The server, on loopback, while the context lasts. Every user has consented already.

    :ivar tokens: all that it has issued, the last one last.
    """

    def __init__(self, client_id, client_secret, redirect_uri):
        self.client = Client(client_id, client_secret, redirect_uri)
        self.codes, self.tokens = {}, []
        app = Flask("authlib")
        app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._route(app)

    def find_token(self, name, value):
        """The token whose ``access_token`` or ``refresh_token`` this is."""
        return next((token for token in self.tokens if token.get(name) == value), None)

    def _route(self, app):
        def save_token(token, request):
            self.tokens.append(Token(token, issued_at=time.time()))

        oauth = AuthorizationServer(app, query_client=self._client, save_token=save_token)
        oauth.register_grant(self._code_grant(), [CodeChallenge(required=True)])
        oauth.register_grant(self._refresh_grant())
        oauth.register_endpoint(self._revocation())
        oauth.register_extension(self._issuer())
        protect = ResourceProtector()
        protect.register_token_validator(self._validator())

        @app.get("/authorize")
        def authorize():
            grant = oauth.get_consent_grant(end_user="ada")
            return oauth.create_authorization_response(grant_user="ada", grant=grant)

        @app.post("/token")
        def token():
            return oauth.create_token_response()

        @app.post("/revoke")
        def revoke():
            return oauth.create_endpoint_response(RevocationEndpoint.ENDPOINT_NAME)

        @app.get("/api/me")
        @protect("read")
        def me():
            return jsonify(login="ada", scope=current_token["scope"])

    def _client(self, client_id):
        return self.client if client_id == self.client.client_id else None

    def _code_grant(server):
        class CodeGrant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = _AUTHENTICATION

            def save_authorization_code(self, code, request):
                server.codes[code] = Code(code, request.payload)

            def query_authorization_code(self, code, client):
                return server.codes.get(code)

            def delete_authorization_code(self, authorization_code):
                del server.codes[authorization_code.code]

            def authenticate_user(self, authorization_code):
                return "ada"

        return CodeGrant

    def _refresh_grant(server):
        class RefreshGrant(grants.RefreshTokenGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = _AUTHENTICATION
            INCLUDE_NEW_REFRESH_TOKEN = True

            def authenticate_refresh_token(self, refresh_token):
                token = server.find_token("refresh_token", refresh_token)
                return token if token is not None and not token.revoked else None

            def authenticate_user(self, refresh_token):
                return "ada"

            def revoke_old_credential(self, refresh_token):
                refresh_token.revoked = True

        return RefreshGrant

    def _revocation(server):
        class Revocation(RevocationEndpoint):
            CLIENT_AUTH_METHODS = _AUTHENTICATION

            def query_token(self, token_string, token_type_hint):
                return server.find_token(token_type_hint, token_string)

            def revoke_token(self, token, request):
                token.revoked = True

        return Revocation

    def _validator(server):
        class Validator(BearerTokenValidator):
            def authenticate_token(self, token_string):
                return server.find_token("access_token", token_string)

        return Validator()

    def _issuer(server):
        class Issuer(IssuerParameter):
            def get_issuer(self):
                return server.url

        return Issuer()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
