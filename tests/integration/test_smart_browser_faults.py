"""What goes wrong around a chart, in a real browser: nothing executes, nothing is lost, nobody sees or changes the wrong chart."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By

from tests.smart_ehr import Ehr
from tests.smart_screen import NEEDS_CHROMIUM, Screen
from tests.smart_stage import NOTE, PATIENT, chart_resources

pytestmark = NEEDS_CHROMIUM
READY = "return document.documentElement.dataset.ready === 'true'"


@pytest.fixture(autouse=True)
def forgets(browser_ehr: Ehr) -> None:
    """Each test begins with what the EHR holds by itself."""
    browser_ehr.resources = chart_resources()


def way(screen: Screen, code: str) -> list[str]:
    """Return the steps of a code's way from the note to the chart."""
    steps = screen.card(code).find_elements(By.CSS_SELECTOR, ".lineage li:not([hidden])")
    return [" ".join(str(step.get_attribute("textContent")).split()) for step in steps]


def test_the_way_of_a_code_stands_in_one_line(screen: Screen) -> None:
    """Lineage: from the words to the review, the decision and the chart's entry, as it grows and after a reload."""
    screen.open(1280, 800)
    before = way(screen, "E11.22")
    assert len(before) == 2
    assert "Progress note" in before[0]
    assert "scripted 1.0" in before[1]
    assert screen.one(".open-card .lineage").is_displayed()
    screen.accept("E11.22")
    screen.until(lambda: way(screen, "E11.22")[2:] == ["decision 1: accept by Dr. Ada Testing"])
    screen.show("summary")
    screen.until(lambda: screen.entries() == [("E11.22", "new")])
    screen.js("document.getElementById('write-button').click()")
    screen.until(lambda: screen.entries() == [("E11.22", "sent")])
    (made,) = screen.stage.ehr.written("Condition")
    for _ in range(2):
        screen.show("codes")
        screen.until(lambda: way(screen, "E11.22")[3:] == [f"Condition/{made['id']}"])
        screen.driver.refresh()
        screen.until(lambda: screen.js(READY))


def accept_while_cut(screen: Screen) -> None:
    """Accept a code; the service keeps it, its answer is lost, and the page says that nothing was saved."""
    screen.js("const real = window.fetch; window.real = real; window.fetch = async (...a) => { await real(...a); throw new TypeError('cut'); };")
    screen.js("arguments[0].click()", screen.card("E11.22").find_element(By.CSS_SELECTOR, ".accept"))
    screen.until(lambda: "Not saved" in screen.card("E11.22").find_element(By.CSS_SELECTOR, ".form-error").text)


def test_an_answer_that_is_lost_makes_no_second_decision(screen: Screen) -> None:
    """Network cut in mid-save, after the service has kept it: the second click finds the decision kept, once, and nobody is told of a conflict."""
    screen.open(1280, 800)
    accept_while_cut(screen)
    screen.js("window.fetch = window.real;")
    screen.js("arguments[0].click()", screen.card("E11.22").find_element(By.CSS_SELECTOR, ".accept"))
    screen.until(lambda: screen.state("E11.22") == "accept")
    assert screen.card("E11.22").find_element(By.CSS_SELECTOR, ".form-error").text == ""
    screen.driver.get(f"{screen.driver.current_url.split('#')[0]}/history")
    assert len(screen.all(".story tbody tr")) == 1


def test_a_save_that_was_cut_shows_once_the_network_is_back(screen: Screen) -> None:
    """What the service has kept is shown when the network comes back, without a click."""
    screen.open(1280, 800)
    accept_while_cut(screen)
    screen.js("window.fetch = window.real; window.dispatchEvent(new Event('online'));")
    screen.until(lambda: screen.state("E11.22") == "accept")


def test_writing_that_is_cut_off_makes_no_twin(screen: Screen) -> None:
    """Network cut while the summary is written: the page says that nothing is lost; the next click finds what is in the chart."""
    screen.open(1280, 800)
    screen.accept("E11.22")
    screen.show("summary")
    screen.until(lambda: screen.entries() == [("E11.22", "new")])
    screen.js("const real = window.fetch; window.real = real; window.fetch = async (...a) => { await real(...a); throw new TypeError('cut'); };")
    screen.js("document.getElementById('write-button').click()")
    screen.until(lambda: "Nothing is lost" in screen.one("#write-problem").text)
    screen.js("window.fetch = window.real;")
    screen.js("document.getElementById('write-button').click()")
    screen.until(lambda: screen.entries() == [("E11.22", "sent")])
    assert len(screen.stage.ehr.written("Condition")) == 1


def test_back_never_shows_a_chart_that_was_closed(screen: Screen) -> None:
    """Back button: after the chart was closed its page can't be had again; after decisions, back and forward show what stands now."""
    screen.open(1280, 800)
    screen.accept("E11.22")
    address = screen.driver.current_url.split("#")[0]
    screen.driver.get(f"{address}/history")
    assert "Accepted" in screen.one(".story").text
    screen.driver.back()
    screen.until(lambda: screen.js(READY) and screen.state("E11.22") == "accept")
    screen.one(".who form button").click()
    screen.until(lambda: not screen.all(".desk"))
    screen.driver.back()
    screen.until(lambda: "isn't open in this browser any more" in screen.one("body").text)
    assert "Testwood" not in screen.driver.page_source
    screen.driver.forward()
    screen.driver.back()
    screen.until(lambda: "isn't open in this browser any more" in screen.one("body").text)


@pytest.mark.parametrize("page", ["history", "worklist"])
def test_back_never_shows_a_page_of_a_chart_that_was_closed(screen: Screen, page: str) -> None:
    """Back button: history and work list of a closed chart can't be had again, neither from the browser's memory nor its store of pages."""
    screen.open(1280, 800)
    screen.accept("E11.22")
    address = screen.driver.current_url.split("#")[0]
    screen.driver.get(f"{address}/{page}")
    screen.until(lambda: "E11.22" in screen.driver.page_source or PATIENT in screen.driver.page_source)
    screen.driver.get(address)
    screen.until(lambda: screen.js(READY))
    screen.one(".who form button").click()
    screen.until(lambda: not screen.all(".desk"))
    for _ in range(2):
        screen.driver.back()  # first the review, then the page
        screen.until(lambda: "isn't open in this browser any more" in screen.one("body").text)
        assert PATIENT not in screen.driver.page_source
        assert "E11.22" not in screen.driver.page_source


def test_two_charts_in_two_windows_never_mix(screen: Screen) -> None:
    """Wrong patient in context: a second patient's chart in another window changes neither what the first shows nor whom its decisions are about."""
    screen.open(1280, 800)
    screen.stage.ehr.resources |= chart_resources(NOTE, "bruno", "visit-2")
    first = screen.driver.current_window_handle
    screen.driver.switch_to.new_window("tab")
    try:
        launch = screen.stage.ehr.launch("bruno", "visit-2")
        screen.driver.get(f"{screen.stage.url}/smart/launch?iss={screen.stage.ehr.iss}&launch={launch}")
        screen.until(lambda: screen.js(READY))
        assert "Bruno" in screen.one(".patient").text
        second = screen.driver.current_window_handle
        screen.driver.switch_to.window(first)
        screen.accept("E11.22")
        assert "Amalia" in screen.one(".patient").text
        screen.driver.refresh()
        screen.until(lambda: screen.js(READY))
        assert "Amalia" in screen.one(".patient").text
        screen.driver.switch_to.window(second)
        screen.driver.refresh()
        screen.until(lambda: screen.js(READY))
        assert "Bruno" in screen.one(".patient").text
        assert screen.state("E11.22") == "open"
        screen.driver.close()
    finally:
        screen.driver.switch_to.window(first)


def test_another_patient_s_resource_is_not_shown(screen: Screen) -> None:
    """Wrong patient in context: an EHR that answers with another patient's chart gets an error page without a word of it."""
    wrong = chart_resources(NOTE, "bruno", "visit-2")
    screen.stage.ehr.resources[f"Patient/{PATIENT}"] = wrong["Patient/bruno"]
    launch = screen.stage.ehr.launch(PATIENT, "visit-1")
    screen.driver.get(f"{screen.stage.url}/smart/launch?iss={screen.stage.ehr.iss}&launch={launch}")
    screen.until(lambda: "The chart can't be read" in screen.one("body").text)
    assert "Bruno" not in screen.driver.page_source


def test_a_line_of_a_megabyte_is_shown_and_worked_on(screen: Screen) -> None:
    """Hostile note text: one line of a million characters with markup and right-to-left marks stands there whole, and nothing runs.

    What is read of it is found, and the page says what isn't.
    """
    line = "Essential hypertension. <img src=x onerror='window.hacked=1'> \u202etxet\u202c " + " ".join(f"word{n}" for n in range(105_000))
    assert len(line) > 990_000
    screen.open(1280, 800, f"{line}\n")
    assert screen.js("return document.querySelector('.text').textContent.length") >= len(line)
    assert screen.js("return window.hacked") is None
    assert screen.js("return document.documentElement.scrollWidth") <= 1280
    assert "Essential hypertension" in screen.lit()
    assert "Read in part" in screen.one(".note .state").text
    screen.accept("I10")
    assert [entry for entry in screen.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_right_to_left_marks_turn_nothing_around_them(screen: Screen) -> None:
    """Right-to-left marks of a note stay within its words: each place that shows words is isolated, and what follows reads as it did."""
    screen.open(1280, 800, "Essential hypertension \u202e\u2067 and more\n" + NOTE)
    for selector in (".said", ".to-words", ".display", "h2"):
        for element in screen.all(selector)[:20]:
            assert screen.js("return getComputedStyle(arguments[0]).unicodeBidi", element) in ("isolate", "plaintext"), selector
    place = "const r = (e) => e.getBoundingClientRect(); const q = arguments[0]; return r(q.querySelector('.place')).left - r(q).left;"
    distances = {round(screen.js(place, quote)) for quote in screen.all(".open-card .quote")}
    assert len(distances) == 1


def test_a_session_that_is_left_alone_warns_before_it_ends(screen: Screen) -> None:
    """Expired session told before work is lost: five minutes before the end the page says so; any work, but not the look for news, puts it off."""
    screen.stage.ehr.behaviour.token = {"expires_in": 86_400}
    try:
        screen.open(1280, 800)
    finally:
        screen.stage.ehr.behaviour.token = {}
    later = "const real = Date.now; Date.now = () => real() + arguments[0] * 60000; document.dispatchEvent(new CustomEvent('marginalia:expiry'));"
    assert not screen.one("#expiry").is_displayed()
    screen.js(later, 56)
    assert screen.one("#expiry").is_displayed()
    assert "ends in" in screen.one("#expiry").text
    screen.js("document.dispatchEvent(new CustomEvent('marginalia:look'))")
    screen.js("document.dispatchEvent(new CustomEvent('marginalia:expiry'))")
    assert screen.one("#expiry").is_displayed()
    screen.accept("I12.9")
    screen.until(lambda: screen.js("document.dispatchEvent(new CustomEvent('marginalia:expiry')); return document.getElementById('expiry').hidden"))


def test_a_coder_drafts_the_claim(screen: Screen) -> None:
    """The draft is a button of its own; the page says where it is, and that the summary has changed since."""
    screen.open(1280, 800)
    screen.accept("E11.22")
    screen.show("summary")
    screen.until(lambda: screen.entries() == [("E11.22", "new")])
    screen.js("document.getElementById('claim-button').click()")
    screen.until(lambda: "Claim draft written" in screen.one("#claim-state").text)
    assert not screen.one("#claim-button").is_enabled()
    assert len(screen.stage.ehr.written("Claim")) == 1
    screen.accept("I12.9")
    screen.show("summary")
    screen.until(lambda: "The summary has changed since." in screen.one("#claim-state").text and screen.one("#claim-button").is_enabled())
