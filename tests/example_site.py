"""The example project, run as `make demo` runs it, and a person who visits it."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from .chromium import PATIENCE
from .loopback import reserved_port
from .servers import end

ROOT = Path(__file__).parents[1]
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
    """A running example project: the client, and the providers as another site."""

    def __init__(self, folder: Path, port: int = 8000, **environment: str) -> None:
        self.port = port
        self.origin = f"http://localhost:{self.port}"
        self.providers = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
            "DEMO_PORT": str(self.port),
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
                end(server, PATIENCE)

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
    return ada.follow("Connect to Notebook").press("Continue as Ada Lovelace").press("Allow")
