"""TikTok: another name for the client id."""

import pytest

from ..conftest import Dance
from .conftest import GRANTED, form_fields

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def test_tiktok_gets_the_client_id_as_client_key(site, member, responses):
    responses.post(site("tiktok").token_url, json=GRANTED)
    dance = Dance(member, "tiktok")
    assert dance.asked["client_key"] == "the client"
    assert "client_id" not in dance.asked
    dance.callback()
    sent = form_fields(responses.calls[0])
    assert sent["client_key"] == "the client"
    assert "client_id" not in sent
