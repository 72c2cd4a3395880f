"""Plant secrets, run everything at DEBUG, and search the output for them."""

import json
import logging
import pprint
import traceback

import pytest
import requests
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.views.debug import ExceptionReporter

from django_dance.flows import Flow
from django_dance.models import OAuthToken
from django_dance.providers import BasicAuth, ClientCredentials, providers
from django_dance.signals import oauth_authorized
from django_dance.tokens import Secret, Token, seal

from .conftest import GRANTED, TOKEN_URL, flow_cookies

API = "https://api.github.com/user"
WORD = "planted"  # spelt out nowhere near the frames that are reported


@pytest.fixture(autouse=True)
def debug_logs(caplog):
    """Every logger there is, at DEBUG."""
    caplog.set_level(logging.DEBUG)
    for name in ("requests", "urllib3", "oauthlib", "requests_oauthlib", "django_dance", "django"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def assert_clean(text, *more):
    for secret in ("planted", *more):
        assert secret not in text, text[max(0, text.index(secret) - 300) :][:600]


def report(exception):
    """All that error pages and reporters print of an exception."""
    kind, trace = type(exception), exception.__traceback__
    request = HttpRequest()
    request.META["SERVER_NAME"] = "x"
    request.META["SERVER_PORT"] = "1"
    reporter = ExceptionReporter(request, kind, exception, trace)
    local_variables = traceback.TracebackException(kind, exception, trace, capture_locals=True)
    return "\n".join(
        [reporter.get_traceback_html(), reporter.get_traceback_text(), *local_variables.format()]
    )


def test_a_whole_dance_logs_no_secret(member, dance, responses, debug_logs):
    responses.get(API, json={"login": "ada"})
    begun = dance(member)
    verifier = Flow.unseal(
        member.cookies[flow_cookies(member)[0]].value,
        flow_cookies(member)[0].rpartition("_")[2],
    ).verifier
    begun.callback()
    member.get("/profile/")
    begun.callback()
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": 1}
    row.save()
    member.get("/profile/")
    member.post("/login/github/disconnect/")
    assert debug_logs.records
    assert_clean(debug_logs.text, begun.asked["state"], str(verifier))


@pytest.mark.parametrize("url", ["/oauth/request_token", "/oauth/access_token"])
def test_an_oauth_1_dance_logs_no_secret(member, responses, debug_logs, url):
    base = "https://api.example.org"
    responses.post(
        f"{base}/oauth/request_token",
        body="oauth_token=planted-temp&oauth_token_secret=planted-s&oauth_callback_confirmed=true",
    )
    responses.post(
        f"{base}/oauth/access_token", body="oauth_token=planted-t&oauth_token_secret=planted-ts"
    )
    responses.get(f"{base}/v1/me", json={})
    member.get("/login/tripit/")
    response = member.get(
        "/login/tripit/authorized/",
        {"oauth_token": "planted-temp", "oauth_verifier": "planted-verifier"},
    )
    assert response.status_code == 302
    session = providers["tripit"].session(user=get_user_model().objects.get())
    assert session.get("/me").ok
    assert_clean(debug_logs.text)


def test_no_object_that_holds_a_secret_prints_it():
    token = Token(GRANTED)
    credentials = ClientCredentials("id", "planted-secret")
    flow = Flow(
        provider="github",
        secret=Secret("planted"),
        began=1,
        user=None,
        next="/",
        request_token=Secret("planted"),
    )
    things = [
        token,
        Token({"oauth_token": "planted", "oauth_token_secret": "planted"}),
        token["access_token"],
        Token({"authed_user": {"access_token": "planted"}})["authed_user"],
        Token({"others": [{"refresh_token": "planted"}]})["others"],
        [token],
        {"token": token, "refresh": token["refresh_token"]},
        credentials,
        BasicAuth(credentials, urlencode=True),
        flow,
        flow.verifier,
        flow.state,
        providers["github"],
        providers["github"].current(),
    ]
    for thing in things:
        assert_clean(repr(thing))
        assert_clean(pprint.pformat(thing))
        assert_clean("%r" % (thing,))  # noqa: UP031
    for text in (str(token), f"{token}", "%s" % token, f"{credentials}", f"{flow}"):  # noqa: UP031
        assert_clean(text)


def test_secrets_are_strings_where_they_are_needed():
    token = Token(GRANTED)
    assert token["access_token"] == "planted-access-token"
    assert f"Bearer {token['access_token']}" == "Bearer planted-access-token"
    assert json.loads(json.dumps(token))["access_token"] == "planted-access-token"
    assert json.loads(json.dumps(token.fields_to_store)) == token.fields_to_store


@pytest.mark.parametrize(
    "failure",
    [
        requests.ConnectionError("boom"),
        requests.exceptions.ChunkedEncodingError("boom"),
        requests.Timeout("boom"),
    ],
)
def test_a_failed_call_reports_no_secret(user, responses, failure):
    responses.get(API, body=failure)
    session = providers["github"].session(user=user)
    token = session.token = Token.granted(GRANTED)
    try:
        session.get("/user", headers={"X-Visible": "shown-in-the-report"})
    except requests.RequestException as exception:
        text = report(exception)
    assert "boom" in text and "shown-in-the-report" in text
    assert_clean(text)
    assert token


def test_a_call_that_finds_no_server_reports_no_secret(user, settings):
    settings.DANCE_PROVIDERS = {
        "github": {**settings.DANCE_PROVIDERS["github"], "BASE_URL": "https://localhost:9/"}
    }
    session = providers["github"].session(user=user)
    session.token = GRANTED
    try:
        session.post("/user", data={"a": "b"})
    except requests.ConnectionError as exception:
        text = report(exception)
    assert "localhost" in text
    assert_clean(text)


@pytest.mark.parametrize(
    "answer", [{"status": 500}, {"body": f"{WORD}<html>"}, {"body": requests.ConnectionError()}]
)
def test_a_failed_refresh_reports_no_secret(user, responses, answer, debug_logs):
    responses.post(TOKEN_URL, **answer)
    del answer
    session = providers["github"].session(user=user)
    session.token = {**GRANTED, "expires_in": -1}
    try:
        session.get("/user")
    except Exception as exception:
        text = report(exception)
    assert "ready_token" in text
    assert_clean(text)
    assert_clean(debug_logs.text)


def test_a_failing_callback_reports_neither_code_nor_state(
    member, dance, settings, debug_logs, monkeypatch
):
    def fail(session, token, request, **kwargs):
        access, client = token["access_token"], session
        raise ZeroDivisionError(f"{len(access)}{client}")

    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    settings.DEBUG = True
    begun = dance(member)
    member.raise_request_exception = False
    oauth_authorized.connect(fail)
    try:
        response = begun.callback()
    finally:
        oauth_authorized.disconnect(fail)
    assert response.status_code == 500
    page = response.content.decode()
    assert "ZeroDivisionError" in page and "/login/github/authorized/" in page
    assert_clean(page, begun.asked["state"])
    assert_clean(debug_logs.text, begun.asked["state"])


def test_the_admin_shows_no_token(admin_client, user):
    providers["github"].session(user=user).token = GRANTED
    row = OAuthToken.objects.get()
    sealed = OAuthToken.objects.values_list("token", flat=True).get()
    base = "/admin/django_dance/oauthtoken/"
    for url in (
        base,
        f"{base}?q=ada",
        f"{base}{row.pk}/change/",
        f"{base}{row.pk}/history/",
        f"{base}{row.pk}/delete/",
    ):
        page = admin_client.get(url)
        assert page.status_code == 200
        assert_clean(page.content.decode(), str(sealed))
    for secret in ("planted-access-token", str(sealed)[:20]):
        page = admin_client.get(base, {"q": secret})
        assert b"0 OAuth tokens" in page.content
    assert admin_client.get(f"{base}add/").status_code == 403


def test_the_table_holds_no_plain_token(user):
    providers["github"].session(user=user).token = GRANTED
    assert_clean(repr(list(OAuthToken.objects.values())))


def test_a_sealed_value_differs_each_time():
    first, second = (seal(b"planted", purpose="token", identity="x") for _ in range(2))
    assert first != second
    assert_clean(first)


def test_a_model_and_a_session_print_no_token(user):
    session = providers["github"].session(user=user)
    session.token = GRANTED
    row = OAuthToken.objects.get()
    for thing in (session, session.owner, row, row.token, session.config):
        assert_clean(repr(thing))
        assert_clean(str(thing))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("storage", ["ModelStorage", "SessionStorage"])
def test_a_token_that_cannot_be_sealed_is_not_reported(user, settings, make_request, storage):
    settings.DANCE_STORAGE = f"django_dance.storage.{storage}"
    github = make_request(user).oauth.github
    settings.DANCE_ENCRYPTION_KEYS = "no list"
    try:
        github.token = Token.granted(GRANTED)
    except Exception as error:
        text = report(error)
    assert "DANCE_ENCRYPTION_KEYS" in text
    assert_clean(text)
