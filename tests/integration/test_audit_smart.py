"""What is audited of the app: every reading, decision, query, change and write, as the exported AuditEvents tell them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from cds_service.audit import to_audit_event
from cds_service.audit.chain import links
from tests.integration.test_smart_page import keep
from tests.integration.test_smart_write import WRITES, Desk
from tests.smart_ehr import Ehr
from tests.smart_stage import ENCOUNTER, PATIENT, Stage, running_service

CODER, CLINICIAN, AUDITOR = "Practitioner/8", "Practitioner/7", "Practitioner/9"
SITE = "https://coding.example.org"
WORDS = "Echo of February, seen by her husband."


def exported(stage: Stage) -> list[dict[str, Any]]:
    """Return the AuditEvents as they are exported, each valid against the R4 model."""
    with stage.store.engine.connect() as connection:
        found = [to_audit_event(link, site=SITE) for link in links(connection)]
    for event in found:
        AuditEvent.model_validate(event)
    assert stage.application.audit.verify().faults == ()
    return found


def kind(event: dict[str, Any]) -> str:
    """Return what the chain calls the event."""
    return str(event["meta"]["tag"][0]["code"])


def facts(event: dict[str, Any]) -> dict[str, str]:
    """Return the details that an event tells."""
    return {d["type"]: d["valueString"] for entity in event["entity"] for d in entity.get("detail", ())}


def person(event: dict[str, Any]) -> str:
    """Return who did it."""
    return str(next(a for a in event["agent"] if a["requestor"])["who"]["reference"])


def patients(event: dict[str, Any]) -> list[str]:
    """Return the patients whom an event names."""
    return [e["what"]["reference"] for e in event["entity"] if e["type"]["code"] == "1"]


def named(event: dict[str, Any]) -> str:
    """Return what an event is about."""
    what = next(e["what"] for e in event["entity"] if e.get("role", {}).get("code") == "4")
    return str(what.get("reference") or what["identifier"]["system"])


@pytest.fixture
def office(tmp_path: Path, ehr: Ehr) -> Any:
    """A service with a coder, a clinician and an auditor, and a review that asks one question."""
    issuer = {"coders": [CODER], "auditors": [AUDITOR], "writes": [*WRITES, "Communication"]}
    with running_service(tmp_path, ehr, issuer=issuer) as stage:
        document = keep(stage)
        query = {
            "id": "q1",
            "family": "specificity",
            "title": "Heart failure: type",
            "question": "What is the type of the heart failure?",
            "indicators": document["diagnoses"][0]["evidence"][:1],
            "options": ["Systolic", "Diastolic"],
            "rule": "gap.x",
            "reference": "AHIMA/ACDIS 2022",
            "priority": 1,
        }
        stage.store.keep("default", document | {"id": "with-query", "queries": [query], "created": "2099-01-01T00:00:00+00:00"})
        yield stage


def sit_down(stage: Stage, user: str) -> Desk:
    """Return the desk of a person."""
    stage.ehr.user, stage.ehr.user_name = user, "A Person"
    return Desk(stage)


def test_opening_showing_and_deciding_are_audited(stage: Stage) -> None:
    """A chart is opened, an answer is made for the person, then shown, then decided on, then closed; each names person and patient."""
    browser = stage.browser()
    page = stage.open(browser)
    assert browser.get(page.url).status_code == 200
    assert browser.decide(page, "E11.22", "accept").status_code == 200
    assert browser.post(f"{page.url.split('#')[0]}/close", data={"csrf": browser.csrf(page)}, timeout=20).status_code == 200
    told = exported(stage)
    assert [kind(event) for event in told] == ["open", "answer", "read", "decision", "close"]
    for event in told:
        assert (event["agent"][0]["who"]["display"], patients(event), person(event)) == ("smart", [f"Patient/{PATIENT}"], CLINICIAN)
    assert [told[0]["subtype"][0]["code"], told[-1]["subtype"][0]["code"]] == ["110122", "110123"]
    assert facts(told[3])["action"] == "accept"
    with stage.store.engine.connect() as connection:
        assert next(links(connection, kind="answer")).event["details"]["inputs"]["notes"]


def test_what_is_written_to_the_ehr_is_audited(office: Stage) -> None:
    """Each attempt: one that failed, then each resource that the EHR took, by its reference, with the person on whose word it was written."""
    desk = sit_down(office, CODER)
    desk.decide("E11.22", "accept")
    office.ehr.behaviour.write_status = {"Condition": 503}
    desk.write()
    office.ehr.behaviour.write_status = {"Condition": 405}
    desk.write(retry="yes")
    office.ehr.behaviour.write_status = {}
    desk.write(again="yes")
    told = [event for event in exported(office) if kind(event) == "write"]
    assert [(event["outcome"], facts(event)["act"], facts(event)["state"]) for event in told] == [
        ("4", "create", "waiting"),
        ("8", "create", "refused"),
        ("0", "create", "sent"),
        ("0", "provenance", "sent"),
    ]
    assert named(told[2]).startswith("Condition/w")
    assert {person(event) for event in told} == {CODER}


def test_changes_and_queries_are_audited(office: Stage) -> None:
    """Order and indicators, taking and finishing an encounter, a query sent and answered: who, when, about whom, without the words."""
    coder = sit_down(office, CODER)
    coder.decide("E11.22", "accept")
    assert coder.post("arrange", seen="0", codes=["E11.22"]).status_code == 200
    for seen, move in (("0", "take"), ("1", "finish")):
        form = {"move": move, "seen": seen, "patient": f"Patient/{PATIENT}", "encounter": f"Encounter/{ENCOUNTER}", "back": "review"}
        assert coder.post("assign", **form).status_code == 200
    assert coder.post("queries", query="q1", step="send", seen="0", recipient="Dr. Ada Testing").status_code == 200
    clinician = sit_down(office, CLINICIAN)
    assert clinician.post("queries", query="q1", step="answer", seen="1", answer="Diastolic", words=WORDS).status_code == 200
    told = exported(office)
    changes = [(named(e), facts(e).get("move"), person(e)) for e in told if kind(e) == "change"]
    assert changes == [
        ("urn:marginalia:arrangement", None, CODER),
        ("urn:marginalia:assignment", "take", CODER),
        ("urn:marginalia:assignment", "finish", CODER),
    ]
    asked = [(named(e), facts(e)["step"], person(e)) for e in told if kind(e) == "query"]
    assert asked == [("urn:marginalia:query", "send", CODER), ("urn:marginalia:query", "answer", CLINICIAN)]
    assert [facts(e)["act"] for e in told if kind(e) == "write"] == ["message", "message"]
    for event in told:
        assert event["action"] in ("C", "R", "E")
        assert kind(event) in ("open", "read") or patients(event) == [f"Patient/{PATIENT}"]


def test_every_page_and_file_that_is_read_is_audited(office: Stage) -> None:
    """The review, its summary, files and history name the patient; the work list tells of many and is named itself; looking for news isn't reading."""
    desk = sit_down(office, CODER)
    before = len(exported(office))
    for page in ("", "/summary", "/summary.csv", "/summary.json", "/history", "/worklist", "/standing", "/codes?q=diab", "/style.css"):
        assert desk.browser.get(f"{desk.url}{page}", timeout=20).status_code == 200, page
    told = exported(office)[before:]
    assert {kind(event) for event in told} == {"read"}
    pages = [(facts(event).get("page"), facts(event).get("form"), bool(patients(event))) for event in told]
    assert pages == [
        (None, None, True),
        ("summary", None, True),
        ("download", "csv", True),
        ("download", "json", True),
        ("history", None, True),
        (None, None, False),
    ]
    assert named(told[-1]) == "urn:marginalia:page"
    profiles = {event["meta"]["profile"][0].rpartition(".")[2] for event in told}
    assert profiles == {"PatientRead", "Read"}


def test_what_is_refused_is_audited(office: Stage) -> None:
    """An auditor who decides, a form of another page: use of a restricted function, with the reason, and nothing else happens."""
    desk = sit_down(office, AUDITOR)
    assert desk.browser.decide(desk.page, "E11.22", "accept").status_code == 403
    assert desk.post("write", csrf="forged").status_code == 403
    told = [event for event in exported(office) if kind(event) == "refusal"]
    assert [(facts(e)["page"], facts(e)["reason"], e["outcome"]) for e in told] == [("decide", "smart.reads-only", "8"), ("write", "smart.form", "8")]
    assert told[0]["subtype"][0]["code"] == "110132"
    assert not [event for event in exported(office) if kind(event) in ("decision", "write")]


def test_the_audit_holds_no_words(office: Stage) -> None:
    """No event names a patient or a person by name, a code, a word of the note, or what was answered."""
    coder = sit_down(office, CODER)
    coder.decide("E11.22", "accept")
    coder.write()
    clinician = sit_down(office, CLINICIAN)
    assert clinician.post("queries", query="q1", step="answer", seen="0", answer="Diastolic", words=WORDS).status_code == 200
    with office.store.engine.connect() as connection:
        kept = str([link.event for link in links(connection)]) + str(exported(office))
    for words in ("E11", "I12", "Testwood", "A Person", "Diastolic", WORDS, "Heart failure", "diabetes"):
        assert words not in kept, words
