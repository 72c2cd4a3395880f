"""Every refusal has a description for the client, and its reason in the log."""

import re
import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model
from oauthlib.oauth2 import OAuth2Error

from django_dance.server.models import Client
from django_dance.server.refusals import describe

from ..conftest import query
from .conftest import CALLBACK, basic

CREDENTIALS = {"grant_type": "client_credentials"}
#: The errors of RFC 6749 §4.1.2.1 and §5.2, of RFC 7009 §2.2.1, and those of OpenID Connect Core
#: §3.1.2.6 that the server sends.
CODES = [
    "access_denied",
    "consent_required",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "login_required",
    "request_not_supported",
    "request_uri_not_supported",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
]


def reason(caplog):
    """The reason in the only line of the server's log."""
    lines = [r.getMessage() for r in caplog.records if r.name == "django_dance.server"]
    return lines[-1].split(": ", 2)[2]


def deactivate(model):
    model.objects.update(is_active=False)


TOKEN_REFUSALS = {
    "unknown client": (
        lambda app, code: app.post("token/", CREDENTIALS, authorization=basic("no", "no")),
        "the client is unknown or deactivated",
    ),
    "wrong secret": (
        lambda app, code: app.post(
            "token/", CREDENTIALS, authorization=basic(app.client.client_id, "no")
        ),
        "the client's secret is wrong",
    ),
    "no secret": (
        lambda app, code: app.post(
            "token/", {**CREDENTIALS, "client_id": app.client.client_id}, authorization=None
        ),
        "the client sent no secret",
    ),
    "grant type of the client": (
        lambda app, code: app.post("token/", CREDENTIALS),
        "The client is not registered for this grant type.",
    ),
    "grant type of the server": (
        lambda app, code: app.post("token/", {"grant_type": "unknown"}),
        "The server does not support this grant type.",
    ),
    "unknown code": (
        lambda app, code: app.redeem("no"),
        "the code is unknown, expired, or another client's",
    ),
    "deactivated user": (
        lambda app, code: deactivate(get_user_model()) or app.redeem(code),
        "the code is expired, or the user or client has changed",
    ),
    "no redirect URI": (
        lambda app, code: app.redeem(code, redirect_uri=None),
        "The redirect_uri must be repeated",
    ),
    "wrong verifier": (
        lambda app, code: app.redeem(code, code_verifier="x" * 43),
        "The code_verifier does not match",
    ),
    "used code": (
        lambda app, code: app.redeem(code) and app.redeem(code),
        "the code or refresh token was used before",
    ),
    "unknown refresh token": (
        lambda app, code: app.refresh("no"),
        "the refresh token is unknown",
    ),
    "deactivated client": (
        lambda app, code: deactivate(Client) or app.redeem(code),
        "the client is unknown or deactivated",
    ),
    "more scopes": (
        lambda app, code: app.refresh(app.redeem(code).json()["refresh_token"], scope="admin"),
        "The client may not request this scope.",
    ),
}


@pytest.mark.parametrize("case", TOKEN_REFUSALS)
def test_a_client_gets_a_description_and_the_log_gets_the_reason(app, member, caplog, case):
    refuse, expected = TOKEN_REFUSALS[case]
    response = refuse(app, app.code(member))
    assert response.status_code in (400, 401)
    answer = response.json()
    assert answer["error_description"].endswith(".")
    assert reason(caplog).startswith(expected)
    # A client cannot learn whether another client exists.
    if answer["error"] == "invalid_client":
        assert "unknown, or did not authenticate" in answer["error_description"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "admin"}, "invalid_scope"),
        ({"prompt": "none", "scope": "address"}, "consent_required"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"request": "x"}, "request_not_supported"),
        ({"code_challenge": None}, "invalid_request"),
    ],
    ids=str,
)
def test_an_authorization_response_has_a_description(app, member, caplog, changes, error):
    answer = query(member.get(app.address(**changes))["Location"])
    assert answer["error"] == error and answer["error_description"]
    assert reason(caplog) == answer["error_description"]


def test_a_denial_has_a_description(app, member):
    answer = query(app.send(member, "deny")["Location"])
    assert answer["error_description"] == "The user did not allow the request."


def test_an_error_page_has_a_description(app, member, caplog):
    page = member.get(app.address(client_id="unknown"))
    assert page.status_code == 400
    assert "Invalid client_id" in page.content.decode() and "Invalid client_id" in reason(caplog)


def test_a_request_without_redirect_uri_succeeds_if_the_first_one_had_none(app, member):
    code = app.code(member, redirect_uri=None)
    assert app.redeem(code, redirect_uri=None).status_code == 200
    assert app.client.redirect_uris == [CALLBACK]


@pytest.mark.parametrize("code", CODES)
def test_each_error_code_has_a_description(code):
    error = OAuth2Error()
    error.error = code
    # RFC 6749 §4.1.2.1: the characters that a description may have.
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+\.", describe(error).description)


def test_the_hooks_of_installed_apps_are_imported(tmp_path):
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "oauth_hooks.py").write_text("print('the hooks of the shop')")
    code = """if True:
        import django
        from django.conf import settings
        settings.configure(INSTALLED_APPS=[
            "django.contrib.contenttypes", "django.contrib.auth", "django_dance.server", "shop",
        ])
        django.setup()
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == "the hooks of the shop\n"
