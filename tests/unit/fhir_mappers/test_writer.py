"""Resources that go back into the chart are valid R4 and carry the label of a machine's part in them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.provenance import Provenance

from fhir_mappers import BadResource
from fhir_mappers.writer import condition, provenance

AIAST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST", "display": "Artificial Intelligence asserted"}


def test_a_suggested_diagnosis_is_a_provisional_encounter_diagnosis() -> None:
    """CDS suggestion: Condition with category, statuses, code, evidence and label."""
    written = condition(
        patient_id="p1",
        encounter_id="e1",
        code="E11.65",
        display="Type 2 diabetes mellitus with hyperglycemia",
        version="2026",
        evidence=["DocumentReference/n1"],
    )
    Condition.model_validate(written)
    assert written == {
        "resourceType": "Condition",
        "meta": {"security": [AIAST]},
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active", "display": "Active"}]},
        "verificationStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "provisional", "display": "Provisional"}]
        },
        "category": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "encounter-diagnosis", "display": "Encounter Diagnosis"}
                ]
            }
        ],
        "code": {
            "coding": [
                {
                    "system": "http://hl7.org/fhir/sid/icd-10-cm",
                    "code": "E11.65",
                    "display": "Type 2 diabetes mellitus with hyperglycemia",
                    "version": "2026",
                }
            ],
            "text": "Type 2 diabetes mellitus with hyperglycemia",
        },
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/e1"},
        "evidence": [{"detail": [{"reference": "DocumentReference/n1"}]}],
    }


@pytest.mark.parametrize("verification", ["unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"])
@pytest.mark.parametrize("category", ["encounter-diagnosis", "problem-list-item"])
def test_every_condition_is_valid(verification: str, category: str) -> None:
    """All statuses; con-5: no clinicalStatus where entered in error; times with a zone only."""
    written = condition(
        patient_id="Patient/p1",
        code="I10",
        display="Essential (primary) hypertension",
        category=category,
        verification=verification,
        recorded=datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=-5))),
        recorder="Practitioner/7",
        note="Accepted by the clinician.",
        condition_id="c1",
        ai_asserted=False,
    )
    assert Condition.model_validate_json(json.dumps(written)).subject.reference == "Patient/p1"
    assert ("clinicalStatus" in written) is (verification != "entered-in-error")
    assert written["recordedDate"] == "2026-03-01T09:30:00-05:00"
    assert "meta" not in written


@pytest.mark.parametrize(("moment", "words"), [(date(2026, 3, 1), "2026-03-01"), (datetime(2026, 3, 1, 9), "2026-03-01")])
def test_a_time_without_a_zone_is_written_as_its_day(moment: date, words: str) -> None:
    """R4 dateTime: a time needs a zone."""
    assert condition(patient_id="p", code="I10", display="x", recorded=moment)["recordedDate"] == words


def test_unknown_statuses_are_refused() -> None:
    """A status that R4 doesn't have never goes on the wire."""
    with pytest.raises(BadResource, match=r"'sure' is no verificationStatus of R4\. Use one of: unconfirmed"):
        condition(patient_id="p", code="I10", display="x", verification="sure")


def test_provenance_names_the_person_as_author_and_the_model_as_device() -> None:
    """Provenance: author, assembler (the model, a contained Device), sources, label."""
    written = provenance(
        targets=["Condition/c1"],
        recorded=datetime(2026, 3, 1, 14, 30, tzinfo=UTC),
        author="Practitioner/7",
        author_display="Ann Field, MD",
        organization="Organization/1",
        model_name="Marginalia NoteCoder",
        model_version="1.2.0",
        sources=["DocumentReference/n1", "DocumentReference/n1"],
    )
    Provenance.model_validate(written)
    assert written["meta"]["security"] == [AIAST]
    assert [(a["type"]["coding"][0]["code"], a["who"]["reference"]) for a in written["agent"]] == [("author", "Practitioner/7"), ("assembler", "#model")]
    assert written["agent"][0]["onBehalfOf"] == {"reference": "Organization/1"}
    (device,) = written["contained"]
    assert (device["resourceType"], device["id"], device["version"]) == ("Device", "model", [{"value": "1.2.0"}])
    assert written["entity"] == [{"role": "source", "what": {"reference": "DocumentReference/n1"}}]
    assert (written["recorded"], written["target"]) == ("2026-03-01T14:30:00+00:00", [{"reference": "Condition/c1"}])


def test_provenance_needs_a_target_and_an_instant() -> None:
    """R4: target 1..*, recorded is an instant with a zone."""
    with pytest.raises(BadResource, match="needs a target"):
        provenance(targets=[], recorded=datetime.now(UTC), author="Practitioner/7", model_name="m", model_version="1")
    with pytest.raises(BadResource, match="needs a time zone"):
        provenance(targets=["Condition/1"], recorded=datetime(2026, 3, 1), author="Practitioner/7", model_name="m", model_version="1")
