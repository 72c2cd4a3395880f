"""OpenID Connect with the servers of other projects: django-oauth-toolkit and Authlib."""

import json
import threading
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from oauth2_provider.models import Application, RefreshToken

from django_dance.models import OAuthToken
from django_dance.providers import discovery, providers

from .. import keys
from ..integration.test_real_server import browse  # noqa: F401  a fixture

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows"),
    pytest.mark.interop,
]


@pytest.fixture(autouse=True)
def _forget_documents():
    discovery.forget()
    yield
    discovery.forget()


@pytest.fixture
def configure(settings):
    settings.DEBUG = True

    def configure(issuer, **options):
        settings.DANCE_PROVIDERS = {
            "github": {
                "PROVIDER": "django_dance.providers.OIDCProvider",
                "ISSUER": issuer,
                "SCOPE": "openid read",
                **options,
            }
        }

    return configure


def expire(user):
    row = OAuthToken.objects.get(user=user)
    row.token = {**row.token.fields_to_store, "expires_at": 1}
    row.save()
    return providers["github"].session(user=user)


# --- django-oauth-toolkit ---------------------------------------------------------------------


@pytest.fixture
def toolkit(live_server, configure, settings, user):
    settings.OAUTH2_PROVIDER = {
        **settings.OAUTH2_PROVIDER,
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": keys.PRIVATE,
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "SCOPES": {"openid": "Who you are", "read": "Reading"},
        "ROTATE_REFRESH_TOKEN": True,
    }
    Application.objects.create(
        name="The other half",
        client_id=settings.GITHUB_OAUTH_CLIENT_ID,
        client_secret=settings.GITHUB_OAUTH_CLIENT_SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        algorithm=Application.RS256_ALGORITHM,
        redirect_uris=f"{live_server.url}/login/github/authorized/",
    )
    configure(
        f"{live_server.url}/o",
        BASE_URL=live_server.url,
        REVOCATION_URL="/o/revoke_token/",  # its metadata does not name it
    )
    return live_server


def test_the_toolkit_identifies_refreshes_and_logs_out(toolkit, browse, user):  # noqa: F811
    browser = browse()
    consent = browser.get("/login/github/", params={"next": "/whoami/"})
    asked = parse_qs(urlsplit(consent.url).query)
    assert asked["nonce"] and asked["code_challenge_method"] == ["S256"]
    assert browser.submit(consent, allow="Authorize").url == f"{toolkit.url}/whoami/"

    session = providers["github"].session(user=user)
    assert session.id_claims["sub"] == str(user.pk)
    assert session.id_claims["iss"] == f"{toolkit.url}/o"
    assert session.account_info().id == str(user.pk)
    assert session.userinfo()["sub"] == str(user.pk)
    assert session.get("/api/me").json() == {"login": "ada"}

    before = session.access_token
    session = expire(user)
    assert session.get("/api/me").json() == {"login": "ada"}
    assert session.access_token != before
    assert session.id_claims["sub"] == str(user.pk)

    url = session.logout_url()
    assert url.startswith(f"{toolkit.url}/o/logout/?client_id=github-client&id_token_hint=")
    assert browser.get(url).status_code == 200

    session.disconnect()
    assert not RefreshToken.objects.filter(revoked__isnull=True).exists()


def test_the_toolkits_keys_rotate(toolkit, browse, user, settings, monkeypatch):  # noqa: F811
    browser = browse()
    browser.submit(browser.get("/login/github/"), allow="Authorize")
    settings.OAUTH2_PROVIDER = {
        **settings.OAUTH2_PROVIDER,
        "OIDC_RSA_PRIVATE_KEY": keys.pem(keys.OTHER_RSA),
        "OIDC_RSA_PRIVATE_KEYS_INACTIVE": [keys.PRIVATE],
    }
    later = time.monotonic() + discovery.PAUSE + 1
    monkeypatch.setattr(discovery.time, "monotonic", lambda: later)
    session = expire(user)
    assert session.get("/api/me").ok
    header = jwt.get_unverified_header(str(session.token["id_token"]))
    assert header["kid"] not in {None, ""}


# --- Authlib ----------------------------------------------------------------------------------


class AuthlibServer:
    """Authlib's OpenID Connect server in a Flask app, as its documentation has it."""

    def __init__(self, client_id, client_secret, redirect_uri):
        from authlib.integrations.flask_oauth2 import AuthorizationServer
        from authlib.oauth2.rfc6749 import grants
        from authlib.oauth2.rfc6749.models import (
            AuthorizationCodeMixin,
            ClientMixin,
            TokenMixin,
        )
        from authlib.oauth2.rfc7636 import CodeChallenge
        from authlib.oidc.core import OpenIDCode, UserInfo
        from flask import Flask, jsonify, request
        from werkzeug.serving import make_server

        server = self
        self.key = keys.RSA
        self.kid = "first"
        self.codes, self.tokens, self.nonces = {}, {}, set()

        class Client(ClientMixin):
            def get_client_id(self):
                return client_id

            def get_default_redirect_uri(self):
                return redirect_uri

            def get_allowed_scope(self, scope):
                return scope

            def check_redirect_uri(self, uri):
                return uri == redirect_uri

            def check_client_secret(self, secret):
                return secret == client_secret

            def check_endpoint_auth_method(self, method, endpoint):
                return method == "client_secret_basic"

            def check_response_type(self, response_type):
                return response_type == "code"

            def check_grant_type(self, grant_type):
                return grant_type in ("authorization_code", "refresh_token")

        class Code(AuthorizationCodeMixin):
            def __init__(self, payload, fields):
                self.redirect_uri, self.scope = payload.redirect_uri, payload.scope
                self.code_challenge = fields.get("code_challenge")
                self.code_challenge_method = fields.get("code_challenge_method")
                self.nonce, self.auth_time = fields.get("nonce"), int(time.time())

            def get_redirect_uri(self):
                return self.redirect_uri

            def get_scope(self):
                return self.scope

            def get_nonce(self):
                return self.nonce

            def get_auth_time(self):
                return self.auth_time

            def get_acr(self):
                return None

            def get_amr(self):
                return None

        class Kept(dict, TokenMixin):
            def check_client(self, client):
                return True

            def get_scope(self):
                return self["scope"]

            def get_expires_in(self):
                return self["expires_in"]

            def is_expired(self):
                return False

            def is_revoked(self):
                return False

            def get_client(self):
                return Client()

            def get_user(self):
                return "248289761001"

        class CodeGrant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

            def save_authorization_code(self, code, request):
                server.codes[code] = Code(request.payload, request.payload.data)

            def query_authorization_code(self, code, client):
                return server.codes.get(code)

            def delete_authorization_code(self, authorization_code):
                server.codes = {}

            def authenticate_user(self, authorization_code):
                return "248289761001"

        class RefreshGrant(grants.RefreshTokenGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]
            INCLUDE_NEW_REFRESH_TOKEN = True

            def authenticate_refresh_token(self, refresh_token):
                return server.tokens.get(refresh_token)

            def authenticate_user(self, refresh_token):
                return refresh_token.get_user()

            def revoke_old_credential(self, refresh_token):
                del server.tokens[refresh_token["refresh_token"]]

        class OpenID(OpenIDCode):
            def exists_nonce(self, nonce, request):
                return nonce in server.nonces

            def resolve_client_private_key(self, client):
                return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(server.key)), "use": "sig"}

            def get_client_algorithm(self, client):
                return "RS256"

            def get_client_claims(self, client):
                return {"iss": server.issuer}

            def get_encode_header(self, client):
                return {"alg": "RS256", "kid": server.kid}

            def generate_user_info(self, user, scope):
                return UserInfo(sub=user, name="Ada")

        app = Flask("authlib")
        app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"authorization_code": 3600}

        def save_token(token, request):
            server.tokens[token["refresh_token"]] = Kept(token)

        oauth = AuthorizationServer(app, query_client=lambda id_: Client(), save_token=save_token)
        oauth.register_grant(CodeGrant, [OpenID(require_nonce=True), CodeChallenge(required=True)])
        oauth.register_grant(RefreshGrant)

        @app.get("/authorize")
        def authorize():
            grant = oauth.get_consent_grant(end_user="248289761001")
            return oauth.create_authorization_response(grant_user="248289761001", grant=grant)

        @app.post("/token")
        def token():
            return oauth.create_token_response()

        @app.get("/keys")
        def key_set():
            return jsonify(keys=[server.jwk(server.key)])

        @app.get("/userinfo")
        def userinfo():
            known = {t["access_token"] for t in server.tokens.values()}
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in known:
                return "", 401
            return jsonify(sub="248289761001", name="Ada")

        @app.get("/.well-known/openid-configuration")
        def metadata():
            return jsonify(
                issuer=server.issuer,
                authorization_endpoint=f"{server.issuer}/authorize",
                token_endpoint=f"{server.issuer}/token",
                jwks_uri=f"{server.issuer}/keys",
                userinfo_endpoint=f"{server.issuer}/userinfo",
            )

        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def jwk(self, key):
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        return {**public, "kid": self.kid, "use": "sig", "alg": "RS256"}

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def authlib(configure, settings, monkeypatch):
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with AuthlibServer(
        settings.GITHUB_OAUTH_CLIENT_ID,
        settings.GITHUB_OAUTH_CLIENT_SECRET,
        "https://testserver/login/github/authorized/",
    ) as server:
        configure(server.issuer, BASE_URL=server.issuer, SCOPE="openid profile")
        yield server


def dance(member):
    """Begin, consent, and come back."""
    url = member.get("/login/github/", {"next": "/x"})["Location"]
    answer = requests.get(url, allow_redirects=False, timeout=60)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    return member.get(f"{back.path}?{back.query}")


def test_authlib_identifies_and_refreshes_and_serves_userinfo(authlib, member, user):
    assert dance(member)["Location"] == "/x"
    session = providers["github"].session(user=user)
    assert session.id_claims["sub"] == "248289761001"
    assert session.account_info().label == "Ada"
    assert session.userinfo()["name"] == "Ada"
    before = session.access_token
    session = expire(user)
    assert session.userinfo()["sub"] == "248289761001"
    assert session.access_token != before


def test_authlibs_keys_rotate(authlib, member, user, monkeypatch):
    assert dance(member).status_code == 302
    authlib.key = keys.OTHER_RSA
    authlib.kid = "second"
    later = time.monotonic() + discovery.PAUSE + 1
    monkeypatch.setattr(discovery.time, "monotonic", lambda: later)
    assert dance(member).status_code == 302
