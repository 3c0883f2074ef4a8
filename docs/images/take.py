"""Take the pictures of the documents from the running demo: `python docs/images/take.py` (needs Chromium and its driver)."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cds_service.demo.stack import Stack

HERE = Path(__file__).parent
PATIENT = "bertrand-sampleton"
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


if __name__ == "__main__":
    with Stack(progress=print) as running:
        for suffix, (width, height) in SIZES.items():
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                driver = browser(width, height, profile)
                try:
                    take(driver, running, suffix)
                finally:
                    driver.quit()
