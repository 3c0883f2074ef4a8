"""The claim's draft and the answer as QuestionnaireResponse over real HTTP: only on a person's word, once, replaced and not doubled, or as a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.chargeitem import ChargeItem
from fhir.resources.R4B.claim import Claim
from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse

from fhir_mappers.systems import HCPCS, ICD10PCS
from tests.integration.test_smart_page import keep
from tests.integration.test_smart_write import Desk
from tests.smart_ehr import Ehr
from tests.smart_stage import ENCOUNTER, PATIENT, Stage, running_service

CODER, CLINICIAN = "Practitioner/7", "Practitioner/9"


@pytest.fixture
def stay(tmp_path: Path, ehr: Ehr) -> Iterator[Stage]:
    """A service at an EHR that takes claims, in front of the chart of a stay."""
    ehr.resources[f"Encounter/{ENCOUNTER}"]["class"]["code"] = "IMP"
    ehr.resources["Coverage/c1"] = {
        "resourceType": "Coverage",
        "id": "c1",
        "status": "active",
        "beneficiary": {"reference": f"Patient/{PATIENT}"},
        "patient": {"reference": f"Patient/{PATIENT}"},  # the test EHR's search parameter
        "payor": [{"display": "A payer"}],
    }
    with running_service(tmp_path, ehr, issuer={"coders": [CODER], "writes": ["Condition", "Provenance", "Claim"]}) as stage:
        yield stage


def drafted(desk: Desk, **form: str) -> dict[str, Any]:
    """Draft the claim and return the summary afterwards."""
    answer = desk.post("claim", **form)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def posts(stage: Stage) -> list[dict[str, Any]]:
    """Return the claims that were sent."""
    return [asked.body for asked in stage.ehr.sent("/fhir/Claim") if asked.method == "POST"]


def test_only_the_person_s_word_drafts_a_claim(stay: Stage) -> None:
    """Deciding and writing diagnoses draft nothing; the button drafts what stands, in sequence, with indicators, coverage and Provenance."""
    desk = Desk(stay)
    for code in ("E11.22", "N18.31"):
        desk.decide(code, "accept")
    desk.post("arrange", seen="0", codes=["N18.31", "E11.22"], **{"poa.N18.31": "Y", "poa.E11.22": "W"})
    desk.write()
    assert posts(stay) == []
    answer = drafted(desk)
    assert (answer["claim"]["state"], answer["claim"]["current"]) == ("sent", True)
    (body,) = stay.ehr.written("Claim")
    Claim.model_validate({k: v for k, v in body.items() if k != "meta"})
    assert (body["status"], body["use"], body["type"]["coding"][0]["code"]) == ("draft", "claim", "institutional")
    told = [(d["diagnosisCodeableConcept"]["coding"][0]["code"], d["onAdmission"]["coding"][0]["code"]) for d in body["diagnosis"]]
    assert told == [("N18.31", "Y"), ("E11.22", "W")]
    assert body["diagnosis"][0]["type"][0]["coding"][0]["code"] == "principal"
    assert body["insurance"][0]["coverage"] == {"reference": "Coverage/c1"}
    assert body["enterer"] == {"reference": CODER, "display": "Dr. Ada Testing"}
    assert body["meta"]["security"][0]["code"] == "AIAST"
    assert {"reference": f"Claim/{body['id']}"} in [t for p in stay.ehr.written("Provenance") for t in p["target"]]
    sent = next(a for a in stay.ehr.sent("/fhir/Claim") if a.method == "POST")
    assert sent.headers["If-None-Exist"] == f"identifier={body['identifier'][0]['system']}|{body['identifier'][0]['value']}"


def test_a_second_click_drafts_no_twin_and_a_change_replaces(stay: Stage) -> None:
    """The same summary is drafted once; a changed one makes a new draft that names the last, which becomes entered-in-error with If-Match."""
    desk = Desk(stay)
    desk.decide("E11.22", "accept")
    drafted(desk)
    drafted(desk)
    assert len(posts(stay)) == 1
    desk.decide("N18.31", "accept")
    assert desk.browser.get(f"{desk.url}/summary", timeout=20).json()["claim"]["current"] is False
    assert drafted(desk)["claim"]["current"] is True
    first, second = stay.ehr.written("Claim")
    assert (first["status"], second["status"]) == ("entered-in-error", "draft")
    assert second["related"][0]["claim"] == {"reference": f"Claim/{first['id']}"}
    (put,) = [a for a in stay.ehr.asked if a.method == "PUT"]
    assert put.headers["If-Match"] == 'W/"1"'
    desk.decide("N18.31", "undo")
    assert drafted(desk)["claim"]["current"] is True
    assert [c["status"] for c in stay.ehr.written("Claim")] == ["entered-in-error", "entered-in-error", "draft"]
    history = desk.browser.get(f"{desk.url}/history", timeout=20).text
    assert history.count("Claim draft written") == 3
    assert history.count("Claim draft taken back") == 2


def test_a_server_that_refuses_leaves_the_old_draft_and_the_file(stay: Stage) -> None:
    """A refusal is told, the draft before it stays, the file is offered, and one click later it is through; a lost answer makes no twin."""
    desk = Desk(stay)
    desk.decide("E11.22", "accept")
    drafted(desk)
    desk.decide("N18.31", "accept")
    stay.ehr.behaviour.write_status = {"Claim": 422}
    answer = drafted(desk)
    assert (answer["claim"]["state"], answer["refused"]) == ("refused", 1)
    assert stay.ehr.written("Claim")[0]["status"] == "draft"
    body = desk.browser.get(f"{desk.url}/claim.json", timeout=20)
    assert body.headers["Content-Type"] == "application/fhir+json"
    assert [d["diagnosisCodeableConcept"]["coding"][0]["code"] for d in body.json()["diagnosis"]] == ["E11.22", "N18.31"]
    stay.ehr.behaviour.write_status = {}
    stay.ehr.behaviour.loses_answers = True
    assert drafted(desk, again="yes")["claim"]["state"] == "waiting"
    stay.ehr.behaviour.loses_answers = False
    assert drafted(desk, again="yes")["claim"]["state"] == "sent"
    assert len(stay.ehr.written("Claim")) == 2


def test_a_clinician_sees_no_claim(stay: Stage) -> None:
    """A bill is payment: no button, no file, no state; a forged request is refused. Without a diagnosis there is nothing to draft."""
    desk = Desk(stay)
    assert desk.post("claim").status_code == 422
    stay.ehr.user = CLINICIAN
    desk = Desk(stay)
    desk.decide("E11.22", "accept")
    page = desk.browser.get(desk.url, timeout=20).text
    assert "claim" not in page.split("<main")[1].lower()
    assert "claim" not in desk.browser.get(f"{desk.url}/summary", timeout=20).json()
    assert desk.browser.get(f"{desk.url}/claim.json", timeout=20).status_code == 403
    assert desk.post("claim").status_code == 403
    assert posts(stay) == []


def test_where_the_ehr_takes_no_claims_the_file_stays(tmp_path: Path, ehr: Ehr) -> None:
    """Configured off: no scope is asked, no button is shown, a forged request is refused; the draft can be downloaded."""
    with running_service(tmp_path, ehr, issuer={"coders": [CODER], "writes": ["Condition"]}) as stage:
        desk = Desk(stage)
        desk.decide("E11.22", "accept")
        assert "Claim" not in stage.ehr.sent("/authorize")[-1].query["scope"]
        assert 'id="claim-button"' not in desk.browser.get(desk.url, timeout=20).text
        assert desk.post("claim").status_code == 403
        body = desk.browser.get(f"{desk.url}/claim.json", timeout=20).json()
        assert body["type"]["coding"][0]["code"] == "professional"
        assert "onAdmission" not in body["diagnosis"][0]


def test_charges_are_drafted_one_by_one_and_taken_back(tmp_path: Path, ehr: Ehr) -> None:
    """A planned ChargeItem for each service that stands, with its units and Provenance, once; what is rejected later is taken back with If-Match."""
    with running_service(tmp_path, ehr, issuer={"coders": [CODER], "writes": ["Provenance", "ChargeItem"]}) as stage:
        document = keep(stage)
        service = document["diagnoses"][0] | {"role": None, "attributes": {}, "hcc": []}
        supply = service | {"code": "J1815", "system": HCPCS, "display": "Insulin injection, per 5 units", "units": 5}
        visit = service | {"code": "99213", "system": "http://www.ama-assn.org/go/cpt", "display": "Office visit"}
        by_table = service | {"code": "0DB68ZX", "system": ICD10PCS, "display": "Excision of stomach, diagnostic"}
        kept = {"id": "with-services", "procedures": [visit, by_table], "supplies": [supply], "created": "2099-01-01T00:00:00+00:00"}
        stage.store.keep("default", document | kept)
        desk = Desk(stage)
        for code in ("J1815", "99213", "0DB68ZX", "E11.22"):
            desk.decide(code, "accept")
        assert ehr.written("ChargeItem") == []
        assert desk.post("charges").json()["charges"] == {"words": "Charges: 2 written.", "todo": 0}
        made = {body["code"]["coding"][0]["code"]: body for body in ehr.written("ChargeItem")}
        assert set(made) == {"J1815", "99213"}
        for body in made.values():
            ChargeItem.model_validate({k: v for k, v in body.items() if k != "meta"})
        drug = made["J1815"]
        assert (drug["status"], drug["quantity"], drug["context"]["reference"]) == ("planned", {"value": 5}, f"Encounter/{ENCOUNTER}")
        assert drug["enterer"] == {"reference": CODER, "display": "Dr. Ada Testing"}
        assert "reason" not in drug
        assert {f"ChargeItem/{body['id']}" for body in made.values()} == {t["reference"] for p in ehr.written("Provenance") for t in p["target"]}
        desk.post("charges")
        assert len(ehr.written("ChargeItem")) == 2
        desk.decide("J1815", "undo")
        assert desk.browser.get(f"{desk.url}/summary", timeout=20).json()["charges"] == {"words": "Charges: 1 written, 1 to take back.", "todo": 1}
        assert desk.post("charges").json()["charges"]["todo"] == 0
        (put,) = [a for a in ehr.asked if a.method == "PUT"]
        assert put.headers["If-Match"] == 'W/"1"'
        assert put.body["status"] == "entered-in-error"
        desk.decide("J1815", "accept")
        ehr.behaviour.write_status = {"ChargeItem": 422}
        assert desk.post("charges").json()["charges"]["words"].startswith("Charges: 1 written, 1 refused by the EHR")
        ehr.behaviour.write_status = {}
        assert desk.post("charges", again="yes").json()["charges"] == {"words": "Charges: 2 written.", "todo": 0}
        assert [b["status"] for b in ehr.written("ChargeItem") if b["code"]["coding"][0]["code"] == "J1815"] == ["entered-in-error", "planned"]
        ehr.user = CLINICIAN
        assert Desk(stage).post("charges").status_code == 403


def test_charges_are_off_unless_the_ehr_takes_them(stay: Stage) -> None:
    """Configured off: no scope is asked, no button is shown, a forged request is refused."""
    desk = Desk(stay)
    assert "ChargeItem" not in stay.ehr.sent("/authorize")[-1].query["scope"]
    assert 'id="charges-button"' not in desk.page.text
    assert desk.post("charges").status_code == 403


@pytest.mark.parametrize("message", ["Communication", "Task", ""])
def test_an_answer_is_written_as_questionnaire_response(tmp_path: Path, ehr: Ehr, message: str) -> None:
    """Where the EHR takes it, the answer is a QuestionnaireResponse by the clinician, once, and no Communication beside it."""
    writes = ["QuestionnaireResponse", *([message] if message else [])]
    with running_service(tmp_path, ehr, issuer={"coders": [CODER], "writes": writes}) as stage:
        document = keep(stage)
        query = {"id": "q1", "family": "specificity", "title": "Type", "question": "Which type?", "options": ["One", "Two"], "rule": "gap.x", "priority": 1}
        query |= {"indicators": document["diagnoses"][0]["evidence"][:1], "reference": "AHIMA/ACDIS 2022"}
        stage.store.keep("default", document | {"id": "with-query", "queries": [query], "created": "2099-01-01T00:00:00+00:00"})
        ehr.user = CLINICIAN
        desk = Desk(stage)
        assert desk.post("queries", query="q1", step="answer", seen="0", answer="Two", words="As the echo says.").status_code == 200
        (body,) = ehr.written("QuestionnaireResponse")
        QuestionnaireResponse.model_validate({k: v for k, v in body.items() if k != "meta"})
        assert [i["answer"][0]["valueString"] for i in body["item"]] == ["Two", "As the echo says."]
        assert body["author"] == {"reference": CLINICIAN, "display": "Dr. Ada Testing"}
        assert ehr.written("Communication") == []
        assert ehr.written("Condition") == []
