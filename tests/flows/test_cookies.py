"""The cookies of pending flows, in a browser."""

import base64
import json

import pytest

from django_dance.flows.cookies import has_room
from django_dance.tokens import seal

from ..conftest import assert_refused, flow_cookies, provider_url, query


def test_the_flow_cookie_has_all_security_attributes(member, dance):
    (name,) = dance(member).response.cookies
    morsel = member.cookies[name]
    assert name.startswith("__Host-dance_")
    assert morsel["httponly"] and morsel["secure"] and morsel["path"] == "/"
    assert morsel["samesite"] == "Lax" and morsel["max-age"] == 600 and not morsel["domain"]
    assert len(morsel.value) < 400


def test_the_flow_cookie_shows_neither_provider_nor_state(member, dance):
    begun = dance(member)
    (name,) = flow_cookies(member)
    raw = base64.urlsafe_b64decode(member.cookies[name].value + "===")
    assert b"github" not in raw and begun.asked["state"].encode() not in raw
    assert begun.asked["state"] not in name


def test_ten_tabs_finish_in_any_order(member, dance):
    tabs = [dance(member, next=f"/tab/{n}/") for n in range(10)]
    assert len({tab.asked["state"] for tab in tabs}) == 10
    for n in (3, 9, 0, 7, 1, 8, 2, 6, 5, 4):
        assert tabs[n].callback()["Location"] == f"/tab/{n}/"
    assert flow_cookies(member) == []


def test_pending_flows_are_limited_and_the_oldest_are_deleted(member, dance, clock):
    first = dance(member)
    for _ in range(30):
        clock.now += 1
        # The button begins a flow in any case.
        newest = member.post("/login/github/", {"next": "/" + "x" * 300})
    cookies = flow_cookies(member)
    assert len(cookies) <= 12
    assert sum(len(member.cookies[n].OutputString().split(";")[0]) for n in cookies) <= 5000
    state = query(provider_url(newest))["state"]
    assert first.callback(state=state).status_code == 302
    assert first.callback().status_code == 400


@pytest.mark.parametrize(
    ("number", "size", "room"), [(0, 0, True), (11, 1, True), (12, 1, False), (1, 4000, False)]
)
def test_there_is_room_for_a_flow_below_both_limits(rf, number, size, room):
    request = rf.get("/", secure=True)
    request.COOKIES = {f"__Host-dance_{n:024x}": "x" * size for n in range(number)}
    assert has_room(request) is room


@pytest.mark.parametrize("junk", ["", "x", "AQ", "é", "A" * 200])
def test_a_forged_cookie_is_refused(member, dance, events, junk):
    begun = dance(member)
    (name,) = flow_cookies(member)
    right = member.cookies[name].value
    member.cookies[name] = junk
    assert begun.callback().status_code == 400
    assert events.codes == ["flow_unknown"]
    member.cookies[name] = right
    assert begun.callback().status_code == 302


def test_a_sealed_value_that_is_not_a_flow_is_refused(member, dance, events):
    begun = dance(member)
    (name,) = flow_cookies(member)
    digest = name.rpartition("_")[2]
    for fields in ([], ["github"], {"provider": "github"}, [1, 2, 3, 4, 5, 6], None):
        member.cookies[name] = seal(json.dumps(fields).encode(), purpose="flow", identity=digest)
        assert begun.callback().status_code == 400
    assert set(events.codes) == {"flow_unknown"}


def test_a_renamed_cookie_is_refused(member, dance, events):
    first, second = dance(member), dance(member)
    a, b = flow_cookies(member)
    member.cookies[a], member.cookies[b] = member.cookies[b].value, member.cookies[a].value
    assert_refused(first.callback(), "flow_unknown", events)
    assert_refused(second.callback(), "flow_unknown", events)
