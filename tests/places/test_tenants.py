"""Two tenants with clients of their own at one place: no secret and no token crosses."""

import json
import time

import pytest
from django.core.cache import caches

from django_dance.models import ClientRegistration, OAuthToken
from django_dance.providers import providers

from ..conftest import Browser, provider_url, query
from ..internet import PUBLIC
from .conftest import JSON

LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "tenants"}
ISSUER = "https://git.example"

pytestmark = pytest.mark.django_db(transaction=True)


def tenant_of(owner):
    """The tenant of a user, also without a request: ``ada-ruby`` belongs to ``ruby``."""
    from django.contrib.auth import get_user_model

    user = owner.user or get_user_model().objects.get(pk=owner.user_id)
    return user.username.partition("-")[2]


@pytest.fixture
def site(settings, bundle, internet, authority):
    settings.CACHES = {"default": LOCAL}
    settings.DANCE_CACHE = "default"
    caches["default"].clear()
    settings.DANCE_TIMEOUT = 60  # a busy machine may be slow
    settings.DANCE_OWNER_TENANT = tenant_of
    settings.DANCE_PROVIDERS = {
        "gitlab": {
            "PROVIDER": "django_dance.contrib.gitlab.GitLab",
            "PLACES": ["git.example"],
            "CA_BUNDLE": bundle,
        }
    }
    for tenant in ("ruby", "opal"):
        row = ClientRegistration(
            provider="gitlab", tenant=tenant, issuer=ISSUER, client_id=f"client-{tenant}"
        )
        row.token_endpoint_auth_method = "client_secret_post"
        row.secrets = {"client_secret": f"planted-secret-{tenant}"}
        row.save()

    def answer(received):
        if received.path == "/oauth/token":
            tenant = dict(received.form)["client_id"].partition("-")[2]
            site.count += 1
            token = {"access_token": f"planted-{tenant}-{site.count}", "token_type": "Bearer"}
            token |= {"refresh_token": f"planted-r-{tenant}-{site.count}", "expires_in": 7200}
            return 200, JSON, json.dumps(token)
        tenant = received.headers["Authorization"].split("-")[1]
        return 200, JSON, json.dumps({"id": tenant, "username": tenant})

    with internet.site(authority, "git.example", PUBLIC, answer) as site:
        site.count = 0
        yield site


def test_no_secret_and_no_token_crosses(site, make_user):
    users = {tenant: make_user(f"ada-{tenant}") for tenant in ("ruby", "opal")}
    for tenant, user in users.items():
        browser = Browser()
        browser.force_login(user)
        begun = browser.post("/login/gitlab/", {"place": "git.example", "next": "/after/"})
        asked = query(provider_url(begun))
        assert asked["client_id"] == f"client-{tenant}"
        params = {"state": asked["state"], "code": f"planted-code-{tenant}"}
        done = browser.get("/login/gitlab/authorized/", params)
        assert done["Location"] == "/after/"
    for user in users.values():
        row = OAuthToken.objects.get(user=user)
        row.token = {**row.token.fields_to_store, "expires_at": time.time() - 5}
        row.save()
    for tenant, user in users.items():
        # A job without a request: the tenant comes from the owner.
        session = providers["gitlab"].at("git.example").session(user_id=user.pk)
        assert session.refresh()["access_token"].startswith(f"planted-{tenant}-")
        assert session.get("user").json()["username"] == tenant
    forms = [dict(each.form) for each in site.received if each.path == "/oauth/token"]
    assert len(forms) == 4
    for form in forms:
        tenant = form["client_id"].partition("-")[2]
        other = {"ruby": "opal", "opal": "ruby"}[tenant]
        assert form["client_secret"] == f"planted-secret-{tenant}"
        assert other not in json.dumps(form)


def test_a_connection_does_not_use_the_registration_of_another_tenant(site, make_user):
    user = make_user("ada-ruby")
    browser = Browser()
    browser.force_login(user)
    begun = browser.post("/login/gitlab/", {"place": "git.example"})
    params = {"state": query(provider_url(begun))["state"], "code": "planted-code"}
    browser.get("/login/gitlab/authorized/", params)
    row = OAuthToken.objects.get(user=user)
    opal = ClientRegistration.objects.get(tenant="opal")
    named = {**row.token["granted_by"], "registration": str(opal.pk)}
    row.token = {**row.token.fields_to_store, "granted_by": named, "expires_at": 1}
    row.save()
    session = providers["gitlab"].at("git.example").session(user=user)
    with pytest.raises(Exception, match="not those of this issuer and tenant"):
        session.refresh()
    assert "planted-secret-opal" not in str([each.body for each in site.received])
