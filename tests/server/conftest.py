import base64
import hashlib
import re
import secrets
from pathlib import Path
from urllib.parse import quote_plus, urlencode

import pytest
from django.contrib.auth import views as auth
from django.urls import include, path

from django_dance.server import AuthorizationServer, bind_models
from django_dance.server.access_tokens import AccessToken
from django_dance.server.models import Client, Grant, Token

from ..conftest import Browser, query
from . import site

HERE = Path(__file__).parent
CALLBACK = "https://app.example/callback"
FORM = "application/x-www-form-urlencoded"


def pytest_collection_modifyitems(items):
    """The tests here use the URLs of ``tests.server``, unless they name others."""
    for item in items:
        if HERE in item.path.parents and not item.get_closest_marker("urlconf"):
            item.add_marker(pytest.mark.urlconf("tests.server.urls"))


def basic(client_id, secret):
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def consent_form(page, decision="allow"):
    """The fields of the form on a consent page; on any other page the decision alone."""
    found = re.search(r'name="shown_to" value="([0-9a-f]+)"', page.content.decode())
    return {"decision": decision, **({"shown_to": found[1]} if found else {})}


class Application:
    """A registered application, which sends requests to the server."""

    root = "/oauth/"

    def __init__(self, client, secret):
        self.client, self.secret = client, secret
        self.line = Browser()
        self.new_verifier()

    def new_verifier(self):
        self.verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        self.challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def asking(self, **changes):
        """The parameters of an authorization request; ``None`` leaves one out."""
        asking = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": CALLBACK,
            "scope": "email",
            "state": "planted-state",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in asking.items() if value is not None}

    def address(self, **changes):
        return f"{self.root}authorize/?{urlencode(self.asking(**changes), doseq=True)}"

    def send(self, browser, decision="allow", **changes):
        """A browser opens the consent page and presses a button there."""
        page = browser.get(self.address(**{"prompt": "consent", **changes}))
        return browser.post(self.address(**changes), consent_form(page, decision))

    def code(self, browser, **changes):
        response = self.send(browser, **changes)
        return query(response["Location"])["code"]

    def post(self, path, form, **headers):
        """A form as this application sends it, authenticated by Basic if it has a secret."""
        if self.secret and "authorization" not in headers:
            headers["authorization"] = basic(self.client.client_id, self.secret)
        elif not self.secret:
            form = {"client_id": self.client.client_id, **form}
        headers = {name: value for name, value in headers.items() if value is not None}
        form = {name: value for name, value in form.items() if value is not None}
        return self.line.post(self.root + path, urlencode(form, True), FORM, headers=headers)

    def redeem(self, code, **changes):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": self.verifier,
        }
        return self.post("token/", {**form, **changes})

    def refresh(self, refresh_token, **changes):
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self.post("token/", {**form, **changes})

    def revoke(self, token, **changes):
        return self.post("revoke/", {"token": token, **changes})

    def introspect(self, token):
        return self.post("introspect/", {"token": token})

    def token(self, browser, **changes):
        """A token response, after the consent and the redemption of the code."""
        response = self.redeem(self.code(browser, **changes))
        assert response.status_code == 200, response.content
        return response.json()

    def get(self, path, token, **options):
        return self.line.get(path, headers={"authorization": f"Bearer {token}"}, **options)


def register_application(name="Notes", *, public=False, **fields):
    fields = {
        "registered_redirect_uris": CALLBACK,
        "scope": "email address",
        "is_confidential": not public,
        **fields,
    }
    client = Client(name=name, **fields)
    secret = None if public else client.rotate_secret()
    client.save()
    return Application(client, secret)


@pytest.fixture
def register(db):
    return register_application


@pytest.fixture
def app(register):
    return register()


@pytest.fixture
def granted(app, member):
    """The token response of ``app`` for ``member``."""
    return app.token(member)


def is_alive(app, token):
    return app.get("/email/", token).status_code == 200


def assert_invalid_grant(response):
    assert response.status_code == 400, response.content
    assert response.json()["error"] == "invalid_grant"


def row_counts():
    return Grant.objects.count(), Token.objects.count()


def make_server(**models):
    """A server for one test, with the same name and the same tables."""
    server = AuthorizationServer(issuer="https://testserver", scopes=site.SCOPES)
    bind_models(server, **{**site.MODELS, **models})
    return server


def serve(settings, server, *routes):
    """Give the site of the test this server, and a protected view that shows the token."""
    login = auth.LoginView.as_view(template_name="login.html")
    settings.ROOT_URLCONF = type(
        "Urls",
        (),
        {
            "urlpatterns": [
                path("oauth/", include(server.urls)),
                path("accounts/login/", login, name="login"),
                path("email/", server.require_oauth("email")(site.whoami)),
                *routes,
            ]
        },
    )


def accept_session_cookie(server, *scopes):
    """Register a hook that also accepts a user who is logged in."""

    @server.after_request
    def hook(valid, request):
        if valid or not request.user.is_authenticated:
            return valid, request
        request.oauth_token = AccessToken(user=request.user, client=None, scopes=frozenset(scopes))
        return True, request
