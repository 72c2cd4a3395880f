"""Headers that presets add to API calls."""

import pytest

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def test_soundclouds_token_is_sent_with_the_scheme_oauth(connected, responses):
    responses.get("https://api.soundcloud.com/me", json={})
    connected("soundcloud").get("me")
    assert responses.calls[0].request.headers["Authorization"] == "OAuth planted-access"


#: Preset → the headers that each call has, beside or instead of a bearer token.
HEADERS = {
    "bungie": {"X-API-Key": "planted-api-key", "Authorization": "Bearer planted-access"},
    "deel": {"x-client-id": "the client", "Authorization": "Bearer planted-access"},
    "etsy": {"x-api-key": "the client:planted-client-secret"},
    "harvest": {"User-Agent": "Ada (ada@example.com)"},
    "reddit": {"User-Agent": "web:ada:v1 (by /u/ada)"},
    "shopify": {"X-Shopify-Access-Token": "planted-access"},
    "trakt": {"trakt-api-key": "the client", "trakt-api-version": "2"},
    "twitch": {"Client-Id": "the client", "Authorization": "Bearer planted-access"},
    "zoho": {"Authorization": "Zoho-oauthtoken planted-access"},
}


OPTIONS = {
    "harvest": {"user_agent": "Ada (ada@example.com)"},
    "reddit": {"user_agent": "web:ada:v1 (by /u/ada)"},
}


@pytest.mark.parametrize("name", HEADERS)
def test_calls_have_the_headers_that_the_provider_requires(connected, responses, name):
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


def follow_redirect(session, responses, target):
    """The request that follows a redirect of an API call."""
    url = session.absolute_url("planted")
    responses.get(url, status=302, headers={"Location": target})
    responses.get(target, json={})
    session.get("planted")
    return responses.calls[-1].request


def test_shopifys_token_does_not_follow_a_redirect_to_another_origin(connected, responses):
    request = follow_redirect(connected("shopify"), responses, "https://evil.example/")
    assert request.url == "https://evil.example/"
    assert "planted" not in str(dict(request.headers))


def test_shopifys_token_follows_a_redirect_within_the_shop(connected, responses):
    session = connected("shopify")
    request = follow_redirect(session, responses, f"https://{session.provider.host}/elsewhere")
    assert request.headers["X-Shopify-Access-Token"] == "planted-access"


def test_a_second_shopify_token_is_refused(connected, responses):
    with pytest.raises(ValueError, match="sets X-Shopify-Access-Token itself"):
        connected("shopify").get("shop.json", headers={"x-shopify-access-token": "another"})
    assert not responses.calls


@pytest.mark.parametrize("name", ["bungie", "etsy"])
def test_an_api_key_does_not_follow_a_redirect_to_another_origin(connected, responses, name):
    request = follow_redirect(connected(name), responses, "https://evil.example/")
    assert "planted" not in str(dict(request.headers))


@pytest.mark.parametrize("name", ["bungie", "etsy"])
def test_a_call_that_withholds_the_token_withholds_the_api_key(connected, responses, name):
    responses.get("https://evil.example/", json={})
    connected(name).get("https://evil.example/", withhold_token=True)
    assert "planted" not in str(dict(responses.calls[0].request.headers))


@pytest.mark.parametrize("name", ["bungie", "etsy"])
def test_an_api_key_is_not_printed(connected, name):
    session = connected(name)
    assert "planted" not in f"{session.headers!r} {session.provider.request_headers!r}"
