"""Withings: token answers in an envelope."""

import pytest

from django_dance.exceptions import AuthorizationRequired, TokenRequestRefused
from django_dance.models import OAuthToken

from ..catalogue import PRESETS
from .conftest import GRANTED, expire_token, grant

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def test_the_withings_token_is_in_the_field_body(site, responses):
    answer = {"status": 0, "body": {**GRANTED, "userid": 363}}
    assert grant(site("withings"), responses, answer)["userid"] == 363


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 503, "body": {}, "error": "Invalid params"}, "invalid_request"),
        ({"status": 401, "body": GRANTED, "error": "nope"}, "invalid_request"),
        ({"status": 503, "error": "invalid refresh_token"}, "invalid_grant"),
        ({"status": 100}, "invalid_request"),
    ],
)
def test_withings_refuses_with_status_200(site, responses, answer, error):
    with pytest.raises(TokenRequestRefused, match=error) as caught:
        grant(site("withings"), responses, answer)
    assert caught.value.error == error
    assert caught.value.error_description.startswith(str(answer["status"]))


def test_a_token_that_withings_revoked_is_wiped(connected, responses):
    responses.post(
        PRESETS["withings"].token_url, json={"status": 503, "error": "invalid refresh_token"}
    )
    with pytest.raises(AuthorizationRequired):
        expire_token(connected("withings")).ready_token()
    row = OAuthToken.objects.get()
    assert (row.state, row.token) == ("needs_reconnect", None)
