"""Shared by the browser tests of the app: one Chromium a module, and a window in front of a fresh service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium import webdriver

    from tests.smart_ehr import Ehr
    from tests.smart_screen import Screen


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A headless Chromium with a profile of its own."""
    from tests.smart_screen import chromium

    driver = chromium(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def browser_ehr() -> Iterator[Ehr]:
    """One EHR for all tests of a module."""
    from tests.smart_stage import running_ehr

    with running_ehr() as ehr:
        yield ehr


@pytest.fixture
def screen(chrome: webdriver.Chrome, browser_ehr: Ehr, tmp_path: Path) -> Iterator[Screen]:
    """The browser in front of a fresh service: Practitioner/7 is the coder, Practitioner/9 the auditor, anybody else a clinician."""
    from tests.smart_screen import Screen
    from tests.smart_stage import running_service

    issuer = {"coders": ["Practitioner/7"], "auditors": ["Practitioner/9"], "writes": ["Condition", "Provenance", "Communication", "Claim"]}
    browser_ehr.user, browser_ehr.user_name = "Practitioner/7", "Dr. Ada Testing"
    with running_service(tmp_path, browser_ehr, issuer=issuer) as stage:
        yield Screen(chrome, stage)
        chrome.get("about:blank")
