"""The methods of the validator, with clients, codes and tokens of a site's own."""

import logging
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors

from django_dance.server import AuthorizationServer, rows
from django_dance.server.signals import access_token_revoked
from django_dance.server.validator import Validator

CALLBACK = "https://app.example/callback"
ADA = User(pk=17, username="ada")
GONE = User(pk=18, username="gone", is_active=False)
#: The clock stands still at this time.
NOW = datetime(2026, 8, 5, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW.astimezone(tz)


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr(rows, "datetime", Clock)


class Site:
    """A site with functions and objects of its own, which have only the required attributes."""

    def __init__(self, **options):
        self.server = AuthorizationServer("site", issuer="https://site.example", **options)
        self.validator = Validator(self.server)
        self.client = client()
        self.token = self.grant = self.user = None
        self.calls = []
        for name in ("clientgetter", "tokengetter", "tokensetter", "grantgetter", "grantsetter"):
            self.server.callbacks.register(name, getattr(self, name))
        self.server.callbacks.register("usergetter", self.usergetter)

    def clientgetter(self, client_id):
        self.calls.append(("client", client_id))
        return self.client

    def tokengetter(self, access_token=None, refresh_token=None):
        self.calls.append(("token", access_token, refresh_token))
        return self.token if (access_token or refresh_token) in ("planted", "both") else None

    def tokensetter(self, token, request):
        self.calls.append(("set token", dict(token), request))

    def grantgetter(self, client_id, code):
        self.calls.append(("grant", client_id, code))
        return self.grant

    def grantsetter(self, *args):
        self.calls.append(("set grant", *args))

    def usergetter(self, *args):
        self.calls.append(("user", *args))
        return self.user

    def revoker(self):
        """Register a tokenrevoker. The result is the list of its calls."""
        revoked = []
        self.server.callbacks.register("tokenrevoker", lambda **which: revoked.append(which))
        return revoked


def client(**fields):
    fields = {"client_id": "app", "client_secret": "planted-secret", **fields}
    return SimpleNamespace(**fields)


def is_confidential(client):
    return rows.ClientRow(client).is_confidential


def request(**fields):
    """oauthlib's request. A parameter that was not sent is ``None``."""
    made = Request("https://site.example/token")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def token(**fields):
    fields = {"client_id": "app", "user": ADA, "scopes": ["email"], **fields}
    return SimpleNamespace(**fields)


def grant(**fields):
    fields = {"user": ADA, "scopes": ("email", "address"), "redirect_uri": CALLBACK, **fields}
    return SimpleNamespace(**fields)


@pytest.fixture
def site():
    return Site()


# --- who the client is --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "confidential"),
    [
        ({}, True),
        ({"client_type": "confidential"}, True),
        ({"client_type": "something else"}, True),
        ({"client_type": "public"}, False),
        ({"is_confidential": True, "client_type": "public"}, True),
        ({"is_confidential": False}, False),
        ({"is_confidential": None}, False),
    ],
)
def test_a_client_without_a_type_is_confidential(site, fields, confidential):
    assert is_confidential(client(**fields)) is confidential
    site.client = client(**fields)
    asks = request(client_id="app")
    assert site.validator.client_authentication_required(asks) is confidential


@pytest.mark.parametrize(
    ("found", "named"),
    [(None, "app"), (client(is_active=False), "app"), (client(), ""), (client(), None)],
    ids=["unknown", "inactive", "no name", "no name at all"],
)
def test_an_unknown_or_inactive_client_cannot_authenticate(site, found, named):
    site.client = found
    asks = request(client_id=named, client_secret="planted-secret")
    assert site.validator.client_authentication_required(asks) is True
    assert site.validator.authenticate_client(asks) is False
    assert site.validator.authenticate_client_id(named, asks) is False
    assert site.validator.validate_client_id(named, asks) is False
    assert asks.client is None
    assert site.calls == ([("client", named)] if named else [])


def test_a_client_is_looked_up_once_in_a_request(site):
    asks = request(client_id="app", client_secret="planted-secret")
    assert site.validator.validate_client_id("app", asks) is True
    assert site.validator.authenticate_client(asks) is True
    assert asks.client is site.client
    assert site.calls == [("client", "app")]


@pytest.mark.parametrize(
    ("fields", "secret", "known"),
    [
        ({}, "planted-secret", True),
        ({}, "planted-secret ", False),
        ({}, "Planted-secret", False),
        ({}, "", False),
        ({}, None, False),
        ({"client_secret": ""}, "", False),
        ({"client_secret": None}, "None", False),
        ({"client_secret": ""}, "x", False),
        ({"is_confidential": False}, "planted-secret", False),
        ({"check_client_secret": lambda secret: secret == "hashed"}, "hashed", True),
        ({"check_client_secret": lambda secret: secret == "hashed"}, "planted-secret", False),
        ({"check_client_secret": lambda secret: 1}, "x", True),
        ({"check_client_secret": lambda secret: True}, "", False),
        ({"check_client_secret": lambda secret: True, "is_confidential": False}, "x", False),
    ],
)
def test_a_client_authenticates_with_its_secret(site, fields, secret, known):
    site.client = client(**fields)
    asks = request(client_id="app", client_secret=secret)
    assert site.validator.authenticate_client(asks) is known
    assert asks.client is (site.client if known else None)


def test_secrets_are_compared_in_constant_time(site, monkeypatch):
    compared = []
    compare = rows.constant_time_compare

    def noting(one, other):
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(rows, "constant_time_compare", noting)
    site.validator.authenticate_client(request(client_id="app", client_secret="wrong"))
    assert compared == [("planted-secret", "wrong")]


@pytest.mark.parametrize(
    ("fields", "secret", "known"),
    [
        ({"is_confidential": False}, None, True),
        ({"is_confidential": False}, "", True),
        ({"is_confidential": False}, "a secret", False),
        ({}, None, False),
    ],
)
def test_a_public_client_needs_only_its_client_id(site, fields, secret, known):
    site.client = client(**fields)
    asks = request(client_id="app", client_secret=secret)
    assert site.validator.authenticate_client_id("app", asks) is known
    assert asks.client is (site.client if known else None)


# --- what a client may ask for ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "right"),
    [
        (CALLBACK, True),
        (CALLBACK + "/", False),
        (CALLBACK + "?a=1", False),
        (CALLBACK[:-1], False),
        (CALLBACK.upper(), False),
        ("https://app.example/other", False),
    ],
)
def test_a_redirect_uri_must_be_one_of_the_clients(site, uri, right):
    asks = request(client=client(redirect_uris=["https://app.example/", CALLBACK]))
    assert site.validator.validate_redirect_uri("app", uri, asks) is right


UNFIT = ["http://app.example/callback", f"{CALLBACK}#fragment", "javascript:alert(1)"]


@pytest.mark.parametrize("uri", UNFIT)
def test_an_invalid_redirect_uri_is_refused_even_if_the_client_accepts_it(site, uri):
    def anything(uri):
        return True

    for fields in ({"redirect_uris": [uri]}, {"validate_redirect_uri": anything}):
        asks = request(client=client(**fields))
        assert site.validator.validate_redirect_uri("app", uri, asks) is False


def test_a_client_may_validate_its_redirect_uris(site):
    seen = []

    def decide(uri):
        seen.append(uri)
        return uri == CALLBACK and 1

    asks = request(
        client=client(redirect_uris=["https://app.example/"], validate_redirect_uri=decide)
    )
    assert site.validator.validate_redirect_uri("app", CALLBACK, asks) is True
    assert site.validator.validate_redirect_uri("app", "https://app.example/", asks) is False
    assert seen == [CALLBACK, "https://app.example/"]


@pytest.mark.parametrize(
    ("fields", "default"),
    [
        ({"redirect_uris": [CALLBACK]}, CALLBACK),
        ({"redirect_uris": [CALLBACK], "default_redirect_uri": "https://app.example/"}, CALLBACK),
        ({"redirect_uris": [CALLBACK, "https://app.example/"]}, None),
        ({"redirect_uris": [], "default_redirect_uri": CALLBACK}, None),
        ({"redirect_uris": [UNFIT[0]]}, None),
        ({"default_redirect_uri": CALLBACK}, CALLBACK),
        ({"default_redirect_uri": UNFIT[0]}, None),
        ({"default_redirect_uri": None}, None),
        ({}, None),
    ],
)
def test_the_only_redirect_uri_is_the_default(site, fields, default):
    asks = request(client=client(**fields))
    assert site.validator.get_default_redirect_uri("app", asks) == default


@pytest.mark.parametrize(
    ("fields", "kind", "right"),
    [
        ({}, "code", True),
        ({}, "token", False),
        ({"allowed_response_types": ["token"]}, "code", False),
        ({"allowed_response_types": ["token"]}, "token", True),
        ({"allowed_response_types": []}, "code", False),
        ({"allowed_grant_types": ["authorization_code"]}, "code", True),
        ({"allowed_grant_types": ["refresh_token"]}, "code", False),
        ({"allowed_grant_types": []}, "code", False),
    ],
)
def test_a_code_needs_the_response_type_and_the_grant_type(site, fields, kind, right):
    answer = site.validator.validate_response_type("app", kind, client(**fields), request())
    assert answer is right


@pytest.mark.parametrize(
    ("fields", "kind", "right"),
    [
        ({}, "authorization_code", True),
        ({}, "refresh_token", True),
        ({}, "client_credentials", False),
        ({}, "password", False),
        ({"allowed_grant_types": ["password"]}, "password", True),
        ({"allowed_grant_types": ["password"]}, "refresh_token", False),
        ({"allowed_grant_types": ["authorization_code_"]}, "authorization_code", False),
    ],
)
def test_a_client_has_its_own_grant_types(site, fields, kind, right):
    assert site.validator.validate_grant_type("app", kind, client(**fields), request()) is right


@pytest.mark.parametrize(
    ("known", "fields", "scopes", "right"),
    [
        ({}, {"default_scopes": ["a", "b"]}, ["a"], True),
        ({}, {"default_scopes": ["a", "b"]}, ["b", "a"], True),
        ({}, {"default_scopes": ["a", "b"]}, [], True),
        ({}, {"default_scopes": ["a", "b"]}, ["c", "d"], False),
        ({}, {}, ["a"], False),
        ({}, {}, [], True),
        ({"a": "A", "b": "B"}, {"default_scopes": ["a", "b"]}, ["a", "b"], True),
        ({"a": "A"}, {"default_scopes": ["a", "b"]}, ["b"], False),
        ({"a": "A"}, {"validate_scopes": lambda scopes: True}, ["b"], False),
        ({"a": "A"}, {"validate_scopes": lambda scopes: scopes == ["a"] and 1}, ["a"], True),
        ({}, {"validate_scopes": lambda scopes: False, "default_scopes": ["a"]}, ["a"], False),
        ({}, {"validate_scopes": lambda scopes: True}, ["anything"], True),
    ],
)
def test_a_scope_must_be_known_to_the_server_and_the_client(known, fields, scopes, right):
    validator = Site(scopes=known).validator
    assert validator.validate_scopes("app", scopes, client(**fields), request()) is right


@pytest.mark.parametrize(
    ("known", "fields"),
    [
        ({}, {"default_scopes": ["a"]}),
        ({"a": "A"}, {"default_scopes": ["a", "b"]}),
        ({}, {"validate_scopes": lambda scopes: scopes == ["a"]}),
    ],
)
def test_scopes_that_are_not_allowed_are_left_out(known, fields):
    asks = request()
    assert Site(scopes=known).validator.validate_scopes("app", ["b", "a"], client(**fields), asks)
    assert asks.scopes == ["a"]


def test_a_client_that_requests_no_scope_gets_its_own(site):
    of = request(client=client(default_scopes=("a", "b")))
    assert site.validator.get_default_scopes("app", of) == ["a", "b"]
    assert site.validator.get_default_scopes("app", request(client=client())) == []


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("redirect_uris", lambda v, r: v.validate_redirect_uri("app", CALLBACK, r)),
        ("redirect_uris", lambda v, r: v.get_default_redirect_uri("app", r)),
        ("allowed_response_types", lambda v, r: v.validate_response_type("", "code", r.client, r)),
        ("allowed_grant_types", lambda v, r: v.validate_response_type("", "code", r.client, r)),
        ("allowed_grant_types", lambda v, r: v.validate_grant_type("", "password", r.client, r)),
        ("default_scopes", lambda v, r: v.get_default_scopes("app", r)),
        ("default_scopes", lambda v, r: v.validate_scopes("app", ["a"], r.client, r)),
    ],
)  # fmt: skip
def test_a_string_instead_of_a_list_is_an_error(site, name, ask):
    """A part of it would do as well as the whole."""
    asks = request(client=client(**{name: f"{CALLBACK} code authorization_code password a"}))
    with pytest.raises(ImproperlyConfigured, match=rf"^The {name} of SimpleNamespace is a string"):
        ask(site.validator, asks)


def test_a_challenge_is_required_and_refresh_tokens_rotate(site):
    assert site.validator.is_pkce_required("app", request()) is True
    assert site.validator.rotate_refresh_token(request()) is True


# --- a code -------------------------------------------------------------------------------------


def test_a_code_is_stored_by_the_sites_function(site):
    asks, code = request(), {"code": "planted"}
    site.validator.save_authorization_code("app", code, asks)
    assert site.calls == [("set grant", "app", code, asks)]


def code_is_good(site, **fields):
    site.grant = grant(**fields)
    asks = request(client_id="another-name")
    good = site.validator.validate_code("another-name", "planted", client(), asks)
    # The client that has authenticated, and not the name that the request has.
    assert site.calls == [("grant", "app", "planted")]
    assert ("grant" in vars(asks)) is good
    assert (asks.user is ADA) is good
    assert asks.scopes == (["email", "address"] if good else None)
    return good


def test_a_code_is_valid_for_its_client(site):
    assert code_is_good(site) is True


def test_an_unknown_code_is_invalid(site):
    assert site.validator.validate_code("app", "planted", client(), request()) is False


@pytest.mark.parametrize("user", [None, GONE], ids=["nobody", "deactivated"])
def test_a_code_without_an_active_user_is_invalid(site, user):
    assert code_is_good(site, user=user) is False
    site.calls.clear()
    assert code_is_good(site, user=user, in_force_for=lambda client: True) is False


EAST = timezone(timedelta(hours=5))


@pytest.mark.parametrize(
    ("expires", "good"),
    [
        (None, True),
        (NOW + MOMENT, True),
        (NOW, False),
        (NOW - MOMENT, False),
        ((NOW + MOMENT).astimezone(EAST), True),
        (NOW.astimezone(EAST), False),
        # A site's own time without a zone is UTC.
        ((NOW + MOMENT).replace(tzinfo=None), True),
        (NOW.replace(tzinfo=None), False),
    ],
)
def test_a_code_is_valid_until_it_expires(site, expires, good):
    assert code_is_good(site, expires=expires) is good


@pytest.mark.parametrize("good", [True, False])
def test_a_code_may_have_in_force_for(site, good):
    seen = []

    def in_force_for(client):
        seen.append(client.client_id)
        return good

    # Then its time is its own to compare.
    assert code_is_good(site, in_force_for=in_force_for, expires=NOW - MOMENT) is good
    assert seen == ["app"]


@pytest.mark.parametrize(
    ("fields", "challenge", "method"),
    [
        ({"code_challenge": "c", "code_challenge_method": "S256"}, "c", "S256"),
        ({"code_challenge": "", "code_challenge_method": ""}, None, ""),
        ({}, None, None),
    ],
)
def test_the_challenge_is_read_from_the_code(site, fields, challenge, method):
    asks = request()
    vars(asks)["grant"] = grant(**fields)
    assert site.validator.get_code_challenge("planted", asks) == challenge
    assert site.validator.get_code_challenge_method("planted", asks) == method


def address_is_right(site, of_the_code, redirect_uri, *, left_out=None, uris=(CALLBACK,), **fields):
    asks = request(client=client(redirect_uris=list(uris)))
    vars(asks)["grant"] = grant(redirect_uri=of_the_code, **fields)
    if left_out is not None:
        vars(asks)["using_default_redirect_uri"] = left_out
    try:
        return site.validator.confirm_redirect_uri("app", "planted", redirect_uri, client(), asks)
    except errors.InvalidGrantError as error:
        assert error.error == "invalid_grant"  # RFC 6749 §5.2
        return False


@pytest.mark.parametrize(
    ("of_the_code", "redirect_uri", "options", "right"),
    [
        (CALLBACK, CALLBACK, {}, True),
        (CALLBACK, CALLBACK, {"left_out": False}, True),
        (CALLBACK, CALLBACK + "/", {}, False),
        # RFC 6749 §4.1.3: it was named then, so it must be named now.
        (CALLBACK, CALLBACK, {"left_out": True}, False),
        ("", CALLBACK, {"left_out": True}, True),
        ("", CALLBACK, {"left_out": False}, True),
        ("", CALLBACK, {}, True),
        ("", "https://app.example/other", {}, False),
        ("", "https://app.example/other", {"left_out": True}, True),
        ("", CALLBACK, {"uris": [CALLBACK, "https://app.example/other"]}, False),
        ("", None, {"uris": []}, True),
        ("ignored", "x", {"validate_redirect_uri": lambda uri: uri == "x"}, True),
        (CALLBACK, CALLBACK, {"validate_redirect_uri": lambda uri: False}, False),
    ],
)
def test_the_redirect_uri_must_be_that_of_the_authorization_request(
    site, of_the_code, redirect_uri, options, right
):
    assert address_is_right(site, of_the_code, redirect_uri, **options) is right


# --- a refresh token ----------------------------------------------------------------------------


def refreshes(site, **fields):
    site.token = token(**fields)
    asks = request()
    good = site.validator.validate_refresh_token("planted", client(), asks)
    assert site.calls[-1] == ("token", None, "planted")
    assert vars(asks).get("old_token") is (site.token if good else None)
    assert asks.user is (ADA if good else None)
    return good


def test_a_refresh_token_is_valid_for_its_client(site):
    assert refreshes(site) is True
    assert refreshes(site, server="site") is True
    assert refreshes(site, refresh_expires=None, refreshable_for=lambda client: True) is True


def test_a_refresh_token_that_is_not_found_is_invalid(site):
    site.token = token()
    assert site.validator.validate_refresh_token("unknown", client(), request()) is False


@pytest.mark.parametrize(
    "fields",
    [
        {"client_id": "another"},
        {"server": "another"},
        {"server": ""},
        {"user": GONE},
        {"user": None},
        {"refreshable_for": lambda client: False},
    ],
    ids=["client", "server", "no server", "deactivated user", "no user", "its own word"],
)
def test_a_refresh_token_of_another_client_server_or_user_is_invalid(site, fields):
    assert refreshes(site, **fields) is False


@pytest.mark.parametrize(
    ("until", "good"), [(NOW + MOMENT, True), (NOW, False), (NOW - MOMENT, False), (None, True)]
)
def test_a_refresh_token_is_valid_until_it_expires(site, until, good):
    assert refreshes(site, refresh_expires=until) is good


@pytest.mark.parametrize(
    ("fields", "may", "left"),
    [
        ({"scopes": ["a", "b"]}, ["a", "b"], ["a", "b"]),
        ({"scopes": ["a"], "granted_scopes": ["a", "b"]}, ["a", "b", "c"], ["a", "b"]),
        ({"scopes": ["a"], "granted_scopes": []}, ["a"], ["a"]),
        ({"scopes": ["a", "b"]}, ["b"], ["b"]),
        ({"scopes": []}, ["b"], []),
        ({"scopes": []}, [], []),
        ({"scopes": ["a", "b"]}, ["c"], None),
    ],
)
def test_a_refresh_gives_the_granted_scopes_that_the_client_may_still_request(
    site, fields, may, left
):
    asks = request(client=client(default_scopes=may))
    vars(asks)["old_token"] = token(**fields)
    if left is None:
        with pytest.raises(errors.InvalidScopeError):
            site.validator.get_original_scopes("planted", asks)
    else:
        assert site.validator.get_original_scopes("planted", asks) == left


# --- a password ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "good"), [(ADA, True), (None, False), (GONE, False)])
def test_a_password_is_valid_for_an_active_user(site, user, good):
    site.user, asks, who = user, request(), client()
    assert site.validator.validate_user("ada", "pw", who, asks) is good
    assert site.calls == [("user", "ada", "pw", who, asks)]
    assert asks.user is (ADA if good else None)


# --- storing what is issued ---------------------------------------------------------------------


class Used:
    """A code or token that knows how to be used up."""

    def __init__(self, way="redeem", first=True, **fields):
        self.used = 0
        vars(self).update({"scopes": ["email"], **fields})

        def use():
            self.used += 1
            return first

        setattr(self, way, use)


ISSUED = {"access_token": "access", "refresh_token": "refresh", "expires_in": 3600}


def issues(site, *, who=None, scopes=("email",), issued=None, **state):
    """The arguments of the tokensetter: the token and the request."""
    asks = request(client=who or client(), client_id="app", scopes=list(scopes))
    vars(asks).update(state)
    site.validator.save_token(dict(ISSUED if issued is None else issued), asks)
    ((_, stored, given),) = [call for call in site.calls if call[0] == "set token"]
    assert given is asks
    return stored, asks


pytest_db = pytest.mark.django_db(transaction=True)


@pytest_db
def test_a_token_without_a_code_is_stored(site):
    stored, asks = issues(site)
    assert stored == ISSUED
    assert len(vars(asks)["family"]) == 32
    assert asks.refresh_expires is None
    assert asks.granted_scopes == ["email"]


@pytest_db
@pytest.mark.parametrize("way", ["redeem", "spend", "delete"])
def test_a_token_is_stored_and_its_code_used_up(site, way):
    source = Used(way, family="f" * 32)
    stored, asks = issues(site, grant=source, scopes=["email", "address"])
    assert stored == ISSUED
    assert source.used == 1
    assert asks.family == "f" * 32
    assert asks.granted_scopes == ["email", "address"]
    assert asks.refresh_expires is None


@pytest_db
def test_a_code_without_a_family_gets_one(site):
    for source in (Used(), Used(family="")):
        _, asks = issues(site, grant=source)
        assert len(asks.family) == 32
        site.calls.clear()


@pytest_db
def test_a_refreshed_token_keeps_expiry_family_and_granted_scopes(site):
    source = Used(
        "spend", family="f" * 32, refresh_expires=NOW, granted_scopes=["email", "address"]
    )
    _, asks = issues(site, old_token=source, scopes=["email"])
    assert asks.family == "f" * 32
    assert asks.refresh_expires is NOW
    assert asks.granted_scopes == ["email", "address"]


@pytest_db
def test_a_refresh_token_without_granted_scopes_keeps_its_scopes(site):
    _, asks = issues(site, old_token=Used("spend", scopes=["a", "b"]), scopes=["a"])
    assert asks.granted_scopes == ["a", "b"]


@pytest_db
@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({}, True),
        ({"allowed_grant_types": ["authorization_code", "refresh_token"]}, True),
        ({"allowed_grant_types": ["authorization_code"]}, False),
    ],
)
def test_only_a_client_with_the_grant_type_gets_a_refresh_token(site, fields, kept):
    stored, _ = issues(site, who=client(**fields))
    assert ("refresh_token" in stored) is kept
    without = {name: value for name, value in ISSUED.items() if name != "refresh_token"}
    site.calls.clear()
    stored, _ = issues(site, who=client(**fields), issued=without)
    assert stored == without


@pytest_db
def test_the_two_tokens_must_differ(site):
    with pytest.raises(ImproperlyConfigured, match="made the same token twice"):
        issues(site, issued={**ISSUED, "refresh_token": "access"})
    assert site.calls == []


def second_use(site, caplog, **state):
    asks = request(client=client(), client_id="app", scopes=["email"])
    vars(asks).update(state)
    with caplog.at_level(logging.WARNING, logger="django_dance.server"):
        with pytest.raises(errors.InvalidGrantError):
            site.validator.save_token(dict(ISSUED), asks)
    assert [call for call in site.calls if call[0] == "set token"] == []
    (record,) = caplog.records
    assert (record.code, record.server) == ("invalid_grant", site.server.name)
    return record.getMessage()


@pytest_db
@pytest.mark.parametrize("name", ["grant", "old_token"])
def test_a_second_use_revokes_the_family(site, caplog, name):
    revoked = site.revoker()
    source = Used("redeem", first=False, family="f" * 32)
    assert "app: a code or refresh token was used again" in second_use(
        site, caplog, **{name: source}
    )
    assert revoked == [{"family": "f" * 32}]


@pytest_db
def test_a_refresh_token_that_was_just_spent_revokes_nothing(site, caplog):
    revoked = site.revoker()
    source = Used("spend", first=False, family="f" * 32, just_spent=True)
    assert "app: a refresh token was used twice" in second_use(site, caplog, old_token=source)
    assert revoked == []


@pytest_db
def test_a_code_that_was_just_used_revokes_the_family(site, caplog):
    """RFC 6749 §4.1.2 knows no leeway for codes."""
    revoked = site.revoker()
    second_use(site, caplog, grant=Used(first=False, family="f" * 32, just_spent=True))
    assert revoked == [{"family": "f" * 32}]


@pytest_db
@pytest.mark.parametrize("family", ["", None])
def test_without_a_family_or_a_tokenrevoker_nothing_is_revoked(site, caplog, family):
    revoked = site.revoker()
    second_use(site, caplog, grant=Used(first=False, family=family))
    assert revoked == []
    caplog.clear()
    other = Site()
    second_use(other, caplog, grant=Used(first=False, family="f" * 32))


@pytest_db
@pytest.mark.parametrize(
    ("deleted", "first"),
    [((1, {}), True), ((2, {}), True), ((0, {}), False), (None, True), (0, True), (False, True)],
)
def test_a_row_without_a_method_to_use_it_up_is_deleted(site, caplog, deleted, first):
    """Django says how many rows there were. A function that says nothing is believed."""
    source = SimpleNamespace(scopes=["email"], delete=lambda: deleted)
    if first:
        issues(site, grant=source)
    else:
        second_use(site, caplog, grant=source)


@pytest_db
@pytest.mark.parametrize(("replayed", "ended"), [(True, True), (False, False), (None, False)])
def test_a_second_use_before_the_commit_revokes_the_family_after_it(site, replayed, ended):
    revoked = site.revoker()
    fields = {} if replayed is None else {"replayed": replayed}
    with transaction.atomic():
        issues(site, grant=Used(family="f" * 32, **fields))
        assert revoked == []
    assert revoked == ([{"family": "f" * 32}] if ended else [])


@pytest_db
def test_the_use_is_rolled_back_if_the_token_cannot_be_stored(site, user):
    class Row:
        scopes = ("email",)

        def redeem(self):
            User.objects.filter(pk=user.pk).update(first_name="used")
            return True

    def fail(token, request):
        raise ZeroDivisionError

    site.server.callbacks.register("tokensetter", fail)
    asks = request(client=client(), client_id="app", scopes=["email"])
    vars(asks)["grant"] = Row()
    with pytest.raises(ZeroDivisionError):
        site.validator.save_token(dict(ISSUED), asks)
    user.refresh_from_db()
    assert user.first_name == ""


# --- what was issued ----------------------------------------------------------------------------


def revokes(site, text="planted"):
    asks = request(client=client())
    assert site.validator.revoke_token(text, "", asks) is None


class Row(SimpleNamespace):
    """A token that can be deleted."""

    deleted = 0

    def delete(self):
        self.deleted += 1


@pytest.mark.parametrize("family", ["f" * 32, "", None])
@pytest.mark.parametrize("with_a_function", [True, False])
def test_a_token_is_revoked_with_its_family_or_deleted(site, family, with_a_function, db):
    revoked = site.revoker() if with_a_function else []
    site.token = Row(client_id="app", user=ADA, scopes=[], family=family)
    revokes(site)
    by_family = bool(family) and with_a_function
    assert revoked == ([{"family": family}] if by_family else [])
    assert site.token.deleted == (not by_family)


@pytest.mark.parametrize("with_a_function", [True, False])
@pytest.mark.django_db(transaction=True)
def test_receivers_hear_which_family_is_revoked(site, with_a_function):
    if with_a_function:
        site.revoker()
    heard = []

    def receive(reason, family, **other):
        heard.append((reason, family))

    access_token_revoked.connect(receive)
    site.token = Row(client_id="app", user=ADA, scopes=[], family="f" * 32)
    revokes(site)
    access_token_revoked.disconnect(receive)
    assert heard == [("revoked", "f" * 32)]


def test_revocation_deletes_a_token_without_the_attribute_family(site, db):
    site.token = Row(client_id="app", user=ADA, scopes=[])
    revokes(site)
    assert site.token.deleted == 1


def test_revoking_a_token_that_is_not_found_succeeds(site):
    site.token = Row(client_id="app", user=ADA, scopes=[])
    revokes(site, "unknown")
    assert site.token.deleted == 0
    assert site.calls == [("token", "unknown", None), ("token", None, "unknown")]


def test_revoking_a_token_of_another_client_is_an_error(site):
    site.token = Row(client_id="another", user=ADA, scopes=[], family="f" * 32)
    revoked = site.revoker()
    with pytest.raises(errors.InvalidGrantError, match="belongs to another client"):
        revokes(site)
    assert (site.token.deleted, revoked) == (0, [])


def test_a_token_of_another_server_is_unknown(site, db):
    site.token = Row(client_id="app", user=ADA, scopes=[], server="another")
    revokes(site)
    assert site.token.deleted == 0
    assert claims(site) is None
    site.token.server = "site"
    assert claims(site) is not None
    revokes(site)
    assert site.token.deleted == 1


def claims(site, text="planted", who=None):
    return site.validator.introspect_token(text, "", request(client=who or client()))


def test_a_token_with_few_attributes_has_few_claims(site):
    site.token = token()
    assert claims(site) == {
        "scope": "email",
        "client_id": "app",
        "iss": "https://site.example",
        "token_type": "Bearer",
        "sub": "17",
    }


def test_the_claims_of_an_access_token(site):
    site.token = token(
        scopes=["a", "b"],
        granted_scopes=["a", "b", "c"],
        expires=NOW + timedelta(seconds=60.9),
        refresh_expires=NOW - MOMENT,
        created_at=NOW.astimezone(EAST),
    )
    assert claims(site) == {
        "scope": "a b",
        "client_id": "app",
        "iss": "https://site.example",
        "token_type": "Bearer",
        "sub": "17",
        "exp": int(NOW.timestamp()) + 60,
        "iat": int(NOW.timestamp()),
    }


def only_as_a_refresh_token(site):
    getter = site.tokengetter

    def tokengetter(access_token=None, refresh_token=None):
        return None if access_token else getter(refresh_token=refresh_token)

    site.server.callbacks.register("tokengetter", tokengetter)


def test_the_claims_of_a_refresh_token(site):
    only_as_a_refresh_token(site)
    site.token = token(
        scopes=["a"],
        granted_scopes=["a", "b"],
        expires=NOW - MOMENT,
        refresh_expires=NOW + timedelta(days=1),
    )
    assert claims(site) == {
        "scope": "a b",
        "client_id": "app",
        "iss": "https://site.example",
        "sub": "17",
        "exp": int(NOW.timestamp()) + 24 * 3600,
    }
    site.token = token(scopes=["a", "c"])
    assert claims(site)["scope"] == "a c"


@pytest.mark.parametrize("refresh", [False, True])
@pytest.mark.parametrize(
    ("until", "active"), [(NOW + MOMENT, True), (NOW, False), (NOW - MOMENT, False), (None, True)]
)
def test_an_expired_token_is_not_active(site, refresh, until, active):
    if refresh:
        only_as_a_refresh_token(site)
    site.token = token(**{"refresh_expires" if refresh else "expires": until})
    assert (claims(site) is not None) is active


def test_a_clients_own_token_has_no_subject(site):
    site.token = token(user=None)
    assert "sub" not in claims(site)


def test_the_token_of_a_deactivated_user_is_not_active(site):
    site.token = token(user=GONE)
    assert claims(site) is None


@pytest.mark.parametrize("owner", [None, client(is_active=False)], ids=["gone", "inactive"])
def test_the_token_of_an_unknown_or_inactive_client_is_not_active(site, owner):
    site.token, site.client = token(), owner
    assert claims(site) is None
    site.token = token(in_force_for=lambda client: True)
    assert claims(site) is None


@pytest.mark.parametrize("good", [True, False])
def test_a_token_may_have_in_force_for(site, good):
    seen = []

    def in_force_for(client):
        seen.append(client)
        return good

    site.token = token(in_force_for=in_force_for)
    assert (claims(site) is not None) is good
    assert seen == [site.client]


def test_only_a_confidential_client_may_introspect(site):
    site.token = token()
    with pytest.raises(errors.InvalidClientError):
        claims(site, who=client(is_confidential=False))
    assert site.calls == []


def test_a_client_may_introspect_its_own_tokens_unless_the_site_allows_more(site, monkeypatch):
    site.token = token()
    other = client(client_id="other")
    assert claims(site, who=other) is None
    monkeypatch.setattr(site.server, "may_introspect", lambda client, token: client is other)
    assert claims(site, who=other)["client_id"] == "app"
    assert claims(site) is None


def test_an_unknown_token_is_not_active(site):
    assert claims(site) is None


def test_a_token_is_looked_for_as_an_access_token_first(site):
    """A hint may be wrong (RFC 7009 §2.1)."""
    site.token = token()
    assert claims(site)["token_type"] == "Bearer"
    assert site.calls[0] == ("token", "planted", None)
    assert len([call for call in site.calls if call[0] == "token"]) == 1
