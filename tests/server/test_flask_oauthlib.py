"""The provider of Flask-OAuthlib, with its names: getters, setters, handlers, bindings."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import RequestFactory

from django_dance.server import AuthorizationServer, bind_cache_grant, bind_models, rows
from django_dance.server.access_tokens import AccessToken
from django_dance.server.hashing import credentials_fingerprint, digest
from django_dance.server.models import Client, Grant, Token
from django_dance.server.rows import ClientRow
from django_dance.server.validator import Validator

from ..conftest import query
from .conftest import (
    CALLBACK,
    FORM,
    Application,
    assert_invalid_grant,
    basic,
    is_alive,
    make_server,
    serve,
)
from .site import MODELS, SCOPES

pytestmark = pytest.mark.django_db

REQUIRED = ["clientgetter", "tokengetter", "tokensetter", "grantgetter", "grantsetter"]


class PlainClient:
    """The least that a client is."""

    client_id = "plain"
    client_secret = "planted-plain-secret"
    is_confidential = True
    redirect_uris = [CALLBACK]
    default_redirect_uri = CALLBACK
    default_scopes = ["email", "address"]


class PlainGrant:
    def __init__(self, site, client_id, code, request):
        self.site, self.key = site, (client_id, code["code"])
        self.user, self.scopes = request.user, list(request.scopes)
        self.redirect_uri = request.redirect_uri
        self.code_challenge = request.code_challenge
        self.code_challenge_method = request.code_challenge_method
        self.expires = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=100)

    def delete(self):
        del self.site.grants[self.key]


class PlainToken:
    def __init__(self, site, token, request):
        self.site = site
        self.access_token = token["access_token"]
        self.refresh_token = token.get("refresh_token")
        self.client_id = request.client.client_id
        self.scopes = token["scope"].split()
        self.user = request.user
        self.expires = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=3600)

    def delete(self):
        self.site.tokens.remove(self)


class PlainSite:
    """A server that a site has registered plain functions with, and the views around it."""

    def __init__(self, user, server=None):
        self.user = user
        self.client, self.grants, self.tokens, self.heard = PlainClient(), {}, [], []
        self.server = oauth = server or AuthorizationServer(
            "plain", issuer="https://testserver", scopes=SCOPES
        )

        @oauth.clientgetter
        def get_client(client_id):
            return self.client if client_id == self.client.client_id else None

        @oauth.tokengetter
        def get_token(access_token=None, refresh_token=None):
            for token in self.tokens:
                if access_token and token.access_token == access_token:
                    return token
                if refresh_token and token.refresh_token == refresh_token:
                    return token
            return None

        @oauth.tokensetter
        def set_token(token, request, *args, **kwargs):
            self.tokens.append(PlainToken(self, token, request))

        @oauth.grantgetter
        def get_grant(client_id, code):
            return self.grants.get((client_id, code))

        @oauth.grantsetter
        def set_grant(client_id, code, request, *args, **kwargs):
            grant = PlainGrant(self, client_id, code, request)
            self.grants[grant.key] = grant

        @oauth.authorize_handler
        def authorize(request, *args, **kwargs):
            self.heard.append(kwargs)
            return request.method == "GET" or request.POST.get("confirm") == "yes"

        @oauth.token_handler
        def token(request):
            return {"version": "0.1"}

        @oauth.revoke_handler
        def revoke(request):
            return HttpResponse("ignored", status=500)

        self.authorize, self.token, self.revoke = authorize, token, revoke
        self.app = Application(self.client, self.client.client_secret)

    def ask(self, method="get", form=None, user=None, **changes):
        request = getattr(RequestFactory(), method)(self.app.address(**changes), form)
        request.user = user or self.user
        request._dont_enforce_csrf_checks = True
        return self.authorize(request)

    def post(self, view, **form):
        headers = {"authorization": basic("plain", self.client.client_secret)}
        return view(RequestFactory().post("/", urlencode(form), FORM, headers=headers))

    def code(self, **changes):
        return query(self.ask(**changes)["Location"])["code"]

    def redeem(self, code, **changes):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": self.app.verifier,
            **changes,
        }
        return self.post(self.token, **{k: v for k, v in form.items() if v is not None})

    def granted(self):
        return json.loads(self.redeem(self.code()).content)


@pytest.fixture
def plain(user):
    return PlainSite(user)


# --- the server -----------------------------------------------------------------------------------


def test_the_urls_replace_init_app(plain):
    patterns, namespace = plain.server.urls
    assert namespace == "plain"
    assert [pattern.name for pattern in patterns] == [
        "authorize",
        "token",
        "revoke",
        "introspect",
        "register",
        "applications",
        "metadata",
    ]


@pytest.mark.parametrize("name", REQUIRED)
def test_the_error_names_the_missing_functions_and_the_cure(name):
    server = AuthorizationServer(issuer="https://testserver")
    with pytest.raises(ImproperlyConfigured) as caught:
        server.callbacks.required(name)
    assert f"has no {', '.join([*REQUIRED])}" in str(caught.value)
    assert "@server.clientgetter" in str(caught.value)
    assert "bind_models(server, client=…, token=…, grant=…)" in str(caught.value)


@pytest.mark.parametrize("name", REQUIRED)
def test_each_of_the_five_functions_is_required(plain, name):
    del plain.server.callbacks.functions[name]
    assert plain.server.callbacks.missing == [name]
    with pytest.raises(ImproperlyConfigured, match=f"has no {name}"):
        plain.ask()


def test_the_functions_can_be_methods_of_a_subclass(user):
    class Ours(AuthorizationServer):
        def clientgetter(self, client_id):
            return PlainClient()

        def _tokengetter(self, access_token=None, refresh_token=None):
            return None

        def current_user(self, request):
            return user

        _tokensetter = _grantgetter = _grantsetter = print

    server = Ours(issuer="https://testserver")
    assert server.callbacks.missing == []
    assert server.callbacks.required("clientgetter")("x").client_id == "plain"
    assert server.user_of(None) == user
    server.callbacks.register("clientgetter", lambda client_id: None)
    assert server.callbacks.required("clientgetter")("x") is None


def test_a_decorator_returns_the_function(plain):
    def f():
        pass

    revokers = ("tokenrevoker", "grantrevoker")
    for name in (*REQUIRED, *revokers, "usergetter", "invalid_response", "exception_handler"):
        assert getattr(plain.server, name)(f) is f
    assert plain.server.before_request(f) is f and plain.server.after_request(f) is f


def test_another_validator_class_can_be_used(user):
    class Closed(Validator):
        def validate_client_id(self, client_id, request, *args, **kwargs):
            return False

    server = AuthorizationServer(issuer="https://testserver", validator_class=Closed)
    assert PlainSite(user, server).ask().status_code == 400


def test_an_unknown_option_or_an_invalid_name_is_refused():
    with pytest.raises(ImproperlyConfigured, match=r"has no option isuer\. There are .*issuer"):
        AuthorizationServer(isuer="https://testserver")
    # It would have no effect: the setting holds for all servers.
    with pytest.raises(ImproperlyConfigured, match="has no option localhost_ports"):
        AuthorizationServer(localhost_ports=True)
    with pytest.raises(ImproperlyConfigured, match="not a valid name for a server"):
        AuthorizationServer("Not a name")


def test_a_server_without_an_issuer_raises_an_error_with_the_cure(db):
    with pytest.raises(ImproperlyConfigured, match="set DANCE_SERVER_ISSUER"):
        _ = AuthorizationServer().issuer


def test_an_option_takes_precedence_over_the_setting(settings):
    settings.DANCE_SERVER_ISSUER = "https://setting.example"
    settings.DANCE_SERVER_CODE_LIFETIME = 5
    assert AuthorizationServer().issuer == "https://setting.example"
    assert AuthorizationServer(issuer="https://own.example").issuer == "https://own.example"
    assert AuthorizationServer(code_lifetime=7).code_lifetime == 7
    assert AuthorizationServer().code_lifetime == 5


def make_token(request):
    return "a-token-of-the-sites-own"


def test_a_site_can_set_the_token_generators(user, settings):
    settings.DANCE_SERVER_TOKEN_GENERATOR = f"{__name__}.make_token"
    settings.DANCE_SERVER_REFRESH_TOKEN_GENERATOR = lambda request: "another"
    token = PlainSite(user).granted()
    assert token["access_token"] == "a-token-of-the-sites-own"
    assert token["refresh_token"] == "another"


def test_a_generator_that_makes_the_same_token_twice_is_refused(user, settings):
    settings.DANCE_SERVER_TOKEN_GENERATOR = lambda request: "planted-token"
    site = PlainSite(user)
    code = site.code()
    with pytest.raises(ImproperlyConfigured, match="its tokens must be random"):
        site.redeem(code)
    assert site.tokens == []


def test_a_generator_that_cannot_be_imported_is_named(user, settings):
    settings.DANCE_SERVER_TOKEN_GENERATOR = "nowhere.generated"
    with pytest.raises(ImproperlyConfigured, match=r"'nowhere\.generated' cannot be imported"):
        PlainSite(user).ask()


def test_tokens_have_256_bits(plain):
    token = plain.granted()
    assert len(token["access_token"]) == len(token["refresh_token"]) == 43


# --- the authorize handler ------------------------------------------------------------------------


def test_the_view_gets_the_authorization_request(plain):
    plain.ask(scope="email address")
    (given,) = plain.heard
    asked = given.pop("asked")
    assert given == {
        "client": plain.client,
        "client_id": "plain",
        "scopes": ["email", "address"],
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "state": "planted-state",
    }
    assert asked.prompts == frozenset()


@pytest.mark.parametrize("method", ["get", "head", "post"])
def test_the_view_is_not_called_for_an_invalid_request(plain, method):
    assert plain.ask(method, redirect_uri="https://evil.example/cb").status_code == 400
    assert plain.ask(method, scope="unknown").status_code in (302, 303)
    assert plain.heard == []


def test_true_grants_and_false_denies(plain):
    granted = plain.ask("post", {"confirm": "yes"})
    assert "code" in query(granted["Location"])
    denied = plain.ask("post", {"confirm": "no"})
    assert query(denied["Location"])["error"] == "access_denied"
    assert query(denied["Location"])["state"] == "planted-state"


def test_a_response_of_the_view_gets_the_security_headers(plain):
    plain.authorize = plain.server.authorize_handler(lambda request, **asked: HttpResponse("ask"))
    response = plain.ask()
    assert response.content == b"ask"
    assert response["X-Frame-Options"] == "DENY"


def test_a_view_that_returns_none_raises_an_error(plain):
    def forgetful(request, **asked):
        pass

    plain.authorize = plain.server.authorize_handler(forgetful)
    with pytest.raises(TypeError, match=r"forgetful\(\) must return True, False or a response"):
        plain.ask()


def test_a_denial_is_sent_to_the_redirect_uri_of_the_client_only(plain):
    response = plain.ask("post", {"confirm": "no"}, redirect_uri="https://evil.example/cb")
    assert response.status_code == 400 and "Location" not in response


def test_head_grants_nothing(plain):
    assert plain.ask("head").status_code == 200
    assert plain.grants == {}


def test_a_visitor_without_a_login_grants_nothing(plain):
    response = plain.ask(user=AnonymousUser())
    assert response["Location"].startswith("/accounts/login/?next=")
    assert plain.grants == {}


def test_the_exception_handler_returns_the_response(plain):
    @plain.server.exception_handler
    def handle(error, redirect_content):
        return HttpResponse(f"{error.error} {redirect_content}")

    told = plain.ask(scope="unknown").content.decode()
    assert told.startswith(f"invalid_scope {CALLBACK}?error=invalid_scope")
    assert plain.ask(client_id="unknown").content == b"invalid_request None"


def test_the_text_of_an_exception_is_not_sent(plain):
    def view(request, **asked):
        raise RuntimeError("planted-text")

    plain.authorize = plain.server.authorize_handler(view)
    with pytest.raises(RuntimeError):
        plain.ask()


# --- functions and plain objects ------------------------------------------------------------------


def test_plain_functions_are_enough_for_the_whole_way(plain):
    token = plain.granted()
    assert token["version"] == "0.1"
    view = plain.server.require_oauth("email")(lambda request: HttpResponse(request.user))

    def get(text):
        return view(RequestFactory().get("/", headers={"authorization": f"Bearer {text}"}))

    assert get(token["access_token"]).content == b"ada"
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    second = json.loads(plain.post(plain.token, **form).content)
    assert get(token["access_token"]).status_code == 401
    assert get(second["access_token"]).status_code == 200
    assert_invalid_grant(json_of(plain.post(plain.token, **form)))
    assert plain.post(plain.revoke, token=second["refresh_token"]).status_code == 200
    assert plain.tokens == []


def json_of(response):
    return SimpleNamespace(
        status_code=response.status_code,
        content=response.content,
        json=lambda: json.loads(response.content),
    )


def test_a_code_of_a_plain_grant_is_valid_once(plain):
    code = plain.code()
    assert plain.redeem(code).status_code == 200
    assert_invalid_grant(json_of(plain.redeem(code)))


def test_a_grant_that_another_request_deleted_is_refused(plain):
    """Django's delete() returns the number of rows; 0 means that the use was not the first."""
    PlainGrant.delete, delete = lambda self: (0, {}), PlainGrant.delete
    try:
        assert_invalid_grant(json_of(plain.redeem(plain.code())))
    finally:
        PlainGrant.delete = delete
    assert plain.tokens == []


def test_a_naive_time_is_utc(plain):
    code = plain.code()
    (grant,) = plain.grants.values()
    grant.expires = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=1)
    assert_invalid_grant(json_of(plain.redeem(code)))


def test_a_token_without_expires_does_not_expire(plain):
    token = plain.granted()
    plain.tokens[0].expires = None
    request = RequestFactory().get(
        "/", headers={"authorization": f"Bearer {token['access_token']}"}
    )
    assert plain.server.verify_request(request, ["email"])[0]
    assert request.oauth_token.expires is None
    assert request.oauth_token.client is plain.client


def test_a_grant_may_validate_its_redirect_uri(plain):
    PlainGrant.validate_redirect_uri = lambda self, uri: uri == "https://app.example/judged"
    try:
        assert_invalid_grant(json_of(plain.redeem(plain.code())))
    finally:
        del PlainGrant.validate_redirect_uri


def test_a_client_may_validate_redirect_uris_and_scopes(plain):
    plain.client.validate_redirect_uri = lambda uri: uri.startswith("https://app.example/")
    plain.client.validate_scopes = lambda scopes: scopes == ["admin"]
    response = plain.ask(redirect_uri="https://app.example/elsewhere", scope="admin")
    assert "code" in query(response["Location"])
    assert query(plain.ask(scope="email")["Location"])["error"] == "invalid_scope"


def test_a_client_may_have_its_own_grant_and_response_types(plain):
    plain.client.allowed_response_types = ["token"]
    assert query(plain.ask()["Location"])["error"] == "unauthorized_client"
    del plain.client.allowed_response_types
    plain.client.allowed_grant_types = ["refresh_token"]
    assert query(plain.ask()["Location"])["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    "stated, confidential",
    [
        ({"is_confidential": True}, True),
        ({"is_confidential": False}, False),
        ({"client_type": "confidential"}, True),
        ({"client_type": "public"}, False),
        ({}, True),
    ],
)
def test_a_client_is_confidential_or_public(stated, confidential):
    def is_confidential(client):
        return ClientRow(client).is_confidential

    assert is_confidential(SimpleNamespace(**stated)) is confidential


@pytest.mark.parametrize(
    "name, value",
    [
        ("redirect_uris", CALLBACK),
        ("default_scopes", "email address"),
        ("allowed_grant_types", "authorization_code"),
        ("allowed_response_types", "code"),
    ],
)
def test_a_string_instead_of_a_list_raises_an_error(plain, name, value):
    """A part of it would do: ``"https://app.ex" in "https://app.example/callback"``."""
    setattr(plain.client, name, value)
    with pytest.raises(ImproperlyConfigured, match=f"The {name} of PlainClient is a string.*list"):
        plain.ask()


def test_a_client_without_redirect_uris_has_its_default(plain):
    plain.client.redirect_uris = None
    plain.client.validate_redirect_uri = lambda uri: False
    assert "code" in query(plain.ask(redirect_uri=None)["Location"])


def test_client_credentials_need_the_grant_type(plain):
    """Its user is its owner, and no resource owner of its tokens."""
    plain.client.user = plain.user
    response = plain.post(plain.token, grant_type="client_credentials")
    assert json.loads(response.content)["error"] == "unauthorized_client"
    plain.client.allowed_grant_types = ["client_credentials"]
    assert plain.post(plain.token, grant_type="client_credentials").status_code == 200
    assert plain.tokens[0].user is None


def test_the_password_grant_needs_a_usergetter(plain, settings):
    settings.DANCE_SERVER_ALLOW_PASSWORD_GRANT = True
    plain.client.allowed_grant_types = ["password"]
    form = {"grant_type": "password", "username": "ada", "password": "pw"}
    response = plain.post(plain.token, **form)
    assert json.loads(response.content)["error"] == "unsupported_grant_type"

    @plain.server.usergetter
    def get_user(username, password, client, request, *args, **kwargs):
        assert client is plain.client
        return plain.user if password == "pw" else None

    assert plain.post(plain.token, **form).status_code == 200
    assert plain.tokens[0].user == plain.user


def test_a_secret_in_plain_text_is_compared_in_constant_time(plain, monkeypatch):
    compared = []

    def compare(first, second):
        compared.append(first)
        return first == second

    code = plain.code()
    monkeypatch.setattr(rows, "constant_time_compare", compare)
    plain.redeem(code)
    assert plain.client.client_secret in compared


# --- token and revoke handlers --------------------------------------------------------------------


def test_the_token_view_returns_fields_or_none_or_a_response(plain):
    for answer, status in ((None, 200), ({}, 200), (HttpResponse(status=429), 429)):
        plain.token = plain.server.token_handler(lambda request, answer=answer: answer)
        assert plain.redeem(plain.code()).status_code == status


def test_the_token_view_does_not_overwrite_the_token(plain):
    plain.token = plain.server.token_handler(lambda request: {"access_token": "mine"})
    with pytest.raises(ImproperlyConfigured, match=r"returned access_token\. The server sets"):
        plain.redeem(plain.code())


def test_the_result_of_the_revoke_view_is_ignored(plain):
    response = plain.post(plain.revoke, token=plain.granted()["access_token"])
    assert response.status_code == 200
    assert plain.tokens == []


def test_the_handlers_ignore_cookies_and_need_no_csrf_token(plain):
    for view in (plain.token, plain.revoke):
        assert view.csrf_exempt is True
        assert view.login_required is False
    assert plain.authorize.login_required is False


# --- bind_models ----------------------------------------------------------------------------------


NAMES = {
    "user": ["usergetter"],
    "client": ["clientgetter"],
    "token": ["tokengetter", "tokensetter", "tokenrevoker"],
    "grant": ["grantgetter", "grantsetter", "grantrevoker"],
    "current_user": ["current_user"],
}


@pytest.mark.parametrize("what", NAMES)
def test_bind_models_registers_functions_for_the_passed_models_only(what):
    server = AuthorizationServer()
    models = {**MODELS, "user": "auth.User", "current_user": lambda request: None}
    bind_models(server, **{what: models[what]})
    assert [*server.callbacks.functions] == NAMES[what]


def test_a_function_registered_later_takes_precedence():
    server = AuthorizationServer()
    bind_models(server, **MODELS)

    @server.tokensetter
    def set_token(token, request, *args, **kwargs):
        pass

    assert server.callbacks.required("tokensetter") is set_token
    assert server.callbacks.required("tokengetter") is not None


@pytest.fixture
def own(settings):
    """A server that keeps the bound getters, and the functions that were bound."""
    own = make_server()
    serve(settings, own)
    own.bound = bind_models(own, **MODELS)
    return own


def test_an_own_tokensetter_can_call_the_bound_one_and_keep_the_bound_tokengetter(own, app, member):
    @own.tokensetter
    def set_token(token, request, *args, **kwargs):
        row = own.bound.tokensetter(token, request)
        type(row).objects.filter(user=row.user, client=row.client).exclude(pk=row.pk).delete()

    first, second = app.token(member), app.token(member)
    assert not is_alive(app, first["access_token"])
    assert is_alive(app, second["access_token"])
    assert is_alive(app, app.refresh(second["refresh_token"]).json()["access_token"])


def test_an_own_tokensetter_can_write_the_documented_columns(own, app, member):
    @own.tokensetter
    def set_token(token, request, *args, **kwargs):
        Token.objects.create(
            access_digest=digest(token["access_token"]),
            client_id=request.client.client_id,
            user=request.user,
            scope=" ".join(request.scopes),
            expires=datetime.now(UTC) + timedelta(seconds=token["expires_in"]),
            family=request.family,
            server=own.name,
            bound_to=credentials_fingerprint(request.client, request.user),
        )

    assert is_alive(app, app.token(member)["access_token"])


@pytest.mark.parametrize("missing", ["access_digest", "server", "bound_to", "everything"])
def test_a_token_that_the_server_would_refuse_is_an_error_at_once(own, app, member, missing):
    @own.tokensetter
    def set_token(token, request, *args, **kwargs):
        if missing != "everything":
            row = own.bound.tokensetter(token, request)
            setattr(row, missing, "")
            row.save()

    code = app.code(member)
    with pytest.raises(ImproperlyConfigured, match=r"bound\.tokensetter\(…\)"):
        app.redeem(code)
    assert not Token.objects.exists() and Grant.objects.get().used_at is None


@pytest.mark.parametrize("missing", ["code_digest", "server", "bound_to"])
@pytest.mark.parametrize("cached", [False, True])
def test_a_code_that_the_server_would_refuse_is_an_error_at_once(own, app, member, missing, cached):
    bound = bind_cache_grant(own) if cached else own.bound

    @own.grantsetter
    def set_grant(client_id, code, request, *args, **kwargs):
        if not cached:
            row = bound.grantsetter(client_id, code, request)
            setattr(row, missing, "")
            row.save()

    with pytest.raises(ImproperlyConfigured, match=r"bound\.grantsetter\(…\)"):
        app.code(member)

    own.grantsetter(lambda *args, **kwargs: bound.grantsetter(*args, **kwargs))
    assert app.redeem(app.code(member)).status_code == 200


def test_models_may_be_classes():
    server = AuthorizationServer()
    bind_models(server, client=Client, token=Token, grant=Grant)
    assert server.callbacks.required("clientgetter")("unknown") is None


def test_an_unknown_model_is_named_in_the_error():
    server = AuthorizationServer()
    bind_models(server, client="nowhere.Client")
    with pytest.raises(ImproperlyConfigured, match=r'Write it as "app_label\.ModelName"'):
        server.callbacks.required("clientgetter")("x")


def test_a_model_without_the_abstract_base_is_refused():
    server = AuthorizationServer()
    bind_models(server, token=Client)
    with pytest.raises(ImproperlyConfigured, match="Client, which does not inherit AbstractToken"):
        server.callbacks.required("tokengetter")(access_token="x")


def test_the_user_is_found_by_username_field(user, monkeypatch):
    server = AuthorizationServer()
    bind_models(server, user="auth.User")
    get = server.callbacks.required("usergetter")
    assert get("ada", "pw", None, None) == user
    assert get("ada", "wrong", None, None) is None
    type(user)._default_manager.update(email="ada@example.com")
    monkeypatch.setattr(type(user), "USERNAME_FIELD", "email")
    assert get("ada@example.com", "pw", None, None) == user


def test_a_second_token_does_not_replace_the_first(app, member):
    """A user has more than one device."""
    first, second = app.token(member), app.token(member)
    assert app.get("/email/", first["access_token"]).status_code == 200
    assert app.get("/email/", second["access_token"]).status_code == 200


def test_the_default_current_user_is_request_user(register, user, rf):
    app = register()
    server = AuthorizationServer("oauth_server", issuer="https://testserver")
    bind_models(server, **MODELS)
    request = rf.get(app.address())
    request.user = user
    server.authorize_handler(lambda request, **asked: True)(request)
    assert Grant.objects.get().user == user


def test_the_current_user_function_can_be_any_function(register, make_user, rf):
    app, grace = register(), make_user("grace")
    server = AuthorizationServer("oauth_server", issuer="https://testserver")
    bind_models(server, **MODELS, current_user=lambda request: grace)
    server.authorize_handler(lambda request, **asked: True)(rf.get(app.address()))
    assert Grant.objects.get().user == grace


def test_a_user_without_a_session_hash_may_grant(plain):
    """A user class without passwords has no session hash for the fingerprint."""
    from django_dance.server.hashing import credentials_fingerprint, fingerprint_matches

    user = SimpleNamespace(is_authenticated=True)
    assert fingerprint_matches(credentials_fingerprint(plain.client, user), plain.client, user)


def test_the_revoker_requires_an_argument():
    server = AuthorizationServer()
    bind_models(server, **MODELS)
    with pytest.raises(TypeError, match="family, or user and client_id"):
        server.callbacks.required("tokenrevoker")(client_id="x")


def test_the_tokengetter_without_arguments_returns_none():
    server = AuthorizationServer()
    bind_models(server, **MODELS)
    assert server.callbacks.required("tokengetter")() is None


# --- what was wrong -------------------------------------------------------------------------------


def test_every_scope_is_required_by_default():
    email = AccessToken(user=None, client=None, scopes=frozenset(["email"]))
    assert not email.allows(["email", "address"])
    assert email.allows(["email", "address"], any=True)


def test_nested_protection_is_checked(app, granted):
    assert app.get("/nested/", granted["access_token"]).status_code == 403


def test_basic_authentication_works(plain):
    """And with a secret that must be encoded first."""
    plain.client.client_secret = "a:b %+é".replace("é", "e")
    assert plain.redeem(plain.code()).status_code == 200


def test_times_are_aware(app, granted):
    row = Token.objects.get()
    assert row.expires.tzinfo is not None and Grant.objects.get().expires.tzinfo is not None


def test_the_lifetime_of_a_code_is_a_minute_in_a_table_and_a_hundred_seconds_in_a_cache():
    import inspect

    assert AuthorizationServer().code_lifetime == 60
    assert inspect.signature(bind_cache_grant).parameters["timeout"].default == 100
    assert inspect.signature(bind_cache_grant).parameters["cache"].default == "default"
