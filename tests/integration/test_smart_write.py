"""Writing to the EHR over real HTTP: what goes over the wire, what happens where it fails, and that nothing is written twice or lost."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.provenance import Provenance

from tests.smart_ehr import Ehr
from tests.smart_stage import ENCOUNTER, PATIENT, Browser, Stage, running_service

AIAST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST", "display": "Artificial Intelligence asserted"}
WRITES = ["Condition", "Provenance"]


class Desk:
    """One person at one open chart."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.browser: Browser = stage.browser()
        self.page = stage.open(self.browser)
        self.url = self.page.url.split("#")[0]

    def decide(self, code: str, action: str, **more: str) -> None:
        """Record a decision."""
        answer = self.browser.decide(self.page, code, action, **more)
        assert answer.status_code == 200, answer.text

    def post(self, what: str, **form: Any) -> requests.Response:
        """Send a form as the page's script does."""
        body = {"csrf": self.browser.csrf(self.page), **form}
        return self.browser.post(f"{self.url}/{what}", data=body, headers={"Accept": "application/json"}, timeout=30)

    def write(self, **form: str) -> dict[str, Any]:
        """Write, and return the summary afterwards."""
        answer = self.post("write", **form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def states(self) -> dict[str, str]:
        """Return where each code stands."""
        answer = self.browser.get(f"{self.url}/summary", timeout=20).json()
        return {e["code"]: e["state"] for e in answer["entries"]}


@pytest.fixture
def writing(tmp_path: Path, ehr: Ehr) -> Iterator[Stage]:
    """A service whose EHR takes diagnoses and their Provenance."""
    with running_service(tmp_path, ehr, issuer={"writes": WRITES}) as stage:
        yield stage


def test_only_the_person_s_word_writes(writing: Stage) -> None:
    """Opening a chart and deciding write nothing; "write" writes what stands, as Conditions of the visit with their Provenance."""
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    desk.decide("N18.31", "accept")
    desk.decide("I12.9", "reject", reason="other")
    assert writing.ehr.written("Condition") == []
    answer = desk.write()
    assert {e["code"]: e["state"] for e in answer["entries"]} == {"E11.22": "sent", "N18.31": "sent"}
    assert answer["toWrite"] == 0
    first, second = writing.ehr.written("Condition")
    for resource in (first, second):
        Condition.model_validate({k: v for k, v in resource.items() if k != "meta"} | {"meta": {"security": resource["meta"]["security"]}})
        assert resource["subject"] == {"reference": f"Patient/{PATIENT}"}
        assert resource["encounter"] == {"reference": f"Encounter/{ENCOUNTER}"}
        assert resource["category"][0]["coding"][0]["code"] == "encounter-diagnosis"
        assert resource["verificationStatus"]["coding"][0]["code"] == "confirmed"
        assert resource["recorder"] == {"reference": "Practitioner/7"}
        assert resource["meta"]["security"] == [AIAST]
        assert {"reference": f"DocumentReference/{PATIENT}-note"} in resource["evidence"][0]["detail"]
    coding = first["code"]["coding"][0]
    assert (coding["system"], coding["code"], coding["version"]) == ("http://hl7.org/fhir/sid/icd-10-cm", "E11.22", "2026-04-01")
    provenances = writing.ehr.written("Provenance")
    assert [p["target"] for p in provenances] == [[{"reference": f"Condition/{r['id']}"}] for r in (first, second)]
    for one in provenances:
        Provenance.model_validate({k: v for k, v in one.items() if k != "meta"})
        author, model = one["agent"]
        assert author["type"]["coding"][0]["code"] == "author"
        assert author["who"] == {"reference": "Practitioner/7", "display": "Dr. Ada Testing"}
        assert model["who"]["reference"] == "#model"
        assert one["contained"][0]["resourceType"] == "Device"
        assert one["contained"][0]["version"] == [{"value": "1.0"}]
        assert one["meta"]["security"] == [AIAST]


def test_a_code_added_by_hand_is_not_the_model_s(writing: Stage) -> None:
    """AIAST and the device stand only where the model had a part."""
    desk = Desk(writing)
    desk.decide("", "add", other="Z79.82")
    desk.write()
    (made,) = writing.ehr.written("Condition")
    assert "security" not in made["meta"]
    (told,) = writing.ehr.written("Provenance")
    assert [a["type"]["coding"][0]["code"] for a in told["agent"]] == ["author"]
    assert "contained" not in told


def test_creates_are_conditional_and_a_second_click_writes_nothing(writing: Stage) -> None:
    """Conditional create by identifier; ten clicks at once make one entry."""
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: desk.post("write").status_code, range(10)))
    assert set(answers) == {200}
    (made,) = writing.ehr.written("Condition")
    assert len(writing.ehr.written("Provenance")) == 1
    sent = [a for a in writing.ehr.sent("/fhir/Condition") if a.method == "POST"]
    identity = made["identifier"][0]
    assert {a.headers["If-None-Exist"] for a in sent} == {f"identifier={identity['system']}|{identity['value']}"}
    assert identity["value"].startswith("urn:uuid:")
    assert desk.write()["toWrite"] == 0
    assert len(writing.ehr.written("Condition")) == 1


@pytest.mark.parametrize("heeds", [True, False])
def test_a_lost_answer_makes_no_twin(writing: Stage, heeds: bool) -> None:
    """The server made the entry and its answer was lost: the retry finds it, also on a server that doesn't heed If-None-Exist."""
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    writing.ehr.behaviour.heeds_if_none_exist = heeds
    writing.ehr.behaviour.loses_answers = True
    first = desk.write()
    assert first["entries"][0]["state"] == "waiting"
    assert "tried again" in first["entries"][0]["stateWords"]
    writing.ehr.behaviour.loses_answers = False
    assert desk.write(retry="yes")["entries"][0]["state"] == "sent"
    assert len(writing.ehr.written("Condition")) == 1
    assert len(writing.ehr.written("Provenance")) == 1


def test_a_server_that_is_down_loses_nothing(writing: Stage) -> None:
    """A failure stays in the outbox over a new launch; the page says so, and one click later it is through."""
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    writing.ehr.behaviour.write_status = {"Condition": 503}
    assert desk.write()["waiting"] == 1
    again = Desk(writing)
    assert "not in the chart yet" in again.page.text
    assert again.states() == {"E11.22": "waiting"}
    writing.ehr.behaviour.write_status = {}
    assert again.write(retry="yes")["waiting"] == 0
    assert len(writing.ehr.written("Condition")) == 1


def test_a_server_that_refuses_degrades_to_copy_and_export(writing: Stage) -> None:
    """403 and 405 are told as refused, not tried again by themselves; the summary can be exported; "again" tries once more."""
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    writing.ehr.behaviour.write_status = {"Condition": 405}
    answer = desk.write()
    assert (answer["entries"][0]["state"], answer["refused"], answer["waiting"]) == ("refused", 1, 0)
    assert "doesn't take this kind of entry (405)" in answer["entries"][0]["stateWords"]
    before = len([a for a in writing.ehr.sent("/fhir/Condition") if a.method == "POST"])
    desk.write(retry="yes")
    assert len([a for a in writing.ehr.sent("/fhir/Condition") if a.method == "POST"]) == before
    assert "E11.22" in desk.browser.get(f"{desk.url}/summary.csv", timeout=20).text
    writing.ehr.behaviour.write_status = {}
    assert desk.write(again="yes")["entries"][0]["state"] == "sent"


def test_without_the_right_to_write_nothing_is_offered(stage: Stage) -> None:
    """No scope, no button; the page says to copy or export, and a forged request is refused."""
    desk = Desk(stage)
    desk.decide("E11.22", "accept")
    page = desk.browser.get(desk.url, timeout=20).text
    assert "The EHR gave no right to write diagnoses." in page
    assert 'id="write-button"' not in page
    assert desk.post("write").status_code == 403
    assert not [a for a in stage.ehr.asked if a.method != "GET" and a.path.startswith("/fhir")]


def test_scopes_to_write_are_asked_where_the_ehr_takes_them(writing: Stage, tmp_path: Path) -> None:
    """Least privilege: `patient/Condition.cu` is asked for only where "writes" names it."""
    Desk(writing)
    asked = writing.ehr.sent("/authorize")[-1].query["scope"].split()
    assert {"patient/Condition.cu", "patient/Provenance.c"} <= set(asked)
    assert "patient/Communication.c" not in asked


def test_what_does_not_stand_any_more_is_taken_back(writing: Stage) -> None:
    """A change after writing: the old entry becomes entered-in-error with If-Match, the new code is written, both with Provenance."""
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    desk.write()
    desk.decide("E11.22", "change", other="E11.21")
    assert desk.write()["entries"][0]["code"] == "E11.21"
    old, new = writing.ehr.written("Condition")
    assert old["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "clinicalStatus" not in old
    assert new["code"]["coding"][0]["code"] == "E11.21"
    assert "clinicalStatus" in new
    (put,) = [a for a in writing.ehr.asked if a.method == "PUT"]
    assert put.headers["If-Match"] == 'W/"1"'
    assert sorted(p["activity"]["coding"][0]["code"] for p in writing.ehr.written("Provenance")) == ["CREATE", "CREATE", "UPDATE"]
    assert desk.write()["toWrite"] == 0


def test_an_entry_that_was_changed_in_the_ehr_is_not_overwritten(writing: Stage) -> None:
    """ETag respected: where somebody has worked on the entry since, nothing is taken back until the person says so having seen it."""
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    desk.write()
    (made,) = writing.ehr.written("Condition")
    made["meta"]["versionId"] = "7"
    made["note"] = [{"text": "Discussed with the patient."}]
    desk.decide("E11.22", "undo")
    answer = desk.write()
    assert answer["refused"] == 1
    assert not [a for a in writing.ehr.asked if a.method == "PUT"]
    assert "clinicalStatus" in made
    desk.write(again="yes")
    kept = writing.ehr.resources[f"Condition/{made['id']}"]
    assert kept["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert kept["note"] == [{"text": "Discussed with the patient."}]


def test_what_the_chart_has_is_not_written_again(writing: Stage) -> None:
    """A diagnosis that a card's suggestion has put on the visit's list already is shown as in the chart."""
    there = {
        "resourceType": "Condition",
        "id": "by-card",
        "meta": {"versionId": "1"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "encounter-diagnosis"}]}],
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.22"}]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "encounter": {"reference": f"Encounter/{ENCOUNTER}"},
    }
    writing.ehr.resources["Condition/by-card"] = there
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    assert desk.states() == {"E11.22": "chart"}
    assert desk.write()["toWrite"] == 0
    assert writing.ehr.written("Condition") == []


def test_an_expired_token_keeps_what_is_to_be_written(writing: Stage) -> None:
    """401 while writing: told, kept, and written after the next launch."""
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    writing.ehr.behaviour.write_status = {"Condition": 401}
    answer = desk.write()
    assert answer["ended"] is True
    assert answer["entries"][0]["state"] == "waiting"
    writing.ehr.behaviour.write_status = {}
    assert Desk(writing).write(retry="yes")["entries"][0]["state"] == "sent"


def test_order_and_indicators_are_kept_and_conflicts_told(writing: Stage) -> None:
    """The sequence is a person's: it stands on the next opening; of two who arrange, the second is told."""
    desk = Desk(writing)
    for code in ("E11.22", "N18.31", "I12.9"):
        desk.decide(code, "accept")
    start = desk.browser.get(f"{desk.url}/summary", timeout=20).json()
    assert [e["code"] for e in start["entries"]] == ["E11.22", "I12.9", "N18.31"]
    first = desk.post("arrange", seen=str(start["arrangement"]), codes=["N18.31", "E11.22", "I12.9"])
    assert [e["code"] for e in first.json()["entries"]] == ["N18.31", "E11.22", "I12.9"]
    late = desk.post("arrange", seen=str(start["arrangement"]), codes=["I12.9", "E11.22", "N18.31"])
    assert late.status_code == 409
    assert "changed the order" in late.json()["error"]["message"]
    moved = desk.post("arrange", seen=str(first.json()["arrangement"]), codes=["N18.31", "E11.22", "I12.9"], move="up E11.22")
    assert [e["code"] for e in moved.json()["entries"]] == ["E11.22", "N18.31", "I12.9"]
    assert desk.post("arrange", seen=str(moved.json()["arrangement"]), **{"poa.E11.22": "Q"}).status_code == 422


def test_a_code_that_can_not_stand_first_is_told(writing: Stage) -> None:
    """An external cause never stands first (guideline I.C.20.a.6); the summary says so, the coder decides."""
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    desk.decide("", "add", other="W19.XXXA")
    answer = desk.post("arrange", seen="0", codes=["W19.XXXA", "E11.22"]).json()
    assert "can't stand first" in answer["entries"][0]["warning"]
    assert answer["entries"][1]["warning"] == ""


def test_the_summary_is_exported(writing: Stage) -> None:
    """CSV and JSON: codes in sequence with who, when, rules, model and code set; no words of the note, no name of the patient."""
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    desk.decide("I12.9", "reject", reason="not-supported")
    table = desk.browser.get(f"{desk.url}/summary.csv", timeout=20)
    assert table.headers["Content-Disposition"] == f'attachment; filename="coding-summary-Encounter-{ENCOUNTER}.csv"'
    (line,) = csv.DictReader(io.StringIO(table.text))
    assert (line["sequence"], line["role"], line["code"], line["decidedBy"]) == ("1", "principal", "E11.22", "Dr. Ada Testing")
    assert "model.dictionary" in line["rules"] or "index" in line["rules"]
    assert line["model"] == "scripted 1.0"
    body = desk.browser.get(f"{desk.url}/summary.json", timeout=20).json()
    assert [c["code"] for c in body["codes"]] == ["E11.22"]
    assert [(x["code"], x["because"]) for x in body["notCoded"]] == [("I12.9", "not-supported")]
    for text in (table.text, str(body)):
        assert "Testwood" not in text
        assert "diabetic chronic kidney disease with" not in text


def test_a_hostile_name_starts_no_formula(writing: Stage) -> None:
    """CSV injection: a cell that a spreadsheet would run is shown as text."""
    writing.ehr.user_name = '=HYPERLINK("http://evil.example","x")'
    desk = Desk(writing)
    desk.decide("E11.22", "accept")
    (line,) = csv.DictReader(io.StringIO(desk.browser.get(f"{desk.url}/summary.csv", timeout=20).text))
    assert line["decidedBy"].startswith("'=")


def test_the_history_tells_decisions_cards_and_entries_in_one_line(writing: Stage) -> None:
    """CDS Hooks feedback and decisions of the app are one story, with model, rules and resource."""
    call = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/7", "patientId": PATIENT, "encounterId": ENCOUNTER},
        "prefetch": {"patient": writing.ehr.resources[f"Patient/{PATIENT}"], "encounter": writing.ehr.resources[f"Encounter/{ENCOUNTER}"]}
        | dict.fromkeys(("conditions", "laboratory", "vitals", "medications", "reports", "procedures", "orders", "allergies", "coverages", "compositions"))
        | dict.fromkeys(("impressions", "administrations"))
        | {"notes": {"resourceType": "Bundle", "entry": [{"resource": writing.ehr.resources[f"DocumentReference/{PATIENT}-note"]}]}},
    }
    cards = requests.post(f"{writing.url}/cds-services/coding-review", json=call, timeout=30).json()["cards"]
    card = next(c for c in cards if c.get("suggestions"))
    suggestion = next(s for s in card["suggestions"] if "E11.22" in s["label"])
    feedback = {"card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": [{"id": suggestion["uuid"]}], "outcomeTimestamp": "2026-03-02T10:00:00Z"}
    assert requests.post(f"{writing.url}/cds-services/coding-review/feedback", json={"feedback": [feedback]}, timeout=20).status_code == 200
    desk = Desk(writing)
    assert "Accepted from the card in the EHR" in desk.page.text
    desk.decide("N18.31", "accept")
    desk.write()
    history = desk.browser.get(f"{desk.url}/history", timeout=20).text
    for words in ("Accepted from the card", "Accepted", 'Written to the chart <span class="small break">Condition/', "model 000000000000", "Marginalia 0."):
        assert words in history, words
    assert history.index("Accepted from the card") < history.index("Written to the chart")


def test_an_auditor_reads_and_changes_nothing(tmp_path: Path, ehr: Ehr) -> None:
    """Roles: an auditor sees codes, risk adjustment and history; deciding, arranging and writing are refused and not offered."""
    with running_service(tmp_path, ehr, issuer={"writes": WRITES, "auditors": ["Practitioner/7"]}) as stage:
        desk = Desk(stage)
        assert "You see this encounter as auditor" in desk.page.text
        assert 'value="accept"' not in desk.page.text
        assert 'id="write-button"' not in desk.page.text
        assert "HCC" in desk.page.text
        assert desk.browser.decide(desk.page, "E11.22", "accept").status_code == 403
        assert desk.post("arrange", seen="0").status_code == 403
        assert desk.post("write").status_code == 403
        assert desk.browser.get(f"{desk.url}/history", timeout=20).status_code == 200
