"""The users: each connects, calls, disconnects and connects again, at one site or the other."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urljoin

import requests

from .journal import Answer, Journal, Loss
from .provider import LIFETIME, Provider
from .sites import Site

#: The pages that call the API for the user: in a view, in an async view, and in a transaction.
CALLS = ["/profile/", "/profile.json", "/profile/in-a-transaction/"]
#: Seconds until a user gives up. The lease of a worker that was killed lasts 17 seconds.
PATIENCE = 40
#: The shortest and the longest pause between two steps, in seconds.
PAUSE = (0.05, 0.8)


def user_names(count: int) -> list[str]:
    return [f"user{number:02}" for number in range(count)]


class Page(NamedTuple):
    """An answer with its content."""

    answer: Answer
    location: str
    text: str

    @property
    def headline(self) -> str:
        """The title of a page of HTML, or the beginning of another answer."""
        title = re.search(r"<title>(.*?)</title>", self.text, re.DOTALL)
        return " ".join((title[1] if title else self.text[:100]).split())

    @property
    def asks_to_connect(self) -> bool:
        """Whether the site answers in this way because it has no token of the user."""
        if self.answer.status == 302:
            return self.location.startswith("/login/notebook/")
        return self.answer.status in (401, 403) and "/login/notebook/" in self.text


class User:
    """A user with a browser. The user's account at the provider has the same name."""

    #: Whether the sites must have a token of the user. After a request that ended in the middle of
    #: a dance or of a disconnection it is not known whether they have one; then they need not.
    is_connected = False

    def __init__(
        self, name: str, sites: list[Site], provider: Provider, journal: Journal, seed: int
    ) -> None:
        self.name, self.sites, self.provider, self.journal = name, sites, provider, journal
        self._random = random.Random(f"{seed} {name}")
        self._browser = requests.Session()
        self._browser.trust_env = False
        # No connection is kept: it would end with a worker that is killed between two requests.
        self._browser.headers["Connection"] = "close"
        self._browser.headers["Accept"] = "text/html"
        self._browser.headers["Sec-Fetch-Mode"] = "navigate"

    def live(self, stop: threading.Event) -> None:
        """Visit the sites until the soak stops."""
        steps, weights = zip(*STEPS.items(), strict=True)
        while not stop.wait(self._random.uniform(*PAUSE)):
            if not self.is_connected:
                self.connect()
            else:
                (step,) = self._random.choices(steps, weights)
                step(self)

    # --- steps ------------------------------------------------------------------------------------

    def log_in(self) -> None:
        """Log in. This happens before the first strike, so it must succeed.

        :raises RuntimeError: it did not.
        """
        site = self._choose_site()
        self._open(site, "/")
        page = self._submit(site, "/sign-in/", username=self.name)
        if page.answer.status >= 400:
            raise RuntimeError(f"{self.name} cannot log in: {page.answer}")

    def connect(self) -> None:
        """Go through the dance, at one site: the provider sends the user back to it."""
        site = self._choose_site()
        page = self._open(site, "/login/notebook/?next=/profile/")
        if not page.location.startswith(self.provider.url):
            self._note_unexpected(page)
            return
        authorized = self._browser.get(
            page.location, auth=(self.name, ""), allow_redirects=False, timeout=PATIENCE
        )
        page = self._open(site, authorized.headers["Location"])
        self.is_connected = page.location == "/profile/"
        if self.is_connected:
            self.journal.connected.append(self.name)
        else:
            self._note_unexpected(page)

    def call(self) -> None:
        """Open a page that calls the API."""
        self._read(self._open(self._choose_site(), self._choose_call()))

    def call_at_once(self) -> None:
        """Open three such pages at once, so that they may find the same expired token."""
        visits = [(self._choose_site(), self._choose_call()) for _ in range(3)]
        with ThreadPoolExecutor(len(visits)) as pool:
            pages = list(pool.map(self._open, *zip(*visits, strict=True)))
        # First the pages with data: they may have been answered before the connection was lost.
        for page in sorted(pages, key=lambda page: page.asks_to_connect):
            self._read(page)

    def disconnect(self) -> None:
        """Disconnect, and try to call: each site has to refuse from now on."""
        self.is_connected = False
        page = self._submit(self._choose_site(), "/login/notebook/disconnect/")
        if page.answer.status != 302:
            self._note_unexpected(page)
            return
        page = self._open(self._choose_site(), self._choose_call())
        if not page.asks_to_connect:
            self._note_unexpected(page)

    def withdraw(self) -> None:
        """End the grant at the provider, and try to call: each site has to tell it from now on.

        The next step is a dance, which uses the row of the connection again.
        """
        self.is_connected = False
        self.provider.end_grant(self.name)
        time.sleep(LIFETIME)  # then the token endpoint tells the site that the grant is dead
        pages = [self._open(self._choose_site(), self._choose_call()) for _ in range(2)]
        if pages[0].asks_to_connect:
            self.journal.withdrawn.append(self.name)
        for page in pages:
            if not page.asks_to_connect:
                self._note_unexpected(page)

    # --- answers ----------------------------------------------------------------------------------

    def _read(self, page: Page) -> None:
        """Compare the answer to a call with the expected one."""
        names = set(re.findall(r"user\d+", page.text.lower()))
        if page.asks_to_connect:
            if self.is_connected:
                reused = self.provider.find_reused_refresh(self.name)
                self.journal.losses.append(Loss(self.name, time.monotonic(), page.answer, reused))
            self.is_connected = False
        elif page.answer.status == 200 and names - {self.name}:
            self.journal.foreign.append(page.answer)
        elif page.answer.status != 200 or not names:
            self._note_unexpected(page)

    def _note_unexpected(self, page: Page) -> None:
        if not page.answer.is_failure:  # the verdict finds failures by itself
            self.journal.unexpected.append(replace(page.answer, error=page.headline))

    # --- the browser ------------------------------------------------------------------------------

    def _choose_site(self) -> Site:
        return self._random.choice(self.sites)

    def _choose_call(self) -> str:
        return self._random.choice(CALLS)

    def _submit(self, site: Site, path: str, **fields: str) -> Page:
        """Submit a form. Django accepts the value of its cookie as the form's."""
        token = self._browser.cookies.get("csrftoken", "")
        return self._open(site, path, {**fields, "csrfmiddlewaretoken": token})

    def _open(self, site: Site, path: str, form: dict[str, str] | None = None) -> Page:
        method = "GET" if form is None else "POST"
        sent = time.monotonic()
        status, location, text, error = None, "", "", ""
        try:
            response = self._browser.request(
                method,
                urljoin(site.url, path),
                data=form,
                timeout=PATIENCE,
                allow_redirects=False,
            )
        except requests.RequestException as exception:
            error = type(exception).__name__
        else:
            status, text = response.status_code, response.text
            location = response.headers.get("Location", "")
            if status == 500:
                error = _exception_of(text)
        request = f"{method} {path.partition('?')[0]}"
        answer = Answer(self.name, site.name, request, sent, time.monotonic(), status, error)
        self.journal.answers.append(answer)
        return Page(answer, location, text)


def _exception_of(page: str) -> str:
    """The name of the exception on Django's page for errors, which a site with DEBUG shows."""
    title = re.search(r"<title>\s*(\w+)", page)
    return title[1] if title else ""


#: The steps of a connected user → the weight of each in the choice of the next one.
STEPS: dict[Callable[[User], None], int] = {
    User.call: 12,
    User.call_at_once: 4,
    User.connect: 1,
    User.disconnect: 1,
    User.withdraw: 1,
}
