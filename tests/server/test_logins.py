"""The login that a client demands, with prompt=login or max_age."""

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth import views as auth
from django.contrib.auth.signals import user_logged_in
from django.urls import include, path

from django_dance.server.models import Grant

from ..conftest import Browser, query
from .conftest import consent_form, make_server
from .site import server
from .test_authorize import assert_told

PASSWORD = {"username": "ada", "password": "pw"}
DEMANDS = [{"prompt": "login"}, {"prompt": "login consent"}, {"max_age": "0"}]


@pytest.fixture(autouse=True)
def _time(clock):
    """The time stands still, unless a test changes it."""


@pytest.fixture(params=[False, True], ids=["login form", "redirect authenticated users"])
def login_page(request, settings):
    """Gives the site a login page; the second kind returns users who are logged in already."""
    login = auth.LoginView.as_view(
        template_name="login.html", redirect_authenticated_user=request.param
    )
    settings.ROOT_URLCONF = type(
        "Urls",
        (),
        {
            "urlpatterns": [
                path("oauth/", include(server.urls)),
                path("accounts/login/", login, name="login"),
            ]
        },
    )
    return request.param


@pytest.fixture
def connected(app, member, clock):
    """A user with a consent, so that the server needs no page; the login is an hour old."""
    app.send(member)
    Grant.objects.all().delete()
    clock.now += 3600
    return member


def log_in(browser, response, **fields):
    """Fill in the form of the login page that a response leads to."""
    assert response["Location"].startswith("/accounts/login/")
    answer = browser.post(response["Location"], {**PASSWORD, **fields})
    assert answer.status_code == 302
    return browser.get(answer["Location"])


@pytest.mark.parametrize("demand", DEMANDS, ids=str)
@pytest.mark.usefixtures("login_page")
def test_a_visitor_who_was_not_logged_in_logs_in_once(app, user, demand):
    browser = Browser()
    response = log_in(browser, browser.get(app.address(**demand)))
    assert response.status_code == 200
    assert b'value="allow"' in response.content


@pytest.mark.parametrize("demand", DEMANDS, ids=str)
@pytest.mark.usefixtures("login_page")
def test_a_redirect_from_the_login_page_is_no_login(app, connected, demand):
    response = connected.get(app.address(**demand), follow=True)
    back = query(response.redirect_chain[0][0])["next"]
    for _ in range(3):
        response = connected.get(back)
        assert response.status_code == 200
        assert b'name="log_in_again"' in response.content
        assert b'value="allow"' not in response.content
    assert not Grant.objects.exists()


@pytest.mark.parametrize("demand", DEMANDS, ids=str)
@pytest.mark.usefixtures("login_page")
def test_the_login_of_another_user_is_no_login(app, connected, make_user, demand):
    response = connected.get(app.address(**demand), follow=True)
    back = query(response.redirect_chain[0][0])["next"]
    other = make_user("mallory")
    # Packages for tokens of an API send this for the user of the token.
    user_logged_in.send(type(other), request=response.wsgi_request, user=other)
    response.wsgi_request.session.save()
    assert b'name="log_in_again"' in connected.get(back).content


@pytest.mark.parametrize("demand", [{"prompt": "login"}, {"max_age": "60"}], ids=str)
@pytest.mark.usefixtures("login_page")
def test_the_page_logs_the_user_out_and_leads_to_the_login(app, connected, demand):
    first = connected.get(app.address(**demand))
    back = query(first["Location"])["next"]
    response = connected.post(back, {"log_in_again": "1"})
    assert SESSION_KEY not in connected.session
    response = log_in(connected, response)
    assert "code" in query(response["Location"])


@pytest.mark.usefixtures("login_page")
def test_the_next_person_at_a_browser_gets_a_code_for_their_own_account(app, connected, make_user):
    grace = make_user("grace")
    back = query(connected.get(app.address(prompt="login"))["Location"])["next"]
    response = connected.post(back, {"log_in_again": "1"})
    response = log_in(connected, response, username="grace")
    assert response.status_code == 200  # the page that asks for consent
    answer = connected.post(back, consent_form(response))
    assert "code" in query(answer["Location"])
    assert Grant.objects.get().user == grace


def test_a_form_that_is_sent_while_logged_in_is_a_login(app, connected):
    response = log_in(connected, connected.get(app.address(prompt="login")))
    assert "code" in query(response["Location"])


def test_a_login_before_the_request_does_not_count(app, connected):
    connected.force_login(connected_user(connected))
    response = connected.get(app.address(prompt="login"))
    assert response["Location"].startswith("/accounts/login/")


def connected_user(browser):
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get(pk=browser.session[SESSION_KEY])


@pytest.mark.parametrize("demand", DEMANDS, ids=str)
def test_a_form_from_a_page_without_the_demand_does_not_count(app, connected, demand):
    page = connected.get(app.address(prompt="consent"))
    assert b'value="allow"' in page.content
    fields = {"decision": "allow", "shown_to": page.context["shown_to"]}
    answer = connected.post(app.address(**demand), fields)
    assert answer["Location"].startswith("/accounts/login/")
    assert not Grant.objects.exists()


@pytest.mark.parametrize("demand", DEMANDS, ids=str)
def test_a_form_from_the_page_after_the_login_counts_for_an_hour(app, connected, clock, demand):
    asked = {**demand, "prompt": f"{demand.get('prompt', '')} consent".strip()}
    page = log_in(connected, connected.get(app.address(**asked)))
    fields = {"decision": "allow", "shown_to": page.context["shown_to"]}
    clock.now += 3599
    assert "code" in query(connected.post(app.address(**asked), fields)["Location"])
    clock.now += 2
    answer = connected.post(app.address(**asked), fields)
    assert answer["Location"].startswith("/accounts/login/")


def test_a_login_in_another_browser_does_not_count(app, connected, clock):
    back = query(connected.get(app.address(prompt="login"))["Location"])["next"]
    other = Browser()
    other.force_login(connected_user(connected))
    assert b"log_in_again" in connected.get(back).content


def test_the_address_of_another_request_does_not_count(app, connected):
    first = query(connected.get(app.address(prompt="login"))["Location"])["next"]
    connected.force_login(connected_user(connected))
    before = query(first)["login_before"]
    other = app.address(prompt="login", state="another", login_before=before)
    assert connected.get(other)["Location"].startswith("/accounts/login/")
    assert "code" in query(connected.get(first)["Location"])


@pytest.mark.parametrize("value", ["", "x", "x:y:z", "é", "[]"])
def test_an_address_that_was_not_signed_does_not_count(app, connected, value):
    response = connected.get(app.address(prompt="login", login_before=value))
    assert response["Location"].startswith("/accounts/login/")


def test_an_old_address_does_not_count(app, connected, clock):
    back = query(connected.get(app.address(prompt="login"))["Location"])["next"]
    connected.force_login(connected_user(connected))
    clock.now += 3601
    assert connected.get(back)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(("age", "met"), [(59, True), (60, True), (61, False)])
def test_max_age_is_met_by_a_login_that_is_not_older(app, connected, clock, age, met):
    connected.force_login(connected_user(connected))
    clock.now += age
    answer = query(connected.get(app.address(max_age="60"))["Location"])
    assert ("code" in answer) is met


def test_the_time_of_a_login_before_this_version_is_not_known(app, connected):
    session = connected.session
    del session["_django_dance_server_login"]
    session.save()
    assert "next" in query(connected.get(app.address(max_age="9999999"))["Location"])


def test_without_pages_an_old_login_is_refused(app, connected):
    assert_told(connected.get(app.address(max_age="60", prompt="none")), "login_required")


@pytest.mark.parametrize("value", ["-1", "1.5", "x", "1" * 11, " 1"])
def test_a_max_age_that_is_no_number_of_seconds_is_refused(app, connected, value):
    assert_told(connected.get(app.address(max_age=value)), "invalid_request")


def test_a_view_of_the_site_is_called_after_the_login(app, connected, settings):
    own = make_server()
    calls = []

    @own.authorize_handler
    def authorize(request, **kwargs):
        calls.append(kwargs["asked"].max_age)
        return True

    settings.ROOT_URLCONF = type(
        "Urls",
        (),
        {
            "urlpatterns": [
                path("oauth/authorize/", authorize),
                path(
                    "accounts/login/",
                    auth.LoginView.as_view(
                        template_name="login.html", redirect_authenticated_user=True
                    ),
                ),
            ]
        },
    )
    response = connected.get(app.address(max_age="60"), follow=True)
    assert b"log_in_again" in response.content
    assert calls == []


def test_a_site_without_sessions_refuses_the_demand(app, connected, rf):
    request = rf.get(app.address(prompt="login"), secure=True)
    request.user = connected_user(connected)
    own = make_server(current_user=lambda request: request.user)
    response = own.authorize_handler(lambda request, **kwargs: True)(request)
    assert query(response["Location"])["error"] == "login_required"
