"""Take the pictures of the documents from the running demo: `python docs/images/take.py` (needs Chromium and its driver)."""

from __future__ import annotations

import base64
import shutil
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cds_service.demo.stack import Stack

HERE = Path(__file__).parent
PATIENT = "bertrand-sampleton"
STAY = "dorothea-fictiva"
OTHERS = ("bertrand-sampleton", "carmen-exampleby", "edgar-mockridge", "gus-dummond")
CODER = "ledger"
READ_S = 8
SIZES = {"": (1280, 860), "-phone": (390, 844)}


def browser(width: int, height: int, profile: str) -> webdriver.Chrome:
    """Return a headless browser with a page of exactly this size."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    options.add_experimental_option("mobileEmulation", {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 1, "touch": width < 500}})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def shown(driver: webdriver.Chrome, selector: str) -> None:
    """Wait until an element is there."""
    WebDriverWait(driver, 30).until(lambda d: d.find_elements(By.CSS_SELECTOR, selector))


def take(driver: webdriver.Chrome, stack: Stack, suffix: str) -> None:
    """Walk from the chart to the review and take a picture of each."""
    for pause in (READ_S, 0):  # notes that a busy machine had no time for are read afterwards: the second call has them
        driver.get(f"{stack.site.ehr_url}/patients/{PATIENT}")
        shown(driver, "article.card")
        time.sleep(pause)
    driver.save_screenshot(str(HERE / f"chart{suffix}.png"))
    driver.get(driver.find_element(By.CSS_SELECTOR, "article.card a.button").get_attribute("href"))
    shown(driver, "mark")
    driver.save_screenshot(str(HERE / f"review{suffix}.png"))


def take_summary(driver: webdriver.Chrome, stack: Stack) -> None:
    """As the coder, decide on a stay, write it to the chart, and take a picture of the summary."""
    driver.get(stack.site.ehr_url)
    sign_in = "const f = document.createElement('form'); f.method = 'post'; f.action = '/user'; const i = document.createElement('input'); i.name = 'user';"
    driver.execute_script(f"{sign_in} i.value = arguments[0]; f.append(i); document.body.append(f); f.submit();", CODER)
    driver.get(f"{stack.site.ehr_url}/patients/{STAY}/launch")
    shown(driver, "html[data-ready='true']")
    for number in range(5):
        driver.execute_script("document.querySelector('.card.code[data-state=open] .accept').click()")
        WebDriverWait(driver, 30).until(lambda d, n=number: len(d.find_elements(By.CSS_SELECTOR, ".card.code[data-state=accept]")) > n)
    driver.execute_script("document.getElementById('tab-summary').click()")
    shown(driver, ".entry:nth-child(5)")
    driver.execute_script("document.getElementById('write-button').click()")
    shown(driver, ".entry[data-state=sent]:nth-child(5)")
    driver.execute_script("document.getElementById('toast').replaceChildren(); document.activeElement.blur()")
    keep(driver, "summary")


def take_lists(driver: webdriver.Chrome, stack: Stack) -> None:
    """As the coder, open some charts, and take a picture of the work list and of the pilot's figures."""
    for patient in OTHERS:
        driver.get(f"{stack.site.ehr_url}/patients/{patient}/launch")
        shown(driver, "html[data-ready='true']")
    chart = driver.current_url.split("#")[0]
    driver.get(f"{chart}/worklist")
    shown(driver, ".worklist")
    keep(driver, "worklist")
    driver.get(f"{chart}/pilot?change={date.today() - timedelta(days=30)}")
    shown(driver, "#by-code")
    keep(driver, "pilot")


def keep(driver: webdriver.Chrome, name: str) -> None:
    """Keep a picture of the page."""
    picture = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 82})
    (HERE / f"{name}.webp").write_bytes(base64.b64decode(picture["data"]))


if __name__ == "__main__":
    with Stack(progress=print) as running:
        for suffix, (width, height) in SIZES.items():
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                driver = browser(width, height, profile)
                try:
                    take(driver, running, suffix)
                    if not suffix:
                        take_summary(driver, running)
                        take_lists(driver, running)
                finally:
                    driver.quit()
