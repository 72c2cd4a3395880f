"""Protected views: the accepted requests, their user, and the refusals (RFC 6750)."""

import asyncio
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import AsyncClient, RequestFactory
from django.test import Client as DjangoClient
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import cache_page

from django_dance.server import AuthorizationServer, bind_models
from django_dance.server.access_tokens import AccessToken
from django_dance.server.models import Client, Token

from ..conftest import Browser
from . import site
from .conftest import accept_session_cookie, is_alive, make_server, serve
from .site import MODELS, server


def assert_refused(response, status, error=None, scope=None):
    assert response.status_code == status, response.content
    challenge = response["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="oauth_server"')
    assert (f'error="{error}"' in challenge) if error else ("error" not in challenge)
    if scope:
        assert f'scope="{scope}"' in challenge
    elif status != 401:
        assert "scope=" not in challenge
    assert response["Cache-Control"] == "no-store"


# --- scopes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, scope, status",
    [
        ("/both/", "email", 403),
        ("/both/", "address", 403),
        ("/both/", "email address", 200),
        ("/either/", "email", 200),
        ("/either/", "address", 200),
        ("/nested/", "email", 403),
        ("/anything/", "email", 200),
    ],
)
def test_all_scopes_are_required_or_with_any_one_of_them(app, member, path, scope, status):
    token = app.token(member, scope=scope)["access_token"]
    assert app.get(path, token).status_code == status


def test_the_challenge_names_the_missing_scope(app, granted):
    response = app.get("/both/", granted["access_token"])
    assert_refused(response, 403, "insufficient_scope", "email address")


def test_any_without_scopes_accepts_any_token():
    token = AccessToken(user=None, client=None, scopes=frozenset())
    assert token.allows([], any=True) and token.allows([])


def test_the_decorator_must_be_called():
    with pytest.raises(TypeError, match=r'@server.require_oauth\("email"\)'):
        server.require_oauth(lambda request: None)


# --- tokens ---------------------------------------------------------------------------------------


def test_a_request_without_a_token_gets_no_error_code(client, db):
    assert_refused(client.get("/email/"), 401)
    assert client.get("/email/").json() == {}


@pytest.mark.parametrize("scheme", ["Basic", "Digest", "MAC", "Bearerx"])
def test_another_scheme_counts_as_no_token(client, db, scheme):
    assert_refused(client.get("/email/", headers={"authorization": f"{scheme} eDp5"}), 401)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_case_of_the_scheme_is_ignored(app, granted, scheme):
    header = {"authorization": f"{scheme} {granted['access_token']}"}
    assert app.line.get("/email/", headers=header).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer a, Bearer b",
        "Bearer a,Bearer b",
        "Bearer é",
        "Bearer a\0b",
        'Bearer "a"',
        "Bearer planted<script>",
    ],
)
@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_a_malformed_header_is_refused_and_not_quoted(client, db, header):
    response = client.get("/email/", headers={"authorization": header})
    assert_refused(response, 400, "invalid_request")
    assert "planted" not in response["WWW-Authenticate"]
    assert b"planted" not in response.content


@pytest.mark.parametrize("length", [10, 4096, 4097, 1_000_000])
def test_an_unknown_token_of_any_length_is_refused(client, db, length):
    header = {"authorization": f"Bearer {'x' * length}"}
    assert_refused(client.get("/email/", headers=header), 401, "invalid_token")


def test_a_token_that_is_too_long_makes_no_query(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/email/", headers={"authorization": f"Bearer {'x' * 5000}"})


def test_a_token_in_the_url_is_ignored(app, granted):
    token = granted["access_token"]
    assert_refused(app.line.get("/email/", {"access_token": token}), 401)
    response = app.line.post("/email/", {"access_token": token})
    assert_refused(response, 401)


def test_two_tokens_are_refused(app, granted):
    token = granted["access_token"]
    assert_refused(app.get(f"/email/?access_token={token}", token), 400, "invalid_request")
    response = app.line.post(
        "/email/",
        f"access_token={token}",
        "application/x-www-form-urlencoded",
        headers={"authorization": f"Bearer {token}"},
    )
    assert_refused(response, 400, "invalid_request")


def test_an_expired_token_is_refused(app, granted):
    Token.objects.update(expires=timezone.now() - timedelta(seconds=1))
    response = app.get("/email/", granted["access_token"])
    assert_refused(response, 401, "invalid_token")
    assert response.json()["error_description"] == "Bearer token is expired."


def test_a_refresh_token_is_no_access_token(app, granted):
    assert_refused(app.get("/email/", granted["refresh_token"]), 401, "invalid_token")


def test_a_digest_is_no_access_token(app, granted):
    row = Token.objects.get()
    assert_refused(app.get("/email/", row.access_digest), 401, "invalid_token")


def test_a_token_of_another_server_is_refused(app, granted):
    other = AuthorizationServer("other", issuer="https://testserver")
    bind_models(other, **MODELS)
    request = RequestFactory().get(
        "/", headers={"authorization": f"Bearer {granted['access_token']}"}
    )
    assert other.verify_request(request)[0] is False
    assert server.verify_request(request)[0] is True


# --- one identity ---------------------------------------------------------------------------------


def test_the_user_is_the_tokens_and_not_the_cookies(app, granted, make_user):
    browser = Browser()
    browser.force_login(make_user("grace"))
    header = {"authorization": f"Bearer {granted['access_token']}"}
    assert browser.get("/email/", headers=header).json()["user"] == "ada"


def test_a_cookie_alone_gives_no_access(member):
    assert_refused(member.get("/email/"), 401)


def test_a_bearer_request_needs_no_csrf_token_and_ignores_the_cookie(app, granted, user):
    browser = DjangoClient(enforce_csrf_checks=True)
    header = {"authorization": f"Bearer {granted['access_token']}"}
    assert browser.post("/email/", headers=header).status_code == 200
    browser.force_login(user)
    assert browser.post("/email/").status_code == 401


def test_a_token_of_a_client_itself_has_no_user(register, make_user):
    user = make_user("grace")
    app = register(client_id="grace", grant_types="client_credentials", user=user)
    token = app.post("token/", {"grant_type": "client_credentials", "scope": "email"}).json()
    answer = app.get("/email/", token["access_token"]).json()
    assert (answer["user"], answer["granted_by"]) == ("AnonymousUser", "None")


def test_an_async_view_is_protected(app, granted):
    async def get(**headers):
        return await AsyncClient().get("/async/", headers=headers)

    from asgiref.sync import async_to_sync

    response = async_to_sync(get)(authorization=f"Bearer {granted['access_token']}")
    assert response.json() == {"user": "ada"}
    assert_refused(async_to_sync(get)(), 401)


def test_a_view_class_is_protected_by_its_dispatch(app, granted, rf):
    from django.utils.decorators import method_decorator
    from django.views.generic import View

    @method_decorator(server.require_oauth("email"), name="dispatch")
    class Protected(View):
        def post(self, request):
            return HttpResponse(request.user.username)

    header = {"authorization": f"Bearer {granted['access_token']}"}
    view = Protected.as_view()
    assert view(rf.post("/", headers=header)).content == b"ada"
    assert view(rf.post("/")).status_code == 401
    assert view.csrf_exempt and view.login_required is False


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_async_class_is_protected_by_its_dispatch_too(app, granted, settings, method):
    from django.utils.decorators import method_decorator
    from django.views.generic import View

    @method_decorator(server.require_oauth("email"), name="dispatch")
    class Protected(View):
        async def get(self, request):
            return HttpResponse(str(await request.auser()))

        post = get

    serve(settings, server, path("class/", Protected.as_view()))
    send = getattr(app.line, method)
    header = {"authorization": f"Bearer {granted['access_token']}"}
    assert send("/class/", headers=header).content == b"ada"
    assert_refused(send("/class/"), 401)


def test_a_plain_view_is_protected_in_an_event_loop_too(app, granted):
    from asgiref.sync import async_to_sync

    async def get():
        header = {"authorization": f"Bearer {granted['access_token']}"}
        return await AsyncClient().get("/email/", headers=header)

    assert async_to_sync(get)().json()["user"] == "ada"


def test_a_client_that_the_clientgetter_does_not_return_is_refused(app, granted, settings):
    own, blocked = make_server(), []

    @own.clientgetter
    def get_client(client_id):
        return None if blocked else Client.objects.get(client_id=client_id)

    serve(settings, own)
    assert is_alive(app, granted["access_token"])
    blocked.append(app.client)
    assert_refused(app.get("/email/", granted["access_token"]), 401, "invalid_token")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_without_time_zones_the_times_of_our_tokens_are_local(app, member, settings, zone):
    settings.USE_TZ, settings.TIME_ZONE = False, zone
    token = app.token(member)
    assert is_alive(app, token["access_token"])
    Token.objects.update(expires=timezone.now() - timedelta(minutes=5))
    assert_refused(app.get("/email/", token["access_token"]), 401, "invalid_token")


# --- caches in front ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/email/", "/both/", "/nested/", "/async/"])
def test_every_response_varies_on_authorization(app, granted, path):
    for token in (granted["access_token"], "x"):
        assert "Authorization" in app.get(path, token)["Vary"]


def test_a_cached_response_is_for_one_token_only(app, granted, settings):
    serve(settings, server, path("cached/", cache_page(60)(site.email)))
    assert app.get("/cached/", granted["access_token"]).status_code == 200
    assert_refused(Browser().get("/cached/"), 401)


# --- what it costs --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/untouched/", "/email/", "/verified/"])
def test_a_protected_view_costs_one_query(app, granted, django_assert_num_queries, path):
    with django_assert_num_queries(1):
        assert app.get(path, granted["access_token"]).status_code == 200


def test_nested_decorators_cost_one_query(app, granted, django_assert_num_queries):
    with django_assert_num_queries(1):
        app.get("/nested/", granted["access_token"])


# --- without the decorator ------------------------------------------------------------------------


def test_a_request_can_be_verified_without_the_decorator(app, member, granted):
    assert app.get("/verified/", granted["access_token"]).json() == {"valid": True, "message": ""}
    address = app.token(member, scope="address")["access_token"]
    assert app.get("/verified/", address).json() == {
        "valid": False,
        "message": "Bearer token scope not valid.",
    }
    assert app.get("/verified/", "x").json() == {
        "valid": False,
        "message": "Bearer token not found.",
    }
    Token.objects.update(expires=timezone.now())
    assert app.get("/verified/", address).json() == {
        "valid": False,
        "message": "Bearer token is expired.",
    }


def test_a_token_without_the_scope_does_not_change_the_user(app, granted, make_user, rf):
    grace = make_user("grace")
    request = rf.get("/", headers={"authorization": f"Bearer {granted['access_token']}"})
    request.user = grace
    assert server.verify_request(request, ["admin"])[0] is False
    assert (request.user, request.oauth_token) == (grace, None)
    assert server.require_oauth("admin")(let_in)(request).status_code == 403
    assert (request.user, request.oauth_token) == (grace, None)


def test_verify_request_does_not_change_the_user(app, granted, make_user, rf):
    grace = make_user("grace")
    request = rf.get("/", headers={"authorization": f"Bearer {granted['access_token']}"})
    request.user = grace
    assert server.verify_request(request, ["email"])[0] is True
    assert (request.user, request.oauth_token.user.username) == (grace, "ada")


# --- hooks ----------------------------------------------------------------------------------------


@pytest.fixture
def own(app, granted):
    """A server of the test's own, over the same tables, and a way to call a view of it."""
    own = AuthorizationServer(issuer="https://testserver")
    bind_models(own, **MODELS)

    def call(view, token=granted["access_token"], method="post", **options):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return view(getattr(RequestFactory(), method)("/", headers=headers, **options))

    own.call = call
    own.heard = []
    return own


def let_in(request):
    return HttpResponse("in")


def test_hooks_run_in_order_around_the_verification(own):
    heard = own.heard
    own.before_request(lambda request: heard.append(("first", hasattr(request, "oauth_token"))))
    own.before_request(lambda request: heard.append("second"))

    @own.after_request
    def third(valid, request):
        heard.append(("third", valid, request.oauth_token.user.username, request.user.username))
        return valid, request

    @own.after_request
    def fourth(valid, request):
        heard.append(("fourth", valid))
        return valid, request

    def view(request):
        heard.append("view")
        return HttpResponse()

    own.call(own.require_oauth("email")(view))
    assert heard == [
        ("first", False),
        "second",
        ("third", True, "ada", "ada"),
        ("fourth", True),
        "view",
    ]


def test_a_before_request_hook_may_return_a_response(own):
    own.before_request(lambda request: HttpResponse("slow down", status=429))
    own.before_request(lambda request: own.heard.append("never"))
    own.after_request(lambda valid, request: own.heard.append("never"))
    assert own.call(own.require_oauth()(let_in)).status_code == 429
    assert own.heard == []


def test_before_request_hooks_run_for_each_nested_decorator(own):
    own.before_request(lambda request: own.heard.append("before"))
    own.call(own.require_oauth()(own.require_oauth()(let_in)))
    assert own.heard == ["before", "before"]


def test_an_after_request_hook_is_called_for_an_invalid_token_too(own):
    @own.after_request
    def hear(valid, request):
        own.heard.append((valid, request.oauth_token, request.error_message))
        return valid, request

    assert own.call(own.require_oauth()(let_in), "bad").status_code == 401
    assert own.heard == [(False, None, "Bearer token not found.")]


def test_an_after_request_hook_may_refuse(own):
    own.after_request(lambda valid, request: (False, request))
    response = own.call(own.require_oauth()(let_in))
    assert_refused(response, 401, "invalid_token")


def test_an_after_request_hook_may_return_a_response(own):
    own.after_request(lambda valid, request: HttpResponse("no", status=451))
    assert own.call(own.require_oauth()(let_in)).status_code == 451


def test_each_hook_gets_the_result_of_the_one_before(own):
    own.after_request(lambda valid, request: (False, request))

    @own.after_request
    def again(valid, request):
        own.heard.append(valid)
        return True, request

    assert own.call(own.require_oauth()(let_in)).status_code == 200
    assert own.heard == [False]


def test_an_after_request_hook_may_set_a_token(own, user):
    @own.after_request
    def by_another_way(valid, request):
        request.oauth_token = AccessToken(
            user=user, client=Client.objects.get(), scopes=frozenset(["email"])
        )
        return True, request

    view = own.require_oauth("email")(own.require_oauth("email")(lambda r: HttpResponse(r.user)))
    assert own.call(view, token=None, method="get").content == b"ada"


def test_an_after_request_hook_may_replace_the_token(own, make_user):
    grace = make_user("grace")

    @own.after_request
    def on_behalf(valid, request):
        request.oauth_token = AccessToken(user=grace, client=None, scopes=frozenset(["admin"]))
        return valid, request

    view = own.require_oauth("email")(lambda request: HttpResponse(request.user))
    assert own.call(view).content == b"grace"
    nested = own.require_oauth("email")(own.require_oauth("email")(let_in))
    assert own.call(nested).status_code == 403


def test_an_after_request_hook_that_accepts_must_set_a_token(own):
    from django.core.exceptions import ImproperlyConfigured

    own.after_request(lambda valid, request: (True, request))
    with pytest.raises(ImproperlyConfigured, match=r"set request\.oauth_token = AccessToken"):
        own.call(own.require_oauth()(let_in), token=None)


def test_an_after_request_hook_must_return_a_result(own):
    from django.core.exceptions import ImproperlyConfigured

    @own.after_request
    def forgetful(valid, request):
        pass

    with pytest.raises(ImproperlyConfigured, match=r"forgetful\(\) must return \(valid, request\)"):
        own.call(own.require_oauth()(let_in))


def test_a_request_that_a_hook_accepts_without_a_token_has_csrf_protection(own, user):
    @own.after_request
    def accept_session_cookie(valid, request):
        request.oauth_token = AccessToken(user=user, client=None, scopes=frozenset())
        return True, request

    view = own.require_oauth()(let_in)
    assert own.call(view, token=None, method="post").status_code == 403
    assert own.call(view, token=None, method="get").status_code == 200
    assert own.call(view, method="post").status_code == 200


def test_an_after_request_hook_may_ignore_a_missing_scope(own):
    own.after_request(lambda valid, request: (True, request))
    assert own.call(own.require_oauth("admin")(let_in)).status_code == 200


def test_a_hook_is_a_plain_function(own):
    async def coroutine(request):
        pass

    for what in ("before_request", "after_request", "authorize_handler", "token_handler"):
        with pytest.raises(TypeError, match=f"{what} takes a plain function"):
            getattr(own, what)(coroutine)


def test_hooks_run_for_async_views(own):
    own.before_request(lambda request: HttpResponse(status=429))

    @own.require_oauth()
    async def view(request):
        return HttpResponse()

    assert asyncio.run(view(RequestFactory().get("/"))).status_code == 429


def test_hooks_run_for_protected_views_only(app, member, monkeypatch):
    def never(*args):
        raise AssertionError

    monkeypatch.setattr(server.callbacks, "before_request", [never])
    monkeypatch.setattr(server.callbacks, "after_request", [never])
    token = app.token(member)
    assert app.refresh(token["refresh_token"]).status_code == 200
    assert app.revoke(token["refresh_token"]).status_code == 200


# --- one identity, where decorators and hooks meet ------------------------------------------------


@pytest.mark.parametrize("asked", ["by a hook", "by an outer decorator"])
def test_a_refused_token_does_not_log_in(app, granted, settings, asked):
    """Else a hook that lets users in would let in an application with less than the user's."""
    own = make_server()
    accept_session_cookie(own, "email", "admin")
    view = own.require_oauth("admin")(let_in)
    if asked == "by a hook":
        own.before_request(lambda request: own.verify_request(request) and None)
    else:
        view = own.require_oauth("email")(view)
    serve(settings, own, path("admin-only/", view))
    assert app.get("/admin-only/", granted["access_token"]).status_code == 403


def test_the_logged_in_user_is_restored_when_the_token_is_refused(own, make_user):
    grace = make_user("grace")
    own.after_request(lambda valid, request: own.heard.append(request.user) or (valid, request))
    view = own.require_oauth("email")(own.require_oauth("admin")(let_in))
    own.call(lambda request: setattr(request, "user", grace) or view(request))
    assert [str(user) for user in own.heard] == ["ada", "grace"]


def test_nested_views_that_accept_a_cookie_have_csrf_protection(user, settings, db):
    own = make_server()
    accept_session_cookie(own, "email", "admin")
    view = own.require_oauth("admin")(own.require_oauth("email")(let_in))
    serve(settings, own, path("nested/", view))
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get("/nested/").status_code == 200
    assert browser.post("/nested/").status_code == 403


# --- the seed's examples --------------------------------------------------------------------------


def test_the_seeds_example_limits_a_clients_requests(own):
    from django.core.exceptions import PermissionDenied

    tracked = {}

    def over_limit(client):
        return tracked.get(client.client_id, 0) >= 2

    def track_request(client):
        tracked[client.client_id] = tracked.get(client.client_id, 0) + 1

    @own.before_request
    def limit_client_request(request):
        valid, request = own.verify_request(request)
        if not valid:
            return
        client = request.oauth_token.client
        if over_limit(client):
            raise PermissionDenied
        track_request(client)

    view = own.require_oauth()(let_in)
    assert own.call(view).status_code == own.call(view).status_code == 200
    with pytest.raises(PermissionDenied):
        own.call(view)
    assert own.call(view, "bad").status_code == 401


def test_the_limit_costs_no_second_query(own, django_assert_num_queries):
    own.before_request(lambda request: own.verify_request(request) and None)
    with django_assert_num_queries(1):
        own.call(own.require_oauth("email")(let_in))


def test_the_seeds_example_turns_a_black_listed_user_away(own, user):
    black_list = []
    oauth = own

    @oauth.after_request
    def valid_after_request(valid, request):
        if request.user in black_list:
            return False, request
        return valid, oauth

    view = own.require_oauth()(let_in)
    assert own.call(view).status_code == 200
    black_list.append(user)
    assert own.call(view).status_code == 401
    assert get_user_model().objects.get().is_active


# --- the response that refuses a request ----------------------------------------------------------


@pytest.mark.parametrize(
    "scope, token, message",
    [
        ("email", "bad", "Bearer token not found."),
        ("email", None, "Bearer token not found."),
        ("admin", "good", "Bearer token scope not valid."),
        ("email", "old", "Bearer token is expired."),
    ],
)
def test_invalid_response_answers_a_refused_request(own, granted, scope, token, message):
    @own.invalid_response
    def answer(request):
        return HttpResponse(request.error_message, status=401)

    if token == "old":
        Token.objects.update(expires=timezone.now())
    token = granted["access_token"] if token in ("good", "old") else token
    response = own.call(own.require_oauth(scope)(let_in), token)
    assert response.content.decode() == message
    assert response["WWW-Authenticate"].startswith("Bearer ")


def test_the_challenge_names_the_scopes_that_the_view_needs(app, granted):
    """A client without a token learns what to ask for."""
    for token in (None, "unknown"):
        header = {"authorization": f"Bearer {token}"} if token else {}
        response = app.line.get("/both/", headers=header)
        assert_refused(response, 401, token and "invalid_token", "email address")
        assert "scope=" not in app.line.get("/anything/", headers=header)["WWW-Authenticate"]


def test_the_repr_of_an_access_token_has_no_secret(own, granted):
    def view(request):
        return HttpResponse(f"{request.oauth_token!r} {request.oauth_token.access_token!r}")

    text = own.call(own.require_oauth()(view)).content.decode()
    assert text == "<AccessToken for email> '***'"
