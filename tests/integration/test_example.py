"""The example project, visited by a person without JavaScript."""

from __future__ import annotations

import re
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import pytest
import requests
from requests_oauthlib import OAuth1Session

from example_project import settings as example
from example_project.__main__ import parse

from ..chromium import PATIENCE
from ..example_site import ROOT, Page, Site

pytestmark = pytest.mark.repository


def test_the_whole_dance(ada, site):
    assert ada.sees("Hello, Ada. You are not connected to Notebook yet.")

    ada.follow("Connect to Notebook")
    assert ada.sees("Who are you at Notebook and Album?")
    assert ada.url.startswith(f"{site.providers}/sign-in/")
    ada.press("Continue as Ada Lovelace")
    assert ada.path == "/notebook/authorize/"
    assert ada.sees("Allow “The example site” to act for you?")
    assert ada.sees("See your name and your notes")
    assert not ada.sees("Add a note")

    ada.press("Allow")
    assert (ada.path, ada.status) == ("/", 200)
    assert ada.sees("Connected. Your token is stored")
    assert ada.sees("Hello, Ada. You are connected.")
    assert re.search(r"Scopes read Valid for (2\d\d|300) more seconds", ada.page.text)

    ada.follow("Call the API")
    assert ada.sees("Notebook knows you as Ada Lovelace")
    assert ada.sees("/notebook/api/me → 200 OK")
    assert ada.sees('answer = notebook.get("/me")')

    ada.follow("Back to the steps").press("Disconnect")
    assert ada.sees("Disconnected. The token is revoked there and deleted here.")
    assert ada.sees("You are not connected to Notebook yet.")


def test_a_page_that_needs_another_scope_asks_for_it(connected):
    connected.open("/").follow("Write a note")
    assert connected.path == "/notebook/authorize/"
    assert connected.sees("See your name and your notes")
    assert connected.sees("Add a note")

    connected.press("Allow")
    assert connected.path == "/notes/"
    connected.press("Add", text="Tea at four <b>")
    assert connected.path == "/notes/"
    assert connected.sees("Tea at four <b>")
    assert connected.open("/").sees("Scopes read write")


def test_an_empty_note_gets_an_error_message(connected):
    connected.open("/notes/").press("Allow").press("Add", text=" ")
    assert connected.sees("Notebook did not accept the note.")


def test_an_expired_token_is_refreshed_by_the_call(connected):
    connected.press("Let it expire now")
    assert connected.sees("Valid expired; the next call refreshes it")
    connected.follow("Call the API")
    assert connected.sees("Notebook knows you as Ada Lovelace")
    assert connected.sees("The token had expired, so this call refreshed it.")
    assert connected.open("/").sees("more seconds, then it is refreshed")


def test_a_user_whose_grant_the_provider_revoked_must_connect_again(connected):
    connected.open("/").follow("Connected applications at Notebook")
    assert connected.path == "/notebook/applications/"
    assert connected.sees("The example site")
    assert connected.sees("See your name and your notes")
    connected.press("Disconnect")
    assert connected.sees("No application is connected.")

    connected.follow("To the example site").follow("Call the API")
    # The token was granted a moment ago: another redirect could lead into a loop.
    assert connected.status == 403
    assert connected.sees("The permission that was just granted is no longer accepted.")
    connected.follow("Ask again")
    assert connected.path == "/notebook/authorize/"
    connected.press("Allow")
    assert connected.path == "/profile/"
    assert connected.sees("Notebook knows you as Ada Lovelace")


def test_a_second_dance_needs_no_consent(connected):
    connected.open("/").press("Disconnect").follow("Connect to Notebook")
    assert (connected.path, connected.status) == ("/", 200)
    assert connected.sees("Hello, Ada. You are connected.")


def test_the_metadata_promise_the_issuer_in_the_callback(site):
    answer = requests.get(
        f"{site.providers}/.well-known/oauth-authorization-server", timeout=PATIENCE
    ).json()
    assert answer["issuer"] == site.providers
    assert answer["authorization_response_iss_parameter_supported"] is True
    assert answer["token_endpoint"] == f"{site.providers}/notebook/token/"


# --- OAuth 1 ----------------------------------------------------------------------------------


def test_the_whole_dance_with_the_older_provider(ada):
    ada.follow("Connect to Album").press("Continue as Ada Lovelace")
    assert ada.path == "/album/authorize/"
    assert ada.sees("Allow the example site to act for you?")

    ada.press("Allow")
    assert (ada.path, ada.status) == ("/", 200)
    assert ada.sees("Connected. Your token is stored")
    assert ada.sees("You are not connected to Notebook yet.")

    ada.follow("Call Album")
    assert ada.sees("Album knows you as Ada Lovelace")
    assert ada.sees("/album/api/me → 200 OK")
    assert ada.sees('answer = album.get("/me")')

    ada.follow("Back to the steps").press("Disconnect Album")
    assert ada.sees("Disconnected. The token is deleted here.")
    assert "Connect to Album" in ada.page.links


def test_a_visitor_who_declines_at_the_older_provider_gets_a_page(ada):
    ada.follow("Connect to Album").press("Continue as Ada Lovelace").press("Do not allow")
    assert ada.status == 403
    assert ada.sees("Not connected to Album")
    assert ada.sees("You did not give permission, so nothing has changed.")


def test_a_page_that_needs_the_older_provider_leads_there_and_back(ada):
    ada.open("/profile/album/").press("Continue as Ada Lovelace").press("Allow")
    assert ada.path == "/profile/album/"
    assert ada.sees("Album knows you as Ada Lovelace")


class Album:
    """A client of the older provider, by requests-oauthlib alone."""

    def __init__(self, site: Site, **known: str) -> None:
        self.url = f"{site.providers}/album"
        credentials = {
            "client_key": example.ALBUM_OAUTH_CLIENT_ID,
            "client_secret": example.ALBUM_OAUTH_CLIENT_SECRET,
            "callback_uri": f"{site.origin}/login/album/authorized/",
            "signature_method": "HMAC-SHA256",
        }
        self.session = OAuth1Session(**{**credentials, **known})
        self.session.trust_env = False

    def request_token(self) -> requests.Response:
        return self.session.post(f"{self.url}/request-token/", timeout=PATIENCE)

    def access_token(self) -> requests.Response:
        return self.session.post(f"{self.url}/access-token/", timeout=PATIENCE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_key": "NobodyWhoIsRegistered"},
        {"client_secret": "planted-wrong-secret"},
        {"callback_uri": "https://evil.example/"},
        {"signature_method": "PLAINTEXT"},
        {"realm": "everything"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_the_older_provider_refuses_an_unknown_client(site, wrong):
    assert Album(site).request_token().status_code == 200
    refused = Album(site, **wrong).request_token()
    assert refused.status_code in (400, 401)
    assert "oauth_token_secret" not in refused.text


def test_the_older_provider_exchanges_temporary_credentials_once_and_after_consent(ada, site):
    client = Album(site)
    credentials = dict(parse_qsl(client.request_token().text))
    key, secret = credentials["oauth_token"], credentials["oauth_token_secret"]

    def exchange(verifier: str) -> int:
        known = {"resource_owner_key": key, "resource_owner_secret": secret, "verifier": verifier}
        return Album(site, **known).access_token().status_code

    assert exchange("plantedGuessOfAVerifier") == 401
    ada.open(f"{site.providers}/album/authorize/?oauth_token={key}")
    ada.press("Continue as Ada Lovelace")
    form, fields = ada.page.buttons["Allow"]
    answer = ada.browser.post(
        ada.url, data={**fields, **form["pressed"]}, allow_redirects=False, timeout=PATIENCE
    )
    (verifier,) = parse_qs(urlsplit(Page(answer.text).refresh).query)["oauth_verifier"]
    assert [exchange(verifier), exchange(verifier)] == [200, 401]


def test_the_older_provider_refuses_an_unsigned_call(site):
    answer = requests.get(f"{site.providers}/album/api/me", timeout=PATIENCE)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'OAuth realm="Album"'


# --- the client -------------------------------------------------------------------------------


def test_an_async_view_makes_the_same_call(connected):
    answer = connected.browser.get(urljoin(connected.url, "/profile.json"), timeout=PATIENCE)
    answered = answer.json()
    assert (answered["username"], answered["name"]) == ("ada", "Ada Lovelace")


def test_a_visitor_who_declines_gets_a_page_and_no_connection(ada):
    ada.follow("Connect to Notebook").press("Continue as Ada Lovelace").press("Do not allow")
    assert ada.status == 403
    assert ada.sees("Not connected to Notebook")
    assert ada.sees("You did not give permission, so nothing has changed.")
    assert ada.follow("Back to the site").sees("You are not connected to Notebook yet.")


def test_declining_another_scope_keeps_the_granted_ones(connected):
    connected.open("/notes/").press("Do not allow")
    assert connected.status == 403
    assert connected.open("/").sees("Hello, Ada. You are connected.")


def test_a_login_returns_to_the_requested_page(person):
    person.open("/profile/")
    assert (person.path, person.status) == ("/sign-in/", 200)
    person.press("Continue as Grace Hopper")
    assert person.path == "/sign-in/"
    person.press("Continue as Grace Hopper")
    assert person.path == "/notebook/authorize/"
    person.press("Allow")
    assert person.path == "/profile/"
    assert person.sees("Notebook knows you as Grace Hopper")


def test_a_dance_of_an_anonymous_visitor_cannot_be_finished_by_a_user(person, site):
    person.open("/login/notebook/").press("Continue as Grace Hopper")
    consent = person.url
    # In another tab.
    person.open(f"{site.origin}/").press("Continue as Grace Hopper")
    person.open(consent).press("Allow")
    assert person.status == 403
    assert person.sees("You logged in or out during this sign-in.")
    assert person.open("/").sees("You are not connected to Notebook yet.")


def test_only_the_users_of_the_demo_can_sign_in(person):
    form, fields = person.page.buttons["Continue as Ada Lovelace"]
    answer = person.browser.post(
        urljoin(person.url, form["action"]),
        data={**fields, "username": "root"},
        timeout=PATIENCE,
    )
    assert answer.status_code == 404


def test_an_anonymous_visitor_connects_with_the_session_only(person):
    person.follow("Connect to Album as an anonymous visitor").press("Continue as Ada Lovelace")
    person.press("Allow")
    assert person.path == "/profile/album/"
    assert person.sees("Album knows you as Ada Lovelace")
    person.open("/").press("Disconnect Album")
    assert "Connect to Album as an anonymous visitor" in person.page.links


def test_a_visitor_signs_in_with_a_connected_account(connected):
    connected.press("Sign out").follow("Sign in with Notebook")
    assert connected.path == "/"
    assert connected.sees("Hello, Ada. You are connected.")


def test_a_visitor_whose_account_nobody_connected_cannot_sign_in(person):
    person.follow("Sign in with Notebook").press("Continue as Ada Lovelace").press("Allow")
    assert person.status == 403
    assert person.sees("No user of this site signs in with this Notebook account.")


def test_two_accounts(connected):
    connected.follow("Your connections").follow("Connect another account of Notebook")
    assert connected.sees("Who are you at Notebook and Album?")
    connected.press("Continue as Grace Hopper").press("Allow")
    assert connected.path == "/login/connections/"
    assert connected.sees("Grace Hopper Default account Connected")
    connected.press("Make default")
    assert connected.sees("Ada Lovelace Default account Connected")


def test_a_job_calls_the_api_without_a_request(connected):
    connected.open("/notes/").press("Allow").press("Add", text="Counted")
    before = connected.page.text.count("Counted")
    connected.open("/").follow("Count the notes in a job")
    assert before >= 1
    assert connected.sees("The job counted ")
    assert not connected.sees("The job counted 0")
    assert connected.sees('notebook = providers["notebook"].session(user=user)')


def test_a_job_for_a_user_without_a_connection_leads_to_the_login(ada):
    ada.follow("Count the notes in a job").press("Continue as Ada Lovelace").press("Allow")
    assert ada.path == "/job/"
    assert ada.sees("The job counted ")


def test_a_program_gets_an_answer_that_it_can_read(ada):
    ada.follow("See the answer that a program gets")
    assert ada.sees("A program without a token gets 401")
    assert ada.sees('WWW-Authenticate OAuth realm="notebook"')
    assert ada.sees("application/json")
    assert ada.sees(f"curl -i {urljoin(ada.url, '/profile.json')}")


def test_the_admin_shows_the_connections_and_no_token(connected, site):
    with closing(sqlite3.connect(site.environment["DEMO_DATABASE"])) as database:
        ((row, sealed),) = database.execute("SELECT id, token FROM django_dance_oauthtoken")
    connected.press("Open the admin as Grace Hopper")
    assert connected.path == "/admin/django_dance/oauthtoken/"
    assert connected.sees("notebook")
    assert not connected.sees(sealed)
    connected.open(f"/admin/django_dance/oauthtoken/{row}/change/")
    assert connected.status == 200
    assert connected.sees("ada")
    assert not connected.sees(sealed)


def test_only_an_administrator_may_open_the_admin(ada):
    assert ada.open("/admin/").path == "/admin/login/"


def test_the_front_page_of_the_providers_leads_to_the_client(person, site):
    person.open(f"{site.providers}/")
    assert person.url.startswith(site.origin)
    assert person.sees("django-dance lets a Django site act for its users at other sites.")


@pytest.mark.parametrize("path", ["/", "/sign-in/", "/program/", "/login/album/", "/admin/login/"])
def test_every_page_forbids_scripts_and_styles_inside_it(person, path):
    person.browser.headers["Sec-Fetch-Site"] = "cross-site"
    answer = person.browser.get(urljoin(person.url, path), timeout=PATIENCE)
    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert "style=" not in answer.text
    assert "<style" not in answer.text


def test_prepare_demo_can_be_run_again(site):
    assert site.manage("prepare_demo") == f"Open {site.origin}/\n"


# --- the page of connections ------------------------------------------------------------------


def test_a_person_without_javascript_connects_and_disconnects(ada):
    ada.follow("Your connections")
    assert ada.path == "/login/connections/"
    assert ada.sees("This site is not connected to any of your accounts.")
    ada.follow("Connect to Notebook").press("Continue as Ada Lovelace").press("Allow")
    assert ada.path == "/login/connections/"
    assert ada.sees("Ada Lovelace Connected · You can sign in with this account. Permissions")
    ada.follow("Disconnect")
    assert ada.sees("Disconnect Ada Lovelace at Notebook?")
    ada.press("Disconnect")
    assert ada.path == "/login/connections/"
    assert ada.sees("Ada Lovelace at Notebook is disconnected.")
    assert "Connect to Notebook" in ada.page.links


def test_the_page_of_connections_needs_a_login(person):
    person.open("/login/connections/")
    assert person.path == "/sign-in/"
    person.press("Continue as Grace Hopper")
    assert person.path == "/login/connections/"


# --- make demo --------------------------------------------------------------------------------


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "example_project", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("", ("localhost", 8000)),
        ("9000", ("localhost", 9000)),
        ("127.0.0.1", ("127.0.0.1", 8000)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
    ],
)
def test_an_address_is_a_port_a_host_or_both(address, parsed):
    assert parse(address) == parsed


@pytest.mark.parametrize("address", ["99999", "0", "example.com", "192.168.1.5:8000", "a b"])
def test_another_address_is_refused_in_one_line(address):
    refused = demo(address)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith(f"{address!r} is no address of the demo. Give a port,")


def test_a_port_in_use_is_refused_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refused = demo(f"127.0.0.1:{port}")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"Port {port} of 127.0.0.1: Address already in use. Another one: make demo ADDRESS=9000\n"
    )


def test_the_real_github_is_there_if_the_environment_has_its_credentials(template_folder):
    site = Site(template_folder, GITHUB_OAUTH_CLIENT_ID="id", GITHUB_OAUTH_CLIENT_SECRET="secret")
    code = "from django.urls import reverse; print(reverse('profile_at_github'))"
    assert (
        site.manage("shell", "--no-imports", "--verbosity", "0", "-c", code) == "/profile/github/\n"
    )
