"""The guide, as `make docs` builds it, in a real browser."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = [pytest.mark.repository, pytest.mark.interop]

DOCS = Path(__file__).resolve().parents[2] / "docs"
#: Pages of each kind: a text, diagrams, wide tables, a filter, a generated page.
KINDS = ["index", "quickstart", "how-oauth-works", "settings", "catalogue", "catalogue/github"]
#: Recommendations of axe about the frame around the text, which the theme makes. They are no rules
#: of WCAG.
OF_THE_THEME = ("region:", "landmark-unique:")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder with the HTML of the guide."""
    built = tmp_path_factory.mktemp("guide")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet", "-b", "html"]
    made = subprocess.run([*command, DOCS, built], capture_output=True, text=True)
    assert (made.returncode, made.stderr) == (0, "")
    return built


@pytest.fixture(scope="module")
def guide(folder):
    """The address of the guide."""
    handler = partial(Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_no_page_scrolls_sideways(chromium, guide, folder):
    pages = sorted(page.relative_to(folder) for page in folder.rglob("*.html"))
    wide = []
    for width in (360, 1280):
        chromium.resize(width)
        for page in pages:
            chromium.open(f"{guide}/{page}")
            if chromium.overflow > 0:
                wide.append((width, str(page), chromium.overflow))
    assert wide == []
    assert len(pages) > 100


@pytest.mark.parametrize("page", KINDS)
def test_a_page_is_accessible_in_the_light_and_in_the_dark(chromium, axe, guide, page):
    chromium.open(f"{guide}/{page}.html")
    for width in (360, 1280):
        for scheme in ("light", "dark"):
            chromium.resize(width)
            chromium.prefer(scheme)
            broken = [
                rule for rule in chromium.violations(axe) if not rule.startswith(OF_THE_THEME)
            ]
            assert broken == [], (width, scheme)
    assert chromium.driver.get_log("browser") == []


def test_the_filter_of_the_catalogue_hides_the_other_presets(chromium, guide):
    from selenium.webdriver.common.by import By

    chromium.open(f"{guide}/catalogue.html")
    field = chromium.driver.find_element(By.CSS_SELECTOR, ".filter input")
    field.send_keys("OAuth 1 tumb")
    chromium.sees("1 of ")
    rows = chromium.driver.find_elements(By.CSS_SELECTOR, ".filter tbody tr")
    assert [row.text.split()[0] for row in rows if row.is_displayed()] == ["Tumblr"]


def test_a_code_block_has_a_button_to_copy_it(chromium, guide):
    from selenium.webdriver.common.by import By

    chromium.open(f"{guide}/quickstart.html")
    blocks = chromium.driver.find_elements(By.CSS_SELECTOR, "div.highlight pre")
    buttons = chromium.driver.find_elements(By.CSS_SELECTOR, "button.copybtn")
    assert len(buttons) == len(blocks) > 5


def test_a_diagram_is_drawn_and_told(folder):
    page = (folder / "how-oauth-works.html").read_text("utf-8")
    assert page.count('<svg class="sequence"') == 4
    assert "14. 302 to /profile/</text>" in page
    assert "<p>Site to Browser: 302 to /profile/</p>" in page


def test_a_page_has_a_link_to_edit_it(folder):
    address = "https://github.com/django-dance/django-dance/edit/main/docs/quickstart.md"
    assert address in (folder / "quickstart.html").read_text("utf-8")
