"""A fake provider of each preset: what a test says to it, and its address on this machine."""

import pytest

from django_dance.exceptions import AuthorizationRequired, FlowError, ProviderUnavailable
from django_dance.models import OAuthToken
from django_dance.providers import OAuth2Provider, providers

from ..catalogue import PRESETS
from .conftest import expire_token

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

#: The presets that do not work at an address of this machine.
NOT_SERVED = {
    "docusign": "The API's address comes from the answer about the account.",
    "azure": "The issuer is the one of a tenant, whose host is a fact.",
    "ebay": "The redirect URI is a name, which the visitor's browser does not know.",
    "instagram": "The address of the exchange is no option.",
    "threads": "The address of the exchange is no option.",
    "mailchimp": "The API's address comes from an endpoint that no fact states.",
}
#: The presets that grant refresh tokens.
REFRESHABLE = {
    name
    for name, cls in PRESETS.items()
    if issubclass(cls, OAuth2Provider) and cls.auto_refresh_url is not None
}


@pytest.fixture
def dance(fake_preset, member, user):
    """Connects the user, and returns the fake provider and the user's session."""

    def dance(name, **options):
        fake = fake_preset(name, **options)
        fake.route("GET", "planted", {})
        response = fake.dance(member)
        assert response.status_code == 302, response.content
        return fake, providers[name].session(user=user)

    return dance


@pytest.mark.parametrize("name", sorted(REFRESHABLE))
def test_a_preset_refreshes_until_the_user_ends_the_grant(dance, user, name):
    fake, session = dance(name)
    before = session.token["access_token"]
    assert expire_token(session).refresh()["access_token"] != before
    fake.end_grants()
    with pytest.raises(AuthorizationRequired):
        expire_token(providers[name].session(user=user)).refresh()
    row = OAuthToken.objects.get()
    assert (row.state, row.token) == ("needs_reconnect", None)


@pytest.mark.parametrize("name", sorted(set(PRESETS) - set(NOT_SERVED)))
def test_a_preset_works_at_an_address_of_this_machine(dance, name):
    fake, session = dance(name, served=True)
    assert session.get("planted").status_code == 200
    fake.assert_called("GET", "planted", times=1)
    if name in REFRESHABLE:
        before = session.token["access_token"]
        assert expire_token(session).refresh()["access_token"] != before


@pytest.mark.parametrize("name", ["github", "slack", "twitch", "salesforce"])
def test_a_refusal_is_in_the_words_of_the_preset(dance, name):
    fake, session = dance(name)
    fake.refuse("busy")
    with pytest.raises(ProviderUnavailable):
        expire_token(session).refresh()
    assert OAuthToken.objects.exists()


def test_a_busy_salesforce_is_told_from_an_ended_grant(dance):
    fake, _ = dance("salesforce")
    assert fake.word("busy") == "invalid_grant: token request is already being processed"
    assert fake.word("dead") == "invalid_grant"


def test_a_visitor_can_refuse(fake_preset, member, events):
    fake = fake_preset("linkedin")
    fake.refuse_visitor()
    response = fake.dance(member)
    assert response.status_code == 403
    assert "user_cancelled_login" in response.content.decode()
    assert events.codes == ["access_denied"]


def test_a_device_is_approved_or_refused(fake_preset):
    fake = fake_preset("twitch")
    twitch = providers["twitch"].current()
    authorization = twitch.begin_device()
    assert twitch.poll_device(authorization) is None
    fake.approve(authorization.user_code)
    assert twitch.poll_device(authorization)["access_token"].startswith("fake-secret-access")
    other = twitch.begin_device()
    fake.approve(other.user_code, approved=False)
    with pytest.raises(FlowError, match="access_denied"):
        twitch.poll_device(other)


def test_a_wrong_secret_and_a_wrong_code_are_refused(fake_preset):
    fake = fake_preset("github")
    github = providers["github"].current()
    client = github.get_client_credentials(None)
    wrong = type(client)(client.client_id, "planted-wrong")
    for used, grant, word in (
        (wrong, {"grant_type": "client_credentials"}, "incorrect_client_credentials"),
        (client, {"grant_type": "authorization_code", "code": "x"}, "bad_refresh_token"),
    ):
        answer = github.token_call(github.token_url, grant, used)
        assert answer.json()["error"] == word
    assert len(fake.received) == 2


def test_a_revoked_token_is_not_in_force(dance):
    fake, session = dance("google")
    session.disconnect()
    assert [grant.ended for grant in fake.grants] == [True]
    fake.assert_revoked()
