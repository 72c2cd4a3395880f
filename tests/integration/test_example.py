"""The example project, run as `make demo` runs it, visited by a person and by a real browser."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import pytest
import requests
from requests_oauthlib import OAuth1Session

from example_project import settings as example

from ..chromium import PATIENCE
from ..loopback import reserved_port

pytestmark = pytest.mark.repository

ROOT = Path(__file__).parents[2]
#: The tables with what a visitor leaves behind.
VISITORS_TABLES = (
    "django_session",
    "django_dance_oauthtoken",
    "django_dance_pendingrevocation",
    "django_dance_server_grant",
    "django_dance_server_token",
    "django_dance_server_consent",
    "example_project_albumtoken",
)


# --- the site ---------------------------------------------------------------------------------


class Site:
    """A running example project."""

    def __init__(self, folder: Path, port: int = 8000, **environment: str) -> None:
        self.port = port
        self.origin = f"http://localhost:{self.port}"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
            "DEMO_ORIGIN": self.origin,
            "DEMO_DATABASE": str(folder / "demo.sqlite3"),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "*",
            **environment,
        }
        self.log = folder / "server.log"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]

    def manage(self, *arguments: str) -> str:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    @contextmanager
    def running(self):
        with self.log.open("wb") as log:
            server = subprocess.Popen(
                self.command("runserver", "--noreload", f"localhost:{self.port}"),
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                self.wait_for(server)
                yield self
            finally:
                server.terminate()
                try:
                    server.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()

    def forget_visitors(self) -> Site:
        """Delete the connections, the consents and the sessions. The running server sees it."""
        database = sqlite3.connect(self.environment["DEMO_DATABASE"], timeout=PATIENCE)
        with closing(database), database:
            for table in VISITORS_TABLES:
                database.execute(f"DELETE FROM {table}")
        return self

    def wait_for(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and server.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        pytest.fail(f"The example did not start:\n{self.log.read_text()}")


@pytest.fixture(scope="module")
def template_folder(tmp_path_factory):
    """A folder with a database to copy."""
    folder = tmp_path_factory.mktemp("migrated")
    Site(folder).manage("migrate", "--verbosity", "0")
    return folder


def _running_site(template_folder, folder, **environment):
    shutil.copytree(template_folder, folder, dirs_exist_ok=True)
    with reserved_port() as port:
        site = Site(folder, port, **environment)
        assert site.manage("prepare_demo") == f"Open {site.origin}/\n"
        with site.running():
            yield site
    log = site.log.read_text()
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def lasting_site(template_folder, tmp_path_factory):
    yield from _running_site(template_folder, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def lasting_strict_site(template_folder, tmp_path_factory):
    yield from _running_site(
        template_folder, tmp_path_factory.mktemp("strict"), DEMO_SAMESITE="Strict"
    )


@pytest.fixture(scope="module")
def lasting_site_with_policy(template_folder, tmp_path_factory):
    module = "tests.integration.csp"
    folder = tmp_path_factory.mktemp("policy")
    yield from _running_site(template_folder, folder, DJANGO_SETTINGS_MODULE=module)


@pytest.fixture
def site(lasting_site):
    """A site that keeps no connection, consent or session of an earlier test."""
    return lasting_site.forget_visitors()


@pytest.fixture
def strict_site(lasting_strict_site):
    return lasting_strict_site.forget_visitors()


@pytest.fixture
def site_with_policy(lasting_site_with_policy):
    return lasting_site_with_policy.forget_visitors()


# --- a person ---------------------------------------------------------------------------------


class Page(HTMLParser):
    """The visible parts of a page: its text, its links, and the buttons of its forms."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.refresh = ""
        self.links: dict[str, str] = {}
        self.buttons: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        self._form: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self._open: tuple[str, dict[str, str], str] | None = None
        self.feed(html)
        self.close()
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = (attributes, {})
        elif tag == "input" and "name" in attributes:
            self._form[1][attributes["name"]] = attributes.get("value", "")
        elif tag == "meta" and attributes.get("http-equiv") == "refresh":
            self.refresh = attributes["content"].partition("url=")[2]
        elif tag in ("a", "button"):
            self._open = (tag, attributes, "")

    def handle_data(self, data):
        if self.cdata_elem:  # a style sheet
            return
        self.text += data
        if self._open:
            tag, attributes, text = self._open
            self._open = (tag, attributes, text + data)

    def handle_endtag(self, tag):
        if not self._open or self._open[0] != tag:
            return
        _, attributes, text = self._open
        self._open = None
        text = " ".join(text.split())
        if tag == "a":
            self.links[text] = attributes["href"]
        else:
            form, fields = self._form
            pressed = {attributes["name"]: attributes["value"]} if "name" in attributes else {}
            # The fields by reference: those after the button count as well.
            self.buttons[text] = ({**form, "pressed": pressed}, fields)


class Person:
    """A person with a browser that has no JavaScript."""

    def __init__(self, origin: str) -> None:
        self.browser = requests.Session()
        self.browser.headers["Accept"] = "text/html,*/*;q=0.8"
        self.browser.trust_env = False
        self.url = origin
        self.open("/")

    def _load(self, response: requests.Response) -> Person:
        self.url, self.status = response.url, response.status_code
        assert self.status < 500, response.text
        self.page = Page(response.text)
        if self.page.refresh:
            return self.open(self.page.refresh)
        return self

    def open(self, path: str) -> Person:
        return self._load(self.browser.get(urljoin(self.url, path), timeout=PATIENCE))

    def follow(self, link: str) -> Person:
        return self.open(self.page.links[link])

    def press(self, button: str, **typed: str) -> Person:
        form, fields = self.page.buttons[button]
        assert form["method"] == "post"
        return self._load(
            self.browser.post(
                urljoin(self.url, form.get("action", "")),
                data={**fields, **form["pressed"], **typed},
                timeout=PATIENCE,
            )
        )

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def sees(self, text: str) -> bool:
        return text in self.page.text


@pytest.fixture
def person(site):
    visitor = Person(site.origin)
    with visitor.browser:
        yield visitor


@pytest.fixture
def ada(person):
    return person.press("Continue as Ada Lovelace")


@pytest.fixture
def connected(ada):
    return ada.follow("Connect to Notebook").press("Allow")


def test_the_whole_dance(ada):
    assert ada.sees("Hello, Ada. You are not connected to Notebook yet.")

    ada.follow("Connect to Notebook")
    assert ada.path == "/notebook/authorize/"
    assert ada.sees("Allow “The example site” to act for you?")
    assert ada.sees("See your name and your notes")
    assert not ada.sees("Add a note")

    ada.press("Allow")
    assert (ada.path, ada.status) == ("/", 200)
    assert ada.sees("Connected. Your token is stored")
    assert ada.sees("Hello, Ada. You are connected.")
    assert ada.sees("Scopes read Valid for 300 more seconds") or ada.sees("for 299 more seconds")

    ada.follow("Call the API")
    assert ada.sees("Notebook knows you as Ada Lovelace")
    assert ada.sees("/notebook/api/me → 200 OK")
    assert ada.sees('answer = notebook.get("/me")')

    ada.follow("Home").press("Disconnect")
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
        f"{site.origin}/.well-known/oauth-authorization-server", timeout=PATIENCE
    ).json()
    assert answer["issuer"] == site.origin
    assert answer["authorization_response_iss_parameter_supported"] is True
    assert answer["token_endpoint"] == f"{site.origin}/notebook/token/"


# --- OAuth 1 ----------------------------------------------------------------------------------


def test_the_whole_dance_with_the_older_provider(ada):
    ada.follow("Connect to Album")
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

    ada.follow("Home").press("Disconnect Album")
    assert ada.sees("Disconnected. The token is deleted here.")
    assert "Connect to Album" in ada.page.links


def test_a_visitor_who_declines_at_the_older_provider_gets_a_page(ada):
    ada.follow("Connect to Album").press("Do not allow")
    assert ada.status == 403
    assert ada.sees("Not connected to Album")
    assert ada.sees("You did not give permission, so nothing has changed.")


def test_a_page_that_needs_the_older_provider_leads_there_and_back(ada):
    ada.open("/profile/album/").press("Allow")
    assert ada.path == "/profile/album/"
    assert ada.sees("Album knows you as Ada Lovelace")


class Album:
    """A client of the older provider, by requests-oauthlib alone."""

    def __init__(self, site: Site, **known: str) -> None:
        self.url = f"{site.origin}/album"
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
    ada.open(f"/album/authorize/?oauth_token={key}")
    form, fields = ada.page.buttons["Allow"]
    answer = ada.browser.post(
        ada.url, data={**fields, **form["pressed"]}, allow_redirects=False, timeout=PATIENCE
    )
    (verifier,) = parse_qs(urlsplit(answer.headers["Location"]).query)["oauth_verifier"]
    assert [exchange(verifier), exchange(verifier)] == [200, 401]


def test_the_older_provider_refuses_an_unsigned_call(site):
    answer = requests.get(f"{site.origin}/album/api/me", timeout=PATIENCE)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'OAuth realm="Album"'


# --- the client -------------------------------------------------------------------------------


def test_an_async_view_makes_the_same_call(connected):
    answer = connected.browser.get(urljoin(connected.url, "/profile.json"), timeout=PATIENCE)
    answered = answer.json()
    assert (answered["username"], answered["name"]) == ("ada", "Ada Lovelace")


def test_a_visitor_who_declines_gets_a_page_and_no_connection(ada):
    ada.follow("Connect to Notebook").press("Do not allow")
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
    assert (person.path, person.status) == ("/", 200)
    person.press("Continue as Grace Hopper")
    assert person.path == "/notebook/authorize/"
    person.press("Allow")
    assert person.path == "/profile/"
    assert person.sees("Notebook knows you as Grace Hopper")


def test_a_dance_of_an_anonymous_visitor_cannot_be_finished_by_a_user(person):
    # Client and provider are one site here, so who signs in there is signed in here as well.
    person.open("/login/notebook/").press("Continue as Grace Hopper").press("Allow")
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


def test_prepare_demo_can_be_run_again(site):
    assert site.manage("prepare_demo") == f"Open {site.origin}/\n"


# --- the page of connections ------------------------------------------------------------------


def test_a_person_without_javascript_connects_and_disconnects(ada):
    ada.follow("Your connections")
    assert ada.path == "/login/connections/"
    assert ada.sees("This site is not connected to any of your accounts.")
    ada.follow("Connect to Notebook").press("Allow")
    assert ada.path == "/login/connections/"
    assert ada.sees("Notebook Ada Lovelace Connected Permissions")
    ada.follow("Disconnect")
    assert ada.sees("Disconnect Ada Lovelace at Notebook?")
    ada.press("Disconnect")
    assert ada.path == "/login/connections/"
    assert ada.sees("Ada Lovelace at Notebook is disconnected.")
    assert "Connect to Notebook" in ada.page.links


def test_the_page_of_connections_needs_a_login(person):
    person.open("/login/connections/")
    assert person.path == "/"
    person.press("Continue as Grace Hopper")
    assert person.path == "/login/connections/"


# --- a real browser ---------------------------------------------------------------------------


@pytest.fixture
def browser(chromium):
    return chromium


@pytest.fixture
def elsewhere(site):
    """Another site's page, with a link to the login."""

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<a href="{site.origin}/login/notebook/">To the login</a>'.encode())

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.interop
def test_a_browser_finishes_a_dance(browser, site):
    browser.open(f"{site.origin}/")
    browser.click("Continue as Ada Lovelace")
    browser.click("Connect to Notebook")
    browser.click("Allow")
    browser.sees("Hello, Ada. You are connected.")
    browser.click("Call the API")
    browser.sees("Notebook knows you as Ada Lovelace")
    browser.click("Home")
    browser.click("Write a note")
    browser.sees("Add a note")
    browser.click("Allow")
    browser.sees("Your notes at Notebook")
    browser.type("text", "Written in a browser")
    browser.click("Add")
    browser.sees("Written in a browser")
    browser.click("Home")
    browser.click("Let it expire now")
    browser.click("Call the API")
    browser.sees("so this call refreshed it")
    browser.click("Home")
    browser.click("Connect to Album")
    browser.sees("OAuth 1 has no scopes")
    browser.click("Allow")
    browser.click("Call Album")
    browser.sees("Album knows you as Ada Lovelace")
    browser.click("Home")
    browser.click("Connected applications at Notebook")
    browser.sees("since")
    browser.click("Disconnect")
    browser.sees("No application is connected.")
    browser.click("To the example site")
    browser.click("Call the API")
    browser.sees("The permission that was just granted is no longer accepted.")
    browser.click("Back to the site")
    browser.sees("You are not connected to Notebook yet.")


@pytest.mark.interop
def test_a_browser_that_declines_gets_a_page(browser, site):
    browser.open(f"{site.origin}/")
    browser.click("Continue as Grace Hopper")
    browser.click("Connect to Notebook")
    browser.click("Do not allow")
    browser.sees("You did not give permission, so nothing has changed.")


@pytest.mark.interop
def test_a_link_on_another_site_leads_to_a_button(browser, site, elsewhere):
    browser.open(f"{site.origin}/")
    browser.click("Continue as Grace Hopper")
    browser.sees("Hello, Grace.")
    browser.open(elsewhere)
    browser.click("To the login")
    browser.sees("Connect to Notebook?")
    assert browser.path == "/login/notebook/"
    browser.click("Continue to Notebook")
    browser.click("Allow")
    browser.sees("Hello, Grace. You are connected.")
    browser.click("Disconnect")


@pytest.mark.interop
def test_a_dance_works_with_a_strict_session_cookie(browser, strict_site):
    # Under this name the client is another site than the provider, which stays on localhost.
    client = f"http://127.0.0.1:{strict_site.port}"
    browser.open(f"{client}/")
    browser.click("Continue as Ada Lovelace")
    browser.click("Connect to Notebook")
    browser.sees("Who are you today?")
    assert browser.driver.current_url.startswith(strict_site.origin)
    browser.click("Continue as Ada Lovelace")
    browser.click("Allow")
    browser.sees("Hello, Ada. You are connected.")
    assert browser.driver.current_url == f"{client}/"
    log = strict_site.log.read_text()
    assert log.count("GET /login/notebook/authorized/") == 2
    assert log.count("POST /notebook/token/") == 1


@pytest.mark.interop
def test_a_browser_dances_under_a_strict_content_security_policy(browser, site_with_policy):
    # Under this name the client is another site than the provider, which stays on localhost.
    client = f"http://127.0.0.1:{site_with_policy.port}"
    browser.open(f"{client}/")
    browser.click("Continue as Ada Lovelace")
    browser.click("Connect to Notebook")
    browser.sees("Connect to Notebook?")
    assert browser.css("button", "cursor") == "pointer"
    browser.click("Continue to Notebook")
    browser.sees("Who are you today?")
    assert browser.driver.current_url.startswith(site_with_policy.origin)
    browser.click("Continue as Ada Lovelace")
    browser.click("Allow")
    browser.sees("Hello, Ada. You are connected.")
    assert browser.driver.current_url == f"{client}/"
    browser.click("Disconnect")
    browser.sees("You are not connected to Notebook yet.")


@pytest.mark.interop
@pytest.mark.parametrize("width", [360, 1000])
def test_a_page_fits_the_screen_and_can_be_used_by_keyboard(browser, site_with_policy, width):
    from selenium.webdriver.common.keys import Keys

    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 640, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.open(f"{site_with_policy.origin}/")
    browser.click("Continue as Ada Lovelace")
    browser.sees("Hello, Ada.")
    browser.open(f"{site_with_policy.origin}/login/notebook/")
    browser.sees("Connect to Notebook?")
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= width
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Continue to Notebook"
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.sees("Allow")


@pytest.mark.interop
def test_the_text_of_a_form_survives_a_lost_connection(browser, site_with_policy):
    driver = browser.driver
    browser.open(f"{site_with_policy.origin}/")
    browser.click("Continue as Grace Hopper")
    browser.sees("Hello, Grace.")
    browser.open(f"{site_with_policy.origin}/notes/")
    browser.click("Continue to Notebook")
    browser.click("Allow")
    browser.sees("Your notes at Notebook")
    browser.type("text", "Written before the connection was lost")
    form = driver.current_window_handle
    driver.switch_to.new_window("tab")
    browser.open(f"{site_with_policy.origin}/")
    browser.click("Disconnect")
    browser.sees("You are not connected to Notebook yet.")
    driver.close()
    driver.switch_to.window(form)
    browser.click("Add")
    browser.sees("Your form was not sent: connect to Notebook again")
    browser.click("Connect again")
    browser._wait(lambda driver: len(driver.window_handles) == 2, "second tab")
    (other,) = {*driver.window_handles} - {form}
    driver.switch_to.window(other)
    browser.sees("Connect to Notebook?")
    browser.click("Continue to Notebook")
    browser.sees("Your notes at Notebook")
    driver.close()
    driver.switch_to.window(form)
    driver.back()
    browser.sees("Your notes at Notebook")
    browser.click("Add")
    browser.sees("Written before the connection was lost")


@pytest.mark.interop
def test_a_page_is_dark_if_the_visitor_prefers_it(browser, site_with_policy):
    browser.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    browser.open(f"{site_with_policy.origin}/login/notebook/")
    browser.sees("Connect to Notebook?")
    assert browser.css("body", "color") == "rgba(255, 255, 255, 1)"


# --- the page of connections, in a real browser -----------------------------------------------


class Visitor:
    """A user of the client, who is logged in at the provider as somebody else.

    Under 127.0.0.1 the client is another site than the provider, which stays on localhost.
    """

    def __init__(self, browser, site, name: str) -> None:
        self.browser, self.site = browser, site
        self.client = f"http://127.0.0.1:{site.port}"
        self.open_client("/").click(f"Continue as {name}")
        browser.sees(f"Hello, {name.split()[0]}.")

    def open_client(self, path: str):
        self.browser.open(f"{self.client}{path}")
        return self.browser

    def be_at_notebook(self, name: str) -> None:
        """Log in at the provider as another person."""
        self.browser.open(f"{self.site.origin}/")
        if "Sign out" in self.browser.text:
            self.browser.click("Sign out")
        self.browser.click(f"Continue as {name}")
        self.browser.sees(f"Hello, {name.split()[0]}.")

    def connect(self, link: str) -> None:
        """Begin a dance by a link of the page of connections."""
        self.open_client("/login/connections/").click(link)
        self.browser.click("Continue to Notebook")

    def revoke_at_notebook(self, name: str) -> None:
        self.be_at_notebook(name)
        self.browser.open(f"{self.site.origin}/notebook/applications/")
        self.browser.click("Disconnect")
        self.browser.sees("No application is connected.")

    def is_accessible(self, axe: str) -> bool:
        """Check the page on a phone and on a computer, light and dark."""
        for width in (360, 1280):
            for scheme in ("light", "dark"):
                self.browser.resize(width)
                self.browser.prefer(scheme)
                assert self.browser.violations(axe) == [], (width, scheme)
                assert self.browser.overflow == 0, (width, scheme)
        return True


@pytest.mark.interop
def test_a_browser_connects_repairs_and_ends_connections(browser, axe, site_with_policy):
    """Two accounts; one is revoked; the wrong account returns, then the right one."""
    visitor = Visitor(browser, site_with_policy, "Ada Lovelace")
    visitor.open_client("/login/connections/")
    browser.sees("This site is not connected to any of your accounts.")
    assert visitor.is_accessible(axe)

    visitor.be_at_notebook("Ada Lovelace")
    visitor.connect("Connect to Notebook")
    browser.click("Allow")
    browser.sees("Your connections")
    visitor.be_at_notebook("Grace Hopper")
    visitor.connect("Connect another account of Notebook")
    browser.click("Allow")
    browser.sees("Grace Hopper Default account")

    visitor.revoke_at_notebook("Grace Hopper")
    visitor.open_client("/").click("Let it expire now")
    browser.sees("Valid")
    visitor.open_client("/profile/")
    browser.sees("The permission that was just granted is no longer accepted.")
    visitor.open_client("/login/connections/")
    browser.sees("Must be connected again. Notebook says that the permission was withdrawn.")
    assert visitor.is_accessible(axe)

    visitor.be_at_notebook("Ada Lovelace")
    visitor.connect("Reconnect")
    browser.sees("You connected Ada Lovelace; Grace Hopper is still needed")
    assert visitor.is_accessible(axe)
    browser.click("Your connections")
    browser.sees("Must be connected again. Notebook says that the permission was withdrawn.")

    visitor.be_at_notebook("Grace Hopper")
    visitor.connect("Reconnect")
    browser.click("Allow")
    browser.sees("Your connections")
    assert browser.path == "/login/connections/"
    assert "Must be connected again." not in browser.text

    browser.click("Make default")
    browser.sees("Ada Lovelace is your default account at Notebook now.")
    browser.sees("Ada Lovelace Default account")
    visitor.open_client("/profile/")
    browser.sees("Notebook knows you as Ada Lovelace")

    visitor.open_client("/login/connections/").click("Disconnect")
    browser.sees("Disconnect Ada Lovelace at Notebook?")
    assert visitor.is_accessible(axe)
    browser.click("Disconnect")
    browser.sees("Ada Lovelace at Notebook is disconnected.")
    assert "Grace Hopper" in browser.text
    browser.click("Disconnect")
    browser.click("Disconnect")
    browser.sees("This site is not connected to any of your accounts.")


@pytest.mark.interop
def test_the_page_of_connections_can_be_used_by_keyboard(browser, site_with_policy):
    from selenium.webdriver.common.keys import Keys

    visitor = Visitor(browser, site_with_policy, "Grace Hopper")
    visitor.be_at_notebook("Ada Lovelace")
    visitor.connect("Connect to Notebook")
    browser.click("Allow")
    browser.sees("Connect another account of Notebook")
    names = []
    for _ in range(3):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        names.append(browser.driver.switch_to.active_element.accessible_name)
    assert names == [
        "Disconnect Ada Lovelace at Notebook",
        "Connect another account of Notebook",
        "Connect to Album",
    ]
    browser.driver.switch_to.active_element.send_keys(Keys.SHIFT + Keys.TAB)
    browser.driver.switch_to.active_element.send_keys(Keys.SHIFT + Keys.TAB)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.sees("Disconnect Ada Lovelace at Notebook?")
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    browser.sees("This site is not connected to any of your accounts.")
