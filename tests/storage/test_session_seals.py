"""A token in a session: its entry, which the next release must read, opens at its place only."""

import json
from types import SimpleNamespace

import pytest

from django_dance.providers import providers
from django_dance.storage import SessionStorage
from django_dance.tokens import ResourceOwner, Token, seal, unseal

VISITOR = "AAECAwQFBgcICQoLDA0ODw"
#: Entries that this release writes into a session, with the SECRET_KEY of the tests: (key of the
#: user, account) → (entry, sealed token). Do not write them anew: a session lives for weeks.
WRITTEN = {
    (None, ""): (
        "github_oauth_token",
        "Ac_zx6kKBv_RoUYJnnFJ6zltsxi82MaPPA2HZ3b2mBCPMWPxolDRbo_vI0S0jc3T8b3FLE2s76mWJd7uMyrNlh6jSt"
        "jIJ-lY6fyWia4DP3UEXA_B5OY0J0EyynHVk5gVZDaiS7hYl2gAwNYlOIg1EfxqCALY5O4lSFdj3hZfjU1D1DTbxUr2"
        "QKNyfz4z",
    ),
    (17, ""): (
        "github_oauth_token",
        "Ac_zx6k0iFfnPqwmeRFaEZwggFsD3WgyP3o677eDSaQb4bMyyXPjNEgW_dV2YCCANSrtnbyAIFNmfyxcVQv1l4BW-C"
        "0mggVFoLJZ7hXEMSQYSUVuHNAwz4kx9Kpi4-iqd078ignpBnAfRWqTDjY2KyyI0k9YMbF2M5Z7X-MwDQl_WTda-O4Y"
        "XQ",
    ),
    (17, "583231"): (
        "github_oauth_token:583231",
        "Ac_zx6n7v9Zna_sVaiYelH_Ip3ix8hDWo2r_4i-5dTNPZQY78xOYAo6ue47hOr9-e_eFgHfyVB0jIFv6JiNUVITcoy"
        "xm1cpjblBkcefzyutxJk8vsXxNiJkmPYZQ_Aoq-qDYWuj4tHwhXxIe9_yWfC5F7A1o-Lme1dFOAkOK29SGTwVeJutc"
        "E6-EIA",
    ),
}
NAMES = {(None, ""): "anonymous", (17, ""): "user", (17, "583231"): "account"}


def read(session, user_id=None, account="", provider="github"):
    request = SimpleNamespace(session=session)
    owner = ResourceOwner(providers[provider], request, user_id=user_id, account=account)
    return SessionStorage().get(owner)


@pytest.mark.parametrize("owner", WRITTEN, ids=NAMES.values())
def test_an_entry_from_a_stored_session_opens(owner):
    entry, sealed = WRITTEN[owner]
    token = read({"_dance_visitor": VISITOR, entry: sealed}, *owner)
    assert Token(token).fields_to_store == {
        "access_token": f"{NAMES[owner]}-access",
        "expires_in": 3600,
        "expires_at": 1893456000.5,
        "scope": ["read:user"],
    }


@pytest.mark.parametrize("owner", WRITTEN, ids=NAMES.values())
def test_an_entry_is_bound_to_provider_user_account_and_session(owner):
    user_id, account = owner
    identity = ["github", "" if user_id is None else str(user_id), account, VISITOR]
    assert unseal(WRITTEN[owner][1], purpose="session", identity=json.dumps(identity))


@pytest.mark.parametrize("owner", WRITTEN, ids=NAMES.values())
@pytest.mark.parametrize(
    ("visitor", "user_id", "account", "provider"),
    [
        ("another", 17, "583231", "github"),
        ("", 17, "583231", "github"),
        (None, 17, "583231", "github"),
        (VISITOR, 18, "583231", "github"),
        (VISITOR, 17, "583232", "github"),
        (VISITOR, None, "583231", "github"),
        (VISITOR, 17, "583231", "gitlab"),
        ("another", None, "", "github"),
        ("another", 17, "", "github"),
        (VISITOR, 18, "", "github"),
        (VISITOR, 17, "", "gitlab"),
    ],
)
def test_an_entry_moved_to_another_key_does_not_open(owner, visitor, user_id, account, provider):
    entry = f"{provider}_oauth_token" + (f":{account}" if account else "")
    session = {"_dance_visitor": visitor, entry: WRITTEN[owner][1]}
    assert read(session, user_id, account, provider) is None


@pytest.mark.parametrize("other", [(None, ""), (17, ""), (17, "583231")])
def test_an_entry_does_not_open_in_the_place_of_another(other):
    entry, _ = WRITTEN[other]
    for owner, (_, sealed) in WRITTEN.items():
        found = read({"_dance_visitor": VISITOR, entry: sealed}, *other)
        assert (found is not None) is (owner == other)


def test_an_entry_of_another_purpose_does_not_open():
    identity = json.dumps(["github", "17", "", VISITOR])
    for purpose, opens in (("session", True), ("token", False), ("cache", False), ("flow", False)):
        sealed = seal(b'{"access_token": "x"}', purpose=purpose, identity=identity)
        session = {"_dance_visitor": VISITOR, "github_oauth_token": sealed}
        assert (read(session, 17) is not None) is opens
