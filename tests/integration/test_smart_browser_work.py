"""The work of a coder and a clinician in a real browser: summary, order, writing, queries, two people at once, paper."""

from __future__ import annotations

import base64
import io

import pytest
from axe_core_python.selenium import Axe
from pypdf import PdfReader
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.integration.test_smart_page import keep
from tests.smart_screen import NEEDS_CHROMIUM, RULES, Screen

pytestmark = NEEDS_CHROMIUM
HOSTILE = "<img src=x onerror='window.hacked=1'>\u202etxet"


def ask(screen: Screen) -> None:
    """Keep a review with one query."""
    document = keep(screen.stage)
    query = {
        "id": "specificity.x",
        "family": "specificity",
        "title": f"Type {HOSTILE}",
        "question": f"Please state the type. {HOSTILE}",
        "indicators": document["diagnoses"][0]["evidence"][:1],
        "options": ["One", "Two", "Other (please specify)", "Unable to determine"],
        "rule": "gap.x",
        "reference": "AHIMA/ACDIS 2022",
        "priority": 1,
    }
    screen.stage.store.keep("default", document | {"id": "with-query", "queries": [query], "created": "2099-01-01T00:00:00+00:00"})


def codes(screen: Screen) -> list[str]:
    """Return the codes of the summary, in order."""
    return [code for code, _ in screen.entries()]


def test_from_launch_to_write_back(screen: Screen) -> None:
    """A coder's way: decide by keys, set the order by drag and by keys, write; the chart has it, in that order it stands after a reload."""
    screen.open(1280, 800)
    screen.accept("E11.22", "N18.31", "I12.9")
    screen.press("6")
    screen.settle()
    screen.until(lambda: codes(screen) == ["E11.22", "I12.9", "N18.31"])
    grips = screen.all("#entries .grip")
    down = grips[2].location["y"] - grips[0].location["y"] + 30
    ActionChains(screen.driver).click_and_hold(grips[0]).move_by_offset(0, down // 2).move_by_offset(0, down - down // 2).release().perform()
    screen.until(lambda: codes(screen) == ["I12.9", "N18.31", "E11.22"] and screen.one("#arrange [name=seen]").get_attribute("value") == "1")
    screen.js("document.querySelectorAll('#entries .grip')[2].focus()")
    screen.press(Keys.ARROW_UP)
    screen.until(lambda: codes(screen) == ["I12.9", "E11.22", "N18.31"] and screen.one("#arrange [name=seen]").get_attribute("value") == "2")
    assert screen.driver.switch_to.active_element.get_attribute("aria-label") == "E11.22, place 2 of 3"
    assert "E11.22 is now 2 of 3" in screen.one("#moved").get_attribute("textContent")
    screen.press(Keys.HOME)
    screen.until(lambda: codes(screen) == ["E11.22", "I12.9", "N18.31"] and screen.one("#arrange [name=seen]").get_attribute("value") == "3")
    assert screen.one("#entries .entry .role").text == "first-listed"
    screen.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.CONTROL + "z")
    screen.until(lambda: codes(screen) == ["I12.9", "E11.22", "N18.31"] and screen.one("#arrange [name=seen]").get_attribute("value") == "4")
    assert screen.stage.ehr.written("Condition") == []
    screen.js("document.getElementById('write-button').click()")
    screen.until(lambda: screen.one("#write-button").text == "Everything is in the EHR")
    assert [state for _, state in screen.entries()] == ["sent"] * 3
    assert len(screen.stage.ehr.written("Condition")) == 3
    screen.open(1280, 800, keep=True)
    screen.show("summary")
    assert screen.entries() == [("I12.9", "sent"), ("E11.22", "sent"), ("N18.31", "sent")]
    assert not screen.one("#write-button").is_enabled()


def test_an_ehr_that_is_down_is_told_and_tried_again(screen: Screen) -> None:
    """Nothing is lost in between: the page says what isn't through and tries again; a click in between is enough."""
    screen.open(1280, 800)
    screen.accept("E11.22")
    screen.show("summary")
    screen.until(lambda: screen.entries() == [("E11.22", "new")])
    screen.stage.ehr.behaviour.write_status = {"Condition": 503}
    try:
        screen.js("document.getElementById('write-button').click()")
        screen.until(lambda: "nothing is lost. It is tried again in 5 seconds" in screen.one("#write-problem").text)
        assert screen.entries() == [("E11.22", "waiting")]
    finally:
        screen.stage.ehr.behaviour.write_status = {}
    screen.js("document.getElementById('write-button').click()")
    screen.until(lambda: screen.entries() == [("E11.22", "sent")])
    assert len(screen.stage.ehr.written("Condition")) == 1


def test_a_refusal_is_told_with_a_way_out(screen: Screen) -> None:
    """A server that refuses: said on the entry, with copy and export beside it."""
    screen.open(1280, 800)
    screen.accept("E11.22")
    screen.show("summary")
    screen.until(lambda: screen.entries() == [("E11.22", "new")])
    screen.stage.ehr.behaviour.write_status = {"Condition": 405}
    try:
        screen.js("document.getElementById('write-button').click()")
        screen.until(lambda: screen.entries() == [("E11.22", "refused")])
    finally:
        screen.stage.ehr.behaviour.write_status = {}
    assert "doesn't take this kind of entry" in screen.one("#entries").text
    assert "Copy or export" in screen.one("#write-problem").text
    assert screen.one("#again-button").is_displayed()
    assert screen.one("a[href$='summary.csv']").is_displayed()


def test_two_people_at_one_chart_see_each_other(screen: Screen) -> None:
    """Two users at once: what the other decides shows by itself; deciding on an outdated state is told, and nothing is overwritten."""
    screen.open(1280, 800)
    other = screen.stage.browser()
    screen.stage.ehr.user, screen.stage.ehr.user_name = "Practitioner/8", "Bo Coder"
    page = screen.stage.open(other)
    assert other.decide(page, "E11.22", "reject", reason="other").status_code == 200
    screen.js("document.dispatchEvent(new CustomEvent('marginalia:look'))")
    screen.until(lambda: screen.state("E11.22") == "reject")
    assert "Bo Coder: E11.22 rejected" in screen.one("#toast").text
    assert other.decide(page, "I12.9", "reject", reason="other").status_code == 200
    screen.js("arguments[0].click()", screen.card("I12.9").find_element(By.CSS_SELECTOR, ".accept"))
    screen.until(lambda: "Bo Coder has decided on this code meanwhile" in screen.card("I12.9").find_element(By.CSS_SELECTOR, ".form-error").text)


def test_a_query_goes_from_coder_to_clinician_and_back(screen: Screen) -> None:
    """The question is answered in place and comes back as evidence, with a way to code on it; hostile words are words."""
    screen.open(1280, 800)
    ask(screen)
    screen.open(1280, 800, keep=True)
    screen.show("queries")
    screen.js("document.querySelector('#query-0 .open').click()")
    recipient = screen.one("#query-0 [name=recipient]")
    assert recipient.get_attribute("value") == "Dr. Ada Testing"
    recipient.clear()
    recipient.send_keys(HOSTILE)
    screen.js("document.querySelector('#query-0 [value=send]').click()")
    screen.until(lambda: screen.one("#query-0").get_attribute("data-state") == "sent")
    screen.stage.ehr.user, screen.stage.ehr.user_name = "Practitioner/12", "Dr. Cy Treating"
    screen.open(1280, 800, keep=True)
    screen.show("queries")
    screen.js("document.querySelector('#query-0 .open').click()")
    screen.js("document.querySelectorAll('#query-0 [name=answer]')[1].click()")
    screen.one("#query-0 [name=words]").send_keys("see <script>window.hacked=1</script>")
    screen.js("document.querySelector('#query-0 [value=answer]').click()")
    screen.until(lambda: screen.one("#query-0").get_attribute("data-state") == "answered")
    screen.stage.ehr.user, screen.stage.ehr.user_name = "Practitioner/7", "Dr. Ada Testing"
    screen.open(1280, 800, keep=True)
    screen.show("queries")
    screen.js("document.querySelector('#query-0 .open').click()")
    assert "Two" in screen.one("#query-0 .answer").text
    assert "see <script>window.hacked=1</script>" in screen.one("#query-0 .answer").text
    screen.js("document.querySelector('#query-0 .code-on').click()")
    assert screen.driver.switch_to.active_element.get_attribute("name") == "other"
    assert "On the answer to" in screen.one(".add .basis").text
    assert screen.js("return window.hacked") is None
    assert [entry for entry in screen.driver.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert len(screen.stage.ehr.written("Communication")) == 2


def test_what_was_left_out_can_be_coded(screen: Screen) -> None:
    """What stands under "Not coded, because" is a person's to overrule: the code goes to the form of adding, and is recorded on their word."""
    screen.open(1280, 800)
    screen.show("left")
    item = next(e for e in screen.all("#left .card") if "R07.9" in e.text)
    screen.js("arguments[0].querySelector('.open').click(); arguments[0].querySelector('.code-it').click()", item)
    screen.until(lambda: "R07.9" in screen.one(".add .hits").text)
    screen.press(Keys.ENTER)
    screen.until(lambda: "Added by Dr. Ada Testing" in screen.one("#by-hand").text)


def test_an_auditor_sees_all_and_changes_nothing(screen: Screen) -> None:
    """The auditor's page has no button that decides, and single keys decide nothing."""
    screen.stage.ehr.user, screen.stage.ehr.user_name = "Practitioner/9", "Vera Auditor"
    screen.open(1280, 800)
    assert "as auditor" in screen.one(".notices").text
    assert not screen.all(".decide, .grip:enabled, #write-button, .add")
    screen.press("a")
    screen.press("+")
    screen.show("summary")
    assert screen.entries() == []


def test_on_paper_stand_summary_and_reasons(screen: Screen) -> None:
    """Print and PDF of the rationale: the summary first, then each code with its words and rules; no buttons, no whole note."""
    screen.open(1280, 800)
    screen.accept("E11.22")
    screen.until(lambda: codes(screen) == ["E11.22"])
    pdf = screen.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(base64.b64decode(pdf["data"]))).pages)
    assert text.index("Coding summary") < text.index("Why this code")
    assert "Type 2 diabetes mellitus with diabetic chronic kidney disease" in text
    assert "Accepted by Dr. Ada Testing" in text
    for words in ("Undo", "Write 1 to", "SUBJECTIVE:", "Work list"):
        assert words not in text, words


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_axe_finds_nothing_on_the_other_pages(screen: Screen, width: int, dark: bool) -> None:
    """WCAG 2.2 AA: an open query, the summary with entries, history, work list and model card, wide and light, narrow and dark; nothing overflows."""
    screen.open(width, 800, dark=dark)
    ask(screen)
    screen.open(width, 800, dark=dark, keep=True)
    screen.accept("E11.22", "I12.9")
    screen.show("queries")
    screen.js("document.querySelector('#query-0 .open').click()")
    check(screen, width, "query")
    screen.show("summary")
    screen.until(lambda: len(screen.entries()) == 2)
    check(screen, width, "summary")
    address = screen.driver.current_url.split("#")[0]
    for page in (f"{address}/history", f"{address}/worklist", f"{screen.stage.url}/smart/model-card"):
        screen.driver.get(page)
        assert screen.all("main table, main section")
        check(screen, width, page)


def check(screen: Screen, width: int, what: str) -> None:
    """Assert that a page fits and axe finds nothing."""
    assert screen.js("return document.documentElement.scrollWidth") <= width, what
    found = Axe().run(screen.driver, options=RULES)["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == [], what
