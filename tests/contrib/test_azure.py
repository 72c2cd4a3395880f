"""Azure: the issuer that an ID token may name, by tenant."""

from urllib.parse import urlsplit

import pytest

from ..conftest import Dance
from .conftest import Identifying, assert_refused

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


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
def test_azure_accepts_the_issuer_of_the_tenant_that_the_token_names(azure_dance, tenant):
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
    assert_refused(azure_dance("common", tid=tid, iss=issuer), events, "id_token_issuer")


def test_azure_accepts_the_issuer_of_one_directory(azure_dance, responses):
    assert azure_dance(TENANT, tid=TENANT, iss=azure_issuer(TENANT)).status_code == 302
    assert not [call for call in responses.calls if "well-known" in call.request.url]


def test_azure_of_one_directory_refuses_users_of_another(azure_dance, events):
    response = azure_dance(TENANT, tid=OTHER_TENANT, iss=azure_issuer(OTHER_TENANT))
    assert_refused(response, events, "id_token_issuer")


@pytest.mark.parametrize(
    ("tenant", "behind"), [("consumers", CONSUMERS), ("contoso.onmicrosoft.com", TENANT)]
)
def test_azure_requests_the_directory_of_an_alias(azure_dance, tenant, behind):
    issuer = azure_issuer(behind)
    assert azure_dance(tenant, published=issuer, tid=behind, iss=issuer).status_code == 302


def test_azure_of_a_domain_refuses_users_of_another_directory(azure_dance, events):
    response = azure_dance(
        "contoso.onmicrosoft.com",
        published=azure_issuer(TENANT),
        tid=OTHER_TENANT,
        iss=azure_issuer(OTHER_TENANT),
    )
    assert_refused(response, events, "id_token_issuer")


def test_azure_refuses_metadata_of_another_issuer(azure_dance, events):
    issuer = f"https://evil.example/{TENANT}/v2.0"
    response = azure_dance("consumers", published=issuer, tid=TENANT, iss=issuer)
    assert_refused(response, events, "metadata_invalid")


#: Option ``HOST`` → ``BASE_URL``.
NATIONAL_CLOUDS = {
    "login.microsoftonline.us": "https://graph.microsoft.us/",
    "login.partner.microsoftonline.cn": "https://microsoftgraph.chinacloudapi.cn/",
}


@pytest.mark.parametrize("host", NATIONAL_CLOUDS)
def test_a_national_cloud_has_no_address_of_the_global_one(site, host):
    provider = site("azure", host=host, base_url=NATIONAL_CLOUDS[host])
    assert provider.userinfo_url == f"{NATIONAL_CLOUDS[host]}oidc/userinfo"
    stated = [getattr(provider, fact) for fact in provider.facts() if fact.endswith("_url")]
    urls = [*map(str, stated), provider.issuer]
    documentation = {provider.documentation, provider.registration_url}
    hosts = {urlsplit(url).hostname for url in urls if "://" in url and url not in documentation}
    assert hosts == {host, urlsplit(NATIONAL_CLOUDS[host]).hostname}


@pytest.mark.parametrize("host", NATIONAL_CLOUDS)
def test_a_national_cloud_accepts_its_own_issuers_only(site, host):
    provider = site("azure", host=host, base_url=NATIONAL_CLOUDS[host])
    assert provider.accepts_issuer(f"https://{host}/{TENANT}/v2.0")
    assert provider.issuer_of({"tid": TENANT}) == f"https://{host}/{TENANT}/v2.0"
    assert not provider.accepts_issuer(azure_issuer(TENANT))
