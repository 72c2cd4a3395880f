"""Facts that providers have changed, as their documentation states them today."""

import json
import re
from datetime import UTC, date, datetime

import pytest
from django.core import checks

from django_dance.providers import OAuth2Provider, OIDCProvider, providers

from ..catalogue import PRESETS, required
from ..conftest import Dance
from .conftest import GRANTED, Identifying, basic_credentials, form_fields, revoke_token

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


@pytest.mark.parametrize(
    ("name", "fact", "value"),
    [
        ("auth0", "client_auth", "post"),
        ("aweber", "pkce", None),
        ("close", "revocation_url", "https://api.close.com/oauth2/revoke/"),
        ("coinbase", "registration_url", "https://portal.cdp.coinbase.com/projects/api-keys/oauth"),
        ("dexcom", "authorization_url", "https://api.dexcom.com/v3/oauth2/login"),
        ("dexcom", "token_url", "https://api.dexcom.com/v3/oauth2/token"),
        ("digitalocean", "auto_refresh_url", "https://cloud.digitalocean.com/v1/oauth/token"),
        ("discord", "authorization_url", "https://discord.com/oauth2/authorize"),
        ("epic_games", "client_auth_urlencoded", False),
        ("eve_online", "account_url", "https://login.eveonline.com/v2/oauth/verify"),
        ("feide", "auto_refresh_url", None),
        ("globus", "client_auth_urlencoded", False),
        ("gumroad", "pkce", "S256"),
        ("gumroad", "revocation_url", "https://api.gumroad.com/oauth/revoke"),
        ("huggingface", "device_authorization_url", "https://huggingface.co/oauth/device"),
        ("jira_oauth2", "refresh_redirect_uri", True),
        ("kakao", "scope_separator", " "),
        ("line", "refresh_rotates", False),
        ("mendeley", "refresh_redirect_uri", True),
        ("netlify", "registration_url", "https://app.netlify.com/applications"),
        ("notion", "registration_url", "https://app.notion.com/developers/connections"),
        ("orcid", "pkce", None),
        ("paypal", "refresh_rotates", False),
        ("pinterest", "token_url_params", {"continuous_refresh": "true"}),
        ("pipedrive", "refresh_rotates", False),
        (
            "planning_center",
            "revocation_url",
            "https://api.planningcenteronline.com/oauth/revoke",
        ),
        ("sentry", "device_authorization_url", "https://sentry.io/oauth/device/code/"),
        ("shopify", "token_url_params", {"expiring": "1"}),
        (
            "stripe",
            "registration_url",
            "https://dashboard.stripe.com/settings/connect/onboarding-options/oauth",
        ),
        ("threads", "authorization_url", "https://threads.com/oauth/authorize"),
        ("threads", "token_url", "https://graph.threads.com/oauth/access_token"),
        ("threads", "base_url", "https://graph.threads.com/v1.0/"),
        ("threads", "api_origins", ("https://graph.threads.net",)),
        ("todoist", "authorization_url", "https://app.todoist.com/oauth/authorize"),
        ("yandex", "refresh_days_ahead", 90),
        ("todoist", "token_url", "https://api.todoist.com/oauth/access_token"),
        ("trakt", "registration_url", "https://app.trakt.tv/settings/apps/api"),
        ("trakt", "authorization_url", "https://auth.trakt.tv/oauth/authorize"),
        ("trakt", "token_url", "https://auth.trakt.tv/oauth/token"),
        ("trakt", "revocation_url", "https://auth.trakt.tv/oauth/revoke"),
        ("twitter", "registration_url", "https://console.x.com/"),
        ("uber", "authorization_url", "https://auth.uber.com/oauth/v2/authorize"),
        ("uber", "token_url", "https://auth.uber.com/oauth/v2/token"),
        ("uber", "revocation_url", "https://auth.uber.com/oauth/v2/revoke"),
        ("yandex", "registration_url", "https://oauth.yandex.ru/client/new/id/"),
        ("zendesk", "token_request_format", "json"),
    ],
)
def test_a_preset_states_the_facts_of_today(site, name, fact, value):
    assert getattr(site(name), fact) == value


@pytest.mark.parametrize(
    "name",
    [
        "bitbucket",
        "canva",
        "coinbase",
        "dexcom",
        "digitalocean",
        "github",
        "jira_oauth2",
        "meetup",
        "notion",
        "planning_center",
        "sage",
        "shopify",
        "slack",
        "todoist",
    ],
)
def test_each_refresh_replaces_the_refresh_token(site, name):
    provider = site(name)
    assert provider.refresh_rotates is True
    assert "refresh_rotates" not in provider.unconfirmed


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("atlassian", "read:me"),
        ("calendly", "users:read"),
        ("gitlab", "read_user"),
        ("linkedin", "openid profile"),
        ("orcid", "/authenticate"),
        ("osm", "read_prefs"),
        ("oura", "email personal daily"),
        ("quickbooks", "openid email com.intuit.quickbooks.accounting"),
        ("zoho", "ZohoCRM.users.ALL,aaaserver.profile.READ"),
    ],
)
def test_the_default_scope_is_what_the_account_needs(site, member, name, scope):
    site(name)
    assert Dance(member, name).asked["scope"] == scope


def test_coinbase_separates_scopes_with_a_space(site, member):
    site("coinbase", scope=["wallet:user:read", "offline_access"])
    assert Dance(member, "coinbase").asked["scope"] == "wallet:user:read offline_access"


def test_todoist_revokes_the_access_token_with_http_basic(connected, responses):
    responses.post("https://api.todoist.com/api/v1/revoke")
    revoke_token(connected("todoist"))
    (call,) = responses.calls
    assert basic_credentials(call) == "the+client:planted-client-secret"
    assert form_fields(call) == {"token": "planted-access", "token_type_hint": "access_token"}


def test_yandex_revokes_only_if_the_site_asked_for_tokens_of_a_device(site, connected, responses):
    assert not site("yandex").can_revoke()
    url = "https://oauth.yandex.ru/revoke_token"
    responses.post(url)
    revoke_token(connected("yandex", revocation_url=url))
    (call,) = responses.calls
    assert basic_credentials(call) == "the+client:planted-client-secret"
    assert form_fields(call)["access_token"] == "planted-access"


def test_twitch_reads_the_scopes_of_a_device_from_a_parameter_of_its_own(site, responses):
    twitch = site("twitch", scope=["user:read:follows", "chat:read"])
    device = {
        "device_code": "planted-device",
        "user_code": "A-B",
        "verification_uri": "https://www.twitch.tv/activate",
        "expires_in": 1800,
    }
    responses.post("https://id.twitch.tv/oauth2/device", json=device)
    twitch.begin_device()
    (call,) = responses.calls
    assert form_fields(call)["scopes"] == "user:read:follows chat:read"


def test_quickbooks_revokes_with_json_and_http_basic(connected, responses):
    responses.post("https://developer.api.intuit.com/v2/oauth2/tokens/revoke")
    revoke_token(connected("quickbooks"))
    (call,) = responses.calls
    assert basic_credentials(call) == "the+client:planted-client-secret"
    assert json.loads(call.request.body) == {"token": "planted-refresh"}


def test_calendly_gets_the_credentials_by_basic_and_revokes_with_them_in_the_body(
    connected, responses
):
    session = connected("calendly")
    responses.post("https://auth.calendly.com/oauth/token", json=GRANTED)
    session.refresh()
    responses.post("https://auth.calendly.com/oauth/revoke")
    revoke_token(session)
    refreshed, revoked = responses.calls
    assert basic_credentials(refreshed) == "the+client:planted-client-secret"
    assert "client_secret" not in form_fields(refreshed)
    assert "Authorization" not in revoked.request.headers
    assert form_fields(revoked) == {
        "client_id": "the client",
        "client_secret": "planted-client-secret",
        "token": "planted-refresh",
    }


def test_github_gets_the_credentials_in_the_body(connected, responses):
    session = connected("github")
    responses.post("https://github.com/login/oauth/access_token", json=GRANTED)
    session.refresh()
    (call,) = responses.calls
    assert "Authorization" not in call.request.headers
    assert form_fields(call)["client_id"] == "the client"
    assert form_fields(call)["client_secret"] == "planted-client-secret"


def test_battlenet_gets_the_credentials_by_basic(site):
    assert site("battlenet").client_auth == "basic"


@pytest.mark.parametrize(
    ("options", "prompt"), [({}, "consent"), ({"reprompt_consent": False}, None)]
)
@pytest.mark.parametrize("name", ["atlassian", "trello_oauth2"])
def test_atlassian_asks_for_consent_unless_the_site_does_not_want_it(
    site, member, name, options, prompt
):
    site(name, **options)
    assert Dance(member, name).asked.get("prompt") == prompt


def test_planning_center_gets_the_name_of_the_client(connected, responses):
    session = connected("planning_center")
    responses.get(session.absolute_url("people/v2/me"), json={})
    session.get("people/v2/me")
    assert responses.calls[0].request.headers["User-Agent"] == session.provider.user_agent


def test_google_asks_its_userinfo_endpoint_for_the_account(site):
    url = "https://openidconnect.googleapis.com/v1/userinfo"
    assert site("google").account_request() == ("GET", url, None)


def test_coinbase_revokes_the_access_token_with_the_credentials_in_the_body(connected, responses):
    responses.post("https://login.coinbase.com/oauth2/revoke")
    revoke_token(connected("coinbase"))
    (call,) = responses.calls
    assert "Authorization" not in call.request.headers
    assert form_fields(call) == {
        "access_token": "planted-access",
        "token": "planted-access",
        "client_id": "the client",
        "client_secret": "planted-client-secret",
    }


def test_webflow_revokes_the_access_token_by_json(connected, responses):
    responses.post("https://webflow.com/oauth/revoke_authorization", json={"did_revoke": True})
    revoke_token(connected("webflow"))
    (call,) = responses.calls
    assert "Authorization" not in call.request.headers
    assert json.loads(call.request.body) == {
        "client_id": "the client",
        "client_secret": "planted-client-secret",
        "access_token": "planted-access",
    }


@pytest.mark.parametrize(
    ("code", "over"),
    [("account_inactive", True), ("token_revoked", True), ("not_in_channel", False)],
)
def test_slack_tells_with_status_200_that_a_token_is_over(site, code, over):
    body = json.dumps({"ok": False, "error": code}).encode()
    assert site("slack").token_is_over(200, body) is over


SCOPE_REQUIRED = [
    "airtable",
    "amazon",
    "atlassian",
    "authentiq",
    "azure",
    "docusign",
    "ebay",
    "fitbit",
    "google",
    "google_health",
    "hubspot",
    "instagram",
    "jira_oauth2",
    "kick",
    "line",
    "linkedin",
    "mendeley",
    "mollie",
    "musicbrainz",
    "okta",
    "osm",
    "pagerduty",
    "paypal",
    "pinterest",
    "railway",
    "reddit",
    "roblox",
    "smartsheet",
    "strava",
    "threads",
    "todoist",
    "tumblr_oauth2",
    "withings",
    "zendesk",
    "zoho",
]


def test_the_presets_that_require_a_scope():
    found = [name for name in PRESETS if getattr(PRESETS[name], "scope_required", False)]
    assert sorted(found) == SCOPE_REQUIRED
    assert all(PRESETS[name].scope for name in found)


@pytest.mark.django_db
@pytest.mark.parametrize("scope", ["", [], None])
def test_an_empty_scope_is_warned_about_if_the_provider_requires_one(site, scope):
    site("airtable", scope=scope)
    (found,) = [m for m in checks.run_checks() if m.id == "django_dance.W030"]
    assert "DANCE_PROVIDERS['airtable']: SCOPE is empty, and Airtable refuses" in found.msg


@pytest.mark.django_db
def test_a_scope_is_not_warned_about(site):
    for name, options in (("airtable", {}), ("airtable", {"scope": "a"}), ("box", {"scope": ""})):
        site(name, **options)
        assert not [m for m in checks.run_checks() if m.id == "django_dance.W030"]


# --- facts with a date ----------------------------------------------------------------------------

#: Preset → the first day on which the check warns.
WARNED_FROM = {
    "facebook": date(2027, 11, 20),
    "fitbit": date(2026, 8, 4),
    "klaviyo": date(2027, 10, 17),
    "shopify": date(2027, 7, 3),
}


def warned(settings):
    """The presets that the check warns about, with every preset in the settings."""
    settings.DANCE_PROVIDERS = {
        name: {
            "PROVIDER": cls,
            **{option.upper(): value for option, value in required(name, cls).items()},
        }
        for name, cls in PRESETS.items()
    }
    messages = [m.msg for m in checks.run_checks() if m.id == "django_dance.W021"]
    return {re.search(r"\['(\w+)'\]", message)[1] for message in messages}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "day",
    [
        "2026-08-03",
        "2026-08-04",
        "2026-11-27",
        "2027-07-02",
        "2027-07-03",
        "2027-10-16",
        "2027-10-17",
        "2027-11-19",
        "2027-11-20",
        "2040-01-01",
    ],
)
def test_exactly_the_presets_with_a_date_are_warned_about(settings, clock, day):
    now = datetime.fromisoformat(day).replace(tzinfo=UTC)
    clock.now = now.timestamp()
    expected = {name for name, first in WARNED_FROM.items() if first <= now.date()}
    assert warned(settings) == expected


def test_a_version_that_the_site_sets_is_not_warned_about(site, clock):
    clock.now = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    assert not [*site("shopify", api_version="2029-10").ending_facts()]
    (ending,) = site("shopify").ending_facts()
    assert "API_VERSION '2026-10' from 2027-10-01 on" in ending.message


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_dates_are_written_as_dates(name):
    cls = PRESETS[name]
    assert re.fullmatch(r"(20\d\d-(0[1-9]|1[0-2]))?", cls.checked)
    for day in filter(None, (cls.closes, *cls.supported_until.values())):
        assert date.fromisoformat(day).isoformat() == day
    assert set(cls.supported_until) <= cls.options()
    assert bool(cls.closes) == bool(cls.replaced_by)


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("airtable", 60),
        ("atlassian", 90),
        ("azure", 90),
        ("bitbucket", 90),
        ("box", 60),
        ("bungie", 90),
        ("coinbase", 547),
        ("constant_contact", 180),
        ("dexcom", 365),
        ("ebay", 547),
        ("etsy", 90),
        ("front", 180),
        ("github", 180),
        ("google", 180),
        ("google_health", 180),
        ("kakao", 60),
        ("klaviyo", 90),
        ("miro", 60),
        ("myanimelist", 30),
        ("pagerduty", 30),
        ("pinterest", 60),
        ("pipedrive", 60),
        ("planning_center", 90),
        ("quickbooks", 100),
        ("sage", 31),
        ("salesforce", 30),
        ("shopify", 90),
        ("spotify", 180),
        ("tiktok", 180),
        ("trello_oauth2", 90),
        ("tumblr_oauth2", 42),
        ("wikimedia_oauth2", 365),
        ("zendesk", 30),
    ],
)
def test_a_preset_states_when_refresh_tokens_expire(name, days):
    assert issubclass(PRESETS[name], OAuth2Provider)
    assert PRESETS[name].refresh_token_lifetime == days


def test_the_accounts_that_can_be_used_for_sign_in_have_permanent_ids():
    found = {
        name: cls.permanent_account_ids
        for name, cls in PRESETS.items()
        if tuple(cls.permanent_account_ids) != (("sub",) if issubclass(cls, OIDCProvider) else ())
    }
    assert found == {
        "azure": (),
        "ebay": ("userId",),
        "github": ("id",),
        "gitlab": ("sub", "id"),
        "orcid": ("sub", "orcid"),
        "railway": ("sub",),
    }


@pytest.mark.parametrize("name", ["gitlab", "osm", "twitch"])
def test_the_claim_of_the_id_token_can_name_the_account(site, member, responses, user, name):
    provider = site(name, account_id="sub", scope="openid", sign_in=True)
    assert not provider.problems()
    known = Identifying(responses, provider)
    dance = Dance(member, name)
    known.claims |= {"iss": provider.issuer, "nonce": dance.asked["nonce"], "name": "Ada"}
    assert dance.callback().status_code == 302
    session = providers[name].session(user=user)
    assert (session.account_id, session.account_label) == ("248289761001", "Ada")


def test_orcid_can_be_used_for_sign_in_with_an_id_token(site):
    assert not site("orcid", sign_in=True, scope="openid").problems()


def test_airtable_may_name_the_token_type_with_a_space(site, responses):
    # https://airtable.com/developers/web/api/oauth-reference
    provider = site("airtable")
    responses.post(provider.token_url, json={**GRANTED, "token_type": "Bearer "})
    fields = provider.grant(provider.token_url, {}, provider.get_client_credentials(None))
    assert fields["access_token"] == GRANTED["access_token"]
