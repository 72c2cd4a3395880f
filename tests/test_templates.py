"""Templates: what a template may call, and what it must not."""

import inspect

import pytest
from django.template import Context, Template

from django_dance.providers import OAuth1Provider, OAuth2Provider, OIDCProvider, providers
from django_dance.providers.registry import Registry
from django_dance.server.models import Client, Grant, Token
from django_dance.sessions import OAuth, OAuth1Session, OAuth2Session, OIDCSession

from .conftest import GRANTED, TOKEN_URL

#: Methods without arguments that change nothing at this site or at the provider.
READERS = {
    "aaccount_info",
    "aauthorized",
    "aconnection",
    "aconnections",
    "aplaces",
    "account_info",
    "arequire",
    "atoken",
    "close",
    "connections",
    "get_login_url",
    "load_token",
    "logout_url",
    "missing_scopes",
    "places",
    "require",
    "trusted_origins",
    "userinfo",
}
CLASSES = [OAuth1Session, OAuth2Session, OIDCSession, OAuth]
PROVIDERS = [OAuth1Provider, OAuth2Provider, OIDCProvider]


def callable_in_templates(cls):
    """The public methods that our package defines, and that need no argument."""
    for name, member in inspect.getmembers(cls, callable):
        if name.startswith("_") or not getattr(member, "__module__", "").startswith("django_dance"):
            continue
        try:
            inspect.signature(member).bind(None)
        except TypeError:
            continue
        if inspect.isfunction(member):
            yield name, member


@pytest.mark.parametrize("cls", CLASSES)
def test_each_method_of_a_session_reads_or_is_forbidden_in_templates(cls):
    acting = {
        name
        for name, member in callable_in_templates(cls)
        if not getattr(member, "alters_data", False)
    }
    # requests_oauthlib's methods, which only raise
    acting -= {name for name in acting if "A session does not support" in _source(cls, name)}
    assert acting <= READERS


def _source(cls, name):
    return inspect.getsource(getattr(cls, name))


@pytest.mark.parametrize("cls", PROVIDERS)
def test_the_methods_of_a_provider_that_get_a_token_are_forbidden_in_templates(cls):
    for name in ("client_credentials", "begin_device"):
        assert getattr(cls, name).alters_data


@pytest.mark.parametrize(
    "method",
    [Registry.forget, Client.rotate_secret, Grant.redeem, Token.spend, OAuth.adopt],
)
def test_other_methods_that_act_are_forbidden_in_templates(method):
    assert method.alters_data


@pytest.mark.django_db
@pytest.mark.one_database("The test differs in what a template calls, not in rows")
@pytest.mark.parametrize("name", ["refresh", "disconnect", "forget_token", "ready_token"])
def test_a_template_does_not_act(user, responses, name):
    responses.post(TOKEN_URL, json={**GRANTED, "access_token": "planted-new"})
    session = providers["github"].session(user=user)
    session.token = GRANTED
    rendered = Template(f"[{{{{ session.{name} }}}}]").render(Context({"session": session}))
    assert rendered == "[]"
    assert not responses.calls
    assert session.access_token == GRANTED["access_token"]
