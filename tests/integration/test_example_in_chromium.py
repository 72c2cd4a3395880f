"""The example project, visited by a person with a real browser."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = [pytest.mark.repository, pytest.mark.interop]


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


def is_accessible(browser, axe: str) -> bool:
    """Check the page on a phone and on a computer, light and dark."""
    for width in (360, 1280):
        for scheme in ("light", "dark"):
            browser.resize(width)
            browser.prefer(scheme)
            assert browser.violations(axe) == [], (width, scheme)
            assert browser.overflow == 0, (width, scheme)
    return True


def test_a_browser_finishes_a_dance(browser, site):
    browser.open(f"{site.origin}/")
    browser.click("Continue as Ada Lovelace")
    browser.click("Connect to Notebook")
    browser.sees("Who are you at Notebook and Album?")
    browser.click("Continue as Ada Lovelace")
    browser.click("Allow")
    browser.sees("Hello, Ada. You are connected.")
    browser.click("Call the API")
    browser.sees("Notebook knows you as Ada Lovelace")
    browser.click("Back to the steps")
    browser.click("Write a note")
    browser.sees("Add a note")
    browser.click("Allow")
    browser.sees("Your notes at Notebook")
    browser.type("text", "Written in a browser")
    browser.click("Add")
    browser.sees("Written in a browser")
    browser.click("Back to the steps")
    browser.click("Let it expire now")
    browser.click("Call the API")
    browser.sees("so this call refreshed it")
    browser.click("Back to the steps")
    browser.click("Connect to Album")
    browser.sees("OAuth 1 has no scopes")
    browser.click("Allow")
    browser.click("Call Album")
    browser.sees("Album knows you as Ada Lovelace")
    browser.click("Back to the steps")
    browser.click("Connected applications at Notebook")
    browser.sees("since")
    browser.click("Disconnect")
    browser.sees("No application is connected.")
    browser.click("To the example site")
    browser.click("Call the API")
    browser.sees("The permission that was just granted is no longer accepted.")
    browser.click("Back to the site")
    browser.sees("You are not connected to Notebook yet.")


def test_every_page_of_the_demo_is_accessible_and_obeys_its_policy(browser, axe, site):
    def is_good() -> bool:
        return is_accessible(browser, axe) and browser.driver.get_log("browser") == []

    browser.open(f"{site.origin}/")
    browser.sees("django-dance lets a Django site act for its users at other sites.")
    assert is_good()
    browser.click("See the answer that a program gets")
    browser.sees("A program without a token gets 401")
    assert is_good()
    browser.open(f"{site.origin}/notes/")
    browser.sees("Who are you?")
    assert is_good()
    browser.click("Continue as Ada Lovelace")
    browser.sees("Who are you at Notebook and Album?")
    assert is_good()
    browser.click("Continue as Ada Lovelace")
    browser.sees("Add a note")
    assert is_good()
    browser.click("Allow")
    browser.sees("Your notes at Notebook")
    assert is_good()
    browser.click("Back to the steps")
    browser.click("Call the API")
    browser.sees("Notebook knows you as Ada Lovelace")
    assert is_good()
    browser.click("Back to the steps")
    browser.click("Count the notes in a job")
    browser.sees("The job counted")
    assert is_good()
    browser.click("Back to the steps")
    browser.click("Connect to Album")
    browser.sees("OAuth 1 has no scopes")
    assert is_good()
    browser.click("Allow")
    browser.sees("Call Album")
    assert is_good()
    browser.click("Connected applications at Notebook")
    browser.sees("The example site")
    assert is_good()
    browser.click("To the example site")
    browser.click("Your connections")
    browser.sees("You can sign in with this account.")
    assert is_good()
    browser.open(f"{site.origin}/")
    browser.click("Open the admin as Grace Hopper")
    browser.sees("Select OAuth token to view")
    # The admin of Django has no icon.
    log = [entry["message"] for entry in browser.driver.get_log("browser")]
    assert [message for message in log if "/favicon.ico" not in message] == []


def test_a_browser_that_declines_gets_a_page(browser, site):
    browser.open(f"{site.origin}/")
    browser.click("Continue as Grace Hopper")
    browser.click("Connect to Notebook")
    browser.click("Continue as Grace Hopper")
    browser.click("Do not allow")
    browser.sees("You did not give permission, so nothing has changed.")


def test_a_link_on_another_site_leads_to_a_button(browser, site, elsewhere):
    browser.open(f"{site.origin}/")
    browser.click("Continue as Grace Hopper")
    browser.sees("Hello, Grace.")
    browser.open(elsewhere)
    browser.click("To the login")
    browser.sees("Connect to Notebook?")
    assert browser.path == "/login/notebook/"
    browser.click("Continue to Notebook")
    browser.click("Continue as Grace Hopper")
    browser.click("Allow")
    browser.sees("Hello, Grace. You are connected.")
    browser.click("Disconnect")


def test_a_dance_works_with_a_strict_session_cookie(browser, strict_site):
    client = strict_site.origin
    browser.open(f"{client}/")
    browser.click("Continue as Ada Lovelace")
    browser.click("Connect to Notebook")
    browser.sees("Who are you at Notebook and Album?")
    assert browser.driver.current_url.startswith(strict_site.providers)
    browser.click("Continue as Ada Lovelace")
    browser.click("Allow")
    browser.sees("Hello, Ada. You are connected.")
    assert browser.driver.current_url == f"{client}/"
    log = strict_site.log.read_text()
    assert log.count("GET /login/notebook/authorized/") == 2
    assert log.count("POST /notebook/token/") == 1


def test_a_browser_dances_under_a_strict_content_security_policy(browser, site_with_policy):
    client = site_with_policy.origin
    browser.open(f"{client}/")
    browser.click("Continue as Ada Lovelace")
    browser.click("Connect to Notebook")
    browser.sees("Connect to Notebook?")
    assert browser.css("button", "cursor") == "pointer"
    browser.click("Continue to Notebook")
    browser.sees("Who are you at Notebook and Album?")
    assert browser.driver.current_url.startswith(site_with_policy.providers)
    browser.click("Continue as Ada Lovelace")
    browser.click("Allow")
    browser.sees("Hello, Ada. You are connected.")
    assert browser.driver.current_url == f"{client}/"
    browser.click("Disconnect")
    browser.sees("You are not connected to Notebook yet.")


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
    browser.click("Continue as Ada Lovelace")
    browser.sees("Allow")


def test_the_text_of_a_form_survives_a_lost_connection(browser, site_with_policy):
    driver = browser.driver
    browser.open(f"{site_with_policy.origin}/")
    browser.click("Continue as Grace Hopper")
    browser.sees("Hello, Grace.")
    browser.open(f"{site_with_policy.origin}/notes/")
    browser.click("Continue to Notebook")
    browser.click("Continue as Grace Hopper")
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
    """A user of the client, who is logged in at the provider as somebody else."""

    def __init__(self, browser, site, name: str) -> None:
        self.browser, self.site = browser, site
        self.open_client("/").click(f"Continue as {name}")
        browser.sees(f"Hello, {name.split()[0]}.")

    def open_client(self, path: str):
        self.browser.open(f"{self.site.origin}{path}")
        return self.browser

    def be_at_notebook(self, name: str) -> None:
        """Log in at the provider as another person."""
        self.browser.open(f"{self.site.providers}/sign-in/?next=/notebook/applications/")
        self.browser.click(f"Continue as {name}")
        self.browser.sees("Connected applications")

    def connect(self, link: str) -> None:
        """Begin a dance by a link of the page of connections."""
        self.open_client("/login/connections/").click(link)
        self.browser.click("Continue to Notebook")

    def revoke_at_notebook(self, name: str) -> None:
        self.be_at_notebook(name)
        self.browser.click("Disconnect")
        self.browser.sees("No application is connected.")


def test_a_browser_connects_repairs_and_ends_connections(browser, axe, site_with_policy):
    """Two accounts; one is revoked; the wrong account returns, then the right one."""
    visitor = Visitor(browser, site_with_policy, "Ada Lovelace")
    visitor.open_client("/login/connections/")
    browser.sees("This site is not connected to any of your accounts.")
    assert is_accessible(browser, axe)

    visitor.be_at_notebook("Ada Lovelace")
    visitor.connect("Connect to Notebook")
    browser.click("Allow")
    browser.sees("Your connections")
    visitor.connect("Connect another account of Notebook")
    browser.click("Continue as Grace Hopper")
    browser.click("Allow")
    browser.sees("Grace Hopper Default account")

    visitor.revoke_at_notebook("Grace Hopper")
    visitor.open_client("/").click("Let it expire now")
    browser.sees("Valid")
    visitor.open_client("/profile/")
    browser.sees("The permission that was just granted is no longer accepted.")
    visitor.open_client("/login/connections/")
    browser.sees("Must be connected again. Notebook says that the permission was withdrawn.")
    assert is_accessible(browser, axe)

    visitor.connect("Reconnect")
    browser.click("Continue as Ada Lovelace")
    browser.sees("You connected Ada Lovelace; Grace Hopper is still needed")
    assert is_accessible(browser, axe)
    browser.click("Your connections")
    browser.sees("Must be connected again. Notebook says that the permission was withdrawn.")

    visitor.connect("Reconnect")
    browser.click("Continue as Grace Hopper")
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
    assert is_accessible(browser, axe)
    browser.click("Disconnect")
    browser.sees("Ada Lovelace at Notebook is disconnected.")
    assert "Grace Hopper" in browser.text
    browser.click("Disconnect")
    browser.click("Disconnect")
    browser.sees("This site is not connected to any of your accounts.")


def test_the_page_of_connections_can_be_used_by_keyboard(browser, site_with_policy):
    from selenium.webdriver.common.keys import Keys

    visitor = Visitor(browser, site_with_policy, "Grace Hopper")
    visitor.be_at_notebook("Ada Lovelace")
    visitor.connect("Connect to Notebook")
    browser.click("Allow")
    browser.sees("Connect another account of Notebook")
    names = []
    for _ in range(4):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        names.append(browser.driver.switch_to.active_element.accessible_name)
    assert names == [
        "Do not use for sign-in: Ada Lovelace at Notebook",
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
