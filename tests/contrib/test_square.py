"""Square: an expiry date in place of a lifetime."""

import pytest
from django.utils import timezone

from .conftest import grant

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def test_the_expiry_of_a_square_token_is_a_date(site, responses):
    ends = timezone.now() + timezone.timedelta(days=30)
    answer = {"access_token": "planted", "token_type": "bearer", "expires_at": ends.isoformat()}
    fields = grant(site("square"), responses, answer)
    assert abs(fields["expires_in"] - 30 * 24 * 3600) < 60
    assert "expires_at" not in fields


@pytest.mark.parametrize("ends", ["soon", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", 5, None])
def test_an_invalid_date_of_square_is_ignored(site, responses, ends):
    answer = {"access_token": "planted", "token_type": "bearer", "expires_at": ends}
    fields = grant(site("square"), responses, answer)
    assert not {"expires_at", "expires_in"} & set(fields)
