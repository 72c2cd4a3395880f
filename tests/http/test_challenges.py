"""The header ``WWW-Authenticate`` (RFC 9110 §11.6.1)."""

import pytest
from requests.structures import CaseInsensitiveDict

from django_dance.http import bearer_challenge, oauth_challenge, read_challenges

pytestmark = pytest.mark.one_database("These tests store nothing")

URL = "https://mcp.example/.well-known/oauth-protected-resource"


def headers(value):
    return CaseInsensitiveDict({"www-authenticate": value})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", []),
        ("Bearer", [("bearer", {})]),
        ("Bearer, Basic", [("bearer", {}), ("basic", {})]),
        ('BEARER Error="x"', [("bearer", {"error": "x"})]),
        (
            'Bearer realm="a, b", error=invalid_token',
            [("bearer", {"realm": "a, b", "error": "invalid_token"})],
        ),
        (r'Bearer error="say \"no\" \\"', [("bearer", {"error": 'say "no" \\'})]),
        ('Bearer scope = "a b" ,, error="x"', [("bearer", {"scope": "a b", "error": "x"})]),
        ('Bearer realm=""', [("bearer", {"realm": ""})]),
        ('Bearer error="one", error="two"', [("bearer", {"error": "one"})]),
        (
            'Negotiate YII=, Basic realm="x", DPoP error="y", algs="ES256"',
            [
                ("negotiate", {}),
                ("basic", {"realm": "x"}),
                ("dpop", {"error": "y", "algs": "ES256"}),
            ],
        ),
        ('Negotiate, Bearer realm="x"', [("negotiate", {}), ("bearer", {"realm": "x"})]),
        ("Newauth abc==", [("newauth", {})]),
        (
            f"Bearer resource_metadata={URL}, scope=a",
            [("bearer", {"resource_metadata": URL, "scope": "a"})],
        ),
        # A part that is malformed ends the list.
        ('Bearer a="b", "c", d="e"', [("bearer", {"a": "b"})]),
        ('Bearer a="b', [("bearer", {})]),
        ('"Bearer" a="b"', []),
        ("= , =", []),
    ],
)
def test_a_header_is_read_by_its_grammar(value, found):
    got = read_challenges(headers(value))
    assert [(each.scheme, each.params) for each in got] == found


def test_the_words_of_another_parameter_are_no_parameter():
    fake = f'Bearer realm="x, resource_metadata={URL}", error="invalid_token"'
    assert "resource_metadata" not in oauth_challenge(headers(fake))


def test_a_challenge_of_another_scheme_does_not_count():
    value = f'Custom error="x", resource_metadata="{URL}"'
    assert bearer_challenge(headers(value)) == oauth_challenge(headers(value)) == {}


def test_of_several_challenges_the_one_with_an_error_counts():
    value = 'DPoP algs="ES256", Bearer error="invalid_token"'
    assert bearer_challenge(headers(value)) == {"error": "invalid_token"}
    assert oauth_challenge(headers(value)) == {"error": "invalid_token"}


def test_a_challenge_without_an_error_says_where_the_metadata_are():
    value = f'Bearer, DPoP resource_metadata="{URL}"'
    assert bearer_challenge(headers(value)) == {"resource_metadata": URL}
    assert oauth_challenge(headers(value)) == {}


def test_only_the_beginning_of_a_long_header_is_read():
    value = "Bearer " + ", ".join(f"p{number}=x" for number in range(10_000))
    assert 0 < len(read_challenges(headers(value))[0].params) < 2000
