"""What single presets do beside stating facts: each quirk, against a provider that answers."""

import base64
import json
import sys
import time
import types
from urllib.parse import parse_qsl

import jwt
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.urls import include, path
from django.utils import timezone

from django_dance.exceptions import (
    AuthorizationRequired,
    InvalidResponse,
    ProviderError,
    ProviderUnavailable,
    TokenRequestRefused,
    UntrustedOrigin,
)
from django_dance.models import OAuthToken
from django_dance.providers import OAuth1Provider, discovery, providers

from .. import keys
from ..catalogue import PRESETS, required
from ..conftest import Dance

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

#: What the settings hold for each preset, by the end of the setting's name.
SETTINGS = {
    "CLIENT_ID": "the client",
    "CLIENT_SECRET": "planted-client-secret",
    "CONSUMER_KEY": "the client",
    "API_KEY": "planted-api-key",
    "RSA_KEY": keys.PRIVATE,
    "PRIVATE_KEY": keys.pem(keys.EC256),
}
GRANTED = {
    "access_token": "planted-access",
    "refresh_token": "planted-refresh",
    "token_type": "bearer",
    "expires_in": 3600,
}


@pytest.fixture
def site(settings, monkeypatch):
    """Makes a preset the one provider of this site."""

    def make(name, **options):
        cls = PRESETS[name]
        stated = {**required(name, cls), **options}
        settings.DANCE_PROVIDERS = {
            name: {"PROVIDER": cls, **{option.upper(): stated[option] for option in stated}}
        }
        for setting in providers[name].from_config.values():
            setattr(settings, setting, SETTINGS[setting.partition("_OAUTH_")[2]])
        urls = types.ModuleType(f"tests.quirky_urls_of_{name}")
        urls.urlpatterns = [path("login/", include("django_dance.urls"))]
        monkeypatch.setitem(sys.modules, urls.__name__, urls)
        settings.ROOT_URLCONF = urls.__name__
        return providers[name].current()

    discovery.forget()
    yield make
    discovery.forget()


@pytest.fixture
def connected(site, user):
    """Makes a preset the one provider, and gives the user a token of it."""

    def connect(name, token=None, **options):
        provider = site(name, **options)
        session = providers[name].session(user=user)
        if isinstance(provider, OAuth1Provider):
            granted = {"oauth_token": "planted-token", "oauth_token_secret": "planted-secret"}
        else:
            granted = GRANTED
        fields = {**granted, **(token or {})}
        session.token = {field: value for field, value in fields.items() if value is not None}
        return session

    return connect


def revoke(session):
    """Not ``disconnect()``, which forgives a provider that does not listen."""
    session.provider.revoke(session.owner, session.token)


def form(call):
    body = call.request.body
    return dict(parse_qsl(body.decode() if isinstance(body, bytes) else body))


def basic(call):
    scheme, _, pair = call.request.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(pair).decode()


def sent_to(responses, url):
    return [call for call in responses.calls if call.request.url.startswith(url)]


def with_field(answer, path, value):
    """A copy of the answer with another value where ``path`` leads; ``...`` removes it."""
    answer = json.loads(json.dumps(answer))
    *parents, last = path.split(".")
    inner = answer
    for name in parents:
        inner = inner[int(name) if isinstance(inner, list) else name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return answer


def ended(session):
    """The session anew, with a token that has to be refreshed."""
    row = OAuthToken.objects.get()
    row.token = {**row.token.fields_to_store, "expires_at": 1}
    row.save()
    return providers[session.provider.name].session(user=session.owner.user)


class Identifying:
    """The keys of an issuer, and a token endpoint that grants an ID token signed by them."""

    def __init__(self, responses, provider):
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(keys.RSA.public_key()))
        responses.get(provider.jwks_url, json={"keys": [{**public, "kid": "k", "use": "sig"}]})
        responses.add_callback("POST", provider.token_url, self.grant)
        self.key, self.claims = keys.RSA, {"aud": provider.client_id, "sub": "248289761001"}

    def grant(self, request):
        now = time.time()
        claims = {"exp": now + 300, "iat": now, **self.claims}
        signed = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "k"})
        return 200, {}, json.dumps({**GRANTED, "id_token": signed})


def refused(response, events, code):
    assert response.status_code in (400, 403), response.content
    assert events.codes == [code]
    assert not OAuthToken.objects.exists()


# --- Apple ----------------------------------------------------------------------------------------


def apple_secret(responses):
    """The client secret of the token request."""
    (call,) = sent_to(responses, "https://appleid.apple.com/auth/token")
    return form(call)["client_secret"]


@pytest.fixture
def apple_grant(site, responses):
    """What the token endpoint was asked."""
    provider = site("apple", team_id="TEAM012345", key_id="KEY0123456")
    responses.post(provider.token_url, json=GRANTED)
    provider.grant(provider.token_url, {}, provider.get_client_credentials(None))
    return responses


def test_apples_client_secret_is_signed_with_the_sites_key(apple_grant):
    secret = apple_secret(apple_grant)
    jwt.decode(secret, keys.EC256.public_key(), ["ES256"], audience="https://appleid.apple.com")


def test_apples_client_secret_names_team_client_and_apple(apple_grant):
    claims = jwt.decode(apple_secret(apple_grant), options={"verify_signature": False})
    assert (claims["iss"], claims["sub"]) == ("TEAM012345", "the client")
    assert claims["aud"] == "https://appleid.apple.com"


def test_apples_client_secret_names_its_key(apple_grant):
    header = jwt.get_unverified_header(apple_secret(apple_grant))
    assert (header["alg"], header["kid"]) == ("ES256", "KEY0123456")


def test_apples_client_secret_is_good_for_five_minutes(apple_grant):
    claims = jwt.decode(apple_secret(apple_grant), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 300
    assert abs(claims["iat"] - time.time()) < 60


def test_apples_key_is_not_sent(apple_grant):
    assert SETTINGS["PRIVATE_KEY"].split("\n")[1] not in form(apple_grant.calls[0])["client_secret"]
    assert set(form(apple_grant.calls[0])) == {"client_id", "client_secret"}


def test_apples_revocation_is_signed_too(connected, responses):
    responses.post("https://appleid.apple.com/auth/revoke")
    revoke(connected("apple"))
    sent = form(responses.calls[0])
    assert sent["token"] == "planted-refresh"
    jwt.decode(
        sent["client_secret"], keys.EC256.public_key(), ["ES256"], audience=PRESETS["apple"].issuer
    )


def test_without_apples_key_the_error_names_the_setting(site, settings):
    provider = site("apple")
    settings.APPLE_OAUTH_PRIVATE_KEY = ""
    with pytest.raises(ImproperlyConfigured, match="set APPLE_OAUTH_PRIVATE_KEY"):
        provider.get_client_credentials(None)


@pytest.mark.parametrize(
    "key",
    [
        "no key",
        keys.PUBLIC,
        keys.PRIVATE,
        keys.pem(keys.EC384),
        keys.pem(keys.EC256)[:-60],
    ],
    ids=["no PEM", "a public key", "an RSA key", "another curve", "cut short"],
)
def test_what_is_no_key_of_apples_is_told_by_the_name_of_its_setting(site, settings, key):
    provider = site("apple")
    settings.APPLE_OAUTH_PRIVATE_KEY = key
    with pytest.raises(ImproperlyConfigured, match="APPLE_OAUTH_PRIVATE_KEY is no P-256") as caught:
        provider.grant(provider.token_url, {}, provider.get_client_credentials(None))
    assert key not in str(caught.value)


@pytest.mark.parametrize("fact", ["team_id", "key_id"])
def test_apple_cannot_do_without_a_team_and_a_key(fact):
    provider = PRESETS["apple"]("apple", **{"team_id": "T", "key_id": "K", fact: ""})
    (problem,) = provider.problems()
    assert problem.id == "django_dance.E003"
    assert f"has no {fact.upper()}" in problem.message


def test_apple_answers_by_a_form(site, member, responses, user):
    apple = Identifying(responses, site("apple"))
    dance = Dance(member, "apple")
    assert dance.asked["response_mode"] == "form_post"
    apple.claims |= {"iss": "https://appleid.apple.com", "nonce": dance.asked["nonce"]}
    fields = {"state": dance.asked["state"], "code": "planted-code", "user": '{"name": {}}'}
    posted = member.post("/login/apple/authorized/", fields)
    assert not OAuthToken.objects.exists()
    member.get(posted["Location"])
    assert providers["apple"].session(user=user).id_claims["sub"] == "248289761001"


# --- Azure ----------------------------------------------------------------------------------------

TENANT = "11111111-2222-3333-4444-555555555555"
OTHER_TENANT = "99999999-8888-7777-6666-555555555555"
#: The tenant of personal accounts.
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"


def azure_issuer(tenant):
    return f"https://login.microsoftonline.com/{tenant}/v2.0"


@pytest.fixture
def azure_dance(site, member, responses):
    """A dance with Azure, of a tenant, that ends with these claims."""

    def dance(tenant, published=None, **claims):
        provider = site("azure", tenant=tenant)
        azure = Identifying(responses, provider)
        if published is not None:
            document = {"issuer": published}
            url = f"{azure_issuer(tenant)}/.well-known/openid-configuration"
            responses.get(url, json=document)
        begun = Dance(member, "azure")
        azure.claims |= {"nonce": begun.asked["nonce"], **claims}
        return begun.callback()

    return dance


@pytest.mark.parametrize("tenant", ["common", "organizations"])
def test_azure_takes_the_issuer_of_the_tenant_that_the_token_names(azure_dance, tenant):
    assert azure_dance(tenant, tid=TENANT, iss=azure_issuer(TENANT)).status_code == 302


@pytest.mark.parametrize(
    ("tid", "issuer"),
    [
        (TENANT, azure_issuer(OTHER_TENANT)),
        (TENANT, f"https://evil.example/{TENANT}/v2.0"),
        (TENANT, azure_issuer("common")),
        (TENANT, azure_issuer("{tenantid}")),
        (None, azure_issuer(TENANT)),
    ],
)
def test_azure_refuses_another_issuer_than_the_tokens_tenant(azure_dance, events, tid, issuer):
    refused(azure_dance("common", tid=tid, iss=issuer), events, "id_token_issuer")


def test_azure_takes_the_issuer_of_one_directory(azure_dance, responses):
    assert azure_dance(TENANT, tid=TENANT, iss=azure_issuer(TENANT)).status_code == 302
    assert not [call for call in responses.calls if "well-known" in call.request.url]


def test_azure_of_one_directory_refuses_people_of_another(azure_dance, events):
    response = azure_dance(TENANT, tid=OTHER_TENANT, iss=azure_issuer(OTHER_TENANT))
    refused(response, events, "id_token_issuer")


@pytest.mark.parametrize(
    ("tenant", "behind"), [("consumers", CONSUMERS), ("contoso.onmicrosoft.com", TENANT)]
)
def test_azure_asks_which_directory_an_alias_is(azure_dance, tenant, behind):
    issuer = azure_issuer(behind)
    assert azure_dance(tenant, published=issuer, tid=behind, iss=issuer).status_code == 302


def test_azure_of_a_domain_refuses_people_of_another_directory(azure_dance, events):
    response = azure_dance(
        "contoso.onmicrosoft.com",
        published=azure_issuer(TENANT),
        tid=OTHER_TENANT,
        iss=azure_issuer(OTHER_TENANT),
    )
    refused(response, events, "id_token_issuer")


def test_azure_does_not_believe_metadata_of_another_issuer(azure_dance, events):
    issuer = f"https://evil.example/{TENANT}/v2.0"
    response = azure_dance("consumers", published=issuer, tid=TENANT, iss=issuer)
    refused(response, events, "metadata_invalid")


# --- eBay -----------------------------------------------------------------------------------------


def test_ebay_is_told_the_runame_in_both_steps(site, member, responses):
    provider = site("ebay", ru_name="Ada-Site-SBX-abc")
    responses.post(provider.token_url, json={**GRANTED, "token_type": "User Access Token"})
    dance = Dance(member, "ebay")
    assert dance.asked["redirect_uri"] == "Ada-Site-SBX-abc"
    assert dance.callback().status_code == 302
    assert form(responses.calls[0])["redirect_uri"] == "Ada-Site-SBX-abc"


def test_ebay_is_not_danced_with_over_plain_http(site, member, events):
    site("ebay")
    member.scheme = "http"
    refused(member.get("/login/ebay/", SERVER_PORT="80"), events, "insecure_transport")


def test_ebay_cannot_do_without_a_runame():
    (problem,) = PRESETS["ebay"]("ebay").problems()
    assert "has no RU_NAME" in problem.message


# --- revocations that follow no RFC ---------------------------------------------------------------


def test_github_revokes_by_delete_with_basic_and_json(connected, responses):
    url = "https://api.github.com/applications/the%20client/token"
    responses.delete(url, status=204)
    revoke(connected("github"))
    (call,) = responses.calls
    assert basic(call) == "the+client:planted-client-secret"
    assert json.loads(call.request.body) == {"access_token": "planted-access"}


def test_github_enterprise_revokes_at_its_own_host(connected, responses):
    responses.delete("https://git.example.com/api/v3/applications/the%20client/token", status=204)
    revoke(connected("github", host="git.example.com", base_url="https://git.example.com/api/v3/"))
    assert len(responses.calls) == 1


def test_miro_revokes_by_json_with_names_of_its_own(connected, responses):
    responses.post("https://api.miro.com/v2/oauth/revoke", status=204)
    revoke(connected("miro"))
    assert json.loads(responses.calls[0].request.body) == {
        "accessToken": "planted-access",
        "clientId": "the client",
        "clientSecret": "planted-client-secret",
    }


@pytest.mark.parametrize(
    ("token", "sent"),
    [
        ({}, {"token": "planted-refresh", "token_type_hint": "refresh_token"}),
        (
            {"refresh_token": None},
            {"token": "planted-access", "token_type_hint": "access_token"},
        ),
    ],
)
def test_mollie_revokes_by_delete_with_a_form(connected, responses, token, sent):
    responses.delete("https://api.mollie.com/oauth2/tokens", status=204)
    revoke(connected("mollie", token))
    assert form(responses.calls[0]) == sent
    assert basic(responses.calls[0]) == "the+client:planted-client-secret"


NAVER = "https://nid.naver.com/oauth2.0/token"


def test_naver_revokes_by_a_grant(connected, responses):
    responses.post(NAVER, json={"access_token": "planted-access", "result": "success"})
    revoke(connected("naver"))
    assert form(responses.calls[0]) == {
        "grant_type": "delete",
        "access_token": "planted-access",
        "service_provider": "NAVER",
        "client_id": "the client",
        "client_secret": "planted-client-secret",
    }


def test_naver_says_no_with_200(connected, responses):
    responses.post(NAVER, json={"error": "024", "error_description": "Authentication failed"})
    with pytest.raises(TokenRequestRefused, match="Naver refused: 024"):
        revoke(connected("naver"))


def test_soundcloud_is_signed_out_of_by_json(connected, responses):
    responses.post("https://secure.soundcloud.com/sign-out")
    revoke(connected("soundcloud"))
    (call,) = responses.calls
    assert json.loads(call.request.body) == {"access_token": "planted-access"}
    assert "Authorization" not in call.request.headers


def test_soundclouds_tokens_are_of_the_scheme_oauth(connected, responses):
    responses.get("https://api.soundcloud.com/me", json={})
    connected("soundcloud").get("me")
    assert responses.calls[0].request.headers["Authorization"] == "OAuth planted-access"


def test_square_revokes_as_the_client(connected, responses):
    responses.post("https://connect.squareup.com/oauth2/revoke", json={"success": True})
    revoke(connected("square"))
    (call,) = responses.calls
    assert call.request.headers["Authorization"] == "Client planted-client-secret"
    assert json.loads(call.request.body) == {
        "client_id": "the client",
        "access_token": "planted-access",
    }


def test_stripe_disconnects_an_account_with_the_secret_key_in_a_header(connected, responses):
    responses.post("https://connect.stripe.com/oauth/deauthorize", json={})
    revoke(connected("stripe", {"stripe_user_id": "acct_1"}))
    (call,) = responses.calls
    assert call.request.headers["Authorization"] == "Bearer planted-client-secret"
    assert form(call) == {"client_id": "the client", "stripe_user_id": "acct_1"}


def test_stripe_forgets_a_token_that_names_no_account(connected, responses):
    responses.post("https://connect.stripe.com/oauth/deauthorize", json={}, status=400)
    connected("stripe").disconnect()
    assert not OAuthToken.objects.exists()


#: Preset → how it is asked to revoke a token.
REVOCATIONS = {
    "github": ("DELETE", "https://api.github.com/applications/the%20client/token"),
    "miro": ("POST", "https://api.miro.com/v2/oauth/revoke"),
    "mollie": ("DELETE", "https://api.mollie.com/oauth2/tokens"),
    "naver": ("POST", NAVER),
    "soundcloud": ("POST", "https://secure.soundcloud.com/sign-out"),
    "square": ("POST", "https://connect.squareup.com/oauth2/revoke"),
    "stripe": ("POST", "https://connect.stripe.com/oauth/deauthorize"),
}


@pytest.mark.parametrize(("status", "error"), [(400, ProviderError), (503, ProviderUnavailable)])
@pytest.mark.parametrize("name", REVOCATIONS)
def test_a_revocation_that_fails_raises(connected, responses, name, status, error):
    responses.add(*REVOCATIONS[name], status=status, json={})
    with pytest.raises(error, match=str(status)) as caught:
        revoke(connected(name, {"stripe_user_id": "acct_1"}))
    assert caught.value.status == status
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("name", REVOCATIONS)
def test_a_token_is_forgotten_though_it_could_not_be_revoked(connected, responses, name):
    responses.add(*REVOCATIONS[name], status=503)
    connected(name, {"stripe_user_id": "acct_1"}).disconnect()
    assert not OAuthToken.objects.exists()


# --- HubSpot --------------------------------------------------------------------------------------

INTROSPECT = "https://api.hubapi.com/oauth/2026-03/token/introspect"
INTROSPECTED = {
    "active": True,
    "hub_id": 62515,
    "user_id": 123456,
    "user": "ada@example.com",
    "scopes": ["oauth"],
    "token_use": "access_token",
}


def test_a_hubspot_account_is_a_user_in_a_hub(connected, responses):
    responses.post(INTROSPECT, json=INTROSPECTED)
    info = connected("hubspot").account_info()
    assert (info.id, info.label) == ("62515:123456", "ada@example.com")


def test_hubspot_is_asked_by_introspection(connected, responses):
    responses.post(INTROSPECT, json=INTROSPECTED)
    connected("hubspot").account_info()
    assert form(responses.calls[0]) == {
        "token": "planted-access",
        "token_type_hint": "access_token",
        "client_id": "the client",
        "client_secret": "planted-client-secret",
    }


def test_hubspot_is_asked_once_per_session(connected, responses):
    responses.post(INTROSPECT, json=INTROSPECTED)
    session = connected("hubspot")
    assert session.account_info() is session.account_info()
    assert len(responses.calls) == 1


@pytest.mark.parametrize("field", ["hub_id", "user_id"])
@pytest.mark.parametrize("value", [True, False, "", None, 0, [1], {}, ...])
def test_hubspot_does_not_say_whose_token_it_is(connected, responses, field, value):
    responses.post(INTROSPECT, json=with_field(INTROSPECTED, field, value))
    with pytest.raises(InvalidResponse, match="HubSpot did not name the account"):
        connected("hubspot").account_info()


def test_a_hubspot_token_that_is_not_active_is_nobodys(connected, responses):
    responses.post(INTROSPECT, json={"active": False})
    with pytest.raises(InvalidResponse, match="did not name the account"):
        connected("hubspot").account_info()


def test_a_hubspot_token_is_refreshed_before_it_is_asked_about(connected, responses):
    responses.post(PRESETS["hubspot"].token_url, json={**GRANTED, "access_token": "planted-2"})
    responses.post(INTROSPECT, json=INTROSPECTED)
    ended(connected("hubspot")).account_info()
    assert form(responses.calls[-1])["token"] == "planted-2"


def test_without_a_token_hubspot_is_not_asked(site, user, responses):
    site("hubspot")
    with pytest.raises(AuthorizationRequired):
        providers["hubspot"].session(user=user).account_info()
    assert not responses.calls


# --- Jira -----------------------------------------------------------------------------------------


def test_jira_is_always_called_with_json(connected, responses):
    responses.get("https://jira.example.com/rest/api/2/myself", json={})
    connected("jira").get("rest/api/2/myself")
    assert responses.calls[0].request.headers["Content-Type"] == "application/json"


def test_a_call_of_jira_may_say_otherwise(connected, responses):
    responses.post("https://jira.example.com/upload", json={})
    connected("jira").post("upload", data=b"x", headers={"Content-Type": "text/plain"})
    assert responses.calls[0].request.headers["Content-Type"] == "text/plain"


# --- LinkedIn -------------------------------------------------------------------------------------


@pytest.fixture
def linkedin_dance(site, member, responses):
    """A dance with LinkedIn that ends with these claims, and never with a nonce."""

    def dance(key=keys.RSA, **claims):
        linkedin = Identifying(responses, site("linkedin", scope="openid profile"))
        linkedin.key = key
        linkedin.claims |= {"iss": "https://www.linkedin.com/oauth", **claims}
        return Dance(member, "linkedin").callback()

    return dance


def test_no_nonce_is_demanded_of_linkedin(linkedin_dance, user):
    assert linkedin_dance().status_code == 302
    assert providers["linkedin"].session(user=user).id_claims["sub"] == "248289761001"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://www.linkedin.com"}, "id_token_issuer"),
        ({"aud": "another client"}, "id_token_audience"),
        ({"exp": 1}, "id_token_expired"),
        ({"iat": 1}, "id_token_time"),
        ({"sub": ""}, "id_token_subject"),
        ({"at_hash": "wrong"}, "id_token_at_hash"),
        ({"key": keys.OTHER_RSA}, "id_token_signature"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_all_else_is_demanded_of_linkedin(linkedin_dance, events, claims, code):
    refused(linkedin_dance(**claims), events, code)


# --- Mailchimp ------------------------------------------------------------------------------------

METADATA = {
    "dc": "us6",
    "role": "owner",
    "accountname": "Analytical Engines",
    "user_id": 15197,
    "login": {"email": "ada@example.com", "login_id": 15198},
    "login_url": "https://login.mailchimp.com",
    "api_endpoint": "https://us6.api.mailchimp.com",
}


@pytest.fixture
def mailchimp_dance(site, member, responses):
    def dance(metadata, status=200):
        provider = site("mailchimp")
        responses.post(
            provider.token_url,
            json={"access_token": "planted-access", "expires_in": 0, "scope": None},
        )
        responses.get("https://login.mailchimp.com/oauth2/metadata", json=metadata, status=status)
        return Dance(member, "mailchimp").callback()

    return dance


def test_mailchimp_is_asked_for_the_data_centre_with_the_new_token(mailchimp_dance, responses):
    assert mailchimp_dance(METADATA).status_code == 302
    assert responses.calls[-1].request.headers["Authorization"] == "OAuth planted-access"


def test_mailchimps_api_is_where_the_metadata_says(mailchimp_dance, user, responses):
    mailchimp_dance(METADATA)
    responses.get("https://us6.api.mailchimp.com/3.0/lists", json={})
    assert providers["mailchimp"].session(user=user).get("lists").ok


def test_mailchimps_tokens_are_for_ever(mailchimp_dance, user):
    mailchimp_dance(METADATA)
    token = providers["mailchimp"].session(user=user).token
    assert token.expires_at is None and "expires_in" not in token


def test_a_mailchimp_account_is_kept_with_the_token(mailchimp_dance, user, responses):
    mailchimp_dance(METADATA)
    asked = len(responses.calls)
    info = providers["mailchimp"].session(user=user).account_info()
    assert (info.id, info.label) == ("15197", "Analytical Engines")
    assert len(responses.calls) == asked


@pytest.mark.parametrize(
    ("metadata", "status"), [({}, 200), ({"error": "invalid_token"}, 401), ({"dc": "us6"}, 200)]
)
def test_without_a_data_centre_mailchimp_is_refused(mailchimp_dance, events, metadata, status):
    refused(mailchimp_dance(metadata, status), events, "token_response_invalid")


FOREIGN = [
    "https://evil.example",
    "https://evilapi.mailchimp.com",
    "https://us6.api.mailchimp.com.evil.example",
    "https://us6.api.mailchimp.com@evil.example",
    "http://us6.api.mailchimp.com",
    5,
    {},
]


@pytest.mark.parametrize("endpoint", FOREIGN)
def test_a_dance_with_a_foreign_api_endpoint_is_refused(mailchimp_dance, events, endpoint):
    response = mailchimp_dance({**METADATA, "api_endpoint": endpoint})
    refused(response, events, "token_response_invalid")


@pytest.mark.parametrize("endpoint", FOREIGN)
def test_a_foreign_api_endpoint_is_no_home_of_mailchimps(connected, responses, endpoint):
    session = connected("mailchimp", {"api_endpoint": endpoint})
    with pytest.raises(UntrustedOrigin, match="Mailchimp's token names"):
        session.get("lists")
    assert not responses.calls


# --- QuickBooks -----------------------------------------------------------------------------------


@pytest.fixture
def quickbooks_dance(site, member, responses, user):
    def dance(**params):
        responses.post(site("quickbooks", scope="accounting").token_url, json=GRANTED)
        assert Dance(member, "quickbooks").callback(**params).status_code == 302
        return providers["quickbooks"].session(user=user)

    return dance


def test_quickbooks_company_is_kept_with_the_token(quickbooks_dance):
    session = quickbooks_dance(realmId="1185883450")
    assert session.token["realmId"] == "1185883450"
    assert session.token["access_token"] == "planted-access"
    assert 3500 < session.token["expires_in"] <= 3600


def test_quickbooks_without_a_company_is_a_token_all_the_same(quickbooks_dance):
    assert "realmId" not in quickbooks_dance().token


def test_quickbooks_company_outlives_a_refresh(quickbooks_dance):
    session = ended(quickbooks_dance(realmId="1185883450"))
    assert session.ready_token()["realmId"] == "1185883450"
    assert not session.token.expired


@pytest.mark.parametrize("realm", ["../../x", "..%2f..%2fx", "..\\..\\x", "x/../../.."])
def test_a_hostile_company_does_not_climb_out_of_quickbooks_api(quickbooks_dance, responses, realm):
    session = quickbooks_dance(realmId=realm)
    asked = len(responses.calls)
    with pytest.raises(UntrustedOrigin, match=r"must not lead out|neither control characters"):
        session.get(f"company/{session.token['realmId']}/companyinfo")
    assert len(responses.calls) == asked


def test_a_hostile_company_is_not_who_somebody_is(quickbooks_dance, responses):
    session = quickbooks_dance(realmId="somebody else's")
    responses.get(session.provider.account_url, json={"sub": "a1b2", "email": "ada@example.com"})
    assert session.account_info().id == "a1b2"


def test_a_hostile_company_is_no_other_field_of_the_token(quickbooks_dance):
    session = quickbooks_dance(realmId='","access_token":"mine', access_token="mine")
    assert session.access_token == "planted-access"


# --- Slack ----------------------------------------------------------------------------------------

SLACK = {
    "ok": True,
    "app_id": "A0KRD7HC3",
    "access_token": "planted-bot",
    "token_type": "bot",
    "scope": "chat:write",
    "bot_user_id": "U0KRQLJ9H",
    "team": {"name": "Analytical Engines", "id": "T9TK3CUKW"},
    "enterprise": None,
    "authed_user": {
        "id": "U1234",
        "scope": "search:read",
        "access_token": "planted-user",
        "token_type": "user",
    },
}
SLACK_USER = {name: SLACK[name] for name in ("ok", "app_id", "team", "enterprise", "authed_user")}


@pytest.fixture
def slack_dance(site, member, responses, user):
    def dance(answer, **options):
        responses.post(site("slack", **options).token_url, json=answer)
        assert Dance(member, "slack").callback().status_code == 302
        return providers["slack"].session(user=user)

    return dance


def test_slacks_bot_token_is_the_one_in_use(slack_dance, responses):
    session = slack_dance(SLACK, user_scope="search:read")
    responses.post("https://slack.com/api/auth.test", json={})
    session.post("auth.test")
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer planted-bot"


def test_slacks_user_token_is_kept_beside_it(slack_dance):
    session = slack_dance(SLACK, user_scope="search:read")
    assert session.token["authed_user"]["access_token"] == "planted-user"
    assert session.scopes == {"chat:write"}


def test_slacks_user_token_is_in_use_where_there_is_no_other(slack_dance, responses):
    session = slack_dance(SLACK_USER, scope="", user_scope="search:read")
    responses.post("https://slack.com/api/auth.test", json={})
    session.post("auth.test")
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer planted-user"
    assert session.scopes == {"search:read"}


@pytest.mark.parametrize("answer", [SLACK, SLACK_USER], ids=["bot", "user"])
def test_a_token_of_slacks_says_who_installed_it(slack_dance, answer):
    info = slack_dance(answer).account_info()
    assert (info.id, info.label) == ("U1234", "Analytical Engines")


def test_slacks_tokens_do_not_print_however_deep_they_lie(slack_dance):
    token = slack_dance(SLACK).token
    printed = f"{token!r} {token} {token['authed_user']!r} {list(token.values())!r}"
    assert "planted" not in printed


def test_slack_says_no_with_200(site, member, responses, events):
    responses.post(site("slack").token_url, json={"ok": False, "error": "invalid_code"})
    refused(Dance(member, "slack").callback(), events, "token_refused")


def test_slacks_user_scopes_are_asked_for_beside_the_bots(site, member):
    site("slack", user_scope="search:read,users:read", scope=["chat:write", "channels:read"])
    asked = Dance(member, "slack").asked
    assert asked["scope"] == "chat:write,channels:read"
    assert asked["user_scope"] == "search:read,users:read"


# --- Square ---------------------------------------------------------------------------------------


def granted_by(provider, responses, answer):
    responses.post(provider.token_url, json=answer)
    return provider.grant(provider.token_url, {}, provider.get_client_credentials(None))


def test_squares_expiry_is_a_date(site, responses):
    ends = timezone.now() + timezone.timedelta(days=30)
    answer = {"access_token": "planted", "token_type": "bearer", "expires_at": ends.isoformat()}
    fields = granted_by(site("square"), responses, answer)
    assert abs(fields["expires_in"] - 30 * 24 * 3600) < 60
    assert "expires_at" not in fields


@pytest.mark.parametrize("ends", ["soon", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", 5, None])
def test_a_date_of_squares_that_is_none_is_no_expiry(site, responses, ends):
    answer = {"access_token": "planted", "token_type": "bearer", "expires_at": ends}
    fields = granted_by(site("square"), responses, answer)
    assert not {"expires_at", "expires_in"} & set(fields)


# --- Withings -------------------------------------------------------------------------------------


def test_withings_token_is_in_the_body(site, responses):
    answer = {"status": 0, "body": {**GRANTED, "userid": 363}}
    assert granted_by(site("withings"), responses, answer)["userid"] == 363


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 503, "body": {}, "error": "Invalid params"}, "invalid_request"),
        ({"status": 401, "body": GRANTED, "error": "nope"}, "invalid_request"),
        ({"status": 503, "error": "invalid refresh_token"}, "invalid_grant"),
        ({"status": 100}, "invalid_request"),
    ],
)
def test_withings_says_no_with_200(site, responses, answer, error):
    with pytest.raises(TokenRequestRefused, match=error) as caught:
        granted_by(site("withings"), responses, answer)
    assert caught.value.error == error
    assert caught.value.error_description.startswith(str(answer["status"]))


def test_a_dead_refresh_token_of_withings_is_forgotten(connected, responses):
    responses.post(
        PRESETS["withings"].token_url, json={"status": 503, "error": "invalid refresh_token"}
    )
    with pytest.raises(AuthorizationRequired):
        ended(connected("withings")).ready_token()
    assert not OAuthToken.objects.exists()


# --- APIs whose host the token names --------------------------------------------------------------

#: Preset → the field that names the host, what it may say, and where a call then goes.
HOMES = {
    "salesforce": (
        "instance_url",
        "https://acme.my.salesforce.com",
        "https://acme.my.salesforce.com/services/data",
    ),
    "zoho": ("api_domain", "https://www.zohoapis.eu", "https://www.zohoapis.eu/services/data"),
    "pipedrive": (
        "api_domain",
        "https://acme.pipedrive.com",
        "https://acme.pipedrive.com/api/services/data",
    ),
}
HOSTILE = [
    "https://evil.example/",
    "https://{home}.evil.example",
    "https://evil{home}",
    "https://acme.{home}@evil.example",
    "https://evil.example\\.{home}",
    "https://evil.example#.{home}",
    "https://evil.example?.{home}",
    "//{home}",
    "http://acme.{home}",
    "javascript:alert(1)",
    "",
    5,
    ["https://acme.{home}"],
]


@pytest.mark.parametrize("name", HOMES)
def test_the_token_says_where_its_api_is(connected, responses, name):
    field, home, url = HOMES[name]
    responses.get(url, json={})
    assert connected(name, {field: home}).get("services/data").ok
    assert "planted-access" in responses.calls[0].request.headers["Authorization"]


@pytest.mark.parametrize("name", HOMES)
def test_the_home_that_a_token_names_is_trusted_by_its_address_too(connected, responses, name):
    field, home, url = HOMES[name]
    responses.get(url, json={})
    assert connected(name, {field: home}).get(url).ok


@pytest.mark.parametrize("name", HOMES)
def test_the_home_of_another_token_is_not_trusted(connected, responses, name):
    field, home, _ = HOMES[name]
    other = home.replace("acme", "other").replace("www", "other")
    with pytest.raises(UntrustedOrigin, match="is not a trusted origin"):
        connected(name, {field: home}).get(f"{other}/services/data")
    assert not responses.calls


@pytest.mark.parametrize("name", HOMES)
def test_a_token_that_names_no_home_is_at_home_where_the_facts_say(connected, name):
    session = connected(name)
    assert session.base_url == session.provider.base_url


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
@pytest.mark.parametrize("name", HOMES)
def test_a_token_that_names_a_foreign_home_is_sent_nowhere(connected, responses, name, hostile):
    field = HOMES[name][0]
    home = PRESETS[name].base_url_domains[0]
    if isinstance(hostile, str):
        hostile = hostile.format(home=home)
    session = connected(name, {field: hostile})
    with pytest.raises(UntrustedOrigin, match=r"token names the host .+ not one of"):
        session.get("services/data")
    with pytest.raises(UntrustedOrigin, match=r"token names the host .+ not one of"):
        session.get("https://evil.example/")
    assert not responses.calls


@pytest.mark.parametrize("name", HOMES)
def test_a_refresh_can_name_another_home(connected, responses, name):
    field, home, url = HOMES[name]
    session = ended(connected(name, {field: home.replace("acme", "old").replace("eu", "com")}))
    responses.post(session.provider.token_url, json={**GRANTED, field: home})
    responses.get(url, json={})
    session.ready_token()
    assert session.get("services/data").ok


@pytest.mark.parametrize("name", HOMES)
def test_a_refresh_that_names_no_home_leaves_it(connected, responses, name):
    field, home, url = HOMES[name]
    session = ended(connected(name, {field: home}))
    responses.post(session.provider.token_url, json=GRANTED)
    responses.get(url, json={})
    assert session.get("services/data").ok


@pytest.mark.parametrize("name", HOMES)
def test_the_very_call_that_refreshes_goes_to_the_new_home(connected, responses, name):
    field, home, url = HOMES[name]
    session = ended(connected(name, {field: home.replace("acme", "old").replace("eu", "com")}))
    responses.post(session.provider.token_url, json={**GRANTED, field: home})
    responses.get(url, json={})
    assert session.get("services/data").ok


@pytest.mark.parametrize("name", HOMES)
def test_a_refresh_that_names_a_foreign_home_ends_in_no_call(connected, responses, name):
    field, home, _ = HOMES[name]
    session = ended(connected(name, {field: home}))
    responses.post(session.provider.token_url, json={**GRANTED, field: "https://evil.example"})
    session.ready_token()
    asked = len(responses.calls)
    with pytest.raises(UntrustedOrigin):
        session.get("services/data")
    assert len(responses.calls) == asked


# --- headers of API calls -------------------------------------------------------------------------

#: Preset → the headers that each call has, beside or instead of a bearer token.
HEADERS = {
    "bungie": {"X-API-Key": "planted-api-key", "Authorization": "Bearer planted-access"},
    "etsy": {"x-api-key": "the client:planted-client-secret"},
    "reddit": {"User-Agent": "web:ada:v1 (by /u/ada)"},
    "shopify": {"X-Shopify-Access-Token": "planted-access"},
    "trakt": {"trakt-api-key": "the client", "trakt-api-version": "2"},
    "twitch": {"Client-Id": "the client", "Authorization": "Bearer planted-access"},
    "zoho": {"Authorization": "Zoho-oauthtoken planted-access"},
}
OPTIONS = {"reddit": {"user_agent": "web:ada:v1 (by /u/ada)"}}


@pytest.mark.parametrize("name", HEADERS)
def test_calls_have_the_headers_that_the_provider_wants(connected, responses, name):
    session = connected(name, **OPTIONS.get(name, {}))
    responses.get(session.absolute_url("planted"), json={})
    session.get("planted")
    sent = responses.calls[0].request.headers
    assert {header: sent[header] for header in HEADERS[name]} == HEADERS[name]


def test_shopifys_token_is_in_no_other_header(connected, responses):
    session = connected("shopify")
    responses.get(session.absolute_url("shop.json"), json={})
    session.get("shop.json")
    assert "Authorization" not in responses.calls[0].request.headers


def redirected(session, responses, target):
    """The request that follows a redirect of an API call."""
    url = session.absolute_url("planted")
    responses.get(url, status=302, headers={"Location": target})
    responses.get(target, json={})
    session.get("planted")
    return responses.calls[-1].request


def test_shopifys_token_does_not_follow_a_redirect_to_another_origin(connected, responses):
    request = redirected(connected("shopify"), responses, "https://evil.example/")
    assert request.url == "https://evil.example/"
    assert "planted" not in str(dict(request.headers))


def test_shopifys_token_follows_a_redirect_within_the_shop(connected, responses):
    session = connected("shopify")
    request = redirected(session, responses, f"https://{session.provider.host}/elsewhere")
    assert request.headers["X-Shopify-Access-Token"] == "planted-access"


def test_a_second_token_of_shopifys_is_refused(connected, responses):
    with pytest.raises(ValueError, match="sets X-Shopify-Access-Token itself"):
        connected("shopify").get("shop.json", headers={"x-shopify-access-token": "another"})
    assert not responses.calls


@pytest.mark.parametrize("name", ["bungie", "etsy"])
def test_an_api_key_does_not_follow_a_redirect_to_another_origin(connected, responses, name):
    request = redirected(connected(name), responses, "https://evil.example/")
    assert "planted" not in str(dict(request.headers))


@pytest.mark.parametrize("name", ["bungie", "etsy"])
def test_an_api_key_is_withheld_with_the_token_elsewhere(connected, responses, name):
    responses.get("https://evil.example/", json={})
    connected(name).get("https://evil.example/", withhold_token=True)
    assert "planted" not in str(dict(responses.calls[0].request.headers))


@pytest.mark.parametrize("name", ["bungie", "etsy"])
def test_an_api_key_does_not_print(connected, name):
    session = connected(name)
    assert "planted" not in f"{session.headers!r} {session.provider.request_headers!r}"


# --- odd parameters -------------------------------------------------------------------------------


def test_tiktok_calls_the_client_id_a_key(site, member, responses):
    responses.post(site("tiktok").token_url, json=GRANTED)
    dance = Dance(member, "tiktok")
    assert dance.asked["client_key"] == "the client"
    assert "client_id" not in dance.asked
    dance.callback()
    sent = form(responses.calls[0])
    assert sent["client_key"] == "the client"
    assert "client_id" not in sent


def test_myanimelist_is_refused_until_plain_pkce_is_allowed():
    (problem,) = PRESETS["myanimelist"]("myanimelist").problems()
    assert problem.id == "django_dance.E004"
    assert "set ALLOW_PLAIN_PKCE to True" in problem.hint


def test_myanimelist_cannot_be_used_until_then():
    with pytest.raises(ImproperlyConfigured, match="ALLOW_PLAIN_PKCE"):
        PRESETS["myanimelist"]("myanimelist").current()


def test_myanimelist_is_sent_the_verifier_as_challenge(site, member, responses):
    responses.post(site("myanimelist").token_url, json=GRANTED)
    dance = Dance(member, "myanimelist")
    assert dance.asked["code_challenge_method"] == "plain"
    dance.callback()
    assert form(responses.calls[0])["code_verifier"] == dance.asked["code_challenge"]
    assert 43 <= len(dance.asked["code_challenge"]) <= 128


# --- sandboxes ------------------------------------------------------------------------------------

#: Preset → the option, and the facts that it changes.
SANDBOXES = {
    "ebay": (
        "sandbox",
        {
            "base_url": "https://api.sandbox.ebay.com/",
            "authorization_url": "https://auth.sandbox.ebay.com/oauth2/authorize",
            "account_url": "https://apiz.sandbox.ebay.com/commerce/identity/v1/user/",
        },
    ),
    "orcid": (
        "sandbox",
        {
            "base_url": "https://api.sandbox.orcid.org/",
            "api_origins": ("https://pub.sandbox.orcid.org",),
            "token_url": "https://sandbox.orcid.org/oauth/token",
            "issuer": "https://sandbox.orcid.org",
        },
    ),
    "paypal": (
        "sandbox",
        {
            "base_url": "https://api-m.sandbox.paypal.com/",
            "authorization_url": "https://www.sandbox.paypal.com/signin/authorize",
            "token_url": "https://api-m.sandbox.paypal.com/v1/oauth2/token",
        },
    ),
    "quickbooks": (
        "sandbox",
        {
            "base_url": "https://sandbox-quickbooks.api.intuit.com/v3/",
            "authorization_url": "https://appcenter.intuit.com/connect/oauth2",
        },
    ),
    "salesforce": (
        "is_sandbox",
        {
            "base_url": "https://test.salesforce.com/",
            "token_url": "https://test.salesforce.com/services/oauth2/token",
            "issuer": "https://test.salesforce.com",
        },
    ),
    "square": (
        "sandbox",
        {
            "base_url": "https://connect.squareupsandbox.com/v2/",
            "token_url": "https://connect.squareupsandbox.com/oauth2/token",
            "require_login": False,
        },
    ),
}


@pytest.mark.parametrize("name", SANDBOXES)
def test_a_sandbox_is_somewhere_else(site, name):
    option, facts = SANDBOXES[name]
    provider = site(name, **{option: True})
    assert {fact: getattr(provider, fact) for fact in facts} == facts
    assert not provider.problems()


#: QuickBooks tells its sandbox by the account.
@pytest.mark.parametrize("name", sorted(set(SANDBOXES) - {"quickbooks"}))
def test_a_sandbox_has_no_address_of_the_real_one(site, name):
    real, sandbox = site(name), site(name, **{SANDBOXES[name][0]: True})
    for fact in ("base_url", "authorization_url", "token_url", "account_url", "revocation_url"):
        if "://" in (getattr(real, fact) or ""):
            assert getattr(sandbox, fact) != getattr(real, fact)


def test_an_option_goes_before_what_a_sandbox_changes(site):
    provider = site("salesforce", is_sandbox=True, host="acme.my.salesforce.com")
    assert provider.token_url == "https://acme.my.salesforce.com/services/oauth2/token"


def test_squares_sandbox_does_not_ask_for_a_login(site, member):
    site("square", sandbox=True)
    assert "session" not in Dance(member, "square").asked


def test_square_itself_asks_for_a_login(site, member):
    site("square")
    assert Dance(member, "square").asked["session"] == "false"


# --- who somebody is ------------------------------------------------------------------------------

#: Preset → how it is asked, what it answers, and who that is.
ACCOUNTS = {
    "anilist": (
        ("POST", "https://graphql.anilist.co/"),
        {"data": {"Viewer": {"id": 5662, "name": "ada"}}},
        ("5662", "ada"),
    ),
    "asana": (
        ("GET", "https://app.asana.com/api/1.0/users/me"),
        {"data": {"gid": "12345", "resource_type": "user", "name": "Ada Lovelace"}},
        ("12345", "Ada Lovelace"),
    ),
    "aweber": (
        ("GET", "https://api.aweber.com/1.0/accounts"),
        {"start": 0, "total_size": 1, "entries": [{"id": 123, "uuid": "u"}]},
        ("123", "123"),
    ),
    "calendly": (
        ("GET", "https://api.calendly.com/users/me"),
        {"resource": {"uri": "https://api.calendly.com/users/AAAA", "name": "Ada"}},
        ("https://api.calendly.com/users/AAAA", "Ada"),
    ),
    "discord": (
        ("GET", "https://discord.com/api/users/@me"),
        {"id": "80351110224678912", "username": "ada", "global_name": None},
        ("80351110224678912", "ada"),
    ),
    "dropbox": (
        ("POST", "https://api.dropboxapi.com/2/users/get_current_account"),
        {"account_id": "dbid:AAH4f99", "name": {"display_name": "Ada", "surname": "L"}},
        ("dbid:AAH4f99", "Ada"),
    ),
    "ebay": (
        ("GET", "https://apiz.ebay.com/commerce/identity/v1/user/"),
        {"userId": "k9Tz", "username": "ada", "accountType": "INDIVIDUAL"},
        ("k9Tz", "ada"),
    ),
    "github": (
        ("GET", "https://api.github.com/user"),
        {"login": "octocat", "id": 1, "node_id": "MDQ6VXNlcjE="},
        ("1", "octocat"),
    ),
    "jira": (
        ("GET", "https://jira.example.com/rest/api/2/myself"),
        {"key": "JIRAUSER10100", "name": "ada", "displayName": "Ada Lovelace"},
        ("JIRAUSER10100", "Ada Lovelace"),
    ),
    "klaviyo": (
        ("GET", "https://a.klaviyo.com/api/accounts/"),
        {
            "data": [
                {
                    "type": "account",
                    "id": "AbC123",
                    "attributes": {"contact_information": {"organization_name": "Engines"}},
                }
            ]
        },
        ("AbC123", "Engines"),
    ),
    "linear": (
        ("POST", "https://api.linear.app/graphql"),
        {"data": {"viewer": {"id": "90a91a09", "name": "Ada"}}},
        ("90a91a09", "Ada"),
    ),
    "linkedin": (
        ("GET", "https://api.linkedin.com/v2/userinfo"),
        {"sub": "782bbtaQ", "name": "Ada Lovelace", "locale": "en-US"},
        ("782bbtaQ", "Ada Lovelace"),
    ),
    "miro": (
        ("GET", "https://api.miro.com/v1/oauth-token"),
        {"type": "oAuthToken", "user": {"id": "3074457350", "name": "Ada"}, "scopes": []},
        ("3074457350", "Ada"),
    ),
    "monday": (
        ("POST", "https://api.monday.com/v2"),
        {"data": {"me": {"id": "4012689", "name": "Ada"}}, "account_id": 1},
        ("4012689", "Ada"),
    ),
    "naver": (
        ("GET", "https://openapi.naver.com/v1/nid/me"),
        {"resultcode": "00", "response": {"id": "32742776", "nickname": "ada"}},
        ("32742776", "ada"),
    ),
    "notion": (
        ("GET", "https://api.notion.com/v1/users/me"),
        {
            "object": "user",
            "id": "the bot",
            "type": "bot",
            "bot": {"owner": {"type": "user", "user": {"id": "d40e767c", "name": "Ada"}}},
        },
        ("d40e767c", "Ada"),
    ),
    "pipedrive": (
        ("GET", "https://api.pipedrive.com/api/v1/users/me"),
        {"success": True, "data": {"id": 1, "name": "Ada", "company_id": 2}},
        ("1", "Ada"),
    ),
    "shopify": (
        ("GET", "https://host.example.com/admin/api/2025-10/shop.json"),
        {"shop": {"id": 548380009, "name": "Engines", "domain": "engines.example"}},
        ("548380009", "Engines"),
    ),
    "tiktok": (
        (
            "GET",
            "https://open.tiktokapis.com/v2/user/info/?fields=open_id,display_name",
        ),
        {
            "data": {"user": {"open_id": "723f24d7", "display_name": "ada"}},
            "error": {"code": "ok", "message": ""},
        },
        ("723f24d7", "ada"),
    ),
    "twitch": (
        ("GET", "https://api.twitch.tv/helix/users"),
        {"data": [{"id": "141981764", "login": "ada", "display_name": "Ada"}]},
        ("141981764", "Ada"),
    ),
    "zoho": (
        ("GET", "https://accounts.zoho.com/oauth/user/info"),
        {"First_Name": "Ada", "Display_Name": "Ada", "ZUID": 14527219},
        ("14527219", "Ada"),
    ),
}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_the_provider_says_who_somebody_is(connected, responses, name):
    asked, answer, who = ACCOUNTS[name]
    responses.add(*asked, json=answer)
    info = connected(name).account_info()
    assert (info.id, info.label) == who
    assert info.fields == answer


@pytest.mark.parametrize("name", ACCOUNTS)
def test_it_is_asked_with_the_token_and_once_per_session(connected, responses, name):
    asked, answer, _ = ACCOUNTS[name]
    responses.add(*asked, json=answer)
    session = connected(name)
    assert session.account_info() is session.account_info()
    (call,) = responses.calls
    assert "planted-" in call.request.headers[session.provider.token_header]


@pytest.mark.parametrize("value", [True, False, "", None, 1.5, [], {"id": 1}, ...], ids=str)
@pytest.mark.parametrize("name", ACCOUNTS)
def test_what_is_no_id_is_nobody(connected, responses, name, value):
    asked, answer, _ = ACCOUNTS[name]
    responses.add(*asked, json=with_field(answer, PRESETS[name].account_id, value))
    session = connected(name)
    with pytest.raises(InvalidResponse, match=f"{session.provider.label} did not name the account"):
        session.account_info()


@pytest.mark.parametrize(
    ("body", "status"),
    [("", 200), ("<html>", 200), ("[]", 200), ("null", 200), ('"x"', 200), ("full", 404)],
)
@pytest.mark.parametrize("name", ["github", "klaviyo", "linear", "twitch", "zoho"])
def test_what_is_no_answer_is_nobody(connected, responses, name, body, status):
    asked, answer, _ = ACCOUNTS[name]
    responses.add(*asked, body=json.dumps(answer) if body == "full" else body, status=status)
    with pytest.raises(InvalidResponse, match="did not name the account"):
        connected(name).account_info()


@pytest.mark.parametrize("name", ["anilist", "linear", "meetup", "monday", "snapchat"])
def test_graphql_is_asked_in_json(connected, responses, name):
    session = connected(name)
    responses.post(session.absolute_url(session.provider.account_url), json={})
    with pytest.raises(InvalidResponse):
        session.account_info()
    query = json.loads(responses.calls[0].request.body)["query"]
    for field in session.provider.account_id.split(".")[1:]:
        assert field in query


def test_an_error_of_graphql_is_nobody(connected, responses):
    url = "https://api.linear.app/graphql"
    responses.post(url, json={"errors": [{"message": "no"}], "data": None})
    with pytest.raises(InvalidResponse, match="Linear did not name the account"):
        connected("linear").account_info()


#: Preset → the fields of a token that say whose it is, and who that is.
TOKENS = {
    "bungie": ({"membership_id": "4611686018"}, ("4611686018", "4611686018")),
    "mailchimp": ({"user_id": 15197, "accountname": "Engines"}, ("15197", "Engines")),
    "orcid": (
        {"orcid": "0000-0001-2345-6789", "name": "Ada"},
        ("0000-0001-2345-6789", "Ada"),
    ),
    "salesforce": (
        {"id": "https://login.salesforce.com/id/00Dx/005x"},
        ("https://login.salesforce.com/id/00Dx/005x",) * 2,
    ),
    "slack": (
        {"authed_user": {"id": "U1234"}, "team": {"name": "Engines", "id": "T9"}},
        ("U1234", "Engines"),
    ),
    "square": ({"merchant_id": "MLEFBHHSJGVHD"}, ("MLEFBHHSJGVHD", "MLEFBHHSJGVHD")),
    "stripe": ({"stripe_user_id": "acct_1"}, ("acct_1", "acct_1")),
    "withings": ({"userid": 363}, ("363", "363")),
}


@pytest.mark.parametrize("name", TOKENS)
def test_the_token_says_who_somebody_is_and_nobody_is_asked(connected, responses, name):
    fields, who = TOKENS[name]
    info = connected(name, fields).account_info()
    assert (info.id, info.label) == who
    assert not responses.calls


@pytest.mark.parametrize("value", [True, False, "", None, [], ...], ids=str)
@pytest.mark.parametrize("name", TOKENS)
def test_a_token_without_an_id_is_nobodys(connected, name, value):
    fields = with_field(TOKENS[name][0], PRESETS[name].account_id, value)
    with pytest.raises(InvalidResponse, match="did not name the account"):
        connected(name, fields).account_info()


@pytest.mark.parametrize("name", TOKENS)
def test_without_a_token_authorization_is_required(site, user, name):
    site(name)
    with pytest.raises(AuthorizationRequired):
        providers[name].session(user=user).account_info()


# --- Tumblr ---------------------------------------------------------------------------------------


def tumblr_answer(*blogs):
    return {"response": {"user": {"name": "ada", "blogs": list(blogs)}}}


FIRST = {"name": "shared", "uuid": "t:shared", "primary": False}
PRIMARY = {"name": "ada", "uuid": "t:ada", "primary": True}


@pytest.fixture
def tumblr(connected, responses):
    def account(answer):
        responses.get("https://api.tumblr.com/v2/user/info", json=answer)
        return connected("tumblr").account_info()

    return account


@pytest.mark.parametrize("blogs", [(FIRST, PRIMARY), (PRIMARY, FIRST), (PRIMARY,)])
def test_somebody_at_tumblr_is_their_primary_blog(tumblr, blogs):
    info = tumblr(tumblr_answer(*blogs))
    assert (info.id, info.label) == ("t:ada", "ada")


@pytest.mark.parametrize(
    "blogs",
    [
        (),
        (FIRST,),
        ({**PRIMARY, "uuid": ""},),
        ({**PRIMARY, "uuid": True},),
        (FIRST, {**PRIMARY, "uuid": True}),
        (FIRST, {**PRIMARY, "uuid": None}),
        (FIRST, "ada"),
    ],
)
def test_without_a_primary_blog_somebody_at_tumblr_is_nobody(tumblr, blogs):
    with pytest.raises(InvalidResponse, match="Tumblr did not name the account"):
        tumblr(tumblr_answer(*blogs))
