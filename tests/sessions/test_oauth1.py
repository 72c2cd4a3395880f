"""OAuth 1.0a (RFC 5849), danced over real HTTP with a provider made of oauthlib's endpoints."""

import time
from concurrent.futures import ThreadPoolExecutor
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import jwt.algorithms
import oauthlib.oauth1
import pytest
import requests
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured

from django_dance.exceptions import AuthorizationRequired, UntrustedOrigin
from django_dance.http import protocol_call
from django_dance.http.signing import Client as SigningClient
from django_dance.providers import providers
from django_dance.tokens import ResourceOwner

from .. import keys
from ..conftest import Browser, flow_cookies
from ..loopback import Loopback
from ..oauth1_provider import OAuth1Server

pytestmark = pytest.mark.one_database("These tests differ in signatures and calls, not in rows")

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MEGABYTES = "x" * 2 * 1024 * 1024


@pytest.fixture
def server():
    with OAuth1Server() as server:
        yield server


@pytest.fixture
def configure(settings, server):
    """Lets both kinds of provider of the test site lead to ``server``; further options count."""
    settings.DEBUG = True  # http, though to loopback only
    known = settings.DANCE_PROVIDERS

    def configure(**options):
        settings.DANCE_PROVIDERS = {
            **known,
            "tripit": {**server.options, **options},
            "jira": {**known["jira"], "BASE_URL": server.url, **options},
        }

    configure()
    return configure


@pytest.fixture(params=["tripit", "jira"], ids=["HMAC-SHA1", "RSA-SHA1"])
def name(request, configure):
    return request.param


class Dance:
    """A dance begun in a browser. The provider's pages are fetched over HTTP."""

    def __init__(self, browser, name="tripit", **params):
        self.browser, self.name = browser, name
        response = browser.get(f"/login/{name}/", params)
        assert response.status_code == 302, response.content
        self.url = response["Location"]
        self.request_token = parse_qs(urlsplit(self.url).query)["oauth_token"][0]

    def decide(self):
        """The parameters with which the provider sends the visitor back."""
        response = requests.get(self.url, allow_redirects=False, timeout=60)
        assert response.status_code == 302, response.content
        self.callback = response.headers["Location"]
        return {name: values[0] for name, values in parse_qs(urlsplit(self.callback).query).items()}

    def answer(self, params, *, browser=None, name=None):
        return (browser or self.browser).get(f"/login/{name or self.name}/authorized/", params)

    def finish(self):
        return self.answer(self.decide())


@pytest.fixture
def token(configure, member, user):
    """The token that ``user`` got in a dance with tripit."""
    assert Dance(member).finish().status_code == 302
    return user.oauth_tokens.get().token


@pytest.fixture
def session(token, user):
    return providers["tripit"].session(user=user)


# --- the dance ----------------------------------------------------------------------------------


def test_a_dance_stores_the_token_that_the_provider_issued(name, server, member, user, events):
    dance = Dance(member, name, next="/whoami/")
    response = dance.finish()
    assert (response.status_code, response["Location"]) == (302, "/whoami/")
    assert dance.callback.startswith(f"https://testserver/login/{name}/authorized/?")
    stored = user.oauth_tokens.get()
    ((issued, record),) = server.memory.access_tokens.items()
    assert stored.provider == name
    assert stored.token["oauth_token"] == issued
    assert stored.token["oauth_token_secret"] == record["secret"]
    assert stored.token["screen_name"] == "ada"
    assert [heard for heard, _ in events] == ["oauth_before_login", "oauth_authorized"]
    assert flow_cookies(member) == []


def test_an_api_call_is_signed_and_disconnecting_ends_it(name, server, member, user, events):
    Dance(member, name).finish()
    url = f"{server.url}/api/me"
    session = providers[name].session(user=user)
    answer = session.get(url, params={"q": "é ~+&=", "empty": ""}).json()
    assert answer["query"] == [["q", "é ~+&="], ["empty", ""]]
    assert answer["token"] == session.token["oauth_token"]

    response = member.post(f"/login/{name}/disconnect/")
    assert response.status_code == 302
    assert not user.oauth_tokens.exists()
    assert [event["reason"] for event in events.named("token_revoked")] == ["disconnected"]
    with pytest.raises(AuthorizationRequired):
        providers[name].session(user=user).get(url)


def test_the_session_is_a_requests_oauthlib_session(session):
    import requests_oauthlib

    assert isinstance(session, requests_oauthlib.OAuth1Session)
    assert session.authorized is True


def test_the_protocol_calls_are_posts_with_the_parameters_in_the_header(name, server, member):
    Dance(member, name).finish()
    # Afterwards Jira's API is asked whose token it is.
    first, _, second = server.received[:3]
    for received in (first, second):
        assert (received.method, received.body, received.query) == ("POST", b"", [])
        assert received.headers["Authorization"].startswith("OAuth ")
        assert received.headers["Cookie"] is None
    assert 'oauth_callback="https%3A%2F%2Ftestserver%2F' in first.headers["Authorization"]
    assert "oauth_verifier=" in second.headers["Authorization"]


def test_the_access_token_request_is_signed_with_the_request_tokens_secret(
    configure, server, member, user
):
    dance = Dance(member)
    verifier = dance.decide()["oauth_verifier"]
    provider = providers["tripit"].current()
    right = server.memory.request_tokens[dance.request_token]["secret"]

    def ask(secret):
        signature = provider.signature(
            ResourceOwner(provider, user=user),
            token=dance.request_token,
            token_secret=secret,
            verifier=verifier,
        )
        return protocol_call("POST", provider.access_token_url, auth=signature)

    assert ask("another-secret").status == 401
    assert ask("").status == 401
    assert ask(right).status == 200


def test_a_provider_with_another_request_token_secret_refuses(configure, server, member, events):
    dance = Dance(member)
    params = dance.decide()
    server.memory.request_tokens[dance.request_token]["secret"] = "another-secret"
    assert dance.answer(params).status_code == 400
    assert events.codes == ["token_refused"]


def test_a_wrong_client_secret_is_refused_before_the_browser_leaves(
    configure, settings, member, events
):
    settings.TRIPIT_OAUTH_CLIENT_SECRET = "another-secret"
    response = member.get("/login/tripit/")
    assert response.status_code == 400
    assert events.codes == ["token_refused"]
    assert flow_cookies(member) == []


@pytest.mark.parametrize("method", ["HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT"])
def test_other_symmetric_methods_are_verified_too(configure, member, user, method):
    configure(SIGNATURE_METHOD=method)
    assert Dance(member).finish().status_code == 302
    assert providers["tripit"].session(user=user).get("me").status_code == 200


@pytest.mark.parametrize("method", ["RSA-SHA256", "RSA-SHA512"])
def test_other_rsa_methods_are_verified_too(configure, server, member, user, method):
    configure(SIGNATURE_METHOD=method)
    assert Dance(member, "jira").finish().status_code == 302
    session = providers["jira"].session(user=user)
    assert session.get(f"{server.url}/api/me").status_code == 200


def test_an_rsa_key_may_be_the_path_of_a_file(configure, settings, server, member, user, tmp_path):
    path = tmp_path / "jira.pem"
    path.write_text(keys.PRIVATE)
    settings.JIRA_OAUTH_RSA_KEY = str(path)
    assert Dance(member, "jira").finish().status_code == 302
    assert user.oauth_tokens.get().provider == "jira"


def test_an_async_call_is_signed_too(session):
    assert async_to_sync(session.aget)("me").status_code == 200


def test_a_provider_reads_the_credentials_of_the_settings(configure, user):
    provider = providers["tripit"]
    client = provider.get_client_credentials(ResourceOwner(provider, user=user))
    assert client.client_id == "tripit-client"


def test_an_rsa_key_is_parsed_once_for_all_calls(configure, server, member, user):
    Dance(member, "jira").finish()
    session = providers["jira"].session(user=user)
    session.get(f"{server.url}/api/me")
    with mock.patch(
        "jwt.algorithms.load_pem_private_key", wraps=jwt.algorithms.load_pem_private_key
    ) as parse:
        for _ in range(3):
            assert session.get(f"{server.url}/api/me").status_code == 200
    # The provider, in this process too, reads the public key.
    assert not any(b"PRIVATE" in call.args[0] for call in parse.call_args_list)


@pytest.mark.parametrize(
    "key",
    [
        "/nowhere/jira.pem",
        "-----BEGIN RSA PRIVATE KEY-----\nplanted\n-----END RSA PRIVATE KEY-----",
        keys.PUBLIC,
    ],
    ids=["no-file", "garbage", "public"],
)
def test_an_rsa_key_that_cannot_sign_is_an_error_of_the_settings(configure, settings, member, key):
    settings.JIRA_OAUTH_RSA_KEY = key
    with pytest.raises(ImproperlyConfigured, match="RSA_KEY") as raised:
        member.get("/login/jira/")
    assert "planted" not in str(raised.value)


def test_ten_tabs_dance_at_once_and_finish_in_any_order(configure, member, user):
    tabs = [Dance(member, next=f"/whoami/?tab={tab}") for tab in range(10)]
    for tab in (3, 9, 0, 5, 1, 8, 2, 7, 6, 4):
        assert tabs[tab].finish()["Location"] == f"/whoami/?tab={tab}"
    assert user.oauth_tokens.count() == 1


# --- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["denied", "oauth_problem"])
def test_a_denial_by_the_visitor_is_reported(name, server, member, user, events, way):
    server.consent = way
    dance = Dance(member, name)
    response = dance.finish()
    assert response.status_code == 403
    assert events.codes == ["access_denied"]
    assert not user.oauth_tokens.exists()
    assert len(server.received) == 2  # no access token was asked for
    # The answer is spent: the same again is refused for that.
    assert dance.answer({"denied": dance.request_token}).status_code == 400
    assert events.codes == ["access_denied", "flow_unknown"]


def test_the_verifier_denied_is_a_refusal(configure, server, member, events):
    dance = Dance(member)
    params = {**dance.decide(), "oauth_verifier": "denied"}
    assert dance.answer(params).status_code == 403
    assert events.codes == ["access_denied"]
    assert not server.requests_to("/oauth/access_token")


def test_any_other_problem_is_an_error_of_the_provider(configure, member, events):
    dance = Dance(member)
    response = dance.answer({"oauth_token": dance.request_token, "oauth_problem": "<script>"})
    assert response.status_code == 400
    assert b"<script>" not in response.content
    assert events.codes == ["provider_error"]
    assert events.named("oauth_error")[0]["error"] == "<script>"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"oauth_verifier": None}, "verifier_missing"),
        ({"oauth_verifier": ""}, "verifier_missing"),
        ({"oauth_verifier": ["a", "b"]}, "parameter_repeated"),
        ({"oauth_verifier": "v" * 10_000}, "verifier_invalid"),
        ({"oauth_verifier": "a\r\nb"}, "verifier_invalid"),
        ({"oauth_token": None}, "state_missing"),
        ({"oauth_token": ""}, "state_missing"),
        ({"oauth_token": ["a", "b"]}, "parameter_repeated"),
        ({"oauth_token": "t" * 10_000}, "state_invalid"),
        ({"oauth_token": "of-somebody-else"}, "flow_unknown"),
        ({"denied": ["a", "b"]}, "parameter_repeated"),
        ({"oauth_problem": ["a", "b"]}, "parameter_repeated"),
    ],
)
def test_the_right_callback_is_accepted_after_a_wrong_one(
    configure, server, member, user, events, change, code
):
    dance = Dance(member)
    right = dance.decide()
    wrong = {name: value for name, value in {**right, **change}.items() if value is not None}
    response = dance.answer(wrong)
    assert response.status_code == 400
    assert events.codes == [code]
    assert not server.requests_to("/oauth/access_token")
    assert not user.oauth_tokens.exists()

    assert dance.answer(right).status_code == 302
    assert user.oauth_tokens.exists()


def test_a_guessed_verifier_is_refused_by_the_provider(configure, member, user, events):
    dance = Dance(member)
    response = dance.answer({**dance.decide(), "oauth_verifier": "a-guess"})
    assert response.status_code == 400
    assert events.codes == ["token_refused"]
    assert not user.oauth_tokens.exists()


def test_a_callback_in_another_browser_finds_no_flow(name, server, member, user, events):
    dance = Dance(member, name)
    right = dance.decide()
    other = Browser()
    other.force_login(user)
    assert dance.answer(right, browser=other).status_code == 400
    assert events.codes == ["flow_unknown"]
    assert len(server.received) == 2
    assert not user.oauth_tokens.exists()


def test_a_callback_is_accepted_once(configure, server, member, events):
    dance = Dance(member)
    right, cookies = dance.decide(), member.cookies.copy()
    assert dance.answer(right).status_code == 302
    member.cookies = cookies  # a thief of cookies would send these
    assert dance.answer(right).status_code == 400
    assert events.codes == ["flow_spent"]
    assert len(server.requests_to("/oauth/access_token")) == 1


def test_the_token_of_one_provider_is_refused_at_the_callback_of_another(
    configure, server, member, user, events
):
    dance = Dance(member, "tripit")
    right = dance.decide()
    assert dance.answer(right, name="jira").status_code == 400
    assert events.codes == ["provider_mismatch"]
    assert not user.oauth_tokens.exists()
    assert dance.answer(right).status_code == 302
    assert user.oauth_tokens.get().provider == "tripit"


def test_a_callback_after_logging_out_is_refused(configure, server, member, user, events):
    dance = Dance(member)
    right = dance.decide()
    del member.cookies["sessionid"]
    assert dance.answer(right).status_code == 403
    assert events.codes == ["user_mismatch"]
    assert not server.requests_to("/oauth/access_token")


SPOILED = {
    "no-secret": (200, FORM, "oauth_token=a"),
    "no-token": (200, FORM, "oauth_token_secret=a"),
    "empty-secret": (200, FORM, "oauth_token=a&oauth_token_secret="),
    "secret-twice": (200, FORM, "oauth_token=a&oauth_token_secret=b&oauth_token_secret=c"),
    "same-secret-twice": (200, FORM, "oauth_token=a&oauth_token_secret=b&oauth_token_secret=b"),
    "secret-twice-once-empty": (
        200,
        FORM,
        "oauth_token=a&oauth_token_secret=&oauth_token_secret=b",
    ),
    "json": (200, FORM, '{"oauth_token": "a", "oauth_token_secret": "b"}'),
    "html": (200, {"Content-Type": "text/html"}, "<html><body a=b&c=d>Welcome</body></html>"),
    "empty": (200, FORM, ""),
    "2-MB": (200, FORM, f"oauth_token=a&oauth_token_secret=b&filler={MEGABYTES}"),
    "2-MB-token": (200, FORM, f"oauth_token={MEGABYTES[:900_000]}&oauth_token_secret=b"),
    "escaped-CRLF": (200, FORM, "oauth_token=a%0D%0AX-Evil:1&oauth_token_secret=b"),
    "CRLF": (200, FORM, "oauth_token=a\r\nX-Evil:1&oauth_token_secret=b"),
    "escaped-NUL": (200, FORM, "oauth_token=a&oauth_token_secret=b%00"),
    "escaped-UTF-8": (200, FORM, "oauth_token=a&oauth_token_secret=%C3%A9"),
    "latin-1": (200, FORM, b"oauth_token=a&oauth_token_secret=\xe9"),
    "101-fields": (200, FORM, "&".join(f"f{n}=1" for n in range(101))),
    "redirect": (302, {"Location": "/elsewhere"}, ""),
    "redirect-307": (307, {"Location": "/elsewhere"}, ""),
    "204": (204, {}, ""),
    "404": (404, FORM, "oauth_token=a&oauth_token_secret=b"),
    "gzip": (200, {**FORM, "Content-Encoding": "gzip"}, b"\x1f\x8b"),
}


@pytest.mark.parametrize("answer", SPOILED.values(), ids=SPOILED)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_an_invalid_access_token_response_is_refused(
    configure, server, member, user, events, answer
):
    server.spoiled["/oauth/access_token"] = answer
    dance = Dance(member)
    response = dance.finish()
    assert response.status_code == 400
    assert events.codes == ["token_response_invalid"]
    assert [heard for heard, _ in events] == ["oauth_before_login", "oauth_error"]
    assert not user.oauth_tokens.exists()
    assert flow_cookies(member) == []
    assert not server.requests_to("/elsewhere")


@pytest.mark.parametrize("answer", SPOILED.values(), ids=SPOILED)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_an_invalid_request_token_response_is_refused(configure, server, member, events, answer):
    status, headers, body = answer
    if body:
        confirmed = b"&oauth_callback_confirmed=true"
        body += confirmed if isinstance(body, bytes) else confirmed.decode()
    server.spoiled["/oauth/request_token"] = status, headers, body
    response = member.get("/login/tripit/")
    assert response.status_code == 400
    assert [heard for heard, _ in events] == ["oauth_error"]
    assert events.codes == ["token_response_invalid"]
    assert flow_cookies(member) == []
    assert not server.requests_to("/elsewhere")


@pytest.mark.parametrize(
    "answer",
    [
        f"oauth_token={'t' * 513}&oauth_token_secret=b",
        f"oauth_token={'t' * 60_000}&oauth_token_secret=b",
        f"oauth_token=a&oauth_token_secret={'b' * 5_000}",
    ],
    ids=["longer-than-a-state", "longer-than-a-redirect", "longer-than-a-cookie"],
)
def test_a_request_token_that_cannot_return_in_a_callback_is_refused(
    configure, server, member, events, answer
):
    body = f"{answer}&oauth_callback_confirmed=true"
    server.spoiled["/oauth/request_token"] = 200, FORM, body
    assert member.get("/login/tripit/").status_code == 400
    assert events.codes == ["token_response_invalid"]
    assert flow_cookies(member) == []


@pytest.mark.parametrize("confirmed", ["", "&oauth_callback_confirmed=false"])
def test_a_callback_that_was_not_confirmed_is_refused(configure, server, member, events, confirmed):
    body = f"oauth_token=a&oauth_token_secret=b{confirmed}"
    server.spoiled["/oauth/request_token"] = 200, FORM, body
    assert member.get("/login/tripit/").status_code == 400
    assert events.codes == ["token_response_invalid"]
    assert flow_cookies(member) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "token_refused"), (429, "provider_unavailable"), (503, "provider_unavailable")],
)
@pytest.mark.parametrize("path", ["/oauth/request_token", "/oauth/access_token"])
def test_a_refusal_and_a_temporary_failure_have_different_errors(
    configure, server, member, user, events, path, status, code
):
    server.spoiled[path] = status, {}, "oauth_problem=timestamp_refused"
    if path == "/oauth/request_token":
        response = member.get("/login/tripit/")
    else:
        response = Dance(member).finish()
    assert response.status_code == 400
    assert events.codes == [code]
    assert len(server.requests_to(path)) == 1
    assert not user.oauth_tokens.exists()


def test_a_provider_that_cannot_be_reached_is_unavailable(configure, server, member, events):
    configure(REQUEST_TOKEN_URL="http://127.0.0.1:9/")  # the discard port: nobody listens
    assert member.get("/login/tripit/").status_code == 400
    assert events.codes == ["provider_unavailable"]


def test_unknown_parameters_of_the_callback_are_ignored(configure, server, member, user):
    dance = Dance(member)
    params = {
        **dance.decide(),
        "oauth_token_secret": "evil",
        "realm": "evil",
        "screen_name": "mallory",
        "next": "https://evil.example/",
    }
    response = dance.answer(params)
    assert (response.status_code, response["Location"]) == (302, "/")
    token = user.oauth_tokens.get().token
    assert token["oauth_token"] in server.memory.access_tokens
    assert token["screen_name"] == "ada"
    assert "evil" not in token.fields_to_store.values()


# --- signatures ---------------------------------------------------------------------------------


def test_a_form_is_signed_with_repeated_keys_unicode_and_empty_values(session):
    form = [("a", "1"), ("a", "2"), ("ü", "é ~+&=%"), ("empty", ""), ("~", "日本 語")]
    response = session.post("me", data=form, params={"a": "0", "z": "ä+~"})
    assert response.status_code == 200
    assert response.json()["form"] == [list(pair) for pair in form]
    assert response.json()["query"] == [["a", "0"], ["z", "ä+~"]]


@pytest.mark.parametrize(
    "body",
    ["c2&a3=2+q", "a=%7E&b=~", "a=1&a=1", "a=%2B+%20", "empty="],
)
def test_a_form_that_the_caller_encoded_is_sent_and_signed_unchanged(session, body):
    response = session.post("me", data=body, headers=FORM)
    assert response.status_code == 200
    assert response.json()["body"] == body


def test_the_query_of_a_url_is_signed_unchanged(session):
    response = session.get("me?b5=%3D%253D&a3=a&c%40=&a2=r%20b&a2=+~")
    assert response.status_code == 200
    assert response.json()["query"] == [
        ["b5", "=%3D"],
        ["a3", "a"],
        ["c@", ""],
        ["a2", "r b"],
        ["a2", " ~"],
    ]


def test_json_is_sent_unchanged_and_its_content_is_not_signed(session):
    response = session.post("me", json={"a": ["é", None], "b": "c=d&e"}, params={"q": "1"})
    assert response.status_code == 200
    assert response.json()["body"] == '{"a": ["\\u00e9", null], "b": "c=d&e"}'


def test_a_file_is_sent_unchanged_and_its_content_is_not_signed(session, server):
    response = session.post("me", files={"f": ("a.txt", b"a=1&b=2")}, data={"c": "d"})
    assert response.status_code == 200
    assert server.received[-1].headers["Content-Type"].startswith("multipart/form-data")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_each_method_is_signed_under_its_own_name(session, method):
    assert session.request(method, "me", data={"a": "1"}).json()["form"] == [["a", "1"]]


def test_a_signature_may_go_into_the_query(configure, server, member, user):
    configure(SIGNATURE_TYPE="QUERY")
    assert Dance(member).finish().status_code == 302
    response = providers["tripit"].session(user=user).get("me", params={"a": "1"})
    assert response.status_code == 200
    assert server.received[-1].headers["Authorization"] is None


def test_a_signature_may_go_into_the_body(configure, server, member, user):
    configure(SIGNATURE_TYPE="BODY")
    assert Dance(member).finish().status_code == 302
    response = providers["tripit"].session(user=user).post("me", data={"a": "1 +"})
    assert response.status_code == 200
    assert ["a", "1 +"] in response.json()["form"]
    assert server.received[-1].headers["Authorization"] is None


def test_the_signer_accepts_other_bodies(configure, server, member, user):
    """``oauth_body_hash``, of draft-eaton-oauth-bodyhash: for bodies, where there are any."""
    configure(FORCE_INCLUDE_BODY=True)
    assert Dance(member).finish().status_code == 302
    session = providers["tripit"].session(user=user)
    assert session.get("me").status_code == 200
    assert session.post("me", json={"a": "1"}).status_code == 200
    assert "oauth_body_hash=" in server.received[-1].headers["Authorization"]


class Unversioned(SigningClient):
    """RFC 5849's examples leave the optional ``oauth_version`` out (§3.1)."""

    def get_oauth_params(self, request):
        return [pair for pair in super().get_oauth_params(request) if pair[0] != "oauth_version"]


class BaseString(Unversioned):
    """Signs with the base string itself."""

    SIGNATURE_METHODS = {"HMAC-SHA1": lambda base_string, client: base_string}


def test_the_base_string_is_that_of_rfc_5849_3_4_1_1():
    client = BaseString(
        "9djdj82h48djs9d2",
        resource_owner_key="kkk9d7dh3k39sjv7",
        nonce="7d8f3e4a",
        timestamp="137131201",
    )
    uri, body = "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b", "c2&a3=2+q"
    _, headers, sent = client.sign(uri, "post", body, dict(FORM))
    assert sent == body
    signature = oauthlib.oauth1.rfc5849.signature.collect_parameters(
        headers=headers, exclude_oauth_signature=False
    )
    assert dict(signature)["oauth_signature"] == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q"
        "%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_"
        "key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_m"
        "ethod%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk"
        "9d7dh3k39sjv7"
    )


@pytest.mark.parametrize(
    ("method", "url", "client", "signature"),
    [
        (
            "POST",
            "https://photos.example.net/initiate",
            {
                "callback_uri": "http://printer.example.com/ready",
                "nonce": "wIjqoS",
                "timestamp": "137131200",
            },
            "74KNZJeDHnMBp0EMJ9ZHt%2FXKycU%3D",
        ),
        (
            "POST",
            "https://photos.example.net/token",
            {
                "resource_owner_key": "hh5s93j4hdidpola",
                "resource_owner_secret": "hdhd0244k9j7ao03",
                "verifier": "hfdp7dh39dks9884",
                "nonce": "walatlh",
                "timestamp": "137131201",
            },
            "gKgrFCywp7rO0OXSjdot%2FIHF7IU%3D",
        ),
        (
            "GET",
            "http://photos.example.net/photos?file=vacation.jpg&size=original",
            {
                "resource_owner_key": "nnch734d00sl2jdk",
                "resource_owner_secret": "pfkkdhi9sl3r4s00",
                "nonce": "chapoH",
                "timestamp": "137131202",
            },
            "MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D",
        ),
    ],
    ids=["temporary-credentials", "token-credentials", "resource"],
)
def test_the_signatures_are_those_of_rfc_5849_1_2(method, url, client, signature):
    signing = Unversioned("dpf43f3p2l4k3l03", client_secret="kd94hf93k423kf44", **client)
    _, headers, _ = signing.sign(url, method, None, {})
    assert f'oauth_signature="{signature}"' in headers["Authorization"]


@pytest.mark.interop
def test_ten_thousand_signatures_of_many_threads_have_different_nonces(configure, user):
    provider = providers["tripit"].current()
    shared = provider.signature(
        ResourceOwner(provider, user=user), token="planted-token", token_secret="planted-secret"
    )
    request = requests.Request("GET", "https://api.example.org/me").prepare()

    def sign(_):
        header = shared(request.copy()).headers["Authorization"]
        params = oauthlib.oauth1.rfc5849.utils.parse_authorization_header(header)
        return dict(params)["oauth_nonce"], int(dict(params)["oauth_timestamp"])

    began = int(time.time())
    with ThreadPoolExecutor(8) as pool:
        signed = list(pool.map(sign, range(10_000), chunksize=500))
    assert len({nonce for nonce, _ in signed}) == 10_000
    assert all(began <= timestamp <= time.time() for _, timestamp in signed)


def test_a_signature_prints_no_secret(session, configure):
    provider = providers["tripit"]
    signature = provider.signature(session.owner, token="planted-a", token_secret="planted-b")
    printed = repr(signature) + repr(vars(signature))
    assert "planted" not in printed


# --- redirects ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_origin_is_signed_anew(session, server, status):
    server.spoiled["/api/moved"] = status, {"Location": "/api/me?moved=1"}, ""
    response = session.get("moved", params={"a": "1"})
    assert response.status_code == 200
    assert response.json()["query"] == [["moved", "1"]]
    first, second = server.received[-2:]
    assert first.headers["Authorization"] != second.headers["Authorization"]


def test_a_form_redirected_within_the_origin_is_signed_anew(session, server):
    server.spoiled["/api/moved"] = 307, {"Location": "/api/me"}, ""
    response = session.post("moved", data={"a": "1 ~+"})
    assert response.status_code == 200
    assert response.json()["form"] == [["a", "1 ~+"]]


@pytest.mark.parametrize("signature_type", ["QUERY", "BODY"])
def test_a_signature_in_the_query_or_body_is_made_anew_after_a_redirect(
    configure, server, member, user, signature_type
):
    configure(SIGNATURE_TYPE=signature_type)
    Dance(member).finish()
    server.spoiled["/api/moved"] = 307, {"Location": "/api/me"}, ""
    response = providers["tripit"].session(user=user).post("moved", data={"a": "1"})
    assert response.status_code == 200


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_another_origin_is_not_signed(session, server, status):
    with Loopback() as other:
        server.spoiled["/api/away"] = status, {"Location": f"{other.url}/api/me"}, ""
        assert session.get("away").status_code == 200
        (received,) = other.received
        assert received.headers["Authorization"] is None
        assert "oauth_" not in received.target


def test_a_redirect_to_another_origin_and_back_is_not_signed(session, server):
    def back(received):
        return 302, {"Location": f"{server.url}/api/me"}, ""

    with Loopback(back) as other:
        server.spoiled["/api/away"] = 302, {"Location": f"{other.url}/"}, ""
        assert session.get("away").status_code == 401
        assert server.received[-1].headers["Authorization"] is None


@pytest.mark.parametrize(
    "own", [{"auth": ("ada", "pw")}, {"headers": {"Authorization": "Basic YWRhOnB3"}}]
)
def test_a_call_that_withholds_the_token_is_not_signed_after_a_redirect(session, own):
    def away(received):
        return (302, {"Location": "/b"}, "") if received.path == "/a" else (200, {}, "")

    with Loopback(away) as other:
        session.get(f"{other.url}/a", withhold_token=True, **own)
        sent = [received.headers["Authorization"] for received in other.received]
        assert sent[0] == "Basic YWRhOnB3"
        assert sent[1] in (None, "Basic YWRhOnB3")


def test_the_body_is_not_sent_to_another_origin(session, server):
    with Loopback() as other:
        server.spoiled["/api/away"] = 307, {"Location": f"{other.url}/api/me"}, ""
        response = session.post("away", data={"secret": "planted"})
        assert response.status_code == 307
        assert other.received == []


@pytest.mark.parametrize("signature_type", ["QUERY", "BODY"])
def test_oauth_parameters_in_the_query_or_body_are_not_sent_to_another_origin(
    configure, server, member, user, signature_type
):
    configure(SIGNATURE_TYPE=signature_type)
    Dance(member).finish()
    session = providers["tripit"].session(user=user)
    with Loopback() as other:
        server.spoiled["/api/away"] = 302, {"Location": f"{other.url}/"}, ""
        session.post("away", data={"a": "1"})
        (received,) = other.received
        assert "oauth_" not in received.target + received.body.decode() + str(received.headers)


def test_another_origin_is_refused_before_the_call_is_sent(session):
    with Loopback() as other:
        with pytest.raises(UntrustedOrigin):
            session.get(f"{other.url}/api/me")
        assert other.connections == 0
        assert session.get(other.url, withhold_token=True).status_code == 200
        assert other.received[0].headers["Authorization"] is None
