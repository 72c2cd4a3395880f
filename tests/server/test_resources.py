"""Protected resources: metadata (RFC 9728) and resource indicators (RFC 8707)."""

from functools import partial

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import JsonResponse
from django.urls import path, re_path

from django_dance.server import bind_cache_grant, bind_models
from django_dance.server.models import Client, Grant, Token
from django_dance.server.resources import canonical, metadata_url

from ..conftest import Browser, query
from .conftest import make_server, serve

TOOLS, FILES = "https://testserver/tools", "https://testserver/files"
METADATA = "https://testserver/.well-known/oauth-protected-resource"


def seen(request):
    return JsonResponse({"resources": sorted(request.oauth_token.resources)})


def metadata_of(server):
    return re_path(
        r"^\.well-known/oauth-protected-resource(?:/.*)?$", server.view("resource_metadata")
    )


@pytest.fixture(params=["table", "cache"])
def site(request, settings):
    own = make_server()
    if request.param == "cache":
        bind_cache_grant(own)
        settings.DANCE_SERVER_TOKEN_CACHE = "default"
    serve(
        settings,
        own,
        path("tools", own.require_oauth("email", resource=TOOLS)(seen)),
        path("files", own.require_oauth("address", resource=FILES)(seen)),
        metadata_of(own),
    )
    return own


@pytest.fixture
def app(site, register):
    return register(grant_types="authorization_code refresh_token client_credentials")


def token_for(app, member, resource):
    """As a client of MCP asks for it: the resource is in both requests."""
    code = app.code(member, resource=resource, scope="email address")
    return app.redeem(code, resource=resource)


def status(app, path, token):
    return app.get(path, token["access_token"]).status_code


# --- metadata -------------------------------------------------------------------------------------


def test_the_metadata_of_a_resource_name_its_server_and_scopes(site, client):
    response = client.get("/.well-known/oauth-protected-resource/tools")
    assert response.json() == {
        "resource": TOOLS,
        "authorization_servers": ["https://testserver"],
        "scopes_supported": ["email"],
        "bearer_methods_supported": ["header"],
    }
    assert response["Access-Control-Allow-Origin"] == "*"


@pytest.mark.one_database("The test differs in the request, not in rows")
def test_the_path_of_a_resource_may_have_encoded_characters(settings):
    site = make_server()
    resource = "https://testserver/caf%C3%A9%20x"
    site.require_oauth("email", resource=resource)(seen)
    serve(settings, site, metadata_of(site))
    assert Browser().get(metadata_url(resource)).json()["resource"] == resource


@pytest.mark.parametrize("path", ["", "/", "/unknown", "/tools/more"])
def test_an_unknown_resource_has_no_metadata(site, client, path):
    assert client.get(f"/.well-known/oauth-protected-resource{path}").status_code == 404


@pytest.mark.one_database("These tests differ in the request, not in rows")
def test_resources_at_one_path_have_metadata_of_their_own(settings):
    hosts = "https://a.example/mcp", "https://b.example/mcp", "https://b.example/mcp?v=2"
    site = make_server()
    for resource in hosts:
        site.require_oauth("email", resource=resource)(seen)
    serve(settings, site, metadata_of(site))
    settings.ALLOWED_HOSTS = ["a.example", "b.example", "c.example"]
    for resource in hosts:
        host, _, query = resource.removeprefix("https://").partition("/mcp")
        url = f"/.well-known/oauth-protected-resource/mcp{query}"
        answer = Browser().get(url, headers={"host": host})
        assert answer.json()["resource"] == resource
    elsewhere = Browser().get(
        "/.well-known/oauth-protected-resource/mcp", headers={"host": "c.example"}
    )
    assert elsewhere.status_code == 404


def test_the_challenges_name_the_metadata(app, member):
    where = f'resource_metadata="{METADATA}/tools"'
    for header in ({}, {"authorization": "Bearer unknown"}):
        response = app.line.get("/tools", headers=header)
        assert response.status_code == 401
        assert where in response["WWW-Authenticate"]
        assert 'scope="email"' in response["WWW-Authenticate"]
    narrow = app.redeem(app.code(member, resource=TOOLS, scope="address")).json()
    response = app.get("/tools", narrow["access_token"])
    assert response.status_code == 403 and where in response["WWW-Authenticate"]
    assert "resource_metadata" not in app.line.get("/email/")["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("uri", "normal", "metadata"),
    [
        ("https://Host.example", "https://host.example/", ""),
        ("https://host.example:443/mcp", "https://host.example/mcp", "/mcp"),
        ("https://host.example/mcp/", "https://host.example/mcp/", "/mcp/"),
    ],
)
def test_resources_are_compared_in_a_normal_form(uri, normal, metadata):
    assert canonical(uri) == normal
    url = f"https://host.example/.well-known/oauth-protected-resource{metadata}"
    assert metadata_url(normal) == url


@pytest.mark.parametrize(
    "uri",
    [
        *("", "mcp", "/mcp", "urn:mcp", "https://", "https://a.example/#x", "https://u@a.example/"),
        *(
            "https://a.example/a b",
            "https://a.example/\n",
            " https://a.example/",
            "https://é.example/",
        ),
    ],
)
def test_a_resource_must_be_an_absolute_url_without_fragment(uri):
    with pytest.raises(ValueError, match="is not an absolute https URI"):
        make_server().require_oauth("email", resource=uri)


# --- resource indicators --------------------------------------------------------------------------


def test_a_token_is_accepted_by_its_resource_only(app, member):
    token = token_for(app, member, TOOLS).json()
    assert app.get("/tools", token["access_token"]).json() == {"resources": [TOOLS]}
    for _ in range(2):  # the token cache
        response = app.get("/files", token["access_token"])
        assert response.status_code == 401
        assert 'error="invalid_token"' in response["WWW-Authenticate"]
        assert status(app, "/email/", token) == 401
        assert status(app, "/tools", token) == 200


def test_the_user_is_asked_each_time_and_sees_the_resource(app, member):
    """A consent without a resource, or for another one, does not count."""
    app.code(member, resource=TOOLS)
    for changes in ({"resource": TOOLS}, {"resource": FILES}):
        page = member.get(app.address(**changes)).content.decode()
        assert "Allow" in page and f"The access is for <bdi>{changes['resource']}</bdi>." in page
    page = member.get(app.address(prompt="consent")).content.decode()
    assert "The access is for" not in page


def test_a_consent_for_a_resource_is_none_for_a_token_without_one(app, member):
    app.code(member, resource=TOOLS)
    assert b'value="allow"' in member.get(app.address()).content


def test_a_resource_must_be_added_before_a_request_is_verified(site, rf):
    unknown = "https://testserver/unknown"
    with pytest.raises(ImproperlyConfigured, match=r"Call server\.add_resource"):
        site.verify_request(rf.get("/"), ["email"], resource=unknown)
    site.add_resource(unknown, ["email"])
    assert site.verify_request(rf.get("/"), ["email"], resource=unknown)[0] is False


def test_a_token_without_a_request_is_verified(site, app, member):
    text = token_for(app, member, TOOLS).json()["access_token"]
    found = site.verify_token(text, ["email"], resource=TOOLS)
    assert (str(found.user), found.client_id) == ("ada", app.client.client_id)
    assert site.verify_token(text, resource=FILES) is None
    assert site.verify_token(text) is None
    assert site.verify_token(text, ["admin"], resource=TOOLS) is None
    assert site.verify_token(text, ["admin", "email"], any=True, resource=TOOLS) is not None
    for malformed in ("", "unknown", f"{text} {text}", f"{text},{text}"):
        assert site.verify_token(malformed, resource=TOOLS) is None


def test_a_tokensetter_that_drops_the_resource_is_an_error(site, app, member):
    bound = bind_models(site, client=Client, token=Token)

    @site.tokensetter
    def store(token, request):
        row = bound.tokensetter(token, request)
        Token.objects.update(resource="")
        return row

    code = app.code(member, resource=TOOLS)
    with pytest.raises(ImproperlyConfigured, match="resource of the row"):
        app.redeem(code, resource=TOOLS)


def test_a_grantsetter_that_drops_the_resource_is_an_error(site, app, member, settings):
    bind = bind_cache_grant if site.grant_cache else partial(bind_models, grant=Grant)
    bound = bind(site)

    @site.grantsetter
    def store(client_id, code, request):
        vars(request)["resources"], asked = [], vars(request)["resources"]
        row = bound.grantsetter(client_id, code, request)
        vars(request)["resources"] = asked
        return row

    with pytest.raises(ImproperlyConfigured, match=r"The grantsetter .* resource of the row"):
        app.send(member, resource=TOOLS)
    assert "code" in query(app.send(member)["Location"])


def test_a_token_without_a_resource_is_refused_by_a_resource(app, member):
    token = app.token(member)
    assert status(app, "/tools", token) == 401
    assert status(app, "/email/", token) == 200


def test_a_token_can_be_for_several_resources(app, member):
    code = app.code(member, resource=[TOOLS, FILES], scope="email address")
    token = app.redeem(code).json()
    assert status(app, "/tools", token) == status(app, "/files", token) == 200
    claims = app.introspect(token["access_token"]).json()
    assert claims["aud"] == [TOOLS, FILES]
    assert app.introspect(token["refresh_token"]).json()["aud"] == [TOOLS, FILES]
    narrower = app.refresh(token["refresh_token"], resource=TOOLS).json()
    assert app.introspect(narrower["access_token"]).json()["aud"] == [TOOLS]
    assert app.introspect(narrower["refresh_token"]).json()["aud"] == [TOOLS, FILES]


def test_a_token_request_narrows_the_resources_of_the_code(app, member):
    code = app.code(member, resource=[TOOLS, FILES], scope="email address")
    token = app.redeem(code, resource=FILES).json()
    assert (status(app, "/tools", token), status(app, "/files", token)) == (401, 200)


def test_a_refresh_narrows_the_resources_and_the_next_one_may_name_others(app, member):
    code = app.code(member, resource=[TOOLS, FILES], scope="email address")
    first = app.redeem(code).json()
    second = app.refresh(first["refresh_token"], resource=TOOLS).json()
    assert (status(app, "/tools", second), status(app, "/files", second)) == (200, 401)
    third = app.refresh(second["refresh_token"], resource=FILES).json()
    assert (status(app, "/tools", third), status(app, "/files", third)) == (401, 200)
    fourth = app.refresh(third["refresh_token"]).json()
    assert status(app, "/tools", fourth) == status(app, "/files", fourth) == 200


def assert_invalid_target(response):
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_target"


def test_no_request_widens_the_resources(app, member):
    code = app.code(member, resource=TOOLS)
    assert_invalid_target(app.redeem(code, resource=FILES))
    token = app.redeem(code).json()
    assert_invalid_target(app.refresh(token["refresh_token"], resource=FILES))
    assert status(app, "/tools", app.refresh(token["refresh_token"]).json()) == 200
    plain = app.token(member)
    assert_invalid_target(app.refresh(plain["refresh_token"], resource=TOOLS))


def test_a_client_gets_a_token_for_a_resource_for_itself(app):
    form = {"grant_type": "client_credentials", "scope": "email", "resource": TOOLS}
    assert status(app, "/tools", app.post("token/", form).json()) == 200
    assert_invalid_target(app.post("token/", {**form, "resource": "https://testserver/none"}))


@pytest.mark.parametrize(
    "resource",
    # A value with a space is one value, and not two resources.
    [
        "https://testserver/none",
        "tools",
        f"{TOOLS}#x",
        f"{TOOLS} {FILES}",
        f" {TOOLS}",
        f"{TOOLS} ",
    ],
)
def test_an_unknown_resource_is_reported_to_the_client(app, member, resource):
    answer = query(member.get(app.address(resource=resource))["Location"])
    assert answer["error"] == "invalid_target" and answer["state"] == "planted-state"
    code = app.code(member, resource=[TOOLS, FILES], scope="email address")
    assert_invalid_target(app.redeem(code, resource=resource))


def test_an_empty_resource_counts_as_omitted(app, member):
    assert status(app, "/email/", token_for(app, member, "").json()) == 200
    code = app.code(member, resource=["", TOOLS])
    assert status(app, "/tools", app.redeem(code, resource=["", TOOLS]).json()) == 200


def test_a_server_without_resources_ignores_the_parameter(register, member, settings):
    serve(settings, make_server())
    app = register()
    token = app.redeem(app.code(member, resource="https://any.example/")).json()
    assert status(app, "/email/", token) == 200
    assert Token.objects.get().resource == ""


def test_a_created_token_can_be_for_a_resource(site, app, user):
    token = site.create_token(user, app.client, ["email"], resources=[TOOLS])
    assert status(app, "/tools", token) == 200


def test_a_token_is_not_created_for_a_resource_that_no_view_has(site, app, user):
    with pytest.raises(ValueError, match=r"No view of the server .* has the resource .*/toolz"):
        site.create_token(user, app.client, ["email"], resources=[f"{TOOLS[:-1]}z"])
    assert not Token.objects.exists()


def test_verify_request_checks_the_resource(site, app, member, rf):
    token = token_for(app, member, TOOLS).json()["access_token"]
    for resource, expected in ((TOOLS, True), (FILES, False), (None, False)):
        request = rf.get("/", headers={"authorization": f"Bearer {token}"})
        assert site.verify_request(request, ["email"], resource=resource)[0] is expected
