"""Tumblr: the user's primary blog."""

import pytest

from django_dance.exceptions import InvalidResponse

pytestmark = pytest.mark.one_database("These tests differ in what is sent over HTTP, not in rows")


def tumblr_answer(*blogs):
    return {"response": {"user": {"name": "ada", "blogs": list(blogs)}}}


FIRST = {"name": "shared", "uuid": "t:shared", "primary": False}


PRIMARY = {"name": "ada", "uuid": "t:ada", "primary": True}


@pytest.fixture
def tumblr(connected, responses):
    def account(answer):
        responses.get("https://api.tumblr.com/v2/user/info", json=answer)
        return connected("tumblr").account_info()

    return account


@pytest.mark.parametrize("blogs", [(FIRST, PRIMARY), (PRIMARY, FIRST), (PRIMARY,)])
def test_a_tumblr_account_is_the_primary_blog(tumblr, blogs):
    info = tumblr(tumblr_answer(*blogs))
    assert (info.id, info.label) == ("t:ada", "ada")


@pytest.mark.parametrize(
    "blogs",
    [
        (),
        (FIRST,),
        ({**PRIMARY, "uuid": ""},),
        ({**PRIMARY, "uuid": True},),
        (FIRST, {**PRIMARY, "uuid": True}),
        (FIRST, {**PRIMARY, "uuid": None}),
        (FIRST, "ada"),
    ],
)
def test_a_tumblr_account_without_a_primary_blog_is_an_error(tumblr, blogs):
    with pytest.raises(InvalidResponse, match="Tumblr did not name the account"):
        tumblr(tumblr_answer(*blogs))
