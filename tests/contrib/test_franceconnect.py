"""FranceConnect: the name of a person is in the signed userinfo only."""

import time

import jwt
import pytest

from django_dance.exceptions import InvalidResponse
from django_dance.providers import providers

from .. import keys
from ..conftest import Dance
from .conftest import Identifying

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")

PERSON = {"sub": "248289761001", "given_name": "Ada", "family_name": "Lovelace"}


@pytest.fixture
def connect(site, member, user, responses):
    """Dances with FranceConnect, whose userinfo is signed with this key."""

    def connect(key=keys.RSA):
        provider = site("franceconnect")
        issuer = Identifying(responses, provider)
        issuer.claims |= {"iss": provider.issuer}
        claims = {**PERSON, "iss": provider.issuer, "aud": provider.client_id}
        signed = jwt.encode(
            {**claims, "exp": time.time() + 60}, key, algorithm="RS256", headers={"kid": "k"}
        )
        responses.get(provider.userinfo_url, body=signed, content_type="application/jwt")
        dance = Dance(member, "franceconnect")
        issuer.claims |= {"nonce": dance.asked["nonce"], "acr": "eidas1"}
        assert dance.callback().status_code == 302
        return providers["franceconnect"].session(user=user)

    return connect


def test_the_name_at_franceconnect_comes_from_the_signed_userinfo(connect):
    session = connect()
    assert session.account_label == session.account_info().label == "Ada Lovelace"


def test_userinfo_that_franceconnect_has_not_signed_is_refused(connect):
    session = connect(keys.OTHER_RSA)
    assert session.account_info().label == "248289761001"
    with pytest.raises(InvalidResponse, match=r"^userinfo_signature: "):
        session.userinfo()
