import base64
import hashlib
from urllib.parse import parse_qs

from .conftest import TOKEN_URL, flow_cookies


def test_login_sends_the_visitor_to_the_provider(member, dance):
    begun = dance(member, next="/profile/")
    assert begun.url.startswith("https://github.com/login/oauth/authorize?")
    assert begun.asked["response_type"] == "code"
    assert begun.asked["client_id"] == "github-client"
    assert begun.asked["scope"] == "read:user"
    assert begun.asked["redirect_uri"] == "https://testserver/login/github/authorized/"
    assert begun.asked["code_challenge_method"] == "S256"
    assert len(begun.asked["state"]) == len(begun.asked["code_challenge"]) == 43


def test_a_finished_dance_stores_the_token_and_returns_to_next(
    member, user, dance, responses, events
):
    begun = dance(member, next="/profile/?tab=1")
    response = begun.callback()
    assert (response.status_code, response["Location"]) == (302, "/profile/?tab=1")
    token = user.oauth_tokens.get().token
    assert token["access_token"] == "planted-access-token"
    assert token["scope"] == ["read:user"]

    (call,) = responses.calls
    sent = {name: values[0] for name, values in parse_qs(call.request.body).items()}
    assert sent["grant_type"] == "authorization_code"
    assert sent["code"] == "planted-code"
    assert sent["redirect_uri"] == begun.asked["redirect_uri"]
    digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == begun.asked["code_challenge"]
    basic = base64.b64encode(b"github-client:planted-github-client-secret").decode()
    assert call.request.headers["Authorization"] == f"Basic {basic}"
    assert call.request.url == TOKEN_URL
    assert [name for name, _ in events] == ["oauth_before_login", "oauth_authorized"]
    assert flow_cookies(member) == []


def test_the_first_example_works(member, dance, responses):
    response = member.get("/profile/")
    assert (response.status_code, response["Location"]) == (
        302,
        "/login/github/?next=%2Fprofile%2F",
    )
    dance(member, next="/profile/").callback()
    responses.get("https://api.github.com/user", json={"login": "ada"})
    assert member.get("/profile/").json() == {"login": "ada"}
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer planted-access-token"
