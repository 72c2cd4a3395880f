"""How the presets treat the refusals that their providers document.

The table has the documented answer to a refresh whose grant has ended, or that comes at a bad
moment. No answer is guessed: :data:`UNDOCUMENTED` lists the presets without a documented answer.
"""

from typing import Any, NamedTuple

import pytest

from django_dance.exceptions import (
    AuthorizationRequired,
    FlowError,
    ProviderUnavailable,
    TokenRequestRefused,
)
from django_dance.models import OAuthToken
from django_dance.providers import OAuth2Provider
from django_dance.providers.device import DeviceAuthorization

from ..catalogue import PRESETS
from ..conftest import Dance
from .conftest import expire_token

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


class Answer(NamedTuple):
    """A documented answer to a refresh."""

    preset: str
    #: ``None`` if the source does not name it.
    status: int | None
    body: dict[str, Any]
    meaning: str
    source: str


EXPIRED = {"error": {"message": "Session has expired", "type": "OAuthException", "code": 190}}
ANSWERS = [
    *(
        Answer(
            name,
            400,
            EXPIRED,
            "dead",
            "https://developers.facebook.com/docs/graph-api/guides/error-handling/",
        )
        for name in ("instagram", "threads")
    ),
    Answer(
        "airtable",
        None,
        {"error": "invalid_grant"},
        "dead",
        "https://www.plushcap.com/content/nango/blog/nango-airtable-oauth-refresh-token-invalid_grant-what-it-means-how-to-fix-it",
    ),
    Answer(
        "atlassian",
        403,
        {"error": "unauthorized_client", "error_description": "refresh_token is invalid"},
        "dead",
        "https://github.com/raycast/extensions/issues/11836",
    ),
    Answer(
        "atlassian",
        403,
        {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."},
        "dead",
        "https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/",
    ),
    Answer(
        "auth0",
        None,
        {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."},
        "dead",
        "https://github.com/auth0/Auth0.swift/issues/819",
    ),
    Answer(
        "azure",
        400,
        {
            "error": "invalid_grant",
            "error_description": "AADSTS700082: The refresh token has expired due to inactivity.",
            "error_codes": [700082],
        },
        "dead",
        "https://github.com/Azure/azure-cli/issues/14244",
    ),
    Answer(
        "box",
        400,
        {"error": "invalid_grant", "error_description": "Refresh token has expired"},
        "dead",
        "https://github.com/cburnette/boxr/issues/73",
    ),
    Answer(
        "deel",
        None,
        {"error": "invalid_grant"},
        "dead",
        "https://developer.deel.com/docs/getting-started-1",
    ),
    Answer(
        "discord",
        400,
        {"error": "invalid_grant"},
        "dead",
        "https://github.com/discord/discord-api-docs/issues/1650",
    ),
    Answer(
        "discord",
        400,
        {"error": "invalid_request", "error_description": 'Invalid "refresh_token" in request.'},
        "dead",
        "https://github.com/member-gentei/member-gentei/issues/18",
    ),
    Answer(
        "dropbox",
        400,
        {"error": "invalid_grant", "error_description": "refresh token is invalid or revoked"},
        "dead",
        "https://github.com/nextcloud/integration_dropbox/issues/34",
    ),
    Answer(
        "fitbit",
        400,
        {
            "errors": [
                {"errorType": "invalid_grant", "message": "Refresh token invalid: planted-refresh."}
            ],
            "success": False,
        },
        "dead",
        "https://github.com/lukasolson/fitbit-node/issues/14",
    ),
    Answer(
        "gitlab",
        400,
        {
            "error": "invalid_grant",
            "error_description": "The provided authorization grant is invalid, expired, revoked.",
        },
        "dead",
        "https://github.com/oauth2-proxy/oauth2-proxy/issues/1473",
    ),
    *(
        Answer(
            name,
            400,
            {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
            "dead",
            "https://github.com/GeneralTask/task-manager/pull/2169",
        )
        for name in ("google", "google_health")
    ),
    Answer(
        "kakao",
        None,
        {"error": "invalid_grant", "error_description": "expired_or_invalid_refresh_token"},
        "dead",
        "https://github.com/kakao/kakao_flutter_sdk/issues/117",
    ),
    Answer(
        "keycloak",
        400,
        {"error": "invalid_grant", "error_description": "Token is not active"},
        "dead",
        "https://github.com/mauriciovigolo/keycloak-angular/issues/564",
    ),
    Answer(
        "line",
        400,
        {"error": "invalid_grant", "error_description": "invalid refresh token"},
        "dead",
        "https://developers.line.biz/en/reference/line-login/",
    ),
    Answer(
        "mendeley",
        400,
        {"error": "invalid_grant", "error_description": "Invalid access code"},
        "dead",
        "https://dev.mendeley.com/reference/topics/authorization_auth_code.html",
    ),
    Answer(
        "mercado_pago",
        400,
        {"error": "unauthorized_client"},
        "dead",
        "https://www.mercadopago.com.mx/developers/en/reference/oauth/_oauth_token/post",
    ),
    Answer(
        "myanimelist",
        401,
        {
            "error": "invalid_request",
            "message": "The refresh token is invalid.",
            "hint": "Token has expired",
        },
        "dead",
        "https://github.com/erengy/taiga/blob/HEAD/src/sync/myanimelist.cpp",
    ),
    Answer(
        "nextcloud",
        400,
        {"error": "invalid_request"},
        "dead",
        "https://github.com/nextcloud/server/blob/HEAD/apps/oauth2/lib/Controller/OauthApiController.php",
    ),
    Answer(
        "pipedrive",
        400,
        {
            "success": False,
            "message": "Invalid grant: refresh token is invalid",
            "error": "invalid_grant",
        },
        "dead",
        "https://github.com/pipedrive/client-nodejs/blob/HEAD/test/functional/oauth/access-token.test.ts",
    ),
    Answer(
        "planning_center",
        None,
        {
            "error": "invalid_request",
            "error_description": "The refresh token is no longer valid",
        },
        "dead",
        "https://github.com/planningcenter/developers/issues/1310",
    ),
    Answer(
        "quickbooks",
        400,
        {"error": "invalid_grant"},
        "dead",
        "https://github.com/intuit/oauth-jsclient/issues/77",
    ),
    Answer(
        "shopify",
        400,
        {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
        "dead",
        "https://nango.dev/blog/shopify-oauth-refresh-token-invalid-grant",
    ),
    Answer(
        "slack",
        400,
        {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
        "dead",
        "https://nango.dev/blog/slack-oauth-refresh-token-invalid-grant",
    ),
    Answer(
        "smartsheet",
        400,
        {
            "errorCode": 1071,
            "error": "invalid_grant",
            "error_description": "The authorization code or refresh token provided was invalid.",
        },
        "dead",
        "https://github.com/smartsheet-platform/api-docs/blob/HEAD/source/_additional.html.md.erb",
    ),
    Answer(
        "soundcloud",
        400,
        {"error": "invalid_grant"},
        "dead",
        "https://github.com/soundcloud/api/issues/395",
    ),
    Answer(
        "spotify",
        400,
        {"error": "invalid_grant", "error_description": "Refresh token revoked"},
        "dead",
        "https://github.com/barmiro/SYSH/issues/8",
    ),
    Answer(
        "square",
        None,
        {"message": "Invalid refresh token", "type": "service.not_authorized"},
        "dead",
        "https://developer.squareup.com/forums/t/getting-error-while-renew-token/11056",
    ),
    Answer(
        "twitter",
        400,
        {
            "error": "invalid_request",
            "error_description": "Value passed for the token was invalid.",
        },
        "dead",
        "https://github.com/transitive-bullshit/chatgpt-twitter-bot/blob/main/src/twitter.ts",
    ),
    Answer(
        "withings",
        200,
        {"status": 503, "error": "invalid refresh_token"},
        "dead",
        "https://developer.withings.com/api-reference/#tag/oauth2",
    ),
    Answer(
        "xero",
        None,
        {"error": "invalid_grant"},
        "dead",
        "https://www.plushcap.com/content/nango/blog/nango-xero-oauth-refresh-token-invalid_grant-what-it-means-how-to-fix-it",
    ),
    Answer(
        "zoho",
        400,
        {
            "error": "Access Denied",
            "error_description": "You have made too many requests continuously. Please try again "
            "after some time.",
            "status": "failure",
        },
        "busy",
        "https://help.zoho.com/portal/en/community/topic/kaizen-43-tokens-and-limitations",
    ),
    Answer(
        "zoho",
        200,
        {"error": "Access Denied"},
        "busy",
        "https://help.zoho.com/portal/en/community/topic/kaizen-43-tokens-and-limitations",
    ),
    Answer(
        "zoho",
        None,
        {"error": "invalid_code"},
        "dead",
        "https://github.com/asciisd/zoho-v3/issues/14",
    ),
    Answer(
        "zoom",
        400,
        {"error": "invalid_grant", "error_description": "Invalid Token!"},
        "dead",
        "https://github.com/iamfatness/CoreVideo/pull/196",
    ),
    Answer(
        "github",
        200,
        {
            "error": "bad_refresh_token",
            "error_description": "The refresh token passed is incorrect or expired.",
        },
        "dead",
        "https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens",
    ),
    *(
        Answer(
            name,
            200,
            {"ok": False, "error": "invalid_refresh_token"},
            "dead",
            "https://docs.slack.dev/reference/methods/oauth.v2.access",
        )
        for name in ("slack", "slack_login")
    ),
    Answer(
        "twitch",
        400,
        {"error": "Bad Request", "status": 400, "message": "Invalid refresh token"},
        "dead",
        "https://dev.twitch.tv/docs/authentication/refresh-tokens/",
    ),
    Answer(
        "twitch",
        400,
        {"status": 400, "message": "Invalid refresh token"},
        "dead",
        "https://dev.twitch.tv/docs/authentication/refresh-tokens/",
    ),
    Answer(
        "hubspot",
        400,
        {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"},
        "dead",
        "https://www.nango.dev/blog/hubspot-oauth-bad-refresh-token",
    ),
    Answer(
        "hubspot",
        400,
        {
            "status": "BAD_REFRESH_TOKEN",
            "error": "invalid_request",
            "message": "missing or unknown refresh token",
        },
        "dead",
        "https://www.nango.dev/blog/hubspot-oauth-bad-refresh-token",
    ),
    Answer(
        "strava",
        400,
        {
            "message": "Bad Request",
            "errors": [{"resource": "RefreshToken", "field": "refresh_token", "code": "invalid"}],
        },
        "dead",
        "https://developers.strava.com/docs/reference/#api-models-Fault",
    ),
    Answer(
        "hubspot",
        400,
        {"status": "BAD_HUB", "message": "missing or unknown hub id", "error": "access_denied"},
        "dead",
        "https://github.com/PostHog/posthog/blob/HEAD/posthog/models/integration/refresh_tracking.py",
    ),
    Answer(
        "hubspot",
        None,
        {
            "error": "invalid_grant",
            "error_description": "refresh token is invalid, expired or revoked",
            "status": "BAD_REFRESH_TOKEN",
            "message": "refresh token is invalid, expired or revoked",
        },
        "dead",
        "https://developers.hubspot.com/changelog/new-oauth-v3-api-endpoints-and-standardized-error-responses",
    ),
    Answer(
        "basecamp",
        400,
        {"error": "authorization_expired"},
        "dead",
        "https://github.com/basecamp/bc-api/issues/98",
    ),
    Answer(
        "canvas",
        400,
        {"error": "invalid_request", "error_description": "refresh_token not found"},
        "dead",
        "https://github.com/instructure/canvas-lms/blob/HEAD/lib/canvas/oauth/request_error.rb",
    ),
    Answer(
        "reddit",
        400,
        {"message": "Bad Request", "error": 400},
        "dead",
        "https://github.com/PostHog/posthog/blob/HEAD/posthog/models/integration/refresh_tracking.py",
    ),
    Answer(
        "salesforce",
        400,
        {
            "error": "invalid_grant",
            "error_description": "token request is already being processed",
        },
        "busy",
        "https://help.salesforce.com/s/articleView?id=release-notes.rn_security_refresh_token_requests.htm&release=250&type=5",
    ),
    Answer(
        "salesforce",
        400,
        {"error": "invalid_grant", "error_description": "expired access/refresh token"},
        "dead",
        "https://www.nango.dev/blog/salesforce-oauth-refresh-token-invalid-grant",
    ),
]

OUTCOMES = {"dead": AuthorizationRequired, "busy": ProviderUnavailable}


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: f"{a.preset}-{a.meaning}")
def test_a_documented_refusal_of_a_refresh_has_its_outcome(connected, responses, answer, events):
    # The metadata of an issuer would name the token endpoint.
    needed = {} if PRESETS[answer.preset].token_url else {"token_url": "https://example.com/token"}
    session = expire_token(connected(answer.preset, **needed))
    method = "GET" if session.provider.refresh_params else "POST"
    url = session.provider.auto_refresh_url
    responses.add(method, url, status=answer.status or 400, json=answer.body)
    with pytest.raises(OUTCOMES[answer.meaning]):
        session.ready_token()
    dead = answer.meaning == "dead"
    assert (OAuthToken.objects.get().state == "needs_reconnect") is dead
    assert len(events.named("token_revoked")) == dead


@pytest.mark.parametrize(
    ("preset", "body"),
    [
        ("slack", {"ok": False, "error": "bad_client_secret"}),
        ("todoist", {"error": "incorrect_application_credentials"}),
        ("atlassian", {"error": "access_denied", "error_description": "Unauthorized"}),
        (
            "bitbucket",
            {
                "error": "unauthorized_client",
                "error_description": "Invalid OAuth client credentials",
            },
        ),
        (
            "canva",
            {"code": "invalid_access_token", "message": "Client secret is invalid for OC-1"},
        ),
        ("hubspot", {"status": "ERROR", "message": "missing or invalid client secret"}),
        ("reddit", {"message": "Unauthorized", "error": 401}),
        ("salesforce", {"error": "invalid_client_id"}),
        ("trello_oauth2", {"error": "access_denied", "error_description": "Unauthorized"}),
        (
            "twitter",
            {
                "error": "unauthorized_client",
                "error_description": "Missing valid authorization header",
            },
        ),
        ("withings", {"status": 503, "error": "Invalid Params: invalid client id/secret"}),
        ("yahoo", {"error": "INVALID_CLIENT_SECRET"}),
        ("zoho", {"error": "invalid_client_secret"}),
    ],
)
def test_a_wrong_secret_of_the_site_ends_no_connection(connected, responses, preset, body):
    session = expire_token(connected(preset))
    responses.post(session.provider.token_url, status=400, json=body)
    with pytest.raises(TokenRequestRefused) as refused:
        session.refresh()
    assert refused.value.refusal == "client"
    assert OAuthToken.objects.get().state == "active"


# --- the device flow ------------------------------------------------------------------------------


def poll(provider):
    return provider.poll_device(
        DeviceAuthorization("planted-device", "A-B", "https://example.com/", None, 2e9, 5)
    )


def test_twitch_is_polled_while_the_user_has_not_entered_the_code(site, responses):
    # https://github.com/twitchdev/issues/issues/975
    provider = site("twitch")
    responses.post(
        provider.token_url, status=400, json={"status": 400, "message": "authorization_pending"}
    )
    assert poll(provider) is None


@pytest.mark.parametrize(
    ("preset", "body", "code"),
    [
        # https://dev.twitch.tv/docs/authentication/getting-tokens-oauth/#device-code-grant-flow
        ("twitch", {"status": 400, "message": "invalid device code"}, "flow_expired"),
        # https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code
        ("azure", {"error": "authorization_declined"}, "access_denied"),
        ("azure", {"error": "bad_verification_code"}, "flow_expired"),
        ("azure", {"error": "expired_token"}, "flow_expired"),
    ],
)
def test_a_device_flow_ends_with_a_code_of_ours(site, responses, preset, body, code):
    provider = site(preset)
    responses.post(provider.token_url, status=400, json=body)
    with pytest.raises(FlowError) as caught:
        poll(provider)
    assert caught.value.code == code


# --- the callback ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "error"),
    [
        # https://learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow
        ("linkedin", "user_cancelled_login"),
        ("linkedin", "user_cancelled_authorize"),
        # https://developer.apple.com/documentation/signinwithapple/incorporating-sign-in-with-apple-into-other-platforms
        ("apple", "user_cancelled_authorize"),
        # https://pipedrive.readme.io/docs/app-installation-flows
        ("pipedrive", "user_denied"),
        # https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flow_errors.htm
        ("salesforce", "access-denied"),
    ],
)
def test_a_visitor_who_cancelled_is_told_so(site, member, events, preset, error):
    provider = site(preset)
    params = {"error": error, "error_description": "The user cancelled"}
    dance = Dance(member, preset)
    if provider.response_mode == "form_post":
        answer = member.post(
            f"/login/{preset}/authorized/", {"state": dance.asked["state"], **params}
        )
        response = member.get(answer["Location"])
    else:
        response = dance.callback(code=None, **params)
    assert response.status_code == 403
    assert events.codes == ["access_denied"]
    assert b"The user cancelled" in response.content


# --- words that are an object ---------------------------------------------------------------------


def test_facebooks_error_object_is_read(site, member, responses, events):
    # https://developers.facebook.com/docs/graph-api/guides/error-handling/
    error = {
        "message": "This authorization code has been used.",
        "type": "OAuthException",
        "code": 100,
        "error_subcode": 36009,
        "fbtrace_id": "A",
    }
    responses.post(site("facebook").token_url, status=400, json={"error": error})
    response = Dance(member, "facebook").callback()
    assert events.codes == ["token_refused"]
    told = events.named("oauth_error")[0]
    assert (told["error"], told["error_description"]) == ("100", error["message"])
    assert isinstance(told["exception"], TokenRequestRefused)
    assert told["response"] is None
    assert b"token_refused (100): This authorization code has been used." in response.content


# --- the table is complete ------------------------------------------------------------------------


def refreshing():
    """The presets that may refresh a token."""
    return {
        name
        for name, cls in PRESETS.items()
        if issubclass(cls, OAuth2Provider) and cls.auto_refresh_url is not None
    }


#: The presets that may refresh, but have no documented answer to a dead refresh token. The standard
#: words, and the limit for unknown refusals, apply to them.
UNDOCUMENTED = [
    "amazon",
    "apple",
    "asana",
    "authentiq",
    "aweber",
    "bitbucket",
    "bungie",
    "calendly",
    "canva",
    "close",
    "cloudflare",
    "coinbase",
    "constant_contact",
    "dexcom",
    "digitalocean",
    "docusign",
    "ebay",
    "epic_games",
    "etsy",
    "eve_online",
    "figma",
    "figshare",
    "freeagent",
    "freshbooks",
    "front",
    "gitea",
    "globus",
    "gumroad",
    "gusto",
    "harvest",
    "help_scout",
    "heroku",
    "huggingface",
    "jira_oauth2",
    "kick",
    "klaviyo",
    "linear",
    "linkedin",
    "meetup",
    "mercado_libre",
    "miro",
    "mollie",
    "monday",
    "monzo",
    "musicbrainz",
    "naver",
    "notion",
    "nylas",
    "okta",
    "orcid",
    "osu",
    "oura",
    "pagerduty",
    "patreon",
    "paypal",
    "pinterest",
    "railway",
    "ringcentral",
    "roblox",
    "sage",
    "salesloft",
    "sentry",
    "snapchat",
    "stripe",
    "teamleader",
    "tiktok",
    "todoist",
    "trakt",
    "trello_oauth2",
    "tumblr_oauth2",
    "typeform",
    "uber",
    "vercel",
    "vk_id",
    "webex",
    "whoop",
    "wikimedia_oauth2",
    "wrike",
    "yahoo",
    "yandex",
    "zendesk",
]


def test_each_preset_that_refreshes_has_a_documented_answer_or_is_listed_without_one():
    documented = {answer.preset for answer in ANSWERS}
    assert set(UNDOCUMENTED) == refreshing() - documented
    assert sorted(set(UNDOCUMENTED)) == UNDOCUMENTED


def test_each_documented_answer_has_a_source():
    assert all(answer.source.startswith("https://") for answer in ANSWERS)
