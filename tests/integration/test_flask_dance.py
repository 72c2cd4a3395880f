"""Our presets and those of Flask-Dance send the same, except for a table of differences."""

import base64
import contextlib
import importlib
import inspect
import pkgutil
import re
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import flask
import flask_dance.contrib
import pytest
import responses
from django.http import QueryDict
from django.test import RequestFactory, override_settings
from django.urls import include, path, set_urlconf
from flask_dance.consumer.storage import MemoryStorage

from django_dance.exceptions import FlowError
from django_dance.flows import Flow
from django_dance.providers import OAuth1Provider
from django_dance.tokens import Token, scope_list

from .. import keys

# Flask-Dance asks requests-oauthlib in a way of its older versions.
pytestmark = pytest.mark.filterwarnings("ignore:`client_id` has been deprecated")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "flask-dance-differences.md"

#: The preset's module, here and there → our class, and the options to compare one by one.
PRESETS = {
    "atlassian": ("Atlassian", {"scope": "read:me offline_access"}, {"reprompt_consent": True}),
    "authentiq": ("Authentiq", {"scope": "openid"}, {"hostname": "id.example.com"}),
    "azure": (
        "Azure",
        {"scope": ["User.Read", "offline_access"]},
        {"tenant": "organizations"},
        {"prompt": "login"},
        {"domain_hint": "example.com"},
        {"login_hint": "ada@example.com"},
    ),
    "dexcom": ("Dexcom", {"base_url": "https://sandbox-api.dexcom.com/"}),
    "digitalocean": ("DigitalOcean", {"scope": "read,write"}),
    "discord": (
        "Discord",
        {"scope": "identify email"},
        {"prompt": "consent"},
        {"prompt": "none"},
        {"prompt": None},
    ),
    "dropbox": (
        "Dropbox",
        {"scope": ["account_info.read", "files.metadata.read"]},
        {"offline": True},
        {"force_reapprove": True},
        {"disable_signup": True},
        {"require_role": "work"},
    ),
    "facebook": (
        "Facebook",
        {"scope": ["email", "public_profile"]},
        {"rerequest_declined_permissions": True},
    ),
    "fitbit": ("Fitbit", {"scope": ["activity", "sleep"]}),
    "github": ("GitHub", {"scope": ["repo", "gist"]}),
    "gitlab": ("GitLab", {"scope": ["read_user"]}, {"hostname": "git.example.com"}),
    "google": (
        "Google",
        {"scope": ["openid", "profile"]},
        {"offline": True},
        {"reprompt_consent": True},
        {"reprompt_select_account": True},
        {"reprompt_consent": True, "reprompt_select_account": True},
        {"hosted_domain": "example.com"},
    ),
    "heroku": ("Heroku", {"scope": "identity read"}, {"api_version": "2"}),
    "jira": ("Jira", {"base_url": "https://jira.example.com/work/"}),
    "linkedin": ("LinkedIn", {"scope": ["profile", "email"]}),
    "meetup": ("Meetup", {"scope": ["basic", "ageless"]}),
    "nylas": ("Nylas", {"scope": ["calendar"]}),
    "orcid": ("ORCID", {"scope": "/authenticate"}, {"sandbox": True}),
    "osm": ("OpenStreetMap", {"scope": ["read_prefs", "write_api"]}),
    "reddit": (
        "Reddit",
        {"scope": "identity read"},
        {"permanent": True},
        {"user_agent": "my-site/1.0 by ada"},
    ),
    "salesforce": (
        "Salesforce",
        {"scope": "api refresh_token"},
        {"reprompt_consent": True},
        {"hostname": "acme.my.salesforce.com"},
        {"is_sandbox": True},
        {"is_sandbox": True, "hostname": "acme.my.salesforce.com"},
    ),
    "slack": ("Slack", {"scope": ["chat:write", "users:read"]}, {"subdomain": "acme"}),
    "spotify": ("Spotify", {"scope": ["user-read-email", "streaming"]}),
    "strava": (
        "Strava",
        {"scope": ["read", "activity:read"]},
        {"user_agent": "my-site/1.0"},
    ),
    "twitch": ("Twitch", {"scope": ["user:read:email", "bits:read"]}),
    "zoho": (
        "Zoho",
        {"scope": ["ZohoCRM.users.READ", "ZohoCRM.org.READ"]},
        {"offline": True},
        {"reprompt_consent": True},
    ),
}
#: Stands for all presets in a row that applies to each of them.
EVERY = "every preset"
IN_THE_BODY = "The provider's documentation puts the client's credentials into the request body."
LEAST_SCOPE = "This scope is the least with which the account can be determined."
#: Every difference: preset, name, Flask-Dance's value, our value, reason. The page shows the same
#: table.
DIFFERENCES = [
    (
        "every preset",
        "PKCE",
        "–",
        "S256",
        "PKCE protects the authorization code (RFC 7636). A server without PKCE ignores it. A "
        "preset leaves it out if its provider refuses it.",
    ),
    (
        "every preset",
        "authorization parameter `nonce`",
        "–",
        "random",
        "The nonce binds the ID token to the browser that began the dance (OpenID Connect Core "
        "3.1.2.1). It is sent with the scope `openid`.",
    ),
    (
        "every preset",
        "refresh",
        "no",
        "yes",
        "If a refresh token was granted, it is used. `AUTO_REFRESH_URL: None` switches refreshing "
        "off.",
    ),
    (
        "atlassian",
        "authorization parameter `prompt`",
        "–",
        "consent",
        "The documentation requires this parameter. `REPROMPT_CONSENT: False` leaves it out.",
    ),
    (
        "atlassian",
        "authorization parameter `scope`",
        "–",
        "read:me",
        LEAST_SCOPE,
    ),
    (
        "atlassian",
        "client authentication",
        "HTTP Basic",
        "in the body",
        IN_THE_BODY,
    ),
    (
        "authentiq",
        "option `hostname`",
        "hostname",
        "HOST",
        "Every preset uses this name for the option.",
    ),
    (
        "dexcom",
        "authorization URL",
        "https://api.dexcom.com/v2/oauth2/login",
        "https://api.dexcom.com/v3/oauth2/login",
        "The documentation names this URL.",
    ),
    (
        "dexcom",
        "token request: URL",
        "POST https://api.dexcom.com/v2/oauth2/token",
        "POST https://api.dexcom.com/v3/oauth2/token",
        "The documentation names this URL.",
    ),
    (
        "dexcom",
        "client authentication",
        "HTTP Basic",
        "in the body",
        IN_THE_BODY,
    ),
    (
        "digitalocean",
        "client authentication",
        "HTTP Basic",
        "in the body",
        IN_THE_BODY,
    ),
    (
        "digitalocean",
        "call of `probe`: URL",
        "GET https://cloud.digitalocean.com/v1/probe",
        "GET https://api.digitalocean.com/v2/probe",
        "The API has a separate host.",
    ),
    (
        "discord",
        "authorization URL",
        "https://discord.com/api/oauth2/authorize",
        "https://discord.com/oauth2/authorize",
        "The documentation names this URL.",
    ),
    (
        "discord",
        "authorization parameter `prompt`",
        "consent",
        "none",
        "django-dance sends the value of the option; Flask-Dance sends `consent`.",
    ),
    (
        "dropbox",
        "option `app_key`",
        "app_key",
        "CLIENT_ID",
        "Every preset uses this name for the option.",
    ),
    (
        "dropbox",
        "option `app_secret`",
        "app_secret",
        "CLIENT_SECRET",
        "Every preset uses this name for the option.",
    ),
    (
        "dropbox",
        "token request: URL",
        "POST https://api.dropbox.com/oauth2/token",
        "POST https://api.dropboxapi.com/oauth2/token",
        "The documentation names this host.",
    ),
    (
        "dropbox",
        "call of `probe`: URL",
        "GET https://api.dropbox.com/2/probe",
        "GET https://api.dropboxapi.com/2/probe",
        "The documentation names this host.",
    ),
    (
        "facebook",
        "authorization URL",
        "https://www.facebook.com/dialog/oauth",
        "https://www.facebook.com/v24.0/dialog/oauth",
        "The documentation names URLs with a version; the option `API_VERSION` sets the version.",
    ),
    (
        "facebook",
        "client authentication",
        "HTTP Basic",
        "in the body",
        IN_THE_BODY,
    ),
    (
        "facebook",
        "token request: URL",
        "POST https://graph.facebook.com/oauth/access_token",
        "POST https://graph.facebook.com/v24.0/oauth/access_token",
        "The documentation names URLs with a version.",
    ),
    (
        "facebook",
        "call of `probe`: URL",
        "GET https://graph.facebook.com/probe",
        "GET https://graph.facebook.com/v24.0/probe",
        "The documentation names URLs with a version.",
    ),
    (
        "fitbit",
        "authorization parameter `scope`",
        "–",
        "profile",
        LEAST_SCOPE,
    ),
    (
        "github",
        "client authentication",
        "HTTP Basic",
        "in the body",
        IN_THE_BODY,
    ),
    (
        "gitlab",
        "authorization parameter `scope`",
        "–",
        "read_user",
        LEAST_SCOPE,
    ),
    (
        "gitlab",
        "option `hostname`",
        "hostname",
        "HOST",
        "Every preset uses this name for the option.",
    ),
    (
        "gitlab",
        "option `verify_tls_certificates`",
        "verify_tls_certificates",
        "–",
        "Certificates are always verified; `CA_BUNDLE` names the certificate of your own CA.",
    ),
    (
        "google",
        "authorization URL",
        "https://accounts.google.com/o/oauth2/auth",
        "https://accounts.google.com/o/oauth2/v2/auth",
        "The documentation names this URL.",
    ),
    (
        "google",
        "token request: URL",
        "POST https://accounts.google.com/o/oauth2/token",
        "POST https://oauth2.googleapis.com/token",
        "The documentation names this URL.",
    ),
    (
        "heroku",
        "authorization parameter `scope`",
        "–",
        "identity",
        LEAST_SCOPE,
    ),
    (
        "heroku",
        "client authentication",
        "HTTP Basic",
        "in the body",
        IN_THE_BODY,
    ),
    (
        "jira",
        "option `consumer_key`",
        "consumer_key",
        "CLIENT_ID",
        "Every preset uses this name for the option.",
    ),
    (
        "linkedin",
        "authorization parameter `scope`",
        "–",
        "openid profile",
        LEAST_SCOPE,
    ),
    (
        "meetup",
        "option `key`",
        "key",
        "CLIENT_ID",
        "Every preset uses this name for the option.",
    ),
    (
        "meetup",
        "option `secret`",
        "secret",
        "CLIENT_SECRET",
        "Every preset uses this name for the option.",
    ),
    (
        "meetup",
        "call of `probe`: URL",
        "GET https://api.meetup.com/2/probe",
        "GET https://api.meetup.com/probe",
        "Meetup has shut down version 2 of the API; the GraphQL API is at `gql-ext`.",
    ),
    (
        "nylas",
        "authorization URL",
        "https://api.nylas.com/oauth/authorize",
        "https://api.us.nylas.com/v3/connect/auth",
        "Version 3 of the API has replaced version 2.",
    ),
    (
        "nylas",
        "authorization parameter `access_type`",
        "–",
        "offline",
        "With this parameter version 3 grants a refresh token.",
    ),
    (
        "nylas",
        "authorization parameter `scope`",
        "email",
        "–",
        "In version 3 the scopes are the mail provider's scopes. Without the parameter Nylas uses "
        "the scopes of the connector.",
    ),
    (
        "nylas",
        "token request: URL",
        "POST https://api.nylas.com/oauth/token",
        "POST https://api.us.nylas.com/v3/connect/token",
        "Version 3 of the API has replaced version 2.",
    ),
    (
        "nylas",
        "call of `probe`: URL",
        "GET https://api.nylas.com/probe",
        "GET https://api.us.nylas.com/v3/probe",
        "Version 3 in the United States; the option `HOST` sets another region.",
    ),
    (
        "orcid",
        "authorization parameter `scope`",
        "–",
        "/authenticate",
        LEAST_SCOPE,
    ),
    (
        "orcid",
        "client authentication",
        "HTTP Basic",
        "in the body",
        IN_THE_BODY,
    ),
    (
        "osm",
        "authorization parameter `scope`",
        "–",
        "read_prefs",
        LEAST_SCOPE,
    ),
    (
        "osm",
        "call of `probe`: URL",
        "GET https://www.openstreetmap.org/api/0.6/probe",
        "GET https://api.openstreetmap.org/api/0.6/probe",
        "The documentation names this host for the API.",
    ),
    (
        "reddit",
        "call of `probe`: header `User-Agent`",
        "Flask-Dance",
        "django-dance",
        "The default of `USER_AGENT` names this library.",
    ),
    (
        "salesforce",
        "option `hostname`",
        "hostname",
        "HOST",
        "Every preset uses this name for the option.",
    ),
    (
        "slack",
        "authorization URL",
        "https://acme.slack.com/oauth/authorize",
        "https://acme.slack.com/oauth/v2/authorize",
        "Current Slack apps use version 2 of the flow.",
    ),
    (
        "slack",
        "authorization URL",
        "https://slack.com/oauth/authorize",
        "https://slack.com/oauth/v2/authorize",
        "Current Slack apps use version 2 of the flow.",
    ),
    (
        "slack",
        "authorization parameter `scope`",
        "chat:write users:read",
        "chat:write,users:read",
        "Slack puts a comma between two scopes.",
    ),
    (
        "slack",
        "authorization parameter `scope`",
        "identify chat:write:bot",
        "chat:write",
        "Version 2 does not have these scopes.",
    ),
    (
        "slack",
        "token request: URL",
        "POST https://slack.com/api/oauth.access",
        "POST https://slack.com/api/oauth.v2.access",
        "Current Slack apps use version 2 of the flow.",
    ),
    (
        "slack",
        "call of `probe`: header `Content-Type`",
        "application/x-www-form-urlencoded",
        "–",
        "The token is sent only in the `Authorization` header.",
    ),
    (
        "slack",
        "call of `probe`: parameter `token`",
        "an-access-token",
        "–",
        "The token is sent only in the `Authorization` header.",
    ),
    (
        "strava",
        "authorization URL",
        "https://www.strava.com/api/v3/oauth/authorize",
        "https://www.strava.com/oauth/authorize",
        "The documentation names this URL.",
    ),
    (
        "strava",
        "authorization parameter `scope`",
        "read activity:read",
        "read,activity:read",
        "Strava puts a comma between two scopes.",
    ),
    (
        "strava",
        "call of `probe`: URL",
        "GET https://www.strava.com/api/probe",
        "GET https://www.strava.com/api/v3/probe",
        "A relative URL is joined to the whole path of `base_url`.",
    ),
    (
        "strava",
        "call of `probe`: header `User-Agent`",
        "python-requests",
        "django-dance",
        "django-dance sends the option `USER_AGENT`.",
    ),
    (
        "strava",
        "call of `probe`: header `User-Agent`",
        "python-requests",
        "my-site/1.0",
        "django-dance sends the option `USER_AGENT`.",
    ),
    (
        "zoho",
        "authorization parameter `scope`",
        "ZohoCRM.users.all",
        "ZohoCRM.users.ALL,aaaserver.profile.READ",
        "The documentation spells the first scope so. The second is the least with which the "
        "account can be determined.",
    ),
    (
        "zoho",
        "authorization parameter `scope`",
        "ZohoCRM.users.READ ZohoCRM.org.READ",
        "ZohoCRM.users.READ,ZohoCRM.org.READ",
        "Zoho puts a comma between two scopes.",
    ),
    (
        "zoho",
        "client authentication",
        "HTTP Basic",
        "in the body",
        IN_THE_BODY,
    ),
    (
        "zoho",
        "call of `probe`: header `Authorization`",
        "Bearer an-access-token",
        "Zoho-oauthtoken an-access-token",
        "The documentation names this scheme. Flask-Dance uses the `token_type` of the token "
        "response, which is `Bearer`.",
    ),
]
CASES = [(module, options) for module, (_, *each) in PRESETS.items() for options in ({}, *each)]
#: Flask-Dance's name of an option → our name.
RENAMED = {
    "app_key": "client_id",
    "app_secret": "client_secret",
    "consumer_key": "client_id",
    "hostname": "host",
    "key": "client_id",
    "secret": "client_secret",
}
#: Options that belong to Flask, and to every blueprint of Flask-Dance.
COMMON = {
    "authorized_url",
    "client_id",
    "client_secret",
    "login_url",
    "redirect_to",
    "redirect_url",
    "rule_kwargs",
    "scope",
    "session_class",
    "storage",
}
#: Flask-Dance's names of the two arguments for the credentials of the client.
CREDENTIALS = {
    **dict.fromkeys(PRESETS, ("client_id", "client_secret")),
    "dropbox": ("app_key", "app_secret"),
    "jira": ("consumer_key", "rsa_key"),
    "meetup": ("key", "secret"),
}
GRANTED = {"access_token": "an-access-token", "token_type": "Bearer", "expires_in": 3600}
OAUTH1 = "oauth_token=a-token&oauth_token_secret=a-token-secret&oauth_callback_confirmed=true"


# --- what is sent -----------------------------------------------------------------------------


def theirs(module, options):
    """The requests of Flask-Dance."""
    make = getattr(
        importlib.import_module(f"flask_dance.contrib.{module}"), f"make_{module}_blueprint"
    )
    blueprint = make(**dict(zip(CREDENTIALS[module], credentials(module), strict=True)), **options)
    app = flask.Flask(__name__)
    app.secret_key = "a-key"
    app.register_blueprint(blueprint, url_prefix="/login")
    browser = app.test_client()
    oauth1 = module == "jira"
    base = "https://testserver"
    with provider_mock(oauth1) as sent:
        url = browser.get(f"/login/{module}", base_url=base).location
        state = dict(parse_qsl(urlsplit(url).query)).get("state")
        answer = {"oauth_token": "a-token", "oauth_verifier": "v"} if oauth1 else {"code": "a-code"}
        answered = browser.get(
            f"/login/{module}/authorized",
            query_string={**answer, **({"state": state} if state else {})},
            base_url=base,
        )
        assert answered.status_code == 302
    blueprint.storage = MemoryStorage(dict(parse_qsl(OAUTH1)) if oauth1 else GRANTED)
    with provider_mock(oauth1) as called, app.test_request_context(base_url=base):
        app.preprocess_request()
        blueprint.session.get("probe")
    refreshed = not oauth1 and blueprint.auto_refresh_url is not None
    return values_to_compare(url, sent, called, refreshed)


def ours(module, options):
    """The requests of our preset."""
    cls = preset(module)
    options = {RENAMED.get(name, name): value for name, value in options.items()}
    provider = cls(module, authorized_url="{provider.name}/authorized", **options).current()
    oauth1 = isinstance(provider, OAuth1Provider)
    request = RequestFactory().get("/", secure=True)
    # An urlconf is a module; a class with the one attribute will do.
    set_urlconf(type("urls", (), {"urlpatterns": [path("login/", include(provider.urls))]}))
    try:
        with provider_mock(oauth1) as sent:
            scope = tuple(scope_list(getattr(provider, "scope", None)))
            url, flow = provider.begin(request, Flow.begin(request, module, "/", scope))
            answer = {"oauth_verifier": "v"} if oauth1 else {"code": "a-code"}
            params = QueryDict(mutable=True)
            params.update(answer)
            # With "openid" the answer would have to hold an ID token. It has been asked for.
            with contextlib.suppress(FlowError):
                provider.complete(request, flow, params)
    finally:
        set_urlconf(None)
    session = provider.session(request)
    session.current_token.use_unsaved(Token(parse_qsl(OAUTH1) if oauth1 else GRANTED))
    with provider_mock(oauth1) as called:
        session.get("probe")
    return values_to_compare(
        url, sent, called, getattr(provider, "auto_refresh_url", None) is not None
    )


@contextlib.contextmanager
def provider_mock(oauth1):
    """Answers every request with a token, and notes it."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        anything = re.compile("https://.*")
        mock.get(anything, json={})
        if oauth1:
            mock.post(anything, body=OAUTH1, content_type="application/x-www-form-urlencoded")
        else:
            mock.post(anything, json=GRANTED)
        calls = []
        yield calls
        calls.extend(mock.calls)


def values_to_compare(url, sent, called, refreshed):
    """Every value to compare, by its name in the table."""
    found = {"authorization URL": bare(url)}
    for name, value in parse_qsl(urlsplit(url).query):
        if name == "code_challenge_method":
            found["PKCE"] = value
        elif name != "code_challenge":
            shown = "random" if name in ("state", "nonce") else value
            found[f"authorization parameter `{name}`"] = shown
    for number, call in enumerate(sent):
        request = call.request
        kind = "token request" if number == len(sent) - 1 else "request for a request token"
        found[f"{kind}: URL"] = f"{request.method} {bare(request.url)}"
        authorization = text(request.headers.get("Authorization", ""))
        body = dict(parse_qsl(text(request.body or "")))
        if authorization.startswith("OAuth "):
            # RFC 5849: without the random values, and without the signature, which covers them.
            for name, value in re.findall(r'(\w+)="([^"]*)"', authorization):
                if name not in ("oauth_nonce", "oauth_timestamp", "oauth_signature"):
                    found[f"{kind}: `{name}`"] = unquote(value)
        else:
            found["client authentication"] = client_authentication(authorization, body)
        for name, value in body.items():
            if name not in ("client_id", "client_secret", "code_verifier"):
                found[f"{kind}: parameter `{name}`"] = value
    (call,) = called
    found["call of `probe`: URL"] = f"{call.request.method} {bare(call.request.url)}"
    for name, value in call.request.headers.items():
        if name.lower() in ("accept", "authorization", "client-id", "content-type", "user-agent"):
            shown = re.sub(r"^(OAuth) .*", r"\1", text(value))
            shown = re.sub(
                r"^((Flask|django)-Dance|python-requests)/\S+$", r"\1", shown, flags=re.I
            )
            found[f"call of `probe`: header `{name.title()}`"] = shown
    for name, value in parse_qsl(text(call.request.body or "")):
        found[f"call of `probe`: parameter `{name}`"] = value
    found["refresh"] = "yes" if refreshed else "no"
    return found


def client_authentication(authorization, body):
    if authorization.startswith("Basic "):
        assert base64.b64decode(authorization[6:]) == b"an-id:a-secret"
        assert "client_secret" not in body
        return "HTTP Basic"
    assert (body["client_id"], body["client_secret"]) == ("an-id", "a-secret")
    return "in the body"


def bare(url):
    return url.partition("?")[0]


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def credentials(module):
    return "an-id", keys.PRIVATE if module == "jira" else "a-secret"


def preset(module):
    return getattr(importlib.import_module(f"django_dance.contrib.{module}"), PRESETS[module][0])


# --- the comparison ---------------------------------------------------------------------------


@cache
def differences(module, options):
    """The differences: (preset, name, their value, our value)."""
    options = {name: list(v) if isinstance(v, tuple) else v for name, v in options}
    if module == "jira":
        options = {"base_url": "https://jira.example.com/", **options}
    one = theirs(module, options)
    client_id, secret = credentials(module)
    names = {
        f"{module.upper()}_OAUTH_{kind}": value
        for kind, value in (
            (("CONSUMER_KEY", client_id), ("RSA_KEY", secret))
            if module == "jira"
            else (("CLIENT_ID", client_id), ("CLIENT_SECRET", secret))
        )
    }
    with override_settings(**names):
        other = ours(module, options)
    return {
        (module, what, one.get(what, "–"), other.get(what, "–"))
        for what in one.keys() | other.keys()
        if one.get(what) != other.get(what)
    }


def to_tuple(options):
    return tuple((name, tuple(v) if isinstance(v, list) else v) for name, v in options.items())


def differing_options(module):
    """The options that one of our presets lacks, or calls by another name."""
    factory = importlib.import_module(f"flask_dance.contrib.{module}")
    known = set(inspect.signature(getattr(factory, f"make_{module}_blueprint")).parameters)
    for name in sorted(known - COMMON - preset(module).facts()):
        yield (module, f"option `{name}`", name, RENAMED.get(name, "–").upper())


# --- the table --------------------------------------------------------------------------------


def split_by_table(found):
    """The rows of the table for these differences, and the differences without a row."""
    rows = {row[:4] for row in DIFFERENCES}
    everywhere = {row[1:] for row in rows if row[0] == EVERY}
    return {(EVERY, *d[1:]) if d[1:] in everywhere else d for d in found} & rows, {
        d for d in found if d not in rows and d[1:] not in everywhere
    }


@pytest.mark.parametrize(
    ("module", "options"),
    CASES,
    ids=[f"{module}-{'-'.join(options) or 'defaults'}" for module, options in CASES],
)
def test_a_preset_sends_the_same_as_flask_dance_except_for_the_table(module, options):
    assert split_by_table(differences(module, to_tuple(options)))[1] == set()


@pytest.mark.parametrize("module", PRESETS)
def test_a_preset_has_the_options_of_flask_dance_except_for_the_table(module):
    assert split_by_table(differing_options(module))[1] == set()


def test_every_option_is_compared():
    compared = {
        module: {name for case in each for name in case} for module, (_, *each) in PRESETS.items()
    }
    for module in PRESETS:
        factory = importlib.import_module(f"flask_dance.contrib.{module}")
        names = set(inspect.signature(getattr(factory, f"make_{module}_blueprint")).parameters)
        left = names - COMMON - set(CREDENTIALS[module]) - compared[module]
        assert left <= {"verify_tls_certificates"}, module


def test_every_preset_of_flask_dance_is_compared():
    modules = pkgutil.iter_modules(flask_dance.contrib.__path__)
    assert {module.name for module in modules} == set(PRESETS)


def test_every_row_of_the_table_is_true():
    found = set()
    for module, options in CASES:
        found |= differences(module, to_tuple(options))
    for module in PRESETS:
        found |= set(differing_options(module))
    assert split_by_table(found)[0] == {row[:4] for row in DIFFERENCES}


#: Descriptions of a value, in place of a value.
PLAIN = ("–", "yes", "no", "random", "HTTP Basic", "in the body")


def shown(value):
    return value if value in PLAIN else f"`{value}`"


def table():
    yield "| preset | difference | Flask-Dance | django-dance | reason |"
    yield "|---|---|---|---|---|"
    for module, what, one, other, why in DIFFERENCES:
        yield f"| {module} | {what} | {shown(one)} | {shown(other)} | {why} |"


def test_the_page_has_the_same_table():
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    assert rows == list(table())
