"""The pages of the server have the policy of the site, and may not be framed."""

import django
import pytest

from ..conftest import query
from ..loopback import Loopback
from .conftest import consent_form

SITE = {"default-src": ["'self'"], "frame-ancestors": ["'self'"], "form-action": ["'self'"]}
EXPECTED = {"default-src 'self'", "form-action 'self'", "frame-ancestors 'none'"}


def directives(response):
    return {part.strip() for part in response["Content-Security-Policy"].split(";")}


def add_policy(get_response):
    """A proxy in front of the site."""

    def middleware(request):
        response = get_response(request)
        # As a second header: a browser enforces both policies.
        policies = response.get("Content-Security-Policy"), "default-src 'self'; form-action 'self'"
        response["Content-Security-Policy"] = ", ".join(filter(None, policies))
        return response

    return middleware


@pytest.fixture(params=["consent", "applications", "error"])
def page(request, app, member):
    def get():
        return member.get(
            {
                "consent": app.address(),
                "applications": "/oauth/applications/",
                "error": "/oauth/authorize/",
            }[request.param]
        )

    return get


def test_without_a_policy_of_the_site_the_pages_may_not_be_framed(page):
    response = page()
    assert directives(response) == {"frame-ancestors 'none'"}
    assert response["X-Frame-Options"] == "DENY"


def test_the_policy_of_djangos_middleware_is_kept(page, settings):
    if django.VERSION < (6, 0):
        pytest.skip("Django has a policy since version 6.0")
    settings.MIDDLEWARE = [
        "django.middleware.csp.ContentSecurityPolicyMiddleware",
        *settings.MIDDLEWARE,
    ]
    settings.SECURE_CSP = {name: list(values) for name, values in SITE.items()}
    response = page()
    assert directives(response) == EXPECTED
    assert response["X-Frame-Options"] == "DENY"
    assert settings.SECURE_CSP == SITE
    settings.SECURE_CSP = {}
    assert directives(page()) == {"frame-ancestors 'none'"}


@pytest.mark.interop
def test_the_policy_of_django_csp_is_kept(page, settings):
    pytest.importorskip("csp")
    settings.MIDDLEWARE = ["csp.middleware.CSPMiddleware", *settings.MIDDLEWARE]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": SITE}
    response = page()
    assert directives(response) == EXPECTED
    assert response["X-Frame-Options"] == "DENY"
    settings.CONTENT_SECURITY_POLICY = None
    assert directives(page()) == {"frame-ancestors 'none'"}


# --- forms that end at another site ---------------------------------------------------------------

NAVIGATION = {"Sec-Fetch-Mode": "navigate"}


def test_a_browser_that_opens_a_page_gets_a_page_that_leads_to_the_client(app, member):
    form = consent_form(member.get(app.address()))
    for response in (
        member.post(app.address(), form, headers=NAVIGATION),
        member.get(app.address(), headers=NAVIGATION),  # the consent is remembered
    ):
        assert response.status_code == 200 and "Location" not in response
        assert response["Cache-Control"] == "no-store, private"
        assert response["Referrer-Policy"] == "no-referrer"
        url = response.context["url"]
        assert url.startswith("https://app.example/callback?code=")
        escaped = url.replace("&", "&amp;")
        page = response.content.decode()
        assert f'<meta http-equiv="refresh" content="0; url={escaped}">' in page
        assert f'<a href="{escaped}">' in page
        app.redeem(query(url)["code"])


def test_an_error_is_sent_to_the_client_by_a_page_too(app, member):
    form = consent_form(member.get(app.address()), "deny")
    response = member.post(app.address(), form, headers=NAVIGATION)
    assert response.status_code == 200
    assert query(response.context["url"])["error"] == "access_denied"


def test_a_request_in_a_frame_gets_a_redirect(app, member):
    """A client asks with prompt=none in a frame, where a browser shows no page of ours."""
    app.send(member)
    frame = {**NAVIGATION, "sec-fetch-dest": "iframe"}
    response = member.get(app.address(prompt="none"), headers=frame)
    assert "code" in query(response["Location"])


def test_an_app_with_its_own_scheme_gets_a_redirect(register, member):
    app = register(public=True, registered_redirect_uris="com.example.app:/callback")
    address = app.address(redirect_uri="com.example.app:/callback")
    form = consent_form(member.get(address))
    response = member.post(address, form, headers=NAVIGATION)
    assert response["Location"].startswith("com.example.app:/callback?code=")


WAYS = {
    "proxy": f"{__name__}.add_policy",
    "django": "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django-csp": "csp.middleware.CSPMiddleware",
}


@pytest.mark.interop
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS)
def test_chromium_follows_a_form_to_the_client(
    chromium, live_server, register, user, settings, way
):
    """After the consent, and after a login if the consent is remembered."""
    if way == "django" and django.VERSION < (6, 0):
        pytest.skip("Django has a policy since version 6.0")
    if way == "django-csp":
        pytest.importorskip("csp")
    settings.MIDDLEWARE = [WAYS[way], *settings.MIDDLEWARE]
    settings.SECURE_CSP = SITE
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": SITE}
    with Loopback(lambda received: (200, {"Content-Type": "text/html"}, "Back at Notes")) as notes:
        callback = f"{notes.url}/callback"
        app = register(registered_redirect_uris=callback)
        for consent in (True, False):
            chromium.open(live_server.url + app.address(redirect_uri=callback))
            chromium.type("username", "ada")
            chromium.type("password", "pw")
            chromium.click("Log in")
            if consent:
                chromium.click("Allow")
            chromium.sees("Back at Notes")
            chromium.open(live_server.url)
            chromium.driver.delete_all_cookies()
        codes = [
            dict(request.query)["code"] for request in notes.received if "code=" in request.target
        ]
    assert len(set(codes)) == 2
