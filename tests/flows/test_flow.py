"""The flow: its cookie, which the next release must read, and each guard without the others."""

import base64
import hashlib
import hmac
import json
import logging
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.cache import caches
from django.http import HttpResponse
from django.test import RequestFactory

from django_dance.exceptions import FlowError, SealBroken
from django_dance.flows import (
    MAX_NEXT,
    MAX_STATE,
    Additions,
    Flow,
    delete_flow_cookie,
    mark_used,
    read_flow,
    safe_next,
    set_flow_cookie,
    user_key,
)
from django_dance.flows.cookies import MAX_BYTES, MAX_FLOWS
from django_dance.tokens import Secret, seal, unseal

from ..conftest import flow_cookies

#: Cookies that commit 433a6b7 wrote. Do not write them anew: a visitor may have left for the
#: provider before a deployment and come back after it.
WRITTEN = json.loads((Path(__file__).parent / "flows_of_433a6b7.json").read_text("utf-8"))["flows"]
BEGAN = 1785888000
SECRET = "AAECAwQFBgcICQoLDA0ODw"


def make_flow(**fields):
    fields = {"provider": "github", "secret": SECRET, "began": BEGAN, "user": None, **fields}
    return Flow(**{"next": "/", **fields})


def make_request(path="/", *, secure=True, cookies=None, **meta):
    request = RequestFactory().get(path, secure=secure, **meta)
    request.COOKIES.update(cookies or {})
    return request


def digest_of(state):
    return hashlib.sha256(state.encode()).hexdigest()[:24]


def cookie_of(flow, secure=True):
    """The name and the value of the cookie that keeps the flow."""
    digest = digest_of(flow.state)
    return f"{'__Host-' if secure else ''}dance_{digest}", flow.seal(digest)


def refusal(function, *args):
    with pytest.raises(FlowError) as caught:
        function(*args)
    return caught.value.code


@pytest.fixture
def clock(monkeypatch):
    """Moves the time on without waiting for it."""
    clock = SimpleNamespace(now=float(BEGAN))
    monkeypatch.setattr(time, "time", lambda: clock.now)
    return clock


# --- the format ---------------------------------------------------------------------------------


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: written["name"])
def test_a_flow_of_an_earlier_release_opens(written, settings):
    settings.DANCE_ENCRYPTION_KEYS = written["keys"]
    flow = Flow.unseal(written["sealed"], written["digest"])
    fields = written["fields"]
    expected = {**fields, "scope": tuple(fields.get("scope", ())), "configuration": None}
    assert flow == make_flow(**expected)
    assert flow.with_configuration(["other"], "digest") is flow
    for name in ("state", "verifier", "challenge", "nonce"):
        assert getattr(flow, name) == written[name]


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: written["name"])
def test_a_callback_finds_a_flow_of_an_earlier_release(written, settings):
    settings.DANCE_ENCRYPTION_KEYS = written["keys"]
    request = make_request(cookies={f"__Host-dance_{written['digest']}": written["sealed"]})
    assert read_flow(request, written["state"]).began == BEGAN


@pytest.mark.parametrize("written", WRITTEN, ids=lambda written: written["name"])
def test_the_flow_is_sealed_as_a_list_without_the_configured_scopes(written, settings):
    settings.DANCE_ENCRYPTION_KEYS = written["keys"]
    fields = written["fields"]
    flow = make_flow(
        **{**fields, "scope": ("configured",), "configuration": "0123"},
        additions=Additions.of(fields.get("scope", ()), max_age=0),
    )
    plain = [fields["provider"], SECRET, BEGAN, fields["user"], fields["next"], "0123"]
    plain.append({"scope": " ".join(flow.additions.scope)} if flow.additions.scope else {})
    plain[-1]["max_age"] = 0
    if flow.request_token or flow.pin:
        plain += [flow.request_token, flow.request_token_secret, flow.pin]
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    raw = base64.urlsafe_b64decode(flow.seal(written["digest"]) + "==")
    assert len(raw) == 1 + 4 + 12 + len(text.encode()) + 16
    assert unseal(flow.seal(written["digest"]), purpose="flow", identity=written["digest"]) == (
        text.encode()
    )


def test_state_verifier_and_nonce_are_derived_from_the_secret_independently():
    flow = make_flow()
    for name in ("state", "verifier", "nonce"):
        mac = hmac.digest(SECRET.encode(), name.encode(), "sha256")
        expected = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
        assert getattr(flow, name) == expected
        assert len(expected) == 43
        assert isinstance(getattr(flow, name), Secret)
    digest = hashlib.sha256(flow.verifier.encode()).digest()
    assert flow.challenge == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert len({flow.state, flow.verifier, flow.nonce, flow.challenge}) == 4
    assert flow.state != make_flow(secret=SECRET[::-1]).state


def test_the_state_of_oauth_1_is_the_request_token():
    assert make_flow(request_token="temporary").state == "temporary"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"user": ""},
        {"user": "17", "next": "/ü?a=1", "configuration": "0123"},
        {"scope": ("a", "b"), "additions": Additions(scope=("a", "b"), account="17", max_age=60)},
        {"additions": Additions(prompt="login", login_hint="ada", acr_values="high low")},
        {"request_token": "temporary", "request_token_secret": "secret"},
        {"pin": "0123"},
        {"request_token": "temporary"},
    ],
)
def test_an_unsealed_flow_equals_the_sealed_one(fields):
    flow = make_flow(**fields)
    again = Flow.unseal(flow.seal("digest"), "digest")
    assert again == flow
    for name in ("secret", "request_token", "request_token_secret"):
        assert isinstance(getattr(again, name), Secret)


def test_a_flow_opens_under_its_own_name_only():
    with pytest.raises(SealBroken):
        Flow.unseal(make_flow().seal("digest"), "other")


OLD = ["github", SECRET, BEGAN, None, "/", "a b"]
VALID = [*OLD[:5], "0123", {"scope": "a b", "max_age": 60}]


@pytest.mark.parametrize(
    "fields",
    [
        *([*VALID[:place], wrong, *VALID[place + 1 :]] for place, wrong in enumerate([1] * 7, 0)
          if place != 2),
        *([*OLD[:place], wrong, *OLD[place + 1 :]] for place, wrong in enumerate([1] * 6, 0)
          if place != 2),
        [*OLD[:5], None],
        [*OLD, "temporary"],
        [*OLD, "temporary", "secret"],
        [*VALID[:6], {"unknown": "x"}],
        [*VALID[:6], {"max_age": "60"}],
        [*VALID[:6], {"scope": 1}],
        [*VALID[:6], {"account": 1}],
        [*VALID[:6], {"prompt": None}],
        ["github", SECRET, str(BEGAN), None, "/", ""],
        ["github", SECRET, float(BEGAN), None, "/", ""],
        ["github", SECRET, BEGAN, 17, "/", ""],
        ["github", SECRET, BEGAN, None, None, ""],
        ["github", SECRET, BEGAN, None, "/", None],
        VALID[:5],
        [*VALID[:6], []],
        [*VALID, "temporary"],
        [*VALID, "temporary", "secret"],
        [*VALID, "temporary", "secret", "pin", "more"],
        [*VALID, "temporary", "secret", None],
        [*VALID, "temporary", 1, ""],
        [*VALID, None, "secret", ""],
        dict(enumerate(VALID)),
        "github",
        None,
    ],
)  # fmt: skip
def test_a_sealed_list_of_another_shape_is_no_flow(fields):
    assert Flow.unseal(seal_list(VALID), "digest").scope == ("a", "b")
    with pytest.raises((SealBroken, ValueError), match="another format"):
        Flow.unseal(seal_list(fields), "digest")


def seal_list(fields):
    return seal(json.dumps(fields).encode(), purpose="flow", identity="digest")


def test_the_repr_of_a_flow_names_only_the_provider():
    assert repr(make_flow(next="/planted")) == "<Flow with github>"


# --- beginning ----------------------------------------------------------------------------------


def test_a_flow_stores_its_user_and_its_time(clock):
    clock.now = BEGAN + 0.9
    request = make_request()
    request.user = User(pk=17)
    flow = Flow.begin(request, "github", "/next", ("a", "b"))
    assert flow == make_flow(secret=flow.secret, user="17", next="/next", scope=("a", "b"))
    assert len(flow.secret) == 22
    assert len(base64.urlsafe_b64decode(flow.secret + "==")) == 16
    assert isinstance(flow.secret, Secret)
    assert flow.secret != Flow.begin(request, "github", "/next", ()).secret


def test_a_flow_of_an_anonymous_visitor_stores_whether_there_was_a_session(settings):
    request = make_request()
    assert Flow.begin(request, "github", "/", ()).user is None
    request.user = AnonymousUser()
    assert Flow.begin(request, "github", "/", ()).user is None
    request.COOKIES["sessionid"] = "key"
    assert Flow.begin(request, "github", "/", ()).user == ""
    settings.SESSION_COOKIE_NAME = "other"
    assert Flow.begin(request, "github", "/", ()).user is None


def test_the_key_of_the_user_is_compared_as_a_text():
    request = make_request()
    assert user_key(request) is None
    request.user = None
    assert user_key(request) is None
    request.user = AnonymousUser()
    assert user_key(request) is None
    request.user = User(pk=0)
    assert user_key(request) == "0"


def test_the_age_is_counted_in_seconds(clock):
    clock.now = BEGAN + 600.5
    assert make_flow().age == 600.5
    clock.now = BEGAN - 1.5
    assert make_flow().age == -1.5


# --- where to go afterwards ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/", "/"),
        ("/a?b=c#d", "/a?b=c#d"),
        ("/a!~", "/a!~"),  # the first and the last character that may be in an address
        ("/ü", "/ü"),
        ("https://testserver", "/"),
        ("https://testserver/a/b?c=https://x", "/a/b?c=https://x"),
        ("HTTPS://testserver/a", "/a"),
        ("/a://b", "/a://b"),
        ("/a//b", "/a//b"),
    ],
)
def test_an_address_on_this_host_is_kept_as_a_path(url, path):
    assert safe_next(make_request(), url) == path


@pytest.mark.parametrize("url", [None, ""])
def test_without_an_address_next_is_empty(url):
    assert safe_next(make_request(), url) is None


@pytest.mark.parametrize("number", [*range(33), 127])
def test_an_address_with_a_control_character_or_a_space_is_refused(number):
    """Django looks at the first character only, and the response would quote it."""
    for around in ("/a{}b", "/a{}", "/{}", "/a?b={}c", "https://testserver/{}"):
        assert safe_next(make_request(), around.format("x")) is not None
        assert safe_next(make_request(), around.format(chr(number))) is None


@pytest.mark.parametrize("url", ["/a\\b", "/\\a", "/a?b=\\", "/a#\\", "https://testserver/\\a"])
def test_an_address_with_a_backslash_is_refused(url):
    assert safe_next(make_request(), url.replace("\\", "x")) is not None
    assert safe_next(make_request(), url) is None


@pytest.mark.parametrize("character", ["x", "é", "漢", "🐙"])
def test_the_length_of_an_address_is_measured_in_bytes(character):
    size = len(character.encode())
    fits = "/" + character * ((MAX_NEXT - 1) // size)
    padded = fits + "x" * (MAX_NEXT - len(fits.encode()))
    assert safe_next(make_request(), padded) == padded
    assert safe_next(make_request(), padded + "x") is None
    assert MAX_NEXT == 512


@pytest.mark.parametrize(
    "url",
    [
        "//testserver/a",  # this host, but the path would be kept with its two slashes
        "https://testserver//evil.example",
        "https://testserver//",
        "//evil.example",
        "///evil.example",
    ],
)
def test_an_address_that_begins_with_two_slashes_is_refused(url):
    assert safe_next(make_request(), url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "https://testserver.evil.example/",
        "https://evil.example/://testserver/",
        "https://testserver@evil.example/",
        "https://testserver:8443/",
    ],
)
def test_an_address_on_another_host_is_refused(url):
    assert safe_next(make_request(), url) is None
    # To cut off the host is not enough: the visitor would end at a page of that path.
    assert safe_next(make_request(HTTP_HOST="other.example.com"), "https://testserver/a") is None


def test_an_address_over_http_is_refused_on_an_https_page():
    assert safe_next(make_request(secure=True), "http://testserver/a") is None
    assert safe_next(make_request(secure=False), "http://testserver/a") == "/a"
    assert safe_next(make_request(secure=False), "https://testserver/a") == "/a"


@pytest.mark.parametrize(
    "url",
    ["a", "a/b", "?a", "#a", "a?b=https://testserver/c", "?https://testserver/", "javascript:a"],
)
def test_an_address_without_a_leading_slash_or_a_scheme_is_refused(url):
    assert safe_next(make_request(), url) is None


@pytest.mark.parametrize("scheme", ["ftp", "javascript", "data", "wss"])
def test_an_address_with_another_scheme_is_refused(scheme):
    assert safe_next(make_request(), f"{scheme}://testserver/a") is None


# --- the cookie ---------------------------------------------------------------------------------


def cookies_set_by(flow, request):
    response = HttpResponse()
    set_flow_cookie(flow, request, response)
    return response.cookies


@pytest.mark.parametrize(("secure", "prefix"), [(True, "__Host-dance_"), (False, "dance_")])
def test_the_cookie_is_named_after_the_state_and_has_all_security_attributes(
    secure, prefix, settings
):
    settings.DANCE_FLOW_AGE = 300.0
    flow = make_flow()
    (morsel,) = cookies_set_by(flow, make_request(secure=secure)).values()
    assert morsel.key == prefix + digest_of(flow.state)
    assert Flow.unseal(morsel.value, digest_of(flow.state)) == flow
    attributes = {name: value for name, value in morsel.items() if value}
    attributes.pop("expires")
    assert attributes == {
        "path": "/",
        "max-age": 300,
        "httponly": True,
        "samesite": "Lax",
        **({"secure": True} if secure else {}),
    }


@pytest.mark.parametrize("secure", [True, False])
def test_a_finished_flow_has_no_cookie(secure):
    flow, response = make_flow(), HttpResponse()
    delete_flow_cookie(flow, make_request(secure=secure), response)
    (morsel,) = response.cookies.values()
    assert morsel.key == cookie_of(flow, secure)[0]
    assert (morsel.value, morsel["max-age"], morsel["path"]) == ("", 0, "/")
    assert (morsel["samesite"], bool(morsel["secure"])) == ("Lax", secure)


def pending(count, *, secure=True, **fields):
    """The cookies of so many flows; the first is the oldest."""
    made = (
        make_flow(secret=f"secret-{number:02}", began=BEGAN + number, **fields)
        for number in range(count)
    )
    return dict(cookie_of(flow, secure) for flow in made)


def names_of_deleted(cookies):
    return [name for name, morsel in cookies.items() if not morsel.value]


@pytest.mark.parametrize("secure", [True, False])
def test_the_oldest_flow_is_deleted_at_the_limit_of_flows(secure):
    request = make_request(secure=secure)
    for count, gone in ((MAX_FLOWS - 1, 0), (MAX_FLOWS, 1), (MAX_FLOWS + 2, 3)):
        cookies = pending(count, secure=secure)
        names = list(cookies)
        # Browsers send cookies in the order of their ages, but the RFC does not promise it.
        request.COOKIES = dict(reversed(cookies.items()))
        assert names_of_deleted(cookies_set_by(make_flow(), request)) == names[:gone]
    assert MAX_FLOWS == 12


def test_the_oldest_flows_are_deleted_if_the_cookies_are_too_large(monkeypatch):
    cookies, flow = pending(3), make_flow()
    # As the browser sends them: "name=value; ", and the new one last.
    size = sum(len(f"{name}={value}; ") for name, value in cookies.items())
    size += len("".join(cookie_of(flow)))
    request = make_request(cookies=cookies)
    for room, gone in ((size, 0), (size - 1, 1), (size - 200, 2), (0, 3)):
        monkeypatch.setattr("django_dance.flows.cookies.MAX_BYTES", room)
        assert names_of_deleted(cookies_set_by(flow, request)) == list(cookies)[:gone]
    assert MAX_BYTES == 5_000


def test_a_cookie_that_does_not_open_counts_as_the_oldest():
    cookies = pending(MAX_FLOWS - 1)
    name, value = f"__Host-dance_{'f' * 24}", "no sealed value"
    request = make_request(cookies={**cookies, name: value})
    assert names_of_deleted(cookies_set_by(make_flow(), request)) == [name]
    # Sealed under another name, or for another purpose.
    for value in (*cookies.values(), seal(b"[]", purpose="flow", identity="f" * 24)):
        request = make_request(cookies={**cookies, name: value})
        assert names_of_deleted(cookies_set_by(make_flow(), request)) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "dance_" + "0" * 24,  # not of a page over https
        "__Host-dance_" + "0" * 23,
        "__Host-dance_" + "0" * 25,
        "__Host-dance_" + "g" * 24,
        "__Host-dance_" + "A" * 24,
        "__Host-dance_theme",
        "x__Host-dance_" + "0" * 24,
        "__Host-dances" + "0" * 24,
        "sessionid",
    ],
)
def test_a_cookie_of_the_site_is_not_deleted(name):
    cookies = pending(MAX_FLOWS)
    request = make_request(cookies={name: "x", **cookies})
    assert names_of_deleted(cookies_set_by(make_flow(), request)) == list(cookies)[:1]


# --- the callback -------------------------------------------------------------------------------


def find_flow(state, cookies=None, **options):
    return read_flow(make_request(cookies=cookies, **options), state)


def test_a_flow_is_found_by_its_state():
    flow = make_flow()
    for secure in (True, False):
        assert find_flow(flow.state, dict([cookie_of(flow, secure)]), secure=secure) == flow


def test_a_callback_must_name_a_state():
    assert refusal(find_flow, "") == "state_missing"


@pytest.mark.parametrize("state", ["ä", "x" * (MAX_STATE + 1), "x" * MAX_STATE + "ä"])
def test_a_state_of_an_impossible_form_is_refused(state):
    assert refusal(find_flow, state) == "state_invalid"


def test_a_state_of_the_maximum_length_is_accepted():
    assert refusal(find_flow, "x" * MAX_STATE) == "flow_unknown"
    flow = make_flow(request_token="x" * MAX_STATE)
    assert find_flow(flow.state, dict([cookie_of(flow)])) == flow
    assert MAX_STATE == 512


def test_a_flow_that_another_browser_began_is_unknown():
    assert refusal(find_flow, make_flow().state) == "flow_unknown"


def test_a_cookie_set_over_http_is_not_used_over_https():
    """Another machine in the network can plant it (RFC 6265 §8.6)."""
    flow = make_flow()
    name, value = cookie_of(flow, secure=False)
    assert refusal(find_flow, flow.state, {name: value}) == "flow_unknown"


@pytest.mark.parametrize("value", ["", "x", "AQ", "ä"])
def test_a_cookie_that_is_not_a_sealed_value_is_unknown(value):
    name, _ = cookie_of(make_flow())
    assert refusal(find_flow, make_flow().state, {name: value}) == "flow_unknown"


@pytest.mark.parametrize("plain", [b"", b"{", b"\xff", b"[]"])
def test_a_cookie_that_is_not_a_sealed_flow_is_unknown(plain):
    name, _ = cookie_of(make_flow())
    value = seal(plain, purpose="flow", identity=name.rpartition("_")[2])
    assert refusal(find_flow, make_flow().state, {name: value}) == "flow_unknown"


def test_the_state_is_compared_with_the_flows_own():
    """The name of the cookie has only a part of the state's digest, so it does not decide."""
    flow, state = make_flow(), "another-state"
    name = f"__Host-dance_{digest_of(state)}"
    assert refusal(find_flow, state, {name: flow.seal(digest_of(state))}) == "flow_unknown"


# --- once ---------------------------------------------------------------------------------------


def test_a_flow_is_spent_once():
    flow = make_flow()
    mark_used(flow)
    with pytest.raises(FlowError, match=r"this callback was answered already$") as caught:
        mark_used(flow)
    assert caught.value.code == "flow_spent"


@pytest.mark.parametrize("fields", [{"secret": "other"}, {"provider": "gitlab"}, {"user": "17"}])
def test_using_a_flow_does_not_use_up_another_flow(fields):
    mark_used(make_flow())
    mark_used(make_flow(**fields))


def test_a_flow_stays_spent_as_long_as_its_cookie_is_valid(clock, settings):
    """A flow may be a minute younger than it says, if the clock of its host is ahead."""
    settings.DANCE_FLOW_AGE = 300
    flow = make_flow()
    mark_used(flow)
    clock.now += 300 + 59.5
    assert refusal(mark_used, flow) == "flow_spent"
    clock.now += 0.5
    mark_used(flow)


@pytest.mark.parametrize(("alias", "used"), [("other", "other"), (None, "default")])
def test_spent_flows_are_stored_in_the_cache_that_the_settings_name(settings, alias, used):
    backend = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {
        name: {"BACKEND": backend, "LOCATION": f"test_flow {name}"} for name in ("default", "other")
    }
    settings.DANCE_CACHE = alias
    flow = make_flow()
    mark_used(flow)
    (unused,) = {"default", "other"} - {used}
    caches[unused].clear()
    assert refusal(mark_used, flow) == "flow_spent"
    caches[used].clear()
    mark_used(flow)
    caches[used].clear()


def test_the_cache_does_not_contain_the_state(settings):
    flow = make_flow()
    mark_used(flow)
    assert len(caches["default"]._cache) == 1
    assert str(flow.state) not in repr(caches["default"]._cache)


@pytest.mark.parametrize(("backend", "warned"), [("Raising", True), ("Silent", False)])
def test_a_cache_that_is_down_does_not_refuse_flows(settings, caplog, backend, warned):
    settings.CACHES = {"default": {"BACKEND": f"tests.caches.{backend}Cache"}}
    with caplog.at_level(logging.WARNING, logger="django_dance"):
        mark_used(make_flow())
    assert ("the cache is down" in caplog.text) is warned


# --- the age, in the view -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "accepted"),
    [(600, True), (600.5, False), (601, False), (-60, True), (-60.5, False), (-61, False)],
)
def test_a_flow_is_accepted_for_ten_minutes(
    client, dance, events, clock, seconds, accepted, settings
):
    begun = dance(client)
    clock.now += seconds
    response = begun.callback()
    assert (response.status_code == 302) is accepted
    assert events.codes == ([] if accepted else ["flow_expired"])


def test_a_setting_says_how_long_a_flow_is_accepted(client, dance, events, clock, settings):
    settings.DANCE_FLOW_AGE = 30
    begun = dance(client)
    clock.now += 31
    begun.callback()
    assert events.codes == ["flow_expired"]
    assert flow_cookies(client)  # it was not spent
