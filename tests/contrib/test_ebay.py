"""eBay: a RuName in place of the redirect URI."""

import pytest

from ..catalogue import PRESETS
from ..conftest import Dance
from .conftest import GRANTED, assert_refused, form_fields

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def test_ebay_gets_the_runame_in_both_steps(site, member, responses):
    provider = site("ebay", ru_name="Ada-Site-SBX-abc")
    responses.post(provider.token_url, json={**GRANTED, "token_type": "User Access Token"})
    dance = Dance(member, "ebay")
    assert dance.asked["redirect_uri"] == "Ada-Site-SBX-abc"
    assert dance.callback().status_code == 302
    assert form_fields(responses.calls[0])["redirect_uri"] == "Ada-Site-SBX-abc"


def test_a_dance_with_ebay_over_plain_http_is_refused(site, member, events):
    site("ebay")
    member.scheme = "http"
    assert_refused(member.get("/login/ebay/", SERVER_PORT="80"), events, "insecure_transport")


def test_ebay_requires_a_runame():
    (problem,) = PRESETS["ebay"]("ebay").problems()
    assert "has no RU_NAME" in problem.message
