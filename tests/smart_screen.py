"""One browser window in front of the SMART stage."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import JavascriptException, NoSuchElementException, StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from tests.smart_stage import ENCOUNTER, NOTE, PATIENT, Stage, chart_resources

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NEEDS_CHROMIUM = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs the system packages chromium and chromium-driver")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


class Screen:
    """One browser window on the stage."""

    def __init__(self, driver: webdriver.Chrome, stage: Stage) -> None:
        self.driver = driver
        self.stage = stage

    def open(self, width: int, height: int, note: str = NOTE, *, dark: bool = False, keep: bool = False) -> None:
        """Launch from the chart and wait until the page is ready; `keep` leaves the EHR's records as they are."""
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        calm = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, calm]})
        self.driver.get_log("browser")  # what an earlier test left
        if not keep:
            self.stage.ehr.resources = chart_resources(note)
        self.driver.get(f"{self.stage.url}/smart/launch?iss={self.stage.ehr.iss}&launch={self.stage.ehr.launch(PATIENT, ENCOUNTER)}")
        self.until(lambda: self.js("return document.documentElement.dataset.ready === 'true'"))

    def resize(self, width: int, height: int) -> None:
        """Give the page a viewport of exactly this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def js(self, script: str, *arguments: object) -> Any:
        """Run a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def until(self, condition: Any) -> None:
        """Wait for a condition, at most fifteen seconds: other processes share the machine."""
        # While a page is loaded anew its elements come and go.
        passing = (StaleElementReferenceException, NoSuchElementException, JavascriptException)
        def settled(_: object) -> Any:
            try:
                return condition()
            except WebDriverException as error:
                if "does not belong to the document" in str(error):  # an element that left between finding and reading it
                    return False
                raise

        WebDriverWait(self.driver, 15, poll_frequency=0.02, ignored_exceptions=passing).until(settled)

    def one(self, selector: str) -> WebElement:
        """Return the first element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """Return all elements."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def card(self, code: str) -> WebElement:
        """Return the card of a code."""
        return self.one(f".card[data-code='{code}']")

    def press(self, keys: str) -> None:
        """Type where the focus is."""
        ActionChains(self.driver).send_keys(keys).perform()

    def in_view(self, element: WebElement) -> bool:
        """Tell whether an element's middle is what one sees at its place."""
        return bool(
            self.js(
                "const r = arguments[0].getClientRects()[0]; const at = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);"
                "return at !== null && (at === arguments[0] || arguments[0].contains(at) || at.contains(arguments[0]));",
                element,
            )
        )

    def lit(self) -> list[str]:
        """Return the words that are lit."""
        return [str(e.get_attribute("textContent")) for e in self.all(".words.on")]

    def state(self, code: str) -> str:
        """Return what is decided about a code."""
        return str(self.card(code).get_attribute("data-state"))


    def show(self, panel: str) -> None:
        """Bring a panel to the front."""
        self.js("document.getElementById(arguments[0]).click()", f"tab-{panel}")
        self.until(lambda: self.one(f"#{panel}").is_displayed())

    def accept(self, *codes: str) -> None:
        """Accept codes with the pointer."""
        self.show("codes")
        for code in codes:
            self.js("arguments[0].click()", self.card(code).find_element(By.CSS_SELECTOR, ".accept"))
            self.until(lambda code=code: self.state(code) == "accept")

    def settle(self) -> None:
        """Wait until the summary shows what stands."""
        self.until(lambda: self.one("#sheet").get_attribute("aria-busy") != "true")

    def entries(self) -> list[tuple[str, str]]:
        """Return codes and states of the summary, in order."""
        return [(str(e.get_attribute("data-code")), str(e.get_attribute("data-state"))) for e in self.all("#entries .entry")]


def chromium(profile: Path) -> webdriver.Chrome:
    """Return a headless Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
