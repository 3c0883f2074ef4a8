"""The pilot's figures: who sees them, what the page, CSV and JSON say, and how the page looks in a real browser."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
import requests
from axe_core_python.selenium import Axe
from click.testing import CliRunner
from selenium import webdriver

from cds_service.store import ReviewStore, open_engine
from smart_app.errors import ConfigurationError, DecisionRefused
from smart_app.pilot.command import pilot as command
from smart_app.pilot.example import Pilot, fill
from tests.smart_ehr import Ehr
from tests.smart_screen import NEEDS_CHROMIUM, RULES, Screen
from tests.smart_stage import Browser, Stage, running_ehr, running_service

PERIOD = "from=2026-09&to=2026-10&change=2026-10-01"
OWNER = {"pilot_owners": ["Practitioner/7"], "coders": ["Practitioner/7"]}


@pytest.fixture(scope="module")
def pilot_ehr() -> Iterator[Ehr]:
    """One EHR for all tests."""
    with running_ehr() as ehr:
        yield ehr


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database of a pilot of sixty encounters, and its keys."""
    folder = tmp_path_factory.mktemp("pilot")
    store = ReviewStore(f"sqlite:///{folder / 'test.sqlite'}")
    fill(Pilot(store))
    store.close()
    return folder


@pytest.fixture(scope="module")
def pilot(kept: Path, pilot_ehr: Ehr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A service on such a database; Practitioner/7 owns the pilot."""
    folder = copytree(kept, tmp_path_factory.mktemp("service") / "kept")
    with running_service(folder, pilot_ehr, issuer=OWNER) as stage:
        yield stage


def get(browser: Browser, page: requests.Response, ending: str, query: str = PERIOD) -> requests.Response:
    """Return a page of figures of the chart that is open."""
    return browser.get(f"{page.url.split('#')[0]}/pilot{ending}?{query}", timeout=20)


def test_the_owner_sees_the_figures_on_page_and_in_files(pilot: Stage) -> None:
    """Acceptance by code, override reasons, time, queries, edits: the same numbers on the page, in CSV and in JSON."""
    browser = pilot.browser()
    opened = pilot.open(browser)
    assert "Figures</a>" in opened.text
    page, table, told = (get(browser, opened, ending) for ending in ("", ".csv", ".json"))
    assert page.status_code == table.status_code == told.status_code == 200
    body = told.json()
    assert body["totals"]["patients"] == 60
    codes = {line["code"]: line for line in body["codes"]}
    assert codes["E11.22"]["decided"] == 60
    assert codes["I10"]["share"]["value"] == pytest.approx(43 / 60, abs=1e-4)
    assert codes["I10"]["share"]["low"] < 43 / 60 < codes["I10"]["share"]["high"]
    measures = {m["key"]: m for m in body["measures"]}
    assert measures["work"]["all"]["value"] == 1.5
    assert measures["accepted"]["difference"]["low"] < measures["accepted"]["difference"]["value"] < measures["accepted"]["difference"]["high"]
    rows = {(r["section"], r["key"]): r for r in csv.DictReader(io.StringIO(table.text))}
    assert float(rows["all", "accepted"]["value"]) == measures["accepted"]["all"]["value"]
    assert f"{measures['accepted']['all']['value'] * 100:.0f} % (" in page.text
    assert "attachment" in table.headers["Content-Disposition"]
    assert "The documentation doesn&#39;t support it" in page.text


def test_the_agreement_of_two_coders_is_shown(pilot: Stage) -> None:
    """Twenty encounters read twice: share equal, share of encounters with the same codes, Cohen's kappa with an interval, by code."""
    browser = pilot.browser()
    opened = pilot.open(browser)
    told = get(browser, opened, ".json").json()["secondReadings"]
    assert told["encounters"] == 20
    assert 0.5 < told["share"]["low"] < told["share"]["value"] < told["share"]["high"] <= 1
    assert told["kappa"]["low"] < told["kappa"]["value"] < told["kappa"]["high"]
    assert told["kappa"]["value"] < told["share"]["value"]
    assert "I10" in {line["code"] for line in told["codes"]}
    assert "20 encounters were coded twice" in get(browser, opened, "").text


def test_the_command_prints_the_same_figures(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`marginalia pilot report` without the service: text, CSV and JSON; the reading is audited; a wrong month is told."""
    url = f"sqlite:///{copytree(kept, tmp_path / 'kept') / 'test.sqlite'}"
    monkeypatch.setenv("MARGINALIA_DATABASE_URL", url)
    arguments = ["report", "--from", "2026-09", "--to", "2026-10", "--change", "2026-10-01"]
    text, table, told = (CliRunner().invoke(command, [*arguments, "--form", form], catch_exceptions=False).output for form in ("text", "csv", "json"))
    assert re.search(r"Suggestions accepted unchanged, of those decided +83 % \(77 to 88\)", text)
    assert json.loads(told)["totals"]["patients"] == 60
    assert table.startswith("section,key,name")
    with open_engine(url).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM audit_event WHERE about = 'pilot'").scalar() == 3
    with pytest.raises(DecisionRefused):
        CliRunner().invoke(command, ["report", "--from", "soon"], catch_exceptions=False)


def test_rules_are_checked_by_a_command(tmp_path: Path) -> None:
    """`marginalia pilot rules`: what the file would mark, in words; a wrong one is refused with the field's name."""
    told = CliRunner().invoke(command, ["rules", "docs/examples/straight-through.toml"], catch_exceptions=False).output
    assert "- office-visit: outpatient; every suggestion 95% or surer; at most 5 codes; never C, O, P, S, T" in told
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('name = "n"', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"\[\[rule\]\]"):
        CliRunner().invoke(command, ["rules", str(wrong)], catch_exceptions=False)


def test_no_small_cell_reaches_page_or_file(pilot: Stage) -> None:
    """A code of four patients, a reason of four and queries answered for eight: neither shown nor to be reckoned from what is."""
    browser = pilot.browser()
    opened = pilot.open(browser)
    for ending in ("", ".csv", ".json"):
        assert "Q99.9" not in get(browser, opened, ending).text
    body = get(browser, opened, ".json").json()
    assert body["overrideReasons"]["not-current"] == "fewer than 11"
    assert body["totals"]["answered"] == "of fewer than 11 patients"
    answered = next(m for m in body["measures"] if m["key"] == "answered")["all"]
    assert "value" not in answered
    assert answered["most"] > 8 / 15
    few = get(browser, opened, "", "from=2026-10&to=2026-10&change=2026-10-08").text
    assert "Since then" in few
    before = next(m for m in get(browser, opened, ".json", "from=2026-10&to=2026-10&change=2026-10-08").json()["measures"] if m["key"] == "used")
    assert before["all"]["value"] == 1
    assert before["before"] is before["after"] is None  # seven patients before: told, they would follow from the others


def test_too_few_patients_have_no_figures(pilot: Stage) -> None:
    """A period of no patients says so and gives nothing."""
    browser = pilot.browser()
    opened = pilot.open(browser)
    assert "Too few patients." in get(browser, opened, "", "from=2026-01&to=2026-02").text
    body = get(browser, opened, ".json", "from=2026-01&to=2026-02").json()
    assert body["withheld"] is True
    assert "measures" not in body


def test_a_wrong_period_is_told(pilot: Stage) -> None:
    """Only whole months: one that could be moved by a day would tell of the patients of that day."""
    browser = pilot.browser()
    opened = pilot.open(browser)
    for query in ("from=2026-09-03", "to=soon", "from=2026-10&to=2026-09", "from=2026-10&change=2020-01-01", "from=2020-01&to=2026-01"):
        answer = get(browser, opened, "", query)
        assert answer.status_code == 422, query
        assert "smart.period" in answer.text


@pytest.mark.parametrize("issuer", [{}, {"coders": ["Practitioner/7"]}, {"auditors": ["Practitioner/7"]}, {"pilot_owners": ["Practitioner/8"]}])
def test_nobody_else_sees_them(tmp_path: Path, ehr: Ehr, issuer: dict[str, list[str]]) -> None:
    """Coder, auditor, clinician or the owner of another pilot: 403 on each address, and no link."""
    with running_service(tmp_path, ehr, issuer=issuer) as stage:
        browser = stage.browser()
        opened = stage.open(browser)
        assert "Figures</a>" not in opened.text
        for ending in ("", ".csv", ".json"):
            answer = get(browser, opened, ending)
            assert answer.status_code == 403
            assert "smart.pilot" in answer.text


def test_a_clinician_who_owns_the_pilot_sees_nothing_of_claims(kept: Path, ehr: Ehr, tmp_path: Path) -> None:
    """What a role may not see isn't sent: no claim edits for a clinician."""
    with running_service(copytree(kept, tmp_path / "kept"), ehr, issuer={"pilot_owners": [f"{ehr.iss}/Practitioner/7"]}) as stage:
        browser = stage.browser()
        opened = stage.open(browser)
        body = get(browser, opened, ".json").json()
        assert "accepted" in {m["key"] for m in body["measures"]}
        assert not {m["key"] for m in body["measures"]} & {"edits_settled", "edits_avoided"}
        assert "Claim edits" not in get(browser, opened, "").text


def test_drawings_hold_no_script_and_no_style(pilot: Stage) -> None:
    """The policy allows no inline script or style, so the drawings have none; each says what it is."""
    browser = pilot.browser()
    page = get(browser, pilot.open(browser), "").text
    drawings = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawings) == 3
    for drawing in drawings:
        assert 'role="img"' in drawing
        assert re.search(r'aria-label="[^"]+"', drawing)
        assert not re.search(r"<script|<style|style=|onload|id=|<title|http://(?!www\.w3\.org)", drawing)


@NEEDS_CHROMIUM
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_axe_finds_nothing_on_the_figures(chrome: webdriver.Chrome, pilot: Stage, width: int, dark: bool) -> None:
    """WCAG 2.2 AA on the page of figures, wide and light, narrow and dark; nothing overflows, nothing is refused by the policy."""
    screen = Screen(chrome, pilot)
    screen.open(width, 900, dark=dark)
    screen.driver.get(f"{screen.driver.current_url.split('#')[0]}/pilot?{PERIOD}")
    assert len(screen.all("svg.drawing")) == 3
    assert screen.js("return document.documentElement.scrollWidth") <= width
    assert [entry for entry in screen.driver.get_log("browser") if entry["level"] == "SEVERE"] == []
    found = Axe().run(screen.driver, options=RULES)["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []
    chrome.get("about:blank")
