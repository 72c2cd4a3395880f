import copy
import json
import pickle

import pytest

from django_dance.exceptions import InvalidResponse, SealBroken
from django_dance.providers import OAuth2Provider, providers
from django_dance.tokens import ResourceOwner, Token, check_token_fields, scope_list, seal, unseal


def test_a_token_is_a_dict():
    assert Token({"access_token": "x"}) == {"access_token": "x"}
    assert dict(Token({"access_token": "x"})) == {"access_token": "x"}


@pytest.mark.parametrize(
    ("left", "lifetime", "stale", "expired"),
    [
        (3600, 3600, False, False),
        (59, 3600, True, False),
        (61, 3600, False, False),
        (31, 300, False, False),
        (29, 300, True, False),
        (59, None, True, False),
        (-1, 3600, True, True),
    ],
)
def test_a_token_knows_when_to_refresh_and_when_it_has_expired(
    clock, left, lifetime, stale, expired
):
    token = Token({"access_token": "x", "expires_in": lifetime, "expires_at": clock.now + left})
    assert (token.stale, token.expired) == (stale, expired)


def test_a_token_without_expiry_does_not_expire():
    token = Token({"access_token": "x"})
    assert token.expires_at is None and not token.stale and not token.expired


def test_storing_keeps_the_granted_lifetime(clock):
    token = Token({"access_token": "x", "expires_in": 3600, "expires_at": clock.now + 50})
    assert token["expires_in"] == 50
    assert token.fields_to_store["expires_in"] == 3600
    assert Token(token).fields_to_store == token.fields_to_store


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, Token], ids=lambda f: f.__name__)
def test_a_copy_of_a_token_has_the_same_fields_to_store(clock, copied):
    token = Token({"access_token": "planted", "expires_in": 3600, "expires_at": clock.now + 50})
    again = copied(token)
    assert type(again) is Token and again is not token
    assert again.fields_to_store == token.fields_to_store
    assert "planted" not in repr([again["access_token"]])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_token_cannot_be_pickled(protocol):
    with pytest.raises(TypeError, match="Pass the primary key of the user"):
        pickle.dumps([Token({"access_token": "planted"})], protocol)


def test_the_fields_to_store_can_be_pickled():
    token = Token({"access_token": "planted", "expires_in": 3600})
    assert pickle.loads(pickle.dumps(token.fields_to_store)) == token.fields_to_store


@pytest.mark.parametrize("value", [None, "soon", True, float("nan"), [1]])
def test_an_invalid_expires_at_is_none(value):
    assert Token({"access_token": "x", "expires_at": value}).expires_at is None


def test_scopes_are_a_set_or_none():
    assert Token({"scope": "a b"}).scopes == {"a", "b"}
    assert Token({"scope": ["a"]}).scopes == {"a"}
    assert Token({}).scopes is None
    assert scope_list("b a,b\nc") == ["b", "a", "c"]


def test_a_token_must_fit_into_a_header():
    check_token_fields({"access_token": "!~"}, "access_token")
    with pytest.raises(InvalidResponse, match="no usable refresh_token"):
        check_token_fields({}, "refresh_token")


# --- seals ------------------------------------------------------------------------------------


def test_a_seal_opens_for_the_same_purpose_and_identity_only():
    sealed = seal(b"text", purpose="token", identity="row 1")
    assert unseal(sealed, purpose="token", identity="row 1") == b"text"
    for purpose, identity in (("token", "row 2"), ("flow", "row 1")):
        with pytest.raises(SealBroken):
            unseal(sealed, purpose=purpose, identity=identity)


def test_a_seal_with_a_changed_character_does_not_open():
    sealed = seal(b"text", purpose="token", identity="x")
    for at, old in enumerate(sealed):
        changed = sealed[:at] + ("A" if old != "A" else "Q") + sealed[at + 1 :]
        with pytest.raises(SealBroken):
            unseal(changed, purpose="token", identity="x")


@pytest.mark.parametrize("junk", ["", "A", "AAAA", "é", "🕺", "a b", "A" * 99, "====", "\x00"])
def test_a_text_that_is_not_a_seal_does_not_open(junk):
    with pytest.raises(SealBroken):
        unseal(junk, purpose="token", identity="x")


# --- providers and owners ---------------------------------------------------------------------


def test_the_error_of_a_frozen_provider_names_the_cure():
    provider = providers["github"]
    with pytest.raises(AttributeError, match=r"set SCOPE in DANCE_PROVIDERS\['github'\]"):
        provider.scope = "x"
    with pytest.raises(AttributeError, match="frozen"):
        del provider.scope
    assert providers["github"] is provider


def test_a_fact_may_refer_to_other_facts():
    gitlab = providers["gitlab"]
    assert gitlab.base_url == "https://gitlab.com/api/v4/"
    assert gitlab.auto_refresh_url == gitlab.token_url == "https://gitlab.com/oauth/token"
    assert providers["jira"].request_token_url == (
        "https://jira.example.com/plugins/servlet/oauth/request-token"
    )


def test_options_become_parameters(settings):
    google = {**settings.DANCE_PROVIDERS["google"], "HOSTED_DOMAIN": "example.com"}
    google |= {"REPROMPT_CONSENT": True, "REPROMPT_SELECT_ACCOUNT": True}
    settings.DANCE_PROVIDERS = {"google": google}
    assert providers["google"].authorization_params() == {
        "access_type": "offline",
        "prompt": "consent select_account",
        "hd": "example.com",
    }


def test_routes_are_formatted_with_the_provider():
    provider = OAuth2Provider(
        "mine", login_url="/go/{provider.name}", authorized_url="{provider.name}/back"
    )
    patterns, namespace = provider.urls
    assert namespace == "mine"
    assert [str(p.pattern) for p in patterns] == ["go/mine", "mine/back", "mine/disconnect/"]


def test_a_credential_with_special_characters_is_urlencoded(responses):
    from django_dance.providers import BasicAuth, ClientCredentials

    client = ClientCredentials("a:b", "c%d+é")
    assert BasicAuth(client, urlencode=True)._value == "Basic YSUzQWI6YyUyNWQlMkIlQzMlQTk="
    assert BasicAuth(client, urlencode=False)._value == "Basic YTpiOmMlZCvDqQ=="


@pytest.mark.parametrize(
    ("client_auth", "body", "basic"),
    [
        ("basic", {}, True),
        ("post", {"client_id": "id", "client_secret": "secret"}, False),
        ("none", {"client_id": "id"}, False),
    ],
)
def test_one_fact_chooses_the_client_authentication(responses, client_auth, body, basic):
    from urllib.parse import parse_qs

    from django_dance.providers import ClientCredentials

    provider = OAuth2Provider("mine", token_url="https://example.com/t", client_auth=client_auth)
    responses.post("https://example.com/t", json={})
    provider.token_call(provider.token_url, {"a": "b"}, ClientCredentials("id", "secret"))
    request = responses.calls[0].request
    sent = {name: values[0] for name, values in parse_qs(request.body).items()}
    assert sent == {"a": "b", **body}
    assert ("Authorization" in request.headers) == basic


def test_an_owner_is_frozen_and_names_itself(rf, user):
    owner = ResourceOwner(providers["github"], user=user)
    with pytest.raises(AttributeError, match="frozen"):
        owner.account = "x"
    assert json.loads(owner.key) == ["github", "user", str(user.pk), ""]
    assert ResourceOwner(providers["github"], user_id=user.pk).key == owner.key
    assert ResourceOwner(providers["github"], user=user, account="7").key != owner.key
    assert ResourceOwner(providers["github"]).key is None
