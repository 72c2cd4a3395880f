"""Token responses: which are refused, and how expiry and scopes are read."""

import pytest
import requests

from django_dance.models import OAuthToken

from ..conftest import GRANTED, TOKEN_URL, assert_refused


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"json": {"error": "invalid_grant"}}, "token_refused"),
        ({"json": {"error": "invalid_grant"}, "status": 400}, "token_refused"),
        ({"json": {"error": "invalid_client"}, "status": 401}, "token_refused"),
        ({"json": {"error": 7}, "status": 400}, "token_refused"),
        ({"json": {"error": "temporarily_unavailable"}, "status": 400}, "provider_unavailable"),
        ({"json": {}, "status": 429}, "provider_unavailable"),
        ({"json": {}, "status": 503}, "provider_unavailable"),
        ({"json": {}, "status": 408}, "provider_unavailable"),
        ({"json": {}, "status": 404}, "token_response_invalid"),
        ({"json": {}}, "token_response_invalid"),
        ({"json": {}, "status": 201}, "token_response_invalid"),
        ({"body": "", "status": 204}, "token_response_invalid"),
        ({"json": {"error": "invalid_grant"}, "status": 201}, "token_refused"),
        ({"json": []}, "token_response_invalid"),
        ({"json": "x"}, "token_response_invalid"),
        ({"json": 1}, "token_response_invalid"),
        ({"json": None}, "token_response_invalid"),
        ({"json": True}, "token_response_invalid"),
        ({"body": "<html>"}, "token_response_invalid"),
        ({"body": b"\xff\xfe"}, "token_response_invalid"),
        ({"body": "[" * 100_000}, "token_response_invalid"),
        ({"body": "access_token=x&token_type=bearer"}, "token_response_invalid"),
        ({"body": " " * 2_000_000}, "token_response_invalid"),
        (
            {"status": 302, "headers": {"Location": "https://evil.example/"}},
            "token_response_invalid",
        ),
        (
            {"status": 307, "headers": {"Location": "https://evil.example/"}},
            "token_response_invalid",
        ),
        ({"json": GRANTED, "headers": {"Content-Encoding": "gzip"}}, "token_response_invalid"),
        ({"body": requests.ConnectionError("planted-secret")}, "provider_unavailable"),
        ({"body": requests.Timeout()}, "provider_unavailable"),
        *(
            ({"json": {**GRANTED, "access_token": value}}, "token_response_invalid")
            for value in (7, None, "", [], {}, "a b", "a\r\nb", "a\0b", "ä", "x" * 100_000, True)
        ),
        ({"json": {**GRANTED, "refresh_token": "a\r\nb"}}, "token_response_invalid"),
        ({"json": {**GRANTED, "refresh_token": 5}}, "token_response_invalid"),
        ({"json": {**GRANTED, "token_type": "mac"}}, "token_response_invalid"),
        ({"json": {**GRANTED, "token_type": " "}}, "token_response_invalid"),
        ({"json": {**GRANTED, "token_type": 5}}, "token_response_invalid"),
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_an_invalid_token_response_is_refused(member, dance, events, responses, answer, code):
    responses.post(TOKEN_URL, **answer)
    assert_refused(dance(member, granted=False).callback(), code, events)
    assert len(events.codes) == 1
    assert len(responses.calls) == 1


@pytest.mark.parametrize("status", [200, 201, 203])
def test_a_token_is_accepted_with_every_status_of_success(member, dance, responses, status):
    responses.post(TOKEN_URL, json=GRANTED, status=status)
    dance(member, granted=False).callback()
    assert OAuthToken.objects.get().token["access_token"] == GRANTED["access_token"]


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        ("3600", 3600),
        (3600.9, 3600),
        (1e30, 10 * 365 * 24 * 3600),
        (10**18, 10 * 365 * 24 * 3600),
        ("abc", None),
        ("NaN", None),
        (float("nan"), None),
        (float("inf"), None),
        ([1], None),
        ({}, None),
        (True, None),
        (None, None),
        ("9" * 400, None),
    ],
)
def test_expires_in_is_read_in_every_format_that_providers_send(
    clock, member, dance, expires_in, lifetime
):
    dance(member, granted={"expires_in": expires_in}).callback()
    token = OAuthToken.objects.get().token
    assert token.lifetime == lifetime
    if lifetime is None:
        assert token.expires_at is None
    else:
        assert token.expires_at == clock.now + lifetime


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("a b", ["a", "b"]),
        ("a,b", ["a", "b"]),
        (["b", "a"], ["b", "a"]),
        ("", ["read:user"]),
        (None, ["read:user"]),
        ({"a": 1}, ["read:user"]),
    ],
)
def test_scopes_are_read_in_every_format_that_providers_send(member, dance, scope, granted):
    dance(member, granted={"scope": scope}).callback()
    assert OAuthToken.objects.get().token["scope"] == granted
