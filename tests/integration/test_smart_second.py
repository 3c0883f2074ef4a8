"""Second readings and straight-through candidates on the work list, over real HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.common.by import By

from smart_app.history import Place
from smart_app.second_reading import chosen
from tests.smart_ehr import Ehr
from tests.smart_screen import NEEDS_CHROMIUM, RULES, Screen
from tests.smart_stage import ENCOUNTER, PATIENT, Browser, Stage, running_service

PEOPLE = {"coders": ["Practitioner/7", "Practitioner/8", "Practitioner/10"], "auditors": ["Practitioner/9"]}
PLACE = Place("default", f"Patient/{PATIENT}", f"Encounter/{ENCOUNTER}")
MARKS = 'name = "All visits"\n[[rule]]\nid = "visits"\nsettings = ["outpatient"]\nleast_confidence = 0.5\n'


@pytest.fixture
def twice(tmp_path: Path, ehr: Ehr) -> Iterator[Stage]:
    """A service that sends every finished encounter to a second coder."""
    with running_service(tmp_path, ehr, issuer={**PEOPLE, "second_share": 1.0}) as stage:
        yield stage


def enter(stage: Stage, number: int, name: str) -> tuple[Browser, requests.Response]:
    """Open the chart as a person, and return their browser and page."""
    stage.ehr.user, stage.ehr.user_name = f"Practitioner/{number}", name
    browser = stage.browser()
    return browser, stage.open(browser)


def codes(page: requests.Response) -> list[str]:
    """Return the suggested codes of a page."""
    return re.findall(r'<article class="card code" id="[^"]+" data-code="([^"]+)"', page.text)


def states(page: requests.Response) -> set[str]:
    """Return how the suggested codes of a page stand."""
    return set(re.findall(r'<article class="card code"[^>]*data-state="([^"]+)"', page.text))


def post(browser: Browser, page: requests.Response, ending: str, **form: Any) -> requests.Response:
    """Send a form of the page."""
    return browser.post(f"{page.url.split('#')[0]}/{ending}", data={"csrf": browser.csrf(page), **form}, timeout=20)


def code_and_finish(stage: Stage) -> tuple[Browser, requests.Response]:
    """Let Ada accept everything but the last code, and finish the encounter."""
    browser, page = enter(stage, 7, "Ada First")
    for code in codes(page)[:-1]:
        assert browser.decide(page, code, "accept").status_code == 200
    assert browser.decide(page, codes(page)[-1], "reject", reason="not-supported").status_code == 200
    assert post(browser, page, "assign", patient=PLACE.patient, encounter=PLACE.encounter, move="finish", seen="0").status_code == 200
    return browser, page


def test_a_second_coder_reads_blind_and_both_are_compared(twice: Stage) -> None:
    """From the sample to the comparison: the second sees nothing of the first, changes nothing of it, and both stand side by side afterwards."""
    code_and_finish(twice)
    bo, page = enter(twice, 8, "Bo Second")
    assert "This encounter waits for a second reading." in page.text
    assert "Ada First" not in page.text
    assert states(page) == {"open"}
    assert 'class="decide"' not in page.text
    assert bo.decide(page, codes(page)[0], "accept").status_code == 403
    listed = bo.get(f"{page.url}/worklist?show=second", timeout=20).text
    assert "Waits for a second reading" in listed
    page = post(bo, page, "second", move="take", seen="0")
    assert "You read this encounter a second time." in page.text
    for code in codes(page):
        assert bo.decide(page, code, "accept").status_code == 200
    page = bo.get(page.url, timeout=20)
    assert states(page) == {"accept"}
    assert "Ada First" not in page.text
    assert bo.get(f"{page.url}/standing", timeout=20).text.count("Bo Second") == len(codes(page))
    seen = re.search(r'action="[^"]+/second".*?name="seen" value="(\d+)"', page.text)
    assert seen
    page = post(bo, page, "second", move="finish", seen=seen[1])
    assert f"{len(codes(page)) - 1} of {len(codes(page))} codes alike" in page.text
    assert states(page) == {"accept", "reject"}
    compared = bo.get(f"{page.url}/second", timeout=20)
    assert compared.status_code == 200
    assert compared.text.count("<td>no</td>") == 1
    ada, page = enter(twice, 7, "Ada First")
    assert "Bo Second" not in re.sub(r'<div class="who">.*?</div>', "", page.text, flags=re.S)
    told = twice.application.store.engine.connect().exec_driver_sql("SELECT event FROM audit_event WHERE kind = 'decision'").scalars()
    assert sum('"reading":2' in event for event in told) == len(codes(page))
    assert f"Read twice: {len(codes(page)) - 1} of {len(codes(page))} codes alike" in ada.get(f"{page.url}/worklist", timeout=20).text


def test_nothing_else_tells_a_second_reader_of_the_first(twice: Stage) -> None:
    """Summary, export, history, order, writing, queries and a fresh review are closed to who reads blind, before and after taking it."""
    code_and_finish(twice)
    bo, page = enter(twice, 8, "Bo Second")
    for taken in (False, True):
        if taken:
            page = post(bo, page, "second", move="take", seen="0")
        for ending in ("summary", "summary.csv", "summary.json", "history", "second"):
            assert bo.get(f"{page.url}/{ending}", timeout=20).status_code == 403, ending
        for ending in ("arrange", "write", "queries", "fresh"):
            assert post(bo, page, ending, seen="0").status_code == 403, ending
    assert twice.ehr.written("Condition") == []


def test_who_had_a_part_in_the_first_cannot_be_the_second(twice: Stage) -> None:
    """The first coder sees their own work and can't take the second reading; nor can a clinician or an auditor, who see what stands."""
    ada, page = code_and_finish(twice)
    assert states(ada.get(page.url, timeout=20)) == {"accept", "reject"}
    assert post(ada, page, "second", move="take", seen="0").status_code == 403
    for number, name in ((9, "Vera Auditor"), (12, "Dr. Cy")):
        browser, page = enter(twice, number, name)
        assert states(page) == {"accept", "reject"}
        assert post(browser, page, "second", move="take", seen="0").status_code == 403


def test_two_who_want_the_same_second_reading(twice: Stage) -> None:
    """One gets it; the other is told, still sees nothing of the first, and gets it when it is given back."""
    code_and_finish(twice)
    bo, bo_page = enter(twice, 8, "Bo Second")
    cy, cy_page = enter(twice, 10, "Cy Third")
    bo_page = post(bo, bo_page, "second", move="take", seen="0")
    assert post(cy, cy_page, "second", move="take", seen="0").status_code == 403
    cy_page = cy.get(cy_page.url, timeout=20)
    assert "Another coder reads this encounter a second time." in cy_page.text
    assert "Ada First" not in cy_page.text
    assert post(bo, bo_page, "second", move="finish", seen="1").status_code == 422  # nothing is decided yet
    assert post(bo, bo_page, "second", move="release", seen="1").status_code == 200
    assert "You read this encounter" in post(cy, cy_page, "second", move="take", seen="2").text


def test_without_a_share_nothing_is_read_twice(tmp_path: Path, ehr: Ehr) -> None:
    """Off by default: a colleague sees what was decided."""
    with running_service(tmp_path, ehr, issuer=PEOPLE) as stage:
        code_and_finish(stage)
        _, page = enter(stage, 8, "Bo Second")
        assert states(page) == {"accept", "reject"}
        assert "second reading" not in page.text


def test_the_sample_is_a_share_of_the_encounters() -> None:
    """About a tenth of ten thousand encounters, the same ones each time; none of none, all of all."""
    places = [Place("default", f"Patient/{n}", f"Encounter/{n}") for n in range(10_000)]
    sample = [chosen(place, 0.1) for place in places]
    assert 900 < sum(sample) < 1100
    assert sample == [chosen(place, 0.1) for place in places]
    assert not any(chosen(place, 0.0) for place in places)
    assert all(chosen(place, 1.0) for place in places)


def test_candidates_are_marked_by_the_customers_rule_alone(tmp_path: Path, ehr: Ehr) -> None:
    """With a rule the work list marks and filters; nothing is decided, finished or written by it. Without one there is no such word."""
    rules = tmp_path / "rules.toml"
    rules.write_text(MARKS, encoding="utf-8")
    with running_service(tmp_path, ehr, issuer={**PEOPLE, "straight_through": str(rules)}) as stage:
        browser, page = enter(stage, 7, "Ada First")
        document = stage.store.latest("default", PATIENT, ENCOUNTER)
        assert document is not None
        stage.store.keep("default", document | {"id": "plain", "created": "2099-01-01T00:00:00+00:00", "queries": [], "claimFindings": []})
        listed = browser.get(f"{page.url}/worklist?show=straight", timeout=20).text
        assert "straight-through: visits" in listed
        assert "All visits" in listed
        assert states(browser.get(page.url, timeout=20)) == {"open"}
        assert stage.ehr.written("Condition") == []
        stage.store.keep("default", document | {"id": "asks", "created": "2099-01-02T00:00:00+00:00", "queries": [{"id": "q"}], "claimFindings": []})
        assert "straight-through: visits" not in browser.get(f"{page.url}/worklist", timeout=20).text
    folder = tmp_path / "without"
    folder.mkdir()
    with running_service(folder, ehr, issuer=PEOPLE) as stage:
        browser, page = enter(stage, 7, "Ada First")
        assert "traight-through" not in browser.get(f"{page.url}/worklist", timeout=20).text


@NEEDS_CHROMIUM
def test_axe_finds_nothing_while_reading_blind(chrome: webdriver.Chrome, twice: Stage) -> None:
    """WCAG 2.2 AA on the blind page, before and after it is taken, and on the comparison; keys decide for the second reader, who sees no summary."""
    code_and_finish(twice)
    twice.ehr.user, twice.ehr.user_name = "Practitioner/8", "Bo Second"
    screen = Screen(chrome, twice)
    screen.open(1280, 800, keep=True)
    clean(screen)
    review = screen.driver.current_url.split("#")[0]
    screen.driver.get(f"{review}/worklist")
    assert "Waits for a second reading" in screen.one("tr.finished").text
    clean(screen)
    screen.driver.get(review)
    screen.js("document.querySelector('#second-notice [value=take]').click()")
    screen.until(lambda: screen.all("#second-notice [value=finish]"))
    screen.until(lambda: screen.js("return document.documentElement.dataset.ready === 'true'"))
    clean(screen)
    for card in screen.all(".card.code"):
        code = card.get_attribute("data-code")
        screen.js("arguments[0].click()", card.find_element(By.CSS_SELECTOR, ".accept"))
        screen.until(lambda code=code: screen.card(code).get_attribute("data-state") == "accept")
    screen.js("document.querySelector('#second-notice [value=finish]').click()")
    screen.until(lambda: screen.all("a[href$='/second']"))
    screen.driver.get(f"{screen.driver.current_url.split('#')[0]}/second")
    assert screen.all("main table")
    clean(screen)
    chrome.get("about:blank")


def clean(screen: Screen) -> None:
    """Assert that axe finds nothing, and that the browser refused nothing."""
    found = Axe().run(screen.driver, options=RULES)["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []
    assert [entry for entry in screen.driver.get_log("browser") if entry["level"] == "SEVERE"] == []
