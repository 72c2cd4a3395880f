"""A site that knows each preset, and a provider over real HTTP that answers from its facts."""

import sys
import types
from urllib.parse import urlsplit

import pytest
from django.urls import include, path

from django_dance.exceptions import AuthorizationRequired, FlowError, ProviderUnavailable
from django_dance.models import OAuthToken
from django_dance.providers import OAuth2Provider, discovery, providers

from ..catalogue import PRESETS, required
from ..conftest import Dance, query
from ..contrib.conftest import expire_token
from ..fake_provider import FakeProvider

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

#: The presets that do not work with a provider that knows their facts only.
QUIRKS = {
    "apple": "The client secret is signed for each request.",
    "azure": "The issuer is the one of a tenant.",
    "ebay": "The redirect URI is a name.",
    "hubspot": "The account comes from an introspection endpoint, which no fact states.",
    "mailchimp": "The API's address comes from an endpoint that no fact states.",
}
TOKENS = {name: cls for name, cls in PRESETS.items() if issubclass(cls, OAuth2Provider)}


@pytest.fixture
def open_fake(settings):
    """Opens a fake provider, and makes its preset the one provider of the site."""
    opened = []

    def open_fake(name, **options):
        cls = PRESETS[name]
        fake = FakeProvider(cls, **{**required(name, cls), **options})
        opened.append(fake.__enter__())
        settings.DEBUG = True
        settings.DANCE_PROVIDERS = {name: fake.entry()}
        assert not providers[name].problems()
        urls = types.ModuleType(f"tests.urls_of_fake_{name}")
        urls.urlpatterns = [path("login/", include("django_dance.urls"))]
        sys.modules[urls.__name__] = urls
        settings.ROOT_URLCONF = urls.__name__
        return fake

    discovery.forget()
    yield open_fake
    discovery.forget()
    for fake in opened:
        sys.modules.pop(f"tests.urls_of_fake_{fake.preset.__module__.rpartition('.')[2]}", None)
        fake.__exit__()


@pytest.fixture
def connect(open_fake, member, user):
    """Connects the user, and returns the fake provider and the user's session."""

    def connect(name, **options):
        fake = open_fake(name, **options)
        callback = urlsplit(fake.visit(Dance(member, name).url))
        address = f"{callback.path}?{callback.query}"
        if fake.facts.response_mode == "form_post":
            address = member.post(callback.path, query(callback.geturl()))["Location"]
        response = member.get(address)
        assert response.status_code == 302, response.content
        return fake, providers[name].session(user=user)

    return connect


@pytest.mark.parametrize("name", sorted(set(TOKENS) - set(QUIRKS)))
def test_a_preset_connects_and_calls_the_api(connect, name):
    _, session = connect(name)
    assert session.get("planted").status_code == 200


@pytest.mark.parametrize(
    "name", sorted(n for n in set(TOKENS) - set(QUIRKS) if TOKENS[n].auto_refresh_url is not None)
)
def test_a_preset_refreshes_until_the_user_ends_the_grant(connect, user, name):
    fake, session = connect(name)
    before = session.token["access_token"]
    assert expire_token(session).refresh()["access_token"] != before
    fake.end_grants()
    with pytest.raises(AuthorizationRequired):
        expire_token(providers[name].session(user=user)).refresh()
    row = OAuthToken.objects.get()
    assert (row.state, row.token) == ("needs_reconnect", None)


@pytest.mark.parametrize("name", ["github", "slack", "twitch", "salesforce"])
def test_a_refusal_is_in_the_words_of_the_preset(connect, name):
    fake, session = connect(name)
    fake.refuse("busy")
    with pytest.raises(ProviderUnavailable):
        expire_token(session).refresh()
    assert OAuthToken.objects.exists()


def test_a_busy_salesforce_is_told_from_an_ended_grant(connect):
    fake, _ = connect("salesforce")
    assert fake.word("busy") == "invalid_grant: token request is already being processed"
    assert fake.word("dead") == "invalid_grant"


def test_the_next_answer_can_be_any(connect):
    fake, session = connect("github")
    fake.answer_next(200, {"error": "bad_refresh_token"})
    with pytest.raises(AuthorizationRequired):
        expire_token(session).refresh()


def test_a_visitor_can_refuse(open_fake, member, events):
    fake = open_fake("linkedin")
    fake.refuse_visitor()
    callback = fake.visit(Dance(member, "linkedin").url)
    assert "error=user_cancelled_login" in callback
    assert member.get(callback.partition("testserver")[2]).status_code == 403
    assert events.codes == ["access_denied"]


def test_a_device_is_approved_or_refused(open_fake, settings):
    fake = open_fake("twitch")
    twitch = providers["twitch"].current()
    authorization = twitch.begin_device()
    assert twitch.poll_device(authorization) is None
    fake.approve(authorization.user_code)
    assert twitch.poll_device(authorization)["access_token"].startswith("planted-access")
    other = twitch.begin_device()
    fake.approve(other.user_code, approved=False)
    with pytest.raises(FlowError, match="access_denied"):
        twitch.poll_device(other)


def test_a_wrong_secret_and_a_wrong_verifier_are_refused(open_fake):
    fake = open_fake("github")
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


def test_a_revoked_token_is_not_in_force(connect):
    fake, session = connect("google")
    session.disconnect()
    assert [grant.ended for grant in fake.grants] == [True]
