"""Documentation queries are put once: on the wire, by hook calls, feedback and the app's page, with the queries that real rules ask."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from sqlalchemy import text

from cds_service.application import Application
from cds_service.config import Client
from cds_service.web import create_app
from onnx_models import Assertion
from tests.integration.test_smart_write import Desk
from tests.smart_ehr import Ehr
from tests.smart_stage import ENCOUNTER, PATIENT, Stage, chart_resources, running_service

HEART, FOOD, ASTHMA, MOOD = "gap.heart-failure-type", "gap.malnutrition-degree", "gap.asthma-severity", "gap.depression-severity"
DIABETES = "gap.chronic.diabetes"
SAID = {"heart failure": "I50.9", "malnutrition": "E46", "asthma": "J45.909", "depression": "F32.A", "decompensated": "I50.9"}
ONE, FOUR = "heart failure", "depression, asthma, malnutrition, heart failure"
CODER, CLINICIAN = "Practitioner/8", "Practitioner/7"


@pytest.fixture
def stage(tmp_path: Path, ehr: Ehr) -> Iterator[Stage]:
    """A service with the settings as they are delivered."""
    with running_service(tmp_path, ehr, issuer={"coders": [CODER], "writes": ["Communication", "QuestionnaireResponse"]}) as running:
        running.coder.script = tuple((words, code, 0.95, Assertion()) for words, code in SAID.items())
        yield running


def hook_call(said: str = ONE, *, encounter: str = ENCOUNTER, listed: bool = False, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a call of coding-review on a chart whose note says some words; `listed` leaves the problem list in it."""
    resources = [*chart_resources(f"ASSESSMENT AND PLAN:\n1. {said}.\n", encounter=encounter).values(), *([more] if more else [])]

    def some(kind: str) -> dict[str, Any]:
        return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources if r["resourceType"] == kind]}

    others = ("laboratory", "vitals", "medications", "reports", "procedures", "orders", "allergies", "compositions", "impressions", "administrations")
    chart = {"patient": resources[0], "encounter": resources[1], "notes": some("DocumentReference"), "conditions": some("Condition") if listed else None}
    prefetch = dict.fromkeys(others) | chart
    context = {"userId": CLINICIAN, "patientId": PATIENT, "encounterId": encounter}
    return {"hook": "patient-view", "hookInstance": str(uuid4()), "context": context, "prefetch": prefetch}


def fire(stage: Stage, **call: Any) -> dict[str, Any]:
    """Return the answer to a call."""
    answer = requests.post(f"{stage.url}/cds-services/coding-review", json=hook_call(**call), timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def card_of(answer: dict[str, Any]) -> dict[str, Any] | None:
    """Return the card of documentation questions."""
    return next((c for c in answer["cards"] if c["source"]["topic"]["code"] == "documentationquestions"), None)


def titles(answer: dict[str, Any]) -> list[str]:
    """Return the subjects of the questions that were put."""
    card = card_of(answer)
    return re.findall(r"^\*\*(\w+)", card["detail"], re.MULTILINE) if card else []


def held(answer: dict[str, Any]) -> dict[str, str]:
    """Return what the answer says of queries that weren't put: why, by id."""
    told = answer.get("extension", {}).get("org.marginalia.coverage", {}).get("queriesHeldBack", ())
    assert all(datetime.fromisoformat(t["since"]) <= datetime.now(UTC) + timedelta(days=1) for t in told)
    return {t["query"]: t["reason"] for t in told}


def feedback(stage: Stage, answer: dict[str, Any], reason: str | None = "notrelevant") -> None:
    """Override the card of documentation questions."""
    card = card_of(answer)
    assert card
    why = {"overrideReason": {"reason": {"code": reason, "system": "urn:x"}}} if reason else {}
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-02T09:31:00Z", **why}
    assert requests.post(f"{stage.url}/cds-services/coding-review/feedback", json={"feedback": [item]}, timeout=30).status_code == 200


def days_pass(stage: Stage, days: float) -> None:
    """Let time pass for the service."""
    stage.application.reviewer = replace(stage.application.reviewer, now=lambda: datetime.now(UTC) + timedelta(days=days))


def at_desk(stage: Stage, user: str) -> Desk:
    """Return the desk of a person, at a chart whose note says what the calls say."""
    stage.ehr.resources = chart_resources(f"ASSESSMENT AND PLAN:\n1. {ONE}.\n")
    stage.ehr.user, stage.ehr.user_name = user, "Somebody"
    return Desk(stage)


def step(desk: Desk, what: str, **form: str) -> None:
    """Take a step on the query about the heart failure, as the page's form does."""
    page = desk.browser.get(desk.url, timeout=20)
    seen = re.search(rf'name="query" value="{re.escape(HEART)}".*?name="seen" value="(\d+)"', page.text, re.DOTALL)
    assert seen
    answer = desk.post("queries", query=HEART, step=what, seen=seen[1], **form)
    assert answer.status_code == 200, answer.text


def state_on_page(desk: Desk) -> str:
    """Return the state that the page shows of the first query."""
    page = desk.browser.get(desk.url, timeout=20).text
    return page.partition('<article class="card query"')[2].partition('data-state="')[2].partition('"')[0]


def test_what_was_asked_is_asked_again_after_seven_days(stage: Stage) -> None:
    """Asked within N days: not again, and the answer says so; coding cards come as ever; after N days it is asked again."""
    first = fire(stage)
    assert (titles(first), held(first)) == (["Heart"], {})
    coding = [c["source"]["topic"]["code"] for c in first["cards"] if c != card_of(first)]
    again = fire(stage)
    assert (titles(again), held(again)) == ([], {HEART: "asked"})
    assert [c["source"]["topic"]["code"] for c in again["cards"]] == coding != []
    days_pass(stage, 6.9)
    assert titles(fire(stage)) == []
    days_pass(stage, 7.1)
    assert titles(fire(stage)) == ["Heart"]
    assert titles(fire(stage)) == []  # seven days from then on


def test_three_by_priority_and_then_the_others(stage: Stage) -> None:
    """At most three a card, the most important first. What didn't fit was not asked, so it comes next; the card tells of what is held back."""
    first = fire(stage, said=FOUR, listed=True)
    assert titles(first) == ["Heart", "Malnutrition", "Asthma"]  # 1, 1, 2; the note names them the other way round
    assert "2 more in the full review." in card_of(first)["detail"]  # type: ignore[index]
    second = fire(stage, said=FOUR, listed=True)
    assert titles(second) == ["Depression", "Diabetes"]
    assert held(second) == dict.fromkeys((HEART, FOOD, ASTHMA), "asked")
    assert "Not put again: 3 answered, dismissed or asked before. The full review shows them." in card_of(second)["detail"]  # type: ignore[index]
    assert held(fire(stage, said=FOUR, listed=True)) == dict.fromkeys((HEART, FOOD, ASTHMA, MOOD, DIABETES), "asked")


def test_feedback_dismisses_for_good(stage: Stage) -> None:
    """An override dismisses what its card put, and nothing else, however much time passes and whatever is found besides."""
    first = fire(stage, said=FOUR)
    feedback(stage, first, None)
    second = fire(stage, said=FOUR)
    assert titles(second) == ["Depression"]
    assert held(second) == dict.fromkeys((HEART, FOOD, ASTHMA), "dismissed")
    days_pass(stage, 60)
    assert titles(fire(stage, said=f"{FOUR}, decompensated")) == ["Depression"]


def test_the_page_tells_what_happened_on_the_card(stage: Stage) -> None:
    """The app shows a query that isn't put again, open for an answer, and when it was put on a card or dismissed there."""
    first = fire(stage)
    desk = at_desk(stage, CLINICIAN)
    assert "Put on a card in the EHR" in desk.page.text
    feedback(stage, first)
    page = desk.browser.get(desk.url, timeout=20).text
    assert "Dismissed on a card in the EHR" in page
    assert state_on_page(desk) == "open"


def test_the_last_word_on_a_card_counts_and_later_is_no_dismissal(stage: Stage) -> None:
    """"Will be answered later" puts a query off for N days."""
    first = fire(stage)
    feedback(stage, first, "notrelevant")
    feedback(stage, first, "later")
    assert held(fire(stage)) == {HEART: "asked"}
    days_pass(stage, 8)
    assert titles(fire(stage)) == ["Heart"]


def test_other_indicators_ask_again(stage: Stage) -> None:
    """What rests on other words, tests, drugs or problems than before is put again at once; the same words in another note are nothing new."""
    assert titles(fire(stage)) == ["Heart"]
    note = next(r for r in chart_resources(f"ASSESSMENT AND PLAN:\n1. {ONE}, stable.\n").values() if r["resourceType"] == "DocumentReference")
    assert titles(fire(stage, more=note | {"id": "another-note"})) == []
    assert titles(fire(stage, said=f"{ONE}, decompensated")) == ["Heart"]
    assert titles(fire(stage, said=f"{ONE}, decompensated")) == []


@pytest.mark.parametrize("days", [0, 60])
def test_an_answer_in_the_app_settles_it(stage: Stage, days: int) -> None:
    """Answered in the app, and told to the EHR as a QuestionnaireResponse: not put again; the page shows its state; reopened there, it is put again."""
    desk = at_desk(stage, CLINICIAN)
    step(desk, "answer", answer="Unable to determine")
    assert len(stage.ehr.written("QuestionnaireResponse")) == 1
    days_pass(stage, days)
    assert held(fire(stage)) == {HEART: "answered"}
    assert state_on_page(desk) == "answered"
    step(at_desk(stage, CODER), "reopen")
    days_pass(stage, days)
    assert titles(fire(stage)) == ["Heart"]


def test_what_the_app_closed_or_sent(stage: Stage) -> None:
    """Sent to the author: not on a card for N days, unless it rests on something else; closed: not at all."""
    coder = at_desk(stage, CODER)
    step(coder, "send", recipient="Dr. Ada Testing")
    assert held(fire(stage)) == {HEART: "asked"}
    assert state_on_page(coder) == "sent"
    assert titles(fire(stage, said=f"{ONE}, decompensated")) == ["Heart"]
    days_pass(stage, 8)
    assert titles(fire(stage)) == ["Heart"]
    step(coder, "close")
    days_pass(stage, 30)
    assert held(fire(stage)) == {HEART: "dismissed"}


def test_another_encounter_or_tenant_is_asked(stage: Stage, tmp_path: Path) -> None:
    """What was dismissed at one visit is asked at the next, and at another tenant's visit of the same id; another tenant's feedback dismisses nothing."""
    other = Application(
        replace(stage.application.settings, clients=(Client("open", tenant="north"),)), stage.application.coder, stage.application.knowledge, stage.store
    )
    north = create_app(other).test_client()
    first = fire(stage)
    item = {"card": card_of(first)["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-02T09:31:00Z"}  # type: ignore[index]
    assert north.post("/cds-services/coding-review/feedback", json={"feedback": [item]}).status_code == 200
    assert held(fire(stage)) == {HEART: "asked"}  # and not dismissed
    feedback(stage, first)
    assert held(fire(stage)) == {HEART: "dismissed"}
    assert titles(fire(stage, encounter="visit-2")) == ["Heart"]
    answer = north.post("/cds-services/coding-review", json=hook_call()).json
    assert answer
    assert titles(answer) == ["Heart"]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("test.sqlite*"))
    assert b"heart failure" not in kept


def test_the_look_up_stays_quick(stage: Stage) -> None:
    """An encounter opened hundreds of times is looked up in far less than a call's budget."""
    document = stage.store.get("default", _review_of(stage, fire(stage)))
    for number in range(300):
        stage.store.keep("default", document | {"id": f"r{number}"})
    began = time.perf_counter()
    assert held(fire(stage)) == {HEART: "asked"}
    events = stage.store.queries_put("default", PATIENT, ENCOUNTER)
    assert [(e.query, e.what) for e in events] == [(HEART, "asked")]
    assert time.perf_counter() - began < 10  # guards against growth only


def _review_of(stage: Stage, answer: dict[str, Any]) -> str:
    card = card_of(answer)
    assert card
    with stage.store.engine.connect() as connection:
        return str(connection.execute(text("SELECT review_id FROM card WHERE uuid = :uuid"), {"uuid": card["uuid"]}).scalar_one())
