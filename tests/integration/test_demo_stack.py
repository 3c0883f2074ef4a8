"""The demo as a whole: the check passes, a browser walks from chart to note, and nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from cds_service.demo.check import Check
from cds_service.demo.child import free_port
from cds_service.demo.command import demo
from cds_service.demo.errors import DemoError
from cds_service.demo.stack import Stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PATIENT = "bertrand-sampleton"
DEMO = [sys.executable, "-c", "from cds_service.cli import main; main()", "demo", "--no-browser"]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The running demo, shared by the tests of this file."""
    with Stack() as running:
        yield running


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A headless Chromium of its own, watched for errors of scripts."""
    if not CHROMIUM or not DRIVER:
        pytest.skip("chromium and chromedriver are not installed (apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path}")
    options.add_argument("--window-size=1280,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def wait_for(driver: Any, selector: str) -> Any:
    """Return the first element that matches, once it is there."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 30).until(lambda d: next(iter(d.find_elements(By.CSS_SELECTOR, selector)), None))


def test_a_browser_goes_from_the_chart_to_the_words_in_the_note(stack: Stack, browser: Any) -> None:
    """Open a chart, see cards, accept one suggestion, follow the SMART link, see the marked words on the note."""
    browser.get(stack.site.ehr_url)
    wait_for(browser, f"a[href='/patients/{PATIENT}']").click()
    card = wait_for(browser, "article.card")
    assert card.find_element("css selector", "h3").text
    assert "ms" in wait_for(browser, ".timings").text
    accept = wait_for(browser, ".suggestions form")
    label = accept.find_element("css selector", "span").text
    accept.find_element("css selector", "button").send_keys("\n")
    assert label in wait_for(browser, ".suggestions .done").text
    assert browser.switch_to.active_element.get_attribute("class") == "done"
    assert label.split()[0] in wait_for(browser, "#diagnoses").text
    wait_for(browser, "article.card a.button").click()
    browser.switch_to.window(browser.window_handles[-1])
    mark = wait_for(browser, "mark")
    assert browser.current_url.startswith(f"{stack.site.service_url}/smart/review")
    assert mark.text
    assert "access_token" not in browser.current_url
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_the_width(stack: Stack, browser: Any, width: int) -> None:
    """No page scrolls sideways, on a desk or in a hand."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 850, "deviceScaleFactor": 1, "mobile": width < 500})
    for path in ("/", f"/patients/{PATIENT}"):
        browser.get(f"{stack.site.ehr_url}{path}")
        if path != "/":
            wait_for(browser, "article.card")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, path
    browser.get(wait_for(browser, ".timings a").get_attribute("href"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width, browser.current_url


def test_the_check_passes(stack: Stack) -> None:
    """`marginalia demo --check`: every step of the path, told line by line."""
    lines: list[str] = []
    assert Check(stack.site, lines.append).run(), lines
    assert lines[-1] == "All well."
    assert [line for line in lines[:-1] if line.startswith("FAIL")] == []


def test_the_check_fails_where_a_part_is_away(stack: Stack) -> None:
    """A check that can't reach the EHR says so for every step, and is no success."""
    lines: list[str] = []
    assert not Check(replace(stack.site, ehr_url=f"http://127.0.0.1:{free_port()}"), lines.append).run()
    assert lines[0].startswith("FAIL")
    assert lines[-1].endswith("failed.")


def test_a_taken_port_is_told(stack: Stack) -> None:
    """A port that something listens on is named, and nothing is started."""
    port = int(stack.site.ehr_url.rpartition(":")[2])
    with pytest.raises(DemoError, match=f"Port {port} is taken"), Stack(port=port):
        pass


def test_it_stops_cleanly_by_ctrl_c(tmp_path: Path) -> None:
    """SIGINT stops all servers and removes all folders; the exit code is 0."""
    port = free_port()
    with started([*DEMO, "--port", str(port)], tmp_path) as (process, told):
        service = next((line.split()[1] for line in told if line.strip().startswith("Service")), None)
        assert service, (tmp_path / "stderr").read_text()
        assert requests.get(service, timeout=10).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert gone(service)
    assert gone(f"http://127.0.0.1:{port}/")
    assert list(tmp_path.glob("marginalia*")) == []


def test_it_stops_cleanly_while_it_starts(tmp_path: Path) -> None:
    """SIGTERM in the middle of the start: what runs already is stopped, and its folders are removed."""
    port = free_port()
    with started([*DEMO, "--port", str(port)], tmp_path) as (process, _):
        assert answers(f"http://127.0.0.1:{port}/oauth/jwks.json"), (tmp_path / "stderr").read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert gone(f"http://127.0.0.1:{port}/")
    assert list(tmp_path.glob("marginalia*")) == []


def test_children_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """A server of the demo doesn't outlive the demo, even where it had no chance to stop it."""
    script = "from cds_service.demo.fhir_server import FhirServer; import time\nwith FhirServer() as s: print(s.base_url, flush=True); time.sleep(60)"
    with started([sys.executable, "-c", script], tmp_path) as (process, told):
        url = f"{next(told).strip()}/metadata"
        assert requests.get(url, timeout=60).status_code == 200
        process.kill()
        process.wait(timeout=60)
    assert gone(url)


@contextlib.contextmanager
def started(command: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """Run a command with its temporary files in `folder`; give the process and the lines that it prints."""
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    with (folder / "stderr").open("wb") as errors, subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
        try:
            yield process, iter(process.stdout.readline, "") if process.stdout else iter(())
        finally:
            process.kill()


def answers(url: str) -> bool:
    """Tell whether something answers at `url`, within a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(url, timeout=60).ok
        time.sleep(0.05)
    return False


def gone(url: str) -> bool:
    """Tell whether nothing answers at `url`, within a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            requests.get(url, timeout=1)
        except requests.ConnectionError:
            return True
        time.sleep(0.05)
    return False


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra `demo` the command says what to install, and starts nothing."""
    monkeypatch.setattr("cds_service.demo.command.find_spec", lambda name: None)
    result = CliRunner().invoke(demo, [])
    assert isinstance(result.exception, DemoError)
    assert "sekmet" in result.exception.message
    assert "marginalia[demo]" in result.exception.remedy
