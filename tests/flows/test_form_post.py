"""A callback that comes as a form: which fields come back by GET, and where."""

import json

import pytest
from django.http import QueryDict
from django.test import RequestFactory

from django_dance.contrib.github import GitHub
from django_dance.flows.form_post import redirect_with_fields, restore_fields
from django_dance.models import OAuthToken
from django_dance.tokens import Secret, seal

from ..conftest import Browser

PATH = "/login/github/authorized/"
FIELDS = ("state", "code", "error", "error_description", "error_uri", "iss", "user")


def sent(fields, provider="github"):
    """The address that a form leads to."""
    return redirect_with_fields(RequestFactory().post(f"{PATH}?x=1", fields), provider)


def read(address, provider="github"):
    return restore_fields(RequestFactory().get(address), provider)


def with_text(text, *, purpose="callback", provider="github"):
    sealed = seal(text.encode(), purpose=purpose, identity=provider)
    return f"{PATH}?dance_posted={sealed}"


def test_the_fields_of_a_callback_are_restored():
    address = sent({name: f"planted-{name} ü&=" for name in FIELDS})
    assert address.startswith(f"{PATH}?dance_posted=")
    assert "planted" not in address
    fields = read(address)
    assert isinstance(fields, QueryDict)
    assert fields.dict() == {name: f"planted-{name} ü&=" for name in FIELDS}
    assert all(isinstance(value, Secret) for value in fields.values())


def test_other_fields_are_not_restored():
    names = ("access_token", "id_token", "token", "next", "scope", "dance_bounced", "State")
    assert list(read(sent({"state": "x", **dict.fromkeys(names, "y")}))) == ["state"]


def test_a_field_sent_twice_is_restored_twice():
    """So it is refused as repeated."""
    assert read(sent({"state": ["a", "b"]})).getlist("state") == ["a", "b"]


@pytest.mark.parametrize(("more", "kept"), [(0, True), (1, False)])
def test_a_form_that_is_too_long_has_no_fields(more, kept):
    """The address would be too long for a server."""
    longest = 5000 - len(json.dumps({"state": [""]}))
    fields = read(sent({"state": "x" * (longest + more)}))
    assert fields is not None
    assert ("state" in fields) is kept


def test_fields_are_restored_for_their_own_provider_only():
    address = sent({"state": "x"})
    assert read(address, "gitlab") is None
    assert read(address, "github")["state"] == "x"


@pytest.mark.parametrize(
    "address",
    [PATH, f"{PATH}?dance_posted=", f"{PATH}?dance_posted=x", f"{PATH}?state=x"],
)
def test_a_value_that_was_not_sealed_by_us_has_no_fields(address):
    assert read(address) is None


def test_a_value_that_was_sealed_for_another_purpose_has_no_fields():
    assert read(with_text('{"state": ["x"]}', purpose="flow")) is None


@pytest.mark.parametrize("text", ["{", "\x00"])
def test_a_sealed_text_that_is_not_json_has_no_fields(text):
    assert read(with_text(text)) is None


def test_a_value_that_another_release_sealed_is_read():
    assert read(with_text('{"state": ["x"], "code": ["y"]}')).dict() == {"state": "x", "code": "y"}


# --- dances ---------------------------------------------------------------------------------------


@pytest.fixture
def form_post(settings):
    settings.DANCE_PROVIDERS = {
        **settings.DANCE_PROVIDERS,
        "github": {"PROVIDER": "tests.flows.test_form_post.Posting", "SCOPE": "read:user"},
    }


class Posting(GitHub):
    """A provider that sends its answer as a form."""

    response_mode = "form_post"


def test_a_posted_callback_is_repeated_as_a_get_request(form_post, member, user, dance, responses):
    begun = dance(member, next="/x")
    assert begun.asked["response_mode"] == "form_post"
    theirs = Browser(enforce_csrf_checks=True)  # the browser withholds all cookies from it
    fields = {"state": begun.asked["state"], "code": "planted-code", "access_token": "evil"}
    response = theirs.post("/login/github/authorized/", fields)
    assert response.status_code == 302
    assert (
        "planted" not in response["Location"] and begun.asked["state"] not in response["Location"]
    )
    assert not responses.calls and not response.cookies
    assert member.get(response["Location"])["Location"] == "/x"
    assert OAuthToken.objects.get().user == user


def test_a_provider_with_form_post_accepts_no_query(form_post, member, dance, responses):
    begun = dance(member)
    assert begun.callback().status_code == 405
    assert member.get("/login/github/authorized/?dance_posted=junk").status_code == 405
    assert not responses.calls


def test_a_hostile_form_is_refused_by_the_get_request(form_post, member, dance, events):
    begun = dance(member)
    for fields in ({}, {"state": "x" * 43}, {"state": "x" * 100_000}, {"state": ["a", "b"]}):
        location = member.post("/login/github/authorized/", fields)["Location"]
        assert len(location) < 8000
        assert member.get(location).status_code == 400
    assert events.codes == ["state_missing", "flow_unknown", "state_missing", "parameter_repeated"]
    right = {"state": begun.asked["state"], "code": "planted-code"}
    location = member.post("/login/github/authorized/", right)["Location"]
    assert member.get(location).status_code == 302
    assert member.get(location).status_code == 400  # a replay
    elsewhere = location.replace("/login/github/", "/login/gitlab/")
    assert member.get(elsewhere).status_code == 400
