"""Documentation queries and the work list over real HTTP: sent, answered in place, kept as evidence, never a code by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.communication import Communication
from fhir.resources.R4B.task import Task

from smart_app import worklist_views
from tests.integration.test_smart_page import keep
from tests.integration.test_smart_write import Desk
from tests.smart_ehr import Ehr
from tests.smart_stage import ENCOUNTER, PATIENT, Stage, running_service

CODER, CLINICIAN = "Practitioner/8", "Practitioner/7"
QUERY = "specificity.heart-failure"


@pytest.fixture(params=["Communication", "Task", ""])
def kind(request: pytest.FixtureRequest) -> str:
    """What the EHR takes as a message."""
    return str(request.param)


@pytest.fixture
def office(tmp_path: Path, ehr: Ehr, kind: str) -> Iterator[Stage]:
    """A service with a coder and a clinician, and a review that asks one question."""
    with running_service(tmp_path, ehr, issuer={"coders": [CODER], "writes": [kind] if kind else []}) as stage:
        document = keep(stage)
        evidence = document["diagnoses"][0]["evidence"][:1]
        query = {
            "id": QUERY,
            "family": "specificity",
            "title": "Heart failure: type",
            "question": "What is the type of the heart failure?",
            "indicators": evidence,
            "options": ["Systolic", "Diastolic", "Other (please specify)", "Unable to determine"],
            "rule": "gap.heart-failure",
            "reference": "AHIMA/ACDIS 2022",
            "priority": 1,
        }
        stage.store.keep("default", document | {"id": "review-with-query", "queries": [query], "created": "2099-01-01T00:00:00+00:00"})
        yield stage


def sit_down(stage: Stage, user: str, name: str) -> Desk:
    """Return the desk of a person."""
    stage.ehr.user, stage.ehr.user_name = user, name
    return Desk(stage)


def state_of(desk: Desk) -> str:
    """Return what the page shows as the query's state."""
    page = desk.browser.get(desk.url, timeout=20).text
    return page.partition('<article class="card query"')[2].partition('data-state="')[2].partition('"')[0]


def test_a_query_is_sent_answered_in_place_and_becomes_no_code(office: Stage, kind: str) -> None:
    """The whole way: coder sends, clinician answers, the coder sees the answer as evidence and adds a code that names it."""
    coder = sit_down(office, CODER, "Bo Coder")
    assert "Send the query" in coder.page.text
    assert coder.post("queries", query=QUERY, step="send", seen="0", recipient="Dr. Ada Testing").status_code == 200
    assert state_of(coder) == "sent"
    clinician = sit_down(office, CLINICIAN, "Dr. Ada Testing")
    assert "Your answer" in clinician.page.text
    assert "Send the query" not in clinician.page.text
    seen = clinician.page.text.partition('name="query" value="specificity.heart-failure"')[2].partition('name="seen" value="')[2].partition('"')[0]
    assert clinician.post("queries", query=QUERY, step="answer", seen=seen, answer="Diastolic", words="Echo of February.").status_code == 200
    again = sit_down(office, CODER, "Bo Coder")
    assert "<p>Diastolic</p><p>Echo of February.</p>" in again.page.text
    assert again.states() == {}  # nothing was coded by itself
    again.decide("", "add", other="I50.30", basis=f"{QUERY}")
    history = again.browser.get(f"{again.url}/history", timeout=20).text
    assert "Query sent to Dr. Ada Testing" in history
    assert "Query answered: Diastolic" in history
    assert f"after the answer to {QUERY}" in history
    messages: list[dict[str, Any]] = [*office.ehr.written("Task"), *office.ehr.written("Communication")]
    if kind == "":
        assert messages == []
        return
    sent = messages[0]
    model = Communication if kind == "Communication" else Task
    model.model_validate({k: v for k, v in sent.items() if k != "meta"})
    text = sent["payload"][0]["contentString"] if kind == "Communication" else sent["description"]
    for words in ("What is the type of the heart failure?", "[ ] Systolic", "[ ] Diastolic", '"uncontrolled sugar levels" (DocumentReference/'):
        assert words in text, text
    assert sent["meta"]["security"][0]["code"] == "AIAST"
    if kind == "Communication":
        answer = messages[1]
        assert answer["inResponseTo"] == [{"reference": f"Communication/{sent['id']}"}]
        assert "Diastolic" in answer["payload"][0]["contentString"]
        assert "security" not in answer["meta"]
        assert answer["sender"]["reference"] == CLINICIAN


@pytest.mark.parametrize("kind", ["Communication"], indirect=True)
@pytest.mark.parametrize(
    ("user", "form", "status", "words"),
    [
        (CODER, {"step": "answer", "answer": "Systolic"}, 403, "Only a clinician"),
        (CLINICIAN, {"step": "send"}, 403, "Only a coder or CDI specialist"),
        (CLINICIAN, {"step": "answer"}, 422, "No answer was chosen"),
        (CLINICIAN, {"step": "answer", "answer": "Right-sided, worth more money"}, 422, "No answer was chosen"),
        (CLINICIAN, {"step": "answer", "answer": "Other (please specify)"}, 422, "Other needs words"),
        (CODER, {"step": "send", "query": "made.up"}, 422, "asks no such question"),
        (CODER, {"step": "sell"}, 422, "isn't known"),
        (CODER, {"step": "reopen"}, 422, "is open already"),
        (CODER, {"step": "send", "seen": "7"}, 409, "changed meanwhile"),
    ],
)
def test_a_step_out_of_place_is_refused(office: Stage, user: str, form: dict[str, str], status: int, words: str) -> None:
    """Roles, turns and options are checked on the server; nothing is recorded."""
    desk = sit_down(office, user, "Somebody")
    answer = desk.post("queries", **{"query": QUERY, "seen": "0", **form})
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert state_of(desk) == "open"


@pytest.mark.parametrize("kind", [""], indirect=True)
def test_an_answered_query_stays_when_a_newer_review_asks_no_more(office: Stage) -> None:
    """Evidence isn't lost: an answer is still shown when the review is run afresh."""
    desk = sit_down(office, CLINICIAN, "Dr. Ada Testing")
    assert desk.post("queries", query=QUERY, step="answer", seen="0", answer="Systolic").status_code == 200
    newer = keep(office)
    office.store.keep("default", newer | {"id": "newest", "queries": [], "created": "2099-02-01T00:00:00+00:00"})
    page = sit_down(office, CODER, "Bo Coder").page.text
    assert "Heart failure: type" in page
    assert "<p>Systolic</p>" in page


@pytest.mark.parametrize("kind", [""], indirect=True)
def test_answers_are_sealed_at_rest(office: Stage, tmp_path: Path) -> None:
    """What a clinician says in their own words can't be read in the database."""
    desk = sit_down(office, CLINICIAN, "Dr. Ada Testing")
    desk.post("queries", query=QUERY, step="answer", seen="0", answer="Other (please specify)", words="Takotsubo, told by her husband")
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("test.sqlite*"))
    assert b"Takotsubo" not in kept


@pytest.mark.parametrize("kind", [""], indirect=True)
def test_the_work_list_shows_what_waits_and_whose_it_is(office: Stage) -> None:
    """Coders see encounters with age, confidence, open queries and assignment; one is taken, finished and opened again; of two, one is told."""
    other = {"id": "other", "patient": "Patient/bertrand", "encounter": "Encounter/e9", "created": "2026-01-01T00:00:00+00:00"}
    office.store.keep("default", keep(office) | other)
    office.store.keep("elsewhere", keep(office) | {"id": "foreign", "patient": "Patient/of-another-tenant"})
    desk = sit_down(office, CODER, "Bo Coder")
    desk.decide("E11.22", "accept")
    desk.post("queries", query=QUERY, step="send", seen="0")
    listed = desk.browser.get(f"{desk.url}/worklist", timeout=20)
    assert listed.status_code == 200
    assert listed.text.index("bertrand") < listed.text.index(f"{PATIENT}<")  # the oldest first
    assert "of-another-tenant" not in listed.text
    assert "Testwood" not in listed.text
    assert "1 of " in listed.text
    by_queries = desk.browser.get(f"{desk.url}/worklist?by=queries", timeout=20).text
    assert by_queries.index(f"{PATIENT}<") < by_queries.index("bertrand")
    form = {"patient": "Patient/bertrand", "encounter": "Encounter/e9", "seen": "0"}
    assert desk.post("assign", move="take", **form).url.endswith("worklist#row-e9")
    assert "you" in desk.browser.get(f"{desk.url}/worklist?whose=mine", timeout=20).text
    assert desk.post("assign", move="take", **form).status_code == 409
    assert desk.post("assign", move="finish", **{**form, "seen": "1"}).status_code == 200
    assert "finished" in desk.browser.get(f"{desk.url}/worklist", timeout=20).text
    assert desk.post("assign", move="take", patient="Patient/of-another-tenant", encounter=f"Encounter/{ENCOUNTER}", seen="0").status_code == 422
    assert desk.post("assign", move="take", patient="Patient/bertrand", encounter="", seen="0").status_code == 422
    clinician = sit_down(office, CLINICIAN, "Dr. Ada Testing")
    assert "Work list" not in clinician.page.text
    assert clinician.browser.get(f"{clinician.url}/worklist", timeout=20).status_code == 403


@pytest.mark.parametrize("kind", [""], indirect=True)
def test_a_long_work_list_has_pages(office: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many encounters wait, the oldest is on the first page, and what one does to a line leads back to its page."""
    monkeypatch.setattr(worklist_views, "PAGE", 2)
    for number in range(5):
        patient = {"id": f"r{number}", "patient": f"Patient/waits-{number}", "encounter": f"Encounter/e{number}"}
        office.store.keep("default", keep(office) | patient | {"created": f"2026-01-0{number + 1}T00:00:00+00:00"})
    desk = sit_down(office, CODER, "Bo Coder")
    pages = [desk.browser.get(f"{desk.url}/worklist?page={n}", timeout=20).text for n in ("", "2", "9", "-1")]
    assert ["waits-0" in page for page in pages] == [True, False, False, True]
    assert "waits-3" in pages[1]
    assert "waits-4" in pages[2]
    assert "page 2 of 3" in pages[1]
    assert (pages[1].count('rel="prev"'), pages[1].count('rel="next"')) == (1, 1)
    assert (pages[0].count('rel="prev"'), pages[2].count('rel="next"')) == (0, 0)
    taken = desk.post("assign", move="take", patient="Patient/waits-3", encounter="Encounter/e3", seen="0", page="2", by="age")
    assert "page=2" in taken.url
    assert taken.url.endswith("#row-e3")


@pytest.mark.parametrize("kind", [""], indirect=True)
def test_what_another_person_does_is_seen(office: Stage) -> None:
    """Two users at once: what stands can be looked at, without keeping an idle session alive."""
    one = sit_down(office, CODER, "Bo Coder")
    two = sit_down(office, CLINICIAN, "Dr. Ada Testing")
    two.decide("E11.22", "accept")
    seen = one.browser.get(f"{one.url}/standing", timeout=20).json()
    assert seen["codes"]["E11.22"]["who"] == "Dr. Ada Testing"
    assert (seen["arrangement"], seen["queries"]) == (0, 0)
