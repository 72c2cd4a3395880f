"""LinkedIn: an ID token without a nonce."""

import pytest

from django_dance.providers import providers

from .. import keys
from ..conftest import Dance
from .conftest import Identifying, assert_refused

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


@pytest.fixture
def linkedin_dance(site, member, responses):
    """A dance with LinkedIn that ends with these claims, and never with a nonce."""

    def dance(key=keys.RSA, **claims):
        linkedin = Identifying(responses, site("linkedin", scope="openid profile"))
        linkedin.key = key
        linkedin.claims |= {"iss": "https://www.linkedin.com/oauth", **claims}
        return Dance(member, "linkedin").callback()

    return dance


def test_linkedin_needs_no_nonce(linkedin_dance, user):
    assert linkedin_dance().status_code == 302
    assert providers["linkedin"].session(user=user).id_claims["sub"] == "248289761001"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"iss": "https://www.linkedin.com"}, "id_token_issuer"),
        ({"aud": "another client"}, "id_token_audience"),
        ({"exp": 1}, "id_token_expired"),
        ({"iat": 1}, "id_token_time"),
        ({"sub": ""}, "id_token_subject"),
        ({"at_hash": "wrong"}, "id_token_at_hash"),
        ({"key": keys.OTHER_RSA}, "id_token_signature"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_every_other_claim_of_linkedin_is_checked(linkedin_dance, events, claims, code):
    assert_refused(linkedin_dance(**claims), events, code)
