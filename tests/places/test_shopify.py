"""Shopify: one app for all shops, and a signature on the callback (P24)."""

import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest

from django_dance.providers import providers

from ..conftest import provider_url, query
from ..internet import PUBLIC
from .conftest import JSON, refusal

SECRET = "planted-secret-of-the-app"
SHOP = "acme.myshopify.com"


@pytest.fixture
def shop(internet, authority, bundle, settings):
    settings.DANCE_TIMEOUT = 60  # a busy machine may be slow
    settings.DANCE_PROVIDERS = {
        "shopify": {
            "PROVIDER": "django_dance.contrib.shopify.Shopify",
            "PLACES": "any",
            "CLIENT_ID": "the-app",
            "CLIENT_SECRET": SECRET,
            "CA_BUNDLE": bundle,
        }
    }

    def answer(received):
        if received.path.endswith("/access_token"):
            return 200, JSON, json.dumps({"access_token": "planted", "scope": "read_products"})
        return 200, JSON, json.dumps({"shop": {"id": 1, "name": "Acme"}})

    with internet.site(authority, SHOP, PUBLIC, answer) as site:
        yield site


def signed(clock, **params):
    """The parameters with the signature that Shopify's documentation describes."""
    params = {"shop": SHOP, "timestamp": str(int(clock.now)), "host": "YWRtaW4=", **params}
    message = "&".join(f"{name}={params[name]}" for name in sorted(params))
    digest = hmac.new(SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()
    return {**params, "hmac": digest}


def begin(browser, place="acme"):
    begun = browser.post("/login/shopify/", {"place": place, "next": "/after/"})
    assert provider_url(begun).startswith(f"https://{SHOP}/admin/oauth/authorize?")
    return query(provider_url(begun))["state"]


def callback(browser, params):
    return browser.get(f"/login/shopify/authorized/?{urlencode(params)}")


def test_a_signed_callback_connects_the_shop(shop, member, user, clock):
    params = signed(clock, state=begin(member), code="planted-code")
    assert callback(member, params)["Location"] == "/after/"
    assert [row.place for row in user.oauth_tokens.all()] == [SHOP]
    session = providers["shopify"].at("Acme").session(user=user)
    assert session.get("products.json").status_code == 200
    assert shop.received[-1].headers["X-Shopify-Access-Token"] == "planted"


def test_the_bounce_of_a_strict_cookie_does_not_break_the_signature(shop, member, clock):
    params = signed(clock, state=begin(member), code="planted-code")
    assert callback(member, {**params, "dance_bounced": "1"}).status_code == 302


@pytest.mark.parametrize(
    "change",
    [
        {"hmac": "0" * 64},
        {"hmac": ""},
        {"code": "another-code"},
        {"host": "another"},
        {"extra": "x"},
        {"timestamp": "soon"},
    ],
    ids=lambda change: "-".join(change),
)
def test_a_changed_callback_is_refused(shop, member, clock, change):
    params = signed(clock, state=begin(member), code="planted-code")
    assert refusal(callback(member, {**params, **change})) == "signature_invalid"
    assert shop.received == []


def test_a_callback_without_a_signature_is_refused(shop, member, clock):
    params = {"state": begin(member), "code": "planted-code", "shop": SHOP}
    assert refusal(callback(member, params)) == "signature_invalid"


@pytest.mark.parametrize("days", [-2, 2])
def test_a_signature_of_another_day_is_refused(shop, member, clock, days):
    at = str(int(clock.now) + days * 24 * 3600)
    params = signed(clock, state=begin(member), code="planted-code", timestamp=at)
    assert refusal(callback(member, params)) == "signature_invalid"


def test_a_callback_of_another_shop_is_refused(shop, member, clock):
    params = signed(clock, state=begin(member), code="planted-code", shop="other.myshopify.com")
    assert refusal(callback(member, params)) == "signature_invalid"
    assert shop.received == []


@pytest.mark.parametrize(
    "place",
    [
        "evil.example/.myshopify.com",
        "x.myshopify.com.evil.example",
        "-x.myshopify.com",
        "a.b.myshopify.com",
        "myshopify.com",
        "evil.example",
        "https://acme.myshopify.com@evil.example",
    ],
)
def test_a_text_that_is_no_shop_is_refused(shop, member, place, internet):
    response = member.post("/login/shopify/", {"place": place})
    assert refusal(response) == "place_invalid"
    assert internet.resolved == []


def test_names_with_delimiters_are_signed_as_shopify_signs_them():
    """The escaped form keeps an attacker from moving text between two parameters."""
    from django.http import QueryDict

    from django_dance.contrib.shopify import _signed_pairs

    params = QueryDict("ids[]=1&ids[]=2&a%3Db=c%26d%25&hmac=x")
    assert sorted(_signed_pairs(params)) == ["a%3Db=c%26d%25", 'ids=["1", "2"]']
