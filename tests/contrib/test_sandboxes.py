"""The providers' sandboxes."""

import pytest

from ..conftest import Dance

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


#: Preset → the option, and the facts that it changes.
SANDBOXES = {
    "deel": (
        "sandbox",
        {
            "base_url": "https://api-staging.letsdeel.com/rest/v2/",
            "authorization_url": "https://demo.deel.com/oauth2/authorize",
            "token_url": "https://demo.deel.com/oauth2/tokens",
        },
    ),
    "docusign": (
        "sandbox",
        {
            "base_url": "https://demo.docusign.net/restapi/",
            "authorization_url": "https://account-d.docusign.com/oauth/auth",
            "token_url": "https://account-d.docusign.com/oauth/token",
            "account_url": "https://account-d.docusign.com/oauth/userinfo",
        },
    ),
    "ebay": (
        "sandbox",
        {
            "base_url": "https://api.sandbox.ebay.com/",
            "authorization_url": "https://auth.sandbox.ebay.com/oauth2/authorize",
            "account_url": "https://apiz.sandbox.ebay.com/commerce/identity/v1/user/",
        },
    ),
    "gusto": (
        "sandbox",
        {
            "base_url": "https://api.gusto-demo.com/v1/",
            "authorization_url": "https://api.gusto-demo.com/oauth/authorize",
            "token_url": "https://api.gusto-demo.com/oauth/token",
            "revocation_url": "https://api.gusto-demo.com/oauth/revoke",
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
def test_a_sandbox_has_its_own_facts(site, name):
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


def test_an_option_takes_precedence_over_the_sandbox(site):
    provider = site("salesforce", is_sandbox=True, host="acme.my.salesforce.com")
    assert provider.token_url == "https://acme.my.salesforce.com/services/oauth2/token"


def test_squares_sandbox_does_not_ask_for_a_login(site, member):
    site("square", sandbox=True)
    assert "session" not in Dance(member, "square").asked


def test_square_asks_for_a_login(site, member):
    site("square")
    assert Dance(member, "square").asked["session"] == "false"
