"""Refusals: the words of a provider, and their meaning in each place where it refuses."""

import html
import json

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_dance.exceptions import (
    AuthorizationRequired,
    FlowError,
    InvalidResponse,
    ProviderError,
    ProviderUnavailable,
    TokenRequestRefused,
)
from django_dance.models import OAuthToken
from django_dance.providers import OAuth2Provider, providers
from django_dance.providers.device import DeviceAuthorization
from django_dance.tokens import ResourceOwner, Token

from ..conftest import GRANTED, TOKEN_URL, Dance

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

TOKEN = "https://example.com/token"
SECRET = "planted-refresh-token"


class Mine(OAuth2Provider):
    authorization_url = "https://example.com/authorize"
    token_url = TOKEN
    client_id = "id"
    client_secret = "planted-client-secret"
    refusals = {
        "dead": ("gone", "The token has gone", "invalid_request: refresh token"),
        "busy": "come_back",
        "slow_down": ("too_fast",),
        "client": ("who_are_you",),
    }


def refusal_of(responses, provider=None, **answer):
    """The error for an answer to a refresh."""
    responses.post(TOKEN, **{"status": 400, **answer})
    provider = provider or Mine("mine")
    with pytest.raises(ProviderError) as caught:
        provider.grant(
            TOKEN,
            {"grant_type": "refresh_token", "refresh_token": SECRET},
            provider.get_client_credentials(None),
        )
    return caught.value


# --- words and their meanings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "meaning", "kind"),
    [
        ({"error": "invalid_grant"}, "dead", TokenRequestRefused),
        ({"error": "expired_token"}, "dead", TokenRequestRefused),
        ({"error": "interaction_required"}, "dead", TokenRequestRefused),
        ({"error": "login_required"}, "dead", TokenRequestRefused),
        ({"error": "consent_required"}, "dead", TokenRequestRefused),
        ({"error": "account_selection_required"}, "dead", TokenRequestRefused),
        ({"error": "access_denied"}, "cancelled", TokenRequestRefused),
        ({"error": "authorization_pending"}, "pending", TokenRequestRefused),
        ({"error": "slow_down"}, "slow_down", ProviderUnavailable),
        ({"error": "temporarily_unavailable"}, "busy", ProviderUnavailable),
        ({"error": "server_error"}, "busy", ProviderUnavailable),
        ({"error": "invalid_client"}, "client", TokenRequestRefused),
        ({"error": "invalid_request"}, "unknown", TokenRequestRefused),
        ({"error": "gone"}, "dead", TokenRequestRefused),
        ({"error": "GONE"}, "dead", TokenRequestRefused),
        ({"error": "come_back"}, "busy", ProviderUnavailable),
        ({"error": "too_fast"}, "slow_down", ProviderUnavailable),
        ({"error": "who_are_you"}, "client", TokenRequestRefused),
        ({"message": "The token has gone."}, "dead", TokenRequestRefused),
        ({"message": "The token has gone away"}, "unknown", InvalidResponse),
        (
            {"error": "invalid_request", "error_description": "Bad Refresh Token: x"},
            "dead",
            TokenRequestRefused,
        ),
        ({"error": {"code": "gone", "message": "x"}}, "dead", TokenRequestRefused),
        ({"errors": [{"errorType": "gone", "message": "x"}]}, "dead", TokenRequestRefused),
        ({"error": "Bad Request", "message": "The token has gone"}, "dead", TokenRequestRefused),
        ({"detail": "no"}, "unknown", InvalidResponse),
        ({}, "unknown", InvalidResponse),
    ],
)
def test_a_refusal_has_the_meaning_of_its_words(responses, body, meaning, kind):
    error = refusal_of(responses, json=body)
    assert type(error) is kind
    assert error.refusal == meaning == Mine("mine").meaning_of(error)
    assert error.status == 400


def test_a_provider_may_refuse_with_the_status_200(responses):
    assert refusal_of(responses, status=200, json={"error": "gone"}).refusal == "dead"


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_error_beside_a_token_is_no_refusal(responses, nothing):
    responses.post(TOKEN, json={**GRANTED, "error": nothing})
    provider = Mine("mine")
    fields = provider.grant(TOKEN, {}, provider.get_client_credentials(None))
    assert fields["access_token"] == GRANTED["access_token"]
    assert "error" not in fields


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<!DOCTYPE html><title>Blocked</title>"},
        {"body": "Blocked", "content_type": "text/html; charset=utf-8"},
        {"body": ""},
    ],
)
def test_a_page_of_a_proxy_is_no_refusal_of_the_token_endpoint(responses, answer):
    error = refusal_of(responses, **answer)
    assert type(error) is InvalidResponse
    assert error.refusal == ""


def test_a_refusal_may_have_another_format_than_a_grant(responses):
    assert refusal_of(responses, body="error=gone&error_description=x").refusal == "dead"

    class Forms(Mine):
        token_format = "form"

    assert refusal_of(responses, Forms("forms"), json={"error": "gone"}).refusal == "dead"


def test_a_sites_words_are_added_to_those_of_the_preset_and_come_first(responses):
    provider = Mine("mine", refusals={"dead": ["over"], "busy": ["gone"]})
    assert refusal_of(responses, provider, json={"error": "over"}).refusal == "dead"
    for word, meaning in (("gone", "busy"), ("who_are_you", "client"), ("invalid_grant", "dead")):
        responses.reset()
        assert refusal_of(responses, provider, json={"error": word}).refusal == meaning


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"deceased": ["x"]}, "REFUSALS has words for 'deceased'"),
        ({"dead": 5}, "that is not a list of texts"),
        ({"dead": [5]}, "that is not a list of texts"),
        ({"dead": [""]}, "that is not a list of texts"),
        ("dead", "REFUSALS is a str"),
    ],
)
def test_words_that_cannot_be_used_are_a_mistake_in_the_settings(value, text):
    (problem,) = Mine("mine", refusals=value).problems()
    assert problem.id == "django_dance.E004"
    assert text in problem.message
    with pytest.raises(ImproperlyConfigured, match=text):
        Mine("mine", refusals=value).current()


def test_a_class_can_read_refusals_itself(responses):
    class Odd(Mine):
        def refusal(self, answer, fields):
            return super().refusal(answer, {"error": "gone"} if answer.status == 410 else fields)

    assert refusal_of(responses, Odd("odd"), status=410, json={"x": 1}).refusal == "dead"


@pytest.mark.parametrize(
    "code, text, meaning",
    [
        ("invalid_client", "invalid_grant", "client"),
        ("server_error", "access_denied", "busy"),
        ("come_back", "The token has gone", "busy"),
        ("", "The token has gone", "dead"),
        ("odd", "The token has gone.", "dead"),
    ],
)
def test_a_code_takes_precedence_over_a_sentence(code, text, meaning):
    error = TokenRequestRefused("no", error=code, error_description=text)
    assert Mine("mine").meaning_of(error) == meaning


def test_an_error_that_a_class_raises_itself_has_a_meaning_too():
    assert Mine("mine").meaning_of(TokenRequestRefused("no", error="invalid_grant")) == "dead"
    assert Mine("mine").meaning_of(TokenRequestRefused("no", error="odd")) == "unknown"
    assert Mine("mine").meaning_of(ProviderUnavailable("no")) == ""


# --- what the error says --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (
            {"json": {"error": "odd", "error_description": "Le jeton a expiré"}},
            "odd",
            "Le jeton a expiré",
        ),
        (
            {
                "json": {
                    "error": "odd",
                    "error_description": "トークン\u202e\r\n期限\u200b切れ\x1b[",
                }
            },
            "odd",
            "トークン 期限 切れ [",
        ),
        (
            {
                "json": {
                    "error": {
                        "message": "It has expired",
                        "type": "OAuthException",
                        "code": 190,
                    }
                }
            },
            "190",
            "It has expired",
        ),
        ({"json": {"errors": [{"code": "X1", "detail": "No such grant"}]}}, "X1", "No such grant"),
        (
            {"json": {"title": "Gone", "detail": "It ended", "status": 400}},
            None,
            "It ended",
        ),
        ({"json": {"code": 400, "message": "no"}}, None, "no"),
        *[
            ({"body": f"<p>Down{part}", "content_type": "text/html"}, None, "Down")
            for part in ("<!-- a <!-- b", "<script>c <script>d", "<style>e </style <p>f", "<!--")
        ],
        (
            {
                "body": "<html><head><title>Down</title><style>a {b}</style></head>"
                "<body><!-- x --><h1>We&#39;re  moving</h1><script>1<2</script></body></html>",
                "content_type": "text/html",
            },
            None,
            "Down We're moving",
        ),
        ({"body": "just\ttext", "content_type": "text/plain"}, None, "just text"),
        ({"json": {"error": "odd", "error_description": 5}}, "odd", None),
        ({"json": {"error": "odd", "error_description": "x" * 1000}}, "odd", "x" * 300),
        (
            {"json": {"error": "there is no token"}},
            "invalid_response",
            "there is no token",
        ),
    ],
)
def test_an_error_has_the_providers_code_and_its_cleaned_words(responses, answer, code, words):
    error = refusal_of(responses, **answer)
    assert (error.error, error.error_description) == (code, words)
    assert "(status 400)" in str(error)
    assert (words or "") in str(error)
    assert str(error).isprintable()


def test_an_answer_that_says_try_later_has_the_providers_words_too(responses):
    error = refusal_of(responses, status=503, body="<h1>Moving house</h1>")
    assert type(error) is ProviderUnavailable
    assert error.error_description == "Moving house"


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize(
    "secret", [SECRET, "planted-client-secret", "planted%2Dclient%2Dsecret".replace("%2D", "-")]
)
def test_secrets_of_the_request_are_masked_in_the_words(responses, status, secret):
    words = f"no token {secret} for you"
    error = refusal_of(responses, status=status, json={"error": "odd", "error_description": words})
    assert error.error_description == "no token *** for you"
    assert "planted" not in str(error)


@pytest.mark.parametrize("status", [400, 403, 503])
@pytest.mark.parametrize(
    "body",
    [
        '{"access_token": "planted-access", "refresh_token":"planted-refresh", "expires',
        "access_token=planted-access&refresh_token=planted-refresh&scope=a",
        "<p>{&quot;id_token&quot;: &quot;planted-id&quot;}</p>",
        "{'access_token': 'planted-access'}",
        "oauth_token=planted-access&oauth_token_secret=planted-secret",
    ],
    ids=["cut", "form", "page", "quotes", "oauth1"],
)
def test_tokens_in_an_odd_answer_are_masked(responses, body, status):
    error = refusal_of(responses, status=status, body=body)
    assert "***" in error.error_description
    assert "planted" not in f"{error} {error.error} {error.error_description}"


def test_the_name_of_a_token_hides_no_words(responses):
    words = "refresh_token: expired. The access_token is fine"
    assert refusal_of(responses, json={"message": words}).error_description == words


@pytest.mark.parametrize("form", ["form", "json"])
def test_secrets_in_the_body_are_masked(responses, form):
    class Posting(Mine):
        client_auth = "post"
        token_request_format = form

    words = f"{SECRET} of planted-client-secret"
    error = refusal_of(responses, Posting("posting"), json={"error": words})
    assert error.error_description == "*** of ***"


@pytest.mark.parametrize("header", ["Authorization", "X-Access-Token"])
def test_a_failed_call_for_the_account_has_words_without_the_token(
    responses, user, settings, header
):
    class Calling(Mine):
        base_url = "https://example.com/api/"
        account_url, account_id = "me", "id"
        token_header = header

    settings.DANCE_PROVIDERS = {"github": {"PROVIDER": Calling}}
    words = f"the token {GRANTED['access_token']} is too young"
    responses.get("https://example.com/api/me", status=403, json={"message": words})
    session = providers["github"].session(user=user)
    session.token = GRANTED
    with pytest.raises(InvalidResponse, match=r"answered 403\. the token \*\*\* is too") as error:
        session.account_info()
    assert error.value.status == 403
    assert error.value.error_description == "the token *** is too young"


def test_a_failed_revocation_has_the_words_of_the_provider(responses):
    provider = Mine("mine", revocation_url="https://example.com/revoke")
    responses.post("https://example.com/revoke", status=400, json={"error": f"no {SECRET} here"})
    with pytest.raises(ProviderError, match=r"it answered 400\. no \*\*\* here"):
        provider.revoke(ResourceOwner(provider), Token({"refresh_token": SECRET}))


@pytest.mark.parametrize(
    ("answer", "code", "error", "words"),
    [
        (
            {"json": {"error": "odd", "error_description": "Ungültig\x00!"}},
            "token_refused",
            "odd",
            "Ungültig !",
        ),
        (
            {"json": {"error": {"message": "No\nway", "type": "OAuthException"}}},
            "token_refused",
            "OAuthException",
            "No way",
        ),
        (
            {"body": "<html><h1>Blocked &amp; logged</h1></html>", "content_type": "text/html"},
            "token_response_invalid",
            None,
            "Blocked & logged",
        ),
    ],
    ids=["not-ascii", "object", "page"],
)
def test_page_log_and_signal_have_the_words_of_the_provider(
    member, responses, events, caplog, answer, code, error, words
):
    responses.post(TOKEN_URL, status=400, **answer)
    response = Dance(member).callback()
    shown = html.unescape(response.content.decode())
    assert f">{code}{f' ({error})' if error else ''}: {words}<" in shown
    (line,) = [record for record in caplog.records if record.name == "django_dance"]
    assert (line.code, line.provider, line.status) == (code, "github", 400)
    assert (line.error, line.error_description) == (error, words)
    assert "(status 400)" in line.getMessage() and words in line.getMessage()
    (heard,) = events.named("oauth_error")
    assert (heard["code"], heard["error"], heard["error_description"]) == (code, error, words)
    assert heard["response"] is None


@pytest.mark.parametrize("error", ["odd", "access_denied"])
def test_the_words_of_a_callback_are_in_page_and_log(member, events, caplog, error):
    words = "Nicht\u202e gewünscht"
    response = Dance(member).callback(error=error, error_description=words)
    assert ": Nicht gewünscht<" in response.content.decode()
    (line,) = [record for record in caplog.records if record.name == "django_dance"]
    assert (line.provider, line.error) == ("github", error)
    assert line.code == events.codes[0]
    assert line.getMessage().endswith(f"the provider answered {error}: Nicht gewünscht")


# --- where the words count ------------------------------------------------------------------------


@pytest.fixture
def own_words(settings):
    settings.DANCE_PROVIDERS = {
        "github": {
            **settings.DANCE_PROVIDERS["github"],
            "REFUSALS": {
                "cancelled": ["user_said_no"],
                "pending": ["wait_for_it"],
                "dead": ["it_is_over"],
                "busy": ["later"],
            },
        }
    }


def test_a_visitor_who_refused_in_the_providers_words_is_told_so(member, own_words, events):
    response = Dance(member).callback(error="user_said_no", error_description="Ünder no condition")
    assert response.status_code == 403
    assert events.codes == ["access_denied"]
    assert events[-1][1]["error"] == "user_said_no"
    assert "Ünder no condition" in response.content.decode()


def test_a_refusal_at_the_exchange_of_the_code_is_told_too(member, own_words, responses, events):
    responses.post(TOKEN_URL, json={"error": "user_said_no"}, status=400)
    assert Dance(member).callback().status_code == 403
    assert events.codes == ["access_denied"]


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("it_is_over", AuthorizationRequired),
        ("later", ProviderUnavailable),
        ("odd", TokenRequestRefused),
    ],
)
def test_a_refresh_ends_as_the_words_say(user, own_words, responses, word, outcome):
    responses.post(TOKEN_URL, json={"error": word}, status=400)
    session = providers["github"].session(user=user)
    session.token = {**GRANTED, "expires_in": -5}
    with pytest.raises(outcome):
        providers["github"].session(user=user).refresh()
    lost = OAuthToken.objects.get().state == "needs_reconnect"
    assert lost is (outcome is AuthorizationRequired)


DEVICE = DeviceAuthorization("planted-device", "A-B", "https://github.com/x", None, 2e9, 5)


def test_a_device_waits_while_the_words_mean_pending(own_words, responses, settings):
    responses.post(TOKEN_URL, json={"error": "wait_for_it"}, status=400)
    assert providers["github"].poll_device(DEVICE) is None


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("user_said_no", "access_denied"),
        ("it_is_over", "flow_expired"),
        ("invalid_grant", "flow_expired"),
    ],
)
def test_a_device_flow_ends_as_the_words_say(own_words, responses, word, code):
    responses.post(TOKEN_URL, json={"error": word}, status=400)
    with pytest.raises(FlowError) as caught:
        providers["github"].poll_device(DEVICE)
    assert (caught.value.code, caught.value.error) == (code, word)


def test_a_refused_device_code_request_has_the_providers_words(responses):
    provider = Mine("mine", device_authorization_url="https://example.com/device")
    responses.post(
        "https://example.com/device", status=400, body=json.dumps({"error": "odd", "message": "no"})
    )
    with pytest.raises(TokenRequestRefused, match=r"refused: odd \(status 400\): no"):
        provider.begin_device()
