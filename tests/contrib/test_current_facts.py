"""Facts that providers have changed, as their documentation states them today."""

import pytest

from ..conftest import Dance
from .conftest import basic_credentials, form_fields, revoke_token

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


@pytest.mark.parametrize(
    ("name", "fact", "value"),
    [
        ("shopify", "token_url_params", {"expiring": "1"}),
        ("uber", "authorization_url", "https://auth.uber.com/oauth/v2/authorize"),
        ("uber", "token_url", "https://auth.uber.com/oauth/v2/token"),
        ("uber", "revocation_url", "https://auth.uber.com/oauth/v2/revoke"),
    ],
)
def test_a_preset_states_the_facts_of_today(site, name, fact, value):
    assert getattr(site(name), fact) == value


@pytest.mark.parametrize(
    "name", ["bitbucket", "coinbase", "github", "notion", "shopify", "slack", "todoist"]
)
def test_each_refresh_replaces_the_refresh_token(site, name):
    provider = site(name)
    assert provider.refresh_rotates is True
    assert "refresh_rotates" not in provider.unconfirmed


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("atlassian", "read:me"),
        ("gitlab", "read_user"),
        ("linkedin", "openid profile"),
        ("orcid", "/authenticate"),
        ("osm", "read_prefs"),
    ],
)
def test_the_default_scope_is_what_the_account_needs(site, member, name, scope):
    site(name)
    assert Dance(member, name).asked["scope"] == scope


def test_coinbase_separates_scopes_with_a_space(site, member):
    site("coinbase", scope=["wallet:user:read", "offline_access"])
    assert Dance(member, "coinbase").asked["scope"] == "wallet:user:read offline_access"


def test_todoist_revokes_with_http_basic(connected, responses):
    responses.post("https://api.todoist.com/api/v1/revoke")
    revoke_token(connected("todoist"))
    (call,) = responses.calls
    assert basic_credentials(call) == "the+client:planted-client-secret"
    assert form_fields(call)["token"] == "planted-refresh"
    assert "client_secret" not in form_fields(call)
