"""Chromium, for the tests that need a real browser."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = Path("/usr/bin/chromium")
CHROMEDRIVER = Path("/usr/bin/chromedriver")
#: The seconds that a page may take on a busy machine.
PATIENCE = 60


class Chromium:
    """Chromium, and the little a person does with it."""

    def __init__(self, folder: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for argument in (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--window-size=1000,900",
            f"--user-data-dir={folder}",
        ):
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options, Service(str(CHROMEDRIVER)))
        self.driver.set_page_load_timeout(PATIENCE)

    def open(self, url: str) -> None:
        self.driver.get(url)

    def _wait(self, condition, wanted: str):
        from selenium.common.exceptions import TimeoutException, WebDriverException
        from selenium.webdriver.support.wait import WebDriverWait

        # The page may be replaced while it is looked at, which drivers say in many ways.
        wait = WebDriverWait(self.driver, PATIENCE, ignored_exceptions=[WebDriverException])
        try:
            return wait.until(condition)
        except TimeoutException:
            pytest.fail(f"{self.driver.current_url} has no {wanted!r}:\n{self.text}")

    def click(self, text: str) -> None:
        """Click the link or the button that says ``text``, as soon as it is there."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.expected_conditions import element_to_be_clickable

        there = (By.XPATH, f'//*[self::a or self::button][normalize-space()="{text}"]')
        self._wait(element_to_be_clickable(there), text).click()

    def type(self, name: str, text: str) -> None:
        from selenium.webdriver.common.by import By

        self.driver.find_element(By.NAME, name).send_keys(text)

    def css(self, tag: str, property: str) -> str:
        """The value of a CSS property of the first such element."""
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.TAG_NAME, tag).value_of_css_property(property)

    def resize(self, width: int, height: int = 800) -> None:
        """Give the page the screen of a phone or of a computer."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Prefer ``"light"`` or ``"dark"`` pages."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    @property
    def overflow(self) -> int:
        """The pixels by which the page is wider than the screen."""
        root = "document.documentElement"
        return self.driver.execute_script(f"return {root}.scrollWidth - {root}.clientWidth")

    def violations(self, axe: str) -> list[str]:
        """The rules of axe that the page breaks, each with the elements.

        :param axe: the script, which the fixture returns.
        """
        self.driver.execute_script(axe)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run().then(r => done(r.violations), e => done([{id: String(e), nodes: []}]))"
        )
        return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found]

    def sees(self, text: str) -> None:
        """Wait until the page says ``text``."""
        self._wait(lambda driver: text in self.text, text)

    @property
    def text(self) -> str:
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.TAG_NAME, "body").text

    @property
    def path(self) -> str:
        return urlsplit(self.driver.current_url).path


@pytest.fixture
def axe(packages):
    """The script that finds elements which people with a disability cannot use."""
    return (packages / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture
def chromium(tmp_path):
    missing = [str(path) for path in (CHROMIUM, CHROMEDRIVER) if not path.exists()]
    if missing:
        reason = f"There is no {' and no '.join(missing)}: apt install chromium chromium-driver."
        pytest.skip(reason)
    opened = Chromium(tmp_path / "profile")
    yield opened
    opened.driver.quit()
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)
